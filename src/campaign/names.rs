//! The names that a file may refer to: events, segments, topics; and what to say of one that is not known.

use super::tagged::Tagged;
use super::{Context, Source};
use crate::config::nearest::{nearest, suggest};
use crate::config::toml_reader::Item;
use crate::domain::id::{CampaignId, EventName, StepId};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeValue;

/// The names of Segment's ecommerce and lifecycle events, which shops' systems send (segment.com/docs, spec v2).
pub static USUAL_EVENTS: [&str; 42] = [
    "Products Searched",
    "Product List Viewed",
    "Product List Filtered",
    "Promotion Viewed",
    "Promotion Clicked",
    "Product Clicked",
    "Product Viewed",
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Cart Shared",
    "Product Shared",
    "Product Added to Wishlist",
    "Product Removed from Wishlist",
    "Wishlist Product Added to Cart",
    "Checkout Started",
    "Checkout Step Viewed",
    "Checkout Step Completed",
    "Payment Info Entered",
    "Order Updated",
    "Order Completed",
    "Order Refunded",
    "Order Cancelled",
    "Coupon Entered",
    "Coupon Applied",
    "Coupon Denied",
    "Coupon Removed",
    "Product Reviewed",
    "Signed Up",
    "Signed In",
    "Signed Out",
    "Account Created",
    "Account Deleted",
    "Trial Started",
    "Trial Ended",
    "Invite Sent",
    "Application Opened",
    "Application Installed",
    "Email Opened",
    "Email Link Clicked",
    // Ours: they looked at the preference centre and kept or changed what stands there.
    "Preferences Reviewed",
    // Ours: they wrote to the shop; the words stand in `text`.
    "Message Received",
];

/// The names defined in `segments.toml`, `tags.toml` or `topics.toml`.
#[derive(Clone, Debug, Default)]
pub struct Defined {
    /// All that the file defines; whether each is usable.
    pub names: BTreeMap<String, bool>,
    /// The file is there but cannot be read at all, so its names are not known.
    pub unreadable: bool,
}

/// What one file may refer to.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub context: &'a Context,
    pub segments: &'a Defined,
    /// Tags that a rule derives.
    pub tags: &'a Defined,
    pub topics: &'a Defined,
    /// Pools of coupons.
    pub pools: &'a Defined,
    /// The event names of all files, and in how many places each stands.
    pub in_files: &'a BTreeMap<String, usize>,
    /// The steps of each campaign of the folder.
    pub steps: &'a BTreeMap<String, Vec<String>>,
    /// The campaign whose file is read; none in what all share.
    pub own: Option<&'a CampaignId>,
    /// The data files that campaigns name.
    pub data: &'a BTreeMap<String, Result<Source, String>>,
    /// The tags of all files.
    pub tagged: &'a Tagged,
}

/// What to do about an event's name, if it is doubtful: one that was neither seen nor is usual.
pub(super) fn doubt(
    name: &str,
    seen: &BTreeSet<String>,
    in_files: &BTreeMap<String, usize>,
) -> Option<String> {
    if seen.contains(name) || USUAL_EVENTS.contains(&name) {
        return None;
    }
    let here = in_files.get(name).copied().unwrap_or(0);
    let near = nearest(name, seen.iter().map(String::as_str).chain(USUAL_EVENTS)).or_else(|| {
        let used_more = in_files.iter().filter(|(_, count)| **count > here);
        nearest(name, used_more.map(|(other, _)| other.as_str()))
    });
    match near {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if seen.is_empty() => None,
        None => Some("if the shop is yet to send it, nothing is amiss".into()),
    }
}

