//! Links that templates print and nobody makes: `{{links.crat}}`.
//!
//! A link that is asked for first may be absent, in a partial too where the question stands around what puts it in; and one
//! that hangs on the class of message is none of others. Which links there are is for others to say.

use super::{File, Templates};
use crate::config::links::MADE;
use crate::domain::preference::Class;
use crate::message::classes::Classes;
use crate::message::problem::{TemplateProblem, near, nearest};
use crate::message::source::compile_inline;
use crate::message::uses::{LinkUses, Use, of_links};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnknownLinks {
    /// Printed all the same: no message could be made.
    pub printed: BTreeSet<TemplateProblem>,
    /// Asked for, under a name that is nearly one that there is: what hangs on it is never shown.
    pub doubtful: BTreeSet<TemplateProblem>,
    /// What those are called that are printed.
    pub names: BTreeSet<String>,
}

impl UnknownLinks {
    /// What these templates, with the partials that they reach in any locale, and these texts want beside `known`, in a
    /// message of this class.
    pub fn of(
        templates: &Templates,
        names: &BTreeSet<&str>,
        texts: &[&str],
        known: &BTreeSet<&str>,
        class: Class,
    ) -> UnknownLinks {
        let mut unknown = UnknownLinks::default();
        for (path, (uses, asked_around, of)) in reached(templates, names, class) {
            let name = File::named(path).map_or("", |file| file.name);
            unknown.take(uses, &asked_around, known, of, (name, path));
        }
        for text in texts {
            if let Ok(template) = compile_inline(text) {
                let uses = of_links(&template);
                unknown.take(&uses, &BTreeSet::new(), known, Some(class), ("", text));
            }
        }
        unknown
    }

    fn take(
        &mut self,
        uses: &LinkUses,
        asked_around: &BTreeSet<&str>,
        known: &BTreeSet<&str>,
        class: Option<Class>,
        (template, file): (&str, &str),
    ) {
        let problem = |one: &Use, what: String, help: String| TemplateProblem {
            template: template.to_owned(),
            file: file.to_owned(),
            line: one.line,
            column: one.column,
            what,
            help,
        };
        let wanted = |one: &&Use| is_of(one.classes, class) && !known.contains(one.name.as_str());
        let printed = uses.printed.iter().filter(wanted);
        for one in printed.filter(|one| !asked_around.contains(one.name.as_str())) {
            let name = &one.name;
            self.names.insert(name.clone());
            let ask = format!("ask first: {{{{#if links.{name}}}}} ... {{{{/if}}}}");
            let help = match made(name) {
                Some(where_it_is) => format!("it is there {where_it_is}; {ask}"),
                None => {
                    let add = format!(
                        "add {name} = \"https://...\" under [links] in config.toml, or {ask}"
                    );
                    nearest(name, known.iter().copied(), &add)
                }
            };
            let what = format!("there is no link `{name}`");
            self.printed.insert(problem(one, what, help));
        }
        let asked = uses.asked.iter().filter(wanted);
        for one in asked.filter(|one| made(&one.name).is_none()) {
            if let Some(nearly) = near(&one.name, known.iter().copied()) {
                let what = format!(
                    "there is no link `{}`, so what asks for it is never shown",
                    one.name
                );
                let help = format!("did you mean `{nearly}`?");
                self.doubtful.insert(problem(one, what, help));
            }
        }
    }
}

/// Of a link that the program makes: where.
fn made(name: &str) -> Option<&'static str> {
    let made = MADE.iter().find(|(made, ..)| *made == name);
    made.map(|(_, _, where_it_is)| *where_it_is)
}

/// Whether what is for some classes may stand in a message of this one; `None`: it may be any, as far as can be told.
fn is_of(classes: Classes, class: Option<Class>) -> bool {
    class.is_none_or(|class| classes.has(class))
}

/// What a file does with links, those that are asked for around it wherever it is put in, and which class it sees.
type Reached<'a> = (&'a LinkUses, BTreeSet<&'a str>, Option<Class>);

