//! A share of a number of messages, and what can be told from it.

use serde::Serialize;

/// Of fewer than this nothing is told but the count.
pub(super) const FEW: u64 = 30;

/// The 97.5th percentile of the normal distribution: 95 % lie between it and its opposite.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many, with the 95 % interval (Wilson's score interval, which holds for small numbers and at the ends).
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rate {
    pub count: u64,
    pub of: u64,
    /// From 0 to 1; none of none.
    pub rate: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// False: too few to tell.
    pub tells: bool,
    /// The same in words.
    pub text: String,
}

impl Rate {
    pub fn new(count: u64, of: u64) -> Rate {
        let rate = (of > 0).then(|| count as f64 / of as f64);
        let interval = wilson(count, of);
        let tells = of >= FEW;
        let text = match (rate, interval) {
            (None, _) | (_, None) => "none yet".to_owned(),
            (Some(_), Some(_)) if !tells => format!("too few to tell ({count} of {of})"),
            (Some(rate), Some((low, high))) => format!(
                "{:.1} % of {of} ({:.1} to {:.1} %)",
                rate * 100.0,
                low * 100.0,
                high * 100.0
            ),
        };
        Rate {
            count,
            of,
            rate,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            tells,
            text,
        }
    }

    /// Whether this share is surely larger than the other.
    pub fn surpasses(&self, other: &Rate) -> bool {
        let apart = (self.low.zip(other.high)).is_some_and(|(low, high)| low > high);
        self.tells && other.tells && apart
    }
}

fn wilson(count: u64, of: u64) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    let (n, share) = (of as f64, count as f64 / of as f64);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let middle = share + Z * Z / (2.0 * n);
    let whole = 1.0 + Z * Z / n;
    let low = ((middle - spread) / whole).max(0.0);
    let high = ((middle + spread) / whole).min(1.0);
    // Rounding must not put the share itself outside.
    Some((low.min(share), high.max(share)))
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Newcombe 1998 (Statistics in Medicine 17), table I, method 3.
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = Rate::new(count, of);
            let near = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 0.000_06;
            assert!(near(rate.low, low) && near(rate.high, high), "{rate:?}");
        }
    }

    #[test]
    fn too_few_are_said_to_be() {
        assert_eq!(Rate::new(3, 12).text, "too few to tell (3 of 12)");
        assert_eq!(Rate::new(0, 0).text, "none yet");
        assert_eq!(Rate::new(50, 100).text, "50.0 % of 100 (40.4 to 59.6 %)");
        assert!(Rate::new(60, 100).surpasses(&Rate::new(20, 100)));
        assert!(!Rate::new(60, 100).surpasses(&Rate::new(50, 100)));
        assert!(!Rate::new(12, 12).surpasses(&Rate::new(0, 12)));
        for count in 0..=40 {
            let rate = Rate::new(count, 40);
            assert!(rate.low <= rate.rate && rate.rate <= rate.high, "{rate:?}");
        }
    }
}
