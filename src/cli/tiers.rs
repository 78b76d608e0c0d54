//! What a year's spending makes a customer of high and of middle value, in the shop's own money: the figures of the tags
//! and segments that a project begins with. A thousand is much in dollars and the price of a pencil in won.

use super::screen::{counted, grouped};
use crate::engine::intake::orders::Spending;
use std::borrow::Cow;

/// Where the figures stand in the files that are shipped, and what is said there of them.
const TAGS: &str = "campaigns/tags.toml";
const SEGMENTS: &str = "campaigns/segments.toml";
const SHIPPED: &str = "The figures are for dollars, pounds and euros; other money has other ones.";
const HIGH: &str = "\">= 1000\"";
const MIDDLE: &str = "\">= 300\"";

/// With fewer customers who ordered, a tenth of them says nothing.
const ENOUGH: usize = 20;

/// Where a year's spending is of high and of middle value.
#[derive(Clone, PartialEq, Debug)]
pub struct Tiers {
    high: f64,
    middle: f64,
    why: String,
}

impl Tiers {
    /// Such as suit a currency, by its code.
    pub fn usual(currency: Option<&str>) -> Tiers {
        let code = currency.map(|code| code.trim().to_uppercase());
        let (high, middle, money) = match code.as_deref() {
            Some("KRW" | "WON" | "원" | "₩") => (1_000_000.0, 300_000.0, "won"),
            Some("JPY" | "YEN" | "円" | "¥") => (100_000.0, 30_000.0, "yen"),
            _ => return Tiers::shipped(),
        };
        Tiers {
            high,
            middle,
            why: format!("The figures are for {money}."),
        }
    }

    fn shipped() -> Tiers {
        Tiers {
            high: 1_000.0,
            middle: 300.0,
            why: SHIPPED.to_owned(),
        }
    }

    /// Such that the top tenth of those who ordered in a year are of high value, and the next three tenths of middle;
    /// `None` where too few did, or all spent about the same.
    pub fn of(spending: &Spending) -> Option<Tiers> {
        let sums = &spending.sums;
        if sums.len() < ENOUGH {
            return None;
        }
        // Whoever stands just within the top so many in a hundred.
        let top = |share: usize| {
            let many = (sums.len() * share / 100).max(1);
            sums.get(sums.len() - many).copied()
        };
        let (high, middle) = (round(top(10)?), round(top(40)?));
        (middle > 0.0 && middle < high).then(|| Tiers {
            high,
            middle,
            why: format!(
                "By the export: of {} who ordered in the year up to {}, about a tenth spent {} or more, four tenths {}.",
                counted(sums.len() as u64, "customer", "customers"),
                spending.until.to_string().split('T').next().unwrap_or_default(),
                shown(high),
                shown(middle),
            ),
        })
    }

    /// Where the figures come from.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// A shipped file with these figures.
    pub fn put<'a>(&self, path: &str, text: &'a str) -> Cow<'a, str> {
        if *self == Tiers::shipped() || !matches!(path, TAGS | SEGMENTS) {
            return Cow::Borrowed(text);
        }
        let is = |figure: f64| format!("\">= {figure}\"");
        let text = text
            .replace(SHIPPED, &self.why)
            .replace(HIGH, &is(self.high))
            .replace(MIDDLE, &is(self.middle));
        Cow::Owned(text)
    }
}

/// Two digits and noughts, rounded down, so that whoever stands at the edge is within.
fn round(sum: f64) -> f64 {
    let step = 10f64.powf(sum.log10().floor() - 1.0);
    // The quotient of two like numbers may fall a hair short of a whole one.
    let rounded = (sum / step + 1e-9).floor() * step;
    (rounded * 1e6).round() / 1e6
}

/// `137000` as `137,000`; a fraction as it is.
fn shown(sum: f64) -> String {
    match sum.fract() == 0.0 && sum < 9e15 {
        true => grouped(sum as u64),
        false => sum.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{HIGH, MIDDLE, SEGMENTS, SHIPPED, TAGS, Tiers, round};
    use crate::domain::time::Timestamp;
    use crate::engine::intake::orders::Spending;
    use std::path::Path;

    fn text(path: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    }

    #[test]
    fn the_figures_of_the_shipped_files_are_those_that_are_replaced() {
        let times = |path: &str, what: &str| text(path).matches(what).count();
        assert_eq!([HIGH, MIDDLE, SHIPPED].map(|s| times(TAGS, s)), [1, 1, 1]);
        assert_eq!(
            [HIGH, MIDDLE, SHIPPED].map(|s| times(SEGMENTS, s)),
            [0, 1, 1]
        );
        let tags = text(TAGS);
        assert_eq!(Tiers::usual(Some("GBP")).put(TAGS, &tags), tags);
        assert_eq!(
            Tiers::usual(Some("JPY")).put("campaigns/x.toml", HIGH),
            HIGH
        );
    }

    #[test]
    fn the_examples_have_the_shipped_sets_in_won() {
        for path in [TAGS, SEGMENTS] {
            let shipped = text(path);
            let won = Tiers::usual(Some("KRW")).put(path, &shipped);
            assert_ne!(won, shipped);
            let example = text(&format!("examples/{path}"));
            assert!(won == example, "examples/{path} is not {path} in won");
        }
    }

    #[test]
    fn figures_are_picked_where_enough_spent_otherwise() {
        let until = Timestamp::parse_rfc3339("2026-03-05T03:00:00Z").unwrap();
        let of = |sums: Vec<f64>| Tiers::of(&Spending { until, sums });
        let sums: Vec<f64> = (1..=1_000).map(|n| f64::from(n) * 1_234.0).collect();
        let found = of(sums.clone()).unwrap();
        // 1,111,834 and 741,634, rounded down: a tenth is within, and a little more.
        assert_eq!((found.high, found.middle), (1_100_000.0, 740_000.0));
        let within = |least: f64| sums.iter().filter(|sum| **sum >= least).count();
        assert!((100..=110).contains(&within(found.high)));
        let tags = text(TAGS);
        let put = found.put(TAGS, &tags);
        assert!(put.contains("is     = \">= 1100000\"") && put.contains("is = \">= 740000\""));
        assert!(
            put.contains("of 1,000 customers who ordered in the year up to 2026-03-05"),
            "{put}"
        );
        // Cents, too.
        let cents = of((1..=40).map(|n| f64::from(n) * 0.29).collect()).unwrap();
        assert_eq!((cents.high, cents.middle), (10.0, 7.2));
        assert_eq!(of(sums[..19].to_vec()), None, "too few");
        assert_eq!(of(vec![12_000.0; 500]), None, "all the same");
        assert_eq!(
            [0.85, 7.0, 999.0, 12_345.0].map(round),
            [0.85, 7.0, 990.0, 12_000.0]
        );
    }
}
