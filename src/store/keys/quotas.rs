//! Keys of what has been taken of campaigns' quotas. They stand outside the shards, which write them with a check.

use super::{house, prefix};
use crate::domain::id::CampaignId;
use crate::store::port::{Key, KeyRange};

const QUOTAS: &str = "quota:";

pub fn quota(campaign: &CampaignId) -> Key {
    [house(QUOTAS).as_slice(), campaign.as_str().as_bytes()].concat()
}

pub fn quotas_all() -> KeyRange {
    prefix(house(QUOTAS))
}
