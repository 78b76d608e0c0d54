//! The order in which a customer's campaigns are judged: one that asks what became of another comes after it, so that one
//! pass over them all finds everything.
//!
//! Files whose campaigns, segments and tags ask each other in a circle are refused by the `campaign` room; should a
//! circle come about all the same (an older version of one file beside a newer one of another), it is cut where it is
//! met, always at the same place.

use super::campaign::Campaign;
use super::condition::{Condition, Named};
use super::id::CampaignId;
use super::preference::Class;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Campaigns = BTreeMap<CampaignId, Arc<Campaign>>;

/// All campaigns, each after those that it asks about; else by id.
pub fn judging_order(campaigns: &Campaigns, named: &Named<'_>) -> Vec<CampaignId> {
    let mut order = Vec::with_capacity(campaigns.len());
    let mut met = BTreeSet::new();
    for id in campaigns.keys() {
        visit(id, campaigns, named, &mut met, &mut order);
    }
    order
}

fn visit<'a>(
    id: &'a CampaignId,
    campaigns: &'a Campaigns,
    named: &Named<'_>,
    met: &mut BTreeSet<&'a CampaignId>,
    order: &mut Vec<CampaignId>,
) {
    let Some((id, campaign)) = campaigns.get_key_value(id) else {
        return;
    };
    if !met.insert(id) {
        return;
    }
    let mut asked = BTreeSet::new();
    for condition in campaign.conditions() {
        asks(condition, named, &mut |condition| match condition {
            Condition::Campaign(other) => _ = asked.insert(other.campaign.clone()),
            Condition::UnderWay { above } => {
                asked.extend(above_in(campaigns, *above).cloned());
            }
            _ => {}
        });
    }
    for other in campaigns.keys().filter(|other| asked.contains(*other)) {
        visit(other, campaigns, named, met, order);
    }
    order.push(id.clone());
}

/// The campaigns that "a higher priority" means.
fn above_in(campaigns: &Campaigns, priority: i32) -> impl Iterator<Item = &CampaignId> {
    (campaigns.iter())
        .filter(move |(_, c)| c.priority > priority && c.class != Class::Transactional)
        .map(|(id, _)| id)
}

/// Calls `each` with every leaf of the condition, those of segments and tags that it names included. These hold no circle.
fn asks(condition: &Condition, named: &Named<'_>, each: &mut dyn FnMut(&Condition)) {
    let mut leaves = Vec::new();
    condition.each_leaf(&mut |leaf| leaves.push(leaf));
    for leaf in leaves {
        let inner = match leaf {
            Condition::Segment(name) => named.segments.get(name),
            Condition::Tag(tag) => named.tags.get(tag),
            _ => None,
        };
        match inner {
            Some(inner) => asks(inner, named, each),
            None => each(leaf),
        }
    }
}
