//! `reveille plan`: the forecast, and with `--diff` what edited files would change.

mod days;
pub mod diff;

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::log::why;
use crate::cli::screen::{Screen, counted, grouped, plain};
use crate::cli::table::{Table, wrapped};
use crate::cli::way::{Need, Way, each_line, query, request, stopped, through};
use axum::http::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
What the campaigns will do, worked out on the customers as they stand. Nothing is sent, and
nothing in the store changes. It says at its end what it takes for given. docs/plan.md explains.

Examples:
  reveille plan --days 7
  reveille plan --campaigns drafts/ --as-live --campaign spring
  reveille plan --diff
  reveille plan --json | jq -r 'select(.decision == \"sent\") | .customer' | sort -u | wc -l")]
pub struct Arguments {
    /// How many days [default: 30; 1 with --diff]
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Begin telling at this time (RFC 3339), or so long from now (2d)
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// By the campaign files of this folder, in place of those in force
    #[arg(long, value_name = "DIR")]
    campaigns: Option<PathBuf>,
    /// As if drafts were live, and what waits for approval were approved
    #[arg(long)]
    as_live: bool,
    /// Tell of this campaign only (all are played: they share the caps)
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// What the edited files (of --campaigns, or of the configured folder) would change against those in force
    #[arg(long)]
    diff: bool,
    /// Print one JSON object a decision (at, customer, campaign, step, variant, decision, reason) and at last one with `forecast`: all the numbers, day by day; one object in all with --diff
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let days = arguments.days.map(|days| days.to_string());
    let folder = arguments.campaigns.as_deref().map(absolute).transpose()?;
    let yes = |wanted: bool| wanted.then_some("true");
    let path = query(
        "/plan",
        &[
            ("days", days.as_deref()),
            ("from", arguments.from.as_deref()),
            ("campaigns", folder.as_deref()),
            ("as_live", yes(arguments.as_live)),
            ("campaign", arguments.campaign.as_deref()),
            ("decisions", yes(arguments.json && !arguments.diff)),
            ("diff", yes(arguments.diff)),
        ],
    );
    let screen = context.screen;
    through(context, Need::Look, async |way| {
        let made = ask(way, &path, screen).await?;
        let text = match (arguments.diff, arguments.json) {
            (true, true) => made["compared"].to_string(),
            (true, false) => diff::shown(&made["compared"], screen),
            // The decisions were printed as they came.
            (false, true) => made.to_string(),
            (false, false) => shown(&made["forecast"], screen),
        };
        Ok(screen.say(&text)?)
    })
    .await
}

/// Asks, shows how far it is, prints decisions as they come; gives what is told at the end.
async fn ask(way: &mut Way, path: &str, screen: Screen) -> Result<Value, Failure> {
    let told = hear(way, path, screen).await?;
    match told["stopped"].is_string() {
        true => Err(stopped(&told)),
        false => Ok(told),
    }
}

