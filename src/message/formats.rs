//! How values are written for a reader: money, numbers, shares, counted things, Korean particles. Dates are written by
//! [`super::dates`].
//!
//! Only what the shipped languages need is known by name (English, Korean, Japanese); other locales get forms that
//! nobody misreads: ISO dates, and numbers with the separators of their language.

use serde_json::Value;

/// The language of a tag: `ko` of `ko-KR`.
pub(super) fn language(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or("")
}

/// ISO 4217: how many decimals a currency has.
fn decimals(currency: &str) -> usize {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// An amount of money for people: `$1,234.50`, `12,000원`, `1.234,50 €`. `currency` is ISO 4217's code.
pub fn money(amount: &Value, currency: &str, locale: &str) -> Result<String, String> {
    let currency = currency.trim().to_ascii_uppercase();
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "\"{currency}\" is no currency: write its three letters, such as USD or KRW"
        ));
    }
    let digits = number(amount, Some(decimals(&currency)), locale)?;
    let (minus, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.as_str()),
    };
    let lang = language(locale);
    Ok(match (currency.as_str(), lang) {
        ("KRW", "ko") => format!("{minus}{digits}원"),
        ("JPY", "ja") => format!("{minus}{digits}円"),
        _ => {
            let symbol = match currency.as_str() {
                "USD" if matches!(locale, "en-CA" | "en-AU" | "en-NZ") => "US$",
                "USD" => "$",
                "EUR" => "€",
                "GBP" => "£",
                "KRW" => "₩",
                "JPY" => "¥",
                "INR" => "₹",
                "VND" => "₫",
                _ => "",
            };
            let behind = matches!(separators(lang), (_, ','));
            match (symbol, behind) {
                ("", _) => format!("{minus}{digits}\u{a0}{currency}"),
                (symbol, true) => format!("{minus}{digits}\u{a0}{symbol}"),
                (symbol, false) => format!("{minus}{symbol}{digits}"),
            }
        }
    })
}

/// Thousands and decimal separator of a language.
fn separators(lang: &str) -> (char, char) {
    match lang {
        "de" | "es" | "it" | "nl" | "pt" | "da" | "id" | "tr" | "el" => ('.', ','),
        "fr" | "pl" | "cs" | "sv" | "nb" | "no" | "fi" | "ru" | "uk" | "hu" => ('\u{a0}', ','),
        _ => (',', '.'),
    }
}

/// A number with its thousands parted, rounded half up to `places` decimals (`None`: as many as it has).
pub fn number(value: &Value, places: Option<usize>, locale: &str) -> Result<String, String> {
    let wrong = || format!("{} is no number", clip(value));
    let text = match value {
        // Rust writes an f64 in full, with the fewest digits that mean it: never with an exponent.
        Value::Number(n) => n.as_i64().map_or_else(
            || n.as_f64().map(|f| f.to_string()).unwrap_or_default(),
            |i| i.to_string(),
        ),
        Value::String(s) => s.trim().replace(',', ""),
        _ => return Err(wrong()),
    };
    let (minus, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || whole.len() > 30
        || !(whole.bytes().chain(part.bytes())).all(|b| b.is_ascii_digit())
    {
        return Err(wrong());
    }
    let places = places.unwrap_or(part.len()).min(9);
    let mut digits: Vec<u8> = whole.bytes().collect();
    digits.extend(part.bytes().chain(std::iter::repeat(b'0')).take(places));
    if part.as_bytes().get(places).is_some_and(|d| *d >= b'5') {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] == b'9' {
                digits[at] = b'0';
            } else {
                digits[at] += 1;
                break;
            }
        }
    }
    let (thousand, point) = separators(language(locale));
    let whole_len = digits.len() - places;
    let mut out = String::new();
    if digits.iter().any(|d| *d != b'0') {
        out.push_str(minus);
    }
    for (i, digit) in digits.iter().enumerate() {
        if i == whole_len {
            out.push(point);
        } else if i > 0 && i < whole_len && (whole_len - i).is_multiple_of(3) {
            out.push(thousand);
        }
        out.push(char::from(*digit));
    }
    Ok(out)
}

/// A share of one in hundredths: `15%`.
pub fn percent(share: f64, places: usize, locale: &str) -> Result<String, String> {
    // Rounded in decimals, so that 0.07 is 7 and not 7.000000000000001.
    let hundredths: Value = format!("{:.9}", share * 100.0).into();
    let digits = number(&hundredths, Some(places), locale)?;
    let space = match separators(language(locale)) {
        (_, ',') => "\u{a0}",
        _ => "",
    };
    Ok(format!("{digits}{space}%"))
}

