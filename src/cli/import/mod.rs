//! `reveille import`: customers and events from a file or a pipe.
//!
//! Rows are read and understood here, and go to the engine as a stream; bad ones are told and written to a file. The
//! reading runs on a thread of its own, so that a pipe that keeps silent keeps nobody waiting.

pub(super) mod export;
mod rejects;
mod source;
pub(super) mod summary;

use super::Context;
use super::failure::Failure;
use super::screen::{Screen, counted};
use super::way::{Need, Way, each_line, query, request, through};
use crate::clock::Clock;
use crate::config::text::zone;
use crate::domain::id::{CustomerId, EventName};
use crate::engine::intake::dates::Dates;
use crate::engine::intake::{Kind, Options, Reading, Rows, What};
use crate::http::admin::{END, Sent};
use axum::body::{Body, Bytes};
use axum::http::Method;
use indicatif::ProgressBar;
use rejects::Rejects;
use serde_json::Value;
use source::Source;
use std::collections::HashSet;
use std::path::PathBuf;
use std::thread::JoinHandle;
use summary::summary;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

#[derive(clap::Args)]
#[command(after_help = "\
JSON Lines in the shape of Segment's messages, or CSV with a header; docs/import.md says all about
both. What comes in is history: it feeds conditions and starts nothing, unless --live is given.
Importing the same file again counts nothing twice. Bad rows are told by line and written to
FILE.rejected.

Examples:
  reveille import kunden.csv --map \"Kundennummer=customer\" --dates \"%d.%m.%Y\" --zone Europe/Berlin
  reveille import purchases.csv --event \"Order Completed\"
  reveille import orders.csv --orders
  reveille import events.jsonl
  tail -F events.jsonl | reveille import --live -")]
pub struct Arguments {
    /// The file; - is standard input
    file: PathBuf,
    /// What happens now, not history: it starts campaigns
    #[arg(long)]
    live: bool,
    /// What a column is: column=field, where field is customer, event, time, message_id, a trait or property, or - to leave it out
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// How dates are written that are not RFC 3339 (strftime)
    #[arg(long, value_name = "FORMAT")]
    dates: Option<String>,
    /// The zone of times that don't say theirs
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// The name of all events of a table that has no column for it
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// The file is a shop's own export of its orders, one row an order or one an item
    #[arg(long, conflicts_with_all = ["live", "event"])]
    orders: bool,
    /// How the file writes letters: utf-8, cp949 or windows-1252 [default: utf-8; of --orders found out]
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The mark of fractions in amounts, point or comma [default: found out]
    #[arg(long, value_name = "MARK", requires = "orders")]
    decimals: Option<String>,
    /// Whose totals the rows of one order have: each item's own, or the order's [default: found out]
    #[arg(long, value_name = "WHOSE", requires = "orders")]
    totals: Option<String>,
    /// Where bad rows are written [default: FILE.rejected]
    #[arg(long, value_name = "PATH")]
    rejected: Option<PathBuf>,
    /// Print acknowledgements and the summary as JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// A shop's export of its orders.
    pub fn of_orders(told: export::Told) -> Arguments {
        Arguments {
            file: told.file,
            live: false,
            map: told.map,
            dates: told.dates,
            zone: told.zone,
            event: None,
            orders: true,
            encoding: told.encoding,
            decimals: told.decimals,
            totals: told.totals,
            rejected: None,
            json: false,
        }
    }

    /// What is said of an export of orders.
    fn export(&self) -> export::Told {
        export::Told {
            file: self.file.clone(),
            map: self.map.clone(),
            dates: self.dates.clone(),
            zone: self.zone.clone(),
            encoding: self.encoding.clone(),
            decimals: self.decimals.clone(),
            totals: self.totals.clone(),
        }
    }
}

/// So many bad rows are shown.
const SHOWN: u64 = 10;
/// Rows go to the engine in pieces of about so many bytes; a pipe's at once.
const PIECE: usize = 64 * 1024;

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let source = match arguments.orders {
        true => {
            let zone = context.load()?.defaults.timezone;
            Source::of(export::Export::open(arguments.export(), zone)?)?
        }
        false => Source::open(&arguments)?,
    };
    let options = options(&arguments)?;
    let screen = context.screen;
    let bar = screen.progress_bytes(source.size);
    let name = source.name();
    let asked = [
        ("live", arguments.live.then_some("true")),
        ("source", (!arguments.live).then_some(&*name)),
    ];
    let path = query("/import", &asked);
    let done = through(context, Need::Change, async |way| {
        import(way, &path, source, options, &bar, &arguments, screen).await
    })
    .await;
    bar.finish_and_clear();
    let (read, told) = done?;
    finish(&read, &told, &arguments, context)
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let usage = Failure::Usage;
    let zone = arguments
        .zone
        .as_deref()
        .map(zone)
        .transpose()
        .map_err(usage)?;
    let dates = Dates::new(arguments.dates.as_deref(), zone).map_err(usage)?;
    let reading = Reading {
        dates,
        ..Reading::by(Clock::system())
    };
    let mut options = Options::new(reading);
    options.kind = Kind::of_path(&arguments.file);
    if arguments.orders {
        options.kind = Some(Kind::JsonLines);
        return Ok(options);
    }
    options.map = export::pairs(&arguments.map)?;
    let event = arguments.event.as_deref().map(EventName::parse);
    options.event = event.transpose().map_err(usage)?;
    Ok(options)
}

