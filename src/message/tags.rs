//! The tags of a page with their attributes and the words between them, read leniently, as mail programs do: for looking a
//! mail over, not for changing it. Comments, styles and scripts are passed by.

use super::tracking::decoded;

/// A tag that opens an element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag<'a> {
    /// In small letters.
    pub name: String,
    /// Names in small letters, values with their references resolved.
    pub attributes: Vec<(String, String)>,
    /// As it stands in the page.
    pub raw: &'a str,
    /// Where it begins, in bytes.
    pub at: usize,
}

impl Tag<'_> {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The words between two tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words<'a> {
    pub raw: &'a str,
    pub at: usize,
}

/// A page, taken apart.
pub fn parts(html: &str) -> (Vec<Tag<'_>>, Vec<Words<'_>>) {
    let (mut tags, mut words) = (Vec::new(), Vec::new());
    let lower = html.to_ascii_lowercase();
    let mut at = 0;
    while at < html.len() {
        let open = lower[at..].find('<').map_or(html.len(), |n| at + n);
        if !html[at..open].trim().is_empty() {
            words.push(Words {
                raw: &html[at..open],
                at,
            });
        }
        if open == html.len() {
            break;
        }
        let rest = &lower[open..];
        let behind = |end: &str| rest.find(end).map_or(html.len(), |n| open + n + end.len());
        if rest.starts_with("<!--") {
            at = behind("-->");
            continue;
        }
        let end = end_of_tag(&html[open..]).map_or(html.len(), |n| open + n);
        let raw = &html[open..end];
        let begins = |c: char| c.is_ascii_alphabetic();
        if raw[1..].starts_with(begins) {
            let tag = read(raw, open);
            let skipped = ["style", "script"].contains(&tag.name.as_str());
            at = match skipped {
                true => {
                    let close = behind(&format!("</{}", tag.name));
                    html[close..]
                        .find('>')
                        .map_or(html.len(), |n| close + n + 1)
                }
                false => end,
            };
            tags.push(tag);
        } else {
            at = end.max(open + 1);
        }
    }
    (tags, words)
}

/// Where a tag ends that begins here: behind the first `>` outside quotes.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '>' => return Some(i + 1),
            // Only where a value begins: an apostrophe elsewhere is none.
            None if (c == '"' || c == '\'') && before == '=' => quote = Some(c),
            None => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    None
}

fn read(raw: &str, at: usize) -> Tag<'_> {
    let inner = raw.trim_start_matches('<');
    let inner = inner.strip_suffix('>').unwrap_or(inner);
    let split = |c: char| c.is_whitespace() || c == '/';
    let (name, mut rest) = inner.split_at(inner.find(split).unwrap_or(inner.len()));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(split);
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c: char| c == '=' || split(c));
        let (key, after) = rest.split_at(end.unwrap_or(rest.len()));
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        let (value, left) = match value {
            None => ("", after),
            Some(v) if v.starts_with(['"', '\'']) => {
                let inside = &v[1..];
                let close = inside.find(&v[..1]).unwrap_or(inside.len());
                (&inside[..close], inside.get(close + 1..).unwrap_or(""))
            }
            Some(v) => v.split_at(v.find(char::is_whitespace).unwrap_or(v.len())),
        };
        if key.is_empty() && left.len() == rest.len() {
            // An `=` without a name before it.
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
            continue;
        }
        attributes.push((key.to_ascii_lowercase(), decoded(value)));
        rest = left;
    }
    Tag {
        name: name.to_ascii_lowercase(),
        attributes,
        raw,
        at,
    }
}

/// In which line, from 1, this place of a text stands.
pub fn line_at(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
}

#[cfg(test)]
mod tests {
    use super::{line_at, parts};

    #[test]
    fn tags_and_words_are_told_apart() {
        let html = "<p>Don't <A HREF='https://a.example/?x=1&amp;y=\">2' title=plain>go</A> <img src=x.png\nalt=\"\"/> \
                    <!-- <img> --><style>p > a { }</style>{{left}} <b = >5 < 6";
        let (tags, words) = parts(html);
        let names: Vec<&str> = tags.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["p", "a", "img", "style", "b"]);
        assert_eq!(
            tags[1].attribute("href"),
            Some("https://a.example/?x=1&y=\">2")
        );
        assert_eq!(tags[1].attribute("title"), Some("plain"));
        assert_eq!(tags[2].attribute("src"), Some("x.png"));
        assert_eq!(tags[2].attribute("alt"), Some(""));
        assert_eq!(tags[0].attribute("alt"), None);
        let said: Vec<&str> = words.iter().map(|w| w.raw.trim()).collect();
        assert_eq!(&said[..3], ["Don't", "go", "{{left}}"]);
        assert_eq!(line_at(html, tags[4].at), 2);
    }

    #[test]
    fn whatever_comes_in_it_comes_to_an_end() {
        for odd in [
            "<",
            "<a",
            "<a href",
            "<a href=",
            "<a href=\"",
            "<a =",
            "<a ==>",
            "<!--",
            "<style>",
            "<a '\">x",
            "</",
            "<가 =나>",
        ] {
            parts(odd);
        }
    }
}
