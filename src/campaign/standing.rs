//! Conditions on dates of the profile, on preferences, and on what became of campaigns and messages; and date triggers.

use super::condition::Scope;
use super::value_test::path;
use crate::config::text::positive;
use crate::config::toml_reader::{Item, Table};
use crate::domain::condition::{
    CampaignCondition, CampaignWas, Condition, DateCondition, DateRule, DateTrigger, Preference,
    PreferenceCondition, PreferenceTest, Range, Refused,
};
use crate::domain::id::TopicId;
use crate::domain::time::Span;
use chrono::NaiveTime;

/// So many messages are remembered, at most.
pub const REMEMBERED: u64 = 50;

/// Reads `date = "birthday"` with `every`.
fn read_rule(leading: &Item<'_>, table: &Table<'_>) -> Option<DateRule> {
    let path = leading.text().and_then(|text| path(leading, text, false));
    let yearly = match table.get("every") {
        None => Some(false),
        Some(item) => item.choice(&[("year", true)]),
    };
    Some(DateRule {
        path: path?,
        yearly: yearly?,
    })
}

/// A number of days, written as a duration.
fn whole_days(text: &str) -> Result<u32, String> {
    let span = positive(text)?;
    let days = u32::try_from(span.0 / Span::days(1).0).unwrap_or(u32::MAX);
    if span.0 % Span::days(1).0 != 0 {
        return Err(format!(
            "{text} is not a number of whole days; a date is a day of the calendar, so write one such as \"7d\""
        ));
    }
    match days {
        0..=DateCondition::MOST_DAYS => Ok(days),
        _ => Err(format!(
            "{text} is too long: at most {}d, lest it last from one year into the next",
            DateCondition::MOST_DAYS
        )),
    }
}

fn days(table: &Table<'_>, key: &str) -> Option<u32> {
    match table.get(key) {
        None => Some(0),
        Some(item) => item.parsed(whole_days),
    }
}

pub fn read_date(leading: &Item<'_>, table: &Table<'_>) -> Option<Condition> {
    let rule = read_rule(leading, table);
    let (before, after) = (days(table, "before"), days(table, "after"));
    let (rule, before, after) = (rule?, before?, after?);
    if before + after > DateCondition::MOST_DAYS {
        leading.error(
            format!(
                "`before` and `after` come to {}d together; they may come to {}d",
                before + after,
                DateCondition::MOST_DAYS
            ),
            "shorten one of them, lest it hold all the year",
        );
        return None;
    }
    Some(Condition::Date(DateCondition {
        rule,
        before,
        after,
    }))
}

/// Reads `[trigger] date = "birthday"`.
pub fn read_date_trigger(leading: &Item<'_>, table: &Table<'_>) -> Option<DateTrigger> {
    for key in ["where", "count", "within", "per", "repeat"] {
        if let Some(item) = table.get(key) {
            table.reader().error(
                item.key_span(),
                format!("`{key}` speaks of events, and this trigger is a date"),
                "remove it",
            );
        }
    }
    let rule = read_rule(leading, table);
    let (before, after) = (days(table, "before"), days(table, "after"));
    if let (Some(_), Some(after)) = (table.get("before"), table.get("after")) {
        table.reader().error(
            after.key_span(),
            "a date trigger has `before` or `after`, not both",
            "remove one of them, or make two campaigns",
        );
    }
    let at = table
        .required(
            "at",
            "say when on that day, on the customer's own clock: at = \"09:00\"",
        )
        .and_then(|item| item.parsed(time_of_day));
    let fresh = table
        .get("fresh")
        .map_or(Some(Span::hours(24)), |i| i.parsed(positive));
    let (before, after) = (i32::try_from(before?).ok()?, i32::try_from(after?).ok()?);
    Some(DateTrigger {
        rule: rule?,
        shift: after - before,
        at: at?,
        fresh: fresh?,
    })
}

/// The keys of a date trigger stand beside an event.
pub fn refuse_date_keys(table: &Table<'_>) {
    for key in ["every", "before", "after", "at"] {
        if let Some(item) = table.get(key) {
            table.reader().error(
                item.key_span(),
                format!("`{key}` speaks of a date, and this trigger is an event"),
                "remove it; in a step, `after` says how long after the event",
            );
        }
    }
}

fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    let plain = text.len() == 5 && text.as_bytes()[2] == b':';
    NaiveTime::parse_from_str(text, "%H:%M")
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| format!("{text:?} is no time of day; write one such as \"09:00\""))
}

pub fn read_preference(leading: &Item<'_>, table: &Table<'_>) -> Option<Condition> {
    let name = leading.text()?;
    let what = leading.choice(&Preference::ALL)?;
    let mut tests = Vec::new();
    let mut good = true;
    if let Some(item) = table.get("exists") {
        let test = item.flag().map(PreferenceTest::Exists);
        good &= test.is_some();
        tests.extend(test);
    }
    let spelled = |text: &str| what.spelled(text);
    if let Some(item) = table.get("is") {
        let value = valued(what, &item).and_then(|()| item.parsed(spelled));
        good &= value.is_some();
        tests.extend(value.map(|value| PreferenceTest::OneOf(vec![value])));
    }
    if let Some(item) = table.get("in") {
        let values = valued(what, &item)
            .and_then(|()| item.parsed_list("write in = [\"ko\", \"en\"]", spelled));
        let some = values.filter(|values| {
            if values.is_empty() {
                item.error("`in` is empty, so nothing could pass", "name one value");
            }
            !values.is_empty()
        });
        good &= some.is_some();
        tests.extend(some.map(PreferenceTest::OneOf));
    }
    if tests.is_empty() && good {
        leading.error(
            format!("nothing is asked of the preference `{name}`"),
            "add exists = true, or is = \"...\"",
        );
        return None;
    }
    let mut conditions: Vec<Condition> = tests
        .into_iter()
        .map(|test| Condition::Preference(PreferenceCondition { what, test }))
        .collect();
    match conditions.len() {
        _ if !good => None,
        1 => conditions.pop(),
        _ => Some(Condition::All(conditions)),
    }
}

fn valued(what: Preference, item: &Item<'_>) -> Option<()> {
    if what.has_value() {
        return Some(());
    }
    item.error(
        format!("`{}` has no value to compare with", what.name()),
        "write exists = true or exists = false",
    );
    None
}

pub fn read_campaign(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Condition> {
    let campaign = scope.names.campaign(leading);
    let was = table
        .required("was", "say what became of it: was = \"entered\"")
        .and_then(|item| item.choice(&CampaignWas::ALL));
    let within = match table.get("within") {
        None => Some(None),
        Some(item) => item.parsed(positive).map(Some),
    };
    Some(Condition::Campaign(CampaignCondition {
        campaign: campaign?,
        was: was?,
        within: within?,
    }))
}

pub fn read_refused(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Condition> {
    let topic = TopicId::parse(scope.names.topic(leading)?).ok()?;
    let within = match table.get("within") {
        None => None,
        Some(item) => Some(item.parsed(positive)?),
    };
    Some(Condition::Refused(Refused { topic, within }))
}

pub fn read_unanswered(leading: &Item<'_>) -> Option<Condition> {
    let range = leading.parsed(Range::<u64>::parse)?;
    if range.low.is_some_and(|low| low > REMEMBERED) {
        leading.error(
            format!(
                "this can never hold: a customer's {REMEMBERED} latest messages are remembered"
            ),
            format!("ask for {REMEMBERED} or fewer"),
        );
        return None;
    }
    Some(Condition::Unanswered(range))
}

/// Reads `unless_in` under `[entry]`: what is asked at entry and at leaving, beside the audience. The outer `None`: it is wrong.
pub fn read_unless_in(root: &Table<'_>, priority: i32) -> Option<Option<Condition>> {
    let Some(item) = root.get("entry").filter(Item::is_table).and_then(|entry| {
        let found = entry.entries("").unwrap_or_default();
        found.into_iter().find(|item| item.name == "unless_in")
    }) else {
        return Some(None);
    };
    item.choice(&[("higher_priority", ())])?;
    let above = priority;
    Some(Some(Condition::Not(Box::new(Condition::UnderWay {
        above,
    }))))
}
