//! Playing: the customers of one mailbox, with their alarms, schedules and messages, tick by tick as the engine takes them,
//! by the same `react`. Nothing is stored; whatever is handed to a transport is accepted.
//!
//! Customers of different mailboxes share nothing that `react` reads, so each group is played by itself to the end; that
//! is what makes a forecast of a million customers fit in little memory and on all cores. The order within a tick is the
//! clockwork's and the outbox's: alarms, occurrences, release; then the messages that stand in the outbox, by shard and
//! time.

use super::drawn::Drawn;
use super::firings::{Firings, Marks, Ticks};
use super::group::Group;
use super::idle::fits;
use super::reacting::reaction;
use super::short::lacks_products;
use super::ticks::Played;
use super::told::{Decision, in_the_way};
use crate::domain::address::MailboxId;
use crate::domain::cause::Cause;
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, MessageNo, PoolName};
use crate::domain::outcome::Outcome;
use crate::domain::posted::Letter;
use crate::domain::preference::Class;
use crate::domain::react::{Answer, Boxes, Context, goes_before, mailboxes_for};
use crate::domain::record::{MessageState, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::going_on::Found;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So often the outbox is looked at in one tick.
const LOOKS: usize = 100;

/// What every group is played by.
pub struct Stage {
    /// What is in force from the first tick on.
    pub rules: Arc<Rules>,
    /// What a customer who was not walked yet is judged by first: the same campaigns, before any of them went live.
    pub walked_by: Arc<Rules>,
    /// Everybody is walked as it begins.
    pub walk_all: bool,
    /// Everybody is met once more: a campaign went live that lets in who stands in its audience already.
    pub walk_again: bool,
    pub ticks: Ticks,
    pub marks: Arc<Marks>,
    /// False: nothing leaves, since sending is held.
    pub sends: bool,
    /// An attempt under way is one of an engine at work, and is accepted; else it is in doubt.
    pub running: bool,
    /// What is taken of quotas.
    pub drawn: Arc<Drawn>,
    /// Whom edits move, where that was counted.
    pub moved: BTreeMap<CampaignId, Found>,
}

/// Reads a customer's whole history, as these rules have it.
pub type ReadHistory<'a> = &'a (dyn Fn(&Record, &Rules) -> Option<Vec<Event>> + 'a);

/// What is told of a group as it is played.
pub trait Teller {
    fn tell(&mut self, decision: Decision);
    /// Found in the audience of a campaign that is not live.
    fn existing(&mut self, campaign: &CampaignId);
    /// A message of this campaign drew a code.
    fn drew(&mut self, _pool: &PoolName, _campaign: &CampaignId, _at: Timestamp) {}
}

/// One group being played.
pub struct Play<'a, T> {
    pub(super) stage: &'a Stage,
    pub(super) firings: &'a mut Firings,
    read: ReadHistory<'a>,
    pub(super) group: Group,
    teller: &'a mut T,
}

impl<'a, T: Teller> Play<'a, T> {
    pub fn of(
        stage: &'a Stage,
        firings: &'a mut Firings,
        read: ReadHistory<'a>,
        group: Group,
        teller: &'a mut T,
    ) -> Play<'a, T> {
        Play {
            stage,
            firings,
            read,
            group,
            teller,
        }
    }

    /// Walks a group by the rules that are not live yet, to count whom they find; gives it back.
    pub fn walk(mut self) -> Group {
        for who in 0..self.group.people.len() {
            self.bring_up_to_date(who);
        }
        self.group
    }

    /// Plays the group to the end, or up to lots that are not drawn; gives it back as it stands then.
    pub fn through(mut self) -> Played {
        let start = self.stage.ticks.start;
        for who in 0..self.group.people.len() {
            self.bring_up_to_date(who);
            if self.stage.walk_again {
                self.react(who, &Cause::Walk, start);
            }
            self.settle_attempts(who);
            self.group.queue.insert((start, who));
        }
        self.group.stirred.clear();
        self.go_on()
    }

    fn bring_up_to_date(&mut self, who: usize) {
        let stage = self.stage;
        let stale = self.group.people[who].record.rules != stage.walked_by.version;
        if stage.walk_all || stale {
            let rules = Arc::clone(&stage.walked_by);
            self.react_by(who, &Cause::Walk, stage.ticks.start, &rules);
        }
    }

    /// Attempts that are under way as it begins.
    fn settle_attempts(&mut self, who: usize) {
        let messages = &self.group.people[who].record.messages;
        let under_way: Vec<(MessageNo, u32)> = (messages.values())
            .filter_map(|m| match m.state {
                MessageState::Attempting(attempt) => Some((m.no, attempt)),
                _ => None,
            })
            .collect();
        for (message, attempt) in under_way {
            let outcome = match self.stage.running {
                true => accepted(),
                false => Outcome::Uncertain {
                    why: "the daemon stopped while this attempt was under way".into(),
                },
            };
            let cause = Cause::Outcome {
                message,
                attempt,
                outcome,
            };
            self.react(who, &cause, self.stage.ticks.start);
        }
    }

    /// The outbox, until nothing stands in it for now.
    pub(super) fn pump(&mut self, acting: &[usize], now: Timestamp) {
        for _ in 0..LOOKS {
            let mut standing = Vec::new();
            for &who in acting {
                let person = &self.group.people[who];
                let record = &person.record;
                let outbox = record.index().outbox.into_iter();
                for (class, at, no) in outbox.filter(|(_, at, _)| *at <= now && !person.broken) {
                    let ordinary = class != Class::Transactional;
                    standing.push((ordinary, record.no.shard().0, at, record.no, no, who));
                }
            }
            if standing.is_empty() {
                return;
            }
            standing.sort_unstable();
            for (.., no, who) in standing {
                self.bring(who, no, now);
            }
        }
        // What neither leaves nor moves would be asked for without end: it stands still, and is told as such.
        for &who in acting {
            let outbox = self.group.people[who].record.index().outbox;
            let stuck = outbox.iter().any(|(_, at, _)| *at <= now);
            self.group.people[who].broken |= stuck;
        }
    }

    /// Asks for a message, or for the one that goes before it; what may go is accepted.
    fn bring(&mut self, who: usize, no: MessageNo, now: Timestamp) {
        let mut next = Some(no);
        while let Some(message) = next.take() {
            let record = &self.group.people[who].record;
            let Some(attempt) = record.messages.get(&message).map(|m| m.attempts + 1) else {
                return;
            };
            // As the outbox does: whatever goes before it is asked for first, and it itself at the next look.
            if let Some(first) = self.before(who, message, now) {
                next = Some(first);
                continue;
            }
            let person = &self.group.people[who];
            if let Some(cause) = lacks_products(person, message, &self.stage.rules, self.read, now)
            {
                self.react(who, &cause, now);
                return;
            }
            match self.react(who, &Cause::Ready { message, attempt }, now) {
                Some(Answer::Attempting) => {
                    let outcome = accepted();
                    let cause = Cause::Outcome {
                        message,
                        attempt,
                        outcome,
                    };
                    self.react(who, &cause, now);
                }
                Some(Answer::After(before)) => next = Some(before).filter(|b| *b != message),
                Some(Answer::Coupon) => next = Some(message),
                _ => {}
            }
        }
    }

    /// The message that goes before this one now, if one does and stands in the outbox.
    fn before(&self, who: usize, no: MessageNo, now: Timestamp) -> Option<MessageNo> {
        let record = &self.group.people[who].record;
        let message = record
            .messages
            .get(&no)
            .filter(|_| record.messages.len() > 1)?;
        let first = goes_before(record, &self.group.boxes, &self.stage.rules, now, message)?;
        let first = record.messages.get(&first)?;
        first.released.then_some(first.no)
    }

    /// The next tick at which there is something to do for this customer.
    pub(super) fn next(&mut self, who: usize, now: Timestamp) -> Timestamp {
        let stage = self.stage;
        let ticks = stage.ticks;
        let person = &self.group.people[who];
        if person.broken {
            return Timestamp::NEVER;
        }
        let index = person.record.index();
        let mut next = match person.wants_release {
            true => ticks.after(now),
            false => Timestamp::NEVER,
        };
        let at_tick = |at: Timestamp| match at <= now {
            true => ticks.after(now),
            false => ticks.at_or_after(at),
        };
        if let Some(at) = index.alarm {
            next = next.min(at_tick(at));
        }
        for (_, at, _) in index.outbox.iter().filter(|_| stage.sends) {
            next = next.min(at_tick(*at));
        }
        for (campaign, place) in index.due {
            if fits(&stage.rules, campaign, place)
                && let Some(at) = self.firings.next(campaign, place.zone, now)
            {
                next = next.min(at);
            }
        }
        next
    }

    pub(super) fn react(&mut self, who: usize, cause: &Cause, now: Timestamp) -> Option<Answer> {
        let rules = Arc::clone(&self.stage.rules);
        self.react_by(who, cause, now, &rules)
    }

    /// Calls `react` and takes the reaction over.
    fn react_by(
        &mut self,
        who: usize,
        cause: &Cause,
        now: Timestamp,
        rules: &Rules,
    ) -> Option<Answer> {
        let person = &self.group.people[who];
        if person.broken {
            return None;
        }
        let wanted: BTreeSet<MailboxId> = mailboxes_for(&person.record, cause, rules);
        let boxes: Boxes = (wanted.into_iter())
            .map(|id| {
                let known = self.group.boxes.get(&id).cloned().unwrap_or_default();
                (id, known)
            })
            .collect();
        // A message that stayed with one who was merged into another is judged by that other.
        let other = (person.record.moved_to).and_then(|to| self.group.whom(to));
        let drawn = &self.stage.drawn;
        let quotas = drawn.at(rules, now);
        let context = Context {
            now,
            rules,
            history: None,
            unfinished: false,
            person: other,
            quotas: &quotas,
            coupon: None,
        };
        let reacted = reaction(person, &boxes, cause, &context, self.read);
        let Some(reaction) = reacted else {
            self.group.people[who].broken = true;
            return None;
        };
        drawn.take(rules, &quotas, &reaction.quotas, now);
        for row in reaction.log {
            let blamed = in_the_way(&row, &person.record, &boxes, rules, now);
            self.teller.tell(Decision::new(&person.record, row, blamed));
        }
        for campaign in &reaction.existing {
            self.teller.existing(campaign);
        }
        if let Some((pool, code)) = &reaction.drawn
            && let Some(coupon) = reaction.record.coupons.iter().find(|c| c.code == *code)
        {
            self.teller.drew(pool, &coupon.campaign, now);
        }
        let sender = person.record.no;
        self.group.boxes.extend(reaction.boxes);
        let person = &mut self.group.people[who];
        person.record = reaction.record;
        person.wants_release |= reaction.wants_release;
        for (to, posted) in reaction.posts {
            let person = &mut self.group.people[who];
            person.posted += 1;
            let letter = Letter {
                sender,
                no: person.posted,
                posted,
            };
            let to = (self.group.people.iter()).position(|person| person.record.no == to);
            if let Some(to) = to {
                self.react_by(to, &Cause::Posted(Box::new(letter)), now, rules);
                self.group.stirred.push(to);
            }
        }
        reaction.answer
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted {
        reply: "accepted in a forecast".into(),
    }
}
