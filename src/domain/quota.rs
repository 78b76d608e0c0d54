//! Quotas: how many enter a campaign in all, or in each period; or which share of all customers may at all.
//!
//! A share is a matter of the customer alone, by a fixed hash: who is in it stays in it as it grows. A number is shared by
//! everybody: what is taken of it ([`Taken`]) stands outside the customers' records, and whoever draws on it writes it in
//! the same commit as the entry. Where many are due at one occurrence, who is drawn goes by the hash again, made anew for
//! each occurrence ([`Lot`]), so that neither the oldest customers nor always the same ones go first.

use super::chance::{Salt, draw};
use super::id::{CampaignId, CustomerNo, EntryKey};
use super::schedule::instant_of;
use super::time::{Span, Timestamp};
use super::wall::local;
use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Of a campaign.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Quota {
    /// Of all customers, this share, above 0 and at most 1.
    Share(f64),
    /// So many entries; in all, or in each period.
    Number { most: u64, per: Option<Span> },
}

/// What is known of each campaign whose quota is a number.
pub type Quotas = BTreeMap<CampaignId, Taken>;

/// What has been taken of a number.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Taken {
    /// How many have entered since it is counted.
    pub total: u64,
    /// When the first of them did: periods count from that day.
    pub first: Option<Timestamp>,
    /// When the period began in which somebody entered last, and how many did in it.
    pub begins: Option<Timestamp>,
    pub count: u64,
    /// Who is drawn at the latest occurrence of the campaign's schedule, by the zone that it fires in.
    pub lots: BTreeMap<String, Lot>,
}

/// Who is drawn at one occurrence.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Lot {
    pub occurrence: NaiveDateTime,
    /// Those whose number is at most this; below 0 is nobody.
    pub upto: f64,
}

impl Quota {
    /// Reads `10%`, `100`, `1000 per 1d`.
    pub fn parse(text: &str) -> Result<Quota, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no quota; write \"1000 per 1d\" (so many in each period), \"100\" (so many in all) or \"10%\" (a share of all customers)"
            )
        };
        if let Some(percent) = text.trim().strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            return match percent > 0.0 && percent <= 100.0 {
                true => Ok(Quota::Share(percent / 100.0)),
                false => Err(wrong()),
            };
        }
        let (most, per) = match text.split_once(" per ") {
            Some((most, per)) => {
                let per = Span::parse(per.trim()).map_err(|_| wrong())?;
                (most, Some(per))
            }
            None => (text, None),
        };
        let most: u32 = most.trim().parse().map_err(|_| wrong())?;
        if most == 0 || per.is_some_and(|per| per < Span::minutes(1)) {
            return Err(wrong());
        }
        let most = u64::from(most);
        Ok(Quota::Number { most, per })
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Quota::Number { .. })
    }

    /// Whether the customer is of those who may enter at all.
    pub fn admits(&self, salt: &Salt, campaign: &CampaignId, customer: CustomerNo) -> bool {
        match self {
            Quota::Share(share) => {
                draw(salt, "quota", campaign, customer, &EntryKey::default()) < *share
            }
            Quota::Number { .. } => true,
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quota::Share(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
            Quota::Number { most, per: None } => write!(f, "{most} in all"),
            Quota::Number {
                most,
                per: Some(per),
            } => write!(f, "{most} per {per}"),
        }
    }
}

/// A customer's number in the draw of one occurrence, in [0, 1): the lowest are drawn.
pub fn lot_of(
    salt: &Salt,
    campaign: &CampaignId,
    customer: CustomerNo,
    occurrence: NaiveDateTime,
) -> f64 {
    let entry = EntryKey(occurrence.format("%Y-%m-%dT%H:%M:%S").to_string());
    draw(salt, "quota", campaign, customer, &entry)
}

