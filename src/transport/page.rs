//! The mail folder's pages as text: the newest mails, older pages, one mail's view. Everything shown was written by or
//! about customers, so it is escaped, and each page carries a policy that forbids scripts, forms and anything from
//! elsewhere (a picture fetched from the shop would count as an open). The HTML part stands in a sandboxed frame.

use super::eml::Row;
use std::fmt::Write;

/// No scripts, no network; `style-src` is for our own style and the mail's, `img-src data:` for pictures in the mail.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'";

/// On a narrow screen a row is a block, its subject first: five columns would be one letter wide.
const STYLE: &str = ":root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{margin:0 auto;max-width:72rem;\
padding:1rem}table{border-collapse:collapse;width:100%}th,td{text-align:start;padding:.35rem .6rem;border-bottom:1px solid \
#8884;vertical-align:top;overflow-wrap:anywhere}th{font-weight:600}th,.when,.file{white-space:nowrap}.when{font-variant-numeric:\
tabular-nums}.from{overflow-wrap:break-word}iframe{width:100%;height:75vh;border:1px solid #8886;background:#fff}pre{white-space:pre-wrap;\
overflow-wrap:anywhere}dt{font-weight:600;float:left;clear:left;width:5rem}dd{margin-inline-start:5.5rem}@media(max-width:45rem){thead{display:none}\
table,tbody,td{display:block}tr{display:flex;flex-direction:column;padding:.6rem 0;border-bottom:1px solid #8884}\
td{border:0;padding:0}.subject{order:-1}}";

/// The name of the `number`-th full page, counted from 1, the oldest.
pub(crate) fn older_name(number: usize) -> String {
    format!("older-{number}.html")
}

/// `index.html`: `rows` (oldest first) newest first, and links to the full pages.
pub(crate) fn newest(rows: &[Row], full_pages: usize, on_a_page: usize) -> String {
    let count = full_pages * on_a_page + rows.len();
    let mut out = head(&format!("{count} mails"));
    if rows.is_empty() {
        out.push_str("<p>No mail was sent yet.</p>");
    } else {
        table(&mut out, rows);
    }
    if full_pages > 0 {
        out.push_str("<nav aria-label=\"Older mails\"><p>Older:");
        for number in (1..=full_pages).rev() {
            let _ = write!(out, " <a href=\"{}\">{number}</a>", older_name(number));
        }
        out.push_str("</p></nav>");
    }
    out.push_str("</body></html>\n");
    out
}

pub(crate) fn older(rows: &[Row], number: usize) -> String {
    let mut out = head(&format!("Older mails, page {number}"));
    out.push_str("<p><a href=\"index.html\">Newest</a></p>");
    table(&mut out, rows);
    out.push_str("</body></html>\n");
    out
}

/// One mail: its header, its HTML part in a frame that can do nothing, its text part.
pub(crate) fn mail(row: &Row, html: Option<&str>, text: Option<&str>) -> String {
    let mut out = head(&row.subject);
    let _ = write!(
        out,
        "<dl><dt>From</dt><dd>{}</dd><dt>To</dt><dd>{}</dd><dt>Date</dt><dd>{}</dd></dl>\
         <p><a href=\"{}.eml\">The message as sent</a> · <a href=\"index.html\">All mails</a></p>",
        escaped(&row.from),
        escaped(&row.to),
        escaped(&row.date),
        escaped(&row.file),
    );
    if let Some(html) = html {
        // The frame inherits this page's policy; its own stands inside as well, for browsers that do not pass it on.
        let inner =
            format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">{html}");
        let _ = write!(
            out,
            "<h2>HTML</h2><iframe sandbox=\"\" title=\"The HTML part\" srcdoc=\"{}\"></iframe>",
            escaped_body(&inner)
        );
    }
    if let Some(text) = text {
        let _ = write!(out, "<h2>Text</h2><pre>{}</pre>", escaped_body(text));
    }
    out.push_str("</body></html>\n");
    out
}

fn head(title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1 dir=\"auto\">{title}</h1>"
    )
}

fn table(out: &mut String, rows: &[Row]) {
    out.push_str(
        "<table><thead><tr><th scope=\"col\">Date</th><th scope=\"col\">To</th><th scope=\"col\">Subject</th>\
         <th scope=\"col\">From</th><th scope=\"col\" class=\"file\">File</th></tr></thead><tbody>",
    );
    for row in rows.iter().rev() {
        let file = escaped(&row.file);
        let subject = if row.subject.trim().is_empty() {
            "(no subject)"
        } else {
            &row.subject
        };
        let _ = write!(
            out,
            "<tr><td class=\"when\">{}</td><td dir=\"auto\">{}</td><td class=\"subject\" dir=\"auto\"><a href=\"{file}.html\">{}</a></td>\
             <td class=\"from\" dir=\"auto\">{}</td><td class=\"file\"><a href=\"{file}.eml\">.eml</a></td></tr>",
            escaped(&row.date),
            escaped(&row.to),
            escaped(subject),
            escaped(&row.from),
        );
    }
    out.push_str("</tbody></table>");
}

/// Safe as text and inside a quoted attribute, for the fields of a line. Characters that turn the direction of writing
/// could make a line read as another, so they are shown as such.
fn escaped(text: &str) -> String {
    escaped_body(text).replace(
        |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'),
        "\u{fffd}",
    )
}

/// Safe as text and inside a quoted attribute, for what the mail itself says, in whatever direction.
fn escaped_body(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn escaping() {
        assert_eq!(
            escaped("<a href=\"x\" b='y'>&\u{202e}\0\r\n"),
            "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\u{fffd}\u{fffd}\n"
        );
        assert_eq!(escaped("고객 👩‍👩‍👧 שלום"), "고객 👩‍👩‍👧 שלום");
    }
}
