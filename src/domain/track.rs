//! Tracks: what a record remembers of events, as much and as long as the loaded conditions need.

use super::event::Event;
use serde::{Deserialize, Serialize};

/// What to remember, derived from every condition of the loaded rules.
#[derive(Clone, Debug, Default)]
pub struct TrackPlan {}

/// What one customer's record remembers of their events.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Tracks {}

impl Tracks {
    /// Takes one event in. `Err` says that it lies below a track's floor and the tracks must be rebuilt from history.
    pub fn absorb(&mut self, _plan: &TrackPlan, _event: &Event) -> Result<(), BelowFloor> {
        todo!()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BelowFloor;

impl TrackPlan {
    pub fn fingerprint(&self) -> u64 {
        todo!()
    }
}
impl Tracks {
    pub fn rebuild<'a>(_plan: &TrackPlan, _h: impl Iterator<Item = &'a Event>) -> Tracks {
        todo!()
    }
}
