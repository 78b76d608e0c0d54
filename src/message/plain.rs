//! The text part, made from the HTML where nobody wrote one.
//!
//! The library that does it takes minutes over HTML that nests thousands of levels deep (measured: 268 s for a few
//! such pages), so such HTML is only stripped of its tags.

use html2text::config;

/// Where lines of the text are broken.
const WIDTH: usize = 72;
const DEEPEST: usize = 200;
const MOST_BYTES: usize = 1024 * 1024;

/// `html` as text to read: links as footnotes, lists and headings marked, layout tables without borders.
pub fn from_html(html: &str) -> String {
    if html.len() > MOST_BYTES || depth(html) > DEEPEST {
        return stripped(html);
    }
    let read = std::panic::catch_unwind(|| {
        config::plain()
            .raw_mode(true)
            .no_table_borders()
            .allow_width_overflow()
            .no_link_wrapping()
            .string_from_read(html.as_bytes(), WIDTH)
    });
    match read {
        Ok(Ok(text)) => tidy(&text),
        _ => stripped(html),
    }
}

/// How deep elements nest at most, were every element that was opened closed by its tag only.
fn depth(html: &str) -> usize {
    const VOID: [&str; 9] = [
        "br", "img", "meta", "hr", "link", "input", "col", "wbr", "source",
    ];
    let (mut now, mut deepest) = (0usize, 0);
    for tag in html.split('<').skip(1) {
        let name: String = tag
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(10)
            .collect();
        if tag.starts_with('/') {
            now = now.saturating_sub(1);
        } else if !name.is_empty() && !VOID.contains(&name.to_ascii_lowercase().as_str()) {
            now += 1;
            deepest = deepest.max(now);
        }
    }
    deepest
}

/// No more than one empty line in a row, none at the ends, no spaces before a line's end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if empty > 0 && !out.is_empty() {
            out.push('\n');
        }
        empty = 0;
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The words between the tags: the poor man's text of HTML that is too odd to lay out.
fn stripped(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    let mut hidden = false;
    for piece in html.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        let tag = tag.trim().get(..6).unwrap_or(tag).to_ascii_lowercase();
        hidden = (hidden || tag.starts_with("style") || tag.starts_with("script"))
            && !tag.starts_with('/');
        if !hidden {
            out.push_str(words.trim());
            out.push('\n');
        }
    }
    let plain = out
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    tidy(
        &plain
            .replace("&#39;", "'")
            .replace("&nbsp;", " ")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::from_html;

    #[test]
    fn links_stay_readable_and_layout_leaves_no_lines() {
        let text = from_html(
            "<style>p{color:red}</style><table><tr><td><h1>Hello</h1><p>Come <a href=\"https://shop.example/x\">in</a>.</p>\
             <ul><li>tea</li></ul></td></tr></table>",
        );
        assert!(
            text.contains("https://shop.example/x") && text.contains("* tea"),
            "{text}"
        );
        assert!(
            !text.contains('│') && !text.contains("color") && !text.contains('─'),
            "{text}"
        );
    }

    #[test]
    fn odd_html_neither_panics_nor_takes_long() {
        for odd in [
            "<div>".repeat(50_000),
            "<table><tr><td>".repeat(2_000),
            "<ul><li>".repeat(90),
            "<".repeat(10_000),
            "<a href='".to_owned(),
            "<p>\u{0}\u{fffd}\u{200f}</p></p></td>".to_owned(),
            "<table><tr><td colspan=99999999>x</td></tr></table>".to_owned(),
            "<table><td rowspan=0 colspan=0>".to_owned(),
            "<pre>".to_owned() + &"x".repeat(5_000),
            format!("<b>{}</b>", "가".repeat(5_000)),
            String::new(),
        ] {
            let _ = from_html(&odd);
        }
        assert_eq!(
            from_html(&format!("{}a &lt;b&gt;", "<div>".repeat(300))),
            "a <b>\n"
        );
    }
}