impl Names<'_> {
    /// Reads the name of an event; `"*"` is `Some(None)`. A name nobody knows is a warning: the shop may send it tomorrow.
    pub fn event(&self, item: &Item<'_>) -> Option<Option<EventName>> {
        if item.as_text() == Some("*") {
            return Some(None);
        }
        let name = item.parsed(EventName::parse)?;
        if let Some(help) = doubt(name.as_str(), &self.context.events_seen, self.in_files) {
            item.warn(
                format!("no event `{name}` is known: none was seen yet"),
                help,
            );
        }
        Some(Some(name))
    }

    /// A step: of the campaign whose file is read, or `campaign/step`. True: it was named without its campaign.
    pub fn step(&self, item: &Item<'_>) -> Option<(CampaignId, StepId, bool)> {
        let text = item.text()?;
        let (campaign, step) = match (text.split_once('/'), self.own) {
            (Some((campaign, step)), _) => (item_id(item, campaign, CampaignId::parse)?, step),
            (None, Some(own)) => (own.clone(), text),
            (None, None) => {
                item.error(
                    format!("the step `{text}` may be any campaign's here"),
                    format!("name its campaign before it: message = \"welcome/{text}\""),
                );
                return None;
            }
        };
        let short = !text.contains('/');
        let step = item_id(item, step, StepId::parse)?;
        match self.steps.get(campaign.as_str()) {
            Some(steps) if steps.iter().any(|s| s == step.as_str()) => {}
            Some(steps) => {
                item.error(
                    format!("the campaign `{campaign}` has no step `{step}`"),
                    suggest(step.as_str(), steps.iter().map(String::as_str)),
                );
                return None;
            }
            // Its file may be away for now, or this one be kept alone as the last good version.
            None => item.warn(
                format!(
                    "there is no campaign `{campaign}`: this holds only for what it sent before"
                ),
                suggest(campaign.as_str(), self.steps.keys().map(String::as_str)),
            ),
        }
        Some((campaign, step, short))
    }

    /// Another campaign.
    pub fn campaign(&self, item: &Item<'_>) -> Option<CampaignId> {
        let id = item.parsed(CampaignId::parse)?;
        if self.own == Some(&id) {
            item.error(
                "a campaign cannot ask what became of itself",
                "`again` and `at_most` under [entry] say who may enter again",
            );
            return None;
        }
        if !self.steps.contains_key(id.as_str()) {
            item.warn(
                format!("there is no campaign `{id}`: this holds only for what it did before"),
                suggest(id.as_str(), self.steps.keys().map(String::as_str)),
            );
        }
        Some(id)
    }

    /// A tag's name: one that a rule derives, if that is good, or one that is set by hand.
    pub fn tag<'t>(&self, item: &Item<'t>) -> Option<&'t str> {
        let name = item.text()?;
        if self.tags.unreadable || self.tags.names.contains_key(name) {
            return refer(item, self.tags, "tag", "tags.toml");
        }
        self.doubt_tag(item, name);
        Some(name)
    }

    /// Warns of a tag that is asked for, or taken away, though nothing gives it.
    pub fn doubt_tag(&self, item: &Item<'_>, name: &str) {
        let borne = self.context.tags_borne.as_ref();
        if let Some((what, help)) = self.tagged.doubt(name.trim(), self.tags, borne) {
            item.warn(what, help);
        }
    }

    /// A segment's name, if it is defined and good.
    pub fn segment<'t>(&self, item: &Item<'t>) -> Option<&'t str> {
        refer(item, self.segments, "segment", "segments.toml")
    }

    /// A topic's name, if it is defined and good.
    pub fn topic<'t>(&self, item: &Item<'t>) -> Option<&'t str> {
        refer(item, self.topics, "topic", "topics.toml")
    }

    /// The name of a pool of coupons, if it is defined and good.
    pub fn pool<'t>(&self, item: &Item<'t>) -> Option<&'t str> {
        match self.context.any_pool {
            true => item.text(),
            false => refer(item, self.pools, "pool of coupons", "coupons.toml"),
        }
    }
}

fn item_id<T>(item: &Item<'_>, text: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
    match parse(text) {
        Ok(id) => Some(id),
        Err(what) => {
            item.error(what, "write message = \"step\" or \"campaign/step\"");
            None
        }
    }
}

fn refer<'t>(item: &Item<'t>, defined: &Defined, what: &str, file: &str) -> Option<&'t str> {
    let name = item.text()?;
    match defined.names.get(name) {
        _ if defined.unreadable => {
            item.error(
                format!("the {what} `{name}` is not known, since {file} cannot be read"),
                format!("mend {file} first"),
            );
            None
        }
        Some(true) => Some(name),
        Some(false) => {
            item.error(
                format!("the {what} `{name}` cannot be used: its definition in {file} is wrong"),
                format!("mend {file} first"),
            );
            None
        }
        None => {
            let mut help = suggest(name, defined.names.keys().map(String::as_str));
            if help.is_empty() {
                help = format!("define it in {file}, beside the campaigns: [{name}]");
            }
            item.error(format!("there is no {what} `{name}` in {file}"), help);
            None
        }
    }
}

/// Counts the event names in a file, wherever they stand.
pub fn count_events(value: &DeValue<'_>, counts: &mut BTreeMap<String, usize>) {
    match value {
        DeValue::Table(map) => {
            for (key, value) in map.iter() {
                match value.get_ref() {
                    DeValue::String(name) if matches!(&**key.get_ref(), "event" | "no_event") => {
                        *counts.entry(name.to_string()).or_default() += 1;
                    }
                    value => count_events(value, counts),
                }
            }
        }
        DeValue::Array(items) => {
            for item in items.iter() {
                count_events(item.get_ref(), counts);
            }
        }
        _ => {}
    }
}
