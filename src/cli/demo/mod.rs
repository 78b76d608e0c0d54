//! `reveille demo`: the engine at work on the sample shop, on a virtual clock, with a folder for a mail server.

mod day;
mod play;
mod story;
mod watch;

use super::Context;
use super::failure::Failure;
use super::import::summary::reach;
use super::screen::{Screen, counted, grouped};
use crate::cli::shipped;
use crate::cli::tiers::Tiers;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::config::settings::DEFAULT_FILE;
use crate::daemon::house::{Ground, House, How, Purpose};
use crate::daemon::transports::Folders;
use crate::daemon::{Daemon, signals};
use crate::domain::time::{Span, Timestamp};
use crate::engine::Core;
use crate::engine::sample::Sample;
use day::Day;
use play::Shop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use story::Story;
use watch::Watch;

/// When the story begins: Mon 16 Mar 2026 00:00 UTC. The same on every day, so that everybody sees the same.
const START: Timestamp = Timestamp(1_773_619_200_000);

/// What chance goes by in the demo's store, likewise.
const SALT: [u8; 16] = *b"the sample shop.";

#[derive(clap::Args)]
#[command(after_help = "\
Nothing leaves this machine: mails are written to a folder. The shop and its customers are made up,
and the story is the same on every day and machine.

Examples:
  reveille demo
  reveille demo --days 14 --dir demo-data
  reveille demo --stay")]
pub struct Arguments {
    /// Where to put it: an empty folder, or one that is not there yet [default: a temporary one]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How many days to play
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=90))]
    days: u16,
    /// How many customers the shop has
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(10..=100_000), value_name = "N")]
    customers: u32,
    /// Afterwards run the daemon on the shop until it is stopped; what is saved in its campaigns and templates is taken up at once
    #[arg(long)]
    stay: bool,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let began = clock::stopwatch();
    let screen = context.screen;
    let folder = folder(arguments.dir.as_deref())?;
    // More than half of the sample's customers pay in won.
    let tiers = Tiers::usual(Some("KRW"));
    shipped::write(&folder, &configuration(), &tiers)
        .map_err(|e| Failure::failed(format!("{} can't be written: {e}", folder.display())))?;
    let config = Config::load(&folder.join("config.toml")).map_err(Failure::Configuration)?;

    let start = START;
    let until = start + Span::days(i64::from(arguments.days));
    screen.say(&format!(
        "{}\nNothing leaves this machine. Its campaigns, templates, store and mails are in\n{}\n",
        screen.bold("A corner shop, made up."),
        folder.display()
    ))?;

    let sample = Sample {
        customers: arguments.customers,
        ..Sample::new(until)
    };
    let shop = Shop::make(sample, start)?;
    let clock = Clock::virtual_at(start);
    let how = How {
        clock: clock.clone(),
        folders: Folders::Quick,
        ..How::new(Purpose::Serve)
    };
    let ground = Ground::open(&config, how).await?;
    ground.preset_salt(SALT).await?;
    let house = ground.build(&config).await?;
    let shown = show(&house, shop, &clock, start, until, screen).await;
    let mailed = house.core.outbox.transports().cloned().collect::<Vec<_>>();
    for transport in mailed {
        transport.flush().await;
    }
    house.close().await?;
    let stories = shown?;
    the_end(&folder, &stories, began, screen)?;
    if arguments.stay {
        let (mut stop, hangups) = signals::listen();
        let watched = Watch::of(vec![config.campaigns.clone(), config.templates.clone()]);
        screen.say(&format!(
            "\nThe daemon goes on with the shop from {} on, an hour in an hour; ctrl-c stops it.\n\
             Edit its campaigns and templates: what is saved is taken up at once.",
            until.to_utc().format("%a %e %b %Y %H:%M")
        ))?;
        let how = How {
            clock: Clock::system_from(until),
            ..How::new(Purpose::Serve)
        };
        let inside = Context {
            config: Some(folder.join("config.toml")),
            screen,
        };
        let daemon = Daemon::build(config, how).await?;
        tokio::select! {
            stopped = daemon.run_until_stopped(stop.asked(), hangups) => stopped?,
            never = watched.reload(&inside) => match never {},
        }
    }
    Ok(())
}

