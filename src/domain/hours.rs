//! At which hours of their clock customers answer (open or click, as people do): what is known of one customer, of a segment,
//! and of the shop as a whole; and how these are weighed against each other.
//!
//! An answer counts in the hour in which it came, not in that in which its mail left: what is looked for is when somebody
//! sits at their mail. Each message counts once for its first open and once for its first click. All is whole numbers, so
//! that the same causes give the same record.

use super::id::SegmentName;
use super::time::{Span, Timestamp};
use chrono::Timelike;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Hours of a clock.
pub const HOURS: usize = 24;

/// One answer, in the parts that are counted; older answers are fewer parts.
const ANSWER: u16 = 16;
/// So many answers of one customer count; then all are halved, so that the newer ones weigh more.
const MOST: u32 = 60;
/// After so long what a customer's answers weigh is halved.
const HALVED_EVERY: Span = Span::days(180);
/// The whole curve of a wider circle (the segment's, the shop's) weighs as much as so many answers of the narrower.
const WIDER: u128 = 10;
/// A segment with fewer answers than this has no curve of its own.
pub const SEGMENT_LEAST: u64 = 30;
/// So many answers are supposed in every hour before the shop has had any.
const NONE_YET: u64 = 1;

/// The hour that a clock shows.
pub fn hour_shown(local: chrono::NaiveDateTime) -> usize {
    local.hour() as usize % HOURS
}

/// The hours at which one customer answered.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Hours {
    /// By hour; empty where there was no answer.
    parts: Vec<u16>,
    /// When they were last halved for their age.
    halved: Timestamp,
}

impl Hours {
    /// An answer came at `at`, when the customer's clock showed `hour`.
    pub fn note(&mut self, hour: usize, at: Timestamp) {
        if self.parts.is_empty() {
            self.parts = vec![0; HOURS];
            self.halved = at;
        }
        let periods = at.since(self.halved).0.max(0) / HALVED_EVERY.0;
        if periods > 0 {
            let by = u32::try_from(periods).unwrap_or(u32::MAX);
            let halve = |n: &mut u16| *n = n.checked_shr(by).unwrap_or(0);
            self.parts.iter_mut().for_each(halve);
            self.halved = self.halved + Span(HALVED_EVERY.0 * periods);
        }
        if let Some(parts) = self.parts.get_mut(hour) {
            *parts = parts.saturating_add(ANSWER);
        }
        self.keep_within();
    }

    /// What was known of somebody who is this customer.
    pub fn take_over(&mut self, other: &Hours) {
        if self.parts.is_empty() {
            self.clone_from(other);
            return;
        }
        for (own, more) in self.parts.iter_mut().zip(&other.parts) {
            *own = own.saturating_add(*more);
        }
        self.halved = self.halved.max(other.halved);
        self.keep_within();
    }

    fn keep_within(&mut self) {
        while self.sum() > MOST * u32::from(ANSWER) {
            self.parts.iter_mut().for_each(|n| *n /= 2);
        }
    }

    fn sum(&self) -> u32 {
        self.parts.iter().map(|n| u32::from(*n)).sum()
    }

    /// What each hour with answers weighs, in answers: `09:00`, 2.5.
    pub fn by_hour(&self) -> impl Iterator<Item = (String, f64)> {
        let hours = self.parts.iter().enumerate().filter(|(_, n)| **n > 0);
        hours.map(|(hour, n)| (format!("{hour:02}:00"), f64::from(*n) / f64::from(ANSWER)))
    }

    /// As many answers as they weigh.
    pub fn answers(&self) -> u32 {
        self.sum().div_ceil(u32::from(ANSWER))
    }
}

/// How many answers came in each hour, from one set of customers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    pub shop: [u64; HOURS],
    /// Of those who were in the segment when they answered.
    pub segments: BTreeMap<SegmentName, [u64; HOURS]>,
}

impl Answers {
    /// An answer when the customer's clock showed `hour`, of somebody who is in these segments.
    pub fn note(&mut self, hour: usize, segments: impl IntoIterator<Item = SegmentName>) {
        let count = |by_hour: &mut [u64; HOURS]| {
            if let Some(n) = by_hour.get_mut(hour) {
                *n = n.saturating_add(1);
            }
        };
        count(&mut self.shop);
        for name in segments {
            count(self.segments.entry(name).or_default());
        }
    }

    pub fn add(&mut self, more: &Answers) {
        let sum = |by_hour: &mut [u64; HOURS], more: &[u64; HOURS]| {
            for (n, more) in by_hour.iter_mut().zip(more) {
                *n = n.saturating_add(*more);
            }
        };
        sum(&mut self.shop, &more.shop);
        for (name, more) in &more.segments {
            sum(self.segments.entry(name.clone()).or_default(), more);
        }
    }

    /// Each answer is one of the shop's.
    pub fn is_none(&self) -> bool {
        self.shop.iter().all(|n| *n == 0)
    }
}

/// What the hours weigh in one set of customers; newer answers more than older ones.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Curve {
    /// By hour; empty where there was no answer.
    parts: Vec<u64>,
}

