//! `reveille go-live`: takes the store from rehearsal to the real thing and ends, so that the service can be started on it.

use super::Context;
use super::failure::Failure;
use super::screen::{Screen, counted};
use super::way::opening;
use crate::config::Config;
use crate::daemon::house::{Ground, How, OpenError, Purpose};
use crate::daemon::socket::{self, SocketError};
use crate::daemon::{DaemonError, transports};
use crate::engine::golive::{Mode, Unreadable, WentLive};
use serde_json::json;

#[derive(clap::Args)]
#[command(after_help = "\
A store remembers whether it has rehearsed (every transport a folder) or sent for real, and the
daemon refuses a configuration of the other kind. This ends what was begun and forgets what was
sent; customers, events, consents, suppressions and the log are kept. Nothing is sent by it: the
daemon starts the campaigns anew, within [safety] at_once. It goes the other way, too.

Example:
  systemctl stop reveille
  sudo -u reveille reveille --config /etc/reveille/config.toml go-live
  systemctl start reveille")]
pub struct Arguments {
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config = context.load()?;
    let checked = transports::check(&config);
    if !checked.wrong.is_empty() {
        return Err(Failure::BadSetting(checked.wrong.join("\n")));
    }
    if socket::answers(&config.admin.socket).await {
        let in_use = SocketError::InUse(config.admin.socket.clone());
        return Err(DaemonError::from(in_use).into());
    }
    if !config.store.path.is_dir() {
        return Err(OpenError::NoStore(config.store.path.clone()).into());
    }
    let how = How {
        progress: Some(opening(context.screen)),
        ..How::new(Purpose::Change)
    };
    let ground = Ground::open(&config, how).await?;
    let done = convert(&ground, &config, arguments, context.screen).await;
    let closed = ground.close().await;
    let (mode, went) = done?;
    closed?;
    tell(mode, went, arguments.json, context.screen)
}

async fn convert(
    ground: &Ground,
    config: &Config,
    arguments: &Arguments,
    screen: Screen,
) -> Result<(Mode, Option<WentLive>), Failure> {
    let Some((from, to)) = ground.way(config).await? else {
        return Ok((Mode::of(config), None));
    };
    if !arguments.yes {
        let store = config.store.path.display();
        screen.complain(&match from == to {
            true => format!("Taking the store {store} to \"{to}\" was cut off half way; this brings it to its end."),
            false => format!("The store {store} goes from \"{from}\" to \"{to}\"."),
        });
        screen.complain(
            "Every enrollment ends, and what was sent is forgotten, so caps count from nothing. Customers, events,\n\
             consents, suppressions and the log are kept. There is no way back but a backup.",
        );
        if !screen.confirm("Go on?") {
            return Err(Failure::Failed {
                what: "nothing was changed".into(),
                hint: "`reveille go-live --yes` does it without asking".into(),
            });
        }
    }
    Ok((to, ground.go_live(config).await?))
}

fn tell(mode: Mode, went: Option<WentLive>, json: bool, screen: Screen) -> Result<(), Failure> {
    if json {
        let done = json!({ "mode": mode.to_string(), "changed": went.is_some(), "went": went });
        return Ok(screen.json(&done)?);
    }
    let Some(went) = went else {
        return Ok(screen.say(&format!(
            "nothing to do: the store is for \"{mode}\", as the configuration is"
        ))?);
    };
    screen.say(&format!(
        "the store is for \"{mode}\" now: {} kept; {} ended, {} forgotten, limits of {} cleared",
        counted(went.customers, "customer", "customers"),
        counted(went.enrollments, "enrollment", "enrollments"),
        counted(went.messages, "open message", "open messages"),
        counted(went.mailboxes, "address", "addresses"),
    ))?;
    if !went.unreadable.is_empty() {
        let left = counted(went.unreadable.len() as u64, "thing", "things");
        screen.say(&screen.yellow(&format!(
            "{left} could not be read and were left as they are; nothing happens to them until they can be:"
        )))?;
        for Unreadable { what, why } in &went.unreadable {
            screen.say(&format!("  {what}: {why}"))?;
        }
    }
    Ok(screen.say("start the daemon now (`systemctl start reveille`, or `reveille run`)")?)
}
