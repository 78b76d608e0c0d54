//! What lets customers in: `[schedule]`, `[trigger]`, or the audience alone; and `[entry]`, on what terms.

use super::alike::by_event;
use super::condition::{self, Entry, Scope, check_reach, read_selector};
use super::doubt::warn_beyond_knowing;
use super::keys::{ENTRY, SCHEDULE, TRIGGER};
use super::names::Names;
use super::standing::{read_date_trigger, refuse_date_keys};
use crate::config::text::{Pace, positive, zone};
use crate::config::toml_reader::{Item, Table};
use crate::domain::campaign::{
    Again, EntryRules, Existing, Missed, OnChange, Repeat, Schedule, ScheduleZone, Start, Trigger,
    When,
};
use crate::domain::schedule::CronRule;
use crate::domain::time::Span;
use chrono::NaiveDateTime;
use toml::de::DeValue;

/// Reads what starts the campaign; `None` where that is wrong.
pub fn read_start(root: &Table<'_>, names: &Names<'_>) -> Option<Start> {
    match (root.get("schedule"), root.get("trigger")) {
        (Some(schedule), Some(trigger)) => {
            // Read all the same, for what else is wrong with them.
            let _ = (
                read_schedule(&schedule, names),
                read_trigger(&trigger, names),
            );
            root.reader().error(
                trigger.key_span(),
                "a campaign has a [schedule] or a [trigger], not both",
                "remove one of them, or make two campaigns",
            );
            None
        }
        (Some(schedule), None) => read_schedule(&schedule, names).map(Start::Scheduled),
        (None, Some(trigger)) => read_trigger(&trigger, names),
        (None, None) => Some(Start::Audience),
    }
}

fn read_schedule(item: &Item<'_>, names: &Names<'_>) -> Option<Schedule> {
    let table = item.table(&SCHEDULE)?;
    let when = match (table.get("cron"), table.get("on")) {
        (Some(cron), None) => cron.parsed(CronRule::parse).map(When::Cron),
        (None, Some(on)) => read_on(&on).map(When::On),
        (Some(_), Some(on)) => {
            table.reader().error(
                on.key_span(),
                "a schedule has `cron` or `on`, not both",
                "remove one of them",
            );
            None
        }
        (None, None) => {
            table.required(
                "cron",
                "write cron = \"0 10 * * MON-FRI\", or on = \"2026-12-01 10:00\"",
            );
            None
        }
    };
    let zone = match table.get("timezone") {
        None => Some(ScheduleZone::Fixed(names.context.shop.timezone)),
        Some(item) if item.as_text() == Some("customer") => Some(ScheduleZone::Customer),
        Some(item) => item.parsed(zone).map(ScheduleZone::Fixed),
    };
    let missed = table.get("missed").map_or(Some(Missed::RunOnce), |i| {
        i.choice(&[("run_once", Missed::RunOnce), ("skip", Missed::Skip)])
    });
    let max_late = table
        .get("max_late")
        .map_or(Some(Span::hours(6)), |i| i.parsed(positive));
    Some(Schedule {
        when: when?,
        zone: zone?,
        missed: missed?,
        max_late: max_late?,
    })
}

/// A local time, in quotes or as TOML's own.
fn read_on(item: &Item<'_>) -> Option<NaiveDateTime> {
    let text = match item.value() {
        DeValue::Datetime(at) => at.to_string(),
        _ => item.text()?.to_owned(),
    };
    let forms = [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
    ];
    let read = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    if read.is_none() {
        item.error(
            format!("`on`: \"{text}\" is no local date and time"),
            "write on = \"2026-12-01 10:00\"; the zone is that of `timezone`",
        );
    }
    read
}

fn read_trigger(item: &Item<'_>, names: &Names<'_>) -> Option<Start> {
    let table = item.table(&TRIGGER)?;
    match (table.get("event"), table.get("date")) {
        (Some(_), Some(date)) => {
            table.reader().error(
                date.key_span(),
                "a trigger is an `event` or a `date`, not both",
                "remove one of them, or make two campaigns",
            );
            None
        }
        (None, Some(date)) => read_date_trigger(&date, &table).map(Start::Dated),
        (_, None) => {
            refuse_date_keys(&table);
            read_event_trigger(&table, names).map(Start::Triggered)
        }
    }
}

fn read_event_trigger(table: &Table<'_>, names: &Names<'_>) -> Option<Trigger> {
    let event = table
        .required("event", "write event = \"Signed Up\"")
        .and_then(|event| read_selector(&event, table, names));
    let count = table
        .get("count")
        .map_or(Some(1), |i| i.whole(1, 1_000_000));
    let within = match table.get("within") {
        None => Some(None),
        Some(item) => item.parsed(positive).map(|within| {
            check_reach(&item, within, names);
            Some(within)
        }),
    };
    if let Some(within) = table.get("within")
        && count == Some(1)
    {
        table.reader().error(
            within.key_span(),
            "`within` has no meaning for a single event",
            "add count = 3 or the like, or remove it; `fresh` says how old an event may be",
        );
    }
    let per = match table.get("per") {
        None => Some(None),
        Some(item) => item
            .text()
            .and_then(|text| super::value_test::path(&item, text, false).map(|_| text))
            .map(|text| Some(text.to_owned())),
    };
    let repeat = table.get("repeat").map_or(Some(Repeat::Restart), |i| {
        i.choice(&[("restart", Repeat::Restart), ("ignore", Repeat::Ignore)])
    });
    let fresh = table
        .get("fresh")
        .map_or(Some(Span::hours(24)), |i| i.parsed(positive));
    Some(Trigger {
        event: event?,
        count: u64::try_from(count?).ok()?,
        within: within?,
        per: per?,
        repeat: repeat?,
        fresh: fresh?,
    })
}

