//! From a template, a subject and a customer's data to the complete bytes of a mail (RFC 5322, MIME).
//!
//! Pure: the same request gives the same bytes, so a message can be made again and compared. Whatever panics inside
//! a library costs that one message.

use super::links::MailLinks;
use super::problem::RenderError;
use super::source::Part;
use super::templates::{Templates, escape_html};
use super::tracking::MailTracking;
use super::{header, korean, part, plain};
use crate::domain::address::EmailAddress;
use crate::domain::id::CampaignId;
use crate::domain::preference::Class;
use crate::domain::time::Timestamp;
use chrono_tz::Tz;
use handlebars::Context;
use serde_json::{Map, Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest subject that is sent; a longer one (a name of 10 kB) is cut.
const MOST_SUBJECT: usize = 500;

/// Who sends, as people must be able to see it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SenderBlock {
    pub company: String,
    /// The postal address.
    pub address: String,
    pub phone: String,
    pub email: String,
}

/// All that a message is made of.
#[derive(Clone, Debug)]
pub struct ComposeRequest<'a> {
    pub template: &'a str,
    /// In place of a template: the text, itself a template; its HTML form shows the same lines.
    pub body: Option<&'a str>,
    /// The subject's template, chosen for locale and variant.
    pub subject: &'a str,
    /// The preheader's template, chosen alike; empty for none.
    pub preheader: &'a str,
    pub locale: &'a str,
    pub zone: Tz,
    /// An object with `customer`, `entry`, `products`, `data`, `links`, `sender`. `links.unsubscribe`,
    /// `links.preferences` and `sender` are filled in from the fields below where they are absent; `now`, `locale`, `timezone`, `subject`,
    /// `preheader`, `class` and `legal_notice` are always set here.
    pub context: Value,
    /// Without angle brackets ([`crate::domain::chance::message_id`]).
    pub message_id: &'a str,
    pub from_name: &'a str,
    pub from: &'a EmailAddress,
    pub to_name: Option<&'a str>,
    pub to: &'a EmailAddress,
    pub date: Timestamp,
    pub class: Class,
    pub campaign: &'a CampaignId,
    /// What List-Ids end with (RFC 2919): a domain of the sender's, the same for good.
    pub list_domain: &'a str,
    /// The signed links of this mail; they stand before `unsubscribe_mailto`.
    pub links: Option<&'a MailLinks>,
    /// How it is tracked, if it is.
    pub tracking: Option<&'a MailTracking>,
    /// The reader wants plain text alone.
    pub text_only: bool,
    /// An address, `mailto:` before it or not, `?subject=` behind it or not.
    pub unsubscribe_mailto: Option<&'a str>,
    /// The recipient is under Korean rules.
    pub korean: bool,
    pub sender: &'a SenderBlock,
}

/// A message as it leaves, and what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The complete message: CRLF only, lines of at most 998, ASCII unless the recipient's local part is not.
    pub bytes: Vec<u8>,
    pub subject: String,
    /// Empty for who wants plain text alone.
    pub html: String,
    pub text: String,
    pub preheader: String,
}

/// Why a message could not be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ComposeError {
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The subject came out empty.
    #[error(
        "the subject of this message is empty: give it a text that does not depend on absent data alone"
    )]
    NoSubject,
    /// Advertising under Korean rules must say how to refuse it.
    #[error(
        "advertising to recipients under Korean rules needs a way to refuse it: set `[http] public_url` or `[sender] unsubscribe_mailto`"
    )]
    NoRefusal,
    /// Advertising under Korean rules must say who sends it.
    #[error(
        "advertising to recipients under Korean rules needs the sender's name and postal address: set `[sender]`"
    )]
    NoSender,
    #[error("the Message-ID {0:?} is none (RFC 5322, local part and domain)")]
    MessageId(String),
    /// A library panicked over this customer's data; the text is its message.
    #[error("this message could not be made: {0}")]
    Panicked(String),
}

/// Makes the message.
pub fn compose(
    templates: &Templates,
    request: &ComposeRequest<'_>,
) -> Result<Finished, ComposeError> {
    // Nothing is shared with the panicking code but what it only reads.
    catch_unwind(AssertUnwindSafe(|| write(templates, request))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(ComposeError::Panicked(
            text.unwrap_or("no reason given").to_owned(),
        ))
    })
}

