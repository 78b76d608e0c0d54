//! The commands: one subcommand a verb, one file a verb. Each says what it did and how it went by text and exit code.
//!
//! A command that needs the store asks the running daemon over its socket, or opens the store itself and calls the same
//! routes in its own process ([`way`]). Here is only what people type and what they see.

mod across;
mod backup;
mod campaign;
mod cancel;
mod check;
mod coupon;
mod customer;
mod data_asked;
mod demo;
mod explain;
mod failure;
mod forget;
mod go_live;
mod held;
mod import;
mod init;
mod key;
mod links_asked;
mod log;
mod pause;
mod plan;
mod preview;
mod probe;
mod reload;
mod report;
mod requests;
mod restore;
mod resume;
mod run;
mod schema;
mod screen;
mod settle;
mod shipped;
mod standings;
mod suppression;
mod table;
mod test_send;
#[cfg(test)]
mod tests;
mod tiers;
mod unsubscribe;
mod verify;
mod way;
mod which;

use crate::config::Config;
use crate::config::find::find;
use crate::daemon::logging::{self, LogFormat};
use clap::{Parser, Subcommand};
use failure::Failure;
use screen::Screen;
use std::path::PathBuf;
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, for the reason that is printed
  2  the command was not understood
  3  the configuration, a campaign or a template is bad
  4  what was asked for was not found
  5  the store is in use, unavailable or damaged
`reveille unsubscribe` answers a mail server in its own codes instead: 65, 75.

The configuration is looked for at --config, $REVEILLE_CONFIG, ./config.toml and
/etc/reveille/config.toml. $NO_COLOR turns colours off; $REVEILLE_LOG sets what is
logged (\"debug\", \"reveille::engine=trace\").

Example:
  reveille demo";

/// Keeps in touch with customers at the right moment: reads campaigns, follows what customers do, and sends mail within
/// each customer's hours and limits.
#[derive(Parser)]
#[command(name = "reveille", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    log: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::Arguments),
    /// See it at work on a sample shop, with nothing to set up
    Demo(demo::Arguments),
    /// Begin a project: a folder with a configuration, campaigns and templates that run
    Init(init::Arguments),
    /// Check configuration, campaigns and templates
    Check(check::Arguments),
    /// Print JSON Schemas of the files, with which editors complete and check
    Schema(schema::Arguments),
    /// Take a store that has rehearsed to sending for real
    GoLive(go_live::Arguments),
    /// Have the running daemon read configuration and campaigns again
    Reload(reload::Arguments),
    /// Take customers and events in from a file or a pipe
    Import(import::Arguments),
    /// Make a key with which events may be sent over HTTP, or a new one that signs links
    Key(key::Arguments),
    /// Show, list or change customers
    #[command(subcommand)]
    Customer(customer::Arguments),
    /// Read the send log: what was decided for whom, and why
    Log(log::Arguments),
    /// Report opens, clicks and who left, by campaign, variant or hour
    #[command(subcommand)]
    Report(report::Arguments),
    /// Explain why a customer gets a message, or does not, and when
    Explain(explain::Arguments),
    /// Forecast what the campaigns will do
    Plan(plan::Arguments),
    /// Look at finished mails before anybody gets them
    Preview(preview::Arguments),
    /// Send a campaign's mails to yourself, as tests
    TestSend(test_send::Arguments),
    /// List, show or approve campaigns
    #[command(subcommand)]
    Campaign(campaign::Arguments),
    /// List the pools of coupon codes, or print the codes of one
    #[command(subcommand)]
    Coupon(coupon::Arguments),
    /// Hold back the messages of a campaign, a class, or all
    Pause(pause::Arguments),
    /// Let what was paused or held go on
    Resume(resume::Arguments),
    /// End a campaign for good
    Cancel(cancel::Arguments),
    /// List messages in doubt, or say of one what became of it
    Settle(settle::Arguments),
    /// List, add, remove or import addresses that must not be sent to
    #[command(subcommand)]
    Suppression(suppression::Arguments),
    /// Take a mail that was written to the unsubscribe address, from standard input
    Unsubscribe(unsubscribe::Arguments),
    /// Compare everything in the store with its checksums
    Verify(verify::Arguments),
    /// Copy the store to a folder, while the daemon runs or not
    Backup(backup::Arguments),
    /// Put a backup in place of a lost store
    Restore(restore::Arguments),
    #[command(name = crate::daemon::house::PROBE_VERB, hide = true)]
    Probe(probe::Arguments),
}

