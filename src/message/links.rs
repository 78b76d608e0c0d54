//! The public links of a mail, signed: where its recipient leaves or chooses what to get, and when. Which pages answer
//! there is for `http`; these paths are what the two share.

use super::token::{KeyRing, Token};
use crate::domain::id::{CustomerNo, MessageNo, TopicId};
use crate::domain::time::Timestamp;
use std::sync::Arc;

/// The unsubscribe page, and one-click (RFC 8058).
pub const UNSUBSCRIBE: &str = "/u/";
/// The preference centre.
pub const PREFERENCES: &str = "/p/";

/// Confirming a subscription (double opt-in).
pub const CONFIRM: &str = "/c/";

/// What links are made with.
#[derive(Clone, Debug)]
pub struct Links {
    /// `[http] public_url`, without a slash at its end.
    pub public_url: String,
    pub keys: Arc<KeyRing>,
}

/// The links of one mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailLinks {
    pub unsubscribe: String,
    pub preferences: String,
}

impl Links {
    /// The link of the mail that asks for a confirmation.
    pub fn to_confirm(
        &self,
        customer: CustomerNo,
        topic: TopicId,
        asked: Timestamp,
        message: MessageNo,
    ) -> String {
        let token = Token::Confirm {
            customer,
            topic,
            asked,
            message: Some(message),
        };
        format!("{}{CONFIRM}{}", self.public_url, self.keys.sign(&token))
    }

    pub fn of_mail(
        &self,
        customer: CustomerNo,
        message: MessageNo,
        topic: Option<&TopicId>,
    ) -> MailLinks {
        let message = Some(message);
        let link = |path: &str, token: Token| {
            format!("{}{path}{}", self.public_url, self.keys.sign(&token))
        };
        MailLinks {
            unsubscribe: link(
                UNSUBSCRIBE,
                Token::Unsubscribe {
                    customer,
                    message,
                    topic: topic.cloned(),
                },
            ),
            preferences: link(PREFERENCES, Token::Preferences { customer, message }),
        }
    }
}

impl MailLinks {
    /// Whether mailbox providers may use it: one-click needs https (RFC 8058 §3.1).
    pub fn one_click(&self) -> bool {
        self.unsubscribe.starts_with("https://")
    }
}
