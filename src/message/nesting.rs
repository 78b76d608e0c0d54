//! How deep a template nests, read from its text before it is compiled.
//!
//! The engine's parser and renderer recurse: some thousand levels overflow the stack, and an overflow aborts the
//! whole daemon; it cannot be caught. So depth is counted here without recursion and deeper templates are refused.

/// The deepest nesting of blocks; an `{{else if}}` counts as one level more.
pub const MOST: usize = 50;

/// The deepest nesting of brackets in one tag: each level costs the engine more of its stack than a block does.
pub const MOST_BRACKETS: usize = 16;

/// Where a template first goes deeper than [`MOST`] or [`MOST_BRACKETS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooDeep {
    pub line: usize,
    pub column: usize,
}

/// Reads `source` as the engine's grammar does: comments, raw blocks and escaped braces hold no tags.
pub fn check(source: &str) -> Result<(), TooDeep> {
    let bytes = source.as_bytes();
    // Each open block: how many levels its closing tag takes back.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while let Some(found) = source[at..].find("{{") {
        let tag = at + found;
        let rest = &source[tag..];
        let slashes = bytes[at..tag]
            .iter()
            .rev()
            .take_while(|b| **b == b'\\')
            .count();
        if slashes == 1 {
            at = tag + if rest.starts_with("{{{{") { 4 } else { 2 };
            continue;
        }
        if rest.starts_with("{{!") {
            let (from, close) = if rest.starts_with("{{!--") {
                (5, "--}}")
            } else {
                (3, "}}")
            };
            let end = rest[from..].find(close).map(|n| from + n + close.len());
            at = tag
                + end
                    .or_else(|| rest.find("}}").map(|n| n + 2))
                    .unwrap_or(rest.len());
            continue;
        }
        if rest.starts_with("{{{{") {
            let end = rest
                .find("{{{{/")
                .and_then(|n| rest[n..].find("}}}}").map(|m| n + m + 4));
            at = tag + end.unwrap_or(4);
            continue;
        }
        let (length, brackets) = tag_end(&bytes[tag..]);
        let inner = rest[2..].trim_start_matches('~').trim_start();
        if inner.starts_with('#') {
            open.push(1);
            depth += 1;
        } else if inner.starts_with('/') {
            depth -= open.pop().unwrap_or(0);
        } else if let Some(chained) = inner.strip_prefix("else").or(inner.strip_prefix('^')) {
            let chained = chained.trim_start();
            if !chained.starts_with(['}', '~'])
                && let Some(levels) = open.last_mut()
            {
                *levels += 1;
                depth += 1;
            }
        }
        if depth > MOST || brackets > MOST_BRACKETS {
            return Err(place(source, tag));
        }
        at = tag + length;
    }
    Ok(())
}

/// The length of the tag that `bytes` begins with, and how deep its brackets nest.
fn tag_end(bytes: &[u8]) -> (usize, usize) {
    let (mut depth, mut deepest, mut braces) = (0usize, 0usize, 0usize);
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                if let Some(end) = string_end(&bytes[at + 1..], quote) {
                    at += end + 1;
                }
            }
            b'(' | b'[' => depth += 1,
            b'{' => {
                depth += 1;
                braces += 1;
            }
            b')' | b']' => depth = depth.saturating_sub(1),
            b'}' if braces == 0 => {
                // Where the tag does not end in two braces the compiler will say so.
                let end = if bytes.get(at + 1) == Some(&b'}') {
                    at + 2
                } else {
                    at + 1
                };
                return (end, deepest);
            }
            b'}' => {
                braces -= 1;
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        deepest = deepest.max(depth);
        at += 1;
    }
    // Unterminated: go on behind the opening braces, so that no later opening is missed.
    (2, deepest)
}

fn string_end(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b if b == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn place(source: &str, offset: usize) -> TooDeep {
    let before = &source[..offset];
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    TooDeep {
        line: before.matches('\n').count() + 1,
        column: before[start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, TooDeep, check};

    fn blocks(n: usize) -> String {
        format!("{}x{}", "{{#if a}}".repeat(n), "{{/if}}".repeat(n))
    }

    #[test]
    fn depth_is_counted_not_number() {
        assert_eq!(check(&blocks(MOST)), Ok(()));
        assert_eq!(check(&"{{#if a}}{{/if}}\n".repeat(5_000)), Ok(()));
        assert_eq!(
            check(&blocks(MOST + 1)),
            Err(TooDeep {
                line: 1,
                column: 9 * 50 + 1
            })
        );
        assert!(check(&blocks(100_000)).is_err());
    }

    #[test]
    fn what_nests_otherwise_is_counted_too() {
        let chain = format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}".repeat(60));
        assert!(check(&chain).is_err());
        assert!(check(&"{{~#> p}}".repeat(60)).is_err());
        assert!(check(&"{{#*inline \"p\"}}".repeat(60)).is_err());
        let sub = format!("{{{{upper {}a{}}}}}", "(upper ".repeat(60), ")".repeat(60));
        assert!(check(&sub).is_err());
        let list = format!("{{{{len {}{}}}}}", "[".repeat(60), "]".repeat(60));
        assert!(check(&list).is_err());
        // An unterminated string or tag hides nothing.
        assert!(check(&format!("{{{{a \"{}", blocks(60))).is_err());
    }

    #[test]
    fn comments_raw_blocks_strings_and_escapes_hold_no_tags() {
        for hidden in [
            format!("{{{{!-- {} --}}}}", "{{#if a}}".repeat(60)),
            format!(
                "{{{{{{{{raw}}}}}}}} {} {{{{{{{{/raw}}}}}}}}",
                "{{#if a}}".repeat(60)
            ),
            "\\{{#if a}}".repeat(60),
            "{{upper \"((((\"}}".repeat(60),
            "{{{a}}}".repeat(60),
        ] {
            assert_eq!(check(&hidden), Ok(()), "{hidden}");
        }
        // What closes inside a comment closes nothing.
        let sly = "{{#if a}}{{!-- {{/if}} --}}".repeat(60);
        assert!(check(&sly).is_err());
    }
}
