//! Who stands behind a link: the customer as they are now, and the language in which they are spoken to. All pages look
//! them up here, so that all answer alike where there is nobody, or where the store cannot say.

use super::Public;
use super::body::asked_language;
use super::entered::Seen;
use super::words::Language;
use crate::domain::id::CustomerNo;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Whoever has the link.
pub struct Visitor {
    pub seen: Seen,
    pub language: Language,
}

/// What is answered instead of the page.
pub struct Instead(Box<Response>);

impl From<Response> for Instead {
    fn from(response: Response) -> Instead {
        Instead(Box::new(response))
    }
}

impl IntoResponse for Instead {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A page, or what is answered instead.
pub type Answer = Result<Response, Instead>;

impl Public {
    /// The customer of a link that was followed; the language that the address asks for goes first.
    pub async fn visitor(&self, no: CustomerNo, uri: &Uri) -> Result<Visitor, Instead> {
        let asked = asked_language(uri).map(|asked| Language::of(&asked));
        let seen = self.see(no, asked.unwrap_or_else(|| self.shops_language()));
        let seen = seen.await?;
        let language = asked.unwrap_or_else(|| self.language_of(&seen));
        Ok(Visitor { seen, language })
    }

    /// How the customer stands now; `language` is for saying that it cannot be told.
    pub async fn see(&self, no: CustomerNo, language: Language) -> Result<Seen, Instead> {
        match self.core.customer_and_mailbox(no).await {
            Err(error) => Err(self.trouble(&error, language).into()),
            Ok(None) => Err(self.gone().into()),
            Ok(Some((record, mailbox))) => Ok(Seen {
                record,
                mailbox,
                rules: Arc::clone(&self.core.catalogue().rules),
                now: self.core.clock.now(),
            }),
        }
    }

    /// The customer's own language, else the shop's.
    pub fn language_of(&self, seen: &Seen) -> Language {
        let own = seen.record.preferences.locale.as_deref();
        own.map_or_else(|| self.shops_language(), Language::of)
    }

    fn shops_language(&self) -> Language {
        Language::of(&self.core.catalogue().rules.shop.locale)
    }
}
