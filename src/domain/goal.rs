//! Goals: the event that counts as a campaign's success, and what a record remembers of messages that may still reach it.
//!
//! Each message that left, or was held out where it would have left, has a window from that instant on, as long as the
//! goal said then. An event is credited once for each campaign: to the latest message of it in whose window the event
//! lies, whenever the event is told. Who calls it, and what is logged, is [`super::react`]'s.

use super::condition::EventSelector;
use super::event::{Event, Undo};
use super::id::{CampaignId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId};
use super::record::Message;
use super::time::{Span, Timestamp};
use super::track::{correlation_hash, key_text, millionths};
use serde::{Deserialize, Serialize};

/// So long after its end a window is remembered, for what is told late and for what is undone.
pub const REMEMBERED: Span = Span::days(30);

/// So many windows are remembered: of more, the earliest go.
pub const MOST: usize = 50;

/// So many events are credited to one message.
pub const MOST_REACHED: usize = 50;

/// What counts as success.
#[derive(Clone, PartialEq, Debug)]
pub struct Goal {
    pub event: EventSelector,
    /// From when the message left, or would have left.
    pub within: Span,
    /// The property that is the event's value.
    pub value: Option<Vec<String>>,
    /// What takes it back.
    pub undone_by: Option<Undo>,
}

/// What a record remembers of its messages' windows, in the order in which they opened.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Goals {
    windows: Vec<GoalWindow>,
    /// What was undone while windows stood, newest last: what is told later and was undone before is not credited.
    undone: Vec<u64>,
}

/// One message, and the time in which an event is credited to it: after `left` and before `until`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GoalWindow {
    /// Who got it, where that was somebody who was merged into this customer; the number is one of theirs.
    pub by: Option<CustomerNo>,
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
    pub left: Timestamp,
    pub until: Timestamp,
    reached: Vec<Reached>,
}

/// One event that was credited.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Reached {
    event: u64,
    /// What it shares with the event that would undo it.
    same: Option<u64>,
    value: Option<i64>,
    undone: bool,
}

/// What is credited to a message, or taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credit {
    pub by: Option<CustomerNo>,
    pub no: MessageNo,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
    /// In millionths.
    pub value: Option<i64>,
}

impl Goals {
    pub fn windows(&self) -> impl Iterator<Item = &GoalWindow> {
        self.windows.iter()
    }

    pub fn windows_mut(&mut self) -> impl Iterator<Item = &mut GoalWindow> {
        self.windows.iter_mut()
    }

    /// The message leaves, or would leave, now. One that leaves again keeps its window.
    pub fn opens(&mut self, message: &Message, now: Timestamp, within: Span) {
        if self.until(message.no).is_some() {
            return;
        }
        self.windows.retain(|w| w.until + REMEMBERED > now);
        if self.windows.is_empty() {
            self.undone.clear();
        }
        self.insert(GoalWindow {
            by: None,
            no: message.no,
            campaign: message.campaign.clone(),
            step: message.step.clone(),
            entry: message.entry.clone(),
            variant: message.variant.clone(),
            left: now,
            until: now + within,
            reached: Vec::new(),
        });
    }

    fn insert(&mut self, window: GoalWindow) {
        let place = self.windows.partition_point(|w| w.left <= window.left);
        self.windows.insert(place, window);
        if self.windows.len() > MOST {
            self.windows.remove(0);
        }
    }

    /// When the window of one of the customer's own messages closes.
    pub fn until(&self, no: MessageNo) -> Option<Timestamp> {
        let own = |w: &&GoalWindow| w.no == no && w.by.is_none();
        self.windows.iter().find(own).map(|w| w.until)
    }

    /// One of the customer's own messages did not leave after all.
    pub fn came_back(&mut self, no: MessageNo) {
        self.windows.retain(|w| w.no != no || w.by.is_some());
    }

