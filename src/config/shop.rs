//! What config.toml says of the shop itself: whom of its staff campaigns may tell of customers, its closed days, and
//! its control group.

use super::toml_reader::Table;
use crate::domain::address::EmailAddress;
use crate::domain::calendar::ClosedDays;
use crate::domain::holdout::Share;
use crate::domain::id::StaffName;
use std::collections::BTreeMap;

/// Reads `[calendar]`: days on which advertising waits.
pub fn read_calendar(table: &Table<'_>) -> Option<ClosedDays> {
    let Some(item) = table.get("closed") else {
        return Some(ClosedDays::default());
    };
    let help = "write closed = [\"2026-12-25\", \"Sun\"]";
    let days = item.parsed_list(help, ClosedDays::parse_one)?;
    let mut closed = ClosedDays::default();
    days.into_iter().for_each(|day| closed.extend(day));
    if closed.is_every_day() {
        item.error(
            "no weekday is left on which advertising may go",
            "leave one of them out; `reveille pause --class advertising` stops it for a time",
        );
        return None;
    }
    Some(closed)
}

/// Reads `[control]`: the share of all customers who get no advertising.
pub fn read_control(table: &Table<'_>) -> Option<Option<Share>> {
    match table.get("share") {
        None => Some(None),
        Some(item) => item.parsed(Share::parse).map(Some),
    }
}

/// More addresses than these are a list of customers.
const MOST_SEEDS: usize = 50;

/// Reads `[seeds]`: who of the shop sees what goes out.
pub fn read_seeds(table: &Table<'_>) -> Option<Vec<EmailAddress>> {
    let Some(item) = table.get("addresses") else {
        return Some(Vec::new());
    };
    let help = "write addresses = [\"crm@shop.example\"]";
    let read = item.parsed_list(help, EmailAddress::parse)?;
    let mut addresses: Vec<EmailAddress> = Vec::new();
    for address in read {
        let mailbox = address.mailbox();
        if !addresses.iter().any(|known| known.mailbox() == mailbox) {
            addresses.push(address);
        }
    }
    if addresses.len() > MOST_SEEDS {
        item.error(
            format!("{} addresses are too many", addresses.len()),
            format!("at most {MOST_SEEDS}: seeds are people of the shop, each gets a copy of every mail's form"),
        );
        return None;
    }
    Some(addresses)
}

/// Reads `[staff]`: names with the address of each.
pub fn read_staff(root: &Table<'_>) -> Option<BTreeMap<StaffName, EmailAddress>> {
    let Some(item) = root.get("staff") else {
        return Some(BTreeMap::new());
    };
    let entries = item.entries("write crm = \"crm@shop.example\" under [staff]")?;
    let read = entries.iter().map(|entry| {
        let name = StaffName::parse(entry.name);
        if let Err(what) = &name {
            entry.reader().error(entry.key_span(), what.clone(), "");
        }
        let address = entry.parsed(EmailAddress::parse);
        Some((name.ok()?, address?))
    });
    // All are read, for what is wrong with each.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}
