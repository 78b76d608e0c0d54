//! All that [`super::react`] needs to know of one customer, and of one mailbox.

use super::about::About;
use super::address::{EmailAddress, MailboxId};
use super::campaign::{Campaign, Step};
use super::chance::{Salt, draw_variant};
use super::coupon::Coupon;
use super::engagement::SentMessages;
use super::goal::Goals;
use super::holdout::Drawn;
use super::hours::Hours;
use super::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StaffName, StepId,
    TagName, TopicId,
};
use super::ledger::Reason;
pub use super::mailbox::{Mailbox, Place, Suppression, SuppressionCause};
use super::opt_in::Pendings;
use super::preference::{Class, Consents, Preferences};
use super::time::Timestamp;
use super::track::Tracks;
use super::value::Properties;
use super::way::Way;
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One customer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub no: CustomerNo,
    pub id: CustomerId,
    /// The rules' version that this record was built for; an older one is brought up to date before any cause.
    pub rules: u64,
    /// The track plan that `tracks` were built for.
    pub plan: u64,
    /// When it was last brought up to date with new rules.
    pub walked: Timestamp,
    /// The earliest of `createdAt`, the first event and first sight.
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing>,
    /// Messages not yet settled.
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    /// Where this customer's alarm key stands: at or before the true alarm (alarms are lazy).
    pub alarm: Option<Timestamp>,
    /// The latest messages that left, and what came back for them.
    pub sent: SentMessages,
    /// Whom this customer was merged into; what is told of this one is for that one.
    pub moved_to: Option<CustomerNo>,
    /// Who was merged into this customer: their events stand in the history under their own numbers.
    pub absorbed: Vec<CustomerNo>,
    /// Consents that were asked for and wait for their confirmation.
    pub pending: Pendings,
    /// Of when the word is that stands, by trait (`email`, an attribute, a preference, `tag:NAME`): not of those that
    /// only history told, without a time of its own ([`ProfileChange::as_of`](super::cause::ProfileChange::as_of)).
    pub told: BTreeMap<String, Timestamp>,
    /// Mailboxes that were this customer's before, oldest first: what stands under them is to be found when the customer
    /// is forgotten. The newest [`FORMER`].
    pub former: Vec<MailboxId>,
    /// Messages to which an event may still be credited.
    pub goals: Goals,
    /// The hours at which the customer answered.
    pub hours: Hours,
    /// Coupon codes that this customer has or had, oldest first.
    pub coupons: Vec<Coupon>,
    /// Messages by whose links this customer has left something: the latest.
    pub left_by: Vec<MessageRef>,
}

/// So many former mailboxes are remembered.
pub const FORMER: usize = 100;

impl Record {
    /// A customer at first sight, built for no rules yet.
    pub fn new(no: CustomerNo, id: CustomerId, now: Timestamp) -> Record {
        Record {
            no,
            id,
            rules: 0,
            plan: 0,
            walked: now,
            known_since: now,
            email: None,
            attributes: Properties::new(),
            tags: BTreeSet::new(),
            preferences: Preferences::default(),
            consents: Consents::new(),
            tracks: Tracks::default(),
            campaigns: BTreeMap::new(),
            messages: BTreeMap::new(),
            next_message: 1,
            alarm: None,
            sent: SentMessages::default(),
            moved_to: None,
            absorbed: Vec::new(),
            pending: Pendings::new(),
            told: BTreeMap::new(),
            former: Vec::new(),
            goals: Goals::default(),
            hours: Hours::default(),
            coupons: Vec::new(),
            left_by: Vec::new(),
        }
    }

    /// Takes note of a mailbox that is this customer's no longer.
    pub fn remember_mailbox(&mut self, mailbox: MailboxId) {
        let present = self.email.as_ref().map(|e| e.mailbox());
        if present.as_ref() == Some(&mailbox) {
            return;
        }
        self.former.retain(|known| *known != mailbox);
        self.former.push(mailbox);
        let surplus = self.former.len().saturating_sub(FORMER);
        self.former.drain(..surplus);
    }

    /// The numbers under which this customer's events stand in the history: the own one first, since of two copies of
    /// one event the first counts.
    pub fn numbers(&self) -> impl Iterator<Item = CustomerNo> {
        std::iter::once(self.no).chain(self.absorbed.iter().copied())
    }