/// A counted thing: `1 item`, `3 items`; in languages that do not inflect, the number and `other` as they are
/// written there: `3개` (Korean, Japanese, Chinese).
pub fn plural(count: &Value, one: &str, other: &str, locale: &str) -> Result<String, String> {
    let number = number(count, None, locale)?;
    Ok(match language(locale) {
        "ko" | "ja" | "zh" => format!("{number}{other}"),
        _ if number == "1" || number == "-1" => format!("{number} {one}"),
        _ => format!("{number} {other}"),
    })
}

/// A Korean word with the particle that its last sound asks for: `josa("머그컵", "을/를")` is `머그컵을`.
/// `forms` is the one after a consonant, a slash, the one after a vowel. `으로/로` takes ㄹ for a vowel.
pub fn josa(word: &str, forms: &str) -> Result<String, String> {
    let (closed, open) = forms.split_once('/').ok_or_else(|| {
        format!("\"{forms}\" must be two particles with a slash, such as \"을/를\"")
    })?;
    let last = word.chars().rev().find(|c| c.is_alphanumeric());
    // The last consonant of a Hangul syllable; for digits, of their Korean names; nothing is known of others.
    let end = match last {
        Some(c @ '가'..='힣') => (c as u32 - '가' as u32) % 28,
        Some('1' | '7' | '8') => 8,
        Some('0' | '3' | '6') => 21,
        Some('l' | 'L') => 8,
        Some('m' | 'n' | 'M' | 'N') => 4,
        _ => 0,
    };
    let closed_sound = end != 0 && !(end == 8 && closed.starts_with('으'));
    Ok(format!(
        "{word}{}",
        if closed_sound { closed } else { open }
    ))
}

/// A value in an error text, shortened.
pub fn clip(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{josa, money, number, percent, plural};
    use serde_json::{Value, json};

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        for (amount, currency, locale, expected) in [
            (json!(12000), "KRW", "ko", "12,000원"),
            (json!(12000.0), "KRW", "en", "₩12,000"),
            (json!("12000.4"), "krw", "ko-KR", "12,000원"),
            (json!(1234.5), "USD", "en", "$1,234.50"),
            (json!(-3), "USD", "en", "-$3.00"),
            (json!(1234.5), "EUR", "de", "1.234,50\u{a0}€"),
            (json!(1980), "JPY", "ja", "1,980円"),
            (json!(1.005), "GBP", "en", "£1.01"),
            (json!(999.999), "USD", "en", "$1,000.00"),
            (json!(5), "CHF", "en", "5.00\u{a0}CHF"),
            (json!(-0.001), "USD", "en", "$0.00"),
            (json!(1e21), "KRW", "ko", "1,000,000,000,000,000,000,000원"),
        ] {
            assert_eq!(money(&amount, currency, locale).unwrap(), expected);
        }
        for (amount, currency) in [
            (json!("a lot"), "USD"),
            (json!(1), "dollars"),
            (Value::Null, "USD"),
            (json!(""), "USD"),
            (json!(1e300), "USD"),
        ] {
            assert!(
                money(&amount, currency, "en").is_err(),
                "{amount} {currency}"
            );
        }
    }

    #[test]
    fn things_are_counted_as_a_language_counts() {
        assert_eq!(plural(&json!(1), "item", "items", "en").unwrap(), "1 item");
        assert_eq!(plural(&json!(0), "item", "items", "en").unwrap(), "0 items");
        assert_eq!(
            plural(&json!(1200), "item", "items", "en").unwrap(),
            "1,200 items"
        );
        assert_eq!(plural(&json!(1), "개", "개", "ko").unwrap(), "1개");
        assert_eq!(number(&json!(0.125), None, "en").unwrap(), "0.125");
    }

    #[test]
    fn shares_are_written_in_hundredths() {
        for (share, places, locale, expected) in [
            (0.07, 0, "en", "7%"),
            (0.125, 1, "ko", "12.5%"),
            (0.125, 0, "en", "13%"),
            (-0.5, 0, "en", "-50%"),
            (12.0, 0, "en", "1,200%"),
            (0.2, 0, "de", "20\u{a0}%"),
        ] {
            assert_eq!(percent(share, places, locale).unwrap(), expected, "{share}");
        }
    }

    #[test]
    fn particles_follow_the_last_sound() {
        for (word, forms, expected) in [
            ("머그컵", "을/를", "머그컵을"),
            ("커피", "을/를", "커피를"),
            ("서울", "으로/로", "서울로"),
            ("집", "으로/로", "집으로"),
            ("민수", "이/가", "민수가"),
            ("컵 (2)", "이/가", "컵 (2)가"),
            ("", "이/가", "가"),
        ] {
            assert_eq!(josa(word, forms).unwrap(), expected);
        }
        assert!(josa("컵", "을").is_err());
    }
}
