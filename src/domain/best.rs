//! `at = "best"`: the hour of the coming day in which this customer is likeliest to answer.
//!
//! Chosen when the step's time has come, by what is known then, among the hours in which pauses, closed days and windows
//! let the message go; of two that are worth the same the earlier. What each hour is worth stands in
//! [`super::hours`]. Caps and gaps are left to policy, which judges the message when it is due as it judges any.

use super::campaign::{At, Campaign, Step};
use super::condition::{Facts, evaluate};
use super::hours::{Curve, HOURS, hour_shown, worth};
use super::id::SegmentName;
use super::policy::{Decision, Limits, zone_of};
use super::record::Record;
use super::rules::Rules;
use super::time::{Span, Timestamp};
use super::wall;

/// Where all is shut, the day is looked for as far ahead.
const SEARCHED: Span = Span::days(14);
const HOUR: i64 = 3_600_000;

/// The instant from `from` on, within a day of the first at which the message may go, that is best; within an hour the
/// first. Where it may not go at all in the next days, `from`: policy says why.
pub fn best_instant(
    step: &Step,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    from: Timestamp,
) -> Timestamp {
    let limits = Limits::of(step.class, campaign, record, rules);
    let fit = |at, before| match limits.first_fit(&[], at, before) {
        Decision::Go => Some(at),
        Decision::Later { at, .. } => Some(at),
        Decision::Never { .. } | Decision::Paused { .. } => None,
    };
    let Some(first) = fit(from, from + SEARCHED) else {
        return from;
    };
    let zone = zone_of(record, rules);
    let learned = &rules.controls.learned;
    let segment = segment_of(record, rules, from).map(|(_, curve)| curve);
    let worth = worth(&record.hours, segment, &learned.shop);
    let mut best: Option<(u128, Timestamp)> = None;
    let mut begins = first;
    for _ in 0..HOURS {
        let into_it = wall::shown(begins, zone).rem_euclid(HOUR);
        let ends = begins + Span::millis(HOUR - into_it);
        if let Some(at) = fit(begins, ends) {
            let worth = worth[hour_shown(wall::local(at, zone))];
            if best.is_none_or(|(most, _)| worth > most) {
                best = Some((worth, at));
            }
        }
        begins = ends;
    }
    best.map_or(first, |(_, at)| at)
}

/// The segments that a customer is in, as far as they stand in the rules.
pub fn segments_of(record: &Record, rules: &Rules, at: Timestamp) -> Vec<SegmentName> {
    let facts = Facts::of(record, rules);
    let within = rules.segments.iter();
    let within = within.filter(|(_, condition)| evaluate(condition, &facts, at).holds);
    within.map(|(name, _)| name.clone()).collect()
}

/// The segment whose hours stand beside the customer's own.
fn segment_of<'a>(
    record: &Record,
    rules: &'a Rules,
    at: Timestamp,
) -> Option<(&'a SegmentName, &'a Curve)> {
    let facts = Facts::of(record, rules);
    let belongs = |name: &SegmentName| {
        let condition = rules.segments.get(name);
        condition.is_some_and(|condition| evaluate(condition, &facts, at).holds)
    };
    rules.controls.learned.narrowest(belongs)
}

/// When `step` will fall due, if its time comes at `from` and nothing more is learned until then.
pub fn foreseen(
    step: &Step,
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    from: Timestamp,
) -> Timestamp {
    match step.timing.at {
        Some(At::Best) => best_instant(step, campaign, record, rules, from),
        Some(At::Clock(_)) | None => from,
    }
}

/// What the hour of `due` was learned from, for people; none where the step says its time itself.
pub fn learned_from(step: &Step, record: &Record, rules: &Rules, due: Timestamp) -> Option<String> {
    if step.timing.at != Some(At::Best) {
        return None;
    }
    let shown = wall::local(due, zone_of(record, rules)).format("%H:%M");
    let answers = |n: u64| match n {
        1 => "1 answer".to_owned(),
        n => format!("{n} answers"),
    };
    let own = record.hours.answers();
    let theirs = (own > 0).then(|| (u64::from(own), "theirs".to_owned()));
    let segment = segment_of(record, rules, due)
        .map(|(name, of)| (of.answers(), format!("the segment \"{name}\"")));
    let shop = Some((rules.controls.learned.answers(), "the shop's".to_owned()));
    let circles = [theirs, segment, shop.filter(|(n, _)| *n > 0)];
    let mut told: Vec<String> = Vec::new();
    for (n, whose) in circles.into_iter().flatten() {
        match told.is_empty() {
            true => told.push(format!("{} of {whose}", answers(n))),
            false => told.push(format!("{n} of {whose}")),
        }
    }
    let from = match told.split_last() {
        None => {
            return Some(format!(
                "{shown}, as soon as it may go: no answers are known yet"
            ));
        }
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    };
    Some(format!("{shown}, learned from {from}"))
}
