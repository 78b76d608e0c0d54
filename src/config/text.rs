//! The small texts of settings: sizes, paces, shares, mailboxes, language tags, zones.
//!
//! Each parser's error reads "what is wrong; what to write", which the reader shows as problem and help.

use crate::domain::address::EmailAddress;
use crate::domain::condition::Pattern;
use crate::domain::time::Span;
use chrono_tz::Tz;

/// A name and an address, as a From header has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: EmailAddress,
}

impl Mailbox {
    /// Reads `Corner Shop <hello@shop.example>` or a bare address.
    pub fn parse(text: &str) -> Result<Mailbox, String> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err("it holds a control character; write \"Shop <hello@shop.example>\"".into());
        }
        let (name, address) = match text.strip_suffix('>').and_then(|t| t.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", text),
        };
        let address = EmailAddress::parse(address)
            .map_err(|why| format!("{why}; write \"Shop <hello@shop.example>\""))?;
        Ok(Mailbox {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address,
        })
    }
}

/// So many in so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    pub count: u32,
    pub per: Span,
}

impl Pace {
    /// Reads `50 per 1s`, `500 per 1d`.
    pub fn parse(text: &str) -> Result<Pace, String> {
        let wrong = || {
            format!("\"{text}\" is not a pace; write for example \"50 per 1s\" or \"500 per 1d\"")
        };
        let (count, per) = text.split_once(" per ").ok_or_else(wrong)?;
        let count: u32 = count.trim().parse().map_err(|_| wrong())?;
        let per = Span::parse(per.trim()).map_err(|_| wrong())?;
        if count == 0 || per <= Span::ZERO {
            return Err(wrong());
        }
        Ok(Pace { count, per })
    }
}

/// So many customers, or that share of all, whichever is more.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AtOnce {
    pub count: u64,
    /// From 0 to 1.
    pub share: f64,
}

impl AtOnce {
    /// Reads `200 or 1%`, `200`, `1%`.
    pub fn parse(text: &str) -> Result<AtOnce, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no number of customers; write for example \"200 or 1%\" (whichever is more)"
            )
        };
        let mut at_once = AtOnce {
            count: 0,
            share: 0.0,
        };
        for (place, part) in text.split(" or ").map(str::trim).enumerate() {
            match part.strip_suffix('%') {
                Some(percent) if place < 2 && at_once.share == 0.0 => {
                    let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
                    if !(0.0..=100.0).contains(&percent) {
                        return Err(wrong());
                    }
                    at_once.share = percent / 100.0;
                }
                None if place == 0 => at_once.count = part.parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            }
        }
        Ok(at_once)
    }

    /// How many of `base` customers may enter without approval.
    pub fn of(&self, base: u64) -> u64 {
        self.count.max((base as f64 * self.share).floor() as u64)
    }
}

/// Reads `64MB`, `1GB`, `500KB` (steps of 1,024): bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is not a size; write for example \"64MB\" or \"1GB\"");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].trim() {
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(unit)
        .filter(|n| *n > 0)
        .ok_or_else(wrong)
}

/// Reads a language tag such as `ko`, `en-GB`, `zh-Hant-TW` (RFC 5646, the common shapes).
pub fn locale(text: &str) -> Result<String, String> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or("");
    let good = (2..=3).contains(&language.len())
        && language.chars().all(|c| c.is_ascii_lowercase())
        && parts.clone().count() <= 3
        && parts
            .all(|p| (2..=8).contains(&p.len()) && p.chars().all(|c| c.is_ascii_alphanumeric()));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a language; write for example \"ko\", \"en\" or \"en-GB\""
        ))
    }
}

/// Reads an IANA time zone; offers the nearest where there is none of that name.
pub fn zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name());
        // "KST" is not near "EST", though only one letter is different.
        let long = |near: &&str| near.len() > 4;
        let near = super::nearest::nearest(text, names())
            .filter(long)
            .or_else(|| {
                let found = super::nearest::nearest(text, names().map(city)).filter(long);
                names().find(|name| city(name) == text || Some(city(name)) == found)
            });
        let help = match near {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => {
                "write an IANA name such as \"Asia/Seoul\", \"Europe/Berlin\" or \"UTC\"".into()
            }
        };
        format!("there is no time zone \"{text}\"; {help}")
    })
}

/// A length of time longer than none.
pub fn positive(text: &str) -> Result<Span, String> {
    let span = Span::parse(text)?;
    if span > Span::ZERO {
        Ok(span)
    } else {
        Err(format!(
            "{text:?} is no time at all; write for example \"30s\""
        ))
    }
}

/// Which recipients are meant: as it is written, in lower case and with the domain in A-labels, and as a pattern.
#[derive(Clone, PartialEq, Debug)]
pub struct Recipients {
    pub text: String,
    pub pattern: Pattern,
}

