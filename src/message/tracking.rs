//! Tracking in a mail: links that lead through ours, the pixel, and the link that no person sees.
//!
//! The HTML part only, after it is rendered; what cannot be read as a plain link is left as it was. Links by which people
//! leave or choose are never touched. Whether a mail may be tracked at all was decided before.

use super::links::Links;
use super::token::Token;
use crate::config::links::ascii;
use crate::domain::engagement::LinkPlace;
use crate::domain::id::{CustomerNo, MessageNo};
use std::ops::Range;

/// The path of pixels.
pub const OPEN: &str = "/t/o/";
/// The path of links.
pub const CLICK: &str = "/t/c/";

/// Our own pages: by them people leave, choose and confirm.
const OWN: [&str; 4] = [
    super::links::UNSUBSCRIBE,
    super::links::PREFERENCES,
    super::links::CONFIRM,
    "/t/",
];

/// A longer address is left as it is: its token would be too long.
const LONGEST: usize = 2_000;

/// How one mail is tracked.
#[derive(Clone, Debug)]
pub struct MailTracking {
    pub links: Links,
    pub customer: CustomerNo,
    pub message: MessageNo,
    /// A pixel.
    pub opens: bool,
    /// Links through ours.
    pub clicks: bool,
    /// With `clicks`: a link that no person sees, so that who follows it is known to be none.
    pub honeypot: bool,
}

/// Whether it is an address on the web, as a link may lead to.
pub fn is_web_address(url: &str) -> bool {
    let starts = |scheme: &str| {
        (url.get(..scheme.len())).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && url.len() > scheme.len()
    };
    let clean = !url.chars().any(|c| c.is_whitespace() || c.is_control());
    clean && (starts("https://") || starts("http://"))
}

impl MailTracking {
    /// The HTML part with what tracks it.
    pub fn applied(&self, html: &str) -> String {
        let mut out = match self.clicks {
            true => self.with_links(html),
            false => html.to_owned(),
        };
        if self.opens {
            let token = Token::Open {
                customer: self.customer,
                message: self.message,
            };
            let source = format!("{}{OPEN}{}.gif", self.base(), self.links.keys.sign(&token));
            let pixel = format!(
                "<img src=\"{source}\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;border:0\">"
            );
            add_at_end(&mut out, &pixel);
        }
        out
    }

    /// Escaped as an attribute has it.
    fn base(&self) -> String {
        escaped(&self.links.public_url)
    }

    fn with_links(&self, html: &str) -> String {
        let found: Vec<(Range<usize>, String)> = (hrefs(html).into_iter())
            .filter_map(|at| {
                let url = ascii(&decoded(html[at.clone()].trim()));
                self.may_lead_through(&url).then_some((at, url))
            })
            .collect();
        // One address is one link, however often it stands there.
        let mut urls: Vec<&str> = Vec::new();
        for (_, url) in &found {
            if !urls.contains(&url.as_str()) {
                urls.push(url);
            }
        }
        let of = urls.len();
        let mut out = String::with_capacity(html.len() + found.len() * 200);
        let mut done = 0;
        for (at, url) in &found {
            let place = urls.iter().position(|u| u == url).unwrap_or(0);
            out.push_str(&html[done..at.start]);
            out.push_str(&self.link(LinkPlace::new(place, of), url));
            done = at.end;
        }
        out.push_str(&html[done..]);
        if self.honeypot && of > 0 {
            let link = self.link(LinkPlace::honeypot(of), &self.links.public_url);
            let trap = format!(
                "<a href=\"{link}\" rel=\"nofollow\" aria-hidden=\"true\" tabindex=\"-1\" style=\"display:none;mso-hide:all\"></a>"
            );
            add_at_end(&mut out, &trap);
        }
        out
    }

    fn link(&self, place: LinkPlace, url: &str) -> String {
        let token = Token::Click {
            customer: self.customer,
            message: self.message,
            link: place.code(),
            url: url.to_owned(),
        };
        format!("{}{CLICK}{}", self.base(), self.links.keys.sign(&token))
    }

