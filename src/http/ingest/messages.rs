//! The messages of one request, read, and how they are made durable. Where they come from, a call of Segment's interface
//! or a shop's webhook, makes no difference from here on.

use super::answer::{Answer, Spoilt};
use super::held::Held;
use super::{Ingest, join};
use crate::domain::cause::Liveness;
use crate::engine::Core;
use crate::engine::ingest::Ingested;
use crate::engine::intake::json::{Join, Message, MessageKind};
use crate::engine::intake::{Counter, Inbound};
use crate::engine::shard::Refused;
use crate::http::access::RequestId;
use crate::http::meters::{Fate, Meters};
use std::sync::Arc;
use std::time::Duration;

/// A store that answers later than this is taken for one that does not answer; what was begun goes on all the same.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// When it is told who is whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joins {
    /// After all that the messages tell of their customers.
    Last,
    /// Before: all of the request is about one person.
    First,
}

/// The messages of a request, read.
pub struct Messages {
    rows: Vec<(usize, MessageKind, Inbound)>,
    /// Who is whom, with the message that told it.
    joins: Vec<(usize, MessageKind, Join)>,
    spoilt: Vec<(Option<MessageKind>, Spoilt)>,
    when: Joins,
}

/// What came of writing them.
#[derive(Default)]
struct Written {
    taken: u64,
    known: u64,
    errors: Vec<Spoilt>,
    /// Why the rest could not be taken for now.
    failed: Option<Refused>,
}

impl Messages {
    pub fn new(when: Joins) -> Messages {
        Messages {
            rows: Vec::new(),
            joins: Vec::new(),
            spoilt: Vec::new(),
            when,
        }
    }

    pub fn add(&mut self, index: usize, message: Message) {
        let kind = message.kind;
        self.rows.extend(message.row.map(|row| (index, kind, row)));
        self.joins
            .extend(message.join.map(|join| (index, kind, join)));
    }

    /// A message that is not taken, and why.
    pub fn spoil(&mut self, index: usize, kind: Option<MessageKind>, error: String) {
        self.spoilt.push((kind, Spoilt::new(index, error)));
    }

    pub fn first_error(&self) -> Option<&str> {
        let (_, first) = self.spoilt.first()?;
        Some(&first.error)
    }

    /// Counts those that are not taken, and tells the log of them.
    pub fn tell_spoilt(&self, meters: &Meters, id: &RequestId, sender: &str) {
        for (kind, _) in &self.spoilt {
            meters.count(*kind, Fate::Refused, 1);
        }
        tell(id, sender, self.spoilt.iter().map(|(_, spoilt)| spoilt));
    }

    /// Makes all of it durable; what the request held is given back when that is done.
    pub async fn take_in(
        self,
        ingest: &Ingest,
        held: Held,
        id: &RequestId,
        sender: &str,
    ) -> Answer {
        // A task of its own: a sender who hangs up does not leave a message half taken.
        let doing = {
            let (core, meters) = (Arc::clone(&ingest.core), Arc::clone(&ingest.meters));
            let (id, sender) = (id.clone(), sender.to_owned());
            tokio::spawn(async move {
                let answer = self.write(&core, &meters, (&id, &sender)).await;
                drop(held);
                answer
            })
        };
        match tokio::time::timeout(PATIENCE, doing).await {
            Ok(Ok(answer)) => {
                ingest.wake.notify_one();
                answer
            }
            Ok(Err(error)) => {
                tracing::error!(request_id = id.0, %error, "taking messages in failed");
                Answer::refused(&Refused::Data(String::new()))
            }
            Err(_) => Answer::Unavailable {
                why: "the store does not answer in time".into(),
                again: 10,
            },
        }
    }

    async fn write(self, core: &Core, meters: &Meters, (id, sender): (&RequestId, &str)) -> Answer {
        let mut written = Written::default();
        match self.when {
            Joins::Last => {
                written.rows(core, meters, self.rows).await;
                written.joins(core, meters, self.joins).await;
            }
            Joins::First => {
                written.joins(core, meters, self.joins).await;
                // All of it is about one person: of who was forgotten nothing is kept under a visitor's name either.
                let forgotten = written.errors.iter().any(|spoilt| spoilt.dropped);
                if forgotten {
                    for (index, kind, _) in self.rows {
                        written.drop(index, &Refused::Forgotten);
                        meters.count(Some(kind), Fate::Refused, 1);
                    }
                } else if written.failed.is_none() {
                    written.rows(core, meters, self.rows).await;
                }
            }
        }
        if let Some(error) = written.failed {
            tracing::warn!(%error, "messages could not be taken for now; their sender was asked to try again");
            return Answer::refused(&error);
        }
        // Those that could not be read were told before.
        tell(id, sender, written.errors.iter());
        let spoilt = self.spoilt.into_iter().map(|(_, spoilt)| spoilt);
        written.errors.extend(spoilt);
        written.errors.sort_by_key(|spoilt| spoilt.index);
        Answer::Done {
            taken: written.taken,
            known: written.known,
            errors: written.errors,
        }
    }
}

