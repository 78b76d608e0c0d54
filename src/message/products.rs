//! A product as templates see it: names of one line, addresses that are safe to follow, a price as its reader writes it.
//!
//! Whatever the shop's pages sent stands in events, so all of it is strange: only web addresses are links, only pictures
//! by https are pictures, texts are cut, and of the other properties only so much is kept as a mail can need.

use super::formats;
use super::header::{one_line, shortened};
use crate::config::links::ascii;
use crate::domain::products::Product;
use crate::domain::value::{Properties, Value};
use serde_json::{Map, Value as Json, json};

/// The longest name, category and the like.
const MOST_NAME: usize = 200;
/// The longest text of another property.
const MOST_TEXT: usize = 1_000;
/// The longest address that mail programs follow reliably.
const MOST_URL: usize = 2_000;
/// So many other properties, and so many elements of a list.
const MOST_OTHERS: usize = 50;
/// How deep another property may nest.
const DEEPEST: usize = 4;

/// What templates see of each product. These are always there, empty where nothing is known: `id`, `sku`, `name`, `url`,
/// `image` (also `image_url`), `category`, `currency`, `price_text`; `price` is a number or null, `quantity` is 1 where
/// it is not said.
pub fn shown(products: &[Product], locale: &str) -> Json {
    products
        .iter()
        .map(|product| one(product, locale))
        .collect()
}

fn one(product: &Product, locale: &str) -> Json {
    let all = &product.properties;
    let mut seen: Map<String, Json> = (all.iter())
        .take(MOST_OTHERS)
        .map(|(name, value)| (name.clone(), bounded(value, 0)))
        .collect();
    let text = |name: &str| all.get(name).and_then(Value::as_key).unwrap_or_default();
    for name in ["sku", "name", "category"] {
        seen.insert(name.to_owned(), cut(&text(name), MOST_NAME).into());
    }
    seen.insert("id".to_owned(), cut(&product.id, MOST_NAME).into());
    let url = web_address(&text("url"), &["https", "http"]);
    seen.insert("url".to_owned(), url.into());
    let image = ["image_url", "image"]
        .iter()
        .map(|name| web_address(&text(name), &["https"]))
        .find(|url| !url.is_empty())
        .unwrap_or_default();
    seen.insert("image".to_owned(), image.clone().into());
    seen.insert("image_url".to_owned(), image.into());
    let price = price_of(all);
    let currency = text("currency").trim().to_ascii_uppercase();
    let currency =
        Some(currency).filter(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase()));
    let currency = currency.unwrap_or_default();
    let written = match (&price, currency.as_str()) {
        (Json::Null, _) => String::new(),
        (price, "") => formats::number(price, None, locale).unwrap_or_default(),
        (price, currency) => formats::money(price, currency, locale).unwrap_or_default(),
    };
    seen.insert("price".to_owned(), price);
    seen.insert("price_text".to_owned(), written.into());
    seen.insert("currency".to_owned(), currency.into());
    let quantity = all.get("quantity").and_then(Value::as_number);
    let quantity = number(quantity.filter(|n| *n >= 0.0)).unwrap_or_else(|| json!(1));
    seen.insert("quantity".to_owned(), quantity);
    Json::Object(seen)
}

/// A price is a number that is not below nothing.
fn price_of(all: &Properties) -> Json {
    let price = all.get("price").and_then(Value::as_number);
    let price = price.filter(|p| *p >= 0.0 && *p < 1e15);
    number(price).unwrap_or(Json::Null)
}

/// Whole numbers are written without decimals.
fn number(value: Option<f64>) -> Option<Json> {
    let value = value.filter(|n| n.is_finite() && n.abs() < 1e15)?;
    Some(match value.fract() == 0.0 {
        true => json!(value as i64),
        false => json!(value),
    })
}

/// One line of at most so many characters, without those that turn the order of all that follows.
fn cut(text: &str, most: usize) -> String {
    let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // More than that is not looked at: one line may be shorter, never longer.
    let head = text.chars().take(most * 4).filter(|c| !turns(c));
    shortened(&one_line(&head.collect::<String>()), most)
}