/// What the reading came to.
#[derive(Default)]
struct Taken {
    rows: u64,
    events: u64,
    rejected: u64,
    customers: HashSet<CustomerId>,
    rejected_to: Option<PathBuf>,
    mapping: Option<String>,
    /// How to import the rejected rows of an export of orders.
    options: Option<String>,
    failure: Option<Failure>,
}

/// What the engine told.
#[derive(Default)]
struct Acknowledged {
    fresh: u64,
    known: u64,
    /// Of those, profiles; the others are events.
    known_profiles: u64,
    /// Rows that tell an event of which an earlier row of the file said other things.
    parts: u64,
    failed: u64,
    /// Rows of customers who were forgotten.
    forgotten: u64,
    upto: u64,
    end: Option<Value>,
    broken_off: bool,
    stopped: Option<(String, String)>,
}

async fn import(
    way: &mut Way,
    path: &str,
    source: Source,
    options: Options,
    bar: &ProgressBar,
    arguments: &Arguments,
    screen: Screen,
) -> Result<(Taken, Acknowledged), Failure> {
    let (pieces, body) = mpsc::channel(8);
    let (opened, is_open) = oneshot::channel();
    let rejects = Rejects::new(
        &source.path,
        arguments.rejected.clone(),
        screen,
        bar.clone(),
    );
    let counting = bar.clone();
    let reading = std::thread::Builder::new()
        .name("import-rows".to_owned())
        .spawn(move || read(source, options, opened, &pieces, rejects, &counting))
        .map_err(|e| Failure::failed(format!("cannot start a thread: {e}")))?;
    // What cannot be read at all, or not so, begins no import: nothing waits for it.
    if is_open.await.is_err() {
        return Ok((joined(reading).await?, Acknowledged::default()));
    }
    let mut asked = request(Method::POST, path, None);
    *asked.body_mut() = Body::from_stream(ReceiverStream::new(body));
    let mut told = Acknowledged::default();
    let response = way.send(asked).await?;
    each_line(response.into_body(), |line| {
        let ack: Value = serde_json::from_slice(line)
            .map_err(|e| Failure::failed(format!("an acknowledgement was not understood: {e}")))?;
        if arguments.json {
            screen.json(&ack)?;
        }
        told.take(&ack, bar, screen);
        Ok(())
    })
    .await?;
    if told.stopped.is_some() {
        // The reader may sit at a silent pipe: it is not waited for.
        return Ok((Taken::default(), told));
    }
    Ok((joined(reading).await?, told))
}

async fn joined(reading: JoinHandle<Taken>) -> Result<Taken, Failure> {
    let read = tokio::task::spawn_blocking(move || reading.join()).await;
    match read {
        Ok(Ok(read)) => Ok(read),
        _ => Err(Failure::failed("the reading of rows failed")),
    }
}

impl Acknowledged {
    fn take(&mut self, ack: &Value, bar: &ProgressBar, screen: Screen) {
        let number = |key: &str| ack[key].as_u64().unwrap_or(0);
        self.fresh += number("fresh");
        self.known += number("known");
        self.known_profiles += number("known_profiles");
        self.parts += number("parts");
        self.upto = self.upto.max(number("upto"));
        let empty = Vec::new();
        for failed in ack["failed"].as_array().unwrap_or(&empty) {
            self.failed += 1;
            if self.failed <= SHOWN {
                let error = failed["error"].as_str().unwrap_or_default();
                bar.suspend(|| screen.complain(&format!("line {}: {error}", failed["line"])));
            }
        }
        self.forgotten += ack["forgotten"].as_array().map_or(0, Vec::len) as u64;
        if let Some(why) = ack["stopped"].as_str() {
            let hint = ack["hint"].as_str().unwrap_or_default();
            self.stopped = Some((why.to_owned(), hint.to_owned()));
        }
        self.broken_off |= ack["broken_off"] == true;
        if ack["end"].is_object() {
            self.end = Some(ack["end"].clone());
        }
    }
}

