//! Policy: may this message go now, later (until when) or never, and why.
//!
//! Who may be written to at all comes first (address, suppression, consent, audience), then when: the first instant
//! at which pause, gap, every cap and every window agree. If that lies beyond the message's expiry it never goes.

use super::about::NOTHING;
use super::address::EmailAddress;
use super::calendar::ClosedDays;
use super::campaign::{Campaign, CampaignWindow, Start};
use super::cap::{Cap, gap_fit};
use super::condition::{Condition, EntryFacts, Facts, evaluate};
use super::id::CustomerNo;
use super::ledger::Reason;
use super::opt_in::topic_of;
use super::preference::{
    Class, ConsentState, Standing, consent_for, is_on_request, standing_on, takes_on_request_only,
};
use super::record::{Mailbox, Message, MessageState, Place, Record, SuppressionCause};
use super::rules::Rules;
use super::time::{Span, Timestamp};
use super::window::{Window, first_open};
use chrono_tz::Tz;

/// The transport starts within this time of the instant at which a message was judged, so a window ends that much
/// earlier for policy.
pub const LEAD: Span = Span::seconds(5);

/// Policy's answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    Go,
    Later {
        at: Timestamp,
        reason: Reason,
        detail: String,
    },
    Never {
        reason: Reason,
        detail: String,
    },
    /// Not until an operator resumes it.
    Paused {
        reason: Reason,
    },
}

/// Judges `message` afresh at `now`. The message's own place counts for nothing.
pub fn judge(
    message: &Message,
    record: &Record,
    mailbox: &Mailbox,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let controls = &rules.controls;
    if controls.cancelled.contains(&message.campaign) {
        return never(Reason::CampaignCancelled, "");
    }
    if now >= message.expires {
        return never(
            Reason::Expired,
            format!("it expired at {}", message.expires),
        );
    }
    let Some(campaign) = rules.campaigns.get(&message.campaign) else {
        return Decision::Paused {
            reason: Reason::CampaignMissing,
        };
    };
    if let Some(why) = forbidden(message, campaign, record, mailbox, rules, now) {
        return why;
    }
    if let Some(reason) = paused(message, rules) {
        return Decision::Paused { reason };
    }
    if message.class == Class::Transactional && !matches!(campaign.start, Start::Asked) {
        return Decision::Go;
    }
    let limits = Limits::of(message.class, campaign, record, rules);
    let others = others(mailbox, record.no, message);
    limits.first_fit(&others, now, message.expires)
}

/// Why the message must wait for an operator, if it must: a pause, or a campaign file that is gone. What is cancelled
/// waits for nobody.
pub fn paused(message: &Message, rules: &Rules) -> Option<Reason> {
    let controls = &rules.controls;
    if controls.cancelled.contains(&message.campaign) {
        None
    } else if !rules.campaigns.contains_key(&message.campaign) {
        Some(Reason::CampaignMissing)
    } else if controls.tripped.contains_key(&message.campaign) {
        Some(Reason::Tripped)
    } else if controls.paused_all
        || controls.paused.contains(&message.campaign)
        || controls.paused_classes.contains(&message.class)
    {
        Some(Reason::CampaignPaused)
    } else {
        None
    }
}

fn never(reason: Reason, detail: impl Into<String>) -> Decision {
    Decision::Never {
        reason,
        detail: detail.into(),
    }
}

