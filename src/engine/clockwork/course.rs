//! The course of a tick: how far each shard has come in it.
//!
//! All shards do the same in the same order: each rings its alarms up to the tick's instant, then goes through the
//! occurrences that are due by then, by their instants, then campaigns in the order in which they are judged (one that
//! asks what became of another comes after it), then zones. What is drawn from the customers of all shards waits at its
//! place until all have come there; or who is drawn would hang on which shard is faster.
//!
//! A shard waits only for those that are behind it, so never in a circle. Nobody waits for a shard that has stopped in
//! this tick, nor in a tick that is over: the occurrence is put off to the next one. That goes on for a while only: one
//! that has come through no tick for so long is not waited for at all, at no occurrence, until it comes through one. What
//! is said here is of this process only; after a restart all begin anew.

use super::lots::Draws;
use crate::domain::id::{CampaignId, SHARDS, ShardNo};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One tick: its number since the start, and up to when all is done in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tick {
    pub no: u64,
    pub upto: Timestamp,
}

/// One occurrence in a tick.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Occasion {
    pub at: Timestamp,
    /// The campaign's place in the order in which campaigns are judged.
    pub rank: usize,
    pub campaign: CampaignId,
    /// The name of the zone that it fires in; empty where the schedule has one of its own.
    pub zone: String,
}

impl Occasion {
    pub fn new(rules: &Rules, at: Timestamp, campaign: &CampaignId, zone: &str) -> Occasion {
        Occasion {
            at,
            rank: rank_of(rules, campaign),
            campaign: campaign.clone(),
            zone: zone.to_owned(),
        }
    }
}

/// The campaign's place in the order in which campaigns are judged; one that is gone is the last.
pub(super) fn rank_of(rules: &Rules, campaign: &CampaignId) -> usize {
    let found = rules.order.iter().position(|id| id == campaign);
    found.unwrap_or(usize::MAX)
}

/// Where a shard is in its tick, in the order of the course.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Place {
    #[default]
    Alarms,
    At(Occasion),
    Done,
}

#[derive(Default)]
struct Mark {
    tick: Tick,
    place: Place,
    /// It goes no further in this tick.
    stopped: bool,
    /// The tick in which it stopped first, since it last came through one.
    since: Option<Timestamp>,
    /// Its task has ended.
    gone: bool,
}

impl Mark {
    /// It goes no further in its tick, if it has begun one and is not through.
    fn ends(&mut self) {
        if self.tick.no > 0 && self.place != Place::Done {
            self.since.get_or_insert(self.tick.upto);
        }
    }
}

/// How the other shards stand to one that has come to some place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// All have come there, too.
    Abreast,
    /// Some are on their way.
    Behind,
    /// Some will not come there in this tick.
    Stopped,
    /// Some are at a later tick.
    Ahead,
}

/// The shards in their course.
pub struct Course {
    ticks: AtomicU64,
    marks: Mutex<Vec<Mark>>,
    /// Rises whenever a shard moves on, or a draw ends.
    moves: watch::Sender<u64>,
    pub(super) draws: Draws,
}

impl Default for Course {
    fn default() -> Course {
        Course {
            ticks: AtomicU64::new(0),
            marks: Mutex::new((0..SHARDS).map(|_| Mark::default()).collect()),
            moves: watch::Sender::new(0),
            draws: Draws::default(),
        }
    }
}

impl Course {
    /// The next tick: of all that is due by `upto`.
    pub fn next_tick(&self, upto: Timestamp) -> Tick {
        let no = self.ticks.fetch_add(1, Ordering::Relaxed) + 1;
        Tick { no, upto }
    }

    /// Those who wait look again.
    pub(super) fn stir(&self) {
        self.moves
            .send_modify(|moves| *moves = moves.wrapping_add(1));
    }

    fn marks(&self) -> MutexGuard<'_, Vec<Mark>> {
        // Each mark is set in one go: whole whatever panicked beside it.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One shard in the course. Dropped, it is waited for no more.
pub struct Runner {
    no: ShardNo,
    pub(super) course: Arc<Course>,
    moves: watch::Receiver<u64>,
}

impl Runner {
    pub fn new(no: ShardNo, course: Arc<Course>) -> Runner {
        let moves = course.moves.subscribe();
        Runner { no, course, moves }
    }

    fn mark(&self, mark: impl FnOnce(&mut Mark) -> bool) {
        let changed = (self.course.marks().get_mut(usize::from(self.no.0))).is_some_and(mark);
        if changed {
            self.course.stir();
        }
    }

    /// It begins a tick.
    pub fn begins(&self, tick: Tick) {
        self.mark(|mark| {
            *mark = Mark {
                tick,
                since: mark.since,
                ..Mark::default()
            };
            true
        });
    }

    /// Its alarms have rung, and all occurrences before this one are done.
    pub fn comes_to(&self, occasion: &Occasion) {
        self.mark(|mark| {
            let there = matches!(&mark.place, Place::At(known) if known == occasion);
            if !there {
                mark.place = Place::At(occasion.clone());
            }
            !there
        });
    }

    /// All that was due in this tick is done.
    pub fn arrives(&self) {
        self.mark(|mark| {
            mark.place = Place::Done;
            mark.since = None;
            true
        });
    }

    /// It goes no further in this tick.
    pub fn stops(&self) {
        self.mark(|mark| {
            mark.ends();
            !std::mem::replace(&mut mark.stopped, true)
        });
    }

