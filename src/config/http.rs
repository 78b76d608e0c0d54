//! `[http]`: where the daemon listens, under which address customers reach it, and who may send events.
//!
//! A key is declared by its hash: whoever reads config.toml cannot send with it. Keys are random, 256 bits, so a plain
//! SHA-256 serves; a slow hash is for passwords that people choose.

use super::keys::HTTP_KEY;
use super::text::size;
use super::toml_reader::{Item, Table};
use super::transport::optional;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The settings of `[http]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// Pages, links and, unless they have listeners of their own, ingestion and operations; `None`: no port is opened.
    pub listen: Option<SocketAddr>,
    pub ingest_listen: Option<SocketAddr>,
    /// Health, metrics and the interface's description, without a key.
    pub admin_listen: Option<SocketAddr>,
    /// Without a slash at its end.
    pub public_url: Option<String>,
    /// At most so many at once on each listener; further ones wait to be accepted.
    pub connections: usize,
    /// How many bytes of requests with events may be in work at once; more are answered 429.
    pub in_hand: u64,
    /// Whose pages may send events from a browser: scheme, host and port, or `*` for all.
    pub origins: Vec<String>,
    /// By name.
    pub keys: BTreeMap<String, KeySettings>,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            listen: None,
            ingest_listen: None,
            admin_listen: None,
            public_url: None,
            connections: 512,
            in_hand: 16 << 20,
            origins: Vec::new(),
            keys: BTreeMap::new(),
        }
    }
}

/// `[http.keys.NAME]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySettings {
    /// The SHA-256 of the key's text.
    pub sha256: [u8; 32],
    pub may: Vec<May>,
}

/// What a key may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum May {
    Identify,
    Track,
    Page,
    Screen,
    Group,
    Alias,
    Metrics,
}

impl May {
    pub const WORDS: [(&'static str, May); 7] = [
        ("identify", May::Identify),
        ("track", May::Track),
        ("page", May::Page),
        ("screen", May::Screen),
        ("group", May::Group),
        ("alias", May::Alias),
        ("metrics", May::Metrics),
    ];
    /// What a key may do that says nothing of it: send everything, read nothing.
    pub const USUAL: [May; 6] = [
        May::Identify,
        May::Track,
        May::Page,
        May::Screen,
        May::Group,
        May::Alias,
    ];

    pub fn as_str(self) -> &'static str {
        May::WORDS
            .iter()
            .find(|(_, may)| *may == self)
            .map_or("", |(word, _)| word)
    }

    pub fn parse(text: &str) -> Result<May, String> {
        (May::WORDS.iter())
            .find(|(word, _)| *word == text)
            .map(|(_, may)| *may)
            .ok_or_else(|| {
                let words: Vec<&str> = May::WORDS.iter().map(|(word, _)| *word).collect();
                format!(
                    "{text:?} is nothing that a key may do; write some of {}",
                    words.join(", ")
                )
            })
    }
}

/// `real`: some transport sends to customers.
pub(super) fn read(table: &Table<'_>, real: bool) -> Option<Http> {
    let usual = Http::default();
    let address = |key: &str| optional(table.get(key), |i| i.parsed(socket_address));
    let listen = address("listen");
    let ingest_listen = address("ingest_listen");
    let admin_listen = address("admin_listen");
    let own = [
        ("listen", listen),
        ("ingest_listen", ingest_listen),
        ("admin_listen", admin_listen),
    ];
    tell_of_shared_addresses(table, &own.map(|(key, a)| (key, a.flatten())));
    let public_url = optional(table.get("public_url"), |i| i.parsed(web_address));
    if let Some(item) = table.get("public_url").filter(|_| real)
        && table.get("listen").is_none()
    {
        item.error(
            "mails would carry links to pages that nobody serves: [http] has no `listen`",
            "write listen = \"127.0.0.1:8087\" beside it, and have the web server that answers at this address hand /u/, /p/, /c/, /a/ and /t/ on to it; or remove `public_url`",
        );
    }
    let connections = table
        .get("connections")
        .map_or(Some(usual.connections), |i| {
            usize::try_from(i.whole(1, 100_000)?).ok()
        });
    let in_hand = table
        .get("in_hand")
        .map_or(Some(usual.in_hand), |i| i.parsed(size));
    let origins = table.get("origins").map_or(Some(Vec::new()), |list| {
        list.parsed_list("write origins = [\"https://shop.example\"]", web_origin)
    });
    let keys = table
        .get("keys")
        .map_or(Some(BTreeMap::new()), |i| read_keys(&i));
    Some(Http {
        listen: listen?,
        ingest_listen: ingest_listen?,
        admin_listen: admin_listen?,
        public_url: public_url?,
        connections: connections?,
        in_hand: in_hand?,
        origins: origins?,
        keys: keys?,
    })
}

