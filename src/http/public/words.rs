//! What the pages say, by language: `assets/en.toml` and `assets/ko.toml`, read once.

use crate::domain::window::Window;
use serde_json::Value;
use std::sync::LazyLock;

/// A language that the pages are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    English,
    Korean,
}

static ENGLISH: LazyLock<Value> = LazyLock::new(|| read(include_str!("assets/en.toml")));
static KOREAN: LazyLock<Value> = LazyLock::new(|| read(include_str!("assets/ko.toml")));

fn read(text: &str) -> Value {
    // Part of the program; a test reads both.
    toml::from_str(text).expect("the words of the pages are TOML")
}

impl Language {
    pub const ALL: [Language; 2] = [Language::English, Language::Korean];

    /// The one that speaks to readers of `locale`; English where there is no closer one.
    pub fn of(locale: &str) -> Language {
        let language = locale.split(['-', '_']).next().unwrap_or(locale);
        match language.eq_ignore_ascii_case("ko") {
            true => Language::Korean,
            false => Language::English,
        }
    }

    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// Its own name for itself.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Korean => "한국어",
        }
    }

    pub fn all(self) -> &'static Value {
        match self {
            Language::English => &ENGLISH,
            Language::Korean => &KOREAN,
        }
    }

    /// A text by its key. One that were missing would show as its key; a test looks for each.
    pub fn say(self, key: &'static str) -> &'static str {
        self.all()[key].as_str().unwrap_or(key)
    }

    /// A text with its `{}` filled in, in their order.
    pub fn fill(self, key: &'static str, values: &[&str]) -> String {
        let mut parts = self.say(key).split("{}");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for (at, part) in parts.enumerate() {
            out.push_str(values.get(at).copied().unwrap_or_default());
            out.push_str(part);
        }
        out
    }

    /// A weekday by its number, Monday is 0.
    pub fn day(self, number: usize) -> &'static str {
        self.all()["day"][DAYS[number % 7]]
            .as_str()
            .unwrap_or_default()
    }

    /// `Mon-Fri 19:00-21:00` with this language's days.
    pub fn hours(self, window: &Window) -> String {
        let mut text = window.to_string();
        for (number, day) in DAYS.iter().enumerate() {
            text = text.replace(day, self.day(number));
        }
        text
    }

    /// By which way a word came; what other systems call it stays as they do.
    pub fn source(self, source: &str) -> &str {
        self.all()["source"][source].as_str().unwrap_or(source)
    }

    /// A cap such as `1 per 7d`, in words where it is one of those offered.
    pub fn cap(self, cap: &str) -> String {
        self.all()["cap"][cap].as_str().unwrap_or(cap).to_owned()
    }
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[cfg(test)]
mod tests {
    use super::Language;
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn keys(value: &Value, at: &str, found: &mut BTreeSet<(String, usize)>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    keys(value, &format!("{at}/{key}"), found);
                }
            }
            Value::String(text) => {
                assert!(!text.trim().is_empty(), "{at}");
                found.insert((at.to_owned(), text.matches("{}").count()));
            }
            other => panic!("{at}: {other}"),
        }
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let [english, korean] = Language::ALL.map(|language| {
            let mut found = BTreeSet::new();
            keys(language.all(), "", &mut found);
            found
        });
        assert_eq!(english, korean);
    }

    #[test]
    fn hours_and_caps_are_said_in_the_readers_language() {
        let window = crate::domain::window::Window::parse("Mon-Fri,Sun 19:00-21:00").unwrap();
        assert_eq!(Language::English.hours(&window), "Mon-Fri,Sun 19:00-21:00");
        assert_eq!(Language::Korean.hours(&window), "월-금,일 19:00-21:00");
        assert_eq!(Language::Korean.cap("1 per 7d"), "일주일에 최대 1회");
        assert_eq!(Language::English.cap("5 per 9d"), "5 per 9d");
        assert_eq!(Language::of("ko-KR"), Language::Korean);
        assert_eq!(Language::of("kok"), Language::English);
    }
}
