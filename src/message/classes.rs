//! For which classes of message a part of a template is written at all: what stands in
//! `{{#unless (eq class "transactional")}}` is none of a transactional message's.
//!
//! Whatever else is asked may turn out either way.

use crate::domain::preference::Class;
use handlebars::template::{Parameter, TemplateElement};
use serde_json::Value;

const EACH: [Class; 3] = [
    Class::Advertising,
    Class::Informational,
    Class::Transactional,
];

/// Deeper than any template is let through ([`super::nesting`]).
const DEEPEST: usize = 200;

/// Some of the classes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Classes(u8);

impl Classes {
    pub const ALL: Classes = Classes(7);

    pub fn has(self, class: Class) -> bool {
        self.0 & bit(class) != 0
    }

    pub fn and(self, other: Classes) -> Classes {
        Classes(self.0 & other.0)
    }

    /// Those for which this may hold, and those for which it may fail. `is_class` says which path is the class.
    pub fn where_it_holds(
        asked: &Parameter,
        is_class: &dyn Fn(&str) -> bool,
    ) -> (Classes, Classes) {
        let of = |wanted: bool| {
            let may =
                |class: &Class| answer(asked, *class, is_class, 0).is_none_or(|a| a == wanted);
            let bits = EACH.iter().filter(|class| may(class)).map(|c| bit(*c));
            Classes(bits.sum())
        };
        (of(true), of(false))
    }
}

fn bit(class: Class) -> u8 {
    match class {
        Class::Advertising => 1,
        Class::Informational => 2,
        Class::Transactional => 4,
    }
}

/// What the answer is in a message of this class, if that alone decides it.
fn answer(
    asked: &Parameter,
    class: Class,
    is_class: &dyn Fn(&str) -> bool,
    depth: usize,
) -> Option<bool> {
    let Parameter::Subexpression(inner) = asked else {
        return None;
    };
    let TemplateElement::Expression(call) = inner.as_element() else {
        return None;
    };
    if depth > DEEPEST {
        return None;
    }
    let inner = || (call.params.iter()).map(|one| answer(one, class, is_class, depth + 1));
    match (call.name.as_name()?, call.params.as_slice()) {
        ("eq", [one, other]) => is(one, other, class, is_class),
        ("ne", [one, other]) => is(one, other, class, is_class).map(|is| !is),
        ("not", [_]) => inner().next()?.map(|holds| !holds),
        ("and", [_, ..]) => all(inner(), true),
        ("or", [_, ..]) => all(inner(), false),
        _ => None,
    }
}

/// Whether all are `wanted`: not if one is known to be otherwise, whatever the rest.
fn all(answers: impl Iterator<Item = Option<bool>>, wanted: bool) -> Option<bool> {
    let mut together = Some(wanted);
    for answer in answers {
        match answer {
            Some(answer) if answer != wanted => return Some(!wanted),
            Some(_) => {}
            None => together = None,
        }
    }
    together
}

/// Whether the class is what it is compared with.
fn is(
    one: &Parameter,
    other: &Parameter,
    class: Class,
    is_class: &dyn Fn(&str) -> bool,
) -> Option<bool> {
    let text = match (one, other) {
        (Parameter::Literal(Value::String(text)), path)
        | (path, Parameter::Literal(Value::String(text)))
            if path.as_name().is_some_and(is_class) =>
        {
            text
        }
        _ => return None,
    };
    Some(text == class.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Classes, EACH};
    use handlebars::Template;
    use handlebars::template::TemplateElement;

    /// For which classes what stands behind `{{#if}}` may be written, and what stands behind `{{else}}`.
    fn told(asked: &str) -> [String; 2] {
        let template = Template::compile(&format!("{{{{#if {asked}}}}}x{{{{/if}}}}")).unwrap();
        let TemplateElement::HelperBlock(call) = &template.elements[0] else {
            panic!("{asked} is no block");
        };
        let is_class = |path: &str| path == "class";
        let (then, otherwise) = Classes::where_it_holds(&call.params[0], &is_class);
        [then, otherwise].map(|classes| {
            let named = EACH.iter().filter(|class| classes.has(**class));
            named.map(|class| &class.as_str()[..1]).collect()
        })
    }

    #[test]
    fn what_is_asked_of_the_class_is_decided_and_nothing_else() {
        for (asked, then, otherwise) in [
            ("(eq class \"advertising\")", "a", "it"),
            ("(eq \"transactional\" class)", "t", "ai"),
            ("(ne class \"transactional\")", "ai", "t"),
            ("(not (eq class \"transactional\"))", "ai", "t"),
            ("(eq class \"Advertising\")", "", "ait"),
            (
                "(or (eq class \"advertising\") (eq class \"informational\"))",
                "ai",
                "t",
            ),
            ("(and (eq class \"advertising\") customer.vip)", "a", "ait"),
            ("(or (eq class \"advertising\") customer.vip)", "ait", "it"),
            ("(eq customer.plan \"advertising\")", "ait", "ait"),
            ("(eq class customer.plan)", "ait", "ait"),
            ("class", "ait", "ait"),
        ] {
            assert_eq!(told(asked), [then, otherwise], "{asked}");
        }
    }
}
