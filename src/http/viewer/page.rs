//! The page around the mails. Whatever stands in it is escaped; it has no script.

use crate::engine::preview::{Bad, Previewed, Previews};
use crate::message::escape_html as escaped;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#23262b;--quiet:#5d646e;--paper:#f4f5f7;--sheet:#fff;--line:#d9dde3;--bad:#a3231b;--warn:#7a5200}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--quiet:#a3abb7;--paper:#15171b;--sheet:#1f2228;--line:#363b44;--bad:#ff9a8f;--warn:#f0c674}}\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,'Noto Sans KR',sans-serif;overflow-wrap:anywhere}\
header,main{max-width:1180px;margin:0 auto;padding:16px}h1{font-size:20px;margin:0 0 4px}h2{font-size:17px;margin:0}p{margin:4px 0}\
nav{margin-top:8px}nav a{display:inline-block;margin:2px 10px 2px 0}a{color:inherit}\
article{background:var(--sheet);border:1px solid var(--line);border-radius:8px;padding:16px;margin:0 0 24px;scroll-margin-top:8px}\
.quiet{color:var(--quiet);font-size:14px}.subject{font-size:16px;font-weight:600;margin-top:8px}\
.frames{display:flex;gap:16px;flex-wrap:wrap;margin-top:12px;align-items:flex-start}figure{margin:0;min-width:0}figure.wide{flex:1 1 640px;max-width:100%}figure.narrow{flex:0 0 322px;max-width:100%}\
iframe{border:1px solid var(--line);background:#fff;height:720px;width:100%;display:block}figure.narrow iframe{width:322px;max-width:100%}\
figcaption{color:var(--quiet);font-size:13px;margin-bottom:4px}ul{margin:8px 0;padding-left:20px}.error{color:var(--bad)}.warning{color:var(--warn)}\
details{margin-top:12px}summary{cursor:pointer}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:12px;font-size:13px;max-height:480px;overflow:auto}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;font-size:13px;margin:8px 0}dt{color:var(--quiet)}dd{margin:0}\
@media(max-width:1060px){.frames{flex-wrap:nowrap;overflow-x:auto}figure.narrow{order:1;max-width:none}figure.wide{order:2;flex:0 0 660px;max-width:none}}\
@media(max-width:520px){header,main{padding:10px}article{padding:10px}dl{grid-template-columns:1fr}dd{margin-bottom:6px}}";

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

/// All mails, below what is wrong with others. `pictures`: those from elsewhere are fetched.
pub fn overview(made: &Previews, pictures: bool) -> String {
    let mails = &made.mails;
    let first = mails.first();
    let one = first.filter(|f| {
        let same = mails.iter().all(|m| m.campaign == f.campaign);
        same && made.bad.is_empty()
    });
    let title = one.map_or("All campaigns".to_owned(), |m| m.campaign.clone());
    let (now, other, query) = match pictures {
        true => (
            "Pictures from elsewhere are fetched.",
            "Do not fetch them",
            "",
        ),
        false => (
            "Pictures from elsewhere are not fetched: their servers would learn that somebody looks.",
            "Fetch them",
            "?pictures=1",
        ),
    };
    let links: String = (mails.iter().enumerate())
        .map(|(i, mail)| {
            format!(
                "<a href=\"#m{i}\">{}</a>\n",
                escaped(&name(mail, one.is_none()))
            )
        })
        .collect();
    let many = mails.len();
    let head = format!(
        "<header>\n<h1>{}</h1>\n<p class=\"quiet\">{many} {} as the files are now; reload the page after an edit. Links in them are not live.</p>\n\
         <p class=\"quiet\">{now} <a href=\"./{query}\">{other}</a></p>\n<nav>{links}</nav>\n</header>\n",
        escaped(&title),
        if many == 1 { "mail" } else { "mails" },
    );
    let bad: String = made.bad.iter().map(bad_files).collect();
    let all: String = (mails.iter().enumerate())
        .map(|(i, mail)| article(i, mail, pictures, one.is_none()))
        .collect();
    whole(
        &format!("{title}: preview"),
        &format!("{head}<main>\n{bad}{all}</main>\n"),
    )
}

