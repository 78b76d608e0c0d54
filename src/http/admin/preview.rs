//! `GET /preview`: finished mails to look at, by the files as they are now. `POST /test-send` sends them to somebody of the
//! shop, as tests.

use super::{Admin, Refusal};
use crate::domain::address::EmailAddress;
use crate::domain::id::{CampaignId, CustomerId, StepId};
use crate::engine::copies::{Sent, TestMail};
use crate::engine::preview::{PreviewError, Previews, Question, Wanted, Who};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

/// Which mails are asked for; what is left out is every one.
#[derive(Deserialize)]
pub struct Asked {
    campaign: Option<String>,
    step: Option<String>,
    variant: Option<String>,
    locale: Option<String>,
    #[serde(default)]
    every_locale: bool,
    /// The shop's own id; without it and `sample` one is made up.
    customer: Option<String>,
    sample: Option<usize>,
}

impl Asked {
    fn question(self) -> Result<Question, Refusal> {
        let who = match (&self.customer, self.sample) {
            (Some(id), None) => Who::Customer(CustomerId::shown(id).map_err(Refusal::bad)?),
            (None, Some(n)) => Who::Sample(n),
            (None, None) => Who::MadeUp,
            (Some(_), Some(_)) => {
                return Err(Refusal::bad("a customer, or a sample of them: not both"));
            }
        };
        let campaign = self.campaign.as_deref().map(CampaignId::parse);
        let step = self.step.as_deref().map(StepId::parse);
        Ok(Question {
            campaign: campaign.transpose().map_err(Refusal::bad)?,
            wanted: Wanted {
                step: step.transpose().map_err(Refusal::bad)?,
                variant: self.variant,
                locale: self.locale,
                every_locale: self.every_locale,
            },
            who,
        })
    }
}

pub async fn preview(
    State(admin): State<Admin>,
    Query(asked): Query<Asked>,
) -> Result<Json<Previews>, Refusal> {
    let question = asked.question()?;
    Ok(Json(admin.core.preview(&question).await?))
}

/// A test mail, with the question's own fields beside these.
#[derive(Deserialize)]
pub struct Test {
    to: String,
    by: String,
    mails: Asked,
}

pub async fn test_send(
    State(admin): State<Admin>,
    Json(test): Json<Test>,
) -> Result<Json<Vec<Sent>>, Refusal> {
    let to =
        EmailAddress::parse(&test.to).map_err(|why| Refusal::bad(format!("the address {why}")))?;
    let test = TestMail {
        question: test.mails.question()?,
        to,
        by: test.by,
    };
    Ok(Json(admin.core.test_send(&test).await?))
}

impl From<PreviewError> for Refusal {
    fn from(error: PreviewError) -> Self {
        let text = error.to_string();
        match error {
            PreviewError::Unknown(what, hint) => Refusal::not_found(what).hint(hint),
            PreviewError::Asked(_) => Refusal::bad(text),
            PreviewError::Files { .. } => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text)
                .hint("`reveille check` shows the places"),
            PreviewError::Refused(refused) => refused.into(),
        }
    }
}