impl Taken {
    /// How many may enter yet at `now`; `zone` is the shop's.
    pub fn left(&self, quota: &Quota, now: Timestamp, zone: Tz) -> u64 {
        match quota {
            Quota::Share(_) => u64::MAX,
            Quota::Number { most, per: None } => most.saturating_sub(self.total),
            Quota::Number {
                most,
                per: Some(per),
            } => most.saturating_sub(self.taken_in(self.period(*per, now, zone))),
        }
    }

    /// When the period that holds `now` began; none where there are none.
    pub fn period_of(&self, quota: &Quota, now: Timestamp, zone: Tz) -> Option<Timestamp> {
        match quota {
            Quota::Number { per: Some(per), .. } => Some(self.period(*per, now, zone)),
            _ => None,
        }
    }

    /// One enters.
    pub fn take(&mut self, quota: &Quota, now: Timestamp, zone: Tz) {
        self.total += 1;
        let first = *self.first.get_or_insert(now);
        let begins = match quota {
            Quota::Number { per: Some(per), .. } => self.period(*per, now, zone),
            _ => first,
        };
        self.count = self.taken_in(begins) + 1;
        self.begins = self.begins.max(Some(begins));
    }

    /// Whether the customer with this number is drawn at an occurrence: where no lots were drawn for it, everybody is.
    pub fn draws(&self, zone: &str, occurrence: NaiveDateTime, number: f64) -> bool {
        let lot = self.lots.get(zone);
        lot.filter(|lot| lot.occurrence == occurrence)
            .is_none_or(|lot| number <= lot.upto)
    }

    /// Those who entered in the period that began at `begins`, or in a later one (of a shorter quota before an edit).
    fn taken_in(&self, begins: Timestamp) -> u64 {
        match self.begins {
            Some(known) if known >= begins => self.count,
            _ => 0,
        }
    }

