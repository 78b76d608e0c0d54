//! Conditions on what a customer has set about being written to. What they left to the shop's defaults is not set.

use super::evaluate::stands;
use super::{Facts, Verdict};
use crate::domain::cap::Cap;
use crate::domain::preference::{Format, Standing, standing_on};
use crate::domain::time::{Span, Timestamp};
use crate::domain::window::Window;
use chrono_tz::Tz;

/// A preference that customers can set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preference {
    /// Days and hours.
    Window,
    Caps,
    Gap,
    /// Set while it lasts.
    Pause,
    /// At least one topic that is sent on request only.
    OnRequest,
    Locale,
    Timezone,
    Format,
}

/// A test of one preference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreferenceCondition {
    pub what: Preference,
    pub test: PreferenceTest,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PreferenceTest {
    Exists(bool),
    /// One of these, each in the spelling that [`Preference::spelled`] gives.
    OneOf(Vec<String>),
}

impl Preference {
    /// As campaign files write it.
    pub const ALL: [(&'static str, Preference); 8] = [
        ("window", Preference::Window),
        ("caps", Preference::Caps),
        ("gap", Preference::Gap),
        ("pause", Preference::Pause),
        ("on_request", Preference::OnRequest),
        ("locale", Preference::Locale),
        ("timezone", Preference::Timezone),
        ("format", Preference::Format),
    ];

    pub fn name(self) -> &'static str {
        (Preference::ALL.iter())
            .find(|(_, what)| *what == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether it can be compared with a value.
    pub fn has_value(self) -> bool {
        !matches!(self, Preference::Pause | Preference::OnRequest)
    }

    /// The one spelling of a value, so that `"7d"` and `"1w"` are alike. The error says what to write instead.
    pub fn spelled(self, text: &str) -> Result<String, String> {
        match self {
            Preference::Window => Window::parse(text).map(|w| w.to_string()),
            Preference::Caps => Cap::parse(text).map(|c| c.to_string()),
            Preference::Gap => Span::parse(text).map(|s| s.to_string()),
            Preference::Timezone => text
                .parse::<Tz>()
                .map(|zone| zone.name().to_owned())
                .map_err(|_| {
                    format!("\"{text}\" is no time zone; write one such as \"Asia/Seoul\"")
                }),
            Preference::Format => Format::parse(text).map(|f| f.as_str().to_owned()),
            Preference::Locale if text.trim().is_empty() => {
                Err("a locale is a language tag such as \"ko\" or \"en-GB\"".into())
            }
            Preference::Locale => Ok(text.trim().to_ascii_lowercase()),
            Preference::Pause | Preference::OnRequest => {
                Err(format!("`{}` has no value to compare with", self.name()))
            }
        }
    }

    /// What the customer has set.
    fn values(self, facts: &Facts<'_>) -> Vec<String> {
        let own = facts.preferences;
        let one = |value: Option<String>| value.into_iter().collect();
        match self {
            Preference::Window => one(own.window.as_ref().map(Window::to_string)),
            Preference::Caps => own.caps.iter().flatten().map(Cap::to_string).collect(),
            Preference::Gap => one(own.gap.map(|gap| gap.to_string())),
            Preference::Locale => one(own.locale.clone()),
            Preference::Timezone => one(own.timezone.map(|zone| zone.name().to_owned())),
            Preference::Format => one(own.format.map(|f| f.as_str().to_owned())),
            Preference::Pause => one(own.pause_until.map(|until| format!("until {until}"))),
            Preference::OnRequest => (facts.topics.values())
                .filter(|topic| topic.on_request)
                .filter(|topic| {
                    standing_on(facts.consents, Some(&topic.id), facts.topics) == Standing::Given
                })
                .map(|topic| topic.id.to_string())
                .collect(),
        }
    }

    fn is_set(self, facts: &Facts<'_>) -> bool {
        let own = facts.preferences;
        match self {
            // An empty list is a customer's word, too: no caps at all.
            Preference::Caps => own.caps.is_some(),
            _ => !self.values(facts).is_empty(),
        }
    }

    fn is(self, value: &str, wanted: &str) -> bool {
        match self {
            // "ko" is "ko-KR", too.
            Preference::Locale => {
                let value = value.to_ascii_lowercase();
                let rest = value.strip_prefix(wanted);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            }
            _ => value == wanted,
        }
    }
}

impl PreferenceCondition {
    pub(super) fn evaluate(&self, facts: &Facts<'_>, now: Timestamp) -> Verdict {
        match (&self.test, self.what) {
            (PreferenceTest::Exists(wanted), Preference::Pause) => {
                let ahead = facts.preferences.pause_until.filter(|until| *until > now);
                Verdict {
                    holds: ahead.is_some() == *wanted,
                    until: ahead,
                }
            }
            (PreferenceTest::Exists(wanted), what) => stands(what.is_set(facts) == *wanted),
            (PreferenceTest::OneOf(wanted), what) => {
                let values = what.values(facts);
                let is = |value: &String| wanted.iter().any(|wanted| what.is(value, wanted));
                stands(values.iter().any(is))
            }
        }
    }

    pub(super) fn describe(&self) -> String {
        let name = self.what.name();
        match &self.test {
            PreferenceTest::Exists(true) => format!("preference \"{name}\" is set"),
            PreferenceTest::Exists(false) => format!("preference \"{name}\" is not set"),
            PreferenceTest::OneOf(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(|w| format!("\"{w}\"")).collect();
                match wanted.as_slice() {
                    [only] => format!("preference \"{name}\" is {only}"),
                    _ => format!("preference \"{name}\" is one of {}", wanted.join(", ")),
                }
            }
        }
    }

    pub(super) fn present(&self, facts: &Facts<'_>) -> String {
        let values = self.what.values(facts);
        match values.is_empty() {
            true if self.what.is_set(facts) => "set to none".to_owned(),
            true => "not set".to_owned(),
            false => values.join(", "),
        }
    }
}
