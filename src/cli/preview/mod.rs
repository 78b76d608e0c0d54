//! `reveille preview`: the finished mails, to the terminal, to files, looked over, or served to a browser.

mod bad;
mod checked;
mod files;
mod serve;
mod show;

use super::Context;
use super::failure::Failure;
use super::screen::Screen;
use super::way::{Need, query, through};
use super::which::Which;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::{CampaignId, StepId};
use crate::engine::preview::{PreviewError, Previewed, Previews, Question, Wanted, Who, made_up};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, clap::Args)]
#[command(after_help = "\
The mails are made by what sends them, from the files as they are now: a draft too, whether a
daemon runs or not. Without --customer or --sample they are for somebody who is made up, and no
store is needed. Links to pages of ours are not live: they lead to a page that says so.
docs/preview.md has more.

A campaign whose files are bad is told, and the others are shown all the same.

Exits with 1 if --check finds an error, or if a mail cannot be made; with 3 if files are bad.

Examples:
  reveille preview wake_dormant
  reveille preview wake_dormant --variant gift --locale ko --out gift.html
  reveille preview cart_reminder --sample 3 --serve
  reveille preview --check
  reveille preview --check --json | jq -r '.findings[] | select(.severity == \"error\") | .what'")]
pub struct Arguments {
    /// The campaign: its file's name without .toml [default: all]
    #[arg(value_name = "CAMPAIGN")]
    campaign: Option<String>,
    #[command(flatten)]
    which: Which,
    /// As so many customers of the store would get it
    #[arg(long, value_name = "N", conflicts_with = "customer")]
    sample: Option<usize>,
    /// Write it to a file (.eml, .html or .txt), or all of them to a folder
    #[arg(long, value_name = "PATH", conflicts_with_all = ["serve", "check"])]
    out: Option<PathBuf>,
    /// Show them, in each locale, in a browser until Ctrl-C, wide and narrow; at this address [default: one of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0", conflicts_with = "check")]
    serve: Option<SocketAddr>,
    /// Look every mail over, in each locale: size, links, pictures, placeholders, the way to unsubscribe
    #[arg(long)]
    check: bool,
    /// Print JSON: an array of mails, or with --check one object with findings
    #[arg(long, conflicts_with_all = ["serve", "out"])]
    json: bool,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    if let Some(address) = arguments.serve {
        return serve::run(arguments, address, context).await;
    }
    let made = mails(&arguments, context).await?;
    let shown = show(&made, &arguments, context.screen);
    if made.bad.is_empty() {
        return shown;
    }
    // With --json it stands in what was printed.
    if !(arguments.check && arguments.json) {
        bad::tell(&made.bad, context.screen);
    }
    match shown {
        Err(failure) if failure.exit_code() != 1 => Err(failure),
        Err(failure) => {
            failure.print(context.screen);
            Err(Failure::BadFiles)
        }
        Ok(()) => Err(Failure::BadFiles),
    }
}

fn show(made: &Previews, arguments: &Arguments, screen: Screen) -> Result<(), Failure> {
    let mails = &made.mails;
    if arguments.check {
        return checked::run(made, arguments.json, screen);
    }
    if let Some(path) = &arguments.out {
        return match mails.is_empty() {
            true => Ok(()),
            false => files::write(mails, path, screen),
        };
    }
    if arguments.json {
        let all = serde_json::to_value(mails);
        let all = all.map_err(|e| Failure::failed(format!("the mails are no JSON: {e}")))?;
        screen.json(&all)?;
    } else {
        show::all(mails, screen)?;
    }
    match mails.iter().any(|mail| mail.failed.is_some()) {
        true => Err(Failure::failed("not every mail can be made")),
        false => Ok(()),
    }
}

/// The mails that were asked for: of somebody made up from the files alone, of customers through the daemon or the store.
async fn mails(arguments: &Arguments, context: &Context) -> Result<Previews, Failure> {
    let which = &arguments.which;
    let every_locale = which.locale.is_none() && (arguments.check || arguments.serve.is_some());
    if which.customer.is_none() && arguments.sample.is_none() {
        let config = context.load()?;
        let question = question(arguments, every_locale)?;
        return from_files(&config, &question).await;
    }
    let sample = arguments.sample.map(|n| n.to_string());
    // Of customers the own locale is what they would get.
    let every_locale = (every_locale && arguments.check).then_some("true");
    let mut asked = which.asked(arguments.campaign.as_deref()).to_vec();
    asked.push(("every_locale", every_locale));
    asked.push(("sample", sample.as_deref()));
    let path = query("/preview", &asked);
    let made = through(context, Need::Look, async |way| way.get(&path).await).await?;
    serde_json::from_value(made)
        .map_err(|e| Failure::failed(format!("the daemon's answer was not understood: {e}")))
}

fn question(arguments: &Arguments, every_locale: bool) -> Result<Question, Failure> {
    let campaign = arguments.campaign.as_deref().map(CampaignId::parse);
    let which = &arguments.which;
    let step = which.step.as_deref().map(StepId::parse);
    Ok(Question {
        campaign: campaign.transpose().map_err(Failure::Usage)?,
        wanted: Wanted {
            step: step.transpose().map_err(Failure::Usage)?,
            variant: which.variant.clone(),
            locale: which.locale.clone(),
            every_locale,
        },
        who: Who::MadeUp,
    })
}

async fn from_files(config: &Config, question: &Question) -> Result<Previews, Failure> {
    let now = Clock::system().now();
    Ok(made_up(config, question, now).await?)
}

impl From<PreviewError> for Failure {
    fn from(error: PreviewError) -> Failure {
        let what = error.to_string();
        match error {
            PreviewError::Unknown(what, hint) => Failure::NotFound { what, hint },
            PreviewError::Asked(what) => Failure::failed(what),
            PreviewError::Files { .. } => Failure::Failed {
                what,
                hint: "`reveille check` shows the places".into(),
            },
            PreviewError::Refused(refused) => refused.into(),
        }
    }
}

/// What tells a mail from the others.
fn name(mail: &Previewed) -> String {
    let parts = [
        Some(mail.campaign.as_str()),
        Some(mail.step.as_str()),
        mail.variant.as_deref(),
        Some(mail.locale.as_str()),
        mail.customer.as_deref(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" / ")
}
