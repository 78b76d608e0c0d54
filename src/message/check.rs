//! What a compiled template refers to, and whether that is sound: every partial and helper there is, none of them
//! endless.
//!
//! A partial that reaches itself overflows the engine's stack and aborts the daemon (measured), so the graph of
//! partials must have no circle and no very long way. Names of partials must be written out for that to be known.
//! Inline partials are found dynamically by the engine; here, one that any reached file defines counts as reached,
//! which can only err on the side of refusing.

use super::problem::{TemplateProblem, nearest};
use super::uses::{self, LinkUses, Use};
use super::vocabulary;
use handlebars::template::{
    DecoratorTemplate, HelperTemplate, Parameter, Template, TemplateElement, TemplateMapping,
};
use std::collections::{BTreeMap, BTreeSet};

/// How deep a message may nest with its partials put in: blocks and partials together.
pub const MOST_WITH_PARTIALS: usize = 100;

/// A use of a partial.
#[derive(Clone, Debug)]
pub struct Reference {
    pub name: String,
    pub line: usize,
    pub column: usize,
    /// Blocks around it.
    depth: usize,
    /// A block follows, which is shown if there is no such partial.
    optional: bool,
}

/// What one file, or one inline partial of it, refers to.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub file: String,
    pub references: Vec<Reference>,
    /// Inline partials that it defines, at whatever depth.
    pub inlines: Vec<(String, Facts)>,
    depth: usize,
    /// What of a customer it cannot do without; of the whole file.
    pub uses: Vec<Use>,
    /// What it does with links; of the whole file.
    pub links: LinkUses,
}

/// Reads a compiled template whose nesting was found bounded ([`super::nesting`]).
pub fn read(template: &Template, name: &str, file: &str) -> (Facts, Vec<TemplateProblem>) {
    let mut reader = Reader {
        name,
        file,
        problems: Vec::new(),
    };
    let mut facts = Facts {
        file: file.to_owned(),
        uses: uses::of_customer(template),
        links: uses::of_links(template),
        ..Facts::default()
    };
    reader.walk(template, &mut facts, 0);
    (facts, reader.problems)
}

struct Reader<'a> {
    name: &'a str,
    file: &'a str,
    problems: Vec<TemplateProblem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: &TemplateMapping, what: String, help: String) {
        self.problems.push(TemplateProblem {
            template: self.name.to_owned(),
            file: self.file.to_owned(),
            line: at.0,
            column: at.1,
            what,
            help,
        });
    }

    fn walk(&mut self, template: &Template, facts: &mut Facts, depth: usize) {
        facts.depth = facts.depth.max(depth);
        for (element, at) in template.elements.iter().zip(&template.mapping) {
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                    self.call(call, at);
                }
                TemplateElement::HelperBlock(call) => {
                    self.call(call, at);
                    for part in [&call.template, &call.inverse].into_iter().flatten() {
                        self.walk(part, facts, depth + 1);
                    }
                }
                TemplateElement::PartialExpression(partial)
                | TemplateElement::PartialBlock(partial) => {
                    self.partial(partial, at, facts, depth);
                }
                TemplateElement::DecoratorBlock(inline) => self.inline(inline, at, facts),
                // Decorators, and whatever a later engine may bring: only what was looked into goes through.
                _ => self.problem(
                    at,
                    "decorators ({{*...}}) are not known here".to_owned(),
                    "only {{#*inline \"name\"}} ... {{/inline}} is".to_owned(),
                ),
            }
        }
    }

    fn partial(
        &mut self,
        partial: &DecoratorTemplate,
        at: &TemplateMapping,
        facts: &mut Facts,
        depth: usize,
    ) {
        self.parameters(partial.params.iter().chain(partial.hash.values()), at);
        if let Some(block) = &partial.template {
            self.walk(block, facts, depth + 1);
        }
        match partial.name.as_name() {
            // What stands in a partial's block is put in as finished text: it leads nowhere new.
            Some("@partial-block") => {}
            Some(name) => facts.references.push(Reference {
                name: name.to_owned(),
                line: at.0,
                column: at.1,
                depth,
                optional: partial.template.is_some(),
            }),
            None => self.problem(
                at,
                "the name of this partial is worked out while the message is written".to_owned(),
                "write the partial's name out, and choose between several with {{#if}}".to_owned(),
            ),
        }
    }

    fn inline(&mut self, inline: &DecoratorTemplate, at: &TemplateMapping, facts: &mut Facts) {
        let name = match (inline.name.as_name(), inline.params.first()) {
            (Some("inline"), Some(Parameter::Literal(serde_json::Value::String(name)))) => name,
            (Some("inline"), _) => {
                let help = "write it as {{#*inline \"name\"}} ... {{/inline}}".to_owned();
                return self.problem(
                    at,
                    "this inline partial has no written name".to_owned(),
                    help,
                );
            }
            _ => {
                let help = "only {{#*inline \"name\"}} ... {{/inline}} is".to_owned();
                let what = "decorators ({{#*...}}) are not known here".to_owned();
                return self.problem(at, what, help);
            }
        };
        let mut inner = Facts {
            file: self.file.to_owned(),
            ..Facts::default()
        };
        if let Some(body) = &inline.template {
            self.walk(body, &mut inner, 0);
        }
        let nested = std::mem::take(&mut inner.inlines);
        facts.inlines.push((name.clone(), inner));
        facts.inlines.extend(nested);
    }

    fn call(&mut self, call: &HelperTemplate, at: &TemplateMapping) {
        if let Parameter::Subexpression(sub) = &call.name {
            self.element(sub.as_element(), at);
        }
        // `{{#products}}` and `{{a.b c}}` are read as paths; the engine then looks for a helper of that name.
        let name = call.name.as_name().map(str::to_owned);
        let calls = call.block || !call.params.is_empty() || !call.hash.is_empty();
        if let Some(name) = name
            && calls
            && !vocabulary::is_known(&name)
        {
            let help = if call.block && call.params.is_empty() {
                format!(
                    "for each of a list write {{{{#each {name}}}}}, for what may be absent {{{{#if {name}}}}}"
                )
            } else {
                let all = format!(
                    "the helpers are: {}",
                    vocabulary::names().collect::<Vec<_>>().join(", ")
                );
                nearest(&name, vocabulary::names(), &all)
            };
            self.problem(at, format!("there is no helper `{name}`"), help);
        }
        self.parameters(call.params.iter().chain(call.hash.values()), at);
    }

    fn parameters<'p>(
        &mut self,
        parameters: impl Iterator<Item = &'p Parameter>,
        at: &TemplateMapping,
    ) {
        for parameter in parameters {
            if let Parameter::Subexpression(sub) = parameter {
                self.element(sub.as_element(), at);
            }
        }
    }

    fn element(&mut self, element: &TemplateElement, at: &TemplateMapping) {
        if let TemplateElement::Expression(call) = element {
            self.call(call, at);
        }
    }
}

