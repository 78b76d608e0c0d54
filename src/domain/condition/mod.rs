//! Conditions: tests of one customer, each answering with how long the answer stands.
//!
//! Here are the types; [`evaluate()`] answers, [`explain()`] says why in English, `range` reads comparisons. Reading TOML,
//! and refusing cycles of segments, is left to the `campaign` room. An event condition never looks at events: it asks
//! the [track](super::track) that it was bound to when it was made, so evaluating hashes and searches no text.

mod canonical;
mod canonical_standing;
mod complete;
mod consent;
mod date;
mod describe;
mod evaluate;
mod explain;
mod message;
mod preference;
mod range;
mod selection;
mod standing;
mod value_test;

pub(in crate::domain) use canonical::Canonical;
pub use canonical::Named;
pub use consent::{ConsentAge, Refused};
pub use date::{DateCondition, DateRule, DateTrigger, Near};
pub use evaluate::{EntryFacts, Facts, evaluate, tags_of};
pub use explain::{Explained, explain};
pub use preference::{Preference, PreferenceCondition, PreferenceTest};
pub use standing::{CampaignCondition, CampaignWas};

use super::event::Event;
use super::id::{CampaignId, EventName, SegmentName, StepId, TagName, TopicId};
use super::time::{Span, Timestamp};
use super::track::TrackKey;
use super::value::Value;

/// A closed range in its natural order; `None` is open. `"> 3"` on whole numbers is `low = 4`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range<T> {
    pub low: Option<T>,
    pub high: Option<T>,
}

/// A range of numbers, whose ends may be left out.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct NumberRange {
    pub low: Option<(f64, Edge)>,
    pub high: Option<(f64, Edge)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    Inclusive,
    Exclusive,
}

/// A regular expression that remembers how it was written (it compares and hashes by that).
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// A test of one value. A missing value passes only `Exists(false)`; null counts as missing.
#[derive(Clone, PartialEq, Debug)]
pub enum ValueTest {
    /// Alike in kind and content, save that 3 is 3.0.
    Equals(Value),
    In(Vec<Value>),
    /// The text holds this text, in the same case; of a list, any element does.
    Contains(String),
    ContainsAny(Vec<String>),
    /// The text, or the number as it is written, matches anywhere.
    Matches(Pattern),
    Exists(bool),
    /// The number, or the number that the text spells.
    Is(NumberRange),
}

/// A test of the value, or of any of the values, that a path leads to.
#[derive(Clone, PartialEq, Debug)]
pub struct PropertyTest {
    pub path: Vec<String>,
    pub test: ValueTest,
}

/// Which events are meant. `name` `None` is `"*"`: anything that customers did themselves.
#[derive(Clone, PartialEq, Debug)]
pub struct EventSelector {
    pub name: Option<EventName>,
    pub filter: Vec<PropertyTest>,
}

impl EventSelector {
    /// Whether events of this name can be meant, whatever their properties.
    pub fn names(&self, name: &EventName) -> bool {
        match &self.name {
            Some(own) => own == name,
            None => Event::is_own(name),
        }
    }

    /// Whether this event is meant.
    pub fn selects(&self, event: &Event) -> bool {
        self.names(&event.name) && self.filter.iter().all(|test| test.holds(&event.properties))
    }
}

/// What is asked of the events selected.
#[derive(Clone, PartialEq, Debug)]
pub enum EventTest {
    /// How many.
    Count(Range<u64>),
    /// The sum of a numeric property, exact to a millionth; an event without it adds nothing, no event sums to 0.
    Sum {
        property: Vec<String>,
        is: NumberRange,
    },
    /// The age of the latest. Does not hold without one.
    Last(Range<Span>),
    /// The age of the earliest. Does not hold without one.
    First(Range<Span>),
    /// The time between the latest two. Does not hold with fewer.
    Gap(Range<Span>),
}

/// A test of events. Made by [`EventCondition::new`] and not changed afterwards: it is bound to its track then.
#[derive(Clone, PartialEq, Debug)]
pub struct EventCondition {
    pub select: EventSelector,
    /// Only those in (now - within, now].
    pub within: Option<Span>,
    /// Only those since the entry: at or after it; strictly after, where `select` names the entry's own triggering
    /// event (`"*"` names it too).
    pub since_entry: bool,
    /// Only those whose property equals the entry's key. An event without the property counts only for `NoEvent` and
    /// where [`Facts::lenient_same`] is set (exits).
    pub same: Option<String>,
    pub test: EventTest,
    /// What happened before was not told completely: an absence that looks past it holds for nobody.
    pub complete_since: Option<Timestamp>,
    track: TrackKey,
    like: Option<Like>,
}

impl EventCondition {
    pub fn new(
        select: EventSelector,
        within: Option<Span>,
        since_entry: bool,
        same: Option<String>,
        test: EventTest,
    ) -> EventCondition {
        let value = match &test {
            EventTest::Sum { property, .. } => Some(property.as_slice()),
            _ => None,
        };
        let track = TrackKey::of(&select, value, same.as_deref());
        EventCondition {
            select,
            within,
            since_entry,
            same,
            test,
            complete_since: None,
            track,
            like: None,
        }
    }

    pub fn complete_since(mut self, since: Option<Timestamp>) -> EventCondition {
        self.complete_since = since;
        self
    }

    /// Only those that are like the event that started the entry. It asks whether there was one, or how old the latest or
    /// the first is; with `same` or a sum it cannot be.
    pub fn like(mut self, like: Option<Like>) -> EventCondition {
        if let Some(like) = &like {
            self.track = TrackKey::alike(&self.select, &like.property);
        }
        self.like = like;
        self
    }

    /// What the events must share with the one that started the entry.
    pub fn alike(&self) -> Option<&Like> {
        self.like.as_ref()
    }

