//! Which column of a table means what: told by the user (`--map column=field`), or by the column's usual name.

use super::traits::plain_name;
use super::{PROPERTY_LIMIT, quoted};
use std::fmt;

/// What a table's rows are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// A row is a customer; its columns are traits.
    Customers,
    /// A row is an event; its columns are properties.
    Events,
}

/// What one column is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Field {
    Customer,
    Event,
    Time,
    MessageId,
    /// A property, or a trait under our name for it.
    Named(String),
    Ignored,
}

/// A table's columns, understood. Displays as a summary for the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub table: Table,
    /// Each column's heading and what it is.
    pub columns: Vec<(String, Field)>,
    /// The name of all events, where no column holds it.
    pub event: Option<String>,
}

const CUSTOMER: [&str; 6] = [
    "user_id",
    "userid",
    "customer_id",
    "customerid",
    "customer",
    "id",
];
const TIME: [&str; 5] = ["time", "timestamp", "date", "datetime", "created_at"];
const EVENT: [&str; 4] = ["event", "event_name", "event_type", "name"];
const MESSAGE_ID: [&str; 3] = ["message_id", "messageid", "event_id"];
const TRAITS: [&str; 23] = [
    "email",
    "first_name",
    "last_name",
    "created_at",
    "timezone",
    "locale",
    "tags",
    "test",
    "window",
    "caps",
    "gap",
    "pause_until",
    "format",
    "on_request_only",
    "phone",
    "birthday",
    "consent",
    "consent_at",
    "consent_source",
    "consent_wording",
    "unsubscribed",
    "unsubscribed_at",
    "country",
];

/// A heading as its usual names are written: `User ID` is `user_id`.
fn usual(heading: &str) -> String {
    heading.trim().to_lowercase().replace([' ', '-', '.'], "_")
}

/// Where the column stands that the user names.
pub(super) fn column_named(headings: &[String], column: &str) -> Result<usize, String> {
    let same = |h: &String| h.trim() == column.trim();
    let unknown = || {
        format!(
            "there is no column {}; the columns are {}",
            quoted(column),
            headings.join(", ")
        )
    };
    headings.iter().position(same).ok_or_else(unknown)
}

impl Mapping {
    /// Understands `headings`. `told` are the user's column=field pairs, `table` and `event` what they said of all rows.
    pub fn of(
        headings: &[String],
        told: &[(String, String)],
        table: Option<Table>,
        event: Option<&str>,
    ) -> Result<Mapping, String> {
        if headings.len() > PROPERTY_LIMIT {
            return Err(format!("the table has more than {PROPERTY_LIMIT} columns"));
        }
        let mut by_user: Vec<Option<&str>> = vec![None; headings.len()];
        for (column, field) in told {
            by_user[column_named(headings, column)?] = Some(field.trim());
        }
        let usual_names: Vec<String> = headings.iter().map(|h| usual(h)).collect();
        let find = |names: &[&str]| {
            let unclaimed = |name: &&&str| {
                (0..headings.len()).find(|i| usual_names[*i] == ***name && by_user[*i].is_none())
            };
            names.iter().find_map(|name| unclaimed(&name))
        };
        let told_as = |field: &str| by_user.iter().position(|f| *f == Some(field));
        let has_email = told_as("email").is_some() || find(&["email", "e_mail", "mail"]).is_some();
        let table = match table {
            Some(table) => table,
            None if event.is_some()
                || told_as("event").is_some()
                || find(&EVENT[..3]).is_some() =>
            {
                Table::Events
            }
            // A person's name is not an event's: `name` is one only beside a time and without an address.
            None if find(&EVENT[3..]).is_some() && find(&TIME[..4]).is_some() && !has_email => {
                Table::Events
            }
            None if told_as("time").is_some() || (find(&TIME[..4]).is_some() && !has_email) => {
                return Err("the rows look like events, but none says which: name one for all rows, such as --event \"Order Completed\", or map a column, such as --map kind=event".to_owned());
            }
            None => Table::Customers,
        };
        let mut columns = Vec::with_capacity(headings.len());
        for (heading, by_user) in headings.iter().zip(&by_user) {
            let field = match (by_user, table) {
                (Some("customer" | "user_id" | "userId" | "id"), _) => Field::Customer,
                (Some("-" | "ignore"), _) => Field::Ignored,
                (Some("event"), Table::Events) => Field::Event,
                (Some("time" | "timestamp"), Table::Events) => Field::Time,
                (Some("message_id" | "messageId"), _) => Field::MessageId,
                (Some(""), _) => {
                    return Err(format!(
                        "column {} is mapped to nothing; to leave it out write {heading}=-",
                        quoted(heading)
                    ));
                }
                (Some(name), Table::Events) => Field::Named((*name).to_owned()),
                (Some(name), Table::Customers) => Field::Named(plain_name(name).to_owned()),
                (None, _) if heading.trim().is_empty() => Field::Ignored,
                (None, Table::Events) => Field::Named(heading.trim().to_owned()),
                (None, Table::Customers) => Field::Named(trait_name(heading)),
            };
            columns.push((heading.trim().to_owned(), field));
        }
        let mut claim = |field: Field, names: &[&str]| {
            if !columns.iter().any(|(_, f)| *f == field)
                && let Some(at) = find(names)
            {
                columns[at].1 = field;
            }
        };
        claim(Field::Customer, &CUSTOMER);
        claim(Field::MessageId, &MESSAGE_ID);
        if table == Table::Events {
            if event.is_none() {
                claim(Field::Event, &EVENT);
            }
            claim(Field::Time, &TIME);
        }
        let mapping = Mapping {
            table,
            columns,
            event: event.map(str::to_owned).filter(|_| table == Table::Events),
        };
        mapping.check()?;
        Ok(mapping)
    }

