//! Message-IDs: made from what the message *is*, so that a resend after a crash bears the same one, and keyed with
//! the store's salt, so that nobody can guess another customer's.

use crate::domain::id::MessageRef;
use ring::hmac;

/// The Message-ID of `message`, without angle brackets: 128 bits of HMAC-SHA-256 as hex, `@`, `domain`
/// (RFC 5322 §3.6.4). The same salt, message and domain always give the same.
pub fn message_id(salt: &[u8], message: MessageRef, domain: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    let mut input = Vec::with_capacity(32);
    input.extend_from_slice(b"reveille message-id 1\0");
    input.extend_from_slice(&message.customer.0.to_be_bytes());
    input.extend_from_slice(&message.message.0.to_be_bytes());
    let tag = hmac::sign(&key, &input);
    format!("{}@{domain}", hex(&tag.as_ref()[..16]))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::message_id;
    use crate::domain::id::{CustomerNo, MessageNo, MessageRef};
    use std::collections::BTreeSet;

    fn id(salt: &[u8], customer: u64, message: u32) -> String {
        let message = MessageRef {
            customer: CustomerNo(customer),
            message: MessageNo(message),
        };
        message_id(salt, message, "shop.example")
    }

    #[test]
    fn a_message_has_one_id_and_no_two_share_it() {
        assert_eq!(id(b"salt", 7, 1), id(b"salt", 7, 1));
        assert_ne!(id(b"salt", 7, 1), id(b"pepper", 7, 1));
        let all: BTreeSet<String> = (0..100)
            .flat_map(|c| (0..100).map(move |m| id(b"salt", c, m)))
            .collect();
        assert_eq!(all.len(), 10_000);
        assert!(
            all.iter()
                .all(|id| id.len() == 32 + 1 + "shop.example".len())
        );
    }
}
