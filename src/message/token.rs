//! Tokens: what stands in a public link and says by itself who it is for, which message it came in and what it is for.
//! Signed, so that none can be guessed or altered; without a date of expiry, since a mail may be read years later; and
//! resting on nothing but the keys, so that they outlive the campaign's file and a move to another host.
//!
//! Keys are random and kept in the store (the engine reads and rotates them). The newest one signs, all of them are read.

use crate::domain::id::{CustomerNo, MessageNo, TopicId};
use crate::domain::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Bytes of the signature: half of an HMAC-SHA-256, 128 bits (RFC 2104 §5).
const MAC: usize = 16;
/// The longest text that is looked at.
const LONGEST: usize = 4_096;

/// What a link is for. New kinds go to the end: a kind's place is part of the signed bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Token {
    /// The customer's preference centre.
    Preferences {
        customer: CustomerNo,
        message: Option<MessageNo>,
    },
    /// Leave a topic, or (`None`) advertising as a whole: the unsubscribe page, and one-click (RFC 8058).
    Unsubscribe {
        customer: CustomerNo,
        message: Option<MessageNo>,
        topic: Option<TopicId>,
    },
    /// Confirm the subscription to a topic that was asked for then (double opt-in).
    Confirm {
        customer: CustomerNo,
        topic: TopicId,
        asked: Timestamp,
        message: Option<MessageNo>,
    },
    /// The pixel of a message.
    Open {
        customer: CustomerNo,
        message: MessageNo,
    },
    /// A link of a message, by its place in it; the address it leads to is signed too, so that nobody can make a link
    /// of ours lead elsewhere.
    Click {
        customer: CustomerNo,
        message: MessageNo,
        link: u16,
        url: String,
    },
}

impl Token {
    pub fn customer(&self) -> CustomerNo {
        match self {
            Token::Preferences { customer, .. }
            | Token::Unsubscribe { customer, .. }
            | Token::Confirm { customer, .. }
            | Token::Open { customer, .. }
            | Token::Click { customer, .. } => *customer,
        }
    }

    /// The message that it came in.
    pub fn message(&self) -> Option<MessageNo> {
        match self {
            Token::Preferences { message, .. }
            | Token::Unsubscribe { message, .. }
            | Token::Confirm { message, .. } => *message,
            Token::Open { message, .. } | Token::Click { message, .. } => Some(*message),
        }
    }
}

/// A key and its number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKey {
    pub number: u8,
    pub secret: [u8; 32],
}

/// The keys, oldest first; never empty. The last one signs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeys(Vec<TokenKey>);

/// Secrets stand in no log.
impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKeys({} keys)", self.0.len())
    }
}

impl TokenKeys {
    pub fn new(secret: [u8; 32]) -> TokenKeys {
        TokenKeys(vec![TokenKey { number: 1, secret }])
    }

    /// A new key signs from now on; what the older ones signed is still read. Of 255 none is given up for another: that
    /// would make links of old mails lead nowhere.
    pub fn rotate(&mut self, secret: [u8; 32]) -> Result<(), NoMoreKeys> {
        let last = self.0.last().map_or(0, |key| key.number);
        let number = last.checked_add(1).ok_or(NoMoreKeys)?;
        self.0.push(TokenKey { number, secret });
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The token as it stands in a link: letters, digits, `-` and `_`.
    pub fn sign(&self, token: &Token) -> String {
        let Some(key) = self.0.last() else {
            return String::new();
        };
        let mut bytes = vec![key.number];
        // Numbers and texts into memory; nothing in it can fail.
        bytes.extend(postcard::to_stdvec(token).expect("a token is plain data"));
        let mac = hmac::sign(&key.hmac(), &bytes);
        bytes.extend(&mac.as_ref()[..MAC]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a text says, if we signed it; compared in constant time. Nothing tells a forged text from a broken one.
    pub fn read(&self, text: &str) -> Option<Token> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        let (number, payload) = signed.split_first()?;
        let key = self.0.iter().find(|key| key.number == *number)?;
        let good = hmac::sign(&key.hmac(), signed);
        let differs = (mac.iter().zip(good.as_ref())).fold(0, |acc, (a, b)| acc | (a ^ b));
        if std::hint::black_box(differs) != 0 {
            return None;
        }
        match postcard::take_from_bytes(payload) {
            Ok((token, [])) => Some(token),
            _ => None,
        }
    }
}

/// A key's number is one byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "there are 255 keys already, and each may still be needed to read the links of an old mail: no other is made"
)]
pub struct NoMoreKeys;

