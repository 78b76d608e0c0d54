//! `reveille check`: every problem of every file.

use super::across::{Needed, texts, unused};
use super::failure::Failure;
use super::held;
use super::screen::counted;
use super::way::{Need, through};
use super::{Context, data_asked, links_asked};
use crate::campaign::{self, Context as Against};
use crate::config::Config;
use crate::config::problem::{Problem, Severity, render_all};
use crate::config::secret::Unreadable;
use crate::config::webhook;
use crate::daemon::transports;
use crate::engine::survey::Survey;
use crate::message::{TemplateProblem, Templates};
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
Exits with 3 if there is an error, with 0 if there are warnings and notes only. Nothing is opened or
changed, so it can run beside the daemon. A password that you may not read is a warning; with
--settings, as the service runs it before its start (ExecStartPre), it is an error.

Examples:
  reveille check
  reveille check --store
  reveille check --config /etc/reveille/config.toml --settings
  reveille check --json | jq -r '.problems[].what'")]
pub struct Arguments {
    /// Check config.toml, folders and passwords only, as the daemon's user; not campaigns and templates
    #[arg(long)]
    settings: bool,
    /// Ask the store, too: events that never came, tags that nobody bears, how many customers lack what templates print, edits that
    /// wait for approval
    #[arg(long, conflicts_with = "settings")]
    store: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const UNREAD: &str = "no error of the files, if the daemon can read it: `check --settings` run as the daemon's user says so";

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    templates: Vec<TemplateProblem>,
    transports: Vec<String>,
    /// Passwords that cannot be read from here.
    unread: Vec<String>,
    campaigns: usize,
    template_count: usize,
}

impl Found {
    fn errors(&self) -> usize {
        self.problems.iter().filter(|p| p.is_error()).count()
            + self.templates.len()
            + self.transports.len()
    }

    fn warnings(&self) -> usize {
        self.of(Severity::Warning) + self.unread.len()
    }

    fn of(&self, severity: Severity) -> usize {
        let found = self.problems.iter();
        found.filter(|p| p.severity == severity).count()
    }

    fn to_json(&self) -> Value {
        let mut problems: Vec<Value> = self.problems.iter().map(Problem::to_json).collect();
        problems.extend(self.templates.iter().map(|p| {
            json!({
                "severity": "error",
                "file": p.file,
                "line": (p.line > 0).then_some(p.line),
                "column": (p.column > 0).then_some(p.column),
                "text": null,
                "what": p.what,
                "help": p.help,
            })
        }));
        let of_no_place = |severity: &str, what: &str, help: Option<&str>| {
            json!({
                "severity": severity,
                "file": null,
                "line": null,
                "column": null,
                "text": null,
                "what": what,
                "help": help,
            })
        };
        problems.extend((self.transports.iter()).map(|what| of_no_place("error", what, None)));
        let unread = self.unread.iter();
        problems.extend(unread.map(|what| of_no_place("warning", what, Some(UNREAD))));
        json!({
            "errors": self.errors(),
            "warnings": self.warnings(),
            "notes": self.of(Severity::Note),
            "campaigns": self.campaigns,
            "templates": self.template_count,
            "problems": problems,
        })
    }
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let path = context.path()?;
    let mut found = Found::default();
    match Config::load(&path) {
        Err(problems) => found.problems = problems,
        Ok(config) => {
            found.problems = config.warnings.clone();
            let mut checked = transports::check(&config);
            for secret in webhook::unreadable_secrets(&config) {
                match secret {
                    Unreadable::NotHere(why) => checked.out_of_reach.push(why),
                    Unreadable::Wrong(why) => checked.wrong.push(why),
                }
            }
            found.transports = checked.wrong;
            if arguments.settings {
                // As the daemon itself, before it starts.
                found.transports.extend(checked.out_of_reach);
            } else {
                found.unread = checked.out_of_reach;
                files(&config, &mut found, arguments.store.then_some(context)).await?;
            }
        }
    }
    let screen = &context.screen;
    if arguments.json {
        screen.json(&found.to_json())?;
    } else {
        if !found.problems.is_empty() {
            screen.say(&render_all(&found.problems, screen.colour))?;
            screen.say("")?;
        }
        for problem in &found.templates {
            screen.say(&format!("error: {}{problem}\n", prefix(problem)))?;
        }
        for what in &found.transports {
            screen.say(&format!("error: {what}\n"))?;
        }
        for what in &found.unread {
            screen.say(&format!("warning: {what}\n  = help: {UNREAD}\n"))?;
        }
        screen.say(&summary(&found, arguments.settings, context))?;
    }
    match found.errors() {
        0 => Ok(()),
        _ => Err(Failure::BadFiles),
    }
}

/// A subject stands in its campaign's file, which its problem does not name.
fn prefix(problem: &TemplateProblem) -> String {
    if problem.file.ends_with(".hbs") {
        String::new()
    } else {
        format!("{}: ", problem.template)
    }
}

