//! Tables for people, 80 columns wide: columns take what they need, the last one gets the rest and is cut.

use super::screen::{Screen, plain};

const WIDTH: usize = 80;
/// No other column than the last is wider.
const WIDEST: usize = 26;

pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&'static str]) -> Table {
        Table {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|c| plain(c)).collect());
    }

    pub fn render(&self, screen: &Screen) -> String {
        let columns = self.head.len();
        let mut widths: Vec<usize> = self.head.iter().map(|h| width(h)).collect();
        for row in &self.rows {
            for (at, cell) in row.iter().enumerate().take(columns) {
                widths[at] = widths[at].max(width(cell));
            }
        }
        let mut left = WIDTH;
        for (at, wide) in widths.iter_mut().enumerate() {
            if at + 1 < columns {
                *wide = (*wide).min(WIDEST);
                left = left.saturating_sub(*wide + 2);
            } else {
                *wide = (*wide).min(left.max(12));
            }
        }
        let head: Vec<String> = self.head.iter().map(|h| (*h).to_owned()).collect();
        let mut lines = vec![screen.bold(&line(&head, &widths))];
        lines.extend(self.rows.iter().map(|row| line(row, &widths)));
        lines.join("\n")
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, wide) in cells.iter().zip(widths) {
        let cell = clipped(cell, *wide);
        let pad = wide.saturating_sub(width(&cell));
        out.push_str(&cell);
        out.extend(std::iter::repeat_n(' ', pad + 2));
    }
    out.trim_end().to_owned()
}

/// Columns that a text takes on a terminal: CJK and emoji take two.
pub fn width(text: &str) -> usize {
    text.chars().map(wide).sum()
}

fn wide(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text in so many columns, with an ellipsis where it was cut.
pub fn clipped(text: &str, most: usize) -> String {
    let text = text.replace('\n', " ");
    if width(&text) <= most {
        return text;
    }
    let mut out = String::new();
    let mut taken = 0;
    for c in text.chars() {
        if taken + wide(c) + 1 > most {
            break;
        }
        taken += wide(c);
        out.push(c);
    }
    out.push('…');
    out
}

/// The text in lines of so many columns, broken between words, each behind `indent`.
pub fn wrapped(text: &str, most: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > most {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    let lines: Vec<String> = lines.iter().map(|l| format!("{indent}{l}")).collect();
    lines.join("\n")
}