/// A campaign of which nothing can be shown, with what is wrong.
fn bad_files(bad: &Bad) -> String {
    let (name, so) = match &bad.campaign {
        Some(name) => (
            name.as_str(),
            "The file is bad: no mail of it can be shown.",
        ),
        None => ("templates", "These are bad, too."),
    };
    format!(
        "<article>\n<h2>{}</h2>\n<p class=\"error\">{so}</p>\n<pre class=\"error\">{}</pre>\n</article>\n",
        escaped(name),
        escaped(&bad.problems.join("\n")),
    )
}

/// In place of the mails: what is wrong.
pub fn trouble(why: &str) -> String {
    let why = escaped(why);
    whole(
        "Preview",
        &format!(
            "<header><h1>There is nothing to show</h1></header>\n<main><pre class=\"error\">{why}</pre>\n<p class=\"quiet\">Mend it and reload the page.</p></main>\n"
        ),
    )
}

fn name(mail: &Previewed, with_campaign: bool) -> String {
    let campaign = with_campaign.then_some(mail.campaign.as_str());
    let parts = [
        campaign,
        Some(mail.step.as_str()),
        mail.variant.as_deref(),
        Some(mail.locale.as_str()),
        mail.customer.as_deref(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn article(number: usize, mail: &Previewed, pictures: bool, with_campaign: bool) -> String {
    let title = escaped(&name(mail, with_campaign));
    let who = match &mail.customer {
        None => "for a customer who is made up".to_owned(),
        Some(id) => format!("for customer {}", escaped(id)),
    };
    let mut out = format!(
        "<article id=\"m{number}\">\n<h2>{title}</h2>\n<p class=\"quiet\">{}, {who}</p>\n",
        escaped(&mail.class)
    );
    let findings: String = (mail.findings.iter())
        .map(|f| {
            format!(
                "<li class=\"{}\">{}: {} <span class=\"quiet\">{}</span></li>\n",
                if f.is_error() { "error" } else { "warning" },
                escaped(&f.place()),
                escaped(&f.what),
                escaped(&f.help)
            )
        })
        .chain(
            mail.notes
                .iter()
                .map(|note| format!("<li class=\"quiet\">{}</li>\n", escaped(note))),
        )
        .collect();
    if mail.failed.is_none() {
        out.push_str(&format!(
            "<p class=\"subject\">{}</p>\n<p class=\"quiet\">{}</p>\n",
            escaped(&mail.subject),
            escaped(&mail.preheader)
        ));
    }
    if !findings.is_empty() {
        out.push_str(&format!("<ul>\n{findings}</ul>\n"));
    }
    if mail.failed.is_some() {
        out.push_str("</article>\n");
        return out;
    }
    if !mail.html.is_empty() {
        let source = format!("mail/{number}{}", if pictures { "?pictures=1" } else { "" });
        let frame = |class: &str, caption: &str| {
            format!(
                "<figure class=\"{class}\"><figcaption>{caption}</figcaption><iframe sandbox=\"\" loading=\"lazy\" referrerpolicy=\"no-referrer\" title=\"{title}, {class}\" src=\"{source}\"></iframe></figure>\n"
            )
        };
        out.push_str(&format!(
            "<div class=\"frames\">\n{}{}</div>\n",
            frame("wide", "Wide"),
            frame("narrow", "Narrow, 320 px")
        ));
    }
    let head: String = (mail.headers.iter())
        .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value)))
        .collect();
    out.push_str(&format!(
        "<details{}><summary>Text</summary><pre>{}</pre></details>\n<details><summary>Headers</summary><dl>\n{head}</dl></details>\n</article>\n",
        if mail.html.is_empty() { " open" } else { "" },
        escaped(&mail.text)
    ));
    out
}
