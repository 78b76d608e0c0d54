//! Routes about customers: show, list, set, export, explain, their rows of the send log, and suppressed addresses.

use super::{Admin, Refusal};
use crate::domain::address::EmailAddress;
use crate::domain::id::{CampaignId, CustomerId};
use crate::domain::ledger::Status;
use crate::domain::time::Timestamp;
use crate::engine::Core;
use crate::engine::intake::{Reading, What, json};
use crate::engine::query::{ConsentFilter, LogFilter, LogView};
use crate::engine::shard::Refused;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json as object};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

#[derive(Deserialize)]
pub struct Named {
    pub(super) id: String,
}

fn customer(id: &str) -> Result<CustomerId, Refusal> {
    CustomerId::shown(id).map_err(Refusal::bad)
}

fn address(text: &str) -> Result<EmailAddress, Refusal> {
    EmailAddress::parse(text).map_err(|why| Refusal::bad(format!("the address {why}")))
}

fn unknown(id: &CustomerId) -> Refusal {
    Refusal::not_found(format!("there is no customer {:?}", id.as_str()))
        .hint("ids are the shop's own; `reveille customer list` shows some")
}

pub async fn show(
    State(admin): State<Admin>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Refusal> {
    let id = customer(&named.id)?;
    match admin.core.customer_view(&id).await? {
        Some(view) => Ok(Json(object!(view))),
        None => Err(unknown(&id)),
    }
}

/// Everything that is kept of a customer.
pub async fn export(
    State(admin): State<Admin>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Refusal> {
    let id = customer(&named.id)?;
    match admin.core.export(&id).await? {
        Some(export) => Ok(Json(object!(export))),
        None => Err(unknown(&id)),
    }
}

#[derive(Deserialize)]
pub struct Page {
    after: Option<String>,
    limit: Option<usize>,
}

pub async fn list(
    State(admin): State<Admin>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Refusal> {
    let limit = page.limit.unwrap_or(100).min(10_000);
    let after = page.after.as_deref().map(customer).transpose()?;
    let rows = admin.core.customers(after.as_ref(), limit).await?;
    Ok(Json(object!(rows)))
}

/// Whose causes could not be worked on, and why.
pub async fn poisonous(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    Ok(Json(object!(admin.core.poisonous().await?)))
}

/// Forgets a customer's, once what they tell of is mended.
pub async fn clear_poison(
    State(admin): State<Admin>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Refusal> {
    let id = customer(&named.id)?;
    let cleared = admin.core.clear_poison(&id).await?;
    let cleared = cleared.ok_or_else(|| unknown(&id))?;
    if cleared == 0 {
        return Err(Refusal::not_found(format!(
            "nothing is listed of customer {:?}",
            id.as_str()
        )));
    }
    Ok(Json(object!({ "cleared": cleared })))
}

#[derive(Deserialize)]
pub struct Set {
    id: String,
    /// As an `identify` row of an import has them.
    traits: serde_json::Map<String, Value>,
    by: String,
}

pub async fn set(State(admin): State<Admin>, Json(set): Json<Set>) -> Result<Json<Value>, Refusal> {
    let id = customer(&set.id)?;
    let row = object!({ "type": "identify", "userId": id.as_str(), "traits": set.traits });
    let now = admin.core.clock.now();
    let reading = Reading {
        consent_source: format!("set by {}", set.by),
        consent_at: Some(now),
        ..Reading::new(now)
    };
    let read = json::read_row(row.to_string().as_bytes(), &reading).map_err(Refusal::bad)?;
    let What::Profile { change, consents } = read.what else {
        return Err(Refusal::bad("this is no change of a profile"));
    };
    let catalogue = admin.core.catalogue();
    let rules = &catalogue.rules.tags;
    if let Some((tag, _)) = change.tags.iter().find(|(tag, _)| rules.contains_key(tag)) {
        return Err(Refusal::bad(format!(
            "the tag `{tag}` is borne by whomever its rule finds, and cannot be set by hand"
        ))
        .hint(format!(
            "change the rule [{tag}] in campaigns/tags.toml, or set a tag of another name"
        )));
    }
    let changed = admin.core.set_customer(&id, *change, consents).await?;
    admin.wake.notify_one();
    match changed {
        Some(view) => Ok(Json(object!(view))),
        None => Err(unknown(&id)),
    }
}

#[derive(Deserialize)]
pub struct Explain {
    customer: String,
    campaign: Option<String>,
}

/// JSON, or with `accept: text/plain` what people read.
pub async fn explain(
    State(admin): State<Admin>,
    Query(asked): Query<Explain>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = customer(&asked.customer)?;
    let campaign = asked.campaign.as_deref().map(CampaignId::parse);
    let campaign = campaign.transpose().map_err(Refusal::bad)?;
    let known = &admin.core.catalogue().rules.campaigns;
    if let Some(campaign) = campaign.as_ref().filter(|c| !known.contains_key(*c)) {
        return Err(Refusal::not_found(format!(
            "there is no campaign {:?} in force",
            campaign.as_str()
        ))
        .hint("`reveille campaign list` names them"));
    }
    let Some(explanation) = admin.core.explain(&id, campaign.as_ref()).await? else {
        return Err(unknown(&id));
    };
    let text = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept == "text/plain");
    Ok(if text {
        explanation.render().into_response()
    } else {
        Json(explanation).into_response()
    })
}

#[derive(Deserialize)]
pub struct LogQuery {
    customer: Option<String>,
    campaign: Option<String>,
    message_id: Option<String>,
    status: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
}

/// One JSON object a line, oldest first: of more than `limit` rows the last ones.
pub async fn log(
    State(admin): State<Admin>,
    Query(asked): Query<LogQuery>,
) -> Result<Response, Refusal> {
    let customer_id = known(&admin, asked.customer.as_deref()).await?;
    let campaign = asked.campaign.as_deref().map(CampaignId::parse);
    let filter = LogFilter {
        customer: customer_id,
        campaign: campaign.transpose().map_err(Refusal::bad)?,
        message_id: asked.message_id,
        status: asked.status.as_deref().map(status).transpose()?,
        from: instant("since", asked.since)?,
        to: instant("until", asked.until)?,
        limit: asked.limit,
    };
    let (out, answers) = mpsc::channel(4);
    if filter.limit.is_some() {
        let rows = admin.core.log(&filter).await?;
        // The channel has room for it.
        let _ = out.send(Ok(lines(&rows))).await;
    } else {
        let core = admin.core;
        tokio::spawn(async move {
            if let Err(error) = send_pages(&core, &filter, &out).await {
                let _ = out
                    .send(Err(std::io::Error::other(error.to_string())))
                    .await;
            }
        });
    }
    let body = Body::from_stream(ReceiverStream::new(answers));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn instant(name: &str, text: Option<String>) -> Result<Option<Timestamp>, Refusal> {
    let read = |text: String| {
        Timestamp::parse_rfc3339(&text)
            .ok_or_else(|| Refusal::bad(format!("{name} {text:?} is not RFC 3339")))
    };
    text.map(read).transpose()
}

/// A customer who was heard of, if one is named.
async fn known(admin: &Admin, named: Option<&str>) -> Result<Option<CustomerId>, Refusal> {
    let id = named.map(customer).transpose()?;
    if let Some(id) = &id {
        let found = admin.core.directory.find(std::slice::from_ref(id)).await;
        let found = found.map_err(Refused::from)?;
        if found.iter().all(Option::is_none) {
            return Err(unknown(id));
        }
    }
    Ok(id)
}

/// Rows of the consent ledger, oldest first: of more than `limit` the last ones.
pub async fn consents(
    State(admin): State<Admin>,
    Query(asked): Query<LogQuery>,
) -> Result<Json<Value>, Refusal> {
    let filter = ConsentFilter {
        customer: known(&admin, asked.customer.as_deref()).await?,
        from: instant("since", asked.since)?,
        to: instant("until", asked.until)?,
        limit: asked.limit.unwrap_or(usize::MAX),
    };
    Ok(Json(object!(admin.core.consents(&filter).await?)))
}

type Lines = mpsc::Sender<Result<Bytes, std::io::Error>>;

async fn send_pages(core: &Core, filter: &LogFilter, out: &Lines) -> Result<(), Refused> {
    let mut pages = core.log_pages(filter).await?;
    while let Some(rows) = pages.next().await? {
        if !rows.is_empty() && out.send(Ok(lines(&rows))).await.is_err() {
            // Whoever asked has gone.
            break;
        }
    }
    Ok(())
}

fn lines(rows: &[LogView]) -> Bytes {
    let mut text = Vec::new();
    for row in rows {
        // Plain texts and numbers: writing them as JSON into memory cannot fail.
        serde_json::to_writer(&mut text, row).expect("a row of the log is plain data");
        text.push(b'\n');
    }
    text.into()
}

fn status(text: &str) -> Result<Status, Refusal> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| Refusal::bad(format!("there is no status {text:?}")))
}

pub async fn suppressions(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    Ok(Json(object!(admin.core.suppressions().await?)))
}

#[derive(Deserialize)]
pub struct Suppress {
    addresses: Vec<String>,
    note: String,
    /// Their owners reported mail as unwanted.
    #[serde(default)]
    complaint: bool,
}

/// Suppresses each address; one that is none is told with its place in the list.
pub async fn suppress(
    State(admin): State<Admin>,
    Json(asked): Json<Suppress>,
) -> Result<Json<Value>, Refusal> {
    let mut bad = Vec::new();
    let mut addresses = Vec::new();
    for (at, text) in asked.addresses.iter().enumerate() {
        match EmailAddress::parse(text) {
            Ok(address) => addresses.push(address),
            Err(why) => bad.push(object!({ "at": at, "error": format!("the address {why}") })),
        }
    }
    match asked.complaint {
        true => _ = admin.core.complain_all(&addresses, &asked.note).await?,
        false => {
            for address in &addresses {
                admin.core.suppress(address, &asked.note).await?;
            }
        }
    }
    Ok(Json(object!({ "suppressed": addresses.len(), "bad": bad })))
}

#[derive(Deserialize)]
pub struct Address {
    address: String,
}

pub async fn unsuppress(
    State(admin): State<Admin>,
    Query(asked): Query<Address>,
) -> Result<Json<Value>, Refusal> {
    let address = address(&asked.address)?;
    if !admin.core.unsuppress(&address).await? {
        return Err(Refusal::not_found("this address is not suppressed"));
    }
    Ok(Json(object!({ "removed": true })))
}