    /// The same, of somebody who was merged into this customer.
    pub fn take_back(&mut self, message: MessageRef) {
        (self.windows).retain(|w| w.by != Some(message.customer) || w.no != message.message);
    }

    /// All of them, as whoever `customer` is merged into remembers them.
    pub fn handed_over(&self, customer: CustomerNo) -> Goals {
        let mut goals = self.clone();
        for window in &mut goals.windows {
            window.by = window.by.or(Some(customer));
        }
        goals
    }

    /// What somebody remembers who is merged into this customer; `present_name` says what a campaign is called now.
    pub fn take_over<'a>(
        &mut self,
        from: &'a Goals,
        present_name: impl Fn(&'a CampaignId) -> &'a CampaignId,
    ) {
        for window in &from.windows {
            let known = |w: &GoalWindow| w.no == window.no && w.by == window.by;
            if !self.windows.iter().any(known) {
                self.insert(GoalWindow {
                    campaign: present_name(&window.campaign).clone(),
                    ..window.clone()
                });
            }
        }
        for undone in &from.undone {
            self.remember_undone(*undone);
        }
    }

    /// Credits an event that the goal of `campaign` selects: none if no window has it, or it is credited already.
    pub fn credit(&mut self, campaign: &CampaignId, goal: &Goal, event: &Event) -> Option<Credit> {
        let undo = goal.undone_by.as_ref();
        let same = undo.and_then(|undo| undo_hash(undo, event));
        if same.is_some_and(|same| self.undone.contains(&same)) {
            return None;
        }
        let of_campaign = |w: &&mut GoalWindow| w.campaign == *campaign;
        let mut windows = self.windows.iter_mut().filter(of_campaign).rev();
        let mut latest: Option<&mut GoalWindow> = None;
        if windows.any(|window| {
            let known = window.reached.iter().any(|r| r.event == event.identity);
            let within = window.left < event.time && event.time < window.until;
            if !known && within && latest.is_none() {
                latest = Some(window);
            }
            known
        }) {
            return None;
        }
        let window = latest.filter(|w| w.reached.len() < MOST_REACHED)?;
        let value = goal.value.as_ref();
        let value = value.map(|path| millionths(&event.properties, path));
        window.reached.push(Reached {
            event: event.identity,
            same,
            value,
            undone: false,
        });
        Some(window.credit(value))
    }

    /// Takes back what `event` undoes of what was credited for `campaign`.
    pub fn undo(&mut self, campaign: &CampaignId, undo: &Undo, event: &Event) -> Vec<Credit> {
        let Some(same) = undo_hash(undo, event) else {
            return Vec::new();
        };
        self.remember_undone(same);
        let mut taken_back = Vec::new();
        for window in self.windows.iter_mut().filter(|w| w.campaign == *campaign) {
            let undone = (window.reached.iter_mut())
                .filter(|r| r.same == Some(same) && !r.undone)
                .map(|r| {
                    r.undone = true;
                    r.value.map(i64::saturating_neg)
                });
            let values: Vec<Option<i64>> = undone.collect();
            taken_back.extend(values.into_iter().map(|value| window.credit(value)));
        }
        taken_back
    }

    fn remember_undone(&mut self, same: u64) {
        if !self.undone.contains(&same) {
            self.undone.push(same);
            let surplus = self.undone.len().saturating_sub(MOST);
            self.undone.drain(..surplus);
        }
    }
}

impl GoalWindow {
    fn credit(&self, value: Option<i64>) -> Credit {
        Credit {
            by: self.by,
            no: self.no,
            step: self.step.clone(),
            entry: self.entry.clone(),
            variant: self.variant.clone(),
            value,
        }
    }
}

/// What an event and the one that undoes it share; none if this one bears no such property.
fn undo_hash(undo: &Undo, event: &Event) -> Option<u64> {
    let text = key_text(&event.properties, &undo.same)?;
    Some(correlation_hash(&format!("{}\n{text}", undo.event)))
}

/// A value as people write it.
pub fn amount(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}