type Pieces = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// Reads all rows, sends the good ones and tells of the bad ones; behind the last one it sends that this is the end, and
/// not where the rest could not be read. `opened` is told when rows can be read, or dropped. Runs on a thread of its own.
fn read(
    source: Source,
    options: Options,
    opened: oneshot::Sender<()>,
    pieces: &Pieces,
    mut rejects: Rejects,
    bar: &ProgressBar,
) -> Taken {
    let mut done = Taken::default();
    let mut rows = match Rows::open(source.reader, options) {
        Ok(rows) => rows,
        Err(error) => {
            done.failure = Some(Failure::failed(format!(
                "{}: {error}",
                source.path.display()
            )));
            return done;
        }
    };
    let _ = opened.send(());
    done.mapping = rows.mapping().map(ToString::to_string);
    rejects.header = rows.header().map(<[u8]>::to_vec);
    if let Some(export) = source.export {
        done.mapping = Some(export.told);
        done.options = Some(export.options);
        rejects.header = Some(export.header);
        done.rejected += export.refused.len() as u64;
        export.refused.iter().for_each(|row| rejects.take(row));
    }
    let mut piece = Vec::with_capacity(PIECE + 4096);
    let mut whole = true;
    while let Some((line, row)) = rows.next() {
        match row {
            Ok(row) => {
                done.rows += 1;
                done.events += u64::from(matches!(row.what, What::Event { .. }));
                if !done.customers.contains(row.customer.as_str()) {
                    done.customers.insert(row.customer.clone());
                }
                // Plain data: writing it as JSON into memory cannot fail, save for a number that JSON has not.
                if serde_json::to_writer(&mut piece, &Sent { line, row }).is_ok() {
                    piece.push(b'\n');
                }
            }
            Err(error) => {
                done.rejected += 1;
                let fatal = error.fatal;
                rejects.take(&error);
                if fatal {
                    whole = false;
                    done.failure = Some(Failure::failed(error.to_string()));
                }
            }
        }
        bar.set_position(rows.bytes_read());
        if source.pipe || piece.len() >= PIECE {
            let full = Bytes::from(std::mem::take(&mut piece));
            if !full.is_empty() && pieces.blocking_send(Ok(full)).is_err() {
                break;
            }
        }
    }
    if whole {
        piece.extend(END);
    }
    if !piece.is_empty() {
        // Whoever took them is gone and has said why.
        let _ = pieces.blocking_send(Ok(Bytes::from(piece)));
    }
    done.rejected_to = rejects.finish();
    if let Some(error) = rejects.error {
        done.failure.get_or_insert(error);
    }
    done
}

fn finish(
    read: &Taken,
    told: &Acknowledged,
    arguments: &Arguments,
    context: &Context,
) -> Result<(), Failure> {
    let screen = context.screen;
    if let Some((what, hint)) = &told.stopped {
        return Err(Failure::Store {
            what: format!("the import stopped behind line {}: {what}", told.upto),
            hint: format!("{hint}; then import the file again: nothing is counted twice"),
        });
    }
    if let Some(failure) = &read.failure {
        return Err(Failure::Failed {
            what: failure.to_string(),
            hint: match told.broken_off && !arguments.live {
                true => "what was read is in, and schedules wait: import it again to its end (nothing is counted twice), \
                         or `reveille resume --all`"
                    .to_owned(),
                false => String::new(),
            },
        });
    }
    if told.end.is_none() {
        return Err(Failure::Failed {
            what: format!("the import broke off behind line {}", told.upto),
            hint: "import it again: nothing is counted twice".to_owned(),
        });
    }
    if arguments.json {
        let summary = serde_json::json!({
            "rows": read.rows,
            "events": read.events,
            "customers": read.customers.len(),
            "known": told.known,
            "parts": told.parts,
            "rejected": read.rejected,
            "rejected_to": read.rejected_to,
        });
        screen.json(&serde_json::json!({ "summary": summary }))?;
    } else {
        for line in summary(read, told, arguments, screen) {
            screen.say(&line)?;
        }
    }
    match read.rejected + told.failed {
        0 => Ok(()),
        n => Err(Failure::Failed {
            what: format!("{} not taken", counted(n, "row was", "rows were")),
            hint: match &read.rejected_to {
                Some(path) => {
                    let how = read.options.as_ref().map(|options| {
                        let config = context.config.as_deref();
                        format!(", by\n  {}", export::command(config, path, options))
                    });
                    let how = how.unwrap_or_default();
                    format!("mend them in {} and import that{how}", path.display())
                }
                None => "the others are in; mend the rows and import the file again".into(),
            },
        }),
    }
}
