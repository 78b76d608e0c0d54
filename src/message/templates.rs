//! Every template of a folder, compiled once, with its locale forms, partials and layout.
//!
//! `NAME.html.hbs` is a template's HTML, `NAME.txt.hbs` its hand-written text, `NAME.LOCALE.html.hbs` the form for a
//! locale; files in `partials/` are named alike. Each locale has an engine of its own, in which a partial's name
//! means that partial in that locale, or the nearest there is: so one layout can include a footer that speaks the
//! reader's language. Subjects and preheaders, which stand in campaign files, are compiled here too.
//!
//! A bad file makes a problem and spoils the templates that use it, no others.

pub mod linked;
mod reached;

use super::check::{self, Facts};
use super::problem::{RenderError, TemplateProblem, nearest};
use super::source::{File, Locale, Part, compile, compile_inline, fallbacks, key, unreadable};
use super::vocabulary;
use handlebars::{Context, Handlebars, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What was found in a folder of templates.
#[derive(Debug)]
pub struct Templates {
    engines: BTreeMap<(Part, Locale), Handlebars<'static>>,
    inline: Handlebars<'static>,
    /// The locales in which each usable template has its HTML and its text.
    forms: BTreeMap<String, BTreeMap<Part, BTreeSet<Locale>>>,
    broken: BTreeSet<String>,
    problems: Vec<TemplateProblem>,
    sources: BTreeMap<String, String>,
    /// What each good file refers to, by its path.
    facts: BTreeMap<String, Facts>,
}

fn engine(escape: bool) -> Handlebars<'static> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    if escape {
        engine.register_escape_fn(escape_html);
    } else {
        engine.register_escape_fn(handlebars::no_escape);
    }
    vocabulary::register(&mut engine);
    engine
}

/// Makes `text` harmless in HTML, in an attribute too.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

