//! JSON Schemas of campaign files and of what stands beside them, made as [`crate::config::schema`] says.
//!
//! A new kind of file is one line in [`KINDS`]; a new key is one line in the table that it belongs to.

mod condition;
mod consent;
mod file;
mod step;
mod value;

use crate::config::schema::spelling::{NAME, Spelling, TAG};
use crate::config::schema::{Described, Kind, Shape, document, zones};
use serde_json::Value;

/// Every kind of file in the campaigns' folder, with its schema.
pub static KINDS: [Kind; 5] = [
    ("campaign", campaign),
    ("segments", segments),
    ("tags", tags),
    ("topics", topics),
    ("coupons", coupons),
];

/// Every kind of table that these files have.
pub static ALL: [&Described; 31] = [
    &file::GOAL,
    &file::POOL,
    &file::GENERATE,
    &crate::config::schema::settings::BREAKERS,
    &step::PRODUCTS,
    &file::CAMPAIGN,
    &file::SCHEDULE,
    &file::TRIGGER,
    &file::ENTRY,
    &file::LIMITS,
    &file::TOPIC,
    &step::STEP,
    &step::VARIANT,
    &condition::EVENT,
    &condition::NO_EVENT,
    &condition::KNOWN_FOR,
    &condition::ATTRIBUTE,
    &condition::TAG,
    &condition::SEGMENT,
    &consent::SUBSCRIBED,
    &consent::REFUSED,
    &condition::MESSAGE,
    &condition::DATE,
    &condition::PREFERENCE,
    &condition::IN_CAMPAIGN,
    &condition::ENGAGED,
    &condition::UNANSWERED,
    &condition::EVERY,
    &condition::EITHER,
    &condition::NOT,
    &value::PROPERTY,
];

fn campaign() -> Value {
    let mut definitions = condition::definitions();
    definitions.push(("zone", zones()));
    document(
        "Reveille: a campaign file",
        file::CAMPAIGN.schema(),
        definitions,
    )
}

fn named(title: &str, names: &'static Spelling) -> Value {
    static ONE: Shape = Shape::Defined("condition");
    let root = Shape::Named(names, &ONE).schema();
    document(title, root, condition::definitions())
}

fn segments() -> Value {
    named("Reveille: segments.toml, audiences with a name", &NAME)
}

fn tags() -> Value {
    named("Reveille: tags.toml, tags that a rule derives", &TAG)
}

fn coupons() -> Value {
    static ONE: Shape = Shape::Table(&file::POOL);
    let root = Shape::Named(&NAME, &ONE).schema();
    document(
        "Reveille: coupons.toml, pools of codes that steps give away",
        root,
        Vec::new(),
    )
}

fn topics() -> Value {
    static ONE: Shape = Shape::Table(&file::TOPIC);
    let root = Shape::Named(&NAME, &ONE).schema();
    document(
        "Reveille: topics.toml, what customers subscribe to",
        root,
        Vec::new(),
    )
}

#[cfg(test)]
mod tests {
    use crate::campaign::keys::{ALL_TABLES, CONDITIONS};
    use crate::config::schema::tests::hold_equal;

    #[test]
    fn every_key_stands_in_the_schema_and_no_other() {
        hold_equal(&ALL_TABLES, &super::ALL);
    }

    #[test]
    fn every_condition_has_its_leading_key_and_its_own_rule() {
        let definitions = super::condition::definitions();
        let condition = &definitions[0].1;
        assert_eq!(
            condition["anyOf"].as_array().unwrap().len(),
            CONDITIONS.len()
        );
        for (leading, keys) in CONDITIONS {
            for key in keys.known {
                let own = &condition["dependencies"][leading]["properties"][key];
                assert!(own["description"].is_string(), "{leading}: {key}");
                assert!(condition["properties"][key].is_object(), "{leading}: {key}");
            }
        }
    }
}
