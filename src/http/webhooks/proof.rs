//! Whether a delivery comes from the shop: its signature over the bytes as they came, or the secret itself; compared in
//! constant time.

use crate::config::secret::Secret;
use crate::config::webhook::mapping::{Scheme, Signature};
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::hmac;

/// No proof is longer; whatever is need not be looked at.
const LONGEST: usize = 1_024;

pub fn holds(signature: &Signature, secret: &Secret, headers: &HeaderMap, body: &[u8]) -> bool {
    let mut shown = headers.get_all(signature.header.as_str()).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else {
        return false;
    };
    let Some(shown) = (shown.to_str().ok())
        .filter(|text| text.len() <= LONGEST)
        .and_then(|text| text.strip_prefix(&signature.prefix))
    else {
        return false;
    };
    let secret = secret.expose().as_bytes();
    let proof = match signature.scheme {
        Scheme::Shared => return alike(secret, shown.as_bytes()),
        Scheme::Base64 => STANDARD
            .decode(shown)
            .or_else(|_| STANDARD_NO_PAD.decode(shown))
            .ok(),
        Scheme::Hex => unhex(shown),
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    proof.is_some_and(|proof| hmac::verify(&key, body, &proof).is_ok())
}

/// Compared by their hashes, each to its last byte: the time tells neither where they differ nor how long either is.
fn alike(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (digest(&SHA256, one), digest(&SHA256, other));
    let pairs = one.as_ref().iter().zip(other.as_ref());
    let differs = pairs.fold(0, |acc, (a, b)| acc | (a ^ b));
    std::hint::black_box(differs) == 0
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = (text.chars())
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::holds;
    use crate::config::secret::Secret;
    use crate::config::webhook::mapping::{Scheme, Signature};
    use axum::http::{HeaderMap, HeaderValue};

    /// The second case of RFC 4231 §4.3.
    #[test]
    fn a_proof_is_of_these_bytes_and_this_secret() {
        let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let base64 = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";
        let body = b"what do ya want for nothing?";
        let check = |scheme, prefix: &str, secret: &str, shown: &[&str], body: &[u8]| {
            let signature = Signature {
                header: "x-proof".into(),
                scheme,
                prefix: prefix.into(),
            };
            let mut headers = HeaderMap::new();
            for shown in shown {
                headers.append("x-proof", HeaderValue::from_str(shown).unwrap());
            }
            holds(&signature, &Secret::new(secret), &headers, body)
        };
        assert!(check(Scheme::Hex, "", "Jefe", &[hex], body));
        assert!(check(Scheme::Hex, "", "Jefe", &[&hex.to_uppercase()], body));
        assert!(check(Scheme::Base64, "", "Jefe", &[base64], body));
        assert!(check(
            Scheme::Base64,
            "",
            "Jefe",
            &[base64.trim_end_matches('=')],
            body
        ));
        assert!(check(
            Scheme::Hex,
            "sha256=",
            "Jefe",
            &[&format!("sha256={hex}")],
            body
        ));
        assert!(check(Scheme::Shared, "", "Jefe", &["Jefe"], body));

        let long = "0".repeat(4_000);
        for shown in [hex, "", "=", "zz", "é", &hex[1..], &long, "sha256="] {
            assert!(
                !check(Scheme::Base64, "", "Jefe", &[shown], body),
                "{shown}"
            );
        }
        assert!(!check(Scheme::Hex, "", "Jefe", &[base64], body));
        assert!(!check(Scheme::Hex, "", "jefe", &[hex], body));
        assert!(!check(Scheme::Hex, "", "Jefe", &[hex], &body[1..]));
        assert!(!check(Scheme::Hex, "sha256=", "Jefe", &[hex], body));
        // None, and one too many.
        assert!(!check(Scheme::Hex, "", "Jefe", &[], body));
        assert!(!check(Scheme::Hex, "", "Jefe", &[hex, hex], body));
        for shown in ["Jef", "Jefee", "jefe", ""] {
            assert!(
                !check(Scheme::Shared, "", "Jefe", &[shown], body),
                "{shown}"
            );
        }
    }
}
