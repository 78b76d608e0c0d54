//! What was found in the mails, for people and for programs.

use super::name;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, counted, plain};
use crate::engine::preview::{Previewed, Previews};
use crate::message::lint::Finding;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn run(made: &Previews, as_json: bool, screen: Screen) -> Result<(), Failure> {
    let mails = &made.mails;
    let all = || mails.iter().flat_map(|mail| &mail.findings);
    let errors = all().filter(|f| f.is_error()).count() as u64;
    let warnings = all().count() as u64 - errors;
    if as_json {
        screen.json(&to_json(made, errors, warnings))?;
    } else {
        for line in lines(mails, screen) {
            screen.say(&line)?;
        }
        let many = counted(mails.len() as u64, "mail", "mails");
        let (n, w) = (
            counted(errors, "error", "errors"),
            counted(warnings, "warning", "warnings"),
        );
        let bad = made.bad.iter().filter(|bad| bad.campaign.is_some()).count();
        let unseen = match bad as u64 {
            0 => String::new(),
            bad => {
                let many = counted(bad, "campaign", "campaigns");
                format!("; {many} with bad files, not looked over")
            }
        };
        let found = match (errors, warnings, bad) {
            (0, 0, 0) => format!("{} {many}", screen.green("good:")),
            (0, _, 0) => format!("{} {many}, {w}", screen.green("good:")),
            _ => format!("{} {many}: {n}, {w}{unseen}", screen.yellow("bad:")),
        };
        screen.say(&found)?;
    }
    match errors {
        0 => Ok(()),
        // All of it was printed already.
        n => Err(Failure::failed(format!(
            "{} in finished mails",
            counted(n, "error", "errors")
        ))),
    }
}

fn to_json(made: &Previews, errors: u64, warnings: u64) -> Value {
    let mails = &made.mails;
    let findings: Vec<Value> = mails
        .iter()
        .flat_map(|mail| {
            mail.findings.iter().map(|finding| {
                let mut row = json!(finding);
                for (key, value) in [
                    ("campaign", json!(mail.campaign)),
                    ("step", json!(mail.step)),
                    ("variant", json!(mail.variant)),
                    ("locale", json!(mail.locale)),
                    ("customer", json!(mail.customer)),
                ] {
                    row[key] = value;
                }
                row
            })
        })
        .collect();
    json!({
        "mails": mails.len(),
        "errors": errors,
        "warnings": warnings,
        "findings": findings,
        "bad": made.bad,
    })
}

/// Each finding once, with the mails that have it.
fn lines(mails: &[Previewed], screen: Screen) -> Vec<String> {
    let mut found: BTreeMap<(bool, &Finding), Vec<String>> = BTreeMap::new();
    for mail in mails {
        for finding in &mail.findings {
            let of = found.entry((!finding.is_error(), finding)).or_default();
            of.push(name(mail));
        }
    }
    let mut lines = Vec::new();
    for ((_, finding), of) in found {
        let severity = match finding.is_error() {
            true => screen.yellow(&finding.severity),
            false => finding.severity.clone(),
        };
        let (place, what) = (plain(&finding.place()), plain(&finding.what));
        lines.push(format!("{severity}: {place}: {what} [{}]", finding.rule));
        lines.push(format!("  in   {}", plain(&of.join("; "))));
        lines.push(format!("  help {}\n", plain(&finding.help)));
    }
    lines
}
