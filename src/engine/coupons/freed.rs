//! Codes that were set aside for somebody who is forgotten before a mail with them could leave: nobody has seen them.

use super::Share;
use crate::domain::coupon::share_of;
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::store::codec::encode;
use crate::store::{Batch, keys};

/// Adds to the batch what gives the codes of this record back that were never sent. The shares are told to be made again
/// from the codes' own rows, which needs no check: whoever writes a share at this instant is redone on what stands then.
pub fn free(record: &Record, rules: &Rules, batch: &mut Batch) {
    let tried = |code: &str| {
        let mut messages = record.messages.values();
        messages.any(|m| m.attempts > 0 && m.coupon.as_deref() == Some(code))
    };
    let unsent = record
        .coupons
        .iter()
        .filter(|c| c.sent.is_none() && !tried(&c.code));
    for coupon in unsent {
        batch.deletes.push(keys::coupon_given(&coupon.code));
        let pools = rules
            .pools
            .values()
            .filter(|p| p.codes.place(&coupon.code).is_some());
        for pool in pools {
            let key = keys::coupon_share(&pool.name, share_of(&coupon.code));
            batch.puts.push((key, encode(&Share::default())));
        }
    }
}
