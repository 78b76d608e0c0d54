//! Holdouts and the control group: customers who are not written to on purpose, so that it can be measured what mails
//! bring about.
//!
//! Both are drawn by the documented hash ([`super::chance`]), each for a purpose of its own: a campaign's holdout by
//! campaign and customer, the control group by the customer alone. So they are independent of each other and of
//! variants, a larger share holds all of a smaller one, and somebody is on one side of a campaign through all its
//! entries. What was drawn is fixed for an entry at the first instant at which a message of it could leave, and kept:
//! a share that is changed later moves nobody who is on the way.

use super::campaign::Campaign;
use super::chance::{draw, draw_of_customer};
use super::id::{CustomerNo, EntryKey};
use super::ledger::Reason;
use super::preference::Class;
use super::record::{Entry, Message, MessageState};
use super::rules::Rules;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of customers: more than none of them and less than all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    percent: f64,
}

impl Share {
    /// Reads `5%`, `0.5%`.
    pub fn parse(text: &str) -> Result<Share, String> {
        let wrong = || {
            format!("{text:?} is no share; write for example \"5%\" (more than 0%, less than 100%)")
        };
        let percent = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim();
        let plain = |c: char| c.is_ascii_digit() || c == '.';
        if !percent.chars().all(plain) {
            return Err(wrong());
        }
        let percent: f64 = percent.parse().map_err(|_| wrong())?;
        match percent > 0.0 && percent < 100.0 {
            true => Ok(Share { percent }),
            false => Err(wrong()),
        }
    }

    /// Whether a draw from [0, 1) falls into it.
    pub fn holds(self, draw: f64) -> bool {
        draw < self.percent / 100.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent)
    }
}

/// What was drawn for an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Drawn {
    /// In the campaign's holdout.
    pub holdout: bool,
    /// In the control group.
    pub control: bool,
}

impl Drawn {
    /// What is drawn for a customer in a campaign by the shares that are in force.
    pub fn of(customer: CustomerNo, campaign: &Campaign, rules: &Rules) -> Drawn {
        // By no entry: a customer's next entry is on the same side.
        let every = EntryKey::default();
        let drawn = || draw(&rules.salt, "holdout", &campaign.id, customer, &every);
        Drawn {
            holdout: (campaign.limits.holdout).is_some_and(|share| share.holds(drawn())),
            control: is_control(customer, rules),
        }
    }

    /// Why a message of this class is not sent, if it isn't. Who is in both groups counts for the control group, so
    /// that a campaign's holdout differs from those it writes to in nothing but that campaign.
    pub fn withholds(self, class: Class) -> Option<Reason> {
        match (self.control && class == Class::Advertising, self.holdout) {
            (true, _) => Some(Reason::Control),
            (false, true) => Some(Reason::Holdout),
            (false, false) => None,
        }
    }
}

/// Whether the customer is in the control group, by the share that is in force.
pub fn is_control(customer: CustomerNo, rules: &Rules) -> bool {
    let drawn = || draw_of_customer(&rules.salt, "control", customer);
    (rules.shop.control).is_some_and(|share| share.holds(drawn()))
}

/// Why `message` of this entry is not sent, or would not be, once policy lets it go. What was attempted, what goes to
/// staff, and what somebody has who was merged into another, is never withheld.
pub fn withheld(
    message: &Message,
    entry: Option<&Entry>,
    customer: CustomerNo,
    campaign: &Campaign,
    rules: &Rules,
) -> Option<Reason> {
    if message.state != MessageState::Waiting || message.staff.is_some() {
        return None;
    }
    let known = entry.and_then(|e| e.drawn);
    let drawn = known.unwrap_or_else(|| Drawn::of(customer, campaign, rules));
    drawn.withholds(message.class)
}

/// Who is meant, in words.
pub fn who(reason: Reason, campaign: &Campaign, rules: &Rules) -> String {
    match reason {
        Reason::Control => (rules.shop.control)
            .map_or_else(String::new, |share| format!("{share} of all customers")),
        _ => (campaign.limits.holdout)
            .map_or_else(String::new, |share| format!("{share} of its customers")),
    }
}

#[cfg(test)]
mod tests {
    use super::Share;
    use crate::domain::chance::{draw, draw_of_customer};
    use crate::domain::id::{CampaignId, CustomerNo, EntryKey};

    #[test]
    fn shares_are_more_than_none_and_less_than_all() {
        for good in ["5%", "0.5 %", " 99.9%"] {
            assert!(Share::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "5",
            "0%",
            "100%",
            "-1%",
            "nan%",
            "inf%",
            "1e1%",
            "%",
            "5 % of all",
        ] {
            assert!(Share::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Share::parse("2.5%").unwrap().to_string(), "2.5 %");
    }

    /// A larger share holds all of a smaller one; holdouts of two campaigns, the control group and the draw of a variant
    /// have nothing to do with each other.
    #[test]
    fn groups_are_nested_as_they_grow_and_independent_of_each_other() {
        let salt = [7; 16];
        let (a, b) = (
            CampaignId::parse("a").unwrap(),
            CampaignId::parse("b").unwrap(),
        );
        let key = EntryKey::default();
        let (small, large) = (Share::parse("20%").unwrap(), Share::parse("50%").unwrap());
        let n = 20_000;
        let mut pairs = [0_u32; 3];
        let mut held = 0;
        for no in (0..n).map(CustomerNo) {
            let one = draw(&salt, "holdout", &a, no, &key);
            assert!(!small.holds(one) || large.holds(one));
            held += u32::from(small.holds(one));
            let others = [
                draw(&salt, "holdout", &b, no, &key),
                draw_of_customer(&salt, "control", no),
                draw(&salt, "variant/mail", &a, no, &key),
            ];
            for (pair, other) in pairs.iter_mut().zip(others) {
                *pair += u32::from(small.holds(one) && large.holds(other));
            }
        }
        assert!((3_800..4_200).contains(&held), "{held}");
        // A tenth of all is in both; by four standard deviations.
        assert!(
            pairs.iter().all(|p| (1_830..2_170).contains(p)),
            "{pairs:?}"
        );
    }
}