impl Curve {
    fn next(&self, answers: &[u64; HOURS], days: u32) -> Curve {
        let mut parts = self.parts.clone();
        parts.resize(HOURS, 0);
        for _ in 0..days.min(1_000) {
            // Rounded up, so that the last of it goes too.
            parts.iter_mut().for_each(|n| *n -= n.div_ceil(64));
        }
        for (n, new) in parts.iter_mut().zip(answers) {
            *n = n.saturating_add(new.saturating_mul(u64::from(ANSWER)));
        }
        if parts.iter().all(|n| *n == 0) {
            parts.clear();
        }
        Curve { parts }
    }

    fn at(&self, hour: usize) -> u64 {
        self.parts.get(hour).copied().unwrap_or(0)
    }

    /// As many answers as they weigh.
    pub fn answers(&self) -> u64 {
        self.parts.iter().sum::<u64>().div_ceil(u64::from(ANSWER))
    }
}

/// The hours at which the shop's customers answered: worked out once a day, and fixed until the next day. It stands in the
/// controls, so every cause is met with the table of its day, and a new one walks nobody.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Learned {
    /// Rises with every table.
    pub version: u64,
    /// The hour (UTC, since 1970) before which all answers are in it; 0 before the first.
    pub upto: i64,
    pub shop: Curve,
    /// Of those who were in the segment when they answered; none without answers.
    pub segments: BTreeMap<SegmentName, Curve>,
}

impl Learned {
    /// The table of the next day: each day takes a sixty-fourth from what stood (so half of it is gone after 44 days).
    pub fn next(&self, answers: &Answers, days: u32, upto: i64) -> Learned {
        let known = self.segments.keys().chain(answers.segments.keys());
        let curve = |name: &SegmentName| {
            let (stood, new) = (self.segments.get(name), answers.segments.get(name));
            let stood = stood.cloned().unwrap_or_default();
            stood.next(new.unwrap_or(&[0; HOURS]), days)
        };
        let curves = known.map(|name| (name.clone(), curve(name)));
        Learned {
            version: self.version + 1,
            upto,
            shop: self.shop.next(&answers.shop, days),
            segments: curves.filter(|(_, of)| of.answers() > 0).collect(),
        }
    }

    /// The shop's, as many as they weigh.
    pub fn answers(&self) -> u64 {
        self.shop.answers()
    }

    /// The segment that says most of somebody: of those whose customers gave [`SEGMENT_LEAST`] answers or more and to which
    /// they belong, the one with the fewest; of two with as many the first by name.
    pub fn narrowest(
        &self,
        mut belongs: impl FnMut(&SegmentName) -> bool,
    ) -> Option<(&SegmentName, &Curve)> {
        let known = self
            .segments
            .iter()
            .map(|(name, of)| (of.answers(), name, of));
        let mut known: Vec<_> = known.filter(|(n, ..)| *n >= SEGMENT_LEAST).collect();
        known.sort_by_key(|(answers, name, _)| (*answers, *name));
        let found = known.into_iter().find(|(_, name, _)| belongs(name));
        found.map(|(_, name, of)| (name, of))
    }
}

/// What each hour is worth to one customer: the larger, the likelier is an answer there.
///
/// The mean of a multinomial under a Dirichlet prior (Gelman et al., Bayesian Data Analysis, 3rd edition, §3.4), circle within
/// circle: beside the customer's own answers their segment's curve with the weight of [`WIDER`] answers; beside the segment's
/// the shop's with the same weight (where there is no segment, the shop's stands beside the customer's); the shop's own over
/// an even prior of [`NONE_YET`] answers an hour. So few answers of a narrower circle move little, many decide. All is
/// multiplied by the same number, to stay whole.
pub fn worth(own: &Hours, segment: Option<&Curve>, shop: &Curve) -> [u128; HOURS] {
    let answer = u128::from(ANSWER);
    let even: [u128; HOURS] =
        std::array::from_fn(|hour| u128::from(shop.at(hour)) + u128::from(NONE_YET) * answer);
    let within = |wider: [u128; HOURS], narrower: &dyn Fn(usize) -> u64| -> [u128; HOURS] {
        let whole: u128 = wider.iter().sum();
        std::array::from_fn(|hour| {
            u128::from(narrower(hour)) * whole + WIDER * answer * wider[hour]
        })
    };
    let around = match segment {
        Some(segment) => within(even, &|hour| segment.at(hour)),
        None => even,
    };
    within(around, &|hour| {
        own.parts.get(hour).copied().unwrap_or(0).into()
    })
}

#[cfg(test)]
mod tests {
    use super::{Answers, HOURS, Hours, Learned, MOST, SEGMENT_LEAST, worth};
    use crate::domain::id::SegmentName;
    use crate::domain::time::{Span, Timestamp};

    fn best(own: &Hours, shop: &Learned) -> usize {
        best_in(own, None, shop)
    }

    fn best_in(own: &Hours, segment: Option<&str>, shop: &Learned) -> usize {
        let of = segment.map(|name| &shop.segments[&named(name)]);
        let worth = worth(own, of, &shop.shop);
        let most = worth.iter().max().unwrap();
        worth.iter().position(|w| w == most).unwrap()
    }

