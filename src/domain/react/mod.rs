//! `react`: the one function that decides. A customer's record and mailboxes, a cause, the instant and the rules go in;
//! the new record and mailboxes, log rows and an answer come out. Everything that the daemon does to a customer is
//! decided here, so all of it can be unit-tested, replayed, simulated and explained.
//!
//! The order within one reaction is always the same: bring the record up to date with the rules; ring the alarm if it
//! is due; the cause itself; settle what follows from it, campaign by campaign (what a live event starts, edges of
//! audiences, exits, steps that fall due); set the alarm. An instant is one instant: what ends in it makes room for what
//! begins in it, and when all has followed a second ring at the same instant finds nothing left to do.
//! Which index keys change follows from the records alone ([`Record::index`]).

mod absorbing;
mod acts;
mod alarm;
mod appended;
mod audience;
mod coupons;
mod dates;
mod edits;
mod engagement;
mod enrollment;
mod goals;
mod holdout;
mod intake;
mod journey;
mod jumping;
mod kept_out;
mod moving;
mod opt_in;
mod outcome;
mod places;
mod quota;
mod ready;
mod renaming;
mod triggers;
mod walk;
mod ways;

pub use coupons::{has_stale_code, pool_wanted, wants_code};
pub use journey::first_due;
pub use jumping::{Moves, moves, stays_put};
pub use kept_out::{KeptOut, kept_out};
pub use quota::{keeps_some_out, takes_room, would_enter};
pub use ready::goes_before;
pub use renaming::journeys_before;

use super::address::MailboxId;
use super::cause::{Cause, Liveness, Operator};
use super::consent_ledger::ConsentRow;
use super::event::Event;
use super::id::{CampaignId, CustomerNo, EntryKey, MessageNo, MessageRef, PoolName};
use super::ledger::{LogRow, Reason, Status};
use super::posted::{Absorb, Posted};
use super::quota::Quotas;
use super::record::{Mailbox, Message, Record};
use super::rules::Rules;
use super::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The mailboxes that concern a customer. One that is missing is a mailbox nothing is known of.
pub type Boxes = BTreeMap<MailboxId, Mailbox>;

/// What a cause leads to.
#[derive(Clone, PartialEq, Debug)]
pub struct Reaction {
    pub record: Record,
    /// Every mailbox that was given or made; those that differ from what was given are to be written.
    pub boxes: Boxes,
    pub log: Vec<LogRow>,
    /// New rows of the consent ledger.
    pub consents: Vec<ConsentRow>,
    /// To `Ready`, to an operator's word on a message in doubt, and to what is for whom this customer was merged into.
    pub answer: Option<Answer>,
    /// A message waits to be released: `Release` is wanted once all causes up to now are applied.
    pub wants_release: bool,
    /// Campaigns whose audience this customer is found to stand in while they are not live: by the walk, or since it.
    pub existing: Vec<CampaignId>,
    /// Letters to other customers, in this order.
    pub posts: Vec<(CustomerNo, Posted)>,
    /// The quotas that a decision rested on, as they stand after it.
    pub quotas: Quotas,
    /// The code that was offered is the customer's now: its pool, and the code.
    pub drawn: Option<(PoolName, String)>,
    /// Codes that nobody was sent: they may be given to others.
    pub given_back: Vec<String>,
}

/// The answer to `Ready` and `Claim`; or to an operator's word on a message in doubt, and to a customer's confirmation
/// ([`Answer::Settled`], else [`Answer::Gone`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Begin this attempt within [`super::policy::LEAD`].
    Attempting,
    /// Not before this instant.
    Later(Timestamp),
    /// This one goes first: ask for it.
    After(MessageNo),
    /// It will never go.
    Dropped,
    /// Paused; it comes back when resumed.
    Parked,
    /// There is no such message, or it is not in a state to be attempted, or settled.
    Gone,
    /// This customer was merged into that one, whom the cause is for; nothing has changed.
    Moved(CustomerNo),
    /// The operator's word on it is in force; or the customer's confirmation.
    Settled,
    /// It might go, and is held out.
    HeldOut,
    /// It could go, and has its coupon code now, or wants none any more: to be composed so, and asked for again.
    Coupon,
}

/// What `react` was not given and turned out to need: it is to be called again with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Needs {
    /// The record's tracks must be rebuilt: the customer's whole history.
    History,
    /// The message may go and wants a new code out of this pool: one that nobody has, or that there is none.
    Code(PoolName),
}

/// The record's tracks must be rebuilt.
pub(in crate::domain::react) struct NeedsHistory;

impl From<NeedsHistory> for Needs {
    fn from(NeedsHistory: NeedsHistory) -> Needs {
        Needs::History
    }
}

/// What was found when a coupon code was looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer<'a> {
    /// Nobody has it.
    Code(&'a str),
    NoneLeft,
}

