//! The names of things: each a type of its own, made only by `parse`, so that later code needs no checks.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many shards customers are spread over. Part of every key: changing it means rewriting the store.
pub const SHARDS: u64 = 64;

/// A customer's internal number, given at first sight and used in all keys and rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CustomerNo(pub u64);

impl CustomerNo {
    pub fn shard(self) -> ShardNo {
        ShardNo((self.0 % SHARDS) as u8)
    }
}

/// One of the [`SHARDS`] parts of the customer base; each has one writer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ShardNo(pub u8);

impl ShardNo {
    pub fn all() -> impl Iterator<Item = ShardNo> {
        (0..SHARDS as u8).map(ShardNo)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(String);

        impl $name {
            /// Checks and takes `text`; the error says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, String> {
                let ok: fn(&str) -> Result<(), String> = $ok;
                ok(text).map_err(|why| format!("{} {:?} {why}", $what, clip(text)))?;
                Ok($name(text.to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

fn free_text(text: &str, most: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("is empty".into())
    } else if text.len() > most {
        Err(format!("is longer than {most} bytes"))
    } else if text.chars().any(char::is_control) {
        Err("holds a control character".into())
    } else {
        Ok(())
    }
}

fn slug(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() {
        Err("is empty".into())
    } else if text.len() > 100 {
        Err("is longer than 100 bytes".into())
    } else if !text.chars().all(good) {
        Err("may hold letters, digits, \"-\" and \"_\" only".into())
    } else {
        Ok(())
    }
}

text_id!(
    /// The shop's own name for a customer, as its systems know them: up to 200 bytes of text. Somebody who has not told
    /// who they are yet has an anonymous one ([`CustomerId::anonymous`]), which no `parse` makes.
    CustomerId,
    "the customer id",
    |t| match t.starts_with(ANONYMOUS) {
        true => Err(format!(
            "begins with {ANONYMOUS:?}, which stands for anonymous customers"
        )),
        false => free_text(t, 200),
    }
);

/// What an anonymous customer's id begins with; a shop's own ids do not.
const ANONYMOUS: &str = "anon:";

impl CustomerId {
    /// The id of a customer of whom only a device's or a browser's own id is known (Segment's `anonymousId`): that id
    /// behind a prefix which a shop's own ids may not bear, so that the two never collide.
    pub fn anonymous(id: &str) -> Result<CustomerId, String> {
        free_text(id, 200).map_err(|why| format!("the anonymous id {:?} {why}", clip(id)))?;
        Ok(CustomerId(format!("{ANONYMOUS}{id}")))
    }

    /// Reads an id as it is shown, a shop's own or an anonymous one: for what an operator types and what a store holds.
    /// What a shop's systems send is taken by [`CustomerId::parse`] or [`CustomerId::anonymous`], so that nobody gives
    /// themselves out as somebody's browser.
    pub fn shown(text: &str) -> Result<CustomerId, String> {
        match text.strip_prefix(ANONYMOUS) {
            Some(id) => CustomerId::anonymous(id),
            None => CustomerId::parse(text),
        }
    }

    pub fn is_anonymous(&self) -> bool {
        self.0.starts_with(ANONYMOUS)
    }
}
text_id!(
    /// Who of the staff is told of something: a key of `[staff]` in config.toml.
    StaffName,
    "the name",
    slug
);
text_id!(
    /// The name of an event, such as `Order Completed`.
    EventName,
    "the event name",
    |t| free_text(t, 200)
);
text_id!(
    /// A campaign's identity: its file's stem.
    CampaignId,
    "the campaign name",
    slug
);
text_id!(
    /// A step's identity within its campaign, kept when the file is edited.
    StepId,
    "the step id",
    slug
);
text_id!(
    /// A topic that customers can subscribe to or leave.
    TopicId,
    "the topic",
    slug
);
text_id!(
    /// A label that a customer bears.
    TagName,
    "the tag",
    |t| free_text(t, 100)
);
text_id!(
    /// An audience with a name.
    SegmentName,
    "the segment",
    slug
);
text_id!(
    /// A pool of coupon codes.
    PoolName,
    "the pool",
    slug
);
text_id!(
    /// A page of the shop that templates name: a key of `[links]` in config.toml.
    LinkName,
    "the link's name",
    slug
);

/// What tells two entries of one customer into one campaign apart: nothing (empty), a cart, an order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct EntryKey(pub String);

/// A message's number within its customer's record, given in order and never again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MessageNo(pub u32);

/// A message, named from outside its customer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MessageRef {
    pub customer: CustomerNo,
    pub message: MessageNo,
}

#[cfg(test)]
mod tests {
    use super::CustomerId;

    #[test]
    fn anonymous_ids_and_a_shops_own_never_collide() {
        let anonymous = CustomerId::anonymous("7f3a").unwrap();
        assert_eq!(anonymous.as_str(), "anon:7f3a");
        assert!(anonymous.is_anonymous());
        assert_ne!(anonymous, CustomerId::parse("7f3a").unwrap());
        let why = CustomerId::parse("anon:7f3a").unwrap_err();
        assert!(why.contains("anonymous customers"), "{why}");
        assert_eq!(CustomerId::shown("anon:7f3a"), Ok(anonymous));
        assert_eq!(CustomerId::shown("7f3a"), CustomerId::parse("7f3a"));
        assert!(CustomerId::shown("anon:").is_err());
        assert!(CustomerId::anonymous(&"x".repeat(201)).is_err());
        assert!(CustomerId::anonymous("a\nb").is_err());
        // One that is anonymous twice is still only a browser's id.
        let odd = CustomerId::anonymous("anon:x").unwrap();
        assert_eq!(CustomerId::shown(odd.as_str()), Ok(odd));
    }
}