async fn show(
    house: &House,
    mut shop: Shop,
    clock: &Clock,
    start: Timestamp,
    until: Timestamp,
    screen: Screen,
) -> Result<Vec<Story>, Failure> {
    let core = &house.core;
    let took = clock::stopwatch();
    let rows = play::history(core, &mut shop, screen).await?;
    screen.say(&format!(
        "{} taken in as history, which starts nothing ({:.1} s).",
        counted(rows, "row", "rows"),
        seconds(took)
    ))?;
    let reached = serde_json::to_value(core.reach().await?).unwrap_or_default();
    for line in reach(&reached, screen) {
        screen.say(&line)?;
    }
    approve(core, screen).await?;

    let days = until.since(start).0 / Span::days(1).0;
    screen.say(&format!(
        "\n{}",
        screen.bold(&format!(
            "Now {}, as the engine lives through {}.",
            counted(days.unsigned_abs(), "day", "days"),
            if days == 1 { "it" } else { "them" }
        ))
    ))?;
    for n in 0..days {
        let from = start + Span::days(n);
        let bar = screen.progress(play::STEPS, &day::name(from));
        play::day(core, &mut shop, clock, from, &bar).await?;
        bar.finish_and_clear();
        let day = Day::read(core, from).await?;
        screen.say(&day.render(&screen))?;
    }
    let stories = story::tell(core, start, until).await?;
    if !stories.is_empty() {
        screen.say(&format!(
            "\n{}",
            screen.bold("What some customers met with")
        ))?;
        for story in &stories {
            screen.say(&story.render(&screen))?;
        }
    }
    Ok(stories)
}

/// A campaign that would let in many at once waits for somebody to look; here the demo says yes.
async fn approve(core: &Arc<Core>, screen: Screen) -> Result<(), Failure> {
    core.settle().await?;
    for view in core.campaigns().await? {
        if let crate::engine::query::Phase::AwaitingApproval {
            customers, allowed, ..
        } = view.phase
        {
            screen.say(&format!(
                "\n{} would let in {} customers at once; [safety] at_once allows {}.\n\
                 It waits for `reveille campaign approve {}`, which the demo has just said.",
                screen.bold(view.id.as_str()),
                grouped(customers),
                grouped(allowed),
                view.id
            ))?;
            core.approve(&view.id, "the demo")
                .await
                .map_err(|e| Failure::failed(e.to_string()))?;
        }
    }
    core.settle().await?;
    Ok(())
}

fn the_end(
    folder: &Path,
    stories: &[Story],
    began: Instant,
    screen: Screen,
) -> Result<(), Failure> {
    let program = program();
    let mails = folder.join("mail/index.html");
    let config = folder.join("config.toml");
    let config = config.display();
    let mut lines = vec![
        String::new(),
        format!("{} in a browser:", screen.bold("Look at the mails")),
        format!("  {}", mails.display()),
        format!("{} (each has --help):", screen.bold("Go on with")),
        format!("  {program} --config {config} campaign list"),
        format!("  {program} --config {config} log --status dropped -n 20"),
    ];
    lines.extend(stories.iter().map(|story| {
        format!(
            "  {program} --config {config} explain {} {}",
            story.customer(),
            story.campaign()
        )
    }));
    lines.push(screen.faint(&format!("({:.0} s)", seconds(began))));
    Ok(screen.say(&lines.join("\n"))?)
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// This program as it was started.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "reveille".into())
}

/// The demo's folder, absolute and empty.
fn folder(told: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(told) = told else {
        let made = tempfile::Builder::new().prefix("reveille-demo-").tempdir();
        return made
            .map(tempfile::TempDir::keep)
            .map_err(|e| Failure::failed(format!("no temporary folder can be made: {e}")));
    };
    let failed = |e: std::io::Error| Failure::failed(format!("{}: {e}", told.display()));
    std::fs::create_dir_all(told).map_err(failed)?;
    let folder = std::path::absolute(told).map_err(failed)?;
    if std::fs::read_dir(&folder).map_err(failed)?.next().is_some() {
        return Err(Failure::Failed {
            what: format!("{} is not empty", folder.display()),
            hint: "name a folder that is empty or not there yet".into(),
        });
    }
    Ok(folder)
}

/// The default configuration with what a shop would set first.
fn configuration() -> String {
    DEFAULT_FILE
        .replace(
            "# address = \"1 Market Street, Seoul\" ",
            "address = \"1 Market Street, Seoul\"   ",
        )
        .replace("# unsubscribe_mailto =", "unsubscribe_mailto =")
        .replace("# shop = \"https", "shop = \"https")
        .replace("# cart = \"https", "cart = \"https")
        .replace("timezone = \"UTC\"       ", "timezone = \"Asia/Seoul\"")
}

#[cfg(test)]
mod tests {
    use super::configuration;
    use crate::config::Config;
    use std::path::Path;

    #[test]
    fn the_configuration_is_good_and_says_what_it_should() {
        let config = Config::parse(Path::new("config.toml"), &configuration()).unwrap();
        assert_eq!(config.warnings, []);
        assert_eq!(config.defaults.timezone, chrono_tz::Asia::Seoul);
        assert!(config.sender.address.is_some() && config.sender.unsubscribe_mailto.is_some());
        let links: Vec<&str> = config.links.keys().map(|name| name.as_str()).collect();
        assert_eq!(links, ["cart", "shop"], "the mails show their buttons");
        assert!(config.is_rehearsal());
    }
}