impl Written {
    async fn rows(
        &mut self,
        core: &Core,
        meters: &Meters,
        rows: Vec<(usize, MessageKind, Inbound)>,
    ) {
        let salt = core.catalogue().rules.salt;
        let mut counter = Counter::new();
        let mut places = Vec::with_capacity(rows.len());
        let mut works = Vec::with_capacity(rows.len());
        for (index, kind, row) in rows {
            let identity = counter.identify(&salt, &row.customer, &row.identity);
            places.push((index, kind));
            works.push((row, identity));
        }
        let results = match works.is_empty() {
            true => Vec::new(),
            false => core.ingest(works, Liveness::Live).await,
        };
        for ((index, kind), result) in places.into_iter().zip(results) {
            let fate = match result {
                Ok(Ingested { fresh: true }) => Fate::Taken,
                Ok(Ingested { fresh: false }) => Fate::Known,
                // One customer who cannot be read keeps nobody else's messages out.
                Err(error @ Refused::Unreadable(_)) => {
                    tracing::error!(%error, "a message was not taken");
                    let error = "what is stored of this customer cannot be read".to_owned();
                    self.errors.push(Spoilt::new(index, error));
                    Fate::Refused
                }
                Err(error @ Refused::Forgotten) => {
                    self.drop(index, &error);
                    Fate::Refused
                }
                Err(error) => {
                    self.failed.get_or_insert(error);
                    continue;
                }
            };
            match fate {
                Fate::Taken => self.taken += 1,
                Fate::Known => self.known += 1,
                Fate::Refused => {}
            }
            meters.count(Some(kind), fate, 1);
        }
    }

    async fn joins(
        &mut self,
        core: &Core,
        meters: &Meters,
        joins: Vec<(usize, MessageKind, Join)>,
    ) {
        let (places, joins): (Vec<_>, Vec<_>) = (joins
            .into_iter()
            .map(|(index, kind, join)| ((index, kind), join)))
        .unzip();
        // Those that were taken are known when all are sent again.
        let joined = match self.failed {
            Some(_) => Vec::new(),
            None => join::join_all(core, joins).await,
        };
        for ((index, kind), joined) in places.into_iter().zip(joined) {
            let Some(joined) = joined else {
                continue;
            };
            // An `identify` is counted by what it tells of its customer.
            let alone = kind == MessageKind::Alias;
            match joined {
                Ok(Ok(())) if alone => {
                    self.taken += 1;
                    meters.count(Some(kind), Fate::Taken, 1);
                }
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    // One message, one error.
                    if !self.errors.iter().any(|told| told.index == index) {
                        self.errors.push(Spoilt::new(index, error));
                    }
                    if alone {
                        meters.count(Some(kind), Fate::Refused, 1);
                    }
                }
                Err(error @ Refused::Forgotten) => {
                    if !self.errors.iter().any(|told| told.index == index) {
                        self.drop(index, &error);
                    }
                    if alone {
                        meters.count(Some(kind), Fate::Refused, 1);
                    }
                }
                Err(error) => _ = self.failed.get_or_insert(error),
            }
        }
    }

    /// A message about somebody who was forgotten: nobody else's are held up by it.
    fn drop(&mut self, index: usize, error: &Refused) {
        self.errors.push(Spoilt {
            dropped: true,
            ..Spoilt::new(index, error.to_string())
        });
    }
}

/// Tells the log of messages that were not taken, and of the first why.
fn tell<'a>(id: &RequestId, sender: &str, mut errors: impl ExactSizeIterator<Item = &'a Spoilt>) {
    let many = errors.len();
    let Some(first) = errors.next() else {
        return;
    };
    let first = without_what_was_sent(&first.error);
    tracing::info!(
        request_id = id.0,
        sender,
        many,
        first,
        "messages were not taken"
    );
}

/// The longest number that is left in the log: limits and years; no telephone has so few digits.
const SHORT: usize = 4;

/// What is said against a message, for the log: what the sender wrote is left out, in quotes or as a number, since it may
/// be an address or a telephone.
fn without_what_was_sent(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            let mut number = String::from(c);
            while let Some(more) = chars.next_if(|c| c.is_ascii_digit() || ".+-eE".contains(*c)) {
                number.push(more);
            }
            match number.bytes().filter(u8::is_ascii_digit).count() <= SHORT {
                true => plain.push_str(&number),
                false => plain.push('…'),
            }
            continue;
        }
        if c != '"' {
            plain.push(c);
            continue;
        }
        while let Some(c) = chars.next() {
            match c {
                '\\' => _ = chars.next(),
                '"' => break,
                _ => {}
            }
        }
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::without_what_was_sent;

    #[test]
    fn what_a_sender_wrote_stays_out_of_the_log() {
        for (told, logged) in [
            ("event is missing", "event is missing"),
            (r#"email "a@b.example" has no"#, "email … has no"),
            (r#"email "a\"b@c.example" has "x"."#, "email … has …."),
            (r#"email "a@b.example"#, "email …"),
            ("email 821012345678 is not a text", "email … is not a text"),
            ("phone 8210.12345 is not", "phone … is not"),
            ("email -8.21e12, \"x\"", "email -…, …"),
            (
                "longer than 32 KB, not RFC 3339.",
                "longer than 32 KB, not RFC 3339.",
            ),
        ] {
            assert_eq!(without_what_was_sent(told), logged);
        }
    }
}
