//! Whether a message has its coupon code, and if not, what stands in its way.

use super::policy::{PolicyAnswer, PolicyCheck};
use crate::domain::coupon::{has_had_enough, standing};
use crate::domain::ledger::Reason;
use crate::domain::react::{has_stale_code, pool_wanted};
use crate::domain::record::{Message, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// What policy answered, and why; when it would go.
type Answered = (PolicyAnswer, Reason, String, Option<Timestamp>);

/// What is said of the message's coupon, and what that makes of policy's answer. Codes themselves are not shown.
pub(super) fn with_coupon(
    message: &Message,
    record: &Record,
    rules: &Rules,
    at: Timestamp,
    answered: Answered,
) -> (Answered, Option<PolicyCheck>) {
    let check = |name: &str, present: &str, lets_it_go: bool, from| PolicyCheck {
        what: "coupon",
        rule: format!("a code of the pool `{name}`"),
        present: present.to_owned(),
        lets_it_go,
        from,
    };
    // What is held out wants none.
    if answered.0 == PolicyAnswer::HeldOut {
        return (answered, None);
    }
    let mut bare = message.clone();
    if has_stale_code(record, message, at) {
        bare.coupon = None;
    }
    let message = &bare;
    let own = message.coupon.as_ref();
    if let Some(coupon) = own.and_then(|code| record.coupons.iter().find(|c| c.code == *code)) {
        let check = check(coupon.pool.as_str(), "it has one", true, None);
        return (answered, Some(check));
    }
    let Some(name) = pool_wanted(message, rules) else {
        return (answered, None);
    };
    let goes = answered.0 == PolicyAnswer::Goes || answered.0 == PolicyAnswer::Waits;
    let pool = rules.pools.get(name);
    let has = pool.and_then(|pool| standing(record, rules, &message.campaign, pool, at));
    if has.is_some() {
        let check = check(name.as_str(), "the one that the customer has", true, None);
        return (answered, Some(check));
    }
    if pool.is_some_and(|pool| has_had_enough(record, pool)) {
        let words = "the customer has had as many as one may have";
        let check = check(name.as_str(), words, false, None);
        let never = (
            PolicyAnswer::Never,
            Reason::CouponLimit,
            name.to_string(),
            None,
        );
        return (if goes { never } else { answered }, Some(check));
    }
    if message.dry || pool.is_none() {
        let again = message.not_before.max(at);
        let check = check(
            name.as_str(),
            "none was left; it is asked for again",
            false,
            Some(again),
        );
        let waits = (
            PolicyAnswer::Waits,
            Reason::CouponsGone,
            name.to_string(),
            None,
        );
        return (if goes { waits } else { answered }, Some(check));
    }
    let check = check(
        name.as_str(),
        "given when it goes, if one is left",
        true,
        None,
    );
    (answered, Some(check))
}
