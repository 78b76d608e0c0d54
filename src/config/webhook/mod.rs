//! `[webhook.NAME]`: shops whose deliveries are taken at `/webhooks/NAME`, each by a mapping: a shipped one, or a file.
//!
//! What a mapping says is read here ([`mapping`], [`pick`]); what is made by it of a delivery is for the `http` room.

pub mod keys;
pub mod mapping;
pub mod pick;
#[cfg(test)]
mod tests;

use super::Config;
use super::problem::Problem;
use super::secret::{PasswordSource, Unreadable};
use super::toml_reader::Item;
use keys::WEBHOOK;
use mapping::Mapping;
use std::collections::BTreeMap;
use std::path::Path;

/// One shop.
#[derive(Clone, PartialEq, Debug)]
pub struct Webhook {
    pub mapping: Mapping,
    pub secret: PasswordSource,
}

/// The shipped mappings, by platform; files to read and to copy.
pub const SHIPPED: [(&str, &str); 3] = [
    ("shopify", include_str!("../../../webhooks/shopify.toml")),
    (
        "woocommerce",
        include_str!("../../../webhooks/woocommerce.toml"),
    ),
    ("cafe24", include_str!("../../../webhooks/cafe24.toml")),
];

/// Reads all of them. What is wrong with a mapping file is told in `elsewhere`: it is another file.
pub(super) fn read_all(
    item: &Item<'_>,
    beside: &Path,
    elsewhere: &mut Vec<Problem>,
) -> Option<BTreeMap<String, Webhook>> {
    let entries = item.entries("write [webhook.NAME]")?;
    let mut webhooks = BTreeMap::new();
    let mut good = true;
    for entry in &entries {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !(1..=64).contains(&entry.name.len()) || !entry.name.chars().all(plain) {
            item.reader().error(
                entry.key_span(),
                format!("`{}` cannot stand in an address", entry.name),
                "use small letters, digits, \"-\" and \"_\"",
            );
            good = false;
        }
        match read(entry, beside, elsewhere) {
            Some(webhook) => _ = webhooks.insert(entry.name.to_owned(), webhook),
            None => good = false,
        }
    }
    good.then_some(webhooks)
}

fn read(item: &Item<'_>, beside: &Path, elsewhere: &mut Vec<Problem>) -> Option<Webhook> {
    let table = item.table(&WEBHOOK)?;
    let secret = match (table.get("secret_file"), table.get("credential")) {
        (Some(file), None) => file.text().map(|f| PasswordSource::File(beside.join(f))),
        (None, Some(name)) => name
            .text()
            .map(|name| PasswordSource::Credential(name.to_owned())),
        _ => {
            table.reader().error(
                table.span(),
                "a webhook has one secret",
                "write secret_file = \"/etc/reveille/NAME-secret\", or credential = \"NAME-secret\" under systemd",
            );
            None
        }
    };
    let mapping = match (table.get("platform"), table.get("mapping")) {
        (Some(platform), None) => {
            let text = platform.choice(&SHIPPED);
            text.and_then(|text| parse("a shipped mapping", text, elsewhere))
        }
        (None, Some(file)) => file.text().and_then(|name| {
            let path = beside.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => parse(&path.display().to_string(), &text, elsewhere),
                Err(error) => {
                    let what = format!("the mapping {} cannot be read: {error}", path.display());
                    file.error(what, "paths start from the folder of config.toml");
                    None
                }
            }
        }),
        _ => {
            table.reader().error(
                table.span(),
                "a webhook has one mapping",
                "write platform = \"shopify\", \"woocommerce\" or \"cafe24\", or mapping = \"my-shop.toml\"",
            );
            None
        }
    };
    Some(Webhook {
        mapping: mapping?,
        secret: secret?,
    })
}

fn parse(file: &str, text: &str, elsewhere: &mut Vec<Problem>) -> Option<Mapping> {
    match Mapping::parse(file, text) {
        Ok(mapping) => Some(mapping),
        Err(problems) => {
            elsewhere.extend(problems);
            None
        }
    }
}

/// The secrets that cannot be read, each in a sentence, for `check`.
pub fn unreadable_secrets(config: &Config) -> Vec<Unreadable> {
    let told = |name: &String, why: &dyn std::fmt::Display| format!("webhook \"{name}\": {why}");
    (config.webhooks.iter())
        .filter_map(|(name, webhook)| match webhook.secret.read() {
            Ok(_) => None,
            Err(Unreadable::NotHere(why)) => Some(Unreadable::NotHere(told(name, &why))),
            Err(Unreadable::Wrong(why)) => Some(Unreadable::Wrong(told(name, &why))),
        })
        .collect()
}
