//! What is looked for in the HTML, the text, and the way to unsubscribe.

use super::{Finding, Looked, remains};
use crate::domain::preference::Class;
use crate::message::reading::fields;
use crate::message::source::Part;
use crate::message::tags::{Tag, line_at, parts};

/// Gmail shows so much of a mail's HTML, and hides the rest behind a link: the way to unsubscribe first.
pub const CLIPPED: usize = 102 * 1024;
/// So near to it a long name or one more product goes over it.
pub const NEARLY_CLIPPED: usize = 92 * 1024;

pub(super) fn look(mail: &Looked<'_>, found: &mut Vec<Finding>) {
    size(mail, found);
    html(mail, found);
    text(mail, found);
    way_out(mail, found);
}

fn size(mail: &Looked<'_>, found: &mut Vec<Finding>) {
    let bytes = mail.finished.html.len();
    let kilobytes = bytes.div_ceil(1024);
    let help = "shorten the mail, or take styles that are not used out of it; links that are followed count with their tokens";
    if bytes > CLIPPED {
        let what = format!("the HTML takes {kilobytes} KB; Gmail clips what is longer than 102 KB");
        found.push(Finding::error("size", "html", what, help));
    } else if bytes > NEARLY_CLIPPED {
        let what = format!(
            "the HTML takes {kilobytes} KB; Gmail clips at 102 KB, and a long name or one more product may go over it"
        );
        found.push(Finding::warning("size", "html", what, help));
    }
}

fn html(mail: &Looked<'_>, found: &mut Vec<Finding>) {
    let html = mail.plain.html.as_str();
    let (tags, words) = parts(html);
    for tag in &tags {
        let placed = |finding: Finding| finding.at(mail, Part::Html, html, tag.raw, tag.at);
        match tag.name.as_str() {
            "img" => found.extend(picture(tag).map(placed)),
            "a" | "area" => {
                if let Some(href) = tag.attribute("href") {
                    found.extend(link(href, mail).map(placed));
                }
            }
            _ => {}
        }
        let held = tag.attributes.iter().find_map(|(_, value)| remains(value));
        if let Some((mark, why)) = held {
            found.push(placed(placeholder("html", mark, why)));
        }
    }
    for said in words {
        if let Some((mark, why)) = remains(said.raw) {
            let at = said.at + said.raw.find(mark).unwrap_or(0);
            let raw = &html[at..said.at + said.raw.len()];
            let finding = placeholder("html", mark, why);
            found.push(finding.at(mail, Part::Html, html, raw, at));
        }
    }
}

fn placeholder(part: &str, mark: &str, why: &str) -> Finding {
    let what = format!("{mark:?} stands in the finished mail: {why}");
    Finding::error("placeholder", part, what, "fill it in, or remove it")
}

fn picture(tag: &Tag<'_>) -> Option<Finding> {
    if tag.attribute("alt").is_none() {
        return Some(Finding::error(
            "alt_missing",
            "html",
            "a picture has no `alt`: who sees no pictures, or hears the mail read, gets its address",
            "say in alt=\"..\" what it shows; alt=\"\" where it is decoration",
        ));
    }
    let source = tag.attribute("src").unwrap_or_default().trim();
    let starts = |scheme: &str| source.to_ascii_lowercase().starts_with(scheme);
    if source.is_empty() {
        let help = "give its full address, with https";
        return Some(Finding::error(
            "picture_empty",
            "html",
            "a picture has no address",
            help,
        ));
    }
    (starts("http://")).then(|| {
        let what = format!("the picture {} is fetched without https", shown(source));
        let help = "use https: some readers do not fetch others";
        Finding::warning("picture_insecure", "html", what, help)
    })
}

/// What is wrong with where a link leads.
fn link(href: &str, mail: &Looked<'_>) -> Option<Finding> {
    let href = href.trim();
    let lower = href.to_ascii_lowercase();
    if href.is_empty() || href == "#" {
        let what = "a link leads nowhere: its address is empty";
        let help = "give it one, or leave it out where there is none: {{#if links.cart}}..{{/if}}";
        return Some(Finding::error("link_empty", "html", what, help));
    }
    if lower.starts_with("mailto:") || lower.starts_with("tel:") || lower.starts_with('#') {
        return None;
    }
    let rest = match lower.strip_prefix("https://") {
        Some(rest) => rest,
        None => {
            let Some(rest) = lower.strip_prefix("http://") else {
                let what = format!("the link {} is no address of the web", shown(href));
                let help = "write it in full, https:// included: a mail has no page that it could be relative to";
                return Some(Finding::error("link_relative", "html", what, help));
            };
            if !is_own_page(rest, mail) {
                let what = format!("the link {} leads there without https", shown(href));
                let help = "use https: browsers warn of others";
                return Some(Finding::warning("link_insecure", "html", what, help));
            }
            rest
        }
    };
    (is_for_examples(host(rest)) && !is_own_page(rest, mail)).then(|| {
        let what = format!(
            "the link {} leads to a host that is for examples or for this machine only",
            shown(href)
        );
        Finding::error("link_example", "html", what, "put the real address there")
    })
}

fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

/// The shop's own, whatever it is called: the sender's domain, and where the pages of the mail's own links are.
fn is_own_page(rest: &str, mail: &Looked<'_>) -> bool {
    let at = host(rest);
    let domain = mail.domain.to_ascii_lowercase();
    let under = |host: &str| at == host || at.strip_suffix(host).is_some_and(|h| h.ends_with('.'));
    under(&domain)
        || ways_out(mail).iter().any(|way| {
            let way = way.to_ascii_lowercase();
            way.split_once("://").is_some_and(|(_, r)| host(r) == at)
        })
}

/// Names that belong to nobody (RFC 2606, RFC 6761), and this machine.
fn is_for_examples(host: &str) -> bool {
    let ends = [".example", ".test", ".invalid", ".localhost"];
    ends.iter().any(|end| host.ends_with(end))
        || ["example.com", "example.org", "example.net"]
            .iter()
            .any(|name| host == *name || host.ends_with(&format!(".{name}")))
        || ["localhost", "127.0.0.1", "0.0.0.0"].contains(&host)
}

/// An address as a finding shows it.
fn shown(address: &str) -> String {
    crate::message::header::shortened(&crate::message::header::one_line(address), 80)
}

fn text(mail: &Looked<'_>, found: &mut Vec<Finding>) {
    let text = mail.plain.text.as_str();
    if text.trim().is_empty() {
        found.push(Finding::error(
            "text_missing",
            "text",
            "the text part is empty: some readers show nothing else, and filters distrust such mail",
            "write NAME.txt.hbs, or words in the HTML from which it is made",
        ));
    }
    if let Some(name) = mail.template
        && !mail.templates.has_text(name, mail.locale)
    {
        found.push(Finding::warning(
            "text_made",
            "text",
            "nobody wrote the text part: it is made from the HTML",
            &format!("read it with `reveille preview`; {name}.txt.hbs takes its place"),
        ));
    }
    if let Some((mark, why)) = remains(text) {
        let at = text.find(mark).unwrap_or(0);
        let raw = text[at..].lines().next().unwrap_or_default();
        let finding = placeholder("text", mark, why);
        found.push(finding.at(mail, Part::Text, text, raw, at));
    }
}

/// The ways to unsubscribe that the head of the mail offers.
fn ways_out(mail: &Looked<'_>) -> Vec<String> {
    let fields = fields(&mail.plain.bytes);
    let offered = fields.iter().find(|(name, _)| name == "List-Unsubscribe");
    let ways = offered.map_or("", |(_, value)| value.as_str()).split(',');
    ways.map(|way| way.trim().trim_matches(['<', '>']).to_owned())
        .filter(|way| !way.is_empty())
        .collect()
}

fn way_out(mail: &Looked<'_>, found: &mut Vec<Finding>) {
    if mail.class != Class::Advertising {
        return;
    }
    let ways = ways_out(mail);
    if ways.is_empty() {
        found.push(Finding::error(
            "unsubscribe_missing",
            "headers",
            "advertising without a way to unsubscribe",
            "set `[http] public_url`, or `[sender] unsubscribe_mailto`",
        ));
        return;
    }
    let (tags, _) = parts(&mail.plain.html);
    let in_html = tags.iter().any(|tag| {
        let href = tag.attribute("href").unwrap_or_default().trim();
        ways.iter().any(|way| way == href)
    });
    let in_text = ways
        .iter()
        .any(|way| mail.plain.text.contains(way.as_str()));
    let help = "add {{links.unsubscribe}}, as partials/footer does";
    if !in_html && !mail.plain.html.is_empty() {
        let what = "the HTML of an advertising mail has no link to unsubscribe";
        let mut finding = Finding::error("unsubscribe_missing", "html", what, help);
        finding.line = Some(line_at(&mail.plain.html, mail.plain.html.len()));
        found.push(finding);
    }
    if !in_text {
        let what = "the text of an advertising mail does not say where to unsubscribe";
        found.push(Finding::error("unsubscribe_missing", "text", what, help));
    }
}
