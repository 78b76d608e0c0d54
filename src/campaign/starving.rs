//! Campaigns that will starve each other: those that write to the same customers again and again, and together want more
//! messages in a time than the shop's caps let go.
//!
//! Found by reading, without any customer, so it is told only where it can be reckoned: of campaigns with a cron schedule
//! that a customer enters again. What one wants is the most that it may, and who is in two audiences at once is not
//! known; the warning says so in its words. Drafts, and campaigns under test, are reckoned as if they were live, since it
//! is before they are that one checks; the warning says that, too. What really happens `reveille plan` shows.

use super::Loaded;
use super::doubt::certain;
use crate::config::problem::{Problem, Severity};
use crate::domain::campaign::{Again, Campaign, CampaignState, DueFrom, Start, When};
use crate::domain::cap::{Cap, Period};
use crate::domain::condition::{Condition, Named};
use crate::domain::preference::Class;
use crate::domain::rules::Shop;
use crate::domain::schedule::CronRule;
use crate::domain::time::Span;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

/// So many runs are looked at: a fortnight of hourly ones.
const RUNS: usize = 400;

/// One warning for each campaign that comes off badly.
pub fn warnings(shop: &Shop, loaded: &Loaded) -> Vec<Problem> {
    let named = Named {
        segments: &loaded.segments,
        tags: &loaded.tags,
    };
    // In the order in which they go: the more important first.
    let mut regular: Vec<Regular<'_>> = loaded.good().filter_map(Regular::of).collect();
    regular.sort_by_key(|one| (-one.campaign.priority, one.campaign.id.clone()));
    let mut found = Vec::new();
    for (at, one) in regular.iter().enumerate() {
        let class = one.campaign.class;
        let before: Vec<&Regular<'_>> = (regular[..at].iter())
            .filter(|o| o.campaign.class == class || o.campaign.class == Class::Advertising)
            .collect();
        let before = beside(one, &before, &named);
        let worst = caps(shop, class)
            .filter_map(|(cap, whose)| Short::of(one, &before, cap, whose))
            .max_by_key(|short| (short.wanted() - short.room, short.wanted()));
        if let Some(short) = worst {
            found.push(told(one.campaign, &short, loaded));
        }
    }
    found
}

/// A campaign that writes to the same customers again and again.
struct Regular<'a> {
    campaign: &'a Campaign,
    /// The first [`RUNS`] from some Monday on.
    runs: Vec<NaiveDateTime>,
}