    /// When the period that holds `now` began. Whole days go by the shop's calendar.
    fn period(&self, per: Span, now: Timestamp, zone: Tz) -> Timestamp {
        let day = Span::days(1).0;
        let start = local(self.first.unwrap_or(now).min(now), zone).date();
        let midnight = |date: NaiveDate| instant_of(date.and_time(NaiveTime::MIN), zone);
        if per.0 % day == 0 {
            let days = u64::try_from(per.0 / day).unwrap_or(1).max(1);
            let since = (local(now, zone).date() - start).num_days();
            let full = u64::try_from(since).unwrap_or(0) / days * days;
            let begins = start.checked_add_days(Days::new(full));
            return begins.map_or(Timestamp::EARLIEST, midnight);
        }
        let first = midnight(start).min(now);
        first + Span(now.since(first).0 / per.0.max(1) * per.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lot, Quota, Taken, lot_of};
    use crate::domain::id::{CampaignId, CustomerNo};
    use crate::domain::time::{Span, Timestamp};
    use chrono::NaiveDate;
    use chrono_tz::Tz;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn quotas_read_and_are_told() {
        for (text, told) in [
            ("10%", "10%"),
            ("0.5%", "0.5%"),
            ("100%", "100%"),
            ("100", "100 in all"),
            ("1000 per 1d", "1000 per 1d"),
            ("5 per 90m", "5 per 1h 30m"),
        ] {
            assert_eq!(Quota::parse(text).unwrap().to_string(), told);
        }
        for text in [
            "0",
            "0%",
            "101%",
            "-3",
            "x",
            "1000 per",
            "10 per 0s",
            "10 per 1s",
            "3 per day",
            "",
            "NaN%",
            "5000000000",
        ] {
            assert!(Quota::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_is_as_large_as_it_says_and_nested_as_it_grows() {
        let (one, other) = (
            CampaignId::parse("a").unwrap(),
            CampaignId::parse("b").unwrap(),
        );
        let within = |share: f64, id: &CampaignId| -> Vec<u64> {
            let quota = Quota::Share(share);
            (0..10_000)
                .filter(|no| quota.admits(&[7; 16], id, CustomerNo(*no)))
                .collect()
        };
        let (small, large) = (within(0.1, &one), within(0.3, &one));
        assert!((900..1_100).contains(&small.len()) && (2_850..3_150).contains(&large.len()));
        assert!(small.iter().all(|no| large.contains(no)));
        assert_eq!(within(1.0, &one).len(), 10_000);
        // Another campaign draws others.
        let both = within(0.1, &other)
            .iter()
            .filter(|no| small.contains(no))
            .count();
        assert!((50..150).contains(&both), "{both}");
    }

    #[test]
    fn periods_of_whole_days_go_by_the_shops_calendar_also_over_a_change_of_the_clock() {
        let zone = Tz::Europe__Berlin;
        let quota = Quota::parse("2 per 1d").unwrap();
        let mut taken = Taken::default();
        // 28 March 2026, the day before the clock leaps.
        for (now, left) in [
            ("2026-03-28T09:00:00Z", 2),
            ("2026-03-28T22:00:00Z", 1),
            ("2026-03-28T22:30:00Z", 0),
            ("2026-03-28T22:59:59Z", 0),
            ("2026-03-28T23:00:00Z", 2),
            ("2026-03-29T21:59:59Z", 1),
            ("2026-03-29T22:00:00Z", 2),
        ] {
            assert_eq!(taken.left(&quota, at(now), zone), left, "{now}");
            if left > 0 {
                taken.take(&quota, at(now), zone);
            }
        }
        assert_eq!(taken.total, 5);
    }

    #[test]
    fn periods_count_from_the_day_of_the_first_and_longer_ones_know_of_shorter() {
        let zone = Tz::UTC;
        let three_days = Quota::parse("1 per 3d").unwrap();
        let mut taken = Taken::default();
        taken.take(&three_days, at("2026-03-04T15:00:00Z"), zone);
        assert_eq!(taken.left(&three_days, at("2026-03-06T23:59:59Z"), zone), 0);
        assert_eq!(taken.left(&three_days, at("2026-03-07T00:00:00Z"), zone), 1);
        let hours = Quota::parse("1 per 6h").unwrap();
        // When in the longer period somebody entered is not known.
        assert_eq!(taken.left(&hours, at("2026-03-04T17:59:00Z"), zone), 1);
        assert_eq!(taken.left(&hours, at("2026-03-04T18:00:00Z"), zone), 1);
        // Shorter, then longer again: what was taken in the shorter period is within the longer one.
        taken.take(&hours, at("2026-03-08T19:00:00Z"), zone);
        assert_eq!(taken.left(&three_days, at("2026-03-09T01:00:00Z"), zone), 0);
        let all = Quota::parse("3").unwrap();
        assert_eq!(taken.left(&all, at("2026-03-09T01:00:00Z"), zone), 1);
        assert_eq!(Span::days(1), Span::hours(24));
    }

    #[test]
    fn each_occurrence_is_a_draw_of_its_own() {
        let id = CampaignId::parse("a").unwrap();
        let day = |d| {
            NaiveDate::from_ymd_opt(2026, 3, d)
                .unwrap()
                .and_hms_opt(9, 0, 0)
                .unwrap()
        };
        let lowest = |d| -> Vec<u64> {
            let mut all: Vec<u64> = (0..1_000).collect();
            let number = |no: &u64| lot_of(&[7; 16], &id, CustomerNo(*no), day(d));
            all.sort_by(|a, b| number(a).total_cmp(&number(b)));
            all[..100].to_vec()
        };
        let (first, second) = (lowest(1), lowest(2));
        let both = first.iter().filter(|no| second.contains(no)).count();
        assert!(both < 30 && first == lowest(1), "{both}");
        let lot = Lot {
            occurrence: day(1),
            upto: 0.25,
        };
        let taken = Taken {
            lots: [(String::new(), lot)].into(),
            ..Taken::default()
        };
        assert!(taken.draws("", day(1), 0.25) && !taken.draws("", day(1), 0.26));
        // Of another occurrence, or zone, nothing was drawn.
        assert!(taken.draws("", day(2), 0.9) && taken.draws("Asia/Seoul", day(1), 0.9));
    }
}
