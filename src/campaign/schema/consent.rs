//! Conditions on what a customer said of a topic; the other kinds stand in [`super::condition`].

use super::condition::WITHIN;
use crate::campaign::keys;
use crate::config::schema::spelling::{AGE, NAME};
use crate::config::schema::{Described, Shape};

pub static SUBSCRIBED: Described = Described {
    keys: &keys::SUBSCRIBED,
    required: &["subscribed"],
    lines: &[
        (
            "subscribed",
            Shape::Spelled(&NAME),
            "The customer has this topic of topics.toml",
        ),
        (
            "given",
            Shape::Spelled(&AGE),
            "How long since the consent that this rests on: \">= 700d\"",
        ),
    ],
    also: None,
};

pub static REFUSED: Described = Described {
    keys: &keys::REFUSED,
    required: &["refused"],
    lines: &[
        (
            "refused",
            Shape::Spelled(&NAME),
            "The customer said no to this topic of topics.toml, or to advertising as a whole",
        ),
        WITHIN,
    ],
    also: None,
};
