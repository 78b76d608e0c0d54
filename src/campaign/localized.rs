//! Texts by locale: one string for all, or a table `{ en = "...", ko = "..." }`.

use crate::config::text::locale;
use crate::config::toml_reader::Item;
use crate::domain::campaign::Localized;

/// Reads a text by locale. The text of the shop's own locale is also that of every locale not named; a table without
/// it is an error, since customers whose locale is not known would get none.
pub fn read(item: &Item<'_>, shop: &str) -> Option<Localized> {
    read_as(item, shop, one_line)
}

/// The same of texts that `checked` takes.
pub fn read_as(
    item: &Item<'_>,
    shop: &str,
    checked: fn(&Item<'_>, &str) -> Option<String>,
) -> Option<Localized> {
    if let Some(text) = item.as_text() {
        return checked(item, text).map(|text| Localized::from([(String::new(), text)]));
    }
    let entries = item.entries(&format!("write \"...\" or {{ {shop} = \"...\" }}"))?;
    let mut texts = Localized::new();
    let mut good = true;
    for entry in &entries {
        let key = match locale(entry.name) {
            Ok(key) => Some(key),
            Err(what) => {
                let (what, help) = what.split_once("; ").unwrap_or((&what, ""));
                item.reader().error(entry.key_span(), what, help);
                None
            }
        };
        let text = entry.text().and_then(|text| checked(entry, text));
        match key.zip(text) {
            Some((key, text)) => {
                texts.insert(key, text);
            }
            None => good = false,
        }
    }
    let language = shop.split('-').next().unwrap_or(shop);
    let fallback = texts.get(shop).or_else(|| texts.get(language)).cloned();
    match fallback {
        Some(text) => {
            texts.insert(String::new(), text);
        }
        None if good => {
            item.reader().error(
                item.key_span(),
                format!(
                    "`{}` has no text for \"{shop}\", the shop's own locale",
                    item.name
                ),
                format!("add {shop} = \"...\"; customers whose locale is not named get that text"),
            );
            good = false;
        }
        None => {}
    }
    good.then_some(texts)
}

fn one_line(item: &Item<'_>, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        item.error(format!("`{}` is empty", item.name), "write a text");
        return None;
    }
    if text.chars().any(|c| c.is_control()) {
        item.error(
            format!(
                "`{}` holds a line break or another control character",
                item.name
            ),
            "write it in one line",
        );
        return None;
    }
    Some(text.to_owned())
}
