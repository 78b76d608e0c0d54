//! Testing the values of attributes and event properties.
//!
//! A path through a list holds if any element does ([`any_at`]). What is missing, or null, passes only
//! `Exists(false)`, so that a misspelt property never matches by accident.

use super::{PropertyTest, ValueTest};
use crate::domain::value::{Properties, Value, any_at};

impl PropertyTest {
    pub fn holds(&self, properties: &Properties) -> bool {
        match &self.test {
            ValueTest::Exists(wanted) => {
                let there = any_at(properties, &self.path, &mut |value| {
                    !matches!(value, Value::Null)
                });
                there == *wanted
            }
            test => any_at(properties, &self.path, &mut |value| test.passes(value)),
        }
    }

    /// As [`PropertyTest::holds`], of a text that stands for the whole path (`None`: missing).
    pub(super) fn holds_of_text(&self, text: Option<&str>) -> bool {
        match (&self.test, text) {
            (ValueTest::Exists(wanted), text) => text.is_some() == *wanted,
            (_, None) => false,
            (test, Some(text)) => test.passes(&Value::Text(text.to_owned())),
        }
    }
}

impl ValueTest {
    /// Whether this one value passes.
    pub fn passes(&self, value: &Value) -> bool {
        match self {
            ValueTest::Exists(wanted) => matches!(value, Value::Null) != *wanted,
            _ if matches!(value, Value::Null) => false,
            ValueTest::Equals(wanted) => value.same_as(wanted),
            ValueTest::In(wanted) => wanted.iter().any(|one| value.same_as(one)),
            ValueTest::Contains(part) => value.as_text().is_some_and(|t| t.contains(part)),
            ValueTest::ContainsAny(parts) => value
                .as_text()
                .is_some_and(|t| parts.iter().any(|part| t.contains(part))),
            ValueTest::Matches(pattern) => match value {
                Value::Text(text) => pattern.0.is_match(text),
                other => other.as_key().is_some_and(|text| pattern.0.is_match(&text)),
            },
            ValueTest::Is(range) => value.as_number().is_some_and(|n| range.contains(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::condition::{NumberRange, Pattern, PropertyTest, ValueTest};
    use crate::domain::value::{Properties, Value, properties_from_json};

    fn properties() -> Properties {
        let serde_json::Value::Object(map) = serde_json::json!({
            "city": "Seoul", "zip": 4524, "nothing": null, "empty": [], "score": "12.5", "vip": true,
            "labels": ["gold", "early bird"],
            "products": [{"category": "shoes", "price": 30}, {"category": "hats", "price": 7.5}, {"price": null}],
        }) else {
            unreachable!("the literal is an object")
        };
        properties_from_json(map)
    }

    fn holds(path: &str, test: ValueTest) -> bool {
        PropertyTest {
            path: path.split('.').map(str::to_owned).collect(),
            test,
        }
        .holds(&properties())
    }

    fn text(t: &str) -> Value {
        Value::Text(t.into())
    }

    #[test]
    fn each_test_of_a_value_means_what_it_says() {
        assert!(holds("city", ValueTest::Equals(text("Seoul"))));
        assert!(!holds("city", ValueTest::Equals(text("seoul"))));
        assert!(holds("zip", ValueTest::Equals(Value::Float(4524.0))));
        assert!(!holds("zip", ValueTest::Equals(text("4524"))));
        assert!(holds("vip", ValueTest::Equals(Value::Bool(true))));
        assert!(holds(
            "city",
            ValueTest::In(vec![text("Busan"), text("Seoul")])
        ));
        assert!(holds("city", ValueTest::Contains("eou".into())));
        assert!(holds("labels", ValueTest::Contains("bird".into())));
        assert!(!holds(
            "labels",
            ValueTest::ContainsAny(vec!["silver".into()])
        ));
        assert!(holds("labels", ValueTest::Equals(text("gold"))));
        let pattern = |p: &str| ValueTest::Matches(Pattern(regex::Regex::new(p).unwrap()));
        assert!(holds("zip", pattern("^45")));
        assert!(!holds("city", pattern("^eoul")));
        assert!(holds(
            "score",
            ValueTest::Is(NumberRange::parse(">= 12.5").unwrap())
        ));
        assert!(!holds(
            "score",
            ValueTest::Is(NumberRange::parse("> 12.5").unwrap())
        ));
        assert!(!holds(
            "city",
            ValueTest::Is(NumberRange::parse(">= 0").unwrap())
        ));
    }

    #[test]
    fn a_path_through_a_list_holds_if_any_element_does() {
        assert!(holds("products.category", ValueTest::Equals(text("hats"))));
        assert!(!holds(
            "products.category",
            ValueTest::Equals(text("gloves"))
        ));
        assert!(holds(
            "products.price",
            ValueTest::Is(NumberRange::parse("< 10").unwrap())
        ));
        assert!(!holds("products.price.won", ValueTest::Exists(true)));
    }

    #[test]
    fn what_is_missing_or_null_passes_only_exists_false() {
        for path in ["nothing", "absent", "city.part", "absent.deeper"] {
            assert!(holds(path, ValueTest::Exists(false)), "{path}");
            assert!(!holds(path, ValueTest::Exists(true)), "{path}");
            assert!(!holds(path, ValueTest::Equals(Value::Null)), "{path}");
            assert!(!holds(path, ValueTest::Contains(String::new())), "{path}");
        }
        assert!(holds("empty", ValueTest::Exists(true)));
        assert!(holds("city", ValueTest::Exists(true)));
        assert!(!holds("city", ValueTest::Exists(false)));
    }
}
