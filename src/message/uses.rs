//! Which of a customer's attributes a template cannot do without: it prints or compares them, and nothing says what
//! stands there when one is absent, so the message of a customer without it could not be made. And which of the shop's
//! links it prints, and which it only asks for.
//!
//! Only what is certain is told, and for which classes of message. `{{default customer.first_name "friend"}}` and what stands inside
//! `{{#if customer.first_name}}` are no such use; inside `{{#each}}` and `{{#with}}` names mean something else.

use super::classes::Classes;
use super::vocabulary::needs_its_values;
use handlebars::template::{
    DecoratorTemplate, HelperTemplate, Parameter, Template, TemplateElement,
};

/// One use.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Use {
    /// Below `customer`, or `links`, parted by dots.
    pub name: String,
    pub line: usize,
    pub column: usize,
    /// In messages of these classes; in others nothing of it is written.
    pub classes: Classes,
}

/// What a template does with links.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkUses {
    /// Whether they are there or not.
    pub printed: Vec<Use>,
    /// As `{{#if}}` and `default` do; and all that stands in an inline partial, which may never be put in.
    pub asked: Vec<Use>,
    /// The partials that it puts in, each with the links that are asked for around it, and the classes of message in which
    /// it is put in; and whether it is given a `class` of its own there, whose questions may turn out either way.
    pub partials: Vec<(String, Vec<String>, Classes, bool)>,
}

/// Every customer has these, or (tags, consents) a list of them that may be empty; none is an attribute.
const ALWAYS: [&str; 4] = ["id", "email", "tags", "consents"];
/// Deeper than any template is let through ([`super::nesting`]); a bound for this walk alone.
const DEEPEST: usize = 200;

/// What this template cannot do without, in the order of its text.
pub fn of_customer(template: &Template) -> Vec<Use> {
    let mut found = LinkUses::default();
    walk(template, &Place::new(Of::Customer), &mut found);
    found.printed
}

/// What this template does with links, in the order of its text.
pub fn of_links(template: &Template) -> LinkUses {
    let mut found = LinkUses::default();
    walk(template, &Place::new(Of::Links), &mut found);
    found
}

/// Whose names are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Customer,
    Links,
}

/// Where in a template.
#[derive(Clone)]
struct Place {
    of: Of,
    /// What an `{{#if}}` around it has asked for.
    sure: Vec<String>,
    /// Inside a block in which `customer` is no longer the customer.
    moved: bool,
    /// In an inline partial.
    inline: bool,
    /// In messages of these it is written.
    classes: Classes,
    depth: usize,
}

impl Place {
    fn new(of: Of) -> Place {
        Place {
            of,
            sure: Vec::new(),
            moved: false,
            inline: false,
            classes: Classes::ALL,
            depth: 0,
        }
    }

    fn with(&self, names: impl IntoIterator<Item = String>) -> Place {
        let mut inner = self.clone();
        inner.sure.extend(names);
        inner.depth += 1;
        inner
    }

    fn within(&self) -> Place {
        self.with([])
    }

    fn only(self, classes: Classes) -> Place {
        Place {
            classes: self.classes.and(classes),
            ..self
        }
    }

    fn moved(&self) -> Place {
        Place {
            moved: true,
            ..self.within()
        }
    }

    /// What `path` names here, from the top of all that the template sees.
    fn below_top<'a>(&self, path: &'a str) -> Option<&'a str> {
        Some(match path.strip_prefix("@root.") {
            Some(rest) => rest,
            None if self.moved => path.strip_prefix("../")?.trim_start_matches("../"),
            None => path.strip_prefix("this.").unwrap_or(path),
        })
    }

    /// What `path` names here, below `customer` or `links`.
    fn name(&self, path: &str) -> Option<String> {
        let rest = self.below_top(path)?;
        let (root, always): (&str, &[&str]) = match self.of {
            Of::Customer => ("customer.", &ALWAYS),
            Of::Links => ("links.", &[]),
        };
        let rest = rest.strip_prefix(root)?;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let first = rest.split('.').next().unwrap_or(rest);
        (rest.chars().all(plain) && !always.contains(&first)).then(|| rest.to_owned())
    }
}

fn walk(template: &Template, place: &Place, found: &mut LinkUses) {
    if place.depth > DEEPEST {
        return;
    }
    for (element, at) in template.elements.iter().zip(&template.mapping) {
        let at = (at.0, at.1);
        match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                expression(call, place, at, found);
            }
            TemplateElement::HelperBlock(call) => block(call, place, at, found),
            TemplateElement::PartialExpression(partial) => put_in(partial, place, at, found),
            TemplateElement::PartialBlock(partial) => {
                put_in(partial, place, at, found);
                if let Some(inner) = &partial.template {
                    walk(inner, &place.within(), found);
                }
            }
            TemplateElement::DecoratorBlock(inline) if place.of == Of::Links => {
                let place = Place {
                    inline: true,
                    ..place.within()
                };
                if let Some(inner) = &inline.template {
                    walk(inner, &place, found);
                }
            }
            _ => {}
        }
    }
}

