//! Why the admin interface refused something: status, text, hint.

use crate::engine::control::ControlError;
use crate::engine::shard::Refused;
use crate::store::StoreError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error as a caller sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub error: String,
    pub hint: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal {
            status,
            error: error.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }

    /// What was asked for makes no sense; the text says why.
    pub fn bad(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, error)
    }

    pub fn not_found(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, error)
    }
}

pub async fn no_such_route() -> Refusal {
    Refusal::not_found("the running daemon does not know this request")
        .hint("command and daemon are of different versions; restart the daemon")
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "hint": self.hint });
        (self.status, Json(body)).into_response()
    }
}

impl From<Refused> for Refusal {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Store(error) => error.into(),
            Refused::Data(_) | Refused::Unreadable(_) => {
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
                    .hint("`reveille verify` tells what of the store is damaged")
            }
            Refused::Forgotten => Refusal::new(StatusCode::GONE, error.to_string()),
            Refused::Mode(text) => Refusal::new(StatusCode::CONFLICT, text),
            Refused::TakenAway(_) => Refusal::new(StatusCode::CONFLICT, error.to_string()),
            Refused::Stopping => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping")
                    .hint("try again when it runs")
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let hint = match error {
            StoreError::Conflict { .. } => {
                return Refusal::new(StatusCode::CONFLICT, text).hint("try again");
            }
            StoreError::Fenced => "another daemon writes to this store: stop one of the two",
            StoreError::Full(_) => "make room on the disk; work goes on by itself",
            StoreError::Unavailable(_) => "the daemon's log says more",
            StoreError::Corrupt { .. } => {
                "`reveille verify` tells what is damaged; `reveille restore` puts a backup in place"
            }
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text).hint(hint)
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::Unknown(_) | ControlError::NoMessage(_) => Refusal::not_found(text),
            ControlError::NotAwaiting(_) | ControlError::Cancelled(_) | ControlError::Own(_) => {
                Refusal::new(StatusCode::CONFLICT, text)
            }
            ControlError::NotInDoubt { message, .. } => Refusal::new(StatusCode::CONFLICT, text)
                .hint(format!(
                    "`reveille log --message-id {message}` shows what became of it"
                )),
            ControlError::Refused(refused) => refused.into(),
        }
    }
}