/// What surrounds a reaction.
pub struct Context<'a> {
    pub now: Timestamp,
    pub rules: &'a Rules,
    /// The customer's events so far, this cause's excluded; given after [`Needs::History`].
    pub history: Option<&'a [Event]>,
    /// An occurrence up to now is unfinished in this shard: only transactional messages may begin.
    pub unfinished: bool,
    /// To `Ready`, of one who was merged into another: that other, at the end of the chain, as they stand at the commit.
    pub person: Option<&'a Record>,
    /// What has been taken of the campaigns' quotas; nothing, of those that are not here.
    pub quotas: &'a Quotas,
    /// Given after [`Needs::Code`]; none: no code was looked for.
    pub coupon: Option<Offer<'a>>,
}

/// Reacts to one cause.
pub fn react<'a>(
    record: &Record,
    boxes: &Boxes,
    cause: &'a Cause,
    context: &Context<'a>,
) -> Result<Reaction, Needs> {
    if let Some(to) = record.moved_to
        && follows(cause)
    {
        return Ok(Reaction {
            record: record.clone(),
            boxes: boxes.clone(),
            log: Vec::new(),
            consents: Vec::new(),
            answer: Some(Answer::Moved(to)),
            wants_release: false,
            existing: Vec::new(),
            posts: Vec::new(),
            quotas: Quotas::new(),
            drawn: None,
            given_back: Vec::new(),
        });
    }
    let mut life = Life {
        record: record.clone(),
        boxes: boxes.clone(),
        now: context.now,
        rules: context.rules,
        log: Vec::new(),
        consents: Vec::new(),
        existing: Vec::new(),
        posts: Vec::new(),
        moving: None,
        person: context.person,
        quotas: context.quotas,
        asked_quotas: Quotas::new(),
        offered: context.coupon,
        lacks: None,
        triggering: Vec::new(),
        elsewhere: None,
        only_claims: false,
        drawn: None,
        given_back: Vec::new(),
        changed: false,
        wake: Timestamp::NEVER,
    };
    if life.record.rules != life.rules.version {
        life.bring_up_to_date(context.history)?;
    }
    let mut answer = None;
    let mut liveness = Liveness::Live;
    let rings = life.record.alarm.is_some_and(|at| at <= life.now);
    if rings {
        life.record.alarm = None;
        life.settle(Liveness::Live);
    }
    match cause {
        Cause::Event(event, live) => {
            liveness = *live;
            life.take_event(event, *live, context.history)?;
        }
        Cause::Profile(change, live) => {
            liveness = *live;
            life.take_profile(change, *live);
        }
        Cause::Consent(change, live) => {
            liveness = *live;
            life.take_consent(change, *live);
        }
        Cause::Alarm => {}
        Cause::Engagement(engagement) => life.take_engagement(engagement),
        Cause::Walk => {
            liveness = Liveness::History;
            life.go_on_with_appended();
        }
        Cause::Fires {
            campaign,
            occurrence,
        } => life.fire(campaign, *occurrence),
        Cause::Release => life.release(),
        Cause::Ready { message, attempt } => {
            answer = Some(life.ready(*message, *attempt, context.unfinished));
        }
        Cause::Claim { message, attempt } => {
            life.only_claims = true;
            answer = Some(life.ready(*message, *attempt, context.unfinished));
        }
        Cause::Outcome {
            message,
            attempt,
            outcome,
        } => {
            life.take_outcome(*message, *attempt, outcome);
        }
        Cause::Suppress {
            mailbox,
            suppression,
        } => life.suppress(mailbox, suppression.clone()),
        Cause::Operator(Operator::Tag { tag, bears }) => {
            if *bears {
                life.record.tags.insert(tag.clone());
            } else {
                life.record.tags.remove(tag);
            }
            life.unblock();
        }
        Cause::Operator(Operator::Settle { message, resend }) => {
            answer = Some(life.settle_doubt(*message, *resend));
        }
        Cause::Confirm { asked, change } => answer = Some(life.confirm(*asked, change)),
        Cause::Merge { into } => life.merge(*into),
        Cause::Posted(letter) => {
            liveness = letter.posted.liveness();
            life.read_letter(&letter.posted, context.history)?;
        }
    }
    if let Some(pool) = life.lacks.take() {
        return Err(Needs::Code(pool));
    }
    // What follows from the ring has followed.
    if !(rings && matches!(cause, Cause::Alarm)) {
        life.settle(liveness);
    }
    if let Some(to) = record.moved_to {
        life.tell_of_sent(to, &record.sent);
    }
    let wants_release = life.set_alarm();
    Ok(Reaction {
        record: life.record,
        boxes: life.boxes,
        log: life.log,
        consents: life.consents,
        answer,
        wants_release,
        existing: life.existing,
        posts: life.posts,
        quotas: life.asked_quotas,
        drawn: life.drawn,
        given_back: life.given_back,
    })
}