    fn named(name: &str) -> SegmentName {
        SegmentName::parse(name).unwrap()
    }

    fn at(hour: usize, answers: u64) -> [u64; HOURS] {
        let mut of = [0; HOURS];
        of[hour] = answers;
        of
    }

    fn shop_at(hour: usize, answers: u64) -> Learned {
        segments_at(hour, answers, &[])
    }

    fn segments_at(hour: usize, answers: u64, segments: &[(&str, usize, u64)]) -> Learned {
        let of = |(name, hour, answers): &(&str, usize, u64)| (named(name), at(*hour, *answers));
        let answers = Answers {
            shop: at(hour, answers),
            segments: segments.iter().map(of).collect(),
        };
        Learned::default().next(&answers, 1, 24)
    }

    fn own_at(hour: usize, answers: usize) -> Hours {
        let mut hours = Hours::default();
        (0..answers).for_each(|n| hours.note(hour, Timestamp(n as i64)));
        hours
    }

    #[test]
    fn a_few_answers_of_their_own_weigh_against_the_shops_curve() {
        let shop = shop_at(19, 1_000);
        assert_eq!(best(&Hours::default(), &shop), 19);
        assert_eq!(best(&own_at(8, 3), &shop), 19);
        assert_eq!(best(&own_at(8, 11), &shop), 8);
        // A shop that has hardly had any decides little.
        assert_eq!(best(&own_at(8, 3), &shop_at(19, 2)), 8);
    }

    #[test]
    fn without_any_answer_all_hours_are_worth_the_same() {
        let even = worth(&Hours::default(), None, &Learned::default().shop);
        assert!(even.iter().all(|w| *w == even[0]));
    }

    #[test]
    fn newer_answers_outweigh_older_ones_and_the_number_is_bounded() {
        let mut hours = own_at(8, 1_000);
        assert!(hours.answers() <= MOST);
        (0..60).for_each(|n| hours.note(20, Timestamp(1_000 + n)));
        assert_eq!(best(&hours, &Learned::default()), 20);
        assert!(hours.answers() <= MOST);
        let year = Timestamp(0) + Span::days(3_650);
        let mut hours = own_at(8, 50);
        hours.note(21, year);
        assert_eq!(
            (best(&hours, &Learned::default()), hours.answers()),
            (21, 1)
        );
    }

    #[test]
    fn two_who_are_one_have_the_answers_of_both() {
        let mut both = own_at(8, 3);
        both.take_over(&own_at(20, 5));
        assert_eq!((best(&both, &Learned::default()), both.answers()), (20, 8));
        let mut none = Hours::default();
        none.take_over(&both);
        assert_eq!(none, both);
        both.take_over(&Hours::default());
        assert_eq!(none, both);
    }

    #[test]
    fn the_shops_table_forgets() {
        let table = shop_at(19, 100);
        assert_eq!((table.version, table.answers()), (1, 100));
        let half = table.next(&Answers::default(), 44, 48);
        assert!((48..=52).contains(&half.answers()), "{}", half.answers());
        let gone = table.next(&Answers::default(), 1_000, 48);
        assert_eq!(gone.answers(), 0);
    }

    #[test]
    fn a_segments_curve_stands_between_their_own_answers_and_the_shops() {
        let table = segments_at(19, 1_000, &[("nurses", 6, 40)]);
        let none = Hours::default();
        assert_eq!(best(&none, &table), 19);
        assert_eq!(best_in(&none, Some("nurses"), &table), 6);
        assert_eq!(best_in(&own_at(8, 3), Some("nurses"), &table), 6);
        assert_eq!(best_in(&own_at(8, 11), Some("nurses"), &table), 8);
        // Few answers of a segment decide little against a shop of many.
        let few = segments_at(19, 1_000, &[("nurses", 6, 3)]);
        assert_eq!(best_in(&none, Some("nurses"), &few), 19);
    }

    #[test]
    fn of_the_segments_that_know_enough_the_narrowest_speaks() {
        let table = segments_at(
            19,
            1_000,
            &[
                ("few", 1, SEGMENT_LEAST - 1),
                ("many", 2, 500),
                ("narrow", 3, 40),
                ("narrow-too", 4, 40),
            ],
        );
        let told = |of: &[&str]| {
            let found = table.narrowest(|name| of.contains(&name.as_str()));
            found.map(|(name, _)| name.as_str().to_owned())
        };
        assert_eq!(told(&["few"]), None);
        assert_eq!(told(&["few", "many"]).as_deref(), Some("many"));
        assert_eq!(told(&["many", "narrow"]).as_deref(), Some("narrow"));
        assert_eq!(told(&["narrow-too", "narrow"]).as_deref(), Some("narrow"));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn a_segment_nobody_answers_in_any_more_is_forgotten() {
        let table = segments_at(19, 10, &[("nurses", 6, 40)]);
        let later = table.next(&Answers::default(), 1_000, 48);
        assert!(later.segments.is_empty());
    }
}
