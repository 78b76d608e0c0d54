//! Who sends: the key that a request shows, and what config.toml says of it.
//!
//! Every declared key is compared, each to its last byte, so that how long an answer takes tells nothing of the keys.

use crate::config::http::KeySettings;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;

/// No key is longer; whatever is need not be hashed.
const LONGEST: usize = 512;

/// What the headers of a request show.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented {
    /// Nothing; the body may hold a `writeKey`.
    None,
    Key(String),
    /// Something that is no key.
    Unreadable,
}

impl Presented {
    /// Basic (`KEY:`, the password left out) or Bearer (RFC 7617, RFC 6750).
    pub fn of(headers: &HeaderMap) -> Presented {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Presented::None;
        };
        let read = || {
            let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
            let rest = rest.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                return Some(rest.to_owned());
            }
            if !scheme.eq_ignore_ascii_case("basic") {
                return None;
            }
            let bytes = (STANDARD.decode(rest))
                .or_else(|_| STANDARD_NO_PAD.decode(rest))
                .ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let user = text.split_once(':').map_or(text.as_str(), |(user, _)| user);
            Some(user.to_owned())
        };
        read().map_or(Presented::Unreadable, Presented::Key)
    }
}

/// The declared key that this text is.
pub fn find<'a>(
    keys: &'a BTreeMap<String, KeySettings>,
    text: &str,
) -> Option<(&'a str, &'a KeySettings)> {
    if text.len() > LONGEST {
        return None;
    }
    let shown = digest(&SHA256, text.as_bytes());
    let mut found = None;
    for (name, key) in keys {
        let pairs = key.sha256.iter().zip(shown.as_ref());
        let differs = pairs.fold(0, |acc, (a, b)| acc | (a ^ b));
        if std::hint::black_box(differs) == 0 {
            found = Some((name.as_str(), key));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Presented, find};
    use crate::config::http::{KeySettings, May};
    use axum::http::{HeaderMap, HeaderValue, header};
    use ring::digest::{SHA256, digest};
    use std::collections::BTreeMap;

    fn of(value: &'static str) -> Presented {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        Presented::of(&headers)
    }

    #[test]
    fn a_key_is_read_from_each_scheme() {
        let is = |value, text: &str| assert!(of(value) == Presented::Key(text.into()), "{value}");
        is("Basic a2V5Og==", "key");
        is("basic a2V5Og", "key");
        is("Basic a2V5", "key");
        is("Basic a2V5OnB3", "key");
        is("Bearer key", "key");
        for value in ["key", "Basic", "Basic ?", "Digest a2V5Og==", "Basic /w=="] {
            assert!(of(value) == Presented::Unreadable, "{value}");
        }
        assert!(Presented::of(&HeaderMap::new()) == Presented::None);
    }

    #[test]
    fn only_the_whole_key_is_the_key() {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, b"secret").as_ref());
        let may = vec![May::Track];
        let keys = BTreeMap::from([("web".to_owned(), KeySettings { sha256, may })]);
        assert_eq!(find(&keys, "secret").unwrap().0, "web");
        for text in ["", "secre", "secret ", "Secret"] {
            assert!(find(&keys, text).is_none(), "{text}");
        }
        assert!(find(&BTreeMap::new(), "secret").is_none());
    }
}
