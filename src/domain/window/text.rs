//! Windows as people write them: `Mon-Fri 09:00-18:00`, read with errors that say what to write, and printed so that
//! they read back. What a window answers is its own matter.

use super::{Window, WindowSpan};
use std::fmt;

/// More spans than a person has hours in a week to give.
const MOST_SPANS: usize = 64;
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Window {
    /// Reads spans such as `Mon-Fri 09:00-18:00`, joined by `,` or `;`.
    ///
    /// A span is its days and its hours. Days are English names (`Mon`, `monday`, any case), ranges (`Fri-Mon` goes
    /// over the weekend) and lists (`Mon,Wed`); without any, at the beginning, it is every day. Hours are
    /// `09:00-18:00`; an end at or before the start lies on the next day, and `24:00` is midnight as an end.
    /// A comma after days only goes on with the days, one after hours begins the next span:
    /// `Mon,Wed 09:00-12:00` is one, `Mon-Fri 09:00-12:00, Mon-Fri 13:00-18:00` are two. Hours without days after a
    /// span that has some would be read differently by different people, and are refused.
    pub fn parse(text: &str) -> Result<Window, String> {
        let wrong = |why: String| format!("\"{}\" is not a window: {why}", text.trim());
        let plain = text.replace(['–', '—'], "-");
        let mut spans = Vec::new();
        let mut named_days = false;
        for group in plain.split(';') {
            let mut waiting: Option<u8> = None;
            for piece in group.split(',') {
                let piece = piece.trim();
                if piece.is_empty() {
                    return Err(wrong(format!(
                        "a span is missing beside a \",\" or \";\"; {HELP}"
                    )));
                }
                let at = piece
                    .find(|c: char| c.is_ascii_digit())
                    .unwrap_or(piece.len());
                let (days, hours) = (piece[..at].trim(), piece[at..].trim());
                let own = if days.is_empty() {
                    None
                } else {
                    Some(read_days(days).map_err(wrong)?)
                };
                if hours.is_empty() {
                    waiting = Some(waiting.unwrap_or(0) | own.unwrap_or(0));
                    continue;
                }
                let (start, end) = read_hours(hours).map_err(wrong)?;
                let days = match (waiting.take(), own) {
                    (None, None) if named_days => {
                        return Err(wrong(format!(
                            "on which days is {hours}? Write them before it, such as \"Mon-Sun {hours}\""
                        )));
                    }
                    (None, None) => 0b111_1111,
                    (Some(_), None) => {
                        return Err(wrong(format!(
                            "there is a \",\" between the days and {hours}; put a space instead"
                        )));
                    }
                    (before, Some(own)) => {
                        named_days = true;
                        before.unwrap_or(0) | own
                    }
                };
                spans.push(WindowSpan { days, start, end });
            }
            if waiting.is_some() {
                return Err(wrong(format!(
                    "the days at the end of \"{}\" have no hours; {HELP}",
                    group.trim()
                )));
            }
        }
        if spans.len() > MOST_SPANS {
            return Err(wrong(format!(
                "it has {} spans, at most {MOST_SPANS} are taken",
                spans.len()
            )));
        }
        Ok(Window { spans })
    }
}

const HELP: &str = "write days and hours, such as \"Mon-Fri 09:00-18:00\" or \"Mon,Wed 08:00-12:00, Sat 10:00-14:00\"";

/// Reads `Mon`, `Mon-Fri`, `Monday - Friday` into a set of days.
fn read_days(text: &str) -> Result<u8, String> {
    let (first, last) = match text.split_once('-') {
        None => (read_day(text)?, read_day(text)?),
        Some((first, last)) => (read_day(first)?, read_day(last)?),
    };
    let mut days = 1 << first;
    let mut day = first;
    while day != last {
        day = (day + 1) % 7;
        days |= 1 << day;
    }
    Ok(days)
}

fn read_day(text: &str) -> Result<usize, String> {
    let name = text.trim().to_lowercase();
    DAYS.iter()
        .position(|day| name.len() >= 3 && day.starts_with(&name))
        .ok_or_else(|| {
            if name == "always" || name.starts_with("every") || name == "daily" {
                "for every day write \"Mon-Sun\", for the whole of a day \"00:00-24:00\"".to_owned()
            } else {
                format!(
                    "\"{}\" is no day; days are Mon, Tue, Wed, Thu, Fri, Sat and Sun, {HELP}",
                    text.trim()
                )
            }
        })
}

/// Reads `09:00-18:00` into minutes after midnight, an end at or before the start on the next day.
fn read_hours(text: &str) -> Result<(u16, u16), String> {
    let Some((start, end)) = text.split_once('-') else {
        return Err(format!("\"{text}\" has no \"-\" between two times; {HELP}"));
    };
    let (start, end) = (read_time(start)?, read_time(end)?);
    if start == 1_440 {
        return Err("it starts at 24:00; write 00:00 and the next day".to_owned());
    }
    if start == end {
        return Err(format!(
            "\"{text}\" begins and ends at the same time; for the whole day write \"00:00-24:00\""
        ));
    }
    Ok((start, if end > start { end } else { end + 1_440 }))
}

/// Reads `9:00`, `09:00`, `24:00`.
fn read_time(text: &str) -> Result<u16, String> {
    let text = text.trim();
    let wrong = || format!("\"{text}\" is no time of day; write it as HH:MM, from 00:00 to 24:00");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |t: &str, lengths: std::ops::RangeInclusive<usize>| {
        (lengths.contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()))
            .then(|| t.parse::<u16>().ok())
            .flatten()
    };
    let hour = digits(hour, 1..=2).ok_or_else(wrong)?;
    let minute = digits(minute, 2..=2).ok_or_else(wrong)?;
    if minute > 59 || hour > 24 || (hour == 24 && minute > 0) {
        return Err(wrong());
    }
    Ok(hour * 60 + minute)
}

impl fmt::Display for Window {
    /// `Mon-Fri 09:00-18:00, Sat 10:00-14:00`: reads back as the same window.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, span) in self.spans.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{span}")?;
        }
        Ok(())
    }
}

impl fmt::Display for WindowSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut day = 0;
        let mut first = true;
        while day < 7 {
            if !self.on(day) {
                day += 1;
                continue;
            }
            let begin = day;
            while day < 7 && self.on(day) {
                day += 1;
            }
            f.write_str(if first { "" } else { "," })?;
            first = false;
            f.write_str(short(begin))?;
            if day - begin > 1 {
                write!(f, "-{}", short(day - 1))?;
            }
        }
        let end = if self.end > 1_440 {
            self.end - 1_440
        } else {
            self.end
        };
        write!(
            f,
            " {:02}:{:02}-{:02}:{:02}",
            self.start / 60,
            self.start % 60,
            end / 60,
            end % 60
        )
    }
}

fn short(day: u32) -> &'static str {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][day as usize % 7]
}
