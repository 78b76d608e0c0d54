//! The way through a campaign: when a step falls due, on what condition it is had, what it does that is no message;
//! and how the steps of a file stand to each other.

use super::condition::{self, Scope};
use super::doubt::certain;
use super::step::Around;
use crate::config::nearest::suggest;
use crate::config::text::positive;
use crate::config::toml_reader::{Item, Table};
use crate::domain::campaign::{Act, At, DueFrom, Otherwise, Step, Timing};
use crate::domain::condition::Condition;
use crate::domain::id::{StaffName, StepId, TagName, TopicId};
use crate::domain::time::Span;
use chrono::NaiveTime;
use std::collections::BTreeSet;

/// Reads `after`, `wait`, `at` and `until`.
pub fn read_timing(table: &Table<'_>, scope: Scope<'_>) -> Option<Timing> {
    let span = |key: &str| match table.get(key) {
        None => Some(None),
        Some(item) => item.parsed(Span::parse).map(Some),
    };
    let (after, wait) = (span("after"), span("wait"));
    if let (Some(after), Some(_)) = (table.get("after"), table.get("wait")) {
        table.reader().error(
            after.key_span(),
            "a step has `after` or `wait`, not both",
            "`after` counts from entry, `wait` from when the step before was settled",
        );
    }
    let at = match table.get("at") {
        None => Some(None),
        Some(item) if item.as_text() == Some("best") => Some(Some(At::Best)),
        Some(item) => item.parsed(time_of_day).map(|time| Some(At::Clock(time))),
    };
    let until = match table.get("until") {
        None => Some(None),
        Some(item) => {
            if !table.has("wait") {
                table.reader().error(
                    item.key_span(),
                    "`until` needs `wait`: how long to wait for it at most",
                    "add wait = \"7d\"",
                );
            }
            condition::read(&item, scope).map(Some)
        }
    };
    let from = match (after?, wait?) {
        (Some(after), _) => DueFrom::Entry(after),
        (None, wait) => DueFrom::Before(wait.unwrap_or(Span::ZERO)),
    };
    Some(Timing {
        from,
        at: at?,
        until: until?,
    })
}

fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    let shaped = text.len() == 5 && text.is_ascii();
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok();
    (time.filter(|_| shaped)).ok_or_else(|| {
        format!("{text:?} is no time of day; write for example \"10:00\", or \"best\"")
    })
}

/// Reads `only_if` and `otherwise`; whether the step named there is one further on is asked of all steps together.
pub fn read_gate(
    table: &Table<'_>,
    scope: Scope<'_>,
) -> (Option<Option<Condition>>, Option<Otherwise>) {
    let only_if = match table.get("only_if") {
        None => Some(None),
        Some(item) => condition::read(&item, scope).map(Some),
    };
    let otherwise = match table.get("otherwise") {
        None => Some(Otherwise::Skip),
        Some(item) => {
            if !table.has("only_if") {
                table.reader().error(
                    item.key_span(),
                    "`otherwise` has no meaning without `only_if`",
                    "add only_if = { ... }, or remove it",
                );
            }
            match item.text() {
                Some("skip") => Some(Otherwise::Skip),
                Some("exit") => Some(Otherwise::Exit),
                Some(_) => item.parsed(StepId::parse).map(Otherwise::GoTo),
                None => None,
            }
        }
    };
    (only_if, otherwise)
}

/// What a step does, one of these.
static DEEDS: [&str; 4] = ["tag", "untag", "leave", "notify"];

/// What only a message to the customer has.
static OF_MESSAGES: [&str; 11] = [
    "template",
    "subject",
    "preheader",
    "variants",
    "expires",
    "recheck",
    "class",
    "transport",
    "products",
    "data",
    "data_file",
];

/// Reads what the step does that is no message to the customer; the inner `None` is a message.
pub fn read_act(table: &Table<'_>, around: &Around<'_>) -> Option<Option<Act>> {
    let deeds: Vec<Item<'_>> = DEEDS.iter().filter_map(|key| table.get(key)).collect();
    let Some(deed) = deeds.first() else {
        if let Some(text) = table.get("text") {
            table.reader().error(
                text.key_span(),
                "`text` is for a mail to staff; customers get a template",
                "write template = \"...\", or add notify = \"...\"",
            );
        }
        return Some(None);
    };
    if let Some(second) = deeds.get(1) {
        table.reader().error(
            second.key_span(),
            format!(
                "a step does one thing, and this has both `{}` and `{}`",
                deed.name, second.name
            ),
            "make two steps of it",
        );
        return None;
    }
    let mails = deed.name == "notify";
    for key in OF_MESSAGES.iter().chain(&["text"]) {
        let fits = mails && !matches!(*key, "preheader" | "variants" | "recheck" | "class");
        if let Some(item) = table.get(key).filter(|_| !fits) {
            let what = match mails {
                true => "a mail to staff".to_owned(),
                false => format!("a step with `{}`, which sends nothing", deed.name),
            };
            table.reader().error(
                item.key_span(),
                format!("`{key}` has no meaning in {what}"),
                "remove it",
            );
        }
    }
    let act = match deed.name {
        "tag" => read_tag(deed, around).map(Act::Tag),
        "untag" => {
            let tag = read_tag(deed, around);
            if let Some(tag) = &tag {
                around.names.doubt_tag(deed, tag.as_str());
            }
            tag.map(Act::Untag)
        }
        "leave" => {
            let topic = around.names.topic(deed)?;
            TopicId::parse(topic).ok().map(Act::Leave)
        }
        _ => read_staff(deed, around).map(Act::Notify),
    };
    act.map(Some)
}

