//! From a place in a finished part back to the line of the template that it comes from, where that can be told: what the
//! template did not fill in stands there word for word.

use super::{Finding, Looked};
use crate::message::source::{File, Part, fallbacks};
use crate::message::tags::line_at;

/// Fewer letters than these say nothing of where they come from.
const LEAST: usize = 6;

impl Finding {
    /// With the line of the template that holds the beginning of `raw`, else with the line of the part.
    pub(super) fn at(
        mut self,
        mail: &Looked<'_>,
        part: Part,
        whole: &str,
        raw: &str,
        at: usize,
    ) -> Finding {
        self.line = Some(line_at(whole, at));
        if let Some((file, line)) = template_line(mail, part, raw.trim()) {
            self.file = Some(file);
            self.line = Some(line);
        }
        self
    }
}

/// The file, of those that a reader of this locale gets, with the longest beginning of `raw`, and its line. Of two that
/// hold as much, the template itself goes before its partials.
fn template_line(mail: &Looked<'_>, part: Part, raw: &str) -> Option<(String, usize)> {
    let name = mail.template?;
    let chain = fallbacks(mail.locale);
    let mut best: Option<(usize, bool, String, usize)> = None;
    for (path, source) in mail.templates.sources_of(name) {
        let Some(file) = File::named(path) else {
            continue;
        };
        if file.part != part || !chain.contains(&file.locale) {
            continue;
        }
        let Some((length, at)) = longest(raw, source) else {
            continue;
        };
        let own = !file.partial;
        if (best.as_ref()).is_none_or(|(most, was_own, ..)| (length, own) > (*most, *was_own)) {
            best = Some((length, own, path.to_owned(), line_at(source, at)));
        }
    }
    best.map(|(_, _, file, line)| (file, line))
}

/// How much of the beginning of `raw` stands in `source`, and where.
fn longest(raw: &str, source: &str) -> Option<(usize, usize)> {
    let most = raw.len().min(400);
    let ends: Vec<usize> = (LEAST.min(most)..=most)
        .filter(|end| *end > 0 && raw.is_char_boundary(*end))
        .collect();
    // A beginning is found wherever a longer one is.
    let found = ends.partition_point(|end| source.contains(&raw[..*end]));
    let end = *ends.get(found.checked_sub(1)?)?;
    source.find(&raw[..end]).map(|at| (end, at))
}
