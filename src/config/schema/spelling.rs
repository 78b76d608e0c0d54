//! How small texts are spelled, as patterns that an editor can try: what the parser takes the pattern takes.
//!
//! The parsers (domain and [`crate::config::text`]) have the last word; a pattern is a little more generous, never less.
//! They keep to what JavaScript's and Rust's expressions share, without looking ahead: where a second thing is asked of a
//! text, it is a second pattern.

use serde_json::{Value, json};

/// A kind of text.
pub struct Spelling {
    /// As error messages call it.
    pub name: &'static str,
    pub example: &'static str,
    /// All of them must match.
    pub patterns: fn() -> Vec<String>,
}

impl Spelling {
    pub fn schema(&self) -> Value {
        let patterns = (self.patterns)();
        let mut schema = json!({ "type": "string" });
        if !self.example.is_empty() {
            schema["examples"] = json!([self.example]);
        }
        match patterns.as_slice() {
            [] => {}
            [one] => schema["pattern"] = json!(one),
            several => {
                let each: Vec<Value> = several.iter().map(|p| json!({ "pattern": p })).collect();
                schema["allOf"] = json!(each);
            }
        }
        schema
    }
}

/// A duration, with the spaces behind it.
const SPAN: &str = r"(?:[0-9]+(?:ms|s|m|h|d|w|y)\s*)+";
const NUMBER: &str = r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)";
/// Letters, digits, `-` and `_` of any script: what is left of ASCII without all else.
const SLUG: &str = r"[^\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]{1,100}";
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

