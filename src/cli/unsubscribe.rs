//! `reveille unsubscribe`: a mail that was written to `[sender] unsubscribe_mailto`, handed over by the mail server.

use super::Context;
use super::failure::Failure;
use super::way::{Need, through};
use crate::transport::leaving::{LARGEST, Read, read};
use serde_json::json;
use std::io::{self, Read as _};

#[derive(clap::Args)]
#[command(after_help = "\
The mail server pipes each mail to that address in; docs/operations.md has the lines for postfix.
Our mails name the address with a signed token in the subject, and that token alone says who
leaves what: whom a mail says it is from proves nothing, and unsubscribes nobody. What was sent by
a machine (vacation notices, delivery reports) is passed over.

Exit codes, as mail servers read them (sysexits.h):
  0   done, or nothing to do
  65  this is no mail, or none with a token of ours: the mail server tells whoever wrote it
  75  not now (the store is in use, the configuration is bad): the mail server tries again

Example:
  reveille unsubscribe < mail.eml")]
pub struct Arguments {}

pub async fn run(_: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut mail = Vec::new();
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    let stdin = io::stdin();
    let mut taken = stdin.lock().take(limit);
    let all = taken.read_to_end(&mut mail);
    // To its end, or a mail server takes the broken pipe for a failure.
    let rest = io::copy(&mut taken.into_inner(), &mut io::sink());
    all.and(rest)
        .map_err(|e| later(Failure::failed(format!("the mail could not be read: {e}"))))?;
    let tokens = match read(&mail) {
        Read::NoMail => {
            let what = "this is no mail: it has no headers".to_owned();
            return Err(Failure::BadMail(what));
        }
        Read::Automatic => return Ok(()),
        Read::Asks(tokens) => tokens,
    };
    let left = !tokens.is_empty() && {
        let asked = json!({ "tokens": tokens });
        let done = through(context, Need::Change, async |way| {
            way.post("/unsubscribe", &asked).await
        });
        done.await.map_err(later)?["token"] == true
    };
    match left {
        true => Ok(()),
        false => Err(Failure::BadMail(
            "We could not tell from this mail who wants to unsubscribe. Please use the unsubscribe link in a mail of \
             ours, or reply to one with its text below yours."
                .to_owned(),
        )),
    }
}

fn later(failure: Failure) -> Failure {
    Failure::TryLater(Box::new(failure))
}
