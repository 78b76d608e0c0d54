//! A campaign that stands alone: the segments and derived tags it names written out in their place.
//!
//! When a file no longer validates, its last good version goes on with those of its own time, while the other campaigns
//! go by those of today under the same names.

use crate::domain::campaign::Campaign;
use crate::domain::condition::{Condition, Named};

/// The campaign with every segment and tag replaced by its condition in `named`, which holds no circle (those of
/// [`super::Loaded`] never do). Its hashes stay.
pub fn alone(campaign: &Campaign, named: &Named<'_>) -> Campaign {
    let mut campaign = campaign.clone();
    (campaign.conditions_mut()).for_each(|condition| write_out(condition, named));
    campaign
}

fn write_out(condition: &mut Condition, named: &Named<'_>) {
    match condition {
        Condition::Segment(name) => {
            if let Some(segment) = named.segments.get(name) {
                *condition = segment.clone();
                write_out(condition, named);
            }
        }
        Condition::Tag(tag) => {
            if let Some(rule) = named.tags.get(tag) {
                *condition = rule.clone();
                write_out(condition, named);
            }
        }
        Condition::All(list) | Condition::Any(list) => {
            list.iter_mut().for_each(|inner| write_out(inner, named));
        }
        Condition::Not(inner) => write_out(inner, named),
        _ => {}
    }
}
