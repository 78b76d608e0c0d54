//! Reads the sources of the house as tokens: which paths they name, resolved to where they lead.
//!
//! A lexer is enough, since paths are all that is asked; it leaves meaning (what a name re-exports) to the compiler.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::path::Path as FilePath;

/// A path as it leads: `super` and `self` are resolved, so the first segment is `crate` or an outer name.
#[derive(Debug)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
    /// Within a module named `tests`.
    pub in_tests: bool,
}

/// One file.
pub struct Source {
    /// Its path from the root of the repository, with `/`.
    pub name: String,
    pub text: String,
    tokens: TokenStream,
}

pub fn root() -> &'static FilePath {
    FilePath::new(env!("CARGO_MANIFEST_DIR"))
}

impl Source {
    /// # Panics
    /// If the text is no Rust.
    pub fn parse(name: &str, text: &str) -> Source {
        let tokens = text
            .parse()
            .unwrap_or_else(|error| panic!("{name} is no Rust: {error}"));
        Source {
            name: name.into(),
            text: text.into(),
            tokens,
        }
    }

    /// The program.
    pub fn all() -> Vec<Source> {
        let mut found = Vec::new();
        read(&root().join("src"), &mut found);
        found
    }

    /// The program, its tests and its benchmarks.
    pub fn every() -> Vec<Source> {
        let mut found = Source::all();
        for folder in ["tests", "benches"] {
            let folder = root().join(folder);
            if folder.is_dir() {
                read(&folder, &mut found);
            }
        }
        found
    }

    pub fn tokens(&self) -> impl Iterator<Item = TokenTree> {
        self.tokens.clone().into_iter()
    }

    /// The module that this file is, from the root down: `["store", "embedded"]` for `src/store/embedded/mod.rs`.
    pub fn module(&self) -> Vec<String> {
        let inner = self.name.split_once('/').map_or("", |(_, inner)| inner);
        let mut parts: Vec<String> = inner
            .trim_end_matches(".rs")
            .split('/')
            .map(String::from)
            .collect();
        if parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        parts
    }

    /// The room that this file belongs to; `main` and `lib` are their own.
    pub fn room(&self) -> &str {
        let inner = self.name.strip_prefix("src/").unwrap_or(&self.name);
        inner
            .split('/')
            .next()
            .unwrap_or("")
            .trim_end_matches(".rs")
    }

    /// Every path of two segments or more, in order.
    pub fn paths(&self) -> Vec<Path> {
        let mut module = vec!["crate".to_owned()];
        if self.room() != "lib" && self.room() != "main" {
            module.extend(self.module());
        }
        let mut found = Vec::new();
        walk(self.tokens.clone(), &module, &mut found);
        found
    }

    /// The lines at which this keyword or name stands.
    pub fn words(&self, word: &str) -> impl Iterator<Item = usize> {
        let mut lines = Vec::new();
        each(self.tokens.clone(), &mut |token| {
            if let TokenTree::Ident(ident) = token
                && ident == word
            {
                lines.push(ident.span().start().line);
            }
        });
        lines.into_iter()
    }

    /// The lines at which `::*` stands.
    pub fn star_imports(&self) -> Vec<usize> {
        let mut lines = Vec::new();
        stars(self.tokens.clone(), false, &mut lines);
        lines
    }
}

fn read(folder: &FilePath, found: &mut Vec<Source>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap();
            let name = name.to_str().unwrap().replace('\\', "/");
            found.push(Source::parse(
                &name,
                &std::fs::read_to_string(&path).unwrap(),
            ));
        }
    }
}

fn each(tokens: TokenStream, visit: &mut impl FnMut(&TokenTree)) {
    for token in tokens {
        visit(&token);
        if let TokenTree::Group(group) = token {
            each(group.stream(), visit);
        }
    }
}

fn stars(tokens: TokenStream, in_path: bool, lines: &mut Vec<usize>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        let after_path = i >= 2 && joins(&tokens, i - 2);
        match token {
            TokenTree::Group(group) => stars(group.stream(), after_path, lines),
            TokenTree::Punct(star) if star.as_char() == '*' => {
                // Within the braces of an import, a star stands alone between commas.
                let alone = in_path && i.checked_sub(1).is_none_or(|j| is(&tokens[j], ','));
                let ends = tokens
                    .get(i + 1)
                    .is_none_or(|next| is(next, ';') || is(next, ','));
                if (after_path || alone) && ends {
                    lines.push(star.span().start().line);
                }
            }
            _ => {}
        }
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn joins(tokens: &[TokenTree], at: usize) -> bool {
    matches!((tokens.get(at), tokens.get(at + 1)), (Some(a), Some(b)) if is(a, ':') && is(b, ':'))
}

/// Collects the paths of these tokens, which stand in that module.
fn walk(tokens: TokenStream, module: &[String], found: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(i + 1), tokens.get(i + 2))
                {
                    let mut inner = module.to_vec();
                    inner.push(name.to_string());
                    walk(body.stream(), &inner, found);
                    i += 3;
                    continue;
                }
                i += 1;
            }
            TokenTree::Ident(_) => i = path(&tokens, i, &[], module, found),
            TokenTree::Group(group) => {
                walk(group.stream(), module, found);
                i += 1;
            }
            _ => i += 1,
        }
    }
}

/// Reads one path that begins at `i`, after what stood before a brace. Answers where it ends.
fn path(
    tokens: &[TokenTree],
    mut i: usize,
    before: &[String],
    module: &[String],
    found: &mut Vec<Path>,
) -> usize {
    let mut segments = before.to_vec();
    let line = tokens[i].span().start().line;
    loop {
        match tokens.get(i) {
            Some(TokenTree::Ident(ident)) => {
                segments.push(ident.to_string());
                i += 1;
            }
            Some(TokenTree::Group(group))
                if group.delimiter() == Delimiter::Brace
                    && segments.len() > before.len().min(1) =>
            {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut j = 0;
                while j < inner.len() {
                    if matches!(inner[j], TokenTree::Ident(_)) {
                        j = path(&inner, j, &segments, module, found);
                    }
                    while j < inner.len() && !is(&inner[j], ',') {
                        j += 1;
                    }
                    j += 1;
                }
                return i + 1;
            }
            _ => break,
        }
        if !joins(tokens, i) {
            break;
        }
        i += 2;
    }
    if segments.len() > 1 {
        found.push(Path {
            segments: resolve(&segments, module),
            line,
            in_tests: module.iter().any(|part| part.contains("tests")),
        });
    }
    i
}

/// Replaces leading `self` and `super` by where they lead.
fn resolve(segments: &[String], module: &[String]) -> Vec<String> {
    let rest = match segments.first().map(String::as_str) {
        Some("self" | "super") => segments,
        _ => return segments.to_vec(),
    };
    let mut place = module.to_vec();
    let mut i = 0;
    while let Some(step) = rest.get(i) {
        match step.as_str() {
            "self" => {}
            "super" => {
                place.pop();
            }
            _ => break,
        }
        i += 1;
    }
    place.extend_from_slice(&rest[i..]);
    place
}