/// What a partial is given may be absent: it is empty there then. No link may be.
fn put_in(partial: &DecoratorTemplate, place: &Place, at: (usize, usize), found: &mut LinkUses) {
    if place.of == Of::Customer {
        return;
    }
    for given in partial.params.iter().chain(partial.hash.values()) {
        parameter(given, false, place, at, found);
    }
    // Given something of its own, the partial sees that in the place of all else.
    if let Some(name) = partial.name.as_name()
        && !place.moved
        && !place.inline
        && partial.params.is_empty()
    {
        let (sure, own) = (place.sure.clone(), partial.hash.contains_key("class"));
        (found.partials).push((name.to_owned(), sure, place.classes, own));
    }
}

fn block(call: &HelperTemplate, place: &Place, at: (usize, usize), found: &mut LinkUses) {
    let name = call.name.as_name().unwrap_or("");
    let condition = call.params.first();
    let asked: Vec<String> = condition.map(|p| all_of(p, place)).unwrap_or_default();
    let is_class = |path: &str| place.below_top(path) == Some("class");
    let (holds, fails) = condition.map_or((Classes::ALL, Classes::ALL), |p| {
        Classes::where_it_holds(p, &is_class)
    });
    let (then, otherwise) = match name {
        "if" => (place.with(asked).only(holds), place.within().only(fails)),
        "unless" => (place.within().only(fails), place.with(asked).only(holds)),
        "each" | "with" => (place.moved(), place.within()),
        _ => (place.within(), place.within()),
    };
    parameters(call, place, at, found);
    for (part, place) in [(&call.template, &then), (&call.inverse, &otherwise)] {
        if let Some(part) = part {
            walk(part, place, found);
        }
    }
}

/// The names that are there where this holds: the name itself, or all those of `(and a b)`.
fn all_of(asked: &Parameter, place: &Place) -> Vec<String> {
    if let Parameter::Subexpression(inner) = asked
        && let TemplateElement::Expression(call) = inner.as_element()
        && call.name.as_name() == Some("and")
    {
        let paths = call.params.iter().filter_map(Parameter::as_name);
        return paths.filter_map(|path| place.name(path)).collect();
    }
    let path = asked.as_name();
    path.and_then(|path| place.name(path)).into_iter().collect()
}

fn expression(call: &HelperTemplate, place: &Place, at: (usize, usize), found: &mut LinkUses) {
    if call.params.is_empty() && call.hash.is_empty() {
        take(&call.name, false, place, at, found);
    } else {
        parameters(call, place, at, found);
    }
}

fn parameters(call: &HelperTemplate, place: &Place, at: (usize, usize), found: &mut LinkUses) {
    if place.depth > DEEPEST {
        return;
    }
    let lenient = !needs_its_values(call);
    for one in &call.params {
        parameter(one, lenient, place, at, found);
    }
}

fn parameter(
    parameter: &Parameter,
    lenient: bool,
    place: &Place,
    at: (usize, usize),
    found: &mut LinkUses,
) {
    match parameter {
        Parameter::Subexpression(inner) => {
            if let TemplateElement::Expression(call) = inner.as_element() {
                parameters(call, &place.within(), at, found);
            }
        }
        path => take(path, lenient, place, at, found),
    }
}