macro_rules! spelling {
    ($(#[$doc:meta])* $id:ident, $name:literal, $example:literal, $patterns:expr) => {
        $(#[$doc])*
        pub static $id: Spelling = Spelling {
            name: $name,
            example: $example,
            patterns: $patterns,
        };
    };
}

spelling!(
    /// [`crate::domain::time::Span`].
    DURATION, "a duration", "90d", || vec![format!(r"^\s*{SPAN}$")]
);
spelling!(
    /// A duration longer than none.
    LENGTH, "a length of time", "90d", || vec![format!(r"^\s*{SPAN}$"), "[1-9]".into()]
);
spelling!(COUNT, "a comparison of whole numbers", ">= 3", || vec![
    r"^\s*(?:(?:>=|<=|>|<|=)\s*[0-9]+|[0-9]+(?:\s*\.\.\s*[0-9]+)?)\s*$".into()
]);
spelling!(AGE, "a comparison of durations", ">= 90d", || vec![
    format!(r"^\s*(?:(?:>=|<=|>|<)\s*{SPAN}|{SPAN}\.\.\s*{SPAN})$")
]);
spelling!(
    RANGE,
    "a comparison of numbers",
    ">= 10.5",
    || vec![range()]
);
spelling!(
    /// `is` of a property: a comparison where it looks like one, else that very text.
    IS, "a value or a comparison", ">= 3", || vec![format!(
        r"^\s*(?:[^\s<>=]|$)|{}", range()
    )]
);
spelling!(
    /// The text that a property must be.
    PLAIN, "a text that is no comparison", "", || vec![r"^\s*(?:[^\s<>]|$)".into()]
);
spelling!(
    /// [`crate::domain::cap::Cap`].
    CAP, "a cap", "2 per 7d", || vec![format!(
        r"^\s*0*[1-9][0-9]*\s+{per}\s+(?:{day}|{week}|(?:[0-9]+(?:[Mm][Ss]|[SsMmHhDdWwYy])\s*)+)\s*$",
        per = any_case("PER"), day = any_case("DAY"), week = any_case("WEEK")
    )]
);
spelling!(PACE, "a pace", "500 per 1d", || vec![
    format!(r"^\s*\+?[0-9]+\s* per \s*{SPAN}$"),
    "[1-9]".into()
]);
spelling!(SHARE, "a share", "5%", || vec![
    r"^\s*[0-9.]+\s*%\s*$".into(),
    "[1-9]".into()
]);
spelling!(
    /// [`crate::domain::quota::Quota`].
    QUOTA, "a quota", "1000 per 1d", || vec![format!(
        r"^\s*(?:[0-9.eE+-]+\s*%|\+?[0-9]+(?:\s* per \s*{SPAN})?)\s*$"
    ), "[1-9]".into()]
);
spelling!(
    /// [`crate::domain::breaker::Limits`].
    HARM, "a limit of harm", "2% of at least 200 in 1d", || {
        let limit = format!(r"\s*(?:[0-9.]+\s*% of at least )?\s*\+?[0-9]+\s* in \s*{SPAN}");
        vec![format!("^(?:off|{limit}(?: or {limit})*)$")]
    }
);
spelling!(
    /// [`crate::domain::window::Window`].
    HOURS, "hours", "Mon-Fri 09:00-18:00", || vec![hours(), "[0-9]:".into()]
);
spelling!(
    /// [`crate::domain::schedule::CronRule`].
    CRON, "a schedule", "0 10 * * MON-FRI", || vec![cron()]
);
spelling!(TIME, "a time of day", "10:00", || vec![
    r"^\s*(?:[01]?[0-9]|2[0-3])\s*:\s*[0-5]?[0-9]$".into(),
    "^.{5}$".into()
]);
spelling!(
    /// A local date and time; TOML's own, too, which editors hand on as text.
    LOCAL, "a local date and time", "2026-12-01 10:00", || vec![
        r"^\s*[+-]?[0-9]+-\s*[0-9]+-\s*[0-9]+[T\s]*[0-9]{1,2}:\s*[0-9]{1,2}(?::\s*[0-9]{1,2})?$".into()
    ]
);
spelling!(DAY, "a day", "2025-01-01", || vec![
    r"^\s*[+-]?[0-9]+-\s*[0-9]+-\s*[0-9]+".into()
]);
spelling!(CLOSED, "a date or a weekday", "Sun", || {
    let days: Vec<String> = WEEKDAYS.iter().map(|d| any_case(d)).collect();
    vec![format!(r"^(?:[0-9+\-\s]{{10}}|{})$", days.join("|"))]
});
spelling!(
    /// A name made of letters, digits, `-` and `_`.
    NAME, "a name", "", || vec![format!("^{SLUG}$")]
);
spelling!(STEP, "a step", "welcome/hello", || vec![format!(
    "^{SLUG}(?:/{SLUG})?$"
)]);
spelling!(
    /// Words with something in them.
    WORDS, "a text", "", || vec![r"\S".into()]
);
spelling!(LINE, "one line of text", "", || vec![
    r"\S".into(),
    r"^[^\x00-\x1f\x7f]*$".into()
]);
spelling!(EVENT, "an event's name", "Order Completed", || vec![
    r"\S".into(),
    r"^[^\x00-\x1f\x7f]{1,200}$".into()
]);
spelling!(TAG, "a tag", "vip", || vec![
    r"\S".into(),
    r"^[^\x00-\x1f\x7f]{1,100}$".into()
]);
spelling!(
    PATH,
    "a property, or a path to one",
    "products.category",
    || vec![r"^[^.]*[^.\s][^.]*(?:\.[^.]*[^.\s][^.]*)*$".into()]
);
spelling!(LOCALE, "a language", "ko", || vec![
    "^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$".into()
]);
spelling!(EMAIL, "an email address", "crm@shop.example", || vec![
    r"^\s*[^\s@]+@[^\s@]+\s*$".into()
]);
spelling!(
    SENDER,
    "a name and an address",
    "Corner Shop <hello@shop.example>",
    || vec![r"^\s*(?:[^<]*<\s*[^\s@<>]+@[^\s@<>]+\s*>|[^\s@<>]+@[^\s@<>]+)\s*$".into()]
);
spelling!(SIZE, "a size", "64MB", || vec![
    r"^[0-9]+\s*(?:KB|MB|GB)\s*$".into(),
    "[1-9]".into()
]);
spelling!(AT_ONCE, "a number of customers", "200 or 1%", || vec![
    r"^\s*(?:\+?[0-9]+|[0-9.eE+-]+\s*%)(?:\s* or \s*[0-9.eE+-]+\s*%)?\s*$".into()
]);
spelling!(COUNTRY, "a country", "KR", || vec!["^[A-Z]{2}$".into()]);
spelling!(HOST, "a host", "mail.shop.example", || vec![
    r"^[^\s/@,;]+$".into()
]);
spelling!(RECIPIENTS, "recipients", "*@shop.example", || vec![
    r"^\s*(?:\*|(?:\*|[^\s@*]+)@[^\s@]+)\s*$".into()
]);
spelling!(
    LISTEN,
    "an address to listen on",
    "127.0.0.1:8087",
    || vec![r"^(?:[0-9.]+|\[[0-9A-Fa-f:.%]+\]):[0-9]+$".into()]
);
spelling!(WEB, "a web address", "https://mail.shop.example", || vec![
    r"^https?://\S+$".into()
]);
spelling!(
    PAGE,
    "a page of the shop",
    "https://shop.example/cart",
    || vec![r#"^https?://[A-Za-z0-9.:\[\]-]+(?:[/?#][^\s"<>\\^`{|}]*)?$"#.into()]
);
spelling!(ORIGIN, "an origin", "https://shop.example", || vec![
    r"^(?:\*|https?://[a-z0-9.:\[\]-]+)$".into()
]);
spelling!(SHA256, "64 hexadecimal digits", "", || vec![
    r"^\s*[0-9A-Fa-f]{64}\s*$".into()
]);
spelling!(
    PLACE,
    "small letters, digits, \"-\" and \"_\"",
    "",
    || vec!["^[a-z0-9_-]{1,64}$".into()]
);

/// Those whose parser is a function of its own, for the test that compares the two.
pub static ALL: [&Spelling; 36] = [
    &SHARE,
    &QUOTA,
    &HARM,
    &DURATION,
    &LENGTH,
    &COUNT,
    &AGE,
    &RANGE,
    &CAP,
    &PACE,
    &HOURS,
    &CRON,
    &TIME,
    &LOCAL,
    &DAY,
    &CLOSED,
    &NAME,
    &STEP,
    &LINE,
    &EVENT,
    &TAG,
    &PATH,
    &LOCALE,
    &EMAIL,
    &SENDER,
    &SIZE,
    &AT_ONCE,
    &COUNTRY,
    &HOST,
    &RECIPIENTS,
    &LISTEN,
    &WEB,
    &PAGE,
    &ORIGIN,
    &SHA256,
    &PLACE,
];

/// `JAN` as `[Jj][Aa][Nn]`.
fn any_case(word: &str) -> String {
    let both = |c: char| format!("[{c}{}]", c.to_ascii_lowercase());
    word.chars().map(both).collect()
}

fn range() -> String {
    format!(r"^\s*(?:(?:>=|<=|>|<|=)\s*{NUMBER}|{NUMBER}(?:\s*\.\.\s*{NUMBER})?)\s*$")
}

fn hours() -> String {
    let days: Vec<String> = WEEKDAYS.iter().map(|d| any_case(d)).collect();
    let day = format!("(?:{})[A-Za-z]*", days.join("|"));
    let time = "(?:[01]?[0-9]|2[0-4]):[0-5][0-9]";
    let days = format!(r"{day}(?:\s*[-–—]\s*{day})?");
    let from_to = format!(r"{time}\s*[-–—]\s*{time}");
    let piece = format!(r"\s*(?:{days}(?:\s*{from_to})?|{from_to})\s*");
    format!("^{piece}(?:[,;]{piece})*$")
}

fn cron() -> String {
    let named =
        |names: &[&str]| -> String { names.iter().map(|n| format!("|{}", any_case(n))).collect() };
    let field = |value: &str, special: &str| {
        let item = format!(r"(?:\*(?:/[0-9]+)?|{value}-{value}(?:/[0-9]+)?|{value}{special})");
        format!("{item}(?:,{item})*")
    };
    let weekday = format!("(?:0*[0-7]{})", named(&WEEKDAYS));
    let fields = [
        field("0*[0-5]?[0-9]", ""),
        field("0*(?:1?[0-9]|2[0-3])", ""),
        field("0*(?:[12]?[0-9]|3[01])", "|[Ll]"),
        field(&format!("(?:0*(?:[1-9]|1[0-2]){})", named(&MONTHS)), ""),
        field(&weekday, "(?:#0*[1-5]|[Ll])?"),
    ];
    format!(r"^\s*{}\s*$", fields.join(r"\s+"))
}