impl Templates {
    /// Reads and compiles all templates of `dir`. `Err` says that the folder itself could not be read; what is wrong
    /// with single files is in [`Templates::problems`].
    pub fn load(dir: &Path) -> Result<Templates, Vec<TemplateProblem>> {
        let mut sources = BTreeMap::new();
        let mut unread = Vec::new();
        for folder in ["", "partials/"] {
            let path = dir.join(folder);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(_) if !folder.is_empty() => continue,
                Err(error) => return Err(vec![unreadable(&path.display().to_string(), &error)]),
            };
            for entry in entries {
                let entry = entry.map_err(|e| vec![unreadable(&path.display().to_string(), &e)])?;
                let Some(file) = entry.file_name().to_str().map(|n| format!("{folder}{n}")) else {
                    continue;
                };
                if !file.ends_with(".hbs") {
                    continue;
                }
                match fs::read_to_string(entry.path()) {
                    Ok(text) => {
                        sources.insert(file, text);
                    }
                    Err(error) => unread.push(unreadable(&file, &error)),
                }
            }
        }
        let mut templates = Templates::from_sources(sources);
        for file in unread.iter().filter_map(|p| File::named(&p.file)) {
            // Its other forms are not used in its stead: some readers would get the wrong language.
            templates.forms.remove(file.name);
            templates.broken.insert(file.name.to_owned());
        }
        templates.problems.extend(unread);
        Ok(templates)
    }

    /// Compiles templates from their texts by file name, relative to the folder (`dormant.ko.html.hbs`,
    /// `partials/layout.html.hbs`): as they were kept with a campaign's last good version.
    pub fn from_sources(sources: BTreeMap<String, String>) -> Templates {
        let mut found = Loading::default();
        for (path, source) in &sources {
            found.take(path, source);
        }
        let locales: BTreeSet<Locale> = found
            .files
            .iter()
            .map(|(f, _, _)| f.locale.clone())
            .chain([String::new()])
            .collect();
        let mut engines = BTreeMap::new();
        let mut forms: BTreeMap<String, BTreeMap<Part, BTreeSet<Locale>>> = BTreeMap::new();
        let mut broken = std::mem::take(&mut found.broken);
        for part in [Part::Html, Part::Text] {
            for locale in &locales {
                let (partials, mut engine) = found.partials(part, locale);
                // Circles among partials that no template uses are told, too.
                for (name, facts) in &partials {
                    found
                        .problems
                        .extend(endless(check::follow(name, facts, &partials)));
                }
                for (file, template, facts) in &found.files {
                    if file.partial || file.part != part || file.locale != *locale {
                        continue;
                    }
                    let problems = check::follow(file.name, facts, &partials);
                    if problems.is_empty() {
                        engine.register_template(&file.key(), template.clone());
                        let parts = forms.entry(file.name.to_owned()).or_default();
                        parts.entry(part).or_default().insert(locale.clone());
                    } else {
                        broken.insert(file.name.to_owned());
                        // A partial that is there but broken has been told of already.
                        let told = |p: &TemplateProblem| {
                            found
                                .broken_partials
                                .iter()
                                .any(|(_, _, n)| p.what == check::no_partial(n))
                        };
                        let new: Vec<_> = problems.into_iter().filter(|p| !told(p)).collect();
                        found.problems.extend(new);
                    }
                }
                engines.insert((part, locale.clone()), engine);
            }
        }
        let mut problems = found.problems;
        for (name, parts) in &forms {
            let html = parts.get(&Part::Html);
            for locale in parts.get(&Part::Text).into_iter().flatten() {
                if broken.contains(name) || html.is_some_and(|h| h.contains(locale)) {
                    continue;
                }
                let dot = if locale.is_empty() { "" } else { "." };
                problems.push(TemplateProblem {
                    template: name.clone(),
                    file: format!("{name}{dot}{locale}.txt.hbs"),
                    line: 0,
                    column: 0,
                    what: "this text has no HTML form of the same locale, so it is never used"
                        .to_owned(),
                    help: format!("add {name}{dot}{locale}.html.hbs, or remove this file"),
                });
            }
        }
        forms.retain(|name, parts| parts.contains_key(&Part::Html) && !broken.contains(name));
        let mut told = BTreeSet::new();
        problems.retain(|p| told.insert((p.file.clone(), p.line, p.column, p.what.clone())));
        let facts = (found.files.into_iter())
            .map(|(_, _, facts)| (facts.file.clone(), facts))
            .collect();
        Templates {
            engines,
            inline: engine(false),
            forms,
            broken,
            problems,
            sources,
            facts,
        }
    }

    /// What is wrong with single files. Their templates cannot be used; all others can.
    pub fn problems(&self) -> &[TemplateProblem] {
        &self.problems
    }

    /// The names of all templates that can be used.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.forms.keys().map(String::as_str)
    }

    /// Whether a template of that name can be used.
    pub fn has(&self, name: &str) -> bool {
        self.forms.contains_key(name)
    }

    /// The locales in which template `name` has its HTML, the empty one for every other.
    pub fn locales(&self, name: &str) -> impl Iterator<Item = &str> {
        let html = self.forms.get(name).and_then(|p| p.get(&Part::Html));
        html.into_iter().flatten().map(String::as_str)
    }

    /// Whether somebody wrote the text that readers of `locale` get beside the HTML of `name`.
    pub fn has_text(&self, name: &str, locale: &str) -> bool {
        let text = self.forms.get(name).and_then(|p| p.get(&Part::Text));
        (self.choose(name, locale)).is_ok_and(|form| text.is_some_and(|t| t.contains(form)))
    }

    /// The files that make up template `name`: all its forms, and all partials. For a campaign's hash and for
    /// keeping its last good version.
    pub fn sources_of(&self, name: &str) -> BTreeMap<&str, &str> {
        let belongs = |path: &str| File::named(path).is_some_and(|f| f.partial || f.name == name);
        self.sources
            .iter()
            .filter(|(path, _)| belongs(path))
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect()
    }

    /// The compiled forms of template `name`, each with its file's name.
    pub(super) fn forms_of(&self, name: &str) -> Vec<(String, &Template)> {
        let parts = self.forms.get(name).into_iter().flatten();
        let forms = parts.flat_map(|(part, locales)| locales.iter().map(|l| (*part, l)));
        forms
            .filter_map(|(part, locale)| {
                let engine = self.engines.get(&(part, locale.clone()))?;
                let dot = if locale.is_empty() { "" } else { "." };
                let file = format!("{name}{dot}{locale}{}", part.suffix());
                Some((file, engine.get_template(&key(name, locale))?))
            })
            .collect()
    }

    /// The text of a file.
    pub fn text_of(&self, path: &str) -> Option<&str> {
        self.sources.get(path).map(String::as_str)
    }

    /// Every file of the folder by its path, whether it is good or not.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Whether `text` would do as a subject or preheader.
    pub fn subject_check(text: &str) -> Result<(), TemplateProblem> {
        compile_inline(text).map(|_| ())
    }

    /// Compiles a subject or preheader, so that composing only fills it in.
    pub fn inline(&mut self, text: &str) -> Result<(), TemplateProblem> {
        if !self.inline.has_template(text) {
            self.inline.register_template(text, compile_inline(text)?);
        }
        Ok(())
    }

    /// Fills a subject or preheader in: no HTML escaping, made one line, without controls.
    pub(crate) fn render_inline(
        &self,
        text: &str,
        context: &Context,
    ) -> Result<String, RenderError> {
        let filled = self.render_plain(text, context)?;
        Ok(super::header::one_line(&filled))
    }

    /// Fills a text of several lines in: no HTML escaping.
    pub(crate) fn render_plain(
        &self,
        text: &str,
        context: &Context,
    ) -> Result<String, RenderError> {
        let known = self.inline.has_template(text);
        let filled = if known {
            self.inline.render_with_context(text, context)
        } else {
            // Not announced by `inline`: right all the same, only slower.
            let template = compile_inline(text).map_err(|p| RenderError {
                template: p.file,
                line: p.line,
                column: p.column,
                what: p.what,
                help: p.help,
            })?;
            let mut engine = engine(false);
            engine.register_template(text, template);
            engine.render_with_context(text, context)
        };
        filled.map_err(|e| RenderError::from_engine(&e, text))
    }

    /// The locale whose form of `name` a reader of `locale` gets.
    pub(crate) fn choose(&self, name: &str, locale: &str) -> Result<&str, RenderError> {
        let html = self
            .forms
            .get(name)
            .and_then(|parts| parts.get(&Part::Html))
            .ok_or_else(|| self.absent(name))?;
        fallbacks(locale)
            .iter()
            .find_map(|l| html.get(l))
            .map(String::as_str)
            .ok_or_else(|| RenderError {
                template: name.to_owned(),
                line: 0,
                column: 0,
                what: format!(
                    "template `{name}` has no form for locale \"{locale}\" and none for every other"
                ),
                help: format!("add {name}.html.hbs"),
            })
    }

    fn absent(&self, name: &str) -> RenderError {
        let (what, help) = if self.broken.contains(name) {
            let first = self.problems.iter().find(|p| p.template == name);
            let help = first.map_or_else(
                || "see what `check` says of its partials".to_owned(),
                ToString::to_string,
            );
            (format!("template `{name}` cannot be used"), help)
        } else {
            let add = format!("add {name}.html.hbs to the templates' folder");
            (
                format!("there is no template `{name}`"),
                nearest(name, self.names(), &add),
            )
        };
        RenderError {
            template: name.to_owned(),
            line: 0,
            column: 0,
            what,
            help,
        }
    }

    /// Fills one part in, in exactly the locale that [`Templates::choose`] gave; `None` if it has no such part.
    pub(crate) fn render(
        &self,
        name: &str,
        locale: &str,
        part: Part,
        context: &Context,
    ) -> Result<Option<String>, RenderError> {
        let key = key(name, locale);
        let Some(engine) = self
            .engines
            .get(&(part, locale.to_owned()))
            .filter(|e| e.has_template(&key))
        else {
            return Ok(None);
        };
        let rendered = engine.render_with_context(&key, context);
        let dot = if locale.is_empty() { "" } else { "." };
        let file = || format!("{name}{dot}{locale}{}", part.suffix());
        rendered
            .map(Some)
            .map_err(|e| RenderError::from_engine(&e, &file()))
    }
}