    fn check(&self) -> Result<(), String> {
        let has = |field: &Field| self.columns.iter().any(|(_, f)| f == field);
        if !has(&Field::Customer) {
            return Err(self.lacks("the customer's id", "customer"));
        }
        if self.table == Table::Events {
            if self.event.is_none() && !has(&Field::Event) {
                return Err(self.lacks("the event's name", "event"));
            }
            if !has(&Field::Time) {
                return Err(self.lacks("the time", "time"));
            }
        }
        for (i, (heading, field)) in self.columns.iter().enumerate() {
            let earlier = self.columns[..i].iter().find(|(_, f)| f == field);
            if let Some((first, _)) = earlier.filter(|_| *field != Field::Ignored) {
                return Err(format!(
                    "columns {} and {} both give {}; leave one out with --map {heading}=-",
                    quoted(first),
                    quoted(heading),
                    field.name()
                ));
            }
        }
        Ok(())
    }

    fn lacks(&self, what: &str, field: &str) -> String {
        let all: Vec<&str> = self.columns.iter().map(|(h, _)| h.as_str()).collect();
        format!(
            "no column gives {what}; map one of {} with --map COLUMN={field}",
            all.join(", ")
        )
    }
}

fn trait_name(heading: &str) -> String {
    let usual = usual(heading);
    let usual = match usual.as_str() {
        "e_mail" | "mail" => "email",
        other => plain_name(other),
    };
    match TRAITS.contains(&usual) {
        true => usual.to_owned(),
        false => plain_name(heading.trim()).to_owned(),
    }
}

impl Field {
    fn name(&self) -> &str {
        match self {
            Field::Customer => "customer",
            Field::Event => "event",
            Field::Time => "time",
            Field::MessageId => "message_id",
            Field::Named(name) => name,
            Field::Ignored => "-",
        }
    }
}

impl fmt::Display for Mapping {
    /// `events "Order Completed": customer <- customer, time <- date; properties units, dollars`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.table, &self.event) {
            (Table::Customers, _) => f.write_str("customers: ")?,
            (Table::Events, None) => f.write_str("events: ")?,
            (Table::Events, Some(name)) => write!(f, "events {name:?}: ")?,
        }
        let mut renamed = Vec::new();
        let (mut same, mut ignored) = (Vec::new(), Vec::new());
        for (heading, field) in &self.columns {
            match field {
                Field::Ignored => ignored.push(if heading.is_empty() {
                    "(no heading)"
                } else {
                    heading
                }),
                Field::Named(name) if name == heading => same.push(name.as_str()),
                field => renamed.push(format!("{} <- {heading}", field.name())),
            }
        }
        f.write_str(&renamed.join(", "))?;
        let what = match self.table {
            Table::Customers => "traits",
            Table::Events => "properties",
        };
        if !same.is_empty() {
            write!(f, "; {what} {}", same.join(", "))?;
        }
        if !ignored.is_empty() {
            write!(f, "; left out {}", ignored.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapping, Table};

    fn map(header: &str, told: &[(&str, &str)], event: Option<&str>) -> Result<String, String> {
        let headings: Vec<String> = header.split(',').map(str::to_owned).collect();
        let told: Vec<_> = told
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect();
        Mapping::of(&headings, &told, None, event).map(|m| m.to_string())
    }

    #[test]
    fn columns_are_known_by_their_usual_names() {
        for (header, told, event, want) in [
            (
                "customer,date,units,dollars",
                &[][..],
                Some("Order Completed"),
                "events \"Order Completed\": customer <- customer, time <- date; properties units, dollars",
            ),
            (
                "id,E-Mail,First Name,Plan,consent",
                &[],
                None,
                "customers: customer <- id, email <- E-Mail, first_name <- First Name; traits Plan, consent",
            ),
            (
                "id,name,email,created_at",
                &[],
                None,
                "customers: customer <- id; traits name, email, created_at",
            ),
            (
                "user_id,id,event,time",
                &[],
                None,
                "events: customer <- user_id, event <- event, time <- time; properties id",
            ),
            (
                "who,what,when,note,",
                &[
                    ("who", "customer"),
                    ("what", "event"),
                    ("when", "time"),
                    ("note", "-"),
                ],
                None,
                "events: customer <- who, event <- what, time <- when; left out note, (no heading)",
            ),
        ] {
            assert_eq!(map(header, told, event).as_deref(), Ok(want), "{header}");
        }
    }

    #[test]
    fn a_table_that_cannot_be_understood_is_told_what_it_lacks() {
        for (header, told, event, want) in [
            (
                "customer,date,units",
                &[][..],
                None,
                "the rows look like events, but none says which: name one for all rows, such as --event \"Order Completed\", or map a column, such as --map kind=event",
            ),
            (
                "email,plan",
                &[],
                None,
                "no column gives the customer's id; map one of email, plan with --map COLUMN=customer",
            ),
            (
                "id,units",
                &[],
                Some("Order Completed"),
                "no column gives the time; map one of id, units with --map COLUMN=time",
            ),
            (
                "id,email",
                &[("mail", "email")],
                None,
                "there is no column \"mail\"; the columns are id, email",
            ),
            (
                "id,email,second",
                &[("second", "email")],
                None,
                "columns \"email\" and \"second\" both give email; leave one out with --map second=-",
            ),
        ] {
            assert_eq!(map(header, told, event), Err(want.to_owned()), "{header}");
        }
        let headings = vec!["id".to_owned(), "name".to_owned(), "date".to_owned()];
        let mapping = Mapping::of(&headings, &[], Some(Table::Customers), None).unwrap();
        assert_eq!(mapping.table, Table::Customers);
    }
}
