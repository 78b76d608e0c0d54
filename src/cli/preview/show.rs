//! Mails on the terminal: heads and texts. A mail may hold what moves a terminal's cursor; such letters are not printed.

use super::name;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, plain};
use crate::engine::preview::Previewed;

pub(super) fn all(mails: &[Previewed], screen: Screen) -> Result<(), Failure> {
    for (i, mail) in mails.iter().enumerate() {
        if i > 0 {
            screen.say("")?;
        }
        screen.say(&shown(mail, screen))?;
    }
    Ok(())
}

fn shown(mail: &Previewed, screen: Screen) -> String {
    let mut lines = vec![screen.bold(&plain(&name(mail)))];
    let who = match &mail.customer {
        None => "for a customer who is made up; links are not live",
        Some(_) => "as this customer would get it; links are not live",
    };
    lines.push(screen.faint(who));
    for note in &mail.notes {
        lines.push(screen.faint(&format!("note: {}", plain(note))));
    }
    if let Some(why) = &mail.failed {
        let marked = screen.yellow("cannot be made:");
        lines.push(format!("{marked} {}", plain(why)));
        return lines.join("\n");
    }
    lines.push(String::new());
    for (name, value) in &mail.headers {
        lines.push(format!(
            "{} {}",
            screen.faint(&format!("{name}:")),
            plain(value)
        ));
    }
    if !mail.preheader.is_empty() {
        let label = screen.faint("(preheader)");
        lines.push(format!("{label} {}", plain(&mail.preheader)));
    }
    lines.push(String::new());
    lines.extend(mail.text.trim_end().lines().map(plain));
    lines.push(String::new());
    let kilobytes = mail.html.len().div_ceil(1024);
    let html = match mail.html.is_empty() {
        true => "plain text only".to_owned(),
        false => format!("HTML of {kilobytes} KB: --out FILE.html writes it, --serve shows it"),
    };
    lines.push(screen.faint(&html));
    for finding in &mail.findings {
        let severity = match finding.is_error() {
            true => screen.yellow(&finding.severity),
            false => finding.severity.clone(),
        };
        let (place, what) = (plain(&finding.place()), plain(&finding.what));
        lines.push(format!("{severity}: {place}: {what}"));
    }
    lines.join("\n")
}