fn write(templates: &Templates, request: &ComposeRequest<'_>) -> Result<Finished, ComposeError> {
    let id = checked_id(request.message_id)?;
    let mailto = request.unsubscribe_mailto.and_then(mailto_uri);
    let advertising = request.class == Class::Advertising;
    let legal = advertising && request.korean;
    let root = root(request, mailto.as_deref(), legal);
    let refuse = match root.get("links").and_then(|l| l.get("unsubscribe")) {
        Some(Value::String(link)) if !link.trim().is_empty() => Some(link.clone()),
        _ => None,
    };

    let mut context = Context::from(Value::Object(root));
    let mut subject = templates.render_inline(request.subject, &context)?;
    if subject.is_empty() {
        return Err(ComposeError::NoSubject);
    }
    if legal {
        subject = korean::marked(&subject);
    }
    let subject = header::shortened(&subject, MOST_SUBJECT);
    let preheader = if request.preheader.is_empty() {
        String::new()
    } else {
        templates.render_inline(request.preheader, &context)?
    };
    let shown = preheader.clone();
    let (mut html, mut text) = bodies(templates, request, &mut context, &subject, shown)?;
    if request.text_only {
        html = String::new();
    }
    // Before the notice that the law asks for, whose link is for leaving.
    if let Some(tracking) = request.tracking.filter(|_| !request.text_only) {
        html = tracking.applied(&html);
    }
    if legal {
        let refuse = refuse.ok_or(ComposeError::NoRefusal)?;
        if request.sender.company.trim().is_empty() || request.sender.address.trim().is_empty() {
            return Err(ComposeError::NoSender);
        }
        if !request.text_only {
            html = korean::with_html_notice(&html, request.sender, &refuse);
        }
        text = format!(
            "{}\n\n{}",
            text.trim_end(),
            korean::text_notice(request.sender, &refuse)
        );
    }
    let (html, text) = (part::canonical(&html), part::canonical(&text));

    let mut out = headers(request, id, &subject, mailto.as_deref());
    if request.text_only {
        out.push_str(&part::write("text/plain", &text));
        return Ok(Finished {
            bytes: out.into_bytes(),
            subject,
            html: String::new(),
            text,
            preheader,
        });
    }
    // "=_" stands in no quoted-printable and no base64 line (RFC 2045 §6.7), so it cannot be met in a body.
    let digest = ring::digest::digest(&ring::digest::SHA256, id.as_bytes());
    let boundary = format!("=_{}", hex(&digest.as_ref()[..12]));
    out.push_str(&format!(
        "Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n"
    ));
    for (kind, body) in [("text/plain", &text), ("text/html", &html)] {
        out.push_str(&format!("--{boundary}\r\n{}\r\n", part::write(kind, body)));
    }
    out.push_str(&format!("--{boundary}--\r\n"));
    Ok(Finished {
        bytes: out.into_bytes(),
        subject,
        html,
        text,
        preheader,
    })
}

/// The template's two parts: the text as written for this locale, else made from the HTML.
fn bodies(
    templates: &Templates,
    request: &ComposeRequest<'_>,
    context: &mut Context,
    subject: &str,
    preheader: String,
) -> Result<(String, String), ComposeError> {
    if let Some(body) = request.body {
        let text = templates.render_plain(body, context)?;
        let html = format!(
            "<!doctype html>\n<html lang=\"{}\">\n<body>\n<p style=\"white-space: pre-line\">{}</p>\n</body>\n</html>\n",
            escape_html(request.locale),
            escape_html(text.trim_end())
        );
        return Ok((html, text));
    }
    let locale = templates.choose(request.template, request.locale)?;
    context.data_mut()["subject"] = subject.into();
    context.data_mut()["preheader"] = preheader.into();
    let render =
        |part, context: &Context| templates.render(request.template, locale, part, context);
    let html = render(Part::Html, context)?.unwrap_or_default();
    if let Some(text) = render(Part::Text, context)? {
        return Ok((html, text));
    }
    // The preheader is hidden by style only; in a text it would stand there twice.
    context.data_mut()["preheader"] = "".into();
    let bare = render(Part::Html, context)?.unwrap_or_default();
    Ok((html, plain::from_html(&bare)))
}