    /// For [`Condition::NoEvent`], which asks only whether there was none.
    pub fn none(
        select: EventSelector,
        within: Option<Span>,
        since_entry: bool,
        same: Option<String>,
    ) -> EventCondition {
        let zero = Range {
            low: Some(0),
            high: Some(0),
        };
        EventCondition::new(select, within, since_entry, same, EventTest::Count(zero))
    }

    /// The track that it asks.
    pub fn track(&self) -> TrackKey {
        self.track
    }
}

/// Likeness to the event that started the entry: any value at `property` is one that it had at `of`. That event itself is
/// not like itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Like {
    pub property: Vec<String>,
    pub of: Vec<String>,
}

/// What may have become of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageWas {
    /// Its first attempt began.
    Sent,
    Accepted,
    /// Refused for good by the recipient's server, at once or later.
    Bounced,
    /// By a person, as far as can be told: the pixel, or a link.
    Opened,
    /// Also by what may be a person or not: privacy proxies, programs that are not known.
    MaybeOpened,
    /// By a person, as far as can be told.
    Clicked,
    /// Opened, clicked, or followed by an order within 7 days.
    Answered,
}

/// A test of the messages of one step that left and are remembered ([`super::engagement::SentMessages`]).
#[derive(Clone, PartialEq, Debug)]
pub struct MessageCondition {
    pub campaign: CampaignId,
    pub step: StepId,
    pub was: MessageWas,
    /// Only what happened in (now - within, now].
    pub within: Option<Span>,
    /// Only messages of the entry that it is judged for; without one it does not hold.
    pub of_entry: bool,
}

/// A test of one customer.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// Every one; holds when there are none.
    All(Vec<Condition>),
    /// At least one; does not hold when there are none.
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Event(EventCondition),
    /// None happened: the test is ignored (always `Count(0..0)`); one without the `same` property counts as the same.
    NoEvent(EventCondition),
    /// The age of `known_since`.
    KnownFor(Range<Span>),
    /// The path `email` is the customer's address; every other leads into the attributes.
    Attribute(PropertyTest),
    /// A tag of the rules holds where its condition does; any other is borne where it was set by hand.
    Tag(TagName),
    /// One that the rules don't know never holds (the `campaign` room refuses it).
    Segment(SegmentName),
    /// Consent to the topic is in force. One that is `on_request`, or not `default`, or unknown to the rules, must
    /// have been given by its own name; any other follows the consent to advertising as a whole.
    Subscribed(TopicId),
    /// A message of that step became that; it holds from the latest time at which it did.
    Message(MessageCondition),
    /// A date of the profile is near.
    Date(DateCondition),
    Preference(PreferenceCondition),
    /// That became of the customer in another campaign.
    Campaign(CampaignCondition),
    /// The customer is under way in a campaign of a higher priority than this.
    UnderWay {
        above: i32,
    },
    /// The age of the latest answer to any message. Does not hold without one.
    Engaged(Range<Span>),
    /// How many of the latest advertising messages, in a row, have no answer.
    Unanswered(Range<u64>),
    /// Consent to the topic is in force, and that old.
    ConsentAge(ConsentAge),
    /// A refusal of the topic is in force, and that new.
    Refused(Refused),
}

impl Condition {
    /// Calls `each` with every event condition in this one, and whether it stands in a `NoEvent`. Segments are not
    /// entered: whoever collects goes over them on their own.
    pub fn each_event<'a>(&'a self, each: &mut dyn FnMut(&'a EventCondition, bool)) {
        match self {
            Condition::All(children) | Condition::Any(children) => {
                for child in children {
                    child.each_event(each);
                }
            }
            Condition::Not(child) => child.each_event(each),
            Condition::Event(event) => each(event, false),
            Condition::NoEvent(event) => each(event, true),
            Condition::KnownFor(_)
            | Condition::Attribute(_)
            | Condition::Tag(_)
            | Condition::Segment(_)
            | Condition::Subscribed(_)
            | Condition::Message(_)
            | Condition::Date(_)
            | Condition::Preference(_)
            | Condition::Campaign(_)
            | Condition::UnderWay { .. }
            | Condition::Engaged(_)
            | Condition::Unanswered(_)
            | Condition::ConsentAge(_)
            | Condition::Refused(_) => {}
        }
    }

    /// Whether its answer hangs on the entry that it is judged for.
    pub fn looks_at_entry(&self) -> bool {
        let mut looks = false;
        self.each_leaf(&mut |leaf| {
            looks |= match leaf {
                Condition::Event(event) | Condition::NoEvent(event) => {
                    event.since_entry || event.same.is_some() || event.alike().is_some()
                }
                Condition::Message(message) => message.of_entry,
                _ => false,
            };
        });
        looks
    }

    /// Calls `each` with every condition in this one that holds no other. Segments and tags are not entered.
    pub fn each_leaf<'a>(&'a self, each: &mut dyn FnMut(&'a Condition)) {
        match self {
            Condition::All(children) | Condition::Any(children) => {
                children.iter().for_each(|child| child.each_leaf(each));
            }
            Condition::Not(child) => child.each_leaf(each),
            leaf => each(leaf),
        }
    }

    /// The same, to be changed.
    pub fn each_leaf_mut(&mut self, each: &mut dyn FnMut(&mut Condition)) {
        match self {
            Condition::All(children) | Condition::Any(children) => {
                (children.iter_mut()).for_each(|child| child.each_leaf_mut(each));
            }
            Condition::Not(child) => child.each_leaf_mut(each),
            leaf => each(leaf),
        }
    }
}

/// A condition's answer: it stands until `until` if nothing happens. `until` is strictly after `now`; `None`: only a
/// cause can change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub holds: bool,
    pub until: Option<Timestamp>,
}
