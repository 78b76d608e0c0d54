//! Breakers: how much harm a campaign may do in a while before it pauses itself.
//!
//! Here are the limits and what is counted against them. Counting itself, the pause and who is told of it are the
//! engine's.

use super::ledger::{LogRow, Reason, Status};
use super::preference::Class;
use super::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A whole percent, in the parts that shares are counted in.
const PERCENT: u32 = 1_000;
/// The longest window, in hours.
pub const LONGEST: u16 = 7 * 24;
const HOUR: i64 = 3_600_000;

/// The number of the hour (UTC, since 1970) in which an instant lies.
pub fn hour_of(at: Timestamp) -> i64 {
    at.millis().div_euclid(HOUR)
}

/// What is counted against a campaign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Customers who left a topic, or advertising, by a link of one of its mails.
    Unsubscribes,
    /// Mails that the recipients' servers refused for good.
    Refusals,
    /// Customers who reported one of its mails as unwanted.
    Complaints,
    /// Mails that could not be composed.
    Errors,
}

impl Harm {
    pub const ALL: [Harm; 4] = [
        Harm::Unsubscribes,
        Harm::Refusals,
        Harm::Complaints,
        Harm::Errors,
    ];

    /// The key under `[breakers]`.
    pub fn as_str(self) -> &'static str {
        match self {
            Harm::Unsubscribes => "unsubscribes",
            Harm::Refusals => "refusals",
            Harm::Complaints => "complaints",
            Harm::Errors => "errors",
        }
    }
}

/// What became of a campaign's mails to customers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    pub accepted: u32,
    pub unsubscribes: u32,
    pub refusals: u32,
    pub complaints: u32,
    pub errors: u32,
}

impl Counts {
    /// What one row of the send log, of a mail to a customer, adds.
    pub fn of(row: &LogRow) -> Counts {
        let mut counts = Counts::default();
        match (row.status, row.reason) {
            (Status::Accepted, _) => counts.accepted = 1,
            (Status::Refused | Status::Bounced, _) => counts.refusals = 1,
            // Not `LeftAgain`: customers are counted, not their words.
            (Status::Unsubscribed, Reason::Unsubscribed) => counts.unsubscribes = 1,
            (Status::Complained, _) => counts.complaints = 1,
            (Status::Dropped, Reason::RenderError) => counts.errors = 1,
            _ => {}
        }
        counts
    }

    pub fn is_none(self) -> bool {
        self == Counts::default()
    }

    pub fn harm(self, harm: Harm) -> u32 {
        match harm {
            Harm::Unsubscribes => self.unsubscribes,
            Harm::Refusals => self.refusals,
            Harm::Complaints => self.complaints,
            Harm::Errors => self.errors,
        }
    }

    /// How many mails a share of that harm is a share of: those accepted for the customers' own words, also those refused
    /// for refusals, also those that came to nothing for errors.
    pub fn base(self, harm: Harm) -> u32 {
        match harm {
            Harm::Unsubscribes | Harm::Complaints => self.accepted,
            Harm::Refusals => self.accepted.saturating_add(self.refusals),
            Harm::Errors => (self.accepted)
                .saturating_add(self.refusals)
                .saturating_add(self.errors),
        }
    }

    fn each(self, other: Counts, of: fn(u32, u32) -> u32) -> Counts {
        Counts {
            accepted: of(self.accepted, other.accepted),
            unsubscribes: of(self.unsubscribes, other.unsubscribes),
            refusals: of(self.refusals, other.refusals),
            complaints: of(self.complaints, other.complaints),
            errors: of(self.errors, other.errors),
        }
    }

    pub fn plus(self, other: Counts) -> Counts {
        self.each(other, u32::saturating_add)
    }

    pub fn minus(self, other: Counts) -> Counts {
        self.each(other, u32::saturating_sub)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Measure {
    /// So many parts of 100,000, where there are at least so many mails.
    Share {
        parts: u32,
        of: u32,
    },
    Number(u32),
}

/// One limit: reached, the campaign pauses itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    measure: Measure,
    /// Counted over the present hour and so many before it.
    hours: u16,
}

impl Limit {
    /// How many hours before the present one count.
    pub fn hours(&self) -> u16 {
        self.hours
    }