/// The address, if it is a whole one by one of these schemes that a mail may hold; else nothing. Letters outside ASCII
/// are written as RFC 3986 asks (§2.1); a host in other letters is left to the reader's browser.
pub(crate) fn web_address(text: &str, schemes: &[&str]) -> String {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once("://") else {
        return String::new();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    // What stands before an `@` makes an address look like another's.
    let host_is_plain = !host.is_empty() && !host.contains('@') && !host.starts_with(':');
    let good = |c: char| !c.is_control() && !c.is_whitespace() && !"\"<>\\^`{|}".contains(c);
    if text.len() > MOST_URL
        || !host_is_plain
        || !schemes
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        || !text.chars().all(good)
    {
        return String::new();
    }
    let rest = ascii(&rest[host.len()..]);
    format!("{}://{host}{rest}", scheme.to_ascii_lowercase())
}

/// Another property, as much of it as a mail can need.
fn bounded(value: &Value, depth: usize) -> Json {
    match value {
        Value::Text(text) => cut_lines(text).into(),
        Value::List(_) | Value::Map(_) if depth >= DEEPEST => Json::Null,
        Value::List(items) => (items.iter().take(MOST_OTHERS))
            .map(|item| bounded(item, depth + 1))
            .collect(),
        Value::Map(map) => (map.iter().take(MOST_OTHERS))
            .map(|(name, value)| (name.clone(), bounded(value, depth + 1)))
            .collect::<Map<String, Json>>()
            .into(),
        other => other.to_json(),
    }
}

fn cut_lines(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::{shown, web_address};
    use crate::domain::products::Product;
    use crate::domain::value::properties_from_json;
    use serde_json::{Value, json};

    fn seen(properties: Value, locale: &str) -> Value {
        let Value::Object(map) = properties else {
            panic!("an object")
        };
        let product = Product {
            id: "p1".to_owned(),
            properties: properties_from_json(map),
        };
        shown(&[product], locale)[0].clone()
    }

    #[test]
    fn prices_are_written_as_their_reader_writes_them() {
        for (price, currency, locale, text) in [
            (json!(24000), json!("KRW"), "ko", "24,000원"),
            (json!(24000.0), json!("KRW"), "en", "₩24,000"),
            (json!("24000"), json!("krw"), "ko-KR", "24,000원"),
            (json!(9.5), json!("USD"), "en", "$9.50"),
            (json!(0), json!("USD"), "en", "$0.00"),
            (json!(1980), json!("JPY"), "ja", "1,980円"),
            (json!(1234.5), json!("EUR"), "de", "1.234,50\u{a0}€"),
            (json!(12.5), json!(null), "en", "12.5"),
            (json!(12.5), json!("dollars"), "en", "12.5"),
        ] {
            let product = seen(json!({ "price": price, "currency": currency }), locale);
            assert_eq!(product["price_text"], text, "{price} {currency} {locale}");
            assert!(product["price"].is_number());
        }
        for bad in [
            json!(-1),
            json!("a lot"),
            json!(null),
            json!([1]),
            json!(1e300),
            json!("NaN"),
        ] {
            let product = seen(json!({ "price": bad, "currency": "USD" }), "en");
            assert_eq!(
                (&product["price"], &product["price_text"]),
                (&Value::Null, &json!("")),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_web_addresses_are_links_and_only_pictures_by_https_are_pictures() {
        for (url, kept) in [
            (
                "https://shop.example/p/1?a=1&b=2#top",
                "https://shop.example/p/1?a=1&b=2#top",
            ),
            (" HTTP://shop.example/p ", "http://shop.example/p"),
            (
                "https://shop.example/머그",
                "https://shop.example/%EB%A8%B8%EA%B7%B8",
            ),
            ("javascript:alert(1)", ""),
            ("javascript://shop.example/%0aalert(1)", ""),
            ("data:text/html,<script>", ""),
            ("//shop.example/p", ""),
            ("/p/1", ""),
            ("https://", ""),
            ("https:///p", ""),
            ("https://shop.example@evil.example/", ""),
            ("https://shop.example/\"onload=alert(1)", ""),
            ("https://shop.example/a b", ""),
            ("https://shop.example/\u{202e}gpj.exe\n", ""),
            ("java\nscript:alert(1)", ""),
        ] {
            let kept = match url.contains('\u{202e}') {
                true => "https://shop.example/%E2%80%AEgpj.exe",
                false => kept,
            };
            assert_eq!(web_address(url, &["https", "http"]), kept, "{url}");
        }
        assert_eq!(
            web_address(
                &format!("https://a.example/{}", "x".repeat(3_000)),
                &["https"]
            ),
            ""
        );
        let product = seen(
            json!({ "url": "http://shop.example/1", "image_url": "http://shop.example/1.png" }),
            "en",
        );
        assert_eq!(product["url"], "http://shop.example/1");
        assert_eq!(
            (&product["image"], &product["image_url"]),
            (&json!(""), &json!(""))
        );
        let product = seen(
            json!({ "image_url": "http://x.example/1.png", "image": "https://x.example/1.png" }),
            "en",
        );
        assert_eq!(product["image_url"], "https://x.example/1.png");
    }

    #[test]
    fn what_is_always_there_is_there_and_what_is_too_much_is_cut() {
        let bare = seen(json!({}), "en");
        for name in [
            "sku",
            "name",
            "url",
            "image",
            "image_url",
            "category",
            "currency",
            "price_text",
        ] {
            assert_eq!(bare[name], "", "{name}");
        }
        assert_eq!(
            (&bare["id"], &bare["quantity"], &bare["price"]),
            (&json!("p1"), &json!(1), &Value::Null)
        );
        let odd = seen(
            json!({ "name": format!("Cup\r\nBcc: x {}", "é".repeat(5_000)), "colour": "x".repeat(5_000), "quantity": 2.0,
                "sizes": vec![1; 500], "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}} }),
            "en",
        );
        let name = odd["name"].as_str().unwrap();
        assert!(
            name.starts_with("Cup Bcc: x é") && name.chars().count() == 200,
            "{name}"
        );
        assert_eq!(odd["colour"].as_str().unwrap().chars().count(), 1_001);
        assert_eq!(odd["quantity"], 2);
        assert_eq!(odd["sizes"].as_array().unwrap().len(), 50);
        assert_eq!(odd["deep"]["a"]["b"]["c"]["d"], Value::Null);
    }
}
