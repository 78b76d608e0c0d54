//! Which of a customer's attributes a template cannot do without: it prints or compares them, and nothing says what
//! stands there when one is absent, so the message of a customer without it could not be made.
//!
//! Only what is certain is told. `{{default customer.first_name "friend"}}` and what stands inside
//! `{{#if customer.first_name}}` are no such use; inside `{{#each}}` and `{{#with}}` names mean something else.

use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};

/// One use.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Use {
    /// Below `customer`, parted by dots.
    pub attribute: String,
    pub line: usize,
    pub column: usize,
}

/// Helpers that take an absent value.
const LENIENT: [&str; 5] = ["default", "if", "unless", "lookup", "raw"];
/// Every customer has these, or (tags, consents) a list of them that may be empty; none is an attribute.
const ALWAYS: [&str; 4] = ["id", "email", "tags", "consents"];
/// Deeper than any template is let through ([`super::nesting`]); a bound for this walk alone.
const DEEPEST: usize = 200;

/// What this template cannot do without, in the order of its text.
pub fn of_customer(template: &Template) -> Vec<Use> {
    let mut found = Vec::new();
    let place = Place {
        sure: Vec::new(),
        moved: false,
        depth: 0,
    };
    walk(template, &place, &mut found);
    found
}

/// Where in a template.
#[derive(Clone)]
struct Place {
    /// What an `{{#if}}` around it has asked for.
    sure: Vec<String>,
    /// Inside a block in which `customer` is no longer the customer.
    moved: bool,
    depth: usize,
}

impl Place {
    fn with(&self, attribute: Option<String>) -> Place {
        let mut inner = self.clone();
        inner.sure.extend(attribute);
        inner.depth += 1;
        inner
    }

    fn moved(&self) -> Place {
        Place {
            moved: true,
            ..self.with(None)
        }
    }

    /// The attribute that `path` names here.
    fn attribute(&self, path: &str) -> Option<String> {
        let rest = match path.strip_prefix("@root.") {
            Some(rest) => rest,
            None if self.moved => return None,
            None => path.strip_prefix("this.").unwrap_or(path),
        };
        let rest = rest.strip_prefix("customer.")?;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let first = rest.split('.').next().unwrap_or(rest);
        (rest.chars().all(plain) && !ALWAYS.contains(&first)).then(|| rest.to_owned())
    }
}

fn walk(template: &Template, place: &Place, found: &mut Vec<Use>) {
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
            TemplateElement::PartialBlock(partial) => {
                if let Some(inner) = &partial.template {
                    walk(inner, &place.with(None), found);
                }
            }
            _ => {}
        }
    }
}

fn block(call: &HelperTemplate, place: &Place, at: (usize, usize), found: &mut Vec<Use>) {
    let name = call.name.as_name().unwrap_or("");
    let asked = call.params.first().and_then(Parameter::as_name);
    let asked = asked.and_then(|path| place.attribute(path));
    let (then, otherwise) = match name {
        "if" => (place.with(asked), place.with(None)),
        "unless" => (place.with(None), place.with(asked)),
        "each" | "with" => (place.moved(), place.with(None)),
        _ => (place.with(None), place.with(None)),
    };
    // Of a list that is absent the other half is shown, where there is one.
    if !(matches!(name, "each" | "with") && call.inverse.is_some()) {
        parameters(call, place, at, found);
    }
    for (part, place) in [(&call.template, &then), (&call.inverse, &otherwise)] {
        if let Some(part) = part {
            walk(part, place, found);
        }
    }
}

fn expression(call: &HelperTemplate, place: &Place, at: (usize, usize), found: &mut Vec<Use>) {
    if call.params.is_empty() && call.hash.is_empty() {
        take(&call.name, place, at, found);
    } else {
        parameters(call, place, at, found);
    }
}

fn parameters(call: &HelperTemplate, place: &Place, at: (usize, usize), found: &mut Vec<Use>) {
    if place.depth > DEEPEST {
        return;
    }
    let lenient = LENIENT.contains(&call.name.as_name().unwrap_or(""));
    for parameter in &call.params {
        match parameter {
            Parameter::Subexpression(inner) => {
                if let TemplateElement::Expression(call) = inner.as_element() {
                    parameters(call, &place.with(None), at, found);
                }
            }
            path if !lenient => take(path, place, at, found),
            _ => {}
        }
    }
}

fn take(path: &Parameter, place: &Place, at: (usize, usize), found: &mut Vec<Use>) {
    let attribute = path.as_name().and_then(|path| place.attribute(path));
    if let Some(attribute) = attribute.filter(|a| !place.sure.contains(a)) {
        found.push(Use {
            attribute,
            line: at.0,
            column: at.1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::of_customer;
    use handlebars::Template;

    fn uses(text: &str) -> Vec<String> {
        let template = Template::compile(text).unwrap();
        let found = of_customer(&template);
        found.into_iter().map(|one| one.attribute).collect()
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
                "{{customer.id}} {{customer.email}} {{#each customer.tags}}{{this}}{{/each}}",
                vec![],
            ),
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
}