impl Recipients {
    /// Reads `*@shop.example`, a whole address, or `*`; case does not matter.
    pub fn parse(text: &str) -> Result<Recipients, String> {
        let wrong = || {
            format!(
                "{text:?} names no recipients; write \"*@shop.example\", a whole address, or \"*\" for all"
            )
        };
        let text = if text == "*" {
            text.to_owned()
        } else {
            let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
            if local != "*" && local.contains('*') {
                return Err(wrong());
            }
            // The domain gets the form that addresses have, by reading an address that ends in it.
            let stand_in = if local == "*" { "any" } else { local };
            let address =
                EmailAddress::parse(&format!("{stand_in}@{domain}")).map_err(|_| wrong())?;
            match local {
                "*" => format!("*@{}", address.domain()),
                _ => address.mailbox().0,
            }
        };
        let written = match text.strip_prefix('*') {
            Some(rest) => format!("^.*{}$", regex::escape(rest)),
            None => format!("^{}$", regex::escape(&text)),
        };
        let pattern = regex::RegexBuilder::new(&written)
            .case_insensitive(true)
            .build()
            .map_err(|_| wrong())?;
        Ok(Recipients {
            text,
            pattern: Pattern(pattern),
        })
    }
}

/// Two letters of ISO 3166, in upper case.
pub fn country(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a country; write two capital letters, such as \"KR\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{AtOnce, Mailbox, Pace, Recipients, locale, size, zone};
    use crate::domain::time::Span;

    #[test]
    fn the_small_texts_read() {
        let shop = Mailbox::parse("Corner Shop <hello@shop.example>").unwrap();
        assert_eq!(shop.name.as_deref(), Some("Corner Shop"));
        assert_eq!(Mailbox::parse("a@shop.example").unwrap().name, None);
        assert!(Mailbox::parse("Shop <hello>").is_err());
        assert!(Mailbox::parse("Shop\r\nBcc: x <hello@shop.example>").is_err());

        let pace = Pace::parse("50 per 1s").unwrap();
        assert_eq!((pace.count, pace.per), (50, Span::seconds(1)));
        for bad in ["50", "0 per 1s", "5 per 0s", "x per 1s", "5 per day"] {
            assert!(Pace::parse(bad).is_err(), "{bad}");
        }

        let at_once = AtOnce::parse("200 or 1%").unwrap();
        assert_eq!((at_once.of(1_000), at_once.of(50_000)), (200, 500));
        assert_eq!(AtOnce::parse("7").unwrap().of(1_000_000), 7);
        assert_eq!(AtOnce::parse("50%").unwrap().of(9), 4);
        for bad in [
            "",
            "1% or 200",
            "200 or",
            "200 or 101%",
            "200 or 1% or 2%",
            "-1",
        ] {
            assert!(AtOnce::parse(bad).is_err(), "{bad}");
        }

        assert_eq!(size("64MB"), Ok(64 << 20));
        assert!(size("64").is_err() && size("0MB").is_err() && size("99999999999GB").is_err());
        assert!(locale("en-GB").is_ok() && locale("zh-Hant-TW").is_ok());
        let only = Recipients::parse("*@Shop.example").unwrap();
        assert_eq!(only.text, "*@shop.example");
        let only = only.pattern.0;
        assert!(only.is_match("a.b@shop.EXAMPLE") && !only.is_match("a@shop.example.org"));
        assert!(!only.is_match("a@shopxexample") && !only.is_match("a@sub.shop.example"));
        let one = Recipients::parse("a+b@shop.example").unwrap().pattern.0;
        assert!(one.is_match("A+b@shop.example") && !one.is_match("aab@shop.example"));
        assert!(
            Recipients::parse("*")
                .unwrap()
                .pattern
                .0
                .is_match("any@where")
        );
        for bad in ["", "everybody", "*@", "a*@shop.example", "*@a b"] {
            assert!(Recipients::parse(bad).is_err(), "{bad}");
        }
        assert!(locale("EN").is_err() && locale("").is_err() && locale("english").is_err());
    }

    #[test]
    fn a_zone_is_known_or_the_nearest_is_named() {
        assert!(zone("Asia/Seoul").is_ok());
        for (text, near) in [
            ("Asia/Soul", "Asia/Seoul"),
            ("Seoul", "Asia/Seoul"),
            ("europe/berlin", "Europe/Berlin"),
        ] {
            assert!(zone(text).unwrap_err().contains(near), "{text}");
        }
        assert!(zone("KST").unwrap_err().contains("IANA"));
        assert!(zone("KST+9 and more").unwrap_err().contains("IANA"));
    }
}
