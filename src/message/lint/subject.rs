//! What is looked for in subject and preheader.

use super::{Finding, Looked, remains};
use crate::message::korean::MARK;

/// Columns that a telephone shows of a subject, about; a Korean letter takes two.
const SHOWN: usize = 80;

pub(super) fn look(mail: &Looked<'_>, found: &mut Vec<Finding>) {
    let subject = mail.finished.subject.as_str();
    let own = subject.strip_prefix(MARK).unwrap_or(subject).trim();
    if own.is_empty() {
        found.push(Finding::error(
            "subject_empty",
            "subject",
            "the subject is empty",
            "give it a text that does not depend on absent data alone",
        ));
    }
    if let Some((mark, why)) = remains(subject) {
        found.push(Finding::error(
            "placeholder",
            "subject",
            format!("the subject holds {mark:?}: {why}"),
            "fill it in, or remove it",
        ));
    }
    let columns = columns(subject);
    if columns > SHOWN {
        found.push(Finding::warning(
            "subject_long",
            "subject",
            format!("the subject takes {columns} columns; telephones show half of that"),
            "say what matters in the first 40, and keep the rest short",
        ));
    }
    let cased = own.chars().filter(|c| c.is_lowercase() || c.is_uppercase());
    if cased.clone().count() >= 6 && cased.clone().all(char::is_uppercase) {
        found.push(Finding::warning(
            "subject_capitals",
            "subject",
            "the subject is written in capitals, which filters and readers take for shouting",
            "write it as a sentence",
        ));
    }
    // The engine writes it where the law asks for it, and replaces one at the beginning that is there already.
    if own.contains(MARK) {
        found.push(Finding::error(
            "law_mark_twice",
            "subject",
            format!("{MARK} stands in the subject once more"),
            "remove it from the campaign's file: the program puts it before the subject where the law asks for it",
        ));
    } else if mail.subject.contains(MARK) {
        found.push(Finding::warning(
            "law_mark_by_hand",
            "subject",
            format!("{MARK} is typed by hand, so those who are not under Korean rules get it too"),
            "remove it: the program puts it before the subject where the law asks for it",
        ));
    }
    if mail.template.is_some() {
        preheader(mail, subject, own, found);
    }
}

fn preheader(mail: &Looked<'_>, subject: &str, own: &str, found: &mut Vec<Finding>) {
    let preheader = mail.finished.preheader.trim();
    if preheader.is_empty() {
        found.push(Finding::warning(
            "preheader_missing",
            "preheader",
            "there is no preheader, so inboxes show the first words of the mail, whatever they are",
            "add `preheader` to the step: one sentence that goes on where the subject ends",
        ));
    } else if preheader == own || preheader == subject {
        found.push(Finding::warning(
            "preheader_is_subject",
            "preheader",
            "the preheader says the same as the subject",
            "say something else: the two stand beside each other",
        ));
    }
    if let Some((mark, why)) = remains(preheader) {
        found.push(Finding::error(
            "placeholder",
            "preheader",
            format!("the preheader holds {mark:?}: {why}"),
            "fill it in, or remove it",
        ));
    }
}

/// How wide a text is, where letters of East Asia and pictures take two columns.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}');
    text.chars().map(|c| 1 + usize::from(wide(c))).sum()
}