    /// Whether `counts`, those of its hours, reach it.
    pub fn is_reached(&self, harm: Harm, counts: Counts) -> bool {
        let (many, of) = (counts.harm(harm), counts.base(harm));
        match self.measure {
            Measure::Number(most) => many >= most,
            Measure::Share { parts, of: least } => {
                let whole = u64::from(100 * PERCENT);
                of >= least && u64::from(many) * whole >= u64::from(parts) * u64::from(of)
            }
        }
    }

    fn parse(text: &str) -> Option<Limit> {
        let (much, within) = text.trim().rsplit_once(" in ")?;
        let within = Span::parse(within.trim()).ok()?.0;
        let hours = u16::try_from(within / HOUR).ok()?;
        if within % HOUR != 0 || !(1..=LONGEST).contains(&hours) {
            return None;
        }
        let measure = match much.split_once("% of at least ") {
            Some((share, least)) => Measure::Share {
                parts: parts_of(share.trim())?,
                of: least.trim().parse().ok().filter(|n| *n > 0)?,
            },
            None => Measure::Number(much.trim().parse().ok().filter(|n| *n > 0)?),
        };
        Some(Limit { measure, hours })
    }
}

/// Reads `2` or `0.3`: a percentage, to a thousandth of a percent.
fn parts_of(share: &str) -> Option<u32> {
    let (whole, rest) = share.split_once('.').unwrap_or((share, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 3 {
        return None;
    }
    let whole: u32 = whole.parse().ok().filter(|n| *n <= 100)?;
    let rest: u32 = format!("{rest:0<3}").parse().ok()?;
    let parts = whole * PERCENT + rest;
    (1..=100 * PERCENT).contains(&parts).then_some(parts)
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.measure {
            Measure::Number(most) => write!(f, "{most}")?,
            Measure::Share { parts, of } => {
                write!(f, "{}", parts / PERCENT)?;
                let rest = format!("{:03}", parts % PERCENT);
                let rest = rest.trim_end_matches('0');
                if !rest.is_empty() {
                    write!(f, ".{rest}")?;
                }
                write!(f, "% of at least {of}")?;
            }
        }
        write!(f, " in {}", Span::hours(i64::from(self.hours)))
    }
}

/// Limits of one kind, whichever is reached first; none: `"off"`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits(Vec<Limit>);

impl Limits {
    /// Reads `2% of at least 200 in 1d`, `50 in 1h`, both with ` or ` between them, or `off`.
    pub fn parse(text: &str) -> Result<Limits, String> {
        if text == "off" {
            return Ok(Limits::default());
        }
        let limits: Option<Vec<Limit>> = text.split(" or ").map(Limit::parse).collect();
        limits.map(Limits).ok_or_else(|| {
            format!(
                "{text:?} is no limit; write for example \"2% of at least 200 in 1d\", \"50 in 1h\", both with \" or \" between them, or \"off\"; the time is in whole hours, at most 7d"
            )
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.0.iter()
    }
}

/// What stands under `[breakers]`; what is not said is left to who says it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Breakers(BTreeMap<Harm, Limits>);

impl Breakers {
    pub fn set(&mut self, harm: Harm, limits: Limits) {
        self.0.insert(harm, limits);
    }

    pub fn get(&self, harm: Harm) -> Option<&Limits> {
        self.0.get(&harm)
    }

    /// The limits of a campaign that says `self`: its own, else the shop's. What somebody waits for (a receipt) the shop's
    /// stop only where it could not be composed: then it is lost otherwise.
    pub fn limits<'a>(
        &'a self,
        harm: Harm,
        class: Class,
        shop: &'a Breakers,
    ) -> Option<&'a Limits> {
        let of_shop = || match class {
            Class::Transactional if harm != Harm::Errors => None,
            _ => shop.get(harm),
        };
        self.get(harm).or_else(of_shop)
    }
}

/// A campaign has paused itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trip {
    pub at: Timestamp,
    pub harm: Harm,
    /// How many of them ...
    pub many: u32,
    /// ... among how many mails.
    pub of: u32,
    /// The limit, as it is written.
    pub limit: String,
    /// Whoever is to hear of it has been told, or nobody is.
    pub told: bool,
    /// Somebody has paused it since, too: that stays whatever becomes of this.
    pub by_hand: bool,
    /// Mails went to customers then; what trips in rehearsal goes with it.
    pub in_earnest: bool,
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trip {
            many, of, limit, ..
        } = self;
        match self.harm {
            Harm::Unsubscribes => write!(f, "{many} unsubscribed, of {of} mails")?,
            Harm::Refusals => write!(f, "{many} of {of} mails were refused by their recipients")?,
            Harm::Complaints => write!(f, "{many} complained, of {of} mails")?,
            Harm::Errors => write!(f, "{many} of {of} mails could not be composed")?,
        }
        write!(f, " (limit: {limit})")
    }
}

