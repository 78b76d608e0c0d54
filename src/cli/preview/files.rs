//! Mails as files: one, or all of them in a folder.

use super::name;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, counted};
use crate::engine::preview::Previewed;
use std::fs;
use std::path::Path;

pub(super) fn write(mails: &[Previewed], path: &Path, screen: Screen) -> Result<(), Failure> {
    // What cannot be made leaves no empty file behind.
    if let Some(mail) = mails.iter().find(|mail| mail.failed.is_some()) {
        let why = mail.failed.as_deref().unwrap_or_default();
        return Err(Failure::failed(format!(
            "{} cannot be made: {why}",
            name(mail)
        )));
    }
    let ending = path.extension().and_then(|e| e.to_str());
    let kind = ending.filter(|e| ["eml", "html", "txt"].contains(e));
    let Some(kind) = kind.filter(|_| !path.is_dir()) else {
        return folder(mails, path, screen);
    };
    let [mail] = mails else {
        let names: Vec<String> = mails.iter().map(name).collect();
        return Err(Failure::Failed {
            what: format!(
                "{} mails do not go into one file: {}",
                mails.len(),
                names.join("; ")
            ),
            hint: "choose one with --step, --variant and --locale, or name a folder".into(),
        });
    };
    put(path, part(mail, kind))?;
    Ok(screen.say(&format!("{} written to {}", name(mail), path.display()))?)
}

fn part<'a>(mail: &'a Previewed, kind: &str) -> &'a str {
    match kind {
        "eml" => &mail.eml,
        "html" => &mail.html,
        _ => &mail.text,
    }
}

fn folder(mails: &[Previewed], path: &Path, screen: Screen) -> Result<(), Failure> {
    let cannot = |e| Failure::failed(format!("{} cannot be made: {e}", path.display()));
    fs::create_dir_all(path).map_err(cannot)?;
    for mail in mails {
        for kind in ["eml", "html", "txt"] {
            let content = part(mail, kind);
            if !content.is_empty() {
                put(&path.join(format!("{}.{kind}", stem(mail))), content)?;
            }
        }
    }
    let many = counted(mails.len() as u64, "mail", "mails");
    let what = format!("{many} written to {}", path.display());
    Ok(screen.say(&what)?)
}

fn put(path: &Path, content: &str) -> Result<(), Failure> {
    fs::write(path, content)
        .map_err(|e| Failure::failed(format!("{} cannot be written: {e}", path.display())))
}

/// A file's name: whatever a customer or variant is called, it stays in the folder.
fn stem(mail: &Previewed) -> String {
    let good = |c: char| match c.is_alphanumeric() || c == '-' || c == '_' {
        true => c,
        false => '_',
    };
    let parts = name(mail);
    let parts = parts
        .split(" / ")
        .map(|part| part.chars().map(good).collect::<String>());
    parts.collect::<Vec<_>>().join(".")
}