    fn may_lead_through(&self, url: &str) -> bool {
        let own = url.strip_prefix(self.links.public_url.as_str());
        let own = own.is_some_and(|rest| OWN.iter().any(|page| rest.starts_with(page)));
        !own && url.len() <= LONGEST && is_web_address(url)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
}

/// Before the end of the body, or where the text ends.
fn add_at_end(html: &mut String, what: &str) {
    let lower = html.to_ascii_lowercase();
    let at = lower.rfind("</body").unwrap_or(html.len());
    html.insert_str(at, what);
}

/// An attribute's text with its references resolved; one that is not known stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let one = end.and_then(|end| reference(&rest[1..end]).map(|c| (c, end + 1)));
        match one {
            Some((c, length)) => {
                out.push(c);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "lt" => Some('<'),
        "gt" => Some('>'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Where the values of `href` stand in the `a` and `area` tags of a page, comments, styles and scripts passed by. Only
/// those in quotes: an address without quotes is left alone.
fn hrefs(html: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let lower = html.to_ascii_lowercase();
    let bytes = lower.as_bytes();
    let mut at = 0;
    while let Some(open) = lower[at..].find('<').map(|n| at + n) {
        let rest = &lower[open..];
        let skip = |end: &str| rest.find(end).map_or(lower.len(), |n| open + n + end.len());
        if rest.starts_with("<!--") {
            at = skip("-->");
            continue;
        }
        let raw = ["style", "script", "title", "textarea"];
        if let Some(raw) = (raw.iter()).find(|name| is_tag(rest, name)) {
            at = skip(&format!("</{raw}"));
            continue;
        }
        let link = is_tag(rest, "a") || is_tag(rest, "area");
        let mut i = open + 1;
        // Attributes: names, and values in quotes or not, up to the tag's end.
        while i < bytes.len() && bytes[i] != b'>' {
            if bytes[i] != b'"' && bytes[i] != b'\'' {
                i += 1;
                continue;
            }
            let Some(length) = lower[i + 1..].find(bytes[i] as char) else {
                return found;
            };
            let value = i + 1..i + 1 + length;
            if link && names_href(&lower[open..i]) {
                found.push(value.clone());
            }
            i = value.end + 1;
        }
        at = i.max(open + 1);
    }
    found
}

fn is_tag(rest: &str, name: &str) -> bool {
    (rest[1..].strip_prefix(name)).is_some_and(|behind| {
        behind.starts_with(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
    })
}

/// Whether what stands before a quote ends with ` href =`.
fn names_href(before: &str) -> bool {
    let Some(before) = before.trim_end().strip_suffix('=') else {
        return false;
    };
    let Some(before) = before.trim_end().strip_suffix("href") else {
        return false;
    };
    before.ends_with(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'' || c == '/')
}

#[cfg(test)]
mod tests {
    use super::{MailTracking, decoded, hrefs, is_web_address};
    use crate::domain::engagement::LinkPlace;
    use crate::domain::id::{CustomerNo, MessageNo};
    use crate::message::links::Links;
    use crate::message::token::{KeyRing, Token, TokenKeys};
    use std::sync::Arc;

    fn tracking() -> MailTracking {
        MailTracking {
            links: Links {
                public_url: "https://mail.shop.example".into(),
                keys: Arc::new(KeyRing::new(TokenKeys::new([7; 32]))),
            },
            customer: CustomerNo(5),
            message: MessageNo(2),
            opens: true,
            clicks: true,
            honeypot: true,
        }
    }

    /// Where the links of a page lead by their tokens.
    fn leads(tracking: &MailTracking, html: &str) -> Vec<(LinkPlace, String)> {
        let token = |at: std::ops::Range<usize>| {
            let path = html[at].strip_prefix("https://mail.shop.example/t/c/")?;
            match tracking.links.keys.read(path)? {
                Token::Click { link, url, .. } => Some((LinkPlace::from_code(link), url)),
                _ => None,
            }
        };
        hrefs(html).into_iter().filter_map(token).collect()
    }

    #[test]
    fn links_lead_through_ours_and_those_by_which_people_leave_do_not() {
        let html = r##"<html><head><style>a[href="https://style.example"]{}</style></head><body>
<!-- <a href="https://comment.example">no</a> -->
<a class="b" href="https://shop.example/?a=1&amp;b=2">one</a>
<A HREF='https://shop.example/%EC%97%90/신발'>two</A>
<a title="x href=" href = "https://shop.example/?a=1&#38;b=2">one again</a>
<a href="https://mail.shop.example/u/abc">leave</a> <a href="mailto:a@b.example">mail</a>
<a href="#top">up</a> <a href="javascript:alert(1)">no</a> <img src="https://shop.example/a.png">
<abbr href="https://abbr.example">no</abbr></body></html>"##;
        let tracking = tracking();
        let out = tracking.applied(html);
        let leads = leads(&tracking, &out);
        let two = "https://shop.example/%EC%97%90/%EC%8B%A0%EB%B0%9C";
        let expected = [
            (LinkPlace::new(0, 2), "https://shop.example/?a=1&b=2"),
            (LinkPlace::new(1, 2), two),
            (LinkPlace::new(0, 2), "https://shop.example/?a=1&b=2"),
            (LinkPlace::honeypot(2), "https://mail.shop.example"),
        ];
        let expected: Vec<_> = expected.map(|(p, u)| (p, u.to_owned())).into();
        assert_eq!(leads, expected, "{out}");
        for kept in [
            "href=\"https://mail.shop.example/u/abc\"",
            "href=\"mailto:a@b.example\"",
            "href=\"#top\"",
            "src=\"https://shop.example/a.png\"",
            "<a href=\"https://comment.example\">",
            "href=\"https://abbr.example\"",
        ] {
            assert!(out.contains(kept), "{kept} in {out}");
        }
        let pixel = out.find("/t/o/").unwrap();
        assert!(
            out.find("tabindex=\"-1\"").unwrap() < out.len()
                && pixel < out.find("</body>").unwrap()
        );
    }

    #[test]
    fn what_is_switched_off_leaves_no_trace() {
        let html = "<p><a href=\"https://shop.example/\">x</a></p>";
        let off = MailTracking {
            opens: false,
            clicks: false,
            ..tracking()
        };
        assert_eq!(off.applied(html), html);
        let opens = MailTracking {
            clicks: false,
            ..tracking()
        };
        let out = opens.applied(html);
        assert!(out.starts_with(html) && out.contains("/t/o/") && !out.contains("/t/c/"));
        // A mail without links has no hidden one either.
        assert!(!tracking().applied("<p>hello</p>").contains("/t/c/"));
    }

    #[test]
    fn broken_pages_come_through() {
        for html in [
            "",
            "<",
            "<a",
            "<a href=",
            "<a href=\"",
            "<a href=\"https://x",
            "<!--",
            "<style>",
            "&",
            "<a href='신'>",
        ] {
            let out = tracking().applied(html);
            assert!(out.starts_with(html), "{html:?}: {out}");
        }
    }

    #[test]
    fn addresses_and_references_are_read_as_browsers_read_them() {
        assert!(is_web_address("HTTPS://shop.example") && is_web_address("http://a"));
        for bad in [
            "https://",
            "ftp://a",
            "javascript:alert(1)",
            "https://a b",
            "//a",
            "",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
        assert_eq!(decoded("a&amp;b&#x2f;c&#47;&unknown;&"), "a&b/c/&unknown;&");
    }
}
