//! `reveille suppression`: addresses that must not be sent to.

use super::Context;
use super::failure::Failure;
use super::log::short;
use super::screen::{Screen, counted};
use super::table::Table;
use super::way::{Need, query, through, who};
use axum::http::Method;
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum Arguments {
    /// List suppressed addresses
    #[command(after_help = "Example:\n  reveille suppression list --json | jq -r .mailbox")]
    List {
        /// Print one JSON object an address
        #[arg(long)]
        json: bool,
    },
    /// Send nothing to an address any more, of whatever class
    #[command(after_help = "\
Examples:
  reveille suppression add mina@shop.example --note \"asked by telephone\"
  reveille suppression add --complaint mina@shop.example --note \"feedback loop\"")]
    Add {
        address: String,
        /// It reported mail as unwanted: only transactional mail goes there, and breakers count it
        #[arg(long)]
        complaint: bool,
        /// Why, for those who read it later
        #[arg(long, default_value = "by hand")]
        note: String,
    },
    /// Let an address be sent to again
    #[command(after_help = "Example:\n  reveille suppression remove mina@shop.example")]
    Remove { address: String },
    /// Suppress all addresses of a file, one a line
    #[command(after_help = "\
Only the first column of a CSV is read; a heading and blank lines are passed over.

Examples:
  reveille suppression import bounced.txt --note \"from the old system\"
  reveille suppression import --complaint reported.csv --note \"feedback loop\"")]
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// They reported mail as unwanted: only transactional mail goes there, and breakers count them
        #[arg(long)]
        complaint: bool,
        /// Why, for those who read it later
        #[arg(long, default_value = "imported")]
        note: String,
    },
}

/// Addresses go in requests of so many.
const CHUNK: usize = 1_000;

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    match arguments {
        Arguments::List { json } => {
            through(context, Need::Look, async |way| {
                let rows = way.get("/suppressions").await?;
                Ok(screen.rows(&rows, json, list)?)
            })
            .await
        }
        Arguments::Add {
            address,
            complaint,
            note,
        } => {
            let order = order(&[&address], complaint, &note);
            through(context, Need::Change, async |way| {
                let done = way.post("/suppressions", &order).await?;
                if let Some(error) = done["bad"][0]["error"].as_str() {
                    return Err(Failure::failed(error));
                }
                if let Some(unchanged) = done["unchanged"].get(0) {
                    return Ok(screen.say(&stands(&unchanged["stands"], complaint))?);
                }
                Ok(screen.say(match complaint {
                    true => "nothing but transactional mail will be sent to this address any more",
                    false => "nothing will be sent to this address any more",
                })?)
            })
            .await
        }
        Arguments::Remove { address } => {
            let path = query("/suppressions", &[("address", Some(&address))]);
            through(context, Need::Change, async |way| {
                way.ask(Method::DELETE, &path, None).await?;
                Ok(screen.say("this address may be sent to again")?)
            })
            .await
        }
        Arguments::Import {
            file,
            complaint,
            note,
        } => import(&file, complaint, &note, context).await,
    }
}

/// What is asked of the daemon: the note goes with who made it.
fn order(addresses: &[&str], complaint: bool, note: &str) -> Value {
    let note = match (complaint, note) {
        (true, "by hand" | "imported") => "complained",
        (_, note) => note,
    };
    json!({
        "addresses": addresses,
        "note": format!("{note} ({})", who()),
        "complaint": complaint,
    })
}

/// Of an address for which nothing changed: how it stands, and what that means.
fn stands(row: &Value, complaint: bool) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    let (how, what) = match text("cause") {
        "hard_bounce" => ("after a hard bounce", "nothing is sent to it"),
        "complaint" => (
            "after a complaint",
            "nothing but transactional mail is sent to it",
        ),
        "unsubscribe" => (
            "by its owner",
            "nothing but transactional mail is sent to it",
        ),
        "forgotten" => (
            "when its customer was forgotten",
            "nothing is sent to it until its owner consents anew",
        ),
        _ => ("by hand", "nothing is sent to it"),
    };
    let uncounted = match complaint {
        true => ". No complaint was counted",
        false => "",
    };
    format!(
        "nothing was changed: this address was suppressed {how} already ({} UTC), and {what}{uncounted}",
        short(text("at"))
    )
}

fn list(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "no address is suppressed".to_owned();
    }
    let mut table = Table::new(&["mailbox", "cause", "since (UTC)", "note"]);
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        table.row(vec![
            text("mailbox").to_owned(),
            text("cause").replace('_', " "),
            short(text("at")),
            text("note").to_owned(),
        ]);
    }
    table.render(&screen)
}

async fn import(
    file: &PathBuf,
    complaint: bool,
    note: &str,
    context: &Context,
) -> Result<(), Failure> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut f| f.read_to_string(&mut text))
    };
    read.map_err(|e| Failure::failed(format!("{} can't be read: {e}", file.display())))?;
    let lines: Vec<(usize, String)> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, first_column(line)))
        .filter(|(_, address)| !address.is_empty())
        .filter(|(at, address)| *at > 1 || address.contains('@'))
        .collect();
    let screen = context.screen;
    through(context, Need::Change, async |way| {
        let (mut done, mut before, mut bad) = (0, 0, 0u64);
        let bar = screen.progress(lines.len() as u64, "addresses");
        for chunk in lines.chunks(CHUNK) {
            let addresses: Vec<&str> = chunk.iter().map(|(_, a)| a.as_str()).collect();
            let order = order(&addresses, complaint, note);
            let answer = way.post("/suppressions", &order).await?;
            done += answer["suppressed"].as_u64().unwrap_or(0);
            before += answer["unchanged"].as_array().map_or(0, |u| u.len() as u64);
            let empty = Vec::new();
            for wrong in answer["bad"].as_array().unwrap_or(&empty) {
                bad += 1;
                let at = wrong["at"].as_u64().and_then(|at| usize::try_from(at).ok());
                let line = at.and_then(|at| chunk.get(at)).map_or(0, |(line, _)| *line);
                let error = wrong["error"].as_str().unwrap_or_default();
                bar.suspend(|| screen.complain(&format!("line {line}: {error}")));
            }
            bar.inc(chunk.len() as u64);
        }
        bar.finish_and_clear();
        let many = counted(done, "address is", "addresses are");
        let already = match before {
            0 => String::new(),
            n => format!("; {} before", counted(n, "was so", "were so")),
        };
        let but = match complaint {
            true => " but for transactional mail",
            false => "",
        };
        screen.say(&format!("{many} suppressed{but}{already}"))?;
        match bad {
            0 => Ok(()),
            n => Err(Failure::Failed {
                what: format!("{} no address", counted(n, "line is", "lines are")),
                hint: "the others are suppressed; mend the lines and import the file again".into(),
            }),
        }
    })
    .await
}

fn first_column(line: &str) -> String {
    let first = line.split([',', ';', '\t']).next().unwrap_or_default();
    first.trim().trim_matches('"').trim().to_owned()
}