    /// As policy sees the messages that stayed with this customer, who was merged into `person`: it is that person's mail.
    pub fn seen_as(&self, person: &Record) -> Record {
        Record {
            no: self.no,
            messages: self.messages.clone(),
            ..person.clone()
        }
    }

    /// Every index key that this record stands under. The only source of them: whoever writes a record writes the
    /// difference between the old record's index and the new one's, so that no index can drift.
    pub fn index(&self) -> Index<'_> {
        let mut index = Index {
            alarm: self.alarm,
            ..Index::default()
        };
        for (campaign, standing) in &self.campaigns {
            if let Some(due) = standing.due {
                index.due.push((campaign, due));
            }
        }
        for message in self.messages.values() {
            match message.state {
                MessageState::Attempting(_) => index.attempting.push(message.no),
                _ if message.parked => index.parked.push(message.no),
                _ if message.released => {
                    index
                        .outbox
                        .push((message.class, message.not_before, message.no))
                }
                _ => {}
            }
        }
        index
    }
}

/// The index keys of one record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Index<'a> {
    pub alarm: Option<Timestamp>,
    pub due: Vec<(&'a CampaignId, DueAt)>,
    /// Messages that the outbox asks for at an instant.
    pub outbox: Vec<(Class, Timestamp, MessageNo)>,
    /// Messages whose attempt is under way; at opening, those in doubt.
    pub attempting: Vec<MessageNo>,
    pub parked: Vec<MessageNo>,
}

/// What a customer's record remembers of one campaign.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The campaign's `audience_hash` that `held` was judged by.
    pub judged_by: u64,
    /// The audience's last answer.
    pub held: bool,
    /// The audience already held when the campaign (or this edit) started; entered by `existing` only.
    pub existing: bool,
    /// The audience was seen not to hold since the last entry.
    pub left_since_entry: bool,
    /// Where this customer stands in the campaign's due index.
    pub due: Option<DueAt>,
    /// A message was dropped for want of address or consent: not due again until a cause changes that.
    pub blocked: bool,
    /// The last occurrence (local time) that this customer met, so that each local time is met at most once.
    pub met: Option<NaiveDateTime>,
    /// Open entries and the newest 200 that are over, oldest first.
    pub entries: Vec<Entry>,
    /// Entries that counted, over all keys.
    pub entered: u32,
    /// When somebody was last kept out, under which key and why: told once a day.
    pub kept_out: Option<(EntryKey, Reason, Timestamp)>,
    /// The ways by which its open entries stand.
    pub ways: Vec<Way>,
}

/// A place in a scheduled campaign's due index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DueAt {
    /// The audience's hash that it was judged by.
    pub hash: u64,
    /// The customer's zone, where the schedule goes by that.
    pub zone: Option<Tz>,
}

/// One customer's way through one campaign.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub key: EntryKey,
    pub at: Timestamp,
    pub state: EntryState,
    /// A message of it was attempted or held out, or an act done; only then does it count for `again` and `at_most`.
    pub counted: bool,
    /// When the step before the present one was settled; before the first one, when it was entered.
    pub since: Timestamp,
    /// The steps behind it: had, skipped, or passed by.
    pub passed: Vec<StepId>,
    /// How the instant at which the present step falls due came about, where that is a time of the customer's clock.
    pub clock: Option<ByClock>,
    /// Whether it is held out; none until a message of it could leave.
    pub drawn: Option<Drawn>,
    /// What the campaign's conditions ask of the event that started it.
    pub about: About,
    /// The campaign's [`journey`](Campaign::journey) by which it stands, one of the standing's ways while it is open;
    /// 0: that is not known.
    pub journey: u64,
}

impl Entry {
    /// One that begins at `at` and waits for `step` until `due`; by which steps is to be said.
    pub fn waiting(key: EntryKey, at: Timestamp, step: StepId, due: Timestamp) -> Entry {
        Entry {
            key,
            at,
            state: EntryState::Waiting { step, due },
            counted: false,
            since: at,
            passed: Vec::new(),
            clock: None,
            drawn: None,
            about: About::default(),
            journey: 0,
        }
    }