/// Whether this customer must not get the message at all.
fn forbidden(
    message: &Message,
    campaign: &Campaign,
    record: &Record,
    mailbox: &Mailbox,
    rules: &Rules,
    now: Timestamp,
) -> Option<Decision> {
    let Some(to) = message.to.as_ref().or(record.email.as_ref()) else {
        return Some(never(Reason::NoAddress, ""));
    };
    if let Some(suppression) = &mailbox.suppression {
        let asks = matches!(campaign.start, Start::Asked);
        let binds = match suppression.cause {
            SuppressionCause::HardBounce | SuppressionCause::ByHand => true,
            // Who asks for it since may be asked back; that alone lifts nothing.
            SuppressionCause::Forgotten => {
                let pending = topic_of(&message.entry).and_then(|t| record.pending.get(&t));
                !(asks && pending.is_some_and(|pending| pending.at > suppression.at))
            }
            // Whoever reports mail as unwanted is not to be asked whether they want more of it, by a form that anybody
            // can fill in.
            SuppressionCause::Complaint => message.class != Class::Transactional || asks,
            SuppressionCause::Unsubscribe => message.class != Class::Transactional,
        };
        if binds {
            return Some(never(Reason::Suppressed, suppression.note.clone()));
        }
    }
    let topic = message.topic.as_ref();
    let refused_by_mailbox =
        consent_for(&mailbox.refusals, topic).is_some_and(|c| c.state == ConsentState::Refused);
    let by_topic = || topic.map(|t| t.to_string()).unwrap_or_default();
    let pending = topic.and_then(|topic| record.pending.get(topic));
    if let (Some(pending), Class::Advertising) = (pending, message.class) {
        let detail = format!("{}, asked for at {}", by_topic(), pending.at);
        return Some(never(Reason::Unconfirmed, detail));
    }
    match message.class {
        Class::Transactional => {}
        _ if refused_by_mailbox => return Some(never(Reason::TopicRefused, by_topic())),
        Class::Informational => {
            let refused = consent_for(&record.consents, topic)
                .is_some_and(|c| c.state == ConsentState::Refused);
            if refused {
                return Some(never(Reason::TopicRefused, by_topic()));
            }
        }
        Class::Advertising => match standing_on(&record.consents, topic, &rules.topics) {
            Standing::Given
                if takes_on_request_only(&record.attributes)
                    && !is_on_request(topic, &rules.topics) =>
            {
                return Some(never(Reason::OnRequestOnly, by_topic()));
            }
            Standing::Given => {}
            Standing::Refused => return Some(never(Reason::TopicRefused, by_topic())),
            Standing::Unknown => return Some(never(Reason::NoConsent, by_topic())),
            Standing::NotRequested => return Some(never(Reason::NotRequested, by_topic())),
        },
    }
    if let Some(only) = &rules.shop.only_to
        && !only.iter().any(|p| p.0.is_match(to.as_str()))
    {
        return Some(never(Reason::Rehearsal, ""));
    }
    let Some(step) = campaign.step_of(message) else {
        return Some(never(Reason::StepGone, message.step.to_string()));
    };
    if message.staff.is_some() {
        return None;
    }
    let unless = campaign.entry.unless_in.as_ref();
    let asked = [&campaign.audience, &step.only_if, &campaign.entry.unless_in];
    if !step.recheck || asked.into_iter().all(Option::is_none) {
        return None;
    }
    let facts = Facts::of(record, rules).for_exit(entry_of(message, record, campaign));
    let fails = |condition: &&Condition| !evaluate(condition, &facts, now).holds;
    if campaign.audience.as_ref().is_some_and(|a| fails(&a)) {
        return Some(never(Reason::AudienceFails, ""));
    }
    if let Some(unless) = unless.filter(fails) {
        return Some(never(Reason::HigherPriority, unless.describe()));
    }
    let only_if = step.only_if.as_ref().filter(fails);
    only_if.map(|only_if| never(Reason::OnlyIf, only_if.describe()))
}

/// The entry that a message is of, as conditions see it; of one that is only supposed, as if it began when it falls due.
fn entry_of<'a>(
    message: &'a Message,
    record: &'a Record,
    campaign: &'a Campaign,
) -> EntryFacts<'a> {
    let standing = record.campaigns.get(&message.campaign);
    let entry = (standing.into_iter().flat_map(|s| &s.entries))
        .filter(|e| e.key == message.entry && (e.state.is_under_way() || e.sends(message.no)))
        .max_by_key(|e| e.at);
    EntryFacts {
        at: entry.map_or(message.due, |e| e.at),
        key: &message.entry.0,
        trigger: campaign.trigger_name(),
        about: entry.map_or(&NOTHING, |e| &e.about),
    }
}

