//! `GET /plan`: a forecast, as lines of JSON while it is worked out: each decision where they are asked for, now and then
//! `{"progress": {"done": 5000, "of": 100000}}`, at the end `{"forecast": {..}}` (with `diff` `{"compared": {..}}`) or
//! `{"stopped": "why", "hint": "..", "status": 400}`. Whoever hangs up ends it.

use super::{Admin, Refusal};
use crate::domain::id::CampaignId;
use crate::domain::time::{Span, Timestamp};
use crate::engine::forecast::{ForecastError, Question, Told};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// So many days, where nothing is said of it.
const DAYS: u32 = 30;
/// The same of a comparison.
const DAYS_COMPARED: u32 = 1;

#[derive(Deserialize)]
pub struct Asked {
    days: Option<u32>,
    /// RFC 3339, or how long from now.
    from: Option<String>,
    /// A folder of campaign files; absolute, since the daemon's working folder is not the caller's.
    campaigns: Option<PathBuf>,
    #[serde(default)]
    as_live: bool,
    campaign: Option<String>,
    #[serde(default)]
    decisions: bool,
    /// Not what will be, but what differs from what will be by the files in force.
    #[serde(default)]
    diff: bool,
    /// No comparison of more customers than this.
    at_most: Option<u64>,
}

impl Asked {
    fn question(self, now: Timestamp, running: bool) -> Result<Question, Refusal> {
        let from = self.from.map(|text| {
            Timestamp::parse_rfc3339(&text)
                .or_else(|| Span::parse(&text).ok().map(|ahead| now + ahead))
                .ok_or_else(|| {
                    Refusal::bad(format!(
                        "from {text:?} is no time; write RFC 3339, or how long from now: \"2d\""
                    ))
                })
        });
        let campaign = self.campaign.as_deref().map(CampaignId::parse);
        if self.campaigns.as_ref().is_some_and(|c| !c.is_absolute()) {
            return Err(Refusal::bad(
                "the folder of campaigns must be an absolute path",
            ));
        }
        if let Some(folder) = self.campaigns.as_ref().filter(|folder| !folder.is_dir()) {
            let text = format!("there is no folder {} that can be read", folder.display());
            return Err(Refusal::not_found(text));
        }
        Ok(Question {
            days: self.days.unwrap_or(match self.diff {
                true => DAYS_COMPARED,
                false => DAYS,
            }),
            from: from.transpose()?,
            campaigns: self.campaigns,
            as_live: self.as_live,
            campaign: campaign.transpose().map_err(Refusal::bad)?,
            decisions: self.decisions,
            running,
            tick: None,
            at_most: self.at_most,
        })
    }
}

type Lines = mpsc::Sender<Result<Bytes, std::io::Error>>;

pub async fn plan(
    State(admin): State<Admin>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    // Only the daemon can reload: in a command's own process the engine does not run.
    let running = admin.reload.is_some();
    let diff = asked.diff;
    if diff && !running && asked.campaigns.is_none() {
        return Err(Refusal::bad(
            "no daemon is running, so the files of the folder are those in force",
        )
        .hint("name the folder of the edited ones with --campaigns"));
    }
    let question = asked.question(admin.core.clock.now(), running)?;
    let core = admin.core;
    let (out, answers) = mpsc::channel(4);
    tokio::spawn(async move {
        let (told_in, told) = mpsc::channel(4);
        let working = async {
            Ok::<_, ForecastError>(match diff {
                true => json!({ "compared": core.compare(question, told_in).await? }),
                false => json!({ "forecast": core.forecast(question, told_in).await? }),
            })
        };
        let (made, ()) = tokio::join!(working, tell(told, &out));
        let last = match made {
            Ok(made) => made,
            Err(error) => {
                let refusal = Refusal::from(error);
                json!({
                    "stopped": refusal.error,
                    "hint": refusal.hint,
                    "status": refusal.status.as_u16(),
                })
            }
        };
        let _ = out.send(Ok(line(&last).into())).await;
    });
    let body = Body::from_stream(ReceiverStream::new(answers));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Passes on what is told until nobody listens.
async fn tell(mut told: mpsc::Receiver<Told>, out: &Lines) {
    while let Some(told) = told.recv().await {
        let text = match told {
            Told::Decisions(decisions) => decisions.iter().flat_map(line).collect(),
            Told::Progress { done, of } => line(&json!({ "progress": { "done": done, "of": of } })),
        };
        if out.send(Ok(text.into())).await.is_err() {
            return;
        }
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Plain texts and numbers: writing them as JSON into memory cannot fail.
    let mut line = serde_json::to_vec(value).expect("a forecast is plain data");
    line.push(b'\n');
    line
}

impl From<ForecastError> for Refusal {
    fn from(error: ForecastError) -> Self {
        let text = error.to_string();
        match error {
            ForecastError::Asked(_) => Refusal::bad(text),
            ForecastError::Unknown(_) => {
                Refusal::not_found(text).hint("`reveille campaign list` names them")
            }
            ForecastError::Files(_) => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text)
                .hint("`reveille check` says what is wrong with files, and how to mend it"),
            ForecastError::Many { .. } => Refusal::new(StatusCode::CONFLICT, text)
                .hint("`reveille plan --diff` compares as many as there are"),
            ForecastError::Busy => Refusal::new(StatusCode::CONFLICT, text)
                .hint("one is worked out at a time: try again when it has ended"),
            ForecastError::Unwanted => Refusal::new(StatusCode::CONFLICT, text),
            ForecastError::Refused(refused) => refused.into(),
        }
    }
}
