//! Coupons: pools of codes, and the codes that a customer has had.
//!
//! A pool's codes are parted among as many shares as there are shards, each code by a hash of itself, so that a shard
//! takes from a share of its own and meets no other one there, and a code lies in the same share however its list is
//! edited. Which codes are given is the engine's to keep; which customer gets one is decided in [`super::react`].

use super::id::{CampaignId, PoolName, SHARDS};
use super::record::Record;
use super::rules::Rules;
use super::time::{Span, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// No pool has more codes.
pub const MOST_CODES: usize = 1_000_000;
/// The longest code.
pub const LONGEST: usize = 64;
/// How many letters a generated code has behind its prefix.
pub const LETTERS: Range<usize> = 6..17;
/// A generated code is one of so many for each that is a good one: whoever tries codes at random finds none.
const ODDS: f64 = 100_000.0;
/// Digits and capital letters that nobody takes for another: no 0, 1, I, L, O.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
/// So many codes are remembered of one customer.
const REMEMBERED: usize = 200;

/// What generated codes are made with: random bytes of the store's own, which nobody outside knows.
pub type Secret = [u8; 32];

/// All pools, by name.
pub type Pools = BTreeMap<PoolName, Arc<Pool>>;

/// One pool of `coupons.toml`.
#[derive(Clone, Debug)]
pub struct Pool {
    pub name: PoolName,
    /// Those that may be given: the first `most` of the list.
    pub codes: Codes,
    /// How long a code is good for, from when its mail was accepted; `None`: for ever.
    pub valid: Option<Span>,
    /// So many codes of it one customer gets at most, over all campaigns.
    pub most_each: Option<u32>,
    /// It runs low when fewer are left.
    pub warn_below: u64,
    /// Its name before.
    pub renamed_from: Option<PoolName>,
}

impl Pool {
    /// Whether codes told to be of the pool `name` are of this one.
    pub fn is_called(&self, name: &PoolName) -> bool {
        self.name == *name || self.renamed_from.as_ref() == Some(name)
    }
}

/// A list of codes.
#[derive(Clone, PartialEq, Eq)]
pub struct Codes {
    text: String,
    /// Where each code ends in the text.
    ends: Vec<u32>,
    /// Which codes lie in each share, in the list's order.
    shares: Vec<Vec<u32>>,
    hash: u64,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} codes ({:016x})", self.len(), self.hash)
    }
}

impl Codes {
    /// A list without duplicates.
    pub fn of<'c>(codes: impl IntoIterator<Item = &'c str>) -> Codes {
        let mut list = Codes {
            text: String::new(),
            ends: Vec::new(),
            shares: vec![Vec::new(); SHARDS as usize],
            hash: 0,
        };
        let mut hash = Xxh3::new();
        for (no, code) in (0..).zip(codes) {
            list.text.push_str(code);
            list.ends.push(list.text.len() as u32);
            list.shares[usize::from(share_of(code))].push(no);
            hash.update(same(code).as_bytes());
            hash.update(b"\n");
        }
        // 0 is kept for "by none".
        list.hash = hash.digest().max(1);
        list
    }

    /// The codes that a pool makes for itself: the first `count` of a list that secret, prefix and number of letters
    /// decide. So a larger count adds to it, and a pool under another name has the same.
    pub fn generated(secret: &Secret, prefix: &str, letters: usize, count: usize) -> Codes {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mut met = HashSet::with_capacity(count);
        let mut made: Vec<String> = Vec::with_capacity(count);
        let mut no = 0u64;
        while made.len() < count {
            let seed = format!("coupon/{prefix}/{letters}/{no}");
            let bytes = hmac::sign(&key, seed.as_bytes());
            // Two bytes a letter: 65,536 is not a multiple of 31, and the difference nobody could use.
            let pairs = bytes.as_ref().chunks_exact(2).take(letters);
            let letters = pairs.map(|pair| {
                let drawn = usize::from(pair[0]) << 8 | usize::from(pair[1]);
                char::from(ALPHABET[drawn % ALPHABET.len()])
            });
            let code: String = prefix.chars().chain(letters).collect();
            if met.insert(xxh3_64(code.as_bytes())) {
                made.push(code);
            }
            no += 1;
        }
        Codes::of(made.iter().map(String::as_str))
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Of the codes and their order; never 0.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn get(&self, no: u32) -> &str {
        let no = no as usize;
        let start = no.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[no] as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|no| self.get(no))
    }

    /// The codes of one share, in order.
    pub fn share(&self, share: u8) -> impl ExactSizeIterator<Item = &str> {
        self.shares[usize::from(share)]
            .iter()
            .map(|no| self.get(*no))
    }

    /// The code at a place of a share.
    pub fn at(&self, share: u8, place: usize) -> Option<&str> {
        let no = self.shares[usize::from(share)].get(place)?;
        Some(self.get(*no))
    }

    /// Where a code lies in its share.
    pub fn place(&self, code: &str) -> Option<usize> {
        let wanted = same(code);
        self.share(share_of(code)).position(|c| same(c) == wanted)
    }
}

/// What two ways to write one code share: shops take codes in capitals and not.
pub fn same(code: &str) -> String {
    code.to_ascii_uppercase()
}