fn read_tag(item: &Item<'_>, around: &Around<'_>) -> Option<TagName> {
    let tag = item.parsed(TagName::parse)?;
    if around.names.tags.names.contains_key(tag.as_str()) {
        item.error(
            format!("tag `{tag}` has a rule in tags.toml"),
            "customers bear it as long as that rule holds; a step gives and takes other tags",
        );
        return None;
    }
    Some(tag)
}

fn read_staff(item: &Item<'_>, around: &Around<'_>) -> Option<StaffName> {
    let name = item.parsed(StaffName::parse)?;
    let known = &around.names.context.shop.staff;
    if !known.contains_key(&name) {
        let mut help = suggest(name.as_str(), known.keys().map(StaffName::as_str));
        if help.is_empty() {
            help = format!("in config.toml, under [staff], write {name} = \"...\" with an address");
        }
        item.error(format!("[staff] in config.toml names no `{name}`"), help);
        return None;
    }
    Some(name)
}

/// How long a mail to staff may be on its way.
pub const STAFF_EXPIRES: Span = Span::days(7);

/// Reads `expires`.
pub fn read_expires(table: &Table<'_>, usual: Span) -> Option<Span> {
    (table.get("expires")).map_or(Some(usual), |i| i.parsed(positive))
}

/// Looks at all steps of a file together: ids that stand twice, ways back, steps that nobody can come to.
pub fn check_steps(items: &[Item<'_>], steps: &[Step], around: &Around<'_>) {
    let place = |n: usize, key: &str| {
        let entries = items.get(n).and_then(|item| item.entries(""));
        let item = entries.and_then(|all| all.into_iter().find(|e| e.name == key));
        item.or_else(|| items.get(n).cloned())
    };
    let mut ids = BTreeSet::new();
    for (n, step) in steps.iter().enumerate() {
        if !ids.insert(&step.id)
            && let Some(item) = place(n, "id")
        {
            item.error(
                format!("there are two steps `{}`", step.id),
                "give each an id of its own",
            );
        }
        let still = |old: &&StepId| steps.iter().any(|s| s.id == **old);
        if let Some(old) = step.renamed_from.as_ref().filter(still)
            && let Some(item) = place(n, "renamed_from")
        {
            item.error(
                format!("there is still a step `{old}`"),
                "a step that was renamed is no longer there under its old id",
            );
        }
        if step.act.is_some()
            && step.timing.at == Some(At::Best)
            && let Some(item) = place(n, "at")
        {
            item.error(
                "the best hour is that in which customers read their mail; this step sends them none",
                "write a time, such as at = \"10:00\", or remove it",
            );
        }
        let Otherwise::GoTo(to) = &step.otherwise else {
            continue;
        };
        let Some(item) = place(n, "otherwise") else {
            continue;
        };
        match steps.iter().position(|s| s.id == *to) {
            Some(at) if at > n => {}
            Some(_) => item.error(
                format!("`{to}` does not come after this step: customers would go in a circle"),
                "name a step further on, \"skip\" or \"exit\"",
            ),
            None => {
                let later = steps[n + 1..].iter().map(|s| s.id.as_str());
                let known: Vec<&str> = ["skip", "exit"].into_iter().chain(later).collect();
                item.error(
                    format!("`otherwise` must be \"skip\", \"exit\" or a later step; there is no step `{to}`"),
                    suggest(to.as_str(), known),
                );
            }
        }
    }
    warn_of_dead_ends(items, steps, around, place);
}

fn warn_of_dead_ends<'a>(
    items: &[Item<'a>],
    steps: &[Step],
    around: &Around<'_>,
    place: impl Fn(usize, &str) -> Option<Item<'a>>,
) {
    let mut reached = vec![false; steps.len() + 1];
    reached[0] = true;
    for (n, step) in steps.iter().enumerate() {
        if !reached[n] {
            items[n].warn(
                format!("no customer can ever come to the step `{}`", step.id),
                "look at `only_if` and `otherwise` of the steps before it",
            );
            continue;
        }
        let answer = step.only_if.as_ref().map_or(Some(true), |c| {
            let answer = certain(c, &around.named);
            if let (Some(answer), Some(item)) = (answer, place(n, "only_if")) {
                let what = match answer {
                    true => "this always holds",
                    false => "this can never hold: nobody will ever have this step",
                };
                item.warn(what, "is that meant?");
            }
            answer
        });
        if answer != Some(false) {
            reached[n + 1] = true;
        }
        if answer != Some(true) {
            match &step.otherwise {
                Otherwise::Skip => reached[n + 1] = true,
                Otherwise::Exit => {}
                Otherwise::GoTo(to) => {
                    if let Some(at) = steps.iter().position(|s| s.id == *to) {
                        reached[at] = true;
                    }
                }
            }
        }
    }
}