/// The same; gives also why it was stopped.
async fn hear(way: &mut Way, path: &str, screen: Screen) -> Result<Value, Failure> {
    let response = way.send(request(Method::GET, path, None)).await?;
    let bar = screen.progress(0, "customers");
    let mut made = Err(Failure::failed("the forecast was broken off"));
    each_line(response.into_body(), |line| {
        // There may be millions of them.
        if line.starts_with(b"{\"at\"") {
            return Ok(screen.say(&String::from_utf8_lossy(line))?);
        }
        let told: Value = serde_json::from_slice(line)
            .map_err(|e| Failure::failed(format!("the forecast was not understood: {e}")))?;
        if let Some(of) = told["progress"]["of"].as_u64() {
            bar.set_length(of);
            bar.set_position(told["progress"]["done"].as_u64().unwrap_or(0));
        } else {
            made = Ok(told);
        }
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    made
}

/// The daemon's working folder is another.
fn absolute(folder: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(folder)
        .map_err(|e| Failure::failed(format!("{}: {e}", folder.display())))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::failed(format!("{} is no UTF-8", folder.display())))
}

/// Numbers by the code of a reason.
type Reasons = BTreeMap<String, u64>;

#[derive(Default)]
struct Sum {
    entered: u64,
    sent: u64,
    waits: Reasons,
    dropped: Reasons,
    held_out: Reasons,
}

impl Sum {
    fn add(&mut self, line: &Value) {
        let number = |key: &str| line[key].as_u64().unwrap_or(0);
        self.entered += number("entered");
        self.sent += number("sent");
        for (own, key) in [
            (&mut self.waits, "waits"),
            (&mut self.dropped, "dropped"),
            (&mut self.held_out, "held_out"),
        ] {
            for (reason, many) in line[key].as_object().into_iter().flatten() {
                *own.entry(reason.clone()).or_default() += many.as_u64().unwrap_or(0);
            }
        }
    }

    fn is_nothing(&self) -> bool {
        let no_reasons = [&self.waits, &self.dropped, &self.held_out];
        self.entered + self.sent == 0 && no_reasons.iter().all(|reasons| reasons.is_empty())
    }

    fn row(&self, mut head: Vec<String>) -> Vec<String> {
        let all = |reasons: &Reasons| grouped(reasons.values().sum());
        head.extend([
            grouped(self.entered),
            grouped(self.sent),
            all(&self.waits),
            all(&self.dropped),
        ]);
        head
    }

    /// Why messages wait and are dropped, most first; one line each.
    fn reasons(&self, screen: Screen) -> Vec<String> {
        let mut lines = Vec::new();
        for (reasons, word) in [
            (&self.waits, "wait"),
            (&self.dropped, "are dropped"),
            (&self.held_out, "are not sent"),
        ] {
            let mut reasons: Vec<(&String, &u64)> = reasons.iter().collect();
            reasons.sort_by_key(|(_, many)| std::cmp::Reverse(**many));
            lines.extend(reasons.iter().map(|(code, many)| {
                let text = format!(
                    "{} {word}: {} ({})",
                    grouped(**many),
                    why(code),
                    days::word(code)
                );
                wrapped(&text, screen.columns.saturating_sub(2), "  ")
            }));
        }
        lines
    }
}

fn shown(forecast: &Value, screen: Screen) -> String {
    let text = |key: &str| plain(forecast[key].as_str().unwrap_or_default());
    let short = |key: &str| crate::cli::log::short(&text(key));
    let list = |key: &str| forecast[key].as_array().map_or(&[][..], Vec::as_slice);
    let customers = forecast["customers"].as_u64().unwrap_or(0);
    let mut parts = vec![screen.bold(&format!(
        "Forecast from {} to {} UTC: {}",
        short("from"),
        short("until"),
        counted(customers, "customer", "customers"),
    ))];
    let mut by_day = days::Days::default();
    let mut by_campaign = Table::new(&["IN ALL", "ENTER", "SENT", "WAIT", "DROP"]);
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for line in list("days") {
        let campaign = line["campaign"].as_str().unwrap_or_default().to_owned();
        let mut day = Sum::default();
        day.add(line);
        if day.is_nothing() {
            continue;
        }
        let date = line["day"].as_str().unwrap_or_default().to_owned();
        by_day.add(date, campaign.clone(), &day, screen);
        sums.entry(campaign).or_default().add(line);
    }
    if sums.is_empty() {
        parts.push("nobody enters, and nothing is sent".to_owned());
    } else {
        for (campaign, sum) in &sums {
            by_campaign.row(sum.row(vec![campaign.clone()]));
        }
        parts.push(by_day.render(screen));
        parts.push(by_campaign.render(&screen));
        for (campaign, sum) in &sums {
            let reasons = sum.reasons(screen);
            if !reasons.is_empty() {
                parts.push(format!("{}\n{}", plain(campaign), reasons.join("\n")));
            }
        }
    }
    let mut paragraphs = Vec::new();
    paragraphs.extend(list("collisions").iter().take(10).map(collision));
    paragraphs.extend(list("loads").iter().map(|load| loaded(load, &text("zone"))));
    paragraphs.extend(list("pools").iter().filter_map(drawn));
    for (campaign, many) in forecast["waiting"].as_object().into_iter().flatten() {
        let many = counted(many.as_u64().unwrap_or(0), "message", "messages");
        paragraphs.push(format!("{campaign}: {many} still waiting at the end"));
    }
    for (key, what) in [
        ("unreadable", "cannot be read and left out"),
        ("unplayable", "left out: the forecast stumbled over them"),
    ] {
        let many = forecast[key].as_u64().unwrap_or(0);
        if many > 0 {
            let who = counted(many, "customer", "customers");
            paragraphs.push(format!("{who}: {what} (`reveille customer poisonous`)"));
        }
    }
    let told = |text: &str| plain(text);
    paragraphs.extend(list("notes").iter().filter_map(Value::as_str).map(told));
    if !paragraphs.is_empty() {
        let wrapped = paragraphs.iter().map(|text| hanging(text, screen));
        parts.push(wrapped.collect::<Vec<_>>().join("\n"));
    }
    let given: Vec<&str> = list("given").iter().filter_map(Value::as_str).collect();
    let given = format!("It takes for given: {}.", given.join("; "));
    parts.push(screen.faint(&wrapped(&given, screen.columns, "")));
    parts.join("\n\n")
}

fn hanging(text: &str, screen: Screen) -> String {
    let lines = wrapped(text, screen.columns.saturating_sub(4), "  ");
    lines.replacen("  ", "- ", 1)
}

fn collision(told: &Value) -> String {
    let text = |key: &str| plain(told[key].as_str().unwrap_or_default());
    let times = |key: &str| told[key].as_u64().unwrap_or(0);
    format!(
        "{} meets the caps and gaps filled by {}: waits {}, drops {}",
        text("campaign"),
        text("in_the_way"),
        counted(times("waited"), "time", "times"),
        counted(times("dropped"), "message", "messages"),
    )
}

/// A pool of coupons out of which somebody draws.
fn drawn(pool: &Value) -> Option<String> {
    let number = |key: &str| pool[key].as_u64().unwrap_or(0);
    let name = plain(pool["pool"].as_str().unwrap_or_default());
    let wanted = counted(number("wanted"), "code", "codes");
    let left = grouped(number("left"));
    if number("wanted") == 0 {
        return None;
    }
    Some(match number("without") {
        0 => format!("the coupons of {name} give {wanted}, of {left} left"),
        without => format!(
            "the coupons of {name} run dry at {} UTC: {wanted} are wanted and {left} left; {} without one",
            crate::cli::log::short(pool["dry"].as_str().unwrap_or_default()),
            counted(without, "message waits", "messages wait"),
        ),
    })
}

fn loaded(load: &Value, zone: &str) -> String {
    let text = |key: &str| plain(load[key].as_str().unwrap_or_default());
    let number = |key: &str| load[key].as_u64().unwrap_or(0);
    let busiest = text("busiest").replace('T', " ");
    let hour: String = busiest.chars().take(16).collect();
    let head = format!(
        "{} sends {}; its busiest hour is {hour} ({zone}) with {}",
        text("transport"),
        counted(number("sent"), "mail", "mails"),
        grouped(number("in_busiest")),
    );
    match load["allows"].as_u64() {
        None => format!("{head}; no rate is set"),
        Some(allows) => format!(
            "{head}, where its rate allows {} an hour; the longest wait for it is {} s",
            grouped(allows),
            grouped(number("longest_wait")),
        ),
    }
}