/// Which share a code lies in, of whatever list it is.
pub fn share_of(code: &str) -> u8 {
    (xxh3_64(same(code).as_bytes()) % SHARDS) as u8
}

/// Whether so many generated codes are too easily guessed with so many letters; how many letters would do.
pub fn letters_wanted(letters: usize, count: usize) -> Option<usize> {
    let enough =
        |letters: usize| (ALPHABET.len() as f64).powi(letters as i32) >= count as f64 * ODDS;
    match enough(letters) {
        true => None,
        false => (LETTERS.into_iter()).find(|n| enough(*n)),
    }
}

/// What is wrong with a code, if anything is.
pub fn fault(code: &str) -> Option<&'static str> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if code.is_empty() {
        Some("there is no code on it")
    } else if code.len() > LONGEST {
        Some("it is longer than 64 characters")
    } else if !code.bytes().all(good) {
        Some("a code may hold letters A to Z, digits, \"-\", \"_\" and \".\" only")
    } else {
        None
    }
}

/// A code that a customer has, or had.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Coupon {
    pub pool: PoolName,
    pub campaign: CampaignId,
    pub code: String,
    /// When it was set aside for this customer.
    pub given: Timestamp,
    /// When the first mail with it was accepted, or may have been.
    pub sent: Option<Timestamp>,
    /// Until when it is good, where that is known and ends.
    pub until: Option<Timestamp>,
}

impl Coupon {
    /// Whether the campaign, writing again, names the same code again.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// The code of `pool` that the customer has of this campaign and that is still good.
pub fn standing<'r>(
    record: &'r Record,
    rules: &Rules,
    campaign: &CampaignId,
    pool: &Pool,
    now: Timestamp,
) -> Option<&'r Coupon> {
    let of = |c: &&Coupon| pool.is_called(&c.pool) && rules.present_name(&c.campaign) == campaign;
    (record.coupons.iter().rev())
        .filter(of)
        .find(|c| c.is_good(now))
}

/// Whether the customer has had as many codes of `pool` as one may have.
pub fn has_had_enough(record: &Record, pool: &Pool) -> bool {
    let of = record.coupons.iter().filter(|c| pool.is_called(&c.pool));
    (pool.most_each).is_some_and(|most| of.count() >= most as usize)
}

/// Takes note of one, in order of time; what was sent longest ago is forgotten first.
pub fn remember(coupons: &mut Vec<Coupon>, coupon: Coupon) {
    if coupons.iter().any(|c| same(&c.code) == same(&coupon.code)) {
        return;
    }
    coupons.push(coupon);
    coupons.sort_by_key(|c| c.given);
    while coupons.len() > REMEMBERED
        && let Some(oldest) = coupons.iter().position(|c| c.sent.is_some())
    {
        coupons.remove(oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::{ALPHABET, Codes, fault, letters_wanted, share_of};

    #[test]
    fn generated_codes_are_all_different_and_a_larger_count_adds_to_them() {
        let few = Codes::generated(&[7; 32], "TEA-", 8, 300);
        let more = Codes::generated(&[7; 32], "TEA-", 8, 3_000);
        assert!(few.iter().eq(more.iter().take(300)));
        let all: std::collections::BTreeSet<&str> = more.iter().collect();
        assert_eq!(all.len(), 3_000);
        for code in &all {
            let letters = code.strip_prefix("TEA-").unwrap();
            assert!(letters.len() == 8 && letters.bytes().all(|b| ALPHABET.contains(&b)));
        }
        // Nothing but the secret tells one from another.
        let other = Codes::generated(&[8; 32], "TEA-", 8, 300);
        assert!(other.iter().all(|code| !all.contains(code)));
        assert_ne!(few.hash(), other.hash());
    }

    #[test]
    fn every_code_lies_in_one_share_whatever_its_list() {
        let codes: Vec<String> = (0..5_000).map(|n| format!("C{n}")).collect();
        let all = Codes::of(codes.iter().map(String::as_str));
        let half = Codes::of(codes.iter().rev().step_by(2).map(String::as_str));
        let mut met = 0;
        for share in 0..64 {
            met += all.share(share).len();
            assert!(all.share(share).len() > 40, "share {share} is empty");
            for (place, code) in all.share(share).enumerate() {
                assert_eq!((share_of(code), all.place(code)), (share, Some(place)));
                assert_eq!(all.at(share, place), Some(code));
                assert_eq!(share_of(&code.to_lowercase()), share);
            }
            assert!(half.share(share).all(|code| share_of(code) == share));
        }
        assert_eq!(met, 5_000);
        assert_eq!(all.place("c17"), all.place("C17"));
        assert_eq!(half.place("nobody's"), None);
    }

    #[test]
    fn codes_that_could_be_guessed_are_refused() {
        assert_eq!(letters_wanted(8, 10_000), None);
        assert_eq!(letters_wanted(6, 10_000), Some(7));
        assert_eq!(letters_wanted(8, 1_000_000), None);
        assert_eq!(letters_wanted(6, 8_000), None);
        assert_eq!(fault("TEA-2024_x.1"), None);
        for bad in ["", "a b", "a\u{e9}", "<b>", "a,b", "\"a\"", &"x".repeat(65)] {
            assert!(fault(bad).is_some(), "{bad:?}");
        }
    }
}