/// Two listeners at one address: found here, not when the second is opened. Told at both places.
fn tell_of_shared_addresses(table: &Table<'_>, own: &[(&str, Option<SocketAddr>)]) {
    for (n, (key, address)) in own.iter().enumerate() {
        for (other, others) in &own[..n] {
            if let (Some(address), Some(others)) = (address, others)
                && meet(*address, *others)
            {
                for (at, than) in [(other, key), (key, other)] {
                    if let Some(item) = table.get(at) {
                        item.error(
                            format!("`{at}` and `{than}` are one address, and only one of them can listen there"),
                            format!("give one of them another port; without `{key}`, what it is for is served at `listen`"),
                        );
                    }
                }
            }
        }
    }
}

/// Whether a second socket cannot be opened beside the first. Port 0 is another one each time.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || everywhere)
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no address to listen on; write for example \"127.0.0.1:8087\"")
    })
}

fn web_address(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"))
        .unwrap_or("");
    if rest.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "{text:?} is no web address; write for example \"https://mail.shop.example\""
        ));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An origin as browsers write it (RFC 6454 §6.2), since it is compared as it stands.
fn web_origin(text: &str) -> Result<String, String> {
    let rest = (text.strip_prefix("https://")).or(text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    let usual = |rest: &str| {
        let port = if text.starts_with("https:") {
            ":443"
        } else {
            ":80"
        };
        rest.ends_with(port)
    };
    let is_one = |rest: &str| {
        !rest.is_empty() && rest.chars().all(plain) && !rest.starts_with(':') && !usual(rest)
    };
    match text == "*" || rest.is_some_and(is_one) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{text:?} is no origin; write scheme and host in small letters, without a path and without the usual port, for example \"https://shop.example\", or \"*\" for all"
        )),
    }
}

fn read_keys(item: &Item<'_>) -> Option<BTreeMap<String, KeySettings>> {
    let entries = item.entries("write [http.keys.NAME]; `reveille key` prints one")?;
    let mut keys = BTreeMap::new();
    let mut good = true;
    for entry in &entries {
        match read_key(entry) {
            Some(key) => _ = keys.insert(entry.name.to_owned(), key),
            None => good = false,
        }
    }
    good.then_some(keys)
}

fn read_key(item: &Item<'_>) -> Option<KeySettings> {
    let table = item.table(&HTTP_KEY)?;
    let sha256 = table
        .required("sha256", "`reveille key` makes a key and prints this line")
        .and_then(|i| i.parsed(hash));
    let may = match table.get("may") {
        None => Some(May::USUAL.to_vec()),
        Some(list) => list.parsed_list("write may = [\"track\", \"identify\"]", May::parse),
    };
    Some(KeySettings {
        sha256: sha256?,
        may: may?,
    })
}

