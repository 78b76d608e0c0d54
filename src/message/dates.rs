//! How dates and times are written for a reader, and how far one day is from another.
//!
//! As in [`super::formats`], only the shipped languages are known by name; others get ISO dates.

use super::formats::{clip, language};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde_json::Value;
use std::fmt::Write;

const DAYS_EN: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const DAYS_KO: [&str; 7] = [
    "월요일",
    "화요일",
    "수요일",
    "목요일",
    "금요일",
    "토요일",
    "일요일",
];
const DAYS_JA: [&str; 7] = [
    "月曜日",
    "火曜日",
    "水曜日",
    "木曜日",
    "金曜日",
    "土曜日",
    "日曜日",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A date for people. `value` is RFC 3339, a date (`2026-03-01`) or milliseconds since 1970; `style` is `long`,
/// `short`, `full` (with the weekday), `weekday`, `month`, `time`, `datetime`, or a strftime pattern with `%`.
pub fn date(value: &Value, style: &str, locale: &str, zone: Tz) -> Result<String, String> {
    let at = instant(value, zone).ok_or_else(|| {
        format!(
            "{} is no date: RFC 3339 is needed, such as 2026-03-01T09:00:00Z",
            clip(value)
        )
    })?;
    if style.contains('%') {
        let items: Vec<Item<'_>> = StrftimeItems::new(style).collect();
        let wrong = || format!("\"{style}\" is no date pattern");
        if items.contains(&Item::Error) {
            return Err(wrong());
        }
        let mut out = String::new();
        write!(out, "{}", at.format_with_items(items.iter())).map_err(|_| wrong())?;
        return Ok(out);
    }
    let (y, m, d) = (at.year(), at.month(), at.day());
    let weekday = at.weekday().num_days_from_monday() as usize;
    let month = MONTHS_EN[at.month0() as usize];
    let lang = language(locale);
    let british =
        lang == "en" && !matches!(locale.split(['-', '_']).nth(1), None | Some("US" | "us"));
    let day_name = match lang {
        "ko" => DAYS_KO[weekday],
        "ja" => DAYS_JA[weekday],
        _ => DAYS_EN[weekday],
    };
    let long = match lang {
        "ko" => format!("{y}년 {m}월 {d}일"),
        "ja" | "zh" => format!("{y}年{m}月{d}日"),
        "en" if british => format!("{d} {month} {y}"),
        "en" => format!("{month} {d}, {y}"),
        _ => format!("{y:04}-{m:02}-{d:02}"),
    };
    let time = match lang {
        "ko" => {
            let (pm, hour) = at.hour12();
            let half = if pm { "오후" } else { "오전" };
            match at.minute() {
                0 => format!("{half} {hour}시"),
                minute => format!("{half} {hour}시 {minute}분"),
            }
        }
        "en" if !british => {
            let (pm, hour) = at.hour12();
            format!("{hour}:{:02} {}", at.minute(), if pm { "PM" } else { "AM" })
        }
        _ => format!("{:02}:{:02}", at.hour(), at.minute()),
    };
    match style {
        "long" => Ok(long),
        "short" => Ok(match lang {
            "ko" => format!("{y}. {m}. {d}."),
            "ja" | "zh" => format!("{y}/{m:02}/{d:02}"),
            "en" if british => format!("{d} {} {y}", &month[..3]),
            "en" => format!("{} {d}, {y}", &month[..3]),
            _ => long,
        }),
        "full" => Ok(match lang {
            "ko" => format!("{long} {day_name}"),
            "ja" => format!("{long}{day_name}"),
            "en" if british => format!("{day_name} {long}"),
            "en" => format!("{day_name}, {long}"),
            _ => long,
        }),
        "weekday" => Ok(day_name.to_owned()),
        "month" => Ok(match lang {
            "ko" => format!("{m}월"),
            "ja" | "zh" => format!("{m}月"),
            _ => month.to_owned(),
        }),
        "time" => Ok(time),
        "datetime" => Ok(format!("{long} {time}")),
        _ => Err(format!(
            "\"{style}\" is no date style: long, short, full, weekday, month, time, datetime, or a pattern such as \"%d/%m/%Y\""
        )),
    }
}

/// A time of the reader's own clock: `2026-03-01T10:00:00`, `2026-03-01 10:00`.
fn local_time(text: &str) -> Option<NaiveDateTime> {
    let patterns = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let mut read = patterns
        .iter()
        .filter_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok());
    read.next()
}

/// How far the day of `value` is from that of `now`, by the reader's calendar: `today`, `tomorrow`, `in 3 days`, `2일 전`.
/// In languages whose words are not known here, the date.
pub fn days(value: &Value, now: &Value, locale: &str, zone: Tz) -> Result<String, String> {
    let (Some(then), Some(today)) = (instant(value, zone), instant(now, zone)) else {
        return Err(format!(
            "{} is no date: RFC 3339 is needed, such as 2026-03-01T09:00:00Z",
            clip(value)
        ));
    };
    let days = (then.date_naive() - today.date_naive()).num_days();
    let far = days.unsigned_abs();
    let (words, after, before) = match language(locale) {
        "en" if days >= 0 => (["yesterday", "today", "tomorrow"], "in ", " days"),
        "en" => (["yesterday", "today", "tomorrow"], "", " days ago"),
        "ko" => (
            ["어제", "오늘", "내일"],
            "",
            if days > 0 { "일 뒤" } else { "일 전" },
        ),
        "ja" => (
            ["昨日", "今日", "明日"],
            "",
            if days > 0 { "日後" } else { "日前" },
        ),
        _ => return date(value, "long", locale, zone),
    };
    Ok(match days {
        -1 => words[0].to_owned(),
        0 => words[1].to_owned(),
        1 => words[2].to_owned(),
        _ => format!("{after}{far}{before}"),
    })
}