/// Whether what is told of somebody who was merged into another is for that other. What remains is about messages under
/// way, the mailbox, or the record itself.
fn follows(cause: &Cause) -> bool {
    matches!(
        cause,
        Cause::Event(..)
            | Cause::Profile(..)
            | Cause::Consent(..)
            | Cause::Confirm { .. }
            | Cause::Operator(Operator::Tag { .. })
    )
}

/// The mailboxes that a reaction to `cause` may read or write: those of messages under way (and what took their places
/// over); the present address's where policy is asked, the customer's word reaches it, or a campaign may speak for the
/// customer; a new or named one.
pub fn mailboxes_for(record: &Record, cause: &Cause, rules: &Rules) -> BTreeSet<MailboxId> {
    let under_way = record.messages.values().filter_map(|m| m.to.as_ref());
    let mut boxes: BTreeSet<MailboxId> = under_way.map(|to| to.mailbox()).collect();
    let present = record.email.as_ref().map(|e| e.mailbox());
    // What a renamed campaign sent there is its own under the new name too.
    let outdated = record.rules != 0 && record.rules != rules.version;
    if outdated && rules.renamed().next().is_some() {
        boxes.extend(present.clone());
    }
    // The present mailbox took over the places of messages that are still under way to a former address.
    if rules.make_leave() || boxes.iter().any(|to| Some(to) != present.as_ref()) {
        boxes.extend(present.clone());
    }
    match cause {
        Cause::Ready { .. } | Cause::Claim { .. } | Cause::Outcome { .. } => boxes.extend(present),
        Cause::Consent(change, _) | Cause::Confirm { change, .. } => {
            boxes.extend(present);
            boxes.extend(change.origin.mailbox.clone());
        }
        Cause::Profile(change, _) => {
            boxes.extend(present);
            boxes.extend(change.email.as_ref().map(|e| e.mailbox()));
        }
        Cause::Suppress { mailbox, .. } => {
            boxes.insert(mailbox.clone());
        }
        Cause::Posted(letter) => match &letter.posted {
            Posted::Absorb(from) => {
                boxes.extend(present.or_else(|| from.email.as_ref().map(|e| e.mailbox())));
            }
            Posted::Entry { .. } | Posted::Sent { .. } | Posted::Coupons(_) => {}
        },
        Cause::Event(..)
        | Cause::Alarm
        | Cause::Fires { .. }
        | Cause::Release
        | Cause::Merge { .. }
        | Cause::Engagement(_)
        | Cause::Walk
        | Cause::Operator(_) => {}
    }
    boxes
}

/// A reaction under way.
struct Life<'a> {
    record: Record,
    boxes: Boxes,
    now: Timestamp,
    rules: &'a Rules,
    log: Vec<LogRow>,
    consents: Vec<ConsentRow>,
    existing: Vec<CampaignId>,
    posts: Vec<(CustomerNo, Posted)>,
    /// What goes to whom this customer is being merged into, while that is being gathered.
    moving: Option<Box<Absorb>>,
    person: Option<&'a Record>,
    quotas: &'a Quotas,
    /// Those that were asked, as they stand now.
    asked_quotas: Quotas,
    offered: Option<Offer<'a>>,
    /// A code is wanted out of this pool, and none was looked for.
    lacks: Option<PoolName>,
    /// Live events of this reaction: campaigns that they start are started as each is judged.
    triggering: Vec<&'a Event>,
    elsewhere: Option<triggers::Elsewhere>,
    /// A message may be given its code, and begins nothing.
    only_claims: bool,
    drawn: Option<(PoolName, String)>,
    given_back: Vec<String>,
    /// An act changed what conditions ask, so that every campaign is to be judged again.
    changed: bool,
    /// The earliest instant at which something may change by itself, gathered while settling.
    wake: Timestamp,
}

impl Life<'_> {
    fn wake_at(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.wake = self.wake.min(at);
        }
    }

    fn message_ref(&self, no: MessageNo) -> MessageRef {
        MessageRef {
            customer: self.record.no,
            message: no,
        }
    }

    fn log_message(
        &mut self,
        m: &Message,
        status: Status,
        reason: Reason,
        detail: impl Into<String>,
    ) {
        let row = LogRow {
            step: Some(m.step.clone()),
            message: Some(m.no),
            variant: m.variant.clone(),
            attempt: m.attempts,
            goal_until: match status {
                Status::Attempting | Status::HeldOut => self.record.goals.until(m.no),
                _ => None,
            },
            ..self.row(&m.campaign, &m.entry, status, reason, detail)
        };
        self.log.push(row);
    }

    /// A row of an entry, of no message.
    fn row(
        &self,
        campaign: &CampaignId,
        entry: &EntryKey,
        status: Status,
        reason: Reason,
        detail: impl Into<String>,
    ) -> LogRow {
        LogRow {
            time: self.now,
            customer: self.record.no,
            campaign: campaign.clone(),
            step: None,
            message: None,
            entry: entry.clone(),
            variant: None,
            status,
            reason,
            detail: detail.into(),
            attempt: 0,
            goal_until: None,
            value: None,
        }
    }
}