/// What is gathered while a folder is read.
#[derive(Default)]
struct Loading<'a> {
    files: Vec<(File<'a>, Template, Facts)>,
    problems: Vec<TemplateProblem>,
    broken: BTreeSet<String>,
    broken_partials: BTreeSet<(Part, Locale, String)>,
}

impl<'a> Loading<'a> {
    fn take(&mut self, path: &'a str, source: &str) {
        let Some(file) = File::named(path) else {
            self.problems.push(TemplateProblem {
                template: path.to_owned(),
                file: path.to_owned(),
                line: 0,
                column: 0,
                what: "this file's name says neither HTML nor text".to_owned(),
                help: "call it NAME.html.hbs, NAME.LOCALE.html.hbs, NAME.txt.hbs or NAME.LOCALE.txt.hbs".to_owned(),
            });
            return;
        };
        match compile(source, file.name, path) {
            Ok((template, facts)) => self.files.push((file, template, facts)),
            Err(problems) => {
                self.problems.extend(problems);
                if file.partial {
                    self.broken_partials
                        .insert((file.part, file.locale, file.name.to_owned()));
                } else {
                    self.broken.insert(file.name.to_owned());
                }
            }
        }
    }

    /// The partials of one part as they are meant in one locale, and an engine that knows them.
    fn partials(&self, part: Part, locale: &str) -> (BTreeMap<String, Facts>, Handlebars<'static>) {
        let mut engine = engine(part == Part::Html);
        let mut facts = BTreeMap::new();
        let chain = fallbacks(locale);
        for wanted in &chain {
            for (file, template, found) in &self.files {
                let fits = file.partial && file.part == part && file.locale == *wanted;
                if fits && !facts.contains_key(file.name) {
                    engine.register_template(file.name, template.clone());
                    facts.insert(file.name.to_owned(), found.clone());
                }
            }
        }
        // A broken form is not replaced by a more general one: it was meant to be used.
        for (broken_part, broken_locale, name) in &self.broken_partials {
            if *broken_part == part && chain.contains(broken_locale) {
                facts.remove(name);
            }
        }
        (facts, engine)
    }
}

/// Only what would never end; that a partial lacks another matters where it is used.
fn endless(problems: Vec<TemplateProblem>) -> impl Iterator<Item = TemplateProblem> {
    problems
        .into_iter()
        .filter(|p| p.what.contains("without end"))
}