/// Whether `root` can be rendered with these partials. The problems are those of the whole way.
pub fn follow(
    root_name: &str,
    root: &Facts,
    partials: &BTreeMap<String, Facts>,
) -> Vec<TemplateProblem> {
    let graph = Graph::reached_from(root, partials);
    let mut walk = Walk {
        graph: &graph,
        root_name,
        problems: Vec::new(),
        depths: BTreeMap::new(),
        way: Vec::new(),
        partials,
    };
    let depth = walk.depth_of(&[root]);
    if walk.problems.is_empty() && depth > MOST_WITH_PARTIALS {
        walk.problems.push(TemplateProblem {
            template: root_name.to_owned(),
            file: root.file.clone(),
            line: 0,
            column: 0,
            what: format!("blocks and partials nest {depth} levels deep, at most {MOST_WITH_PARTIALS} are allowed"),
            help: "put fewer partials into one another".to_owned(),
        });
    }
    walk.problems
}

/// Every partial by name that the root may reach, with all its definitions.
struct Graph<'a>(BTreeMap<&'a str, Vec<&'a Facts>>);

impl<'a> Graph<'a> {
    fn reached_from(root: &'a Facts, partials: &'a BTreeMap<String, Facts>) -> Self {
        let mut named: BTreeMap<&str, Vec<&Facts>> = BTreeMap::new();
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut todo = vec![root];
        while let Some(facts) = todo.pop() {
            for (name, inline) in &facts.inlines {
                named.entry(name).or_default().push(inline);
                todo.push(inline);
            }
            for reference in &facts.references {
                if taken.insert(&reference.name)
                    && let Some(partial) = partials.get(&reference.name)
                {
                    named.entry(&reference.name).or_default().push(partial);
                    todo.push(partial);
                }
            }
        }
        Graph(named)
    }
}

/// How a missing partial is told.
pub fn no_partial(name: &str) -> String {
    format!("there is no partial `{name}`")
}

struct Walk<'a> {
    graph: &'a Graph<'a>,
    root_name: &'a str,
    problems: Vec<TemplateProblem>,
    depths: BTreeMap<&'a str, usize>,
    way: Vec<&'a str>,
    partials: &'a BTreeMap<String, Facts>,
}

impl<'a> Walk<'a> {
    /// How deep a partial with these definitions nests. The way down is bounded: each name stands in it once.
    fn depth_of(&mut self, definitions: &[&'a Facts]) -> usize {
        let mut deepest = 0;
        for facts in definitions {
            deepest = deepest.max(facts.depth);
            for reference in &facts.references {
                let below = self.below(facts, reference);
                deepest = deepest.max(reference.depth + 1 + below);
            }
        }
        deepest
    }

    fn below(&mut self, facts: &'a Facts, reference: &'a Reference) -> usize {
        let name = reference.name.as_str();
        let root_name = self.root_name;
        let problem = |what: String, help: String| TemplateProblem {
            template: root_name.to_owned(),
            file: facts.file.clone(),
            line: reference.line,
            column: reference.column,
            what,
            help,
        };
        if let Some(start) = self.way.iter().position(|n| *n == name) {
            let mut circle = self.way[start..].to_vec();
            circle.push(name);
            let what = format!(
                "partials include one another without end: {}",
                circle.join(" -> ")
            );
            let found = problem(what, "take one of these uses out".to_owned());
            self.problems.push(found);
            return 0;
        }
        if let Some(depth) = self.depths.get(name) {
            return *depth;
        }
        if self.way.len() >= MOST_WITH_PARTIALS {
            let what =
                format!("partials include one another more than {MOST_WITH_PARTIALS} levels deep");
            let found = problem(what, "put fewer partials into one another".to_owned());
            self.problems.push(found);
            return 0;
        }
        let Some(definitions) = self.graph.0.get(name) else {
            if !reference.optional {
                let all = format!(
                    "partials are the files partials/NAME.html.hbs and partials/NAME.txt.hbs; add one for `{name}`"
                );
                let help = nearest(name, self.partials.keys().map(String::as_str), &all);
                let found = problem(no_partial(name), help);
                self.problems.push(found);
            }
            return 0;
        };
        self.way.push(name);
        let depth = self.depth_of(definitions);
        self.way.pop();
        self.depths.insert(name, depth);
        depth
    }
}