fn instant(value: &Value, zone: Tz) -> Option<DateTime<Tz>> {
    let at = match value {
        Value::Number(n) => zone.timestamp_millis_opt(n.as_i64()?).single()?,
        Value::String(text) => {
            let text = text.trim();
            if let Ok(at) = DateTime::parse_from_rfc3339(text) {
                at.with_timezone(&zone)
            } else if let Some(wall) = local_time(text) {
                zone.from_local_datetime(&wall).earliest()?
            } else {
                // A date without a time is a day in the reader's calendar; noon is in every zone's day.
                let day: NaiveDate = text.parse().ok()?;
                zone.from_local_datetime(&day.and_hms_opt(12, 0, 0)?)
                    .earliest()?
            }
        }
        _ => return None,
    };
    // Beyond, chrono's own arithmetic on local time may leave its range.
    (-9_999..=9_999)
        .contains(&at.naive_utc().year())
        .then_some(at)
}

#[cfg(test)]
mod tests {
    use super::{date, days};
    use chrono_tz::Tz;
    use serde_json::json;

    #[test]
    fn dates_are_the_readers() {
        let at = json!("2026-03-01T15:30:00Z");
        for (style, locale, zone, expected) in [
            ("long", "en", Tz::UTC, "March 1, 2026"),
            ("long", "en-GB", Tz::UTC, "1 March 2026"),
            ("long", "ko", Tz::Asia__Seoul, "2026년 3월 2일"),
            ("full", "ko-KR", Tz::Asia__Seoul, "2026년 3월 2일 월요일"),
            ("full", "en", Tz::UTC, "Sunday, March 1, 2026"),
            ("time", "ko", Tz::Asia__Seoul, "오전 12시 30분"),
            ("time", "en", Tz::UTC, "3:30 PM"),
            ("time", "de", Tz::UTC, "15:30"),
            ("short", "ja", Tz::UTC, "2026/03/01"),
            ("long", "de", Tz::UTC, "2026-03-01"),
            ("%d/%m/%y", "en", Tz::UTC, "01/03/26"),
        ] {
            assert_eq!(
                date(&at, style, locale, zone).unwrap(),
                expected,
                "{style} {locale}"
            );
        }
        assert_eq!(
            date(&json!("2026-03-01"), "long", "en", Tz::Pacific__Apia).unwrap(),
            "March 1, 2026"
        );
        assert_eq!(
            date(&json!(0), "long", "en", Tz::UTC).unwrap(),
            "January 1, 1970"
        );
        for bad in [
            json!("yesterday"),
            json!(null),
            json!(1e300),
            json!(i64::MAX),
            json!([1]),
            json!(""),
        ] {
            assert!(date(&bad, "long", "en", Tz::UTC).is_err(), "{bad}");
        }
        for style in ["%Q", "%", "lang"] {
            assert!(date(&at, style, "en", Tz::UTC).is_err(), "{style}");
        }
    }

    #[test]
    fn days_are_counted_by_the_readers_calendar() {
        let now = json!("2026-03-02T14:30:00Z");
        for (value, locale, zone, expected) in [
            ("2026-03-02", "en", Tz::UTC, "today"),
            ("2026-03-02T15:30:00Z", "en", Tz::UTC, "today"),
            ("2026-03-02T15:30:00Z", "en", Tz::Asia__Seoul, "tomorrow"),
            ("2026-03-03", "ko", Tz::Asia__Seoul, "내일"),
            ("2026-03-05", "en-GB", Tz::UTC, "in 3 days"),
            ("2026-03-05", "ko", Tz::UTC, "3일 뒤"),
            ("2026-02-28", "ko-KR", Tz::UTC, "2일 전"),
            ("2026-03-01", "en", Tz::UTC, "yesterday"),
            ("2026-02-27", "en", Tz::UTC, "3 days ago"),
            ("2026-03-12", "ja", Tz::UTC, "10日後"),
            ("2026-03-12", "de", Tz::UTC, "2026-03-12"),
        ] {
            assert_eq!(
                days(&json!(value), &now, locale, zone).unwrap(),
                expected,
                "{value} {locale}"
            );
        }
        assert!(days(&json!("soon"), &now, "en", Tz::UTC).is_err());
    }

    #[test]
    fn times_without_a_zone_are_the_readers() {
        for text in [
            "2026-03-02T10:30:00",
            "2026-03-02 10:30",
            "2026-03-02T10:30",
        ] {
            assert_eq!(
                date(&json!(text), "time", "en", Tz::Asia__Seoul).unwrap(),
                "10:30 AM",
                "{text}"
            );
        }
    }
}
