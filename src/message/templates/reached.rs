//! Which files a template is made of, with all partials that it reaches.

use super::{Facts, File, Templates};
use std::collections::{BTreeMap, BTreeSet};

impl Templates {
    /// The files of these templates with all partials that they reach, in any locale; what each refers to.
    pub fn reached<'a>(&'a self, names: &BTreeSet<&str>) -> BTreeMap<&'a str, &'a Facts> {
        let named = self.named();
        let mut reached = BTreeMap::new();
        let mut todo: Vec<(&str, &Facts)> = Vec::new();
        for name in names {
            todo.extend(named.get(&(false, *name)).into_iter().flatten());
        }
        while let Some((path, facts)) = todo.pop() {
            if reached.insert(path, facts).is_some() {
                continue;
            }
            let inner = facts.inlines.iter().flat_map(|(_, f)| &f.references);
            for reference in facts.references.iter().chain(inner) {
                let partials = named.get(&(true, reference.name.as_str()));
                todo.extend(partials.into_iter().flatten());
            }
        }
        reached
    }

    /// Files by what they are called, partials apart, since a name stands for a file in each locale.
    pub(super) fn named(&self) -> BTreeMap<(bool, &str), Vec<(&str, &Facts)>> {
        let mut named: BTreeMap<(bool, &str), Vec<(&str, &Facts)>> = BTreeMap::new();
        for (path, facts) in &self.facts {
            if let Some(file) = File::named(path) {
                let forms = named.entry((file.partial, file.name)).or_default();
                forms.push((path, facts));
            }
        }
        named
    }
}
