//! Chance for the sample shop: SplitMix64 (Steele, Lea, Flood 2014), a counter stepped by the golden ratio and mixed.
//! Whole numbers only, so that every machine throws alike. Not for anything that must not be guessed.

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

pub(super) struct Dice {
    state: u64,
}

impl Dice {
    /// The throws of `stream` under `seed`.
    pub fn new(seed: u64, stream: u64) -> Dice {
        let start = mix(seed.wrapping_add(STEP)) ^ mix(stream.wrapping_mul(STEP).wrapping_add(1));
        Dice { state: start }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// 0..n; 0 for n = 0. (Its unevenness, n / 2^64, is beneath notice here.)
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// low..=high; `low` where there is no room.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let room = high.saturating_sub(low).max(0) as u64;
        low + self.below(room + 1) as i64
    }

    pub fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// An index, drawn by weight.
    pub fn weighed(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (i, weight) in weights.iter().enumerate() {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return i,
            }
        }
        0
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn throws_are_fixed_and_even() {
        let mut dice = Dice::new(1, 2);
        let mut counts = [0u32; 6];
        for _ in 0..6_000 {
            counts[dice.below(6) as usize] += 1;
        }
        assert!(
            counts.iter().all(|n| (880..1_120).contains(n)),
            "{counts:?}"
        );
        let mut heavy = 0;
        for _ in 0..1_000 {
            heavy += u32::from(dice.weighed(&[1, 0, 3]) == 2);
        }
        assert!((680..820).contains(&heavy), "{heavy}");
        assert!((0..100).all(|_| (-3..=3).contains(&dice.between(-3, 3))));
        assert_eq!(dice.between(5, 1), 5);
    }
}