/// 64 hexadecimal digits. What stands there is not shown: it may be a key put there by mistake.
fn hash(text: &str) -> Result<[u8; 32], String> {
    let wrong = || {
        "it must be 64 hexadecimal digits, the SHA-256 of a key; `reveille key` prints it (never write the key itself here)"
            .to_owned()
    };
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16).ok_or_else(wrong);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::http::{Http, May};
    use std::path::Path;

    fn read(text: &str) -> Result<Http, String> {
        match Config::parse(Path::new("config.toml"), text) {
            Ok(config) => Ok(config.http),
            Err(problems) => Err(problems.iter().map(|p| p.to_line()).collect()),
        }
    }

    #[test]
    fn listeners_and_keys_are_read() {
        let text = format!(
            "[http]\nlisten = \"127.0.0.1:8087\"\nadmin_listen = \"[::1]:9187\"\nin_hand = \"1MB\"\n\
             [http.keys.web]\nsha256 = \"{}\"\nmay = [\"track\"]\n[http.keys.shop]\nsha256 = \"{}\"\n",
            "0a".repeat(32),
            "FF".repeat(32),
        );
        let http = read(&text).unwrap();
        assert_eq!(http.admin_listen.unwrap().port(), 9187);
        assert_eq!((http.in_hand, http.connections), (1 << 20, 512));
        assert_eq!(http.keys["web"].sha256, [10; 32]);
        assert_eq!(http.keys["web"].may, [May::Track]);
        assert_eq!(http.keys["shop"].sha256, [255; 32]);
        assert_eq!(http.keys["shop"].may, May::USUAL);
        assert_eq!(read(""), Ok(Http::default()));
    }

    #[test]
    fn two_listeners_at_one_address_are_told_at_both_places() {
        for (first, second, bad) in [
            (
                "listen = \"127.0.0.1:8087\"",
                "ingest_listen = \"127.0.0.1:8087\"",
                true,
            ),
            (
                "listen = \"127.0.0.1:8087\"",
                "admin_listen = \"0.0.0.0:8087\"",
                true,
            ),
            (
                "ingest_listen = \"[::1]:80\"",
                "admin_listen = \"[::1]:80\"",
                true,
            ),
            (
                "listen = \"127.0.0.1:0\"",
                "ingest_listen = \"127.0.0.1:0\"",
                false,
            ),
            (
                "listen = \"127.0.0.1:80\"",
                "admin_listen = \"127.0.0.2:80\"",
                false,
            ),
            (
                "listen = \"127.0.0.1:80\"",
                "admin_listen = \"127.0.0.1:81\"",
                false,
            ),
        ] {
            let told = read(&format!("[http]\n{first}\n{second}\n"));
            assert_eq!(told.is_err(), bad, "{first} {second}: {told:?}");
            if let Err(why) = told {
                for place in ["config.toml:2:", "config.toml:3:"] {
                    assert!(why.contains(place), "{why}");
                }
            }
        }
    }

    #[test]
    fn links_that_nobody_would_serve_are_told_where_a_real_transport_sends() {
        let url = "[http]\npublic_url = \"https://mail.shop.example\"\n";
        let smtp = "[sender]\nfrom = \"hello@shop.example\"\n[transport.main]\nkind = \"smtp\"\nhost = \"mx.example\"\n";
        assert!(read(url).is_ok(), "a rehearsal sends to nobody");
        let why = read(&format!("{url}{smtp}")).unwrap_err();
        assert!(
            why.starts_with("config.toml:2:14: mails would carry links"),
            "{why}"
        );
        let served = format!("{url}listen = \"127.0.0.1:8087\"\n{smtp}");
        assert!(read(&served).is_ok(), "{served}");
        assert!(read(smtp).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_and_a_key_is_never_shown() {
        let key = "rvl_secret-that-somebody-put-here-in-place-of-its-hash";
        for (text, told) in [
            ("[http]\nlisten = \"8087\"", "127.0.0.1:8087"),
            ("[http]\nconnections = 0", "from 1 to"),
            ("[http]\norigins = \"*\"", "origins = ["),
            ("[http]\norigins = [\"shop.example\"]", "is no origin"),
            (
                "[http]\norigins = [\"https://shop.example/\"]",
                "is no origin",
            ),
            (
                "[http]\norigins = [\"https://Shop.example\"]",
                "is no origin",
            ),
            (
                "[http]\norigins = [\"https://shop.example:443\"]",
                "is no origin",
            ),
            ("[http]\npublic_url = \"shop.example\"", "https://"),
            ("[http]\nkeys = 1", "reveille key"),
            ("[http.keys.web]\nmay = [\"track\"]", "`sha256` is missing"),
            ("[http.keys.web]\nsha256 = \"SHA\"", "64 hexadecimal digits"),
            (
                "[http.keys.web]\nsha256 = \"0\"\nmay = [\"fly\"]",
                "nothing that a key may do",
            ),
        ] {
            let why = read(&text.replace("SHA", key)).unwrap_err();
            assert!(why.contains(told), "{why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