fn take(path: &Parameter, lenient: bool, place: &Place, at: (usize, usize), found: &mut LinkUses) {
    let name = path.as_name().and_then(|path| place.name(path));
    if let Some(name) = name.filter(|name| !place.sure.contains(name)) {
        let one = Use {
            name,
            line: at.0,
            column: at.1,
            classes: place.classes,
        };
        match lenient || place.inline {
            true => found.asked.push(one),
            false => found.printed.push(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{of_customer, of_links};
    use crate::domain::preference::Class::{Advertising, Informational, Transactional};
    use handlebars::Template;

    fn uses(text: &str) -> Vec<String> {
        let template = Template::compile(text).unwrap();
        let found = of_customer(&template);
        found.into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn what_a_template_cannot_do_without_is_found_and_nothing_else() {
        for (text, expected) in [
            ("{{customer.first_name}}", vec!["first_name"]),
            ("{{{customer.a.b}}} {{this.customer.c}}", vec!["a.b", "c"]),
            ("{{upper customer.city}}", vec!["city"]),
            ("{{default customer.first_name \"friend\"}}", vec![]),
            ("{{default (upper customer.city) \"x\"}}", vec!["city"]),
            ("{{upper (default customer.city \"x\")}}", vec![]),
            (
                "{{#if customer.city}}{{customer.city}}{{else}}{{customer.land}}{{/if}}",
                vec!["land"],
            ),
            (
                "{{#unless customer.city}}none{{else}}{{customer.city}}{{/unless}}",
                vec![],
            ),
            (
                "{{#unless customer.city}}{{customer.city}}{{/unless}}",
                vec!["city"],
            ),
            ("{{#if (eq customer.plan \"gold\")}}!{{/if}}", vec!["plan"]),
            (
                "{{#each products}}{{customer.x}}{{@root.customer.y}}{{/each}}",
                vec!["y"],
            ),
            ("{{#each customer.pets}}{{this}}{{/each}}", vec!["pets"]),
            (
                "{{#each customer.pets}}{{this}}{{else}}none{{/each}}",
                vec![],
            ),
            (
                "{{#if (contains customer.cups \"red\")}}a{{/if}}{{#if (and customer.a customer.b)}}c{{/if}}",
                vec![],
            ),
            ("{{lookup customer.cups 0}}", vec!["cups"]),
            (
                "{{customer.id}} {{customer.email}} {{#each customer.tags}}{{this}}{{/each}}",
                vec![],
            ),
            (
                "{{#if (and customer.a customer.b)}}{{customer.a}}{{customer.b}}{{/if}}",
                vec![],
            ),
            (
                "{{#if (or customer.a customer.b)}}{{customer.a}}{{/if}}",
                vec!["a"],
            ),
            ("{{#each products}}{{../customer.x}}{{/each}}", vec!["x"]),
            ("{{> hello name=customer.x}}", vec![]),
            (
                "{{customer.consent.at}} {{#each customer.consents}}{{name}}{{/each}} {{customer.consents.0.at}}",
                vec!["consent.at"],
            ),
            ("{{entry.key}} {{customers.x}} {{sender.company}}", vec![]),
            (
                "{{#> layout}}{{customer.first_name}}{{/layout}}",
                vec!["first_name"],
            ),
        ] {
            assert_eq!(uses(text), expected, "{text}");
        }
    }

    #[test]
    fn what_hangs_on_the_class_is_for_messages_of_that_class() {
        let of = |text: &str| {
            let template = Template::compile(text).unwrap();
            let (customer, links) = (of_customer(&template), of_links(&template));
            let classes = (customer.iter().chain(&links.printed).map(|one| one.classes))
                .chain(links.partials.iter().map(|(_, _, classes, _)| *classes));
            let each = [Advertising, Informational, Transactional];
            let told: Vec<String> = classes
                .map(|classes| {
                    let named = each.iter().filter(|class| classes.has(**class));
                    named.map(|class| &class.as_str()[..1]).collect()
                })
                .collect();
            told.join(" ")
        };
        for (text, expected) in [
            (
                "{{#unless (eq class \"transactional\")}}{{links.preferences}}{{else}}{{customer.a}}{{/unless}}",
                "t ai",
            ),
            (
                "{{#if (eq @root.class \"advertising\")}}{{> leave}}{{else}}{{customer.a}}{{/if}}",
                "it a",
            ),
            (
                "{{#if (ne class \"advertising\")}}{{#if (ne class \"transactional\")}}{{customer.a}}{{/if}}{{/if}}",
                "i",
            ),
            (
                "{{#each products}}{{#if (eq class \"x\")}}{{../customer.a}}{{/if}}{{/each}}",
                "ait",
            ),
            (
                "{{#each products}}{{#if (eq ../class \"advertising\")}}{{../customer.a}}{{/if}}{{/each}}",
                "a",
            ),
            ("{{#if customer.vip}}{{customer.a}}{{/if}}", "ait"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn links_are_printed_or_asked_for() {
        let of = |text: &str| {
            let found = of_links(&Template::compile(text).unwrap());
            let names = |uses: Vec<super::Use>| -> String {
                let names: Vec<String> = uses.into_iter().map(|one| one.name).collect();
                names.join(" ")
            };
            let partials: Vec<String> = (found.partials.into_iter())
                .map(|(name, sure, ..)| format!("{name}:{}", sure.join("+")))
                .collect();
            [names(found.printed), names(found.asked), partials.join(" ")]
        };
        for (text, expected) in [
            ("{{links.shop}} {{{@root.links.a-b}}}", ["shop a-b", "", ""]),
            (
                "{{#if links.cart}}{{> button href=links.cart label=\"x\"}}{{/if}}",
                ["", "cart", "button:cart"],
            ),
            ("{{> button href=links.cart}}", ["cart", "", "button:"]),
            (
                "{{> button href=(default links.cart links.shop)}}",
                ["", "cart shop", "button:"],
            ),
            ("{{#each products}}{{> product}}{{/each}}", ["", "", ""]),
            (
                "{{#each products}}{{links.x}}{{../links.y}}{{/each}}",
                ["y", "", ""],
            ),
            (
                "{{#> layout}}{{urlencode links.shop}}{{/layout}}",
                ["shop", "", "layout:"],
            ),
            (
                "{{#*inline \"b\"}}{{links.shop}}{{/inline}}{{> b}}",
                ["", "shop", "b:"],
            ),
            (
                "{{#if links.a}}{{#unless links.b}}{{else}}{{> c}}{{/unless}}{{/if}}",
                ["", "a b", "c:a+b"],
            ),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
