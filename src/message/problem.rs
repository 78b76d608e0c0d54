//! What is wrong with a template, said to the marketer who wrote it: where, what, and what to do.

use std::fmt;

/// A template that cannot be used, found when templates are loaded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TemplateProblem {
    /// The template's name as campaigns use it; of a partial, the partial's name.
    pub template: String,
    /// The file, relative to the templates' folder; for a subject or preheader, the text itself.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// From 1; 0 where the whole file is meant.
    pub column: usize,
    pub what: String,
    pub help: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}\n  help: {}", self.what, self.help)
    }
}

/// A template that could not be filled for one message: a name that is absent, a helper given what it cannot use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenderError {
    /// The file, relative to the templates' folder; for a subject or preheader, its text.
    pub template: String,
    /// From 1; 0 where not known.
    pub line: usize,
    /// From 1; 0 where not known.
    pub column: usize,
    pub what: String,
    pub help: String,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {} ({})", self.what, self.help)
    }
}

impl std::error::Error for RenderError {}

impl RenderError {
    /// Puts the engine's error into plain words. `file` is the template asked for, in case the engine names none.
    pub(crate) fn from_engine(error: &handlebars::RenderError, file: &str) -> RenderError {
        use handlebars::RenderErrorReason as Reason;
        let absent = "check its spelling, or say what stands there when it is absent: \
                      {{default customer.first_name \"friend\"}}";
        let (what, help) = match error.reason() {
            Reason::MissingVariable(Some(path)) => (
                format!("`{path}` is not among this message's data"),
                absent.to_owned(),
            ),
            Reason::MissingVariable(None)
            | Reason::ParamNotFoundForIndex(..)
            | Reason::ParamNotFoundForName(..) => (
                "a value that is used here is not among this message's data".to_owned(),
                absent.to_owned(),
            ),
            Reason::PartialBlockNotFound => (
                "this partial was used without a block, so there is no `@partial-block`".to_owned(),
                "use it as {{#> name}} ... {{/name}}".to_owned(),
            ),
            Reason::Other(text) => (
                text.clone(),
                "correct the data, or how the template uses it".to_owned(),
            ),
            other => (
                other.to_string(),
                "see the reference of template helpers".to_owned(),
            ),
        };
        RenderError {
            template: error
                .template_name
                .clone()
                .unwrap_or_else(|| file.to_owned()),
            line: error.line_no.unwrap_or(0),
            column: error.column_no.unwrap_or(0),
            what,
            help,
        }
    }
}

/// "did you mean ..." with the nearest of `known`, if one is near; otherwise `otherwise`.
pub(crate) fn nearest<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    near(name, known).map_or_else(|| otherwise.to_owned(), |k| format!("did you mean `{k}`?"))
}

/// The nearest of `known`, if one is near.
pub(crate) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(distance, k)| *distance <= 1 + k.chars().count() / 4)
        .min()
        .map(|(_, k)| k)
}
