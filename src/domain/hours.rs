//! At which hours of their clock customers answer (open or click, as people do): what is known of one customer, and of the
//! shop as a whole; and how the two are weighed against each other.
//!
//! An answer counts in the hour in which it came, not in that in which its mail left: what is looked for is when somebody
//! sits at their mail. Each message counts once for its first open and once for its first click. All is whole numbers, so
//! that the same causes give the same record.

use super::time::{Span, Timestamp};
use chrono::Timelike;
use serde::{Deserialize, Serialize};

/// Hours of a clock.
pub const HOURS: usize = 24;

/// One answer, in the parts that are counted; older answers are fewer parts.
const ANSWER: u16 = 16;
/// So many answers of one customer count; then all are halved, so that the newer ones weigh more.
const MOST: u32 = 60;
/// After so long what a customer's answers weigh is halved.
const HALVED_EVERY: Span = Span::days(180);
/// The shop's whole curve weighs as much as so many answers of the customer's own.
const SHOP: u128 = 10;
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

/// The hours at which the shop's customers answered: worked out once a day, and fixed until the next day. It stands in the
/// controls, so every cause is met with the table of its day, and a new one walks nobody.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Learned {
    /// Rises with every table.
    pub version: u64,
    /// The hour (UTC, since 1970) before which all answers are in it; 0 before the first.
    pub upto: i64,
    /// By hour; empty where there was no answer.
    parts: Vec<u64>,
}

impl Learned {
    /// The table of the next day: each day takes a sixty-fourth from what stood (so half of it is gone after 44 days).
    pub fn next(&self, answers: &[u64; HOURS], days: u32, upto: i64) -> Learned {
        let mut parts = self.parts.clone();
        parts.resize(HOURS, 0);
        for _ in 0..days.min(1_000) {
            // Rounded up, so that the last of it goes too.
            parts.iter_mut().for_each(|n| *n -= n.div_ceil(64));
        }
        for (n, new) in parts.iter_mut().zip(answers) {
            *n += new * u64::from(ANSWER);
        }
        if parts.iter().all(|n| *n == 0) {
            parts.clear();
        }
        Learned {
            version: self.version + 1,
            upto,
            parts,
        }
    }

    /// As many answers as they weigh.
    pub fn answers(&self) -> u64 {
        self.parts.iter().sum::<u64>().div_ceil(u64::from(ANSWER))
    }
}

/// What each hour is worth to one customer: the larger, the likelier is an answer there.
///
/// The mean of a multinomial under a Dirichlet prior (Gelman et al., Bayesian Data Analysis, 3rd edition, §3.4): the
/// customer's own answers, and beside them the shop's curve with the weight of [`SHOP`] answers. The shop's curve is itself
/// such a mean over an even prior of [`NONE_YET`] answers an hour. So few answers of their own move little, many decide.
/// All is multiplied by the same number, to stay whole.
pub fn worth(own: &Hours, shop: &Learned) -> [u128; HOURS] {
    let answer = u64::from(ANSWER);
    let of_shop = |hour: usize| shop.parts.get(hour).copied().unwrap_or(0) + NONE_YET * answer;
    let whole: u128 = (0..HOURS).map(|hour| u128::from(of_shop(hour))).sum();
    std::array::from_fn(|hour| {
        let own = u128::from(own.parts.get(hour).copied().unwrap_or(0));
        own * whole + SHOP * u128::from(answer) * u128::from(of_shop(hour))
    })
}

#[cfg(test)]
mod tests {
    use super::{HOURS, Hours, Learned, MOST, worth};
    use crate::domain::time::{Span, Timestamp};

    fn best(own: &Hours, shop: &Learned) -> usize {
        let worth = worth(own, shop);
        let most = worth.iter().max().unwrap();
        worth.iter().position(|w| w == most).unwrap()
    }

    fn shop_at(hour: usize, answers: u64) -> Learned {
        let mut of = [0; HOURS];
        of[hour] = answers;
        Learned::default().next(&of, 1, 24)
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
        let even = worth(&Hours::default(), &Learned::default());
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
        let half = table.next(&[0; HOURS], 44, 48);
        assert!((48..=52).contains(&half.answers()), "{}", half.answers());
        let gone = table.next(&[0; HOURS], 1_000, 48);
        assert_eq!(gone.answers(), 0);
    }
}
