//! Groups that wait for lots: drawn when nobody can come to them any more, the earliest first, each from all who wait.

use super::drawn::Drawn;
use super::group::Group;
use super::ticks::{OpenLot, Waits};
use super::told::Decision;
use crate::domain::rules::Rules;
use crate::engine::clockwork::{Lowest, most_of};
use std::collections::BTreeMap;

/// So many customers may wait; they are held in memory meanwhile.
const MOST: usize = 100_000;
/// So many groups go on in one job: in between it is told how far it is, and seen whether anybody still asks.
const PART: usize = 200;

/// A group that stands before lots that are not drawn, and what was decided on the way there.
pub struct Paused {
    pub group: Group,
    pub waits: Waits,
    pub decisions: Vec<Decision>,
}

/// All who wait.
#[derive(Default)]
pub struct Waiting {
    by_lot: BTreeMap<OpenLot, Vec<Paused>>,
    customers: usize,
    /// Those whose lots are drawn and who have not gone on yet.
    ready: std::vec::IntoIter<Paused>,
}

impl Waiting {
    /// More wait. Where they become too many lots are not drawn any more.
    pub fn extend(&mut self, more: Vec<Paused>, drawn: &Drawn) {
        for paused in more {
            self.customers += paused.group.people.len();
            let lot = paused.waits.lot.clone();
            self.by_lot.entry(lot).or_default().push(paused);
        }
        if self.customers > MOST {
            drawn.give_up();
        }
    }

    /// Some of those whose lots are drawn have not gone on yet.
    pub fn go_on(&self) -> bool {
        self.ready.len() > 0
    }

    /// Some of them.
    pub fn part(&mut self) -> Option<Vec<Paused>> {
        let part: Vec<Paused> = self.ready.by_ref().take(PART).collect();
        (!part.is_empty()).then_some(part)
    }

    /// Draws the earliest lots; those who waited for them may go on. To be called when all others wait or are through; false:
    /// nobody waits.
    pub fn draw(&mut self, drawn: &Drawn, rules: &Rules) -> bool {
        let Some((lot, paused)) = self.by_lot.pop_first() else {
            return false;
        };
        let campaign = rules.campaigns.get(&lot.occasion.campaign);
        let most = campaign.and_then(|c| c.quota()).map_or(0, most_of);
        let mut lowest = Lowest::default();
        for of in &paused {
            self.customers -= of.group.people.len();
            let numbers = of.waits.numbers.iter();
            numbers.for_each(|number| lowest.add(*number, most));
        }
        let OpenLot {
            tick,
            occasion,
            local,
        } = &lot;
        let of = (&occasion.campaign, occasion.zone.as_str(), *local);
        drawn.draw(rules, of, &lowest, *tick);
        self.ready = paused.into_iter();
        true
    }
}
