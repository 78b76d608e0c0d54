//! Events that are one by what they say, whoever brought them: an order that the shop's webhook told and its export
//! tells again bears the same number.
//!
//! Which property tells them apart is config's to say (`once_per`); whether one was met before is the engine's.

use super::chance::{Salt, keyed_hash};
use super::condition::Canonical;
use super::event::{Event, EventRules, OncePer};
use super::id::EventName;
use super::products::ORDER;
use super::track::key_text;
use super::value::Properties;
use std::collections::{BTreeMap, HashSet};

/// The property that names an order, in Segment's specification, in shops' webhooks and in what exports of orders become.
const ORDER_ID: &str = "order_id";

/// By which property events of a name are one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Once(BTreeMap<EventName, String>);

impl Default for Once {
    fn default() -> Once {
        Once::of(&EventRules::new())
    }
}

impl Once {
    /// As config says it; an order counts once by its number where config says nothing of it.
    pub fn of(rules: &EventRules) -> Once {
        let mut by = BTreeMap::new();
        if let Ok(order) = EventName::parse(ORDER) {
            by.insert(order, ORDER_ID.to_owned());
        }
        for (name, rule) in rules {
            match &rule.once_per {
                OncePer::Usual => {}
                OncePer::Never => _ = by.remove(name),
                OncePer::Property(property) => _ = by.insert(name.clone(), property.clone()),
            }
        }
        Once(by)
    }

    /// What all events share that are one with this; `None` for an event that is known by its row alone. The customer is
    /// no part of it: whoever was told of an order under two names before they were known to be one has it once.
    ///
    /// Identities are kept for years: what this is made of must never change.
    pub fn identity(&self, salt: &Salt, name: &EventName, told: &Properties) -> Option<u64> {
        let property = self.0.get(name)?;
        let text = key_text(told, property)?;
        let text = text.trim();
        let fields: [&[u8]; 4] = [
            b"once per",
            name.as_str().as_bytes(),
            property.as_bytes(),
            text.as_bytes(),
        ];
        (!text.is_empty()).then(|| keyed_hash(salt, &fields))
    }

    /// What tells this rule from others.
    pub(in crate::domain) fn write(&self, to: &mut Canonical) {
        for (name, property) in &self.0 {
            to.text(name.as_str());
            to.text(property);
        }
    }

    /// For events in the order in which they were taken in.
    pub fn sieve<'a>(&'a self, salt: &'a Salt) -> Sieve<'a> {
        Sieve {
            once: self,
            salt,
            met: HashSet::new(),
        }
    }
}

/// Lets each event through once, the first of all that are one: two copies of a row, or, by the rule as it is now, two
/// that say the same. What was taken in before there was the rule is sifted like all else.
#[derive(Debug)]
pub struct Sieve<'a> {
    once: &'a Once,
    salt: &'a Salt,
    met: HashSet<u64>,
}

impl Sieve<'_> {
    /// Whether it is the first of its kind. Whatever is asked for counts as met from then on.
    pub fn lets_through(&mut self, event: &Event) -> bool {
        let said = (self.once).identity(self.salt, &event.name, &event.properties);
        let by_row = self.met.insert(event.identity);
        let by_word = said.is_none_or(|said| said == event.identity || self.met.insert(said));
        by_row && by_word
    }
}

#[cfg(test)]
mod tests {
    use super::Once;
    use crate::domain::event::{Event, EventRule, EventRules, OncePer};
    use crate::domain::id::EventName;
    use crate::domain::time::Timestamp;
    use crate::domain::value::{Properties, Value};
    use serde_json::{Value as Json, json};

    fn name(text: &str) -> EventName {
        EventName::parse(text).unwrap()
    }

    fn told(properties: Json) -> Properties {
        match Value::from_json(properties) {
            Value::Map(properties) => properties,
            number => [("order_id".to_owned(), number)].into(),
        }
    }

    fn rules(event: &str, once_per: OncePer) -> EventRules {
        let rule = EventRule {
            once_per,
            ..EventRule::default()
        };
        [(name(event), rule)].into()
    }

    #[test]
    fn an_order_is_known_by_its_number_however_it_is_written() {
        let order = name("Order Completed");
        let ordered = |said| Once::default().identity(&[0; 16], &order, &told(said));
        let known = ordered(json!("1001"));
        assert_eq!(known, Some(FIXED));
        for same in [json!(1001), json!(1001.0), json!(" 1001 ")] {
            assert_eq!(ordered(same), known);
        }
        for other in [json!("1002"), json!("#1001"), json!("01001")] {
            assert!(ordered(other).is_some_and(|id| Some(id) != known));
        }
        for none in [
            Json::Null,
            json!(""),
            json!("  "),
            json!([1001]),
            json!({"total": 3}),
        ] {
            assert_eq!(ordered(none.clone()), None, "{none}");
        }
    }

    /// Identities are kept for years.
    const FIXED: u64 = 15_517_991_798_929_479_262;

    #[test]
    fn config_says_which_events_are_one_by_which_property() {
        let number = told(json!({"order_id": "1", "order": {"no": "1"}}));
        let of = |rules: &EventRules, event: &str| {
            Once::of(rules).identity(&[0; 16], &name(event), &number)
        };
        let usual = of(&EventRules::new(), "Order Completed");
        assert!(usual.is_some());
        assert_eq!(of(&EventRules::new(), "Order Cancelled"), None);
        // Other things said of the event leave it as it is.
        let silent = rules("Order Completed", OncePer::Usual);
        assert_eq!(of(&silent, "Order Completed"), usual);
        let never = rules("Order Completed", OncePer::Never);
        assert_eq!(of(&never, "Order Completed"), None);
        let path = rules("Order Completed", OncePer::Property("order.no".into()));
        let by_path = of(&path, "Order Completed");
        assert!(by_path.is_some() && by_path != usual);
        let other = rules("Order Cancelled", OncePer::Property("order_id".into()));
        let cancelled = of(&other, "Order Cancelled");
        assert!(cancelled.is_some() && cancelled != usual);
        assert_eq!(of(&other, "Order Completed"), usual);
    }

    /// A row of its own identity, or one that stands under its number's.
    fn row(identity: Option<u64>, said: Json) -> Event {
        let properties = told(said);
        let order = name("Order Completed");
        let by_number = Once::default().identity(&[0; 16], &order, &properties);
        Event {
            identity: identity.or(by_number).unwrap(),
            name: order,
            time: Timestamp::EARLIEST,
            properties,
            ahead: false,
        }
    }

    #[test]
    fn rows_from_before_the_rule_are_sifted_with_those_since() {
        let rows = [
            row(Some(1), json!("1001")),
            row(None, json!(1001)),
            row(None, json!("1002")),
            row(Some(2), json!("1002")),
            row(Some(2), json!("1003")),
            row(Some(3), json!("1003")),
            row(Some(4), Json::Null),
            row(Some(5), Json::Null),
            row(Some(4), Json::Null),
        ];
        let passed = |once: &Once| -> Vec<usize> {
            let mut sieve = once.sieve(&[0; 16]);
            let rows = rows.iter().enumerate();
            let passed = rows.filter(|(_, row)| sieve.lets_through(row));
            passed.map(|(n, _)| n).collect()
        };
        assert_eq!(passed(&Once::default()), [0, 2, 6, 7]);
        let never = Once::of(&rules("Order Completed", OncePer::Never));
        assert_eq!(passed(&never), [0, 1, 2, 3, 5, 6, 7]);
    }
}
