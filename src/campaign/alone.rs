//! A campaign that stands alone: the segments it names written out in their place.
//!
//! When a file no longer validates, its last good version goes on with the segments of its own time, while the other
//! campaigns go by the segments of today under the same names.

use crate::domain::campaign::Campaign;
use crate::domain::condition::Condition;
use crate::domain::id::SegmentName;
use std::collections::BTreeMap;

/// The campaign with every segment replaced by its condition in `segments`, which hold no circle (those of
/// [`super::Loaded`] never do). Its hashes stay.
pub fn alone(campaign: &Campaign, segments: &BTreeMap<SegmentName, Condition>) -> Campaign {
    let mut campaign = campaign.clone();
    (campaign.conditions_mut()).for_each(|condition| write_out(condition, segments));
    campaign
}

fn write_out(condition: &mut Condition, segments: &BTreeMap<SegmentName, Condition>) {
    match condition {
        Condition::Segment(name) => {
            if let Some(segment) = segments.get(name) {
                *condition = segment.clone();
                write_out(condition, segments);
            }
        }
        Condition::All(list) | Condition::Any(list) => {
            list.iter_mut().for_each(|inner| write_out(inner, segments));
        }
        Condition::Not(inner) => write_out(inner, segments),
        _ => {}
    }
}