/// The keys in force, where a new one may come in while links are made and read.
#[derive(Debug)]
pub struct KeyRing(RwLock<TokenKeys>);

impl KeyRing {
    pub fn new(keys: TokenKeys) -> KeyRing {
        KeyRing(RwLock::new(keys))
    }

    /// As [`TokenKeys::sign`].
    pub fn sign(&self, token: &Token) -> String {
        self.keys().sign(token)
    }

    /// As [`TokenKeys::read`].
    pub fn read(&self, text: &str) -> Option<Token> {
        self.keys().read(text)
    }

    pub fn replace(&self, keys: TokenKeys) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    // Nothing that holds the lock panics half-way through a change.
    fn keys(&self) -> RwLockReadGuard<'_, TokenKeys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenKey {
    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::{NoMoreKeys, Token, TokenKeys};
    use crate::domain::id::{CustomerNo, MessageNo, TopicId};
    use crate::domain::time::Timestamp;

    fn all() -> Vec<Token> {
        let (customer, message) = (CustomerNo(70_000), MessageNo(3));
        vec![
            Token::Preferences {
                customer,
                message: None,
            },
            Token::Unsubscribe {
                customer,
                message: Some(message),
                topic: Some(TopicId::parse("offers").unwrap()),
            },
            Token::Confirm {
                customer,
                topic: TopicId::parse("offers").unwrap(),
                asked: Timestamp(1_772_000_000_000),
                message: Some(message),
            },
            Token::Open { customer, message },
            Token::Click {
                customer,
                message,
                link: 2,
                url: "https://shop.example/사과?a=1&b=2".into(),
            },
        ]
    }

    #[test]
    fn a_token_says_what_was_signed_and_stands_in_a_link_as_it_is() {
        let keys = TokenKeys::new([7; 32]);
        for token in all() {
            let text = keys.sign(&token);
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            );
            assert_eq!(keys.read(&text), Some(token));
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_makes_it_nobodys() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let keys = TokenKeys::new([7; 32]);
        for token in all() {
            let bytes = URL_SAFE_NO_PAD.decode(keys.sign(&token)).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut other = bytes.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(keys.read(&URL_SAFE_NO_PAD.encode(other)), None);
            }
            for shorter in 0..bytes.len() {
                assert_eq!(keys.read(&URL_SAFE_NO_PAD.encode(&bytes[..shorter])), None);
            }
            assert_eq!(TokenKeys::new([8; 32]).read(&keys.sign(&token)), None);
        }
        for text in ["", "-", "%00", "사과", &"A".repeat(10_000)] {
            assert_eq!(keys.read(text), None);
        }
    }

    #[test]
    fn a_new_key_signs_and_the_older_ones_are_read() {
        let mut keys = TokenKeys::new([7; 32]);
        let old = keys.sign(&all()[0]);
        keys.rotate([8; 32]).unwrap();
        let new = keys.sign(&all()[0]);
        assert_ne!(old, new);
        assert_eq!(keys.read(&old), keys.read(&new));
        for n in 3..=255u8 {
            keys.rotate([n; 32]).unwrap();
            assert_eq!(keys.read(&keys.sign(&all()[3])), Some(all()[3].clone()));
        }
        assert_eq!(keys.count(), 255);
        let before = keys.clone();
        assert_eq!(keys.rotate([0; 32]), Err(NoMoreKeys));
        assert!(keys == before, "the oldest is not given up for it");
        assert_eq!(keys.read(&old), Some(all()[0].clone()));
    }
}