/// What every verb is given besides its own arguments.
struct Context {
    config: Option<PathBuf>,
    screen: Screen,
}

impl Context {
    /// The configuration, read and whole.
    fn load(&self) -> Result<Config, Failure> {
        let path = self.path()?;
        Config::load(&path).map_err(Failure::Configuration)
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        find(self.config.as_deref()).map_err(Failure::NoConfiguration)
    }
}

/// Parses, runs, and turns the outcome into an exit code.
pub fn main() -> ExitCode {
    // clap prints help and errors itself, and exits with 2 where the command was not understood.
    let cli = Cli::parse();
    let screen = Screen::detect();
    match run(cli, screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(screen);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli, screen: Screen) -> Result<(), Failure> {
    if let Command::Probe(arguments) = cli.command {
        return probe::run(&arguments);
    }
    let usual = match &cli.command {
        Command::Run(_) => None,
        // What would be a warning in a real shop is part of the show.
        Command::Demo(_) => Some("error,tokio_cron_scheduler=off"),
        _ => Some("warn,sled=error,tokio_cron_scheduler=off"),
    };
    logging::begin(cli.log, usual);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("cannot start: {e}")))?;
    let context = Context {
        config: cli.config,
        screen,
    };
    let done = runtime.block_on(dispatch(cli.command, &context));
    // What still waits for a relay is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}

async fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments, context).await,
        Command::Demo(arguments) => demo::run(arguments, context).await,
        Command::Init(arguments) => init::run(arguments, context).await,
        Command::Check(arguments) => check::run(&arguments, context).await,
        Command::Schema(arguments) => schema::run(&arguments, context),
        Command::GoLive(arguments) => go_live::run(&arguments, context).await,
        Command::Reload(arguments) => reload::run(&arguments, context).await,
        Command::Import(arguments) => import::run(arguments, context).await,
        Command::Key(arguments) => key::run(&arguments, context).await,
        Command::Customer(arguments) => customer::run(arguments, context).await,
        Command::Log(arguments) => log::run(&arguments, context).await,
        Command::Report(arguments) => report::run(&arguments, context).await,
        Command::Explain(arguments) => explain::run(&arguments, context).await,
        Command::Plan(arguments) => plan::run(&arguments, context).await,
        Command::Preview(arguments) => preview::run(arguments, context).await,
        Command::TestSend(arguments) => test_send::run(&arguments, context).await,
        Command::Campaign(arguments) => campaign::run(arguments, context).await,
        Command::Coupon(arguments) => coupon::run(arguments, context).await,
        Command::Pause(arguments) => pause::run(&arguments, context).await,
        Command::Resume(arguments) => resume::run(&arguments, context).await,
        Command::Cancel(arguments) => cancel::run(&arguments, context).await,
        Command::Settle(arguments) => settle::run(&arguments, context).await,
        Command::Suppression(arguments) => suppression::run(arguments, context).await,
        Command::Unsubscribe(arguments) => unsubscribe::run(&arguments, context).await,
        Command::Verify(arguments) => verify::run(&arguments, context).await,
        Command::Backup(arguments) => backup::run(&arguments, context).await,
        Command::Restore(arguments) => restore::run(&arguments, context).await,
        Command::Probe(arguments) => probe::run(&arguments),
    }
}
