//! The terminal: what may be coloured, where progress is shown, and output whose reader may leave at any time.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};

#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub colour: bool,
    pub colour_on_stderr: bool,
    /// Somebody sits there: standard input and error are a terminal.
    pub can_ask: bool,
    /// How many columns a line of text for people may take: the terminal's, and no more than can be read with ease.
    pub columns: usize,
    progress: bool,
}

impl Screen {
    pub fn detect() -> Screen {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        let terminal = io::stderr().is_terminal();
        Screen {
            colour: io::stdout().is_terminal() && !plain,
            colour_on_stderr: terminal && !plain,
            can_ask: io::stdin().is_terminal() && terminal,
            columns: columns(),
            progress: terminal,
        }
    }

    /// A line for standard output.
    pub fn say(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// A JSON value, one line.
    pub fn json(&self, value: &serde_json::Value) -> io::Result<()> {
        self.say(&value.to_string())
    }

    /// A list that was asked for: with `--json` one object a line, else as `table` shows it.
    pub fn rows(
        &self,
        list: &serde_json::Value,
        json: bool,
        table: fn(&[serde_json::Value], Screen) -> String,
    ) -> io::Result<()> {
        let rows = list.as_array().map_or(&[][..], Vec::as_slice);
        match json {
            true => rows.iter().try_for_each(|row| self.json(row)),
            false => self.say(&table(rows, *self)),
        }
    }

    /// A note on standard error; nobody is told if it cannot be written.
    pub fn complain(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    pub fn error(&self, what: &str, hint: &str) {
        let (red, bold, off) = match self.colour_on_stderr {
            true => ("\x1b[1;31m", "\x1b[1m", "\x1b[0m"),
            false => ("", "", ""),
        };
        self.complain(&format!("{red}error{off}{bold}: {what}{off}"));
        if !hint.is_empty() {
            self.complain(&format!("  help: {hint}"));
        }
    }

    pub fn bold(&self, text: &str) -> String {
        self.dressed("1", text)
    }

    pub fn faint(&self, text: &str) -> String {
        self.dressed("2", text)
    }

    pub fn green(&self, text: &str) -> String {
        self.dressed("32", text)
    }

    pub fn yellow(&self, text: &str) -> String {
        self.dressed("33", text)
    }

    fn dressed(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Bytes done of so many, on a terminal only; of a pipe (`None`) how much has come.
    pub fn progress_bytes(&self, of: Option<u64>) -> ProgressBar {
        let (bar, style) = match of {
            Some(of) => (
                ProgressBar::with_draw_target(Some(of), self.target()),
                "{bar:30} {bytes} of {total_bytes}  {msg}  {eta} left",
            ),
            None => (
                ProgressBar::with_draw_target(None, self.target()),
                "{spinner} {bytes}  {msg}",
            ),
        };
        bar.set_style(style_of(style));
        bar
    }

    /// Things done of so many.
    pub fn progress(&self, of: u64, what: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(of), self.target());
        bar.set_style(style_of("{msg} {bar:30} {pos} of {len}"));
        bar.set_message(what.to_owned());
        bar
    }

    fn target(&self) -> ProgressDrawTarget {
        match self.progress {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        }
    }

    /// Asks for a yes; without a terminal the answer is no.
    pub fn confirm(&self, question: &str) -> bool {
        if !self.can_ask {
            return false;
        }
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let _ = io::stderr().flush();
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

/// More is tiring to read; less breaks every line.
const COLUMNS: std::ops::RangeInclusive<usize> = 60..=100;

fn columns() -> usize {
    let told = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let told = told.map(|size| usize::from(size.ws_col)).filter(|n| *n > 0);
    told.unwrap_or(usize::MAX)
        .clamp(*COLUMNS.start(), *COLUMNS.end())
}

/// A style that does not parse is a mistake of ours that must not end an import: then the bar is the usual one.
fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Terminal control characters have no business in what customers called themselves.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// 12345678 as 12,345,678.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "1 customer", "2 customers".
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { many }
    )
}
