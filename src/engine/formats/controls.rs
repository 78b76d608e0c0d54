//! Controls as older versions wrote them.

use crate::domain::id::CampaignId;
use crate::domain::preference::Class;
use crate::domain::rules::{Activation, Controls};
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Before campaigns could pause themselves, and hours were learned.
#[derive(Serialize, Deserialize)]
pub struct Controls1 {
    pub paused_all: bool,
    pub paused_classes: BTreeSet<Class>,
    pub paused: BTreeSet<CampaignId>,
    pub cancelled: BTreeSet<CampaignId>,
    pub held: Option<String>,
    pub importing: Option<Timestamp>,
    pub activations: BTreeMap<CampaignId, Activation>,
}

impl From<Controls1> for Controls {
    fn from(old: Controls1) -> Controls {
        Controls {
            paused_all: old.paused_all,
            paused_classes: old.paused_classes,
            paused: old.paused,
            cancelled: old.cancelled,
            held: old.held,
            importing: old.importing,
            activations: old.activations,
            ..Controls::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::rules::Controls;
    use crate::domain::time::Timestamp;
    use crate::store::codec::{decode, encode};

    #[test]
    fn controls_of_before_campaigns_could_pause_themselves_are_read() {
        // paused_all, paused_classes, paused, cancelled, held, importing, activations.
        let bytes = [&[1u8, 0, 0, 1, 4][..], b"cart", &[0, 0, 1, 8, 0]].concat();
        let controls = decode::<Controls>(&bytes).unwrap();
        assert!(controls.paused.iter().any(|id| id.as_str() == "cart"));
        assert_eq!(controls.importing, Some(Timestamp(4)));
        assert!(controls.tripped.is_empty() && controls.learned.answers() == 0);
        assert_eq!(encode(&controls)[0], 2);
    }
}
