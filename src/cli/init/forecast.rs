//! What the campaigns of a new project will do in its first week, in a few sentences.

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::log::why;
use crate::cli::screen::{counted, grouped};
use crate::cli::table::wrapped;
use crate::cli::way::{Need, each_line, query, request, stopped, through};
use crate::domain::time::Timestamp;
use crate::domain::wall;
use axum::http::Method;
use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::BTreeMap;

/// So many days are looked ahead: a schedule of weekdays comes up in them.
const DAYS: &str = "8";

/// What is told of one campaign.
#[derive(Default)]
struct Campaign {
    /// By hour of the shop's clock, how many mails leave.
    sent: BTreeMap<NaiveDateTime, u64>,
    /// By day and reason, how many wait, and how many never go.
    waits: BTreeMap<(NaiveDate, String), u64>,
    dropped: BTreeMap<String, u64>,
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
    let (mut campaigns, forecast) = through(context, Need::Look, async |way| {
        let response = way.send(request(Method::GET, &path, None)).await?;
        let mut campaigns: BTreeMap<String, Campaign> = BTreeMap::new();
        let mut forecast = Err(Failure::failed("the forecast was broken off"));
        let bar = screen.progress(0, "customers");
        each_line(response.into_body(), |line| {
            let told: Value = serde_json::from_slice(line)
                .map_err(|e| Failure::failed(format!("the forecast was not understood: {e}")))?;
            if told["at"].is_string() {
                take(&mut campaigns, &told, zone);
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
        Ok((campaigns, forecast?))
    })
    .await?;
    let from = forecast["from"].as_str().and_then(Timestamp::parse_rfc3339);
    for day in forecast["days"].as_array().into_iter().flatten() {
        let campaign = day["campaign"].as_str().unwrap_or_default();
        let campaign = campaigns.entry(campaign.to_owned()).or_default();
        campaign.take_day(day);
    }
    let today = from.map(|at| wall::local(at, zone).date());
    let customers = forecast["customers"].as_u64().unwrap_or(0);
    screen.say(&format!(
        "\n{}",
        screen.bold("What the campaigns will do, if nothing new happens:")
    ))?;
    for (name, campaign) in &campaigns {
        let text = campaign.sentence(name, customers, today);
        screen.say(&format!(
            "- {}",
            wrapped(&text, screen.columns.saturating_sub(2), "  ").trim_start()
        ))?;
    }
    if campaigns.values().all(|c| c.sent.is_empty()) {
        screen.say("nobody gets a mail in the next week")?;
    }
    Ok(screen.say("`reveille plan` tells all of it, and what it takes for given.")?)
}

fn take(campaigns: &mut BTreeMap<String, Campaign>, told: &Value, zone: Tz) {
    let text = |key: &str| told[key].as_str().unwrap_or_default();
    let Some(at) = Timestamp::parse_rfc3339(text("at")) else {
        return;
    };
    let local = wall::local(at, zone);
    let campaign = campaigns.entry(text("campaign").to_owned()).or_default();
    if text("decision") == "sent" {
        let hour = local.date().and_time(hour_of(local.time()));
        *campaign.sent.entry(hour).or_default() += 1;
    }
}

fn hour_of(time: NaiveTime) -> NaiveTime {
    use chrono::Timelike;
    // The hour of a time is an hour: there is none that this refuses.
    NaiveTime::from_hms_opt(time.hour(), 0, 0).unwrap_or_default()
}

impl Campaign {
    /// What one day's line of the forecast says of who waits and who gets none.
    fn take_day(&mut self, told: &Value) {
        let day = told["day"]
            .as_str()
            .and_then(|day| day.parse::<NaiveDate>().ok());
        let reasons = |key: &str| {
            let all = told[key].as_object().into_iter().flatten();
            all.map(|(reason, many)| (reason.clone(), many.as_u64().unwrap_or(0)))
        };
        if let Some(day) = day {
            self.waits
                .extend(reasons("waits").map(|(reason, many)| ((day, reason), many)));
        }
        for (reason, many) in reasons("dropped") {
            *self.dropped.entry(reason).or_default() += many;
        }
    }

    /// Its first day: when, how many of how many, who waits and who gets none.
    fn sentence(&self, name: &str, customers: u64, today: Option<NaiveDate>) -> String {
        let mut text = match self.sent.first_key_value() {
            None => format!("{name}: nobody gets a mail"),
            Some((first, _)) => {
                let day = first.date();
                let of_day = self.sent.iter().filter(|(hour, _)| hour.date() == day);
                let most = of_day.clone().max_by_key(|(_, many)| **many);
                let many: u64 = of_day.map(|(_, many)| many).sum();
                let hour = most.map_or(*first, |(hour, _)| *hour);
                format!(
                    "{} at {}, {} of {} get a mail of {name}",
                    day_of(day, today),
                    hour.format("%H:%M"),
                    grouped(many),
                    counted(customers, "customer", "customers"),
                )
            }
        };
        let day = self.sent.first_key_value().map(|(first, _)| first.date());
        let waits = self
            .waits
            .iter()
            .filter(|((on, _), _)| day.is_none_or(|day| *on == day));
        for ((_, reason), many) in waits {
            text.push_str(&format!("; {} wait: {}", grouped(*many), why(reason)));
        }
        for (reason, many) in &self.dropped {
            text.push_str(&format!("; {} get none: {}", grouped(*many), why(reason)));
        }
        text
    }
}

fn day_of(day: NaiveDate, today: Option<NaiveDate>) -> String {
    let in_days = |days: u64| today.and_then(|today| today.checked_add_days(Days::new(days)));
    match day {
        day if Some(day) == today => "Today".to_owned(),
        day if Some(day) == in_days(1) => "Tomorrow".to_owned(),
        day => day.format("On %A, %-d %B").to_string(),
    }
}