/// The places of the mailbox, less the message's own.
fn others<'a>(mailbox: &'a Mailbox, customer: CustomerNo, message: &Message) -> Vec<&'a Place> {
    mailbox
        .places
        .iter()
        .filter(|p| p.message.customer != customer || p.message.message != message.no)
        .collect()
}

/// Which places a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counts {
    /// The shop's defaults: advertising only.
    Advertising,
    /// What the customer has set, and the ceiling: all but transactional, which takes no place.
    Everything,
    /// A campaign's own limits.
    Campaign,
}

/// Every limit that applies to one message, and where each comes from (for `explain`).
pub struct Limits<'a> {
    pub zone: Tz,
    pub pause_until: Option<Timestamp>,
    pub windows: Vec<(&'a Window, &'static str)>,
    pub caps: Vec<(Cap, Counts, &'static str)>,
    pub gaps: Vec<(Span, Counts, &'static str)>,
    /// Days on which it waits.
    pub closed: Option<&'a ClosedDays>,
    campaign: &'a Campaign,
}

impl<'a> Limits<'a> {
    /// Collects what DESIGN's policy says for `class`: the customer's own replaces the shop's defaults, the campaign's
    /// come on top, the ceiling always applies; informational messages know no defaults, transactional ones no limits.
    pub fn of(class: Class, campaign: &'a Campaign, record: &'a Record, rules: &'a Rules) -> Self {
        let shop = &rules.shop;
        let own = &record.preferences;
        let mut limits = Limits {
            zone: zone_of(record, rules),
            pause_until: own.pause_until,
            windows: Vec::new(),
            caps: Vec::new(),
            gaps: Vec::new(),
            closed: Some(&shop.closed)
                .filter(|closed| class == Class::Advertising && !closed.is_empty()),
            campaign,
        };
        if class == Class::Transactional {
            limits.pause_until = None;
            if matches!(campaign.start, Start::Asked) {
                let caps = campaign.limits.caps.iter();
                let whose = "confirmations to one address";
                limits.caps = caps.map(|c| (*c, Counts::Campaign, whose)).collect();
            }
            return limits;
        }
        let advertising = class == Class::Advertising;
        match &own.window {
            Some(window) => limits.windows.push((window, "the customer's hours")),
            None if advertising && campaign.limits.window != CampaignWindow::Always => limits
                .windows
                .extend(shop.window.as_ref().map(|w| (w, "the shop's hours"))),
            None => {}
        }
        if let CampaignWindow::Only(window) = &campaign.limits.window {
            limits.windows.push((window, "the campaign's hours"));
        }
        let ceiling = &shop.ceiling;
        limits
            .windows
            .extend(ceiling.window.as_ref().map(|w| (w, "the shop's ceiling")));
        let everything = Counts::Everything;
        match &own.caps {
            Some(caps) => limits
                .caps
                .extend(caps.iter().map(|c| (*c, everything, "the customer's cap"))),
            None if advertising => limits.caps.extend(
                shop.caps
                    .iter()
                    .map(|c| (*c, Counts::Advertising, "the shop's cap")),
            ),
            None => {}
        }
        let of_campaign = Counts::Campaign;
        limits
            .caps
            .extend((campaign.limits.caps.iter()).map(|c| (*c, of_campaign, "the campaign's cap")));
        limits.caps.extend(
            ceiling
                .caps
                .iter()
                .map(|c| (*c, everything, "the shop's ceiling")),
        );
        match own.gap {
            Some(gap) => limits.gaps.push((gap, everything, "the customer's gap")),
            None if advertising => limits
                .gaps
                .extend(shop.gap.map(|g| (g, Counts::Advertising, "the shop's gap"))),
            None => {}
        }
        limits.gaps.extend(
            campaign
                .limits
                .gap
                .map(|g| (g, of_campaign, "the campaign's gap")),
        );
        limits
            .gaps
            .extend(ceiling.gap.map(|g| (g, everything, "the shop's ceiling")));
        limits
    }

    /// The instants of the places that `counts` speaks of.
    pub fn counted(&self, places: &[&Place], counts: Counts) -> Vec<Timestamp> {
        places
            .iter()
            .filter(|p| match counts {
                Counts::Advertising => p.class == Class::Advertising,
                Counts::Everything => p.class != Class::Transactional,
                Counts::Campaign => {
                    p.campaign == self.campaign.id
                        || self.campaign.renamed_from.as_ref() == Some(&p.campaign)
                }
            })
            .map(|p| p.at)
            .collect()
    }

    /// The first instant from `now` on at which all agree, if it comes before `expires`.
    pub fn first_fit(&self, places: &[&Place], now: Timestamp, expires: Timestamp) -> Decision {
        let windows: Vec<(&Window, Tz)> =
            self.windows.iter().map(|(w, _)| (*w, self.zone)).collect();
        let caps: Vec<_> = (self.caps.iter())
            .map(|(cap, counts, whose)| (cap, self.counted(places, *counts), *whose))
            .collect();
        let gaps: Vec<_> = (self.gaps.iter())
            .map(|(gap, counts, whose)| (*gap, self.counted(places, *counts), *whose))
            .collect();
        let mut at = now;
        let mut moved: Option<(Reason, String)> = None;
        // Each round moves `at` forward past at least one place or to another opening; both are finite before `expires`.
        while at < expires {
            let mut moves: Vec<(Timestamp, Reason, String)> = Vec::new();
            if let Some(until) = self.pause_until {
                moves.push((until, Reason::Pause, format!("until {until}")));
            }
            if let Some(closed) = self.closed {
                let open = closed.next_open(at, self.zone, LEAD);
                moves.push((open, Reason::ClosedDay, closed.to_string()));
            }
            for (gap, instants, whose) in &gaps {
                moves.push((
                    gap_fit(instants, *gap, at),
                    Reason::Gap,
                    format!("{whose}, {gap}"),
                ));
            }
            for (cap, instants, whose) in &caps {
                let fits = cap.next_fit(instants, at, self.zone);
                moves.push((fits, Reason::Cap, format!("{whose}, {cap}")));
            }
            if moves.iter().all(|(to, ..)| *to <= at) {
                match first_open(&windows, at, LEAD, expires) {
                    Some(open) if open == at => break,
                    open => {
                        moves.push((open.unwrap_or(expires), Reason::Window, self.name_windows()))
                    }
                }
            }
            if let Some((to, reason, detail)) = moves.into_iter().max_by_key(|(to, ..)| *to) {
                at = to;
                moved = Some((reason, detail));
            }
        }
        match moved {
            None => Decision::Go,
            Some((reason, detail)) if at >= expires => Decision::Never {
                reason,
                detail: format!("{detail}; no permitted instant before it expires at {expires}"),
            },
            Some((reason, detail)) => Decision::Later { at, reason, detail },
        }
    }

    fn name_windows(&self) -> String {
        let named: Vec<String> = self
            .windows
            .iter()
            .map(|(w, whose)| format!("{whose}, {w}"))
            .collect();
        format!("{} ({})", named.join("; "), self.zone)
    }
}

/// The customer's zone, else the shop's.
pub fn zone_of(record: &Record, rules: &Rules) -> Tz {
    record.preferences.timezone.unwrap_or(rules.shop.timezone)
}

/// The order in which a customer's waiting messages are asked: transactional first, then higher priority, earlier
/// expiry, older, campaign, step, entry key.
pub fn precedence<'a>(m: &'a Message) -> impl Ord + use<'a> {
    (
        m.class != Class::Transactional,
        std::cmp::Reverse(m.priority),
        m.expires,
        m.due,
        &m.campaign,
        &m.step,
        &m.entry,
    )
}

/// Whether the message stands in that order when it is asked for.
pub fn may_be_asked(m: &Message) -> bool {
    !matches!(m.state, MessageState::Attempting(_)) && !m.parked
}

/// Whether it has not left and may.
pub fn is_waiting(m: &Message) -> bool {
    m.state == MessageState::Waiting && !m.parked
}

/// The address that the message goes to.
pub fn recipient<'a>(message: &'a Message, record: &'a Record) -> Option<&'a EmailAddress> {
    message.to.as_ref().or(record.email.as_ref())
}