    /// It is over; where it stood is kept.
    pub fn end(&mut self, state: EntryState) {
        self.state = state;
        self.clock = None;
    }

    /// A step is behind it.
    pub fn pass(&mut self, step: StepId) {
        if !self.passed.contains(&step) {
            self.passed.push(step);
        }
    }

    /// Whether it waits for that message to be settled.
    pub fn sends(&self, no: MessageNo) -> bool {
        matches!(&self.state, EntryState::Sending { message, .. } if *message == no)
    }
}

/// A time of the customer's own clock: worked out anew when the customer moves to another zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ByClock {
    /// Not before this instant.
    pub from: Timestamp,
    /// Milliseconds after midnight.
    pub at: u32,
    /// The zone that it was worked out in.
    pub zone: Tz,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum EntryState {
    /// The next step falls due at `due`.
    Waiting {
        step: StepId,
        due: Timestamp,
    },
    /// This step's message is on its way.
    Sending {
        step: StepId,
        message: MessageNo,
    },
    Finished {
        at: Timestamp,
    },
    Left {
        at: Timestamp,
    },
    /// It came from one who was merged into this customer, and its message is on its way there: a letter tells how it goes on.
    Elsewhere {
        step: StepId,
    },
}

impl EntryState {
    /// Where it stands, while it is open.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            EntryState::Waiting { step, .. } | EntryState::Sending { step, .. } => Some(step),
            _ => None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.step().is_some()
    }

    /// Open here, or at one who was merged into this customer.
    pub fn is_under_way(&self) -> bool {
        self.is_open() || matches!(self, EntryState::Elsewhere { .. })
    }
}

/// One message in the send ledger, until it is settled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub class: Class,
    pub topic: Option<TopicId>,
    pub priority: i32,
    pub variant: Option<String>,
    pub state: MessageState,
    /// When its step fell due.
    pub due: Timestamp,
    pub expires: Timestamp,
    /// Not asked for before this instant; set by policy's "later" and by retries.
    pub not_before: Timestamp,
    /// Stands in the outbox.
    pub released: bool,
    /// Held back while its campaign or class is paused; stands in the parked index instead of the outbox.
    pub parked: bool,
    /// The address of its first attempt, kept through retries.
    pub to: Option<EmailAddress>,
    /// Attempts made or given back; a number is never used again.
    pub attempts: u32,
    /// Any attempt's delivery is in doubt.
    pub doubted: bool,
    /// What an attempt given back returns to.
    pub before: Option<Box<BeforeAttempt>>,
    /// It goes to staff, about this customer: who they are.
    pub staff: Option<StaffName>,
    /// The coupon code that it names.
    pub coupon: Option<String>,
    /// It waits for a code, and the log says so.
    pub dry: bool,
}

impl Message {
    /// What `step` of `campaign` becomes for the customer of `record` when it falls due at `due`, under the next number.
    /// `react` keeps it; explain asks policy about it.
    pub fn waiting(
        record: &Record,
        campaign: &Campaign,
        step: &Step,
        entry: &EntryKey,
        due: Timestamp,
        salt: &Salt,
    ) -> Message {
        let variant = draw_variant(salt, &campaign.id, step, record.no, entry);
        Message {
            no: MessageNo(record.next_message),
            campaign: campaign.id.clone(),
            step: step.id.clone(),
            entry: entry.clone(),
            class: step.class,
            topic: campaign.topic.clone(),
            priority: campaign.priority,
            variant: variant.map(str::to_owned),
            state: MessageState::Waiting,
            due,
            expires: due + step.expires,
            not_before: due,
            released: false,
            parked: false,
            to: None,
            attempts: 0,
            doubted: false,
            before: None,
            staff: None,
            coupon: None,
            dry: false,
        }
    }
}

/// What stood before an attempt began; an attempt that is given back restores it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BeforeAttempt {
    pub state: MessageState,
    pub not_before: Timestamp,
    /// When the place was taken, if one was.
    pub place: Option<Timestamp>,
    /// Whether the entry had counted.
    pub counted: bool,
}

/// Where a message stands (the send ledger's states; settled ones live in the send log only).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MessageState {
    Waiting,
    Attempting(u32),
    Retrying,
    Uncertain,
}
