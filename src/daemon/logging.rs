//! Where log lines go: standard error, as text on a terminal, with journald's priorities in a service, or as JSON.

use std::fmt;
use std::io::IsTerminal;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged unless `$REVEILLE_LOG` says otherwise.
const USUAL: &str = "info,sled=warn,tokio_cron_scheduler=error";

/// Begins logging. Done once a process; a second call changes nothing.
pub fn begin(format: LogFormat, usual: Option<&str>) {
    let filter = match std::env::var("REVEILLE_LOG") {
        Ok(told) if !told.is_empty() => {
            EnvFilter::try_new(&told).unwrap_or_else(|_| EnvFilter::new(USUAL))
        }
        _ => EnvFilter::new(usual.unwrap_or(USUAL)),
    };
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let journald = is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref());
    // An error means that somebody else has begun already.
    let _ = match format {
        LogFormat::Json => base.json().flatten_event(true).try_init(),
        LogFormat::Text if journald => base
            .with_ansi(false)
            .event_format(Prefixed(
                Format::default().compact().without_time().with_level(false),
            ))
            .try_init(),
        LogFormat::Text => {
            let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            base.with_ansi(std::io::stderr().is_terminal() && !no_colour)
                .with_target(false)
                .try_init()
        }
    };
}

/// Whether standard error leads to the journal: `$JOURNAL_STREAM` names the device and inode of what does, and is
/// inherited by programs whose output goes elsewhere (systemd.exec(5)).
fn is_journal(told: Option<&str>) -> bool {
    let here = rustix::fs::fstat(std::io::stderr()).ok();
    here.zip(told)
        .is_some_and(|(stat, told)| told == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Lines that begin with their priority as journald reads it (sd-daemon(3)).
struct Prefixed(Format<Compact, ()>);

impl<S, N> FormatEvent<S, N> for Prefixed
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
