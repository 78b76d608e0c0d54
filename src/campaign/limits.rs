//! `[limits]`: how often, how close together and at which hours this campaign may write, and whom it holds out.

use super::keys::LIMITS;
use super::names::Names;
use crate::config::text::positive;
use crate::config::toml_reader::{Item, Table};
use crate::domain::campaign::{CampaignWindow, EntryRules, Existing, Limits};
use crate::domain::cap::Cap;
use crate::domain::holdout::Share;
use crate::domain::preference::Class;
use crate::domain::quota::Quota;
use crate::domain::window::Window;

const DAY: usize = 1440;
const WEEK: usize = 7 * DAY;

pub fn read(root: &Table<'_>, class: Option<Class>, names: &Names<'_>) -> Option<Limits> {
    let Some(item) = root.get("limits") else {
        return Some(Limits::default());
    };
    let table = item.table(&LIMITS)?;
    let holds_out_only = table.items().iter().all(|item| item.name == "holdout");
    if class == Some(Class::Transactional) && !holds_out_only {
        root.reader().warn(
            item.key_span(),
            "a transactional campaign obeys no limits but `holdout`",
            "keep only that, or choose another class",
        );
    }
    let caps = table.get("caps").map_or(Some(Vec::new()), |i| {
        i.parsed_list("write caps = [\"2 per 30d\"]", Cap::parse)
    });
    let gap = match table.get("gap") {
        None => Some(None),
        Some(item) => item.parsed(positive).map(Some),
    };
    let window = match table.get("window") {
        None => Some(CampaignWindow::None),
        Some(item) if item.as_text() == Some("always") => Some(CampaignWindow::Always),
        Some(item) => item.parsed(Window::parse).map(|window| {
            check_opens(&item, &window, class, names);
            CampaignWindow::Only(window)
        }),
    };
    let holdout = match table.get("holdout") {
        None => Some(None),
        Some(item) => item.parsed(Share::parse).map(|share| {
            if !root.has("goal") {
                item.warn(
                    "some are held out, and there is no [goal] to measure them by",
                    "add [goal]: event = \"Order Completed\", within = \"7d\"",
                );
            }
            Some(share)
        }),
    };
    let quota = match table.get("quota") {
        None => Some(None),
        Some(item) => item.parsed(Quota::parse).map(Some),
    };
    Some(Limits {
        caps: caps?,
        gap: gap?,
        window: window?,
        holdout: holdout?,
        quota: quota?,
    })
}

/// A number and a pace would both say how many enter in a time; of those who hold at the start of a campaign without a
/// schedule, all would come at one instant and find places in the order of their numbers.
pub fn refuse_two_paces(root: &Table<'_>, entry: Option<&EntryRules>, limits: Option<&Limits>) {
    let numbered = limits.is_some_and(|l| l.quota.is_some_and(|q| q.is_number()));
    let (Some(item), Some(entry), true) = (root.get("limits"), entry, numbered) else {
        return;
    };
    match entry.existing {
        Existing::Pace { .. } => item.reader().error(
            item.key_span(),
            "`existing` has a pace, and `quota` says how many enter, too",
            "with a schedule, write existing = \"enter\" and leave it to the quota; otherwise remove the quota",
        ),
        Existing::Enter if !root.has("schedule") => item.reader().error(
            item.key_span(),
            "all whose audience holds already would enter at once, and the quota has not a place for each",
            "write existing = \"skip\"; or remove the quota and give existing a pace, such as \"500 per 1d\"",
        ),
        Existing::Enter | Existing::Skip => {}
    }
}

/// A window that has no minute in common with the shop's would hold every message until it expires.
fn check_opens(item: &Item<'_>, window: &Window, class: Option<Class>, names: &Names<'_>) {
    let shop = &names.context.shop;
    let default = shop
        .window
        .as_ref()
        .filter(|_| class == Some(Class::Advertising));
    let mut open = minutes(window);
    for (other, which) in [
        (shop.ceiling.window.as_ref(), "[ceiling]"),
        (default, "[defaults]"),
    ] {
        let Some(other) = other else { continue };
        for (minute, open_too) in open.iter_mut().zip(minutes(other)) {
            *minute &= open_too;
        }
        if !open.contains(&true) {
            item.error(
                format!("this window has no minute in common with the one under {which} in config.toml, so nothing would ever go"),
                "choose hours within the shop's",
            );
            return;
        }
    }
}

/// Which minutes of a week, from Monday 00:00, a window holds.
fn minutes(window: &Window) -> Vec<bool> {
    let mut week = vec![false; WEEK];
    for span in &window.spans {
        for day in (0..7).filter(|day| span.days & (1 << day) != 0) {
            for minute in span.start..span.end {
                week[(day * DAY + usize::from(minute)) % WEEK] = true;
            }
        }
    }
    week
}