/// From when on a campaign is counted anew: in this hour, what stood there already does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Anew {
    pub hour: i64,
    pub before: Counts,
}

#[cfg(test)]
mod tests {
    use super::{Breakers, Counts, Harm, Limits};
    use crate::domain::preference::Class;

    #[test]
    fn limits_are_read_and_written_alike() {
        for text in [
            "2% of at least 200 in 1d",
            "0.3% of at least 1000 in 7d",
            "0.125% of at least 1 in 1h",
            "50 in 1h",
        ] {
            let limits = Limits::parse(text).unwrap();
            let written: Vec<String> = limits.iter().map(ToString::to_string).collect();
            assert_eq!(written, [text]);
        }
        let both = Limits::parse("2% of at least 200 in 1d or 50 in 2h").unwrap();
        assert_eq!(both.iter().count(), 2);
        assert_eq!(Limits::parse("off").unwrap(), Limits::default());
        for bad in [
            "",
            "2%",
            "2% of 200 in 1d",
            "2% of at least 0 in 1d",
            "0% of at least 10 in 1d",
            "101% of at least 10 in 1d",
            "0.0001% of at least 10 in 1d",
            "-1 in 1h",
            "0 in 1h",
            "5 in 30m",
            "5 in 8d",
            "5 in 1h or off",
        ] {
            assert!(Limits::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_share_needs_its_base_and_is_reached_exactly() {
        let limit = Limits::parse("2% of at least 200 in 1d").unwrap();
        let reached = |accepted, unsubscribes| {
            let counts = Counts {
                accepted,
                unsubscribes,
                ..Counts::default()
            };
            (limit.iter()).any(|l| l.is_reached(Harm::Unsubscribes, counts))
        };
        assert!(!reached(199, 199));
        assert!(!reached(200, 3));
        assert!(reached(200, 4));
        assert!(!reached(251, 5));
        assert!(reached(250, 5));
    }

    #[test]
    fn refusals_and_errors_are_shares_of_all_that_was_tried() {
        let counts = Counts {
            accepted: 80,
            refusals: 15,
            errors: 5,
            ..Counts::default()
        };
        assert_eq!(counts.base(Harm::Complaints), 80);
        assert_eq!(counts.base(Harm::Refusals), 95);
        assert_eq!(counts.base(Harm::Errors), 100);
    }

    #[test]
    fn a_campaign_replaces_single_limits() {
        let limits = |text| Limits::parse(text).unwrap();
        let (mut shop, mut own) = (Breakers::default(), Breakers::default());
        for harm in Harm::ALL {
            shop.set(harm, limits("10 in 1h"));
        }
        own.set(Harm::Refusals, limits("off"));
        let of = |harm, class| own.limits(harm, class, &shop).cloned();
        let advertising = Class::Advertising;
        assert_eq!(of(Harm::Refusals, advertising), Some(limits("off")));
        assert_eq!(of(Harm::Complaints, advertising), Some(limits("10 in 1h")));
        assert_eq!(of(Harm::Complaints, Class::Transactional), None);
        assert_eq!(
            of(Harm::Refusals, Class::Transactional),
            Some(limits("off"))
        );
        assert_eq!(
            of(Harm::Errors, Class::Transactional),
            Some(limits("10 in 1h"))
        );
    }
}
