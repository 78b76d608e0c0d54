//! What the campaigns of a new project will do on the first day on which they write, in a few sentences. Each figure is
//! one of customers, each customer stands in one figure of a campaign, and all figures of a sentence are of one day.

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::log::why;
use crate::cli::screen::{counted, grouped};
use crate::cli::table::wrapped;
use crate::cli::way::{Need, each_line, query, request, stopped, through};
use crate::domain::ledger::Reason;
use crate::domain::time::Timestamp;
use crate::domain::wall;
use crate::engine::forecast::is_place;
use axum::http::Method;
use chrono::{Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// So many days are looked ahead: a schedule of weekdays comes up in them.
const DAYS: &str = "8";

/// What becomes of a customer on one day.
#[derive(Clone, Debug)]
enum Fate {
    /// A mail leaves, at this time of the shop's clock.
    Gets(NaiveTime),
    Waits(String),
    /// No mail of this campaign goes.
    GetsNone(String),
}

/// What is told of one campaign.
#[derive(Default)]
struct Campaign {
    /// By day, and customer; days behind the first on which mails leave are of no interest.
    days: BTreeMap<NaiveDate, HashMap<u32, Fate>>,
    first_sent: Option<NaiveDate>,
}

/// All decisions, campaign by campaign.
#[derive(Default)]
struct Decisions {
    campaigns: BTreeMap<String, Campaign>,
    customers: HashMap<String, u32>,
}

pub async fn tell(context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    let zone = context.load()?.defaults.timezone;
    let asked = [
        ("days", Some(DAYS)),
        ("as_live", Some("true")),
        ("decisions", Some("true")),
    ];
    let path = query("/plan", &asked);
    let (mut decisions, forecast) = through(context, Need::Look, async |way| {
        let response = way.send(request(Method::GET, &path, None)).await?;
        let mut decisions = Decisions::default();
        let mut forecast = Err(Failure::failed("the forecast was broken off"));
        let bar = screen.progress(0, "customers");
        each_line(response.into_body(), |line| {
            let told: Value = serde_json::from_slice(line)
                .map_err(|e| Failure::failed(format!("the forecast was not understood: {e}")))?;
            if told["at"].is_string() {
                decisions.take(&told, zone);
            } else if let Some(of) = told["progress"]["of"].as_u64() {
                bar.set_length(of);
                bar.set_position(told["progress"]["done"].as_u64().unwrap_or(0));
            } else if told["stopped"].is_string() {
                forecast = Err(stopped(&told));
            } else {
                forecast = Ok(told["forecast"].clone());
            }
            Ok(())
        })
        .await?;
        bar.finish_and_clear();
        Ok((decisions, forecast?))
    })
    .await?;
    for day in forecast["days"].as_array().into_iter().flatten() {
        let campaign = day["campaign"].as_str().unwrap_or_default();
        decisions.campaigns.entry(campaign.to_owned()).or_default();
    }
    let campaigns = &decisions.campaigns;
    let from = forecast["from"].as_str().and_then(Timestamp::parse_rfc3339);
    let today = from.map(|at| wall::local(at, zone).date());
    let customers = forecast["customers"].as_u64().unwrap_or(0);
    screen.say(&format!(
        "\n{}",
        screen.bold("What the campaigns will do, if nothing new happens:")
    ))?;
    for (name, campaign) in campaigns {
        let text = campaign.sentence(name, customers, today);
        screen.say(&format!(
            "- {}",
            wrapped(&text, screen.columns.saturating_sub(2), "  ").trim_start()
        ))?;
    }
    if campaigns.values().all(|c| c.first_sent.is_none()) {
        screen.say("nobody gets a mail in the next week")?;
    }
    Ok(screen.say("`reveille plan` tells all of it, and what it takes for given.")?)
}

impl Decisions {
    fn take(&mut self, told: &Value, zone: Tz) {
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let Some(at) = Timestamp::parse_rfc3339(text("at")) else {
            return;
        };
        let local = wall::local(at, zone);
        let reason = || text("reason").to_owned();
        let known = Reason::ALL.iter().find(|r| r.code() == text("reason"));
        let fate = match text("decision") {
            "sent" if known != Some(&Reason::Notified) => Fate::Gets(local.time()),
            "waiting" | "retrying" if !known.is_some_and(|r| is_place(*r)) => Fate::Waits(reason()),
            // At the next occurrence they are drawn again.
            "not_drawn" | "kept_out" => Fate::Waits(reason()),
            "dropped" | "expired" | "held_out" => Fate::GetsNone(reason()),
            _ => return,
        };
        let many = u32::try_from(self.customers.len()).unwrap_or(u32::MAX);
        let customer = match self.customers.get(text("customer")) {
            Some(no) => *no,
            None => *(self.customers)
                .entry(text("customer").to_owned())
                .or_insert(many),
        };
        let campaign = self.campaigns.entry(text("campaign").to_owned());
        campaign.or_default().take(local.date(), customer, fate);
    }
}

impl Campaign {
    /// Decisions of a customer come in order of time: the day's last word counts, but a mail that left has left.
    fn take(&mut self, day: NaiveDate, customer: u32, fate: Fate) {
        if self.first_sent.is_some_and(|first| day > first) {
            return;
        }
        let customers = self.days.entry(day).or_default();
        let has_one = matches!(customers.get(&customer), Some(Fate::Gets(_)));
        if matches!(fate, Fate::Gets(_)) {
            self.first_sent = Some(day);
        }
        if !has_one {
            customers.insert(customer, fate);
        }
        if let Some(first) = self.first_sent {
            self.days.retain(|day, _| *day <= first);
        }
    }

    /// Its first day: when, how many of how many, who waits and who gets none.
    fn sentence(&self, name: &str, customers: u64, today: Option<NaiveDate>) -> String {
        let first = (self.first_sent).or_else(|| self.days.keys().next().copied());
        let of_day = first.and_then(|day| Some((day, self.days.get(&day)?)));
        let Some((day, fates)) = of_day else {
            return format!("{name}: nobody gets a mail");
        };
        let mut times = Vec::new();
        let (mut wait, mut none) = (BTreeMap::new(), BTreeMap::new());
        for fate in fates.values() {
            match fate {
                Fate::Gets(time) => times.push(*time),
                Fate::Waits(reason) => *wait.entry(reason).or_insert(0u64) += 1,
                Fate::GetsNone(reason) => *none.entry(reason).or_insert(0u64) += 1,
            }
        }
        let on = day_of(day, today);
        let mut text = match span_of(&times) {
            None => format!("{on} nobody gets a mail of {name}"),
            Some(at) => format!(
                "{on} {at}, {} of {} get a mail of {name}",
                grouped(times.len() as u64),
                counted(customers, "customer", "customers"),
            ),
        };
        for (reason, many) in wait {
            text.push_str(&format!("; {} wait: {}", grouped(many), why(reason)));
        }
        for (reason, many) in none {
            text.push_str(&format!("; {} get none: {}", grouped(many), why(reason)));
        }
        text
    }
}

/// "at 10:00", or "from 10:00 to 21:30".
fn span_of(times: &[NaiveTime]) -> Option<String> {
    let written = |time: &NaiveTime| time.format("%H:%M").to_string();
    let first = times.iter().min().map(written)?;
    let last = times.iter().max().map(written)?;
    Some(match first == last {
        true => format!("at {first}"),
        false => format!("from {first} to {last}"),
    })
}

fn day_of(day: NaiveDate, today: Option<NaiveDate>) -> String {
    let in_days = |days: u64| today.and_then(|today| today.checked_add_days(Days::new(days)));
    match day {
        day if Some(day) == today => "Today".to_owned(),
        day if Some(day) == in_days(1) => "Tomorrow".to_owned(),
        day => day.format("On %A, %-d %B").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Decisions;
    use chrono::NaiveDate;
    use chrono_tz::Asia::Seoul;
    use serde_json::json;

    #[test]
    fn figures_are_of_customers_and_of_one_day() {
        let mut decisions = Decisions::default();
        // In Seoul the 2nd begins at 15:00 UTC of the 1st.
        let mut told = |at: &str, who: &str, what: &str, reason: &str| {
            let told = json!({ "at": format!("2026-03-{at}:00Z"), "customer": who, "campaign": "c",
                "decision": what, "reason": reason });
            decisions.take(&told, Seoul);
        };
        for who in ["a", "b"] {
            told("02T01:00", who, "entered", "schedule");
            told("02T01:00", who, "waiting", "step_due");
            told("02T01:00", who, "sent", "policy");
            // Another mail on that day, and one on the next, are of nobody else.
            told("02T09:30", who, "sent", "policy");
            told("03T01:00", who, "sent", "policy");
        }
        // One waits and gets it on that day; another on the next one.
        told("02T01:00", "c", "waiting", "window");
        told("02T03:00", "c", "sent", "policy");
        told("02T01:00", "d", "waiting", "window");
        told("02T10:00", "d", "sent", "policy");
        told("02T01:00", "e", "waiting", "window");
        told("03T01:00", "e", "sent", "policy");
        told("02T01:00", "f", "dropped", "topic_refused");
        for day in 3..9 {
            told(&format!("0{day}T01:00"), "f", "dropped", "topic_refused");
            told(&format!("0{day}T01:00"), "g", "dropped", "no_address");
        }
        let today = NaiveDate::from_ymd_opt(2026, 3, 1);
        let campaign = &decisions.campaigns["c"];
        assert_eq!(
            campaign.sentence("c", 8_214, today),
            "Tomorrow from 10:00 to 19:00, 4 of 8,214 customers get a mail of c; \
             1 wait: outside the hours in which this customer may be written to; \
             1 get none: the customer has left this topic"
        );
        assert_eq!(campaign.days.len(), 1, "later days are let go");

        let mut quiet = Decisions::default();
        for day in ["02", "03"] {
            let told = json!({ "at": format!("2026-03-{day}T01:00:00Z"), "customer": "a", "campaign": "c",
                "decision": "dropped", "reason": "no_consent" });
            quiet.take(&told, Seoul);
        }
        assert_eq!(
            quiet.campaigns["c"].sentence("c", 2, today),
            "Tomorrow nobody gets a mail of c; 1 get none: there is no consent to advertising"
        );
    }
}
