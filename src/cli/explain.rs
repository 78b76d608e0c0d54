//! `reveille explain`: for each campaign the conditions with their present values, the enrollment, policy's answer, and
//! when the message would go.

use super::Context;
use super::failure::Failure;
use super::way::{Need, all, query, request, through};
use axum::http::{Method, header};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  reveille explain c-1001
  reveille explain c-1001 cart_reminder
  reveille explain c-1001 --json")]
pub struct Arguments {
    /// The customer (the shop's id)
    customer: String,
    /// Only this campaign
    campaign: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let path = query(
        "/explain",
        &[
            ("customer", Some(&arguments.customer)),
            ("campaign", arguments.campaign.as_deref()),
        ],
    );
    through(context, Need::Look, async |way| {
        if arguments.json {
            let explained = way.get(&path).await?;
            return Ok(context.screen.json(&explained)?);
        }
        let mut asked = request(Method::GET, &path, None);
        let text = header::HeaderValue::from_static("text/plain");
        asked.headers_mut().insert(header::ACCEPT, text);
        let body = all(way.send(asked).await?.into_body()).await?;
        let text = String::from_utf8_lossy(&body);
        Ok(context.screen.say(super::screen::plain(&text).trim_end())?)
    })
    .await
}
