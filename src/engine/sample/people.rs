//! Who the sample shop's customers are, and what they have said about being written to.

use super::catalogue::Currency;
use super::dice::Dice;
use super::places::{PLACE_WEIGHTS, PLACES, Place};
use super::{Sample, message_id};
use crate::domain::time::{Span, Timestamp};

/// First names that have spoilt mails elsewhere. Each is a valid name to us, and must reach the page as it stands.
const AWKWARD: [&str; 8] = [
    "Robert\"); DROP <b>",
    "{{customer.email}}",
    "Line\r\nBcc: someone@customers.example",
    "👩\u{200d}🍳 Chef",
    "مريم",
    "<script>alert(1)</script>",
    "O'Brien & Söhne",
    "Ka\u{301}roly\u{200b}",
];

/// How a customer behaves; see [`super::habits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Habit {
    Regular,
    Occasional,
    OneTimer,
    /// Regular until an instant, then never again.
    Lapsing,
    /// Fills carts and leaves them.
    Abandoner,
    /// Looks and never buys.
    Browser,
}

const HABITS: [Habit; 6] = [
    Habit::Regular,
    Habit::Occasional,
    Habit::OneTimer,
    Habit::Lapsing,
    Habit::Abandoner,
    Habit::Browser,
];
const HABIT_WEIGHTS: [u64; 6] = [34, 21, 15, 15, 9, 6];

/// One customer.
pub(super) struct Person {
    pub who: u32,
    pub habit: Habit,
    pub created: Timestamp,
    place: &'static Place,
    traits: String,
}

impl Person {
    pub fn id(&self) -> String {
        format!("customer-{:05}", self.who + 1)
    }

    pub fn currency(&self) -> Currency {
        self.place.currency
    }

    /// Minutes that local clocks are ahead of UTC.
    pub fn offset(&self) -> i64 {
        self.place.offset
    }
}

/// Draws a customer.
pub(super) fn make(who: u32, sample: &Sample, dice: &mut Dice) -> Person {
    let place = &PLACES[dice.weighed(&PLACE_WEIGHTS)];
    let habit = HABITS[dice.weighed(&HABIT_WEIGHTS)];
    let second = 1_000;
    let from = sample.from();
    // Three in five were customers before the events begin.
    let created = if dice.percent(60) {
        from - Span::seconds(dice.between(1, 900 * 86_400))
    } else {
        let room = (sample.until.since(from).0 / second - 1).max(0);
        from + Span::seconds(dice.between(0, room))
    };
    let traits = traits(who, place, habit, created, sample, dice);
    Person {
        who,
        habit,
        created,
        place,
        traits,
    }
}

/// The customer's `identify` row.
pub(super) fn row(person: &Person, sample: &Sample) -> String {
    format!(
        r#"{{"type":"identify","userId":"{}","timestamp":"{}","traits":{{{}}},"messageId":"{}"}}"#,
        person.id(),
        person.created,
        person.traits,
        message_id(sample, person.who, 0, person.created)
    )
}

fn traits(
    who: u32,
    place: &Place,
    habit: Habit,
    created: Timestamp,
    sample: &Sample,
    dice: &mut Dice,
) -> String {
    let (first, first_latin) = *dice.pick(place.first);
    let (last, last_latin) = *dice.pick(place.last);
    let awkward = who % 251 == 17;
    let first = match awkward {
        true => AWKWARD[(who as usize / 251) % AWKWARD.len()],
        false => first,
    };
    let name = match place.family_first {
        true => format!("{last}{first}"),
        false => format!("{first} {last}"),
    };
    let weights: Vec<u64> = place.locales.iter().map(|(_, weight)| *weight).collect();
    let locale = place.locales[dice.weighed(&weights)].0;
    let mut all = vec![
        text(
            "email",
            &format!("{first_latin}.{last_latin}{}@customers.example", who + 1),
        ),
        text("firstName", first),
        text("lastName", last),
        text("name", &name),
        text("createdAt", &created.to_string()),
        text("country", place.country),
    ];
    if dice.percent(94) {
        all.push(text("timezone", place.zone));
    }
    if dice.percent(96) {
        all.push(text("locale", locale));
    }
    all.extend(preferences(sample, dice));
    all.extend(consent(created, sample, dice));
    if habit == Habit::Regular && dice.percent(14) {
        all.push(r#""tags":["vip"]"#.to_owned());
    }
    if dice.percent(50) {
        let (year, month, day) = (
            dice.between(1_950, 2_006),
            dice.between(1, 12),
            dice.between(1, 28),
        );
        all.push(text("birthday", &format!("{year}-{month:02}-{day:02}")));
    }
    all.join(",")
}

fn preferences(sample: &Sample, dice: &mut Dice) -> Vec<String> {
    let mut all = Vec::new();
    let window = match dice.weighed(&[12, 7, 6, 2, 73]) {
        0 => Some("18:00-21:00"),
        1 => Some("Sat-Sun 10:00-18:00"),
        2 => Some("Mon-Fri 09:00-18:00"),
        3 => Some("22:00-02:00"),
        _ => None,
    };
    all.extend(window.map(|w| text("window", w)));
    let caps = match dice.weighed(&[10, 6, 3, 81]) {
        0 => Some(r#""caps":["1 per week"]"#),
        1 => Some(r#""caps":["2 per 7d"]"#),
        2 => Some(r#""caps":["1 per day","4 per 30d"],"gap":"36h""#),
        _ => None,
    };
    all.extend(caps.map(str::to_owned));
    if dice.percent(2) {
        let until = sample.until + Span::days(dice.between(1, 40));
        all.push(text("pause_until", &until.to_string()));
    }
    all
}

fn consent(created: Timestamp, sample: &Sample, dice: &mut Dice) -> Vec<String> {
    let at = text("consent_at", &created.to_string());
    let source = text("consent_source", "sign-up form");
    let wording = text("consent_wording", "Yes, send me offers and news by email.");
    match dice.weighed(&[78, 8, 4, 10]) {
        0 => vec![r#""consent":true"#.to_owned(), at, source, wording],
        1 => vec![r#""consent":false"#.to_owned(), at, source],
        2 => {
            let room = sample.until.since(created).0 / 1_000;
            let left = created + Span::seconds(dice.between(0, (room - 1).max(0)));
            vec![
                r#""unsubscribed":true"#.to_owned(),
                text("unsubscribed_at", &left.to_string()),
                text("consent_source", "unsubscribe link"),
            ]
        }
        _ => Vec::new(),
    }
}

/// `"key":"value"`, escaped.
fn text(key: &str, value: &str) -> String {
    format!("\"{key}\":{}", serde_json::Value::from(value))
}
