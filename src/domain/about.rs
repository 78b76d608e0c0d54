//! What an entry remembers of the event that started it: the properties that its campaign's conditions compare with those
//! of other events ("bought something like it").
//!
//! Only hashes of their texts are kept, and few of them: an entry is no copy of what a shop tells.

use super::track::correlation_hash;
use super::value::{Properties, any_at};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Of a property that leads through a list, so many different values are remembered, and looked at.
pub const MOST_VALUES: usize = 50;

/// By the property's path, parted by dots: the hashes of its values, sorted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct About(BTreeMap<String, Vec<u64>>);

/// Nothing is remembered.
pub static NOTHING: About = About(BTreeMap::new());

impl About {
    /// Of an event with these properties, what stands at these paths.
    pub fn of<'a>(properties: &Properties, paths: impl IntoIterator<Item = &'a [String]>) -> About {
        let mut about = About::default();
        for path in paths {
            let values = values_at(properties, path);
            if !values.is_empty() {
                about.0.insert(path.join("."), values);
            }
        }
        about
    }

    /// What the event had there; nothing, where it had no such property.
    pub fn values(&self, path: &[String]) -> &[u64] {
        self.0.get(&path.join(".")).map_or(&[], Vec::as_slice)
    }
}

/// The hashes of the texts at `path`, sorted, each once: of a list every element's, the first [`MOST_VALUES`].
pub fn values_at(properties: &Properties, path: &[String]) -> Vec<u64> {
    let mut found = BTreeSet::new();
    any_at(properties, path, &mut |value| {
        found.extend(value.as_key().map(|text| correlation_hash(&text)));
        found.len() >= MOST_VALUES
    });
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{About, MOST_VALUES, values_at};
    use crate::domain::value::{Properties, Value, properties_from_json};

    fn properties(json: serde_json::Value) -> Properties {
        match json {
            serde_json::Value::Object(map) => properties_from_json(map),
            _ => unreachable!("the literals are objects"),
        }
    }

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn values_are_one_whatever_they_are_written_as_and_lists_stand_for_their_elements() {
        let event = properties(serde_json::json!({
            "category": "tea", "shelf": 3, "gone": null,
            "products": [{"category": "tea"}, {"category": "cups"}, {"category": "tea"}, {}],
        }));
        let about = About::of(
            &event,
            [path("category"), path("products.category"), path("gone")]
                .iter()
                .map(Vec::as_slice),
        );
        assert_eq!(about.values(&path("category")).len(), 1);
        assert_eq!(about.values(&path("products.category")).len(), 2);
        assert!(
            about
                .values(&path("products.category"))
                .contains(&about.values(&path("category"))[0])
        );
        assert!(about.values(&path("gone")).is_empty() && about.values(&path("shelf")).is_empty());
        let as_text = properties(serde_json::json!({ "shelf": "3" }));
        assert_eq!(
            values_at(&event, &path("shelf")),
            values_at(&as_text, &path("shelf"))
        );
    }

    #[test]
    fn a_list_without_end_is_no_record_without_end() {
        let many = (0..10_000).map(Value::Int).collect();
        let event = Properties::from([("sizes".to_owned(), Value::List(many))]);
        assert_eq!(values_at(&event, &path("sizes")).len(), MOST_VALUES);
    }
}
