//! What is wrong with a file that a person wrote, and how it is shown: the place, the line, what to do.
//!
//! A problem is data, so that `check` can print it for a terminal, for a log and as JSON. Nothing here decides what is
//! wrong; that is for those who read a file (see [`super::toml_reader`]).

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Whether the file can be used all the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but it probably does not say what its writer meant.
    Warning,
    /// It can, and nothing need be wrong with it.
    Note,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Where in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    span: Range<usize>,
    source: Arc<str>,
}

impl Place {
    /// The place of the bytes `span` of `source`; what reaches over a line's end is cut there.
    pub fn of(source: &Arc<str>, span: Range<usize>) -> Place {
        let start = floor_boundary(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |at| start + at);
        let end = floor_boundary(source, span.end).clamp(start, line_end);
        Place {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            span: start..end,
            source: source.clone(),
        }
    }

    /// The text that is meant.
    pub fn text(&self) -> &str {
        &self.source[self.span.clone()]
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {:?}", self.line, self.column, self.text())
    }
}

/// The nearest place at or before `at` that stands between two characters.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One thing wrong with one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    pub severity: Severity,
    /// The file as the reader of the message knows it.
    pub file: String,
    /// `None`: the file as a whole.
    pub place: Option<Place>,
    pub what: String,
    pub help: Option<String>,
}

impl Problem {
    /// An error that concerns the file as a whole.
    pub fn of_file(file: impl Into<String>, what: impl Into<String>, help: &str) -> Problem {
        Problem {
            severity: Severity::Error,
            file: file.into(),
            place: None,
            what: what.into(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        }
    }

    /// An error at the first place (of those outside comments) where `file`'s `source` holds `text`, for what is found out later about a text that
    /// was taken from it (a subject that is no template). One that was written with escapes is not found: then it
    /// concerns the file as a whole.
    pub fn at_text(file: &str, source: &str, text: &str, what: &str, help: &str) -> Problem {
        let source: Arc<str> = source.into();
        let found = || (source.match_indices(text).map(|(at, _)| at)).filter(|_| !text.is_empty());
        // Comments speak of things, too; a text of several lines may hold what looks like one.
        let at = (found().find(|at| !in_comment(&source, *at))).or_else(|| found().next());
        Problem {
            place: at.map(|at| Place::of(&source, at..at + text.len())),
            ..Problem::of_file(file, what, help)
        }
    }

    /// The same, said less loudly.
    pub fn only(self, severity: Severity) -> Problem {
        Problem { severity, ..self }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For machines: `severity, file, line, column, what, help`; line and column are null for a whole file.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "severity": self.severity.as_str(),
            "file": self.file,
            "line": self.place.as_ref().map(|p| p.line),
            "column": self.place.as_ref().map(|p| p.column),
            "text": self.place.as_ref().map(Place::text),
            "what": self.what,
            "help": self.help,
        })
    }

    /// One line: `campaigns/welcome.toml:4:1: unknown key ...`; for logs.
    pub fn to_line(&self) -> String {
        let place = self
            .place
            .as_ref()
            .map_or(String::new(), |p| format!(":{}:{}", p.line, p.column));
        let help = self
            .help
            .as_ref()
            .map_or(String::new(), |h| format!(" ({h})"));
        format!("{}{place}: {}{help}", self.file, self.what)
    }

    /// Several lines, with the offending one underlined; `colour` for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        }
        .decor_style(DecorStyle::Ascii);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        match &self.place {
            Some(place) => {
                // An empty span is shown as one mark, also at the very end of a file.
                let mut group = level.primary_title(&self.what).element(
                    Snippet::source(&*place.source)
                        .path(&*self.file)
                        .annotation(AnnotationKind::Primary.span(place.span.clone())),
                );
                if let Some(help) = &self.help {
                    group = group.element(Level::HELP.message(help));
                }
                renderer.render(&[group])
            }
            None => {
                let mut group = annotate_snippets::Group::with_title(
                    level.primary_title(format!("{}: {}", self.file, self.what)),
                );
                if let Some(help) = &self.help {
                    group = group.element(Level::HELP.message(help));
                }
                renderer.render(&[group])
            }
        }
    }
}

/// In the order in which a person mends them: by file, then from top to bottom.
pub fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let key = |p: &Problem| p.place.as_ref().map_or((0, 0), |p| (p.line, p.column));
        (&a.file, key(a), a.severity).cmp(&(&b.file, key(b), b.severity))
    });
}

/// All of them, a blank line between two.
pub fn render_all(problems: &[Problem], colour: bool) -> String {
    let texts: Vec<String> = problems.iter().map(|p| p.render(colour)).collect();
    texts.join("\n\n")
}

/// Whether a TOML file's line is a comment at `at`, as far as that line alone tells.
fn in_comment(source: &str, at: usize) -> bool {
    let line = source[..at].rsplit('\n').next().unwrap_or_default();
    let mut quote = None;
    for sign in line.chars() {
        match (quote, sign) {
            (None, '#') => return true,
            (None, '"' | '\'') => quote = Some(sign),
            (Some(open), sign) if open == sign => quote = None,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Place, Problem, Severity};
    use std::sync::Arc;

    #[test]
    fn places_count_characters_and_stop_at_the_line_end() {
        let text: Arc<str> = "a = 1\n이름 = \"값\nx\"\n".into();
        let at = text.find('"').unwrap();
        let place = Place::of(&text, at..text.len());
        assert_eq!((place.line, place.column), (2, 6));
        assert_eq!(place.text(), "\"값");
        let end = Place::of(&text, text.len() + 9..text.len() + 12);
        assert_eq!((end.line, end.column), (4, 1));
        // In the middle of a character: its beginning.
        assert_eq!(Place::of(&text, 7..7).column, 1);
    }

    #[test]
    fn a_text_is_found_again_or_the_whole_file_is_meant() {
        let source = "a = 1\nsubject = \"Hi {{name\"\n";
        let found = Problem::at_text("f.toml", source, "Hi {{name", "w", "");
        assert_eq!(found.to_line(), "f.toml:2:12: w");
        for missing in ["Hello", ""] {
            let whole = Problem::at_text("f.toml", source, missing, "w", "h");
            assert_eq!(whole.to_line(), "f.toml: w (h)");
            assert!(whole.render(false).contains("f.toml: w"));
        }
    }

    #[test]
    fn a_comment_that_speaks_of_it_is_not_the_place() {
        let source = "# asked for \"tea\"\nname = \"# \" # \"tea\"\ndrink = \"tea\"\n";
        let found = Problem::at_text("f.toml", source, "\"tea\"", "w", "");
        assert_eq!(found.place.map(|p| (p.line, p.column)), Some((3, 9)));
        let only = Problem::at_text("f.toml", "# \"tea\"", "\"tea\"", "w", "");
        assert_eq!(only.place.map(|p| p.line), Some(1));
    }

    #[test]
    fn any_span_renders_without_a_panic() {
        let text: Arc<str> = "".into();
        for source in [text, "x".into(), "\u{1b}[31m\r\n\t값\n".into()] {
            for start in 0..source.len() + 2 {
                let problem = Problem {
                    severity: Severity::Warning,
                    file: "f.toml".into(),
                    place: Some(Place::of(&source, start..start + 1)),
                    what: "w".into(),
                    help: None,
                };
                assert!(!problem.render(false).contains('\u{1b}'));
                assert!(problem.render(true).contains('w'));
            }
        }
    }
}