/// Reads `[entry]`. What it may say depends on how the campaign starts.
pub fn read_entry(
    root: &Table<'_>,
    start: Option<&Start>,
    names: &Names<'_>,
) -> Option<EntryRules> {
    let table = match root.get("entry") {
        Some(item) => item.table(&ENTRY)?,
        None => root.empty(&ENTRY),
    };
    let scheduled = root.has("schedule");
    let has_audience = root.has("audience");
    let again = match table.get("again") {
        None => Some(Again::Never),
        Some(item) => read_again(&item, has_audience),
    };
    let at_most = match table.get("at_most") {
        None => Some(None),
        Some(item) => item
            .whole(1, 1_000_000)
            .and_then(|n| u32::try_from(n).ok())
            .map(Some),
    };
    let existing = match table.get("existing") {
        Some(item) => read_existing(&item),
        None if scheduled => {
            let place = root
                .get("entry")
                .or(root.get("schedule"))
                .map_or(root.span(), |i| i.key_span());
            root.reader().error(
                place,
                "a scheduled campaign must say what becomes of the customers who stand in its audience already",
                "under [entry], write existing = \"skip\", \"enter\", or a pace such as \"500 per 1d\"",
            );
            None
        }
        None => Some(Existing::Skip),
    };
    if let (Some(item), Some(Start::Triggered(_) | Start::Dated(_))) =
        (table.get("existing"), start)
        && existing.is_some_and(|e| e != Existing::Skip)
    {
        item.error(
            "`existing` has no meaning with a [trigger]: only what comes from now on starts it",
            "remove it",
        );
    }
    let per = per_of(start);
    let on_change = table.get("on_change").map_or(Some(OnChange::Finish), |i| {
        i.choice(&[
            ("finish", OnChange::Finish),
            ("jump", OnChange::Jump),
            ("exit", OnChange::Exit),
        ])
    });
    let exit = match table.get("exit") {
        None => Some(Vec::new()),
        Some(item) => read_exit(&item, (per, by_event(start)), names),
    };
    let appended = match table.get("appended") {
        None => Some(false),
        Some(item) => item.choice(&[("never", false), ("finished", true)]),
    };
    Some(EntryRules {
        again: again?,
        at_most: at_most?,
        existing: existing?,
        exit: exit?,
        // It hangs on the campaign's priority.
        unless_in: None,
        on_change: on_change?,
        appended: appended?,
    })
}

/// The property whose value tells two entries of the campaign apart.
pub fn per_of(start: Option<&Start>) -> Option<&str> {
    match start {
        Some(Start::Triggered(trigger)) => trigger.per.as_deref(),
        // What starts it could not be read: say nothing against `same`.
        None => Some(""),
        _ => None,
    }
}

fn read_again(item: &Item<'_>, has_audience: bool) -> Option<Again> {
    let text = item.text()?;
    let words = [
        ("never", Again::Never),
        ("always", Again::Always),
        ("after_leaving", Again::AfterLeaving),
    ];
    let again = match words.iter().find(|(word, _)| *word == text) {
        Some((_, again)) => *again,
        None => match positive(text) {
            Ok(span) => Again::After(span),
            Err(_) => {
                let help = crate::config::nearest::nearest(text, words.map(|(word, _)| word))
                    .map_or(String::new(), |word| format!("did you mean \"{word}\"?"));
                item.error(
                    format!(
                        "`again` must be \"never\", \"always\", \"after_leaving\" or a time such as \"90d\"; this is {text:?}"
                    ),
                    help,
                );
                return None;
            }
        },
    };
    if again == Again::AfterLeaving && !has_audience {
        item.error(
            "there is no audience to leave",
            "add an [audience], or write again = \"never\", \"always\" or a time such as \"90d\"",
        );
        return None;
    }
    Some(again)
}

fn read_existing(item: &Item<'_>) -> Option<Existing> {
    match item.text()? {
        "skip" => Some(Existing::Skip),
        "enter" => Some(Existing::Enter),
        text => match Pace::parse(text) {
            Ok(Pace { count, per }) => Some(Existing::Pace { count, per }),
            Err(_) => {
                item.error(
                    format!("`existing` must be \"skip\", \"enter\" or a pace; this is {text:?}"),
                    "a pace is written \"500 per 1d\"",
                );
                None
            }
        },
    }
}

fn read_exit(
    item: &Item<'_>,
    (per, by_event): (Option<&str>, bool),
    names: &Names<'_>,
) -> Option<Vec<crate::domain::condition::Condition>> {
    let items = item.list("write exit = [{ event = \"Order Completed\", since = \"entry\" }]")?;
    let scope = Scope {
        names,
        entry: Entry::Keyed(per),
        known: true,
        by_event,
    };
    let mut good = true;
    let mut exits = Vec::new();
    for item in &items {
        match condition::read(item, scope) {
            Some(exit) => {
                if condition::forgets_the_entry(&exit) {
                    item.warn(
                        "this looks at all that ever happened, also before the entry",
                        "add since = \"entry\", or within = \"...\"",
                    );
                }
                warn_beyond_knowing(item, &exit);
                exits.push(exit);
            }
            None => good = false,
        }
    }
    good.then_some(exits)
}
