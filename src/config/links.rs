//! `[links]`: pages of the shop that templates may name, `shop` as `{{links.shop}}`.
//!
//! The same address in every mail; those that differ from mail to mail (leaving, choosing, confirming) the program makes
//! itself, under names that no page of the shop may bear.

use super::toml_reader::Table;
use crate::domain::id::LinkName;
use std::collections::BTreeMap;

/// The links that the program makes for each mail: what each is, and where it is there.
pub const MADE: [(&str, &str, &str); 3] = [
    (
        "unsubscribe",
        "the link to leave",
        "in mails to customers, with [http] public_url or [sender] unsubscribe_mailto",
    ),
    (
        "preferences",
        "the link to the preference centre",
        "in mails to customers, with [http] public_url",
    ),
    (
        "confirm",
        "the link that confirms a subscription",
        "in the mail that asks for that, with [http] public_url",
    ),
];

/// A longer one could not be followed: the link that tells of a click holds it.
const LONGEST: usize = 2_000;

/// Reads the table: names with the address of each.
pub fn read(root: &Table<'_>) -> Option<BTreeMap<LinkName, String>> {
    let Some(item) = root.get("links") else {
        return Some(BTreeMap::new());
    };
    let entries = item.entries("write shop = \"https://shop.example\" under [links]")?;
    let read = entries.iter().map(|entry| {
        let name = match MADE.iter().find(|(made, ..)| *made == entry.name) {
            Some((made, what, _)) => Err((
                format!("`{made}` is {what}, which is made for each mail"),
                "give this page another name",
            )),
            None => LinkName::parse(entry.name).map_err(|what| (what, "")),
        };
        let name = name.map_err(|(what, help)| {
            entry.reader().error(entry.key_span(), what, help);
        });
        let address = entry.parsed(page);
        Some((name.ok()?, address?))
    });
    // All are read, for what is wrong with each.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

/// A whole address of a page, as mails can hold it: letters outside ASCII are written as URLs write them.
fn page(text: &str) -> Result<String, String> {
    let example = "write for example \"https://shop.example/cart\"";
    if text.contains("{{") {
        return Err("it is the same in every mail, so nothing is filled in here; write what differs behind it in the template: {{links.shop}}?code={{urlencode coupon.code}}".into());
    }
    if text.len() > LONGEST {
        return Err(format!(
            "it has {} bytes; at most {LONGEST} may stand here",
            text.len()
        ));
    }
    let rest = (text.strip_prefix("https://")).or(text.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err(format!(
            "it is no address of a page: it begins with neither https:// nor http://; {example}"
        ));
    };
    let bad = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c);
    if let Some(c) = text.chars().find(|c| bad(*c)) {
        return Err(format!(
            "{c:?} may not stand in an address; write it as URLs do (a space is %20)"
        ));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    if host.contains('@') {
        return Err(format!(
            "no name or password may stand before its host: everybody reads them; {example}"
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if !host.chars().any(|c| c.is_ascii_alphanumeric()) || !host.chars().all(plain) {
        return Err(format!(
            "its host {host:?} is none; write it in ASCII letters (others as xn--...), {example}"
        ));
    }
    Ok(ascii(text))
}

/// A URL with its letters outside ASCII as URLs write them (RFC 3987 §3.1): the bytes of their UTF-8, percent-encoded.
pub fn ascii(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::path::Path;

    fn parse(links: &str) -> Result<Config, Vec<String>> {
        Config::parse(Path::new("config.toml"), &format!("[links]\n{links}"))
            .map_err(|problems| problems.iter().map(|p| p.to_line()).collect())
    }

    #[test]
    fn pages_are_read_as_urls_write_them() {
        let config = parse(
            "shop = \"https://shop.example\"\nsale-2026 = 'http://shop.example:8080/a?b=1&c=2#d'\n'장바구니' = \"https://shop.example/장\"",
        );
        let links = config.unwrap().links;
        let read: Vec<(&str, &str)> = (links.iter())
            .map(|(name, page)| (name.as_str(), page.as_str()))
            .collect();
        assert_eq!(
            read,
            [
                ("sale-2026", "http://shop.example:8080/a?b=1&c=2#d"),
                ("shop", "https://shop.example"),
                ("장바구니", "https://shop.example/%EC%9E%A5"),
            ]
        );
        assert!(parse("").unwrap().links.is_empty());
    }

    #[test]
    fn what_is_no_page_is_told_at_its_place() {
        for (links, place, what) in [
            (
                "shop = \"shop.example\"",
                "2:8",
                "neither https:// nor http://",
            ),
            ("shop = \"javascript:alert(1)\"", "2:8", "neither https://"),
            ("shop = \"HTTPS://shop.example\"", "2:8", "neither https://"),
            ("shop = \"https://\"", "2:8", "its host \"\" is none"),
            ("shop = \"https:///cart\"", "2:8", "its host \"\" is none"),
            ("shop = \"https://가게.example\"", "2:8", "xn--"),
            (
                "shop = \"https://me:secret@shop.example\"",
                "2:8",
                "everybody reads",
            ),
            (
                "shop = \"https://shop.example/a b\"",
                "2:8",
                "' ' may not stand",
            ),
            (
                "shop = 'https://shop.example/\"><b>'",
                "2:8",
                "may not stand",
            ),
            (
                "shop = \"https://shop.example/?c={{customer.id}}\"",
                "2:8",
                "nothing is filled in",
            ),
            ("shop = 7", "2:8", "text"),
            (
                "unsubscribe = \"https://shop.example\"",
                "2:1",
                "made for each mail",
            ),
            (
                "confirm = \"https://shop.example\"",
                "2:1",
                "made for each mail",
            ),
            (
                "\"the shop\" = \"https://shop.example\"",
                "2:1",
                "the link's name",
            ),
        ] {
            let told = parse(links).unwrap_err();
            let first = &told[0];
            assert!(
                first.contains(&format!("config.toml:{place}")),
                "{links}: {first}"
            );
            assert!(first.contains(what), "{links}: {first}");
        }
        let long = format!("shop = \"https://shop.example/{}\"", "x".repeat(2_000));
        assert!(parse(&long).unwrap_err()[0].contains("2021 bytes"));
        // Of each what is wrong, in one go.
        assert_eq!(parse("a = \"b\"\nc = \"d\"").unwrap_err().len(), 2);
    }
}