    /// How the others stand to this occurrence of this tick; those count, too, that stopped less than `patience` ago.
    pub fn others(&self, tick: Tick, occasion: &Occasion, patience: Span) -> Others {
        let place = Place::At(occasion.clone());
        let marks = self.course.marks();
        let others = || {
            let all = marks.iter().enumerate();
            all.filter(|(no, _)| *no != usize::from(self.no.0))
                .map(|(_, mark)| mark)
        };
        let behind = |mark: &&Mark| mark.tick.no < tick.no || mark.place < place;
        let over = |mark: &Mark| mark.gone || (mark.stopped && mark.tick.no == tick.no);
        let lately = |since: Timestamp| tick.upto.since(since) < patience;
        let waited_for = |mark: &Mark| over(mark) && mark.since.is_some_and(lately);
        if others().any(|mark| mark.tick.no > tick.no) {
            Others::Ahead
        } else if others().filter(behind).any(waited_for) {
            Others::Stopped
        } else if others().filter(behind).any(|mark| !over(mark)) {
            Others::Behind
        } else {
            Others::Abreast
        }
    }

    /// What moves from now on is told by [`Runner::moved`] and [`Runner::has_moved`].
    pub fn look(&mut self) {
        self.moves.mark_unchanged();
    }

    /// Whether any shard has moved since the last look.
    pub fn has_moved(&self) -> bool {
        self.moves.has_changed().unwrap_or(true)
    }

    /// Waits until a shard moves.
    pub async fn moved(&mut self) {
        // The sender lives as long as the course, which is held here.
        let _ = self.moves.changed().await;
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.mark(|mark| {
            mark.ends();
            !std::mem::replace(&mut mark.gone, true)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Course, Occasion, Others, Runner};
    use crate::domain::id::{CampaignId, ShardNo};
    use crate::domain::time::{Span, Timestamp};
    use std::sync::Arc;

    #[test]
    fn all_are_waited_for_save_those_who_will_not_come() {
        let course = Arc::new(Course::default());
        let mut runners: Vec<Runner> = (ShardNo::all())
            .map(|no| Runner::new(no, Arc::clone(&course)))
            .collect();
        let occasion = |at: i64, id: &str, zone: &str| Occasion {
            at: Timestamp(at),
            rank: 3,
            campaign: CampaignId::parse(id).unwrap(),
            zone: zone.to_owned(),
        };
        let here = occasion(5, "b", "Asia/Seoul");
        let tick = course.next_tick(Timestamp(9));
        let (most, none) = (Span::minutes(1), Span::ZERO);
        let ask = |runners: &[Runner], patience| runners[0].others(tick, &here, patience);
        // Of those who have not begun it is not known that they stopped.
        runners[1].stops();
        runners[0].begins(tick);
        runners[0].comes_to(&here);
        assert_eq!(ask(&runners, most), Others::Behind);
        for runner in &runners[1..] {
            runner.begins(tick);
        }
        for runner in &runners[3..] {
            runner.arrives();
        }
        for before in [
            occasion(4, "z", ""),
            occasion(5, "a", ""),
            occasion(5, "b", "Asia/Almaty"),
        ] {
            runners[1].comes_to(&before);
            runners[2].comes_to(&before);
            assert_eq!(ask(&runners, most), Others::Behind, "{before:?}");
        }
        runners[0].look();
        runners[2].comes_to(&occasion(5, "c", ""));
        assert!(runners[0].has_moved());
        assert_eq!(ask(&runners, most), Others::Behind);
        runners[1].stops();
        assert_eq!(ask(&runners, most), Others::Stopped);
        assert_eq!(ask(&runners, none), Others::Abreast);
        // Its task ends: it is waited for no more, in any tick.
        let next = course.next_tick(Timestamp(9));
        drop(runners.remove(1));
        for runner in &runners[1..] {
            runner.begins(next);
            runner.comes_to(&here);
        }
        assert_eq!(ask(&runners, none), Others::Ahead);
        runners[0].begins(next);
        assert_eq!(runners[0].others(next, &here, most), Others::Stopped);
        assert_eq!(runners[0].others(next, &here, none), Others::Abreast);
    }
    #[test]
    fn who_has_been_waited_for_is_not_until_it_comes_through_a_tick() {
        let course = Arc::new(Course::default());
        let runners: Vec<Runner> = (ShardNo::all())
            .map(|no| Runner::new(no, Arc::clone(&course)))
            .collect();
        let (most, minute) = (Span::minutes(1), 60_000);
        // At another occurrence each time, as where one fires every minute; the second shard stops before it, or not.
        let at = |upto: i64, stops: bool| {
            let here = Occasion {
                at: Timestamp(upto),
                rank: 3,
                campaign: CampaignId::parse("a").unwrap(),
                zone: String::new(),
            };
            let tick = course.next_tick(Timestamp(upto));
            for runner in &runners {
                runner.begins(tick);
                runner.comes_to(&here);
            }
            runners[1].begins(tick);
            match stops {
                true => runners[1].stops(),
                false => runners[1].arrives(),
            }
            runners[0].others(tick, &here, most)
        };
        assert_eq!(at(minute, true), Others::Stopped);
        assert_eq!(at(2 * minute - 1, true), Others::Stopped);
        for n in 2..9 {
            assert_eq!(at(n * minute, true), Others::Abreast, "{n}");
        }
        assert_eq!(at(9 * minute, false), Others::Abreast);
        assert_eq!(at(10 * minute, true), Others::Stopped);
        assert_eq!(at(11 * minute, true), Others::Abreast);
    }
}
