//! How much more often those reach the goal who are written to than those who are held out.

use super::rate::{FEW, Rate};
use serde::Serialize;

/// The difference of two shares of customers, with its 95 % interval: Newcombe's hybrid score interval (method 10 of
/// R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17
/// (1998), 873-890), which is made of the two Wilson intervals and so holds for small numbers and at the ends.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Lift {
    pub written_to: Rate,
    pub held_out: Rate,
    /// From -1 to 1; none where one of the two has nobody.
    pub difference: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// False: too few to tell, or the interval has nought in it.
    pub tells: bool,
    /// The same in words.
    pub text: String,
}

impl Lift {
    pub fn new(written_to: Rate, held_out: Rate) -> Lift {
        let interval = newcombe(&written_to, &held_out);
        let enough = written_to.of >= FEW && held_out.of >= FEW;
        let apart = interval.is_some_and(|(_, low, high)| low > 0.0 || high < 0.0);
        let text = match interval {
            Some((difference, low, high)) if enough => {
                let points = |share: f64| share * 100.0;
                let shown = format!(
                    "{:+.1} points ({:+.1} to {:+.1})",
                    points(difference),
                    points(low),
                    points(high)
                );
                match (apart, difference > 0.0) {
                    (true, true) => format!("{shown}: those written to reach it more often"),
                    (true, false) => format!("{shown}: those written to reach it less often"),
                    (false, _) => format!("no difference can be told yet: {shown}"),
                }
            }
            _ => format!(
                "too few to tell ({} written to, {} held out)",
                written_to.of, held_out.of
            ),
        };
        Lift {
            difference: interval.map(|(difference, ..)| difference),
            low: interval.map(|(_, low, _)| low),
            high: interval.map(|(.., high)| high),
            tells: enough && apart,
            text,
            written_to,
            held_out,
        }
    }
}

/// The difference and its interval.
fn newcombe(one: &Rate, other: &Rate) -> Option<(f64, f64, f64)> {
    let (p, l, u) = (one.rate?, one.low?, one.high?);
    let (q, m, v) = (other.rate?, other.low?, other.high?);
    let difference = p - q;
    let low = difference - ((p - l).powi(2) + (v - q).powi(2)).sqrt();
    let high = difference + ((u - p).powi(2) + (q - m).powi(2)).sqrt();
    Some((difference, low, high))
}

#[cfg(test)]
mod tests {
    use super::Lift;
    use crate::report::Rate;

    #[test]
    fn intervals_are_those_of_the_paper() {
        // Newcombe 1998, table II, method 10.
        for (one, other, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
            ((10, 10), (0, 20), 0.6791, 1.0),
        ] {
            let rate = |(count, of)| Rate::new(count, of);
            let lift = Lift::new(rate(one), rate(other));
            let near = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 0.000_06;
            assert!(near(lift.low, low) && near(lift.high, high), "{lift:?}");
        }
    }

    #[test]
    fn a_lift_is_told_only_where_it_can_be() {
        let text = |one: (u64, u64), other: (u64, u64)| {
            Lift::new(Rate::new(one.0, one.1), Rate::new(other.0, other.1)).text
        };
        assert_eq!(
            text((9, 10), (300, 1000)),
            "too few to tell (10 written to, 1000 held out)"
        );
        assert_eq!(
            text((5, 50), (0, 0)),
            "too few to tell (50 written to, 0 held out)"
        );
        assert_eq!(
            text((200, 1000), (100, 1000)),
            "+10.0 points (+6.9 to +13.1): those written to reach it more often"
        );
        assert!(text((100, 1000), (200, 1000)).ends_with("less often"));
        assert_eq!(
            text((100, 1000), (100, 1000)),
            "no difference can be told yet: +0.0 points (-2.6 to +2.6)"
        );
    }
}
