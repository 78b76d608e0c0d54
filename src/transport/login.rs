//! The log-in: AUTH PLAIN or, where that is not offered, AUTH LOGIN (RFC 4954). lettre makes the answers.

use super::config::{Deadlines, Login, Password};
use super::session::Offers;
use super::verdict::{Phase, of_break, of_reply};
use super::wire::Wire;
use crate::config::secret::read_secret;
use crate::domain::outcome::{Outcome, RelayPart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::Auth;
use lettre::transport::smtp::response::{Category, Code, Detail, Response, Severity};

/// Logs in; the error is a relay fault.
pub(crate) async fn log_in(
    wire: &mut Wire,
    offers: &Offers,
    login: &Login,
    deadlines: &Deadlines,
) -> Result<(), Outcome> {
    let fault = |what: String| Outcome::RelayFault {
        part: RelayPart::Login,
        what,
        reply: None,
    };
    let mechanism = if offers.plain {
        Mechanism::Plain
    } else if offers.login {
        Mechanism::Login
    } else {
        return Err(fault(
            "the relay offers no log-in that we know (AUTH PLAIN, AUTH LOGIN)".into(),
        ));
    };
    let password = match &login.password {
        Password::Text(text) => text.clone(),
        Password::File(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || read_secret(&path)).await;
            match read {
                Ok(Ok(secret)) => secret.expose().to_owned(),
                Ok(Err(why)) => return Err(fault(why.to_string())),
                Err(error) => {
                    return Err(fault(format!("the password could not be read: {error}")));
                }
            }
        }
    };
    // What lettre's mechanisms complain of never holds the password.
    let odd = |e: lettre::transport::smtp::Error| fault(format!("during the log-in: {e}"));
    let credentials = Credentials::new(login.user.clone(), password);
    let mut command = Auth::new(mechanism, credentials.clone(), None).map_err(odd)?;
    // PLAIN takes one exchange, LOGIN three.
    for _ in 0..4 {
        let reply = wire
            .ask(&command.to_string(), deadlines.login)
            .await
            .map_err(|broken| of_break(Phase::Login, &broken))?;
        if reply.is_done() {
            return Ok(());
        }
        if reply.code != 334 {
            return Err(of_reply(Phase::Login, &reply));
        }
        let code = Code::new(
            Severity::PositiveIntermediate,
            Category::Unspecified3,
            Detail::Four,
        );
        let challenge = Response::new(code, reply.lines);
        command =
            Auth::new_from_response(mechanism, credentials.clone(), &challenge).map_err(odd)?;
    }
    Err(fault("the relay's log-in does not end".into()))
}