/// What templates see: the caller's context and what is known here.
fn root(request: &ComposeRequest<'_>, mailto: Option<&str>, legal: bool) -> Map<String, Value> {
    let mut root = match &request.context {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    for name in ["customer", "entry", "data", "links"] {
        if !root.get(name).is_some_and(Value::is_object) {
            root.insert(name.to_owned(), json!({}));
        }
    }
    if !root.get("products").is_some_and(Value::is_array) {
        root.insert("products".to_owned(), json!([]));
    }
    root.entry("sender").or_insert_with(|| {
        json!({
            "name": request.from_name,
            "company": request.sender.company,
            "address": request.sender.address,
            "phone": request.sender.phone,
            "email": request.sender.email,
        })
    });
    if let Some(Value::Object(links)) = root.get_mut("links") {
        if let Some(signed) = request.links {
            let mut add = |name: &str, link: &str| {
                links.entry(name).or_insert_with(|| link.into());
            };
            add("unsubscribe", &signed.unsubscribe);
            add("preferences", &signed.preferences);
        } else if let Some(mailto) = mailto {
            links.entry("unsubscribe").or_insert_with(|| mailto.into());
        }
    }
    let now = request.date.to_utc().to_rfc3339();
    root.insert("now".to_owned(), now.into());
    root.insert("locale".to_owned(), request.locale.into());
    root.insert("timezone".to_owned(), request.zone.name().into());
    root.insert("class".to_owned(), request.class.as_str().into());
    root.insert("legal_notice".to_owned(), legal.into());
    root
}

fn headers(request: &ComposeRequest<'_>, id: &str, subject: &str, mailto: Option<&str>) -> String {
    let mut out = header::mailbox("From", request.from_name, request.from);
    out.push_str(&header::mailbox(
        "To",
        request.to_name.unwrap_or(""),
        request.to,
    ));
    out.push_str(&header::unstructured("Subject", subject));
    let date = request
        .date
        .to_utc()
        .format("%a, %d %b %Y %H:%M:%S +0000")
        .to_string();
    out.push_str(&header::structured("Date", &[&date]));
    out.push_str(&header::structured("Message-ID", &[&format!("<{id}>")]));
    out.push_str("MIME-Version: 1.0\r\n");
    if request.class != Class::Transactional {
        out.push_str(&unsubscribe_headers(request.links, mailto));
    }
    let list = list_id(request.campaign, request.list_domain);
    out.push_str(&header::structured("List-Id", &[&format!("<{list}>")]));
    out.push_str("Auto-Submitted: auto-generated\r\n");
    if request.class == Class::Advertising {
        out.push_str("Precedence: bulk\r\n");
    }
    out
}

/// The page first, then the address (RFC 2369 §3.2); one press does where the page can be asked by https (RFC 8058).
fn unsubscribe_headers(links: Option<&MailLinks>, mailto: Option<&str>) -> String {
    let page = links.map(|links| links.unsubscribe.as_str());
    let ways: Vec<String> = (page.into_iter().chain(mailto))
        .map(|uri| format!("<{uri}>"))
        .collect();
    let Some((last, before)) = ways.split_last() else {
        return String::new();
    };
    let mut tokens: Vec<String> = before.iter().map(|way| format!("{way},")).collect();
    tokens.push(last.clone());
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut out = header::structured("List-Unsubscribe", &tokens);
    if links.is_some_and(MailLinks::one_click) {
        out.push_str(&header::structured(
            "List-Unsubscribe-Post",
            &["List-Unsubscribe=One-Click"],
        ));
    }
    out
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `campaign.domain`, in the letters that RFC 2919 allows; a name in other letters is named by its hash.
fn list_id(campaign: &CampaignId, domain: &str) -> String {
    let name = campaign.as_str().to_ascii_lowercase();
    let plain = name.len() <= 63
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let label = if plain {
        name
    } else {
        let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        format!("c-{}", hex(&digest.as_ref()[..8]))
    };
    let good = |c: &char| c.is_ascii_alphanumeric() || ".-_".contains(*c);
    let domain: String = domain.chars().filter(good).take(180).collect();
    format!("{label}.{}", domain.trim_matches('.'))
}

/// The id without brackets, if it is `local@domain` in the letters of RFC 5322 §3.6.4.
fn checked_id(id: &str) -> Result<&str, ComposeError> {
    let bare = id
        .strip_prefix('<')
        .and_then(|i| i.strip_suffix('>'))
        .unwrap_or(id);
    let atom = |t: &str| {
        !t.is_empty()
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b))
    };
    match bare.split_once('@') {
        Some((local, domain)) if bare.len() <= 250 && atom(local) && atom(domain) => Ok(bare),
        _ => Err(ComposeError::MessageId(id.to_owned())),
    }
}

/// A `mailto:` address (RFC 6068) in letters that may stand in a header; `None` if it is none or very long.
fn mailto_uri(text: &str) -> Option<String> {
    let text = text.trim();
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let to = address.split('?').next().unwrap_or("");
    EmailAddress::parse(to).ok()?;
    let mut uri = "mailto:".to_owned();
    for byte in address.bytes() {
        if byte.is_ascii_alphanumeric() || b"@.-_~+!$&'*/?=%".contains(&byte) {
            uri.push(byte.into());
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    (uri.len() <= 900).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::{checked_id, list_id, mailto_uri};
    use crate::domain::id::CampaignId;

    #[test]
    fn list_ids_are_valid_and_stable() {
        let id = |name: &str| list_id(&CampaignId::parse(name).unwrap(), "lists.shop.example");
        assert_eq!(id("wake_dormant"), "wake_dormant.lists.shop.example");
        assert_eq!(id("휴면"), id("휴면"));
        assert!(id("휴면").is_ascii() && id("휴면") != id("환영"));
        assert!(id(&"x".repeat(100)).len() < 64);
    }

    #[test]
    fn unsubscribe_addresses_are_uris_or_nothing() {
        assert_eq!(
            mailto_uri("leave@shop.example").unwrap(),
            "mailto:leave@shop.example"
        );
        assert_eq!(
            mailto_uri("mailto:leave@shop.example?subject=no more").unwrap(),
            "mailto:leave@shop.example?subject=no%20more"
        );
        assert_eq!(
            mailto_uri("a@b.example?x=>\r\nBcc: y").unwrap(),
            "mailto:a@b.example?x=%3E%0D%0ABcc%3A%20y"
        );
        assert_eq!(mailto_uri("https://shop.example"), None);
    }

    #[test]
    fn message_ids_are_checked() {
        assert_eq!(checked_id("<a@b.example>").unwrap(), "a@b.example");
        for bad in ["", "a", "a@", "a b@c", "a@b\r\nBcc: x", "a@b@c"] {
            assert!(checked_id(bad).is_err(), "{bad:?}");
        }
    }
}