impl<'a> Regular<'a> {
    fn of(campaign: &'a Campaign) -> Option<Regular<'a>> {
        let Start::Scheduled(schedule) = &campaign.start else {
            return None;
        };
        let When::Cron(rule) = &schedule.when else {
            return None;
        };
        let again = matches!(campaign.entry.again, Again::Always | Again::After(_));
        (again && campaign.class != Class::Transactional).then(|| Regular {
            campaign,
            runs: runs(rule),
        })
    }

    /// The most messages to one customer in a time, counting those of entries that begin in it.
    fn wants(&self, period: Span) -> u64 {
        let campaign = self.campaign;
        let mut entries = most_within(&self.runs, period);
        if let Again::After(span) = campaign.entry.again {
            entries = entries.min(times(period, span));
        }
        if let Some(most) = campaign.entry.at_most {
            entries = entries.min(u64::from(most));
        }
        let mut wanted = entries * messages_within(campaign, period);
        for cap in &campaign.limits.caps {
            wanted = wanted.min(u64::from(cap.most) * times(period, length(cap.period)));
        }
        if let Some(gap) = campaign.limits.gap {
            wanted = wanted.min(times(period, gap));
        }
        wanted
    }
}

/// The shop's caps, with where they stand; customers' own are not known here.
fn caps(shop: &Shop, class: Class) -> impl Iterator<Item = (Cap, &'static str)> {
    let defaults = match class {
        Class::Advertising => shop.caps.as_slice(),
        _ => &[],
    };
    let ceiling = shop.ceiling.caps.iter().map(|cap| (*cap, "[ceiling]"));
    (defaults.iter().map(|cap| (*cap, "[defaults]")))
        .chain(ceiling)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Those of `others` (the more important first) in whose audiences one customer can be together with that of `one`. Who
/// enters nobody that is under way in a more important campaign (`unless_in`) comes beside none of these.
fn beside<'a, 'r>(
    one: &Regular<'a>,
    others: &[&'r Regular<'a>],
    named: &Named<'_>,
) -> Vec<&'r Regular<'a>> {
    let yields =
        |own: &Campaign, to: &Campaign| own.entry.unless_in.is_some() && to.priority > own.priority;
    let mut together: Vec<&Regular<'_>> = Vec::new();
    let mut audiences: Vec<Condition> = one.campaign.audience.iter().cloned().collect();
    for other in others {
        let campaign = other.campaign;
        let first = together.iter().any(|o| yields(campaign, o.campaign));
        if first || yields(one.campaign, campaign) {
            continue;
        }
        audiences.extend(campaign.audience.clone());
        if certain(&Condition::All(audiences.clone()), named) == Some(false) {
            audiences.truncate(audiences.len() - usize::from(campaign.audience.is_some()));
            continue;
        }
        together.push(other);
    }
    together
}

/// More is wanted than a cap lets go.
struct Short<'a> {
    cap: Cap,
    whose: &'static str,
    /// The time that is looked at, and how many messages the cap lets go in it.
    span: Span,
    room: u64,
    own: u64,
    /// Those that go first, with how many each wants.
    before: Vec<(&'a Campaign, u64)>,
}

impl<'a> Short<'a> {
    fn of(
        one: &Regular<'_>,
        before: &[&Regular<'a>],
        cap: Cap,
        whose: &'static str,
    ) -> Option<Short<'a>> {
        // A message waits until it expires, so what finds no place at once may find one later.
        let period = length(cap.period);
        let span = period.max(patience(one.campaign));
        let others = before.iter().map(|o| (o.campaign, o.wants(span)));
        let short = Short {
            cap,
            whose,
            span,
            room: u64::from(cap.most) * u64::try_from(span.0 / period.0.max(1)).unwrap_or(1),
            own: one.wants(span),
            before: others.filter(|(_, wanted)| *wanted > 0).collect(),
        };
        (short.own > 0 && short.wanted() > short.room).then_some(short)
    }

    fn first(&self) -> u64 {
        self.before.iter().map(|(_, wanted)| wanted).sum()
    }

    fn wanted(&self) -> u64 {
        self.first() + self.own
    }
}

/// How long each of its messages waits at least.
fn patience(campaign: &Campaign) -> Span {
    let messages = campaign.steps.iter().filter(|step| step.act.is_none());
    messages
        .map(|step| step.expires)
        .min()
        .unwrap_or(Span::ZERO)
}

fn length(period: Period) -> Span {
    match period {
        Period::Rolling(span) => span,
        Period::Day => Span::days(1),
        Period::Week => Span::days(7),
    }
}

/// How often something that comes every `each` begins in a time of that length, at most.
fn times(period: Span, each: Span) -> u64 {
    let (period, each) = (period.0.max(1), each.0.max(1));
    u64::try_from((period + each - 1) / each).unwrap_or(1)
}

/// The steps of one entry whose messages fall into a time that begins with it.
fn messages_within(campaign: &Campaign, period: Span) -> u64 {
    let mut since_entry = Span::ZERO;
    let mut count = 0;
    for step in &campaign.steps {
        since_entry = match step.timing.from {
            DueFrom::Entry(after) => after.max(since_entry),
            DueFrom::Before(wait) => since_entry + wait,
        };
        if step.act.is_none() && step.class != Class::Transactional && since_entry < period {
            count += 1;
        }
    }
    count
}

/// From any beginning: a Monday, the first of a year.
fn runs(rule: &CronRule) -> Vec<NaiveDateTime> {
    let begin = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default();
    let first = rule.naive_next(begin.into());
    let all = std::iter::successors(first, |run| rule.naive_next(*run));
    all.take(RUNS).collect()
}

/// The most of these in any time of that length.
fn most_within(runs: &[NaiveDateTime], period: Span) -> u64 {
    let period = TimeDelta::milliseconds(period.0);
    let (mut most, mut end) = (0, 0);
    for (at, first) in runs.iter().enumerate() {
        while end < runs.len() && runs[end] - *first < period {
            end += 1;
        }
        most = most.max(end - at);
    }
    most as u64
}

fn told(campaign: &Campaign, short: &Short<'_>, loaded: &Loaded) -> Problem {
    let Short {
        cap,
        whose,
        span,
        room,
        own,
        ..
    } = short;
    let mut others: Vec<String> = (short.before.iter())
        .take(3)
        .map(|(other, wanted)| format!("`{}` {wanted}", other.id))
        .collect();
    if short.before.len() > 3 {
        others.push(format!("{} more", short.before.len() - 3));
    }
    let not_yet = |campaign: &&Campaign| campaign.state != CampaignState::Live;
    let named = (short.before.iter().map(|(other, _)| *other)).take(3);
    let not_live: Vec<String> = (std::iter::once(campaign).chain(named))
        .filter(not_yet)
        .map(|draft| format!("`{}`", draft.id))
        .collect();
    let mut what = match short.before.is_empty() {
        true => format!(
            "this may want {own} messages to a customer in {span}, and {whose} caps let {room} go (\"{cap}\"): the others wait, and are dropped when they expire"
        ),
        false => format!(
            "customers who are in all these audiences are wanted more often than {whose} caps allow (\"{cap}\", {room} in {span}): in that time this campaign may want {own}, and before it go {}; {} of its {own} can find no place",
            others.join(", "),
            own.min(&(short.wanted() - room))
        ),
    };
    if !not_live.is_empty() {
        what.push_str(&format!(
            " (reckoned as if {} were live, which is not so yet)",
            not_live.join(", ")
        ));
    }
    let help = match short.before.is_empty() {
        true => "run it less often, or let customers enter again after a longer time (`again`)",
        false => {
            "look at `reveille plan`; raise its `priority`, keep it to fewer customers, or run one of them less often"
        }
    };
    let problem = match loaded.sources.campaigns.get(&campaign.id) {
        Some(source) => Problem::at_text(&source.file, &source.text, "[schedule]", &what, help),
        None => Problem::of_file(campaign.id.to_string(), what, help),
    };
    problem.only(Severity::Warning)
}