/// `asked`: the store is to be asked, too.
async fn files(config: &Config, found: &mut Found, asked: Option<&Context>) -> Result<(), Failure> {
    let mut templates = match Templates::load(&config.templates) {
        Ok(templates) => templates,
        Err(problems) => {
            found.templates.extend(problems);
            Templates::from_sources(Default::default())
        }
    };
    found.templates.extend(templates.problems().iter().cloned());
    found.template_count = templates.names().count();
    let mut against = Against::of(config);
    against.templates = Some(templates.names().map(|n| (n.to_owned(), 0)).collect());
    let mut loaded = campaign::load(&config.campaigns, &against);
    if let Some(context) = asked {
        let needed = Needed::of(&templates, &loaded, &config.templates);
        let mut events = campaign::unseen::named(&loaded.sources);
        events.extend(campaign::unseen::ruled(config));
        let survey = survey(context, &needed, &loaded.sources, &events).await?;
        found
            .problems
            .extend(needed.lacking(survey.customers, &survey.lacking));
        found
            .problems
            .extend(campaign::unseen::notes(&loaded, &survey.events));
        found.problems.extend(edits(context, &loaded).await?);
        // Once more, now that it is known which events come, and which tags are borne.
        against.events_seen = survey.events;
        against.tags_borne = (survey.customers > 0).then_some(survey.tags);
        loaded = campaign::load(&config.campaigns, &against);
    }
    found.campaigns = loaded.campaigns.len();
    for campaign in loaded.good() {
        for text in texts(campaign) {
            if let Err(problem) = templates.inline(text) {
                let problem = in_its_file(&loaded, &campaign.id, text, &problem);
                found.problems.push(problem);
            }
        }
    }
    // It was read a moment ago; what cannot be read again is told of without its place.
    let text = std::fs::read_to_string(&config.path).unwrap_or_default();
    let seen = &against.events_seen;
    let doubtful = campaign::unseen::doubtful(config, &text, &loaded.sources, seen);
    found.problems.extend(doubtful);
    let across = campaign::cross::check(config, &loaded);
    found
        .problems
        .extend(data_asked::check(&loaded, &templates));
    found
        .problems
        .extend(links_asked::check(config, &loaded, &templates));
    let mut unused = unused(&templates, &loaded, &config.templates);
    unused.extend(campaign::unused::data_files(&loaded, &config.campaigns));
    found.problems.extend(loaded.problems);
    found.problems.extend(across);
    found.problems.extend(unused);
    crate::config::problem::sort(&mut found.problems);
    Ok(())
}

async fn survey(
    context: &Context,
    needed: &Needed,
    sources: &campaign::Sources,
    events: &std::collections::BTreeSet<String>,
) -> Result<Survey, Failure> {
    let asked = json!({
        "attributes": needed.attributes(),
        "events": events,
        "tags": campaign::tagged::asked(sources),
    });
    through(context, Need::Look, async |way| {
        let told = way.post("/survey", &asked).await?;
        serde_json::from_value(told)
            .map_err(|e| Failure::failed(format!("the store's answer was not understood: {e}")))
    })
    .await
}

/// Edits that would wait for approval, if they were taken now.
async fn edits(context: &Context, loaded: &campaign::Loaded) -> Result<Vec<Problem>, Failure> {
    let told = through(context, Need::Look, async |way| way.get("/edits").await).await?;
    let edits = told["edits"].as_array().into_iter().flatten();
    Ok(edits
        .map(|edit| {
            let name = edit["campaign"].as_str().unwrap_or_default();
            let source = (loaded.sources.campaigns.iter()).find(|(id, _)| id.as_str() == name);
            let file = source.map_or(name, |(_, source)| source.file.as_str());
            let what = format!("this edit waits for approval: {}", held::edit_in_words(edit));
            let help = format!(
                "`reveille reload --diff` shows who is met otherwise, `reveille campaign approve {name}` lets them go on"
            );
            Problem::of_file(file, what, &help).only(Severity::Note)
        })
        .collect())
}

fn in_its_file(
    loaded: &campaign::Loaded,
    id: &crate::domain::id::CampaignId,
    text: &str,
    problem: &TemplateProblem,
) -> Problem {
    match loaded.sources.campaigns.get(id) {
        Some(source) => Problem::at_text(
            &source.file,
            &source.text,
            text,
            &problem.what,
            &problem.help,
        ),
        None => Problem::of_file(id.to_string(), &*problem.what, &problem.help),
    }
}

fn summary(found: &Found, settings: bool, context: &Context) -> String {
    let screen = &context.screen;
    let what = match settings {
        true => "config.toml".to_owned(),
        false => format!(
            "config.toml, {} and {}",
            counted(found.campaigns as u64, "campaign", "campaigns"),
            counted(found.template_count as u64, "template", "templates")
        ),
    };
    let (errors, warnings) = (found.errors() as u64, found.warnings() as u64);
    let mut warned = String::new();
    for (number, one, many) in [
        (warnings, "warning", "warnings"),
        (found.of(Severity::Note) as u64, "note", "notes"),
    ] {
        if number > 0 {
            warned.push_str(&format!(", {}", counted(number, one, many)));
        }
    }
    match errors {
        0 => format!("{} {what}{warned}", screen.green("good:")),
        n => format!(
            "{} {what}: {}{warned}",
            screen.yellow("bad:"),
            counted(n, "error", "errors")
        ),
    }
}