/// The files of these templates, and of all partials that they reach. One that is given a `class` of its own may see any.
fn reached<'a>(
    templates: &'a Templates,
    names: &BTreeSet<&str>,
    class: Class,
) -> BTreeMap<&'a str, Reached<'a>> {
    let named = templates.named();
    let mut reached: BTreeMap<&str, Reached<'_>> = BTreeMap::new();
    let mut todo: Vec<(&str, Reached<'_>)> = Vec::new();
    for name in names {
        let files = named.get(&(false, *name)).into_iter().flatten();
        todo.extend(
            files.map(|(path, facts)| (*path, (&facts.links, BTreeSet::new(), Some(class)))),
        );
    }
    // What is asked for around a file only ever shrinks, and its class is lost once: so this ends.
    while let Some((path, (uses, around, of))) = todo.pop() {
        let (around, of) = match reached.get(path) {
            Some((_, before, was))
                if before.is_subset(&around) && (was.is_none() || *was == of) =>
            {
                continue;
            }
            Some((_, before, was)) => {
                (before.intersection(&around).copied().collect(), was.and(of))
            }
            None => (around, of),
        };
        reached.insert(path, (uses, around.clone(), of));
        for (partial, asked, classes, own) in &uses.partials {
            if !is_of(*classes, of) {
                continue;
            }
            let mut inner = around.clone();
            inner.extend(asked.iter().map(String::as_str));
            let of = of.filter(|_| !own);
            let files = named.get(&(true, partial.as_str())).into_iter().flatten();
            todo.extend(files.map(|(path, facts)| (*path, (&facts.links, inner.clone(), of))));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::UnknownLinks;
    use crate::domain::preference::Class;
    use crate::message::Templates;
    use std::collections::BTreeSet;

    fn told(files: &[(&str, &str)], texts: &[&str], known: &[&str]) -> [Vec<String>; 2] {
        told_in(Class::Advertising, files, texts, known)
    }

    fn told_in(
        class: Class,
        files: &[(&str, &str)],
        texts: &[&str],
        known: &[&str],
    ) -> [Vec<String>; 2] {
        let files = files
            .iter()
            .map(|(f, t)| ((*f).to_owned(), (*t).to_owned()));
        let templates = Templates::from_sources(files.collect());
        assert_eq!(templates.problems(), []);
        let known: BTreeSet<&str> = known.iter().copied().collect();
        let found = UnknownLinks::of(&templates, &BTreeSet::from(["t"]), texts, &known, class);
        let lines = |all: BTreeSet<_>| all.iter().map(ToString::to_string).collect();
        [lines(found.printed), lines(found.doubtful)]
    }

    #[test]
    fn a_link_that_nobody_makes_is_told_where_it_is_printed() {
        let files = [
            (
                "t.html.hbs",
                "<a href=\"{{links.crat}}\">\n  {{links.cart}} {{> foot}}",
            ),
            ("partials/foot.html.hbs", "{{links.blog}}"),
            (
                "partials/foot.ko.html.hbs",
                "{{#if links.blog}}{{links.blog}}{{/if}}",
            ),
            ("other.html.hbs", "{{links.nobody}}"),
        ];
        assert_eq!(
            told(&files, &["See {{links.shpo}}"], &["cart", "shop"])[0],
            [
                "See {{links.shpo}}:1:5: there is no link `shpo`\n  help: did you mean `shop`?",
                "partials/foot.html.hbs:1:1: there is no link `blog`\n  help: add blog = \"https://...\" under [links] in config.toml, or ask first: {{#if links.blog}} ... {{/if}}",
                "t.html.hbs:1:10: there is no link `crat`\n  help: did you mean `cart`?",
            ]
        );
    }

    #[test]
    fn a_question_around_a_partial_counts_if_it_always_stands_there() {
        let button = ("partials/button.html.hbs", "<a href=\"{{links.cart}}\">");
        let asks = "{{#if links.cart}}{{> button}}{{/if}}";
        let none: [Vec<String>; 2] = Default::default();
        assert_eq!(told(&[("t.html.hbs", asks), button], &[], &[]), none);
        let both = format!("{asks}{{{{> button}}}}");
        let [printed, _] = told(&[("t.html.hbs", &both), button], &[], &[]);
        assert_eq!(printed.len(), 1, "{printed:?}");
    }

    #[test]
    fn a_link_that_hangs_on_the_class_is_wanted_in_that_class_only() {
        let foot = (
            "partials/foot.html.hbs",
            "{{#unless (eq class \"transactional\")}}{{links.preferences}}{{> leave}}{{/unless}}",
        );
        let leave = ("partials/leave.html.hbs", "{{links.away}}");
        let files = [("t.html.hbs", "{{> foot}}"), foot, leave];
        let subject = ["{{#if (eq class \"advertising\")}}{{links.shop}}{{/if}}"];
        let none: [Vec<String>; 2] = Default::default();
        assert_eq!(told_in(Class::Transactional, &files, &subject, &[]), none);
        for (class, expected) in [(Class::Informational, 2), (Class::Advertising, 3)] {
            let [printed, _] = told_in(class, &files, &subject, &[]);
            assert_eq!(printed.len(), expected, "{printed:?}");
        }
    }

    #[test]
    fn a_partial_that_is_given_a_class_of_its_own_is_looked_into() {
        let button = (
            "partials/button.html.hbs",
            "{{links.shpo}}{{#if (eq class \"advertising\")}}{{links.sale}}{{> tail}}{{/if}}",
        );
        let tail = (
            "partials/tail.html.hbs",
            "{{#if (eq class \"advertising\")}}{{links.end}}{{/if}}",
        );
        for (text, expected) in [
            ("{{> button class=\"primary\"}}", 3),
            ("{{> button}}", 1),
            ("{{> button}}{{> button class=\"primary\"}}", 3),
            ("{{> button class=\"primary\"}}{{> button}}", 3),
        ] {
            let files = [("t.html.hbs", text), button, tail];
            let [printed, _] = told_in(Class::Transactional, &files, &[], &[]);
            assert_eq!(printed.len(), expected, "{text}: {printed:?}");
        }
    }

    #[test]
    fn a_question_for_nearly_a_link_is_doubted() {
        let files = [(
            "t.html.hbs",
            "{{#if links.crat}}x{{/if}}{{#if links.blog}}y{{/if}}",
        )];
        let [printed, doubtful] = told(&files, &[], &["cart"]);
        assert!(printed.is_empty(), "{printed:?}");
        assert_eq!(
            doubtful,
            [
                "t.html.hbs:1:1: there is no link `crat`, so what asks for it is never shown\n  help: did you mean `cart`?"
            ]
        );
    }
}
