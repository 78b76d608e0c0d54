//! `reveille run`: the daemon.

use super::Context;
use super::failure::Failure;
use super::way::opening;
use crate::config::problem::render_all;
use crate::daemon::house::{How, Purpose};
use crate::daemon::{Daemon, DaemonError, signals, systemd, transports};
use crate::store::embedded::Progress;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinError;

#[derive(clap::Args)]
#[command(after_help = "\
Without anything set up, mails go to a folder (mail/index.html). SIGTERM and SIGINT stop, SIGHUP
reloads; both are heard from the log's line `starting` on, before the store is opened. Bad campaigns
are reported and don't keep the daemon from starting; a bad config.toml does.

Examples:
  reveille run
  reveille --config /etc/reveille/config.toml --log json run")]
pub struct Arguments {
    /// The store has rehearsed with a mail folder and is now to send for real (or the other way round): ends what was
    /// begun in rehearsal, keeps customers, events and consents. For a service use `reveille go-live`
    #[arg(long)]
    go_live: bool,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let config = context.load()?;
    if !config.warnings.is_empty() {
        let text = render_all(&config.warnings, context.screen.colour_on_stderr);
        context.screen.complain(&text);
    }
    let shown = opening(context.screen);
    let progress: Progress = Arc::new(move |what: &str, done: u64, of: u64| {
        // Building sled anew may take minutes: the service manager is asked for patience.
        systemd::patience(Duration::from_secs(120), what);
        shown(what, done, of);
    });
    let how = How {
        progress: Some(progress),
        go_live: arguments.go_live,
        ..How::new(Purpose::Serve)
    };
    let (mut stop, hangups) = signals::listen();
    tracing::info!(config = %config.path.display(), "starting");
    let within = transports::duration(config.engine.stop_within);
    // In a task of its own: opening must not be dropped half way, and may wait for a disk.
    let mut building = tokio::spawn(Daemon::build(config, how));
    let daemon = tokio::select! {
        built = &mut building => opened(built)?,
        () = stop.asked() => {
            systemd::stopping().await;
            return match tokio::time::timeout(within, building).await {
                Ok(built) => Ok(opened(built)?.close().await?),
                Err(_) => {
                    tracing::warn!("stopped while the store was being opened; nothing is lost, the next start begins that anew");
                    Ok(())
                }
            };
        }
    };
    report(&daemon);
    Ok(daemon.run_until_stopped(stop.asked(), hangups).await?)
}

fn opened(built: Result<Result<Daemon, DaemonError>, JoinError>) -> Result<Daemon, Failure> {
    let built = built.map_err(|error| Failure::failed(format!("the start failed: {error}")))?;
    Ok(built?)
}

/// What is wrong with the campaigns goes to the log: they run on, or wait, as the list of campaigns says.
fn report(daemon: &Daemon) {
    let catalogue = daemon.house().core.catalogue();
    for problem in catalogue.problems.iter().filter(|p| p.is_error()) {
        tracing::error!(problem = problem.to_line(), "a file is bad");
    }
    for problem in &catalogue.template_problems {
        tracing::error!(%problem, "a template is bad");
    }
}
