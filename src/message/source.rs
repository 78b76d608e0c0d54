//! Template files: what their names say, and how one text is compiled.
//!
//! Each file is judged alone here; how files of a folder go together is told in [`super::templates`].

use super::check::{self, Facts};
use super::nesting;
use super::problem::TemplateProblem;
use handlebars::Template;

/// A larger file is taken for a mistake.
const MOST_BYTES: usize = 512 * 1024;

/// The two parts of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    Html,
    Text,
}

impl Part {
    pub fn suffix(self) -> &'static str {
        match self {
            Part::Html => ".html.hbs",
            Part::Text => ".txt.hbs",
        }
    }
}

/// A locale in lower case with hyphens; empty is every other locale.
pub type Locale = String;

/// One file, by its name.
pub struct File<'a> {
    pub partial: bool,
    pub name: &'a str,
    pub locale: Locale,
    pub part: Part,
}

impl<'a> File<'a> {
    /// Reads a file's name, relative to the templates' folder; `None` if it is no template's.
    pub fn named(path: &'a str) -> Option<File<'a>> {
        let (partial, file) = match path.strip_prefix("partials/") {
            Some(file) => (true, file),
            None => (false, path),
        };
        let (stem, part) = [Part::Html, Part::Text]
            .into_iter()
            .find_map(|part| file.strip_suffix(part.suffix()).map(|stem| (stem, part)))?;
        let (name, locale) = stem.split_once('.').unwrap_or((stem, ""));
        let good = !name.is_empty() && !file.contains('/') && !locale.contains('.');
        good.then(|| File {
            partial,
            name,
            locale: canonical(locale),
            part,
        })
    }

    pub fn key(&self) -> String {
        key(self.name, &self.locale)
    }
}

/// What a form of a template is called inside an engine; a slash keeps it apart from partials.
pub fn key(name: &str, locale: &str) -> String {
    format!("/{name}/{locale}")
}

pub fn canonical(locale: &str) -> Locale {
    locale.trim().replace('_', "-").to_ascii_lowercase()
}

/// `ko-kr`, `ko`, and the empty one.
pub fn fallbacks(locale: &str) -> Vec<Locale> {
    let mut chain = Vec::new();
    let mut rest = canonical(locale);
    while !rest.is_empty() {
        chain.push(rest.clone());
        rest.truncate(rest.rfind('-').unwrap_or(0));
    }
    chain.push(String::new());
    chain
}

pub fn unreadable(file: &str, error: &std::io::Error) -> TemplateProblem {
    TemplateProblem {
        template: file.to_owned(),
        file: file.to_owned(),
        line: 0,
        column: 0,
        what: format!("cannot be read: {error}"),
        help: "templates are UTF-8 text that the daemon may read".to_owned(),
    }
}

/// Compiles one text, after counting how deep it nests: the compiler itself cannot be trusted with that.
pub fn compile(
    source: &str,
    name: &str,
    file: &str,
) -> Result<(Template, Facts), Vec<TemplateProblem>> {
    let problem = |line: usize, column: usize, what: String, help: &str| {
        vec![TemplateProblem {
            template: name.to_owned(),
            file: file.to_owned(),
            line,
            column,
            what,
            help: help.to_owned(),
        }]
    };
    if source.len() > MOST_BYTES {
        let what = format!(
            "the file has {} bytes, at most {MOST_BYTES} are taken",
            source.len()
        );
        return Err(problem(
            0,
            0,
            what,
            "a mail of that size is cut off or refused; keep images out of templates",
        ));
    }
    if let Err(deep) = nesting::check(source) {
        let what = format!(
            "blocks nest more than {} levels deep, or brackets more than {}",
            nesting::MOST,
            nesting::MOST_BRACKETS
        );
        return Err(problem(
            deep.line,
            deep.column,
            what,
            "close blocks that were left open, or nest fewer",
        ));
    }
    let template = Template::compile_with_name(source, file.to_owned()).map_err(|error| {
        use handlebars::TemplateErrorReason as Reason;
        let (line, column) = error.pos().unwrap_or((0, 0));
        let (what, help) = match error.reason() {
            Reason::MismatchingClosedHelper(open, close) | Reason::MismatchingClosedDecorator(open, close) => (
                format!("`{{{{/{close}}}}}` closes a block that `{{{{#{open}}}}}` opened"),
                "close blocks in the reverse of the order in which they were opened",
            ),
            _ => (
                "this is not understood as a template from here on".to_owned(),
                "look for a tag without its closing }}, a block without its {{/...}}, an unclosed quote or bracket",
            ),
        };
        problem(line, column, what, help)
    })?;
    match check::read(&template, name, file) {
        (facts, problems) if problems.is_empty() => Ok((template, facts)),
        (_, problems) => Err(problems),
    }
}

/// Compiles a subject or preheader: as a template, but it may use no partials.
pub fn compile_inline(text: &str) -> Result<Template, TemplateProblem> {
    let first = |problems: Vec<TemplateProblem>| problems.into_iter().next();
    let (template, facts) = match compile(text, "subject", text) {
        Ok(good) => good,
        Err(problems) => {
            return Err(first(problems).unwrap_or_else(|| TemplateProblem {
                template: "subject".to_owned(),
                file: text.to_owned(),
                line: 1,
                column: 1,
                what: "this text is not understood".to_owned(),
                help: "write plain text with {{names}}".to_owned(),
            }));
        }
    };
    match facts.references.first() {
        None => Ok(template),
        Some(partial) => Err(TemplateProblem {
            template: "subject".to_owned(),
            file: text.to_owned(),
            line: partial.line,
            column: partial.column,
            what: "a subject or preheader cannot use partials".to_owned(),
            help: "write its text out".to_owned(),
        }),
    }
}
