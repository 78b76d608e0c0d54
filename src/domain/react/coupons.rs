//! Which message gets a code, which one it names, and when a code goes back.
//!
//! A code is set aside when the message could go for the first time: not before, so that what waits for its hours holds
//! none; and in a commit of its own, since the mail that names it is made only then. From there it is the customer's
//! until its message ends: kept if the mail left or may have, else given back.

use super::{Answer, Life, Offer};
use crate::domain::campaign::Step;
use crate::domain::coupon::{Coupon, has_had_enough, remember, standing};
use crate::domain::id::PoolName;
use crate::domain::ledger::{Reason, Status};
use crate::domain::posted::Posted;
use crate::domain::record::{Message, MessageState, Record};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};

/// A pool that has run dry is looked at again so much later.
const AGAIN: Span = Span::hours(1);

/// The pool whose code a message is still to be given.
pub fn pool_wanted<'r>(message: &Message, rules: &'r Rules) -> Option<&'r PoolName> {
    let fresh = message.coupon.is_none() && message.attempts == 0;
    if !fresh || message.state != MessageState::Waiting || message.staff.is_some() {
        return None;
    }
    let campaign = rules.campaigns.get(&message.campaign)?;
    let step: &Step = campaign.step_of(message)?;
    step.coupon_of(message.variant.as_deref())
}

/// Whether the message names a code that is no longer good, and has not been tried yet: it is to be given another.
pub fn has_stale_code(record: &Record, message: &Message, now: Timestamp) -> bool {
    let fresh = message.attempts == 0 && message.state == MessageState::Waiting;
    fresh
        && message.coupon.as_ref().is_some_and(|code| {
            let mut coupons = record.coupons.iter();
            coupons.any(|c| c.code == *code && !c.is_good(now))
        })
}

/// Whether the message is to be given a code, or another, before it is composed.
pub fn wants_code(record: &Record, message: &Message, rules: &Rules, now: Timestamp) -> bool {
    pool_wanted(message, rules).is_some() || has_stale_code(record, message, now)
}

impl Life<'_> {
    /// What a message that may go now is told where it wants a code; `None` where it wants none, or has it.
    pub(super) fn claim(&mut self, message: &Message) -> Option<Answer> {
        if !has_stale_code(&self.record, message, self.now) {
            return self.claim_first(message);
        }
        let mut bare = message.clone();
        bare.coupon = None;
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.coupon = None;
        }
        // The mail that was made names it: it is made anew, with another code or without.
        Some(self.claim_first(&bare).unwrap_or(Answer::Coupon))
    }

    fn claim_first(&mut self, message: &Message) -> Option<Answer> {
        let (rules, now) = (self.rules, self.now);
        let name = pool_wanted(message, rules)?;
        let Some(pool) = rules.pools.get(name) else {
            return Some(self.is_dry(message, name));
        };
        if let Some(known) = standing(&self.record, rules, &message.campaign, pool, now) {
            let code = known.code.clone();
            return Some(self.bears(message, name, code, "the one that the customer has"));
        }
        if has_had_enough(&self.record, pool) {
            self.conclude(
                message.no,
                Status::Dropped,
                Reason::CouponLimit,
                name.as_str(),
            );
            return Some(Answer::Dropped);
        }
        let code = match self.offered {
            Some(Offer::Code(code)) => code.to_owned(),
            Some(Offer::NoneLeft) => return Some(self.is_dry(message, name)),
            // The reaction is thrown away, and made anew with what is found.
            None => {
                self.lacks = Some(name.clone());
                return Some(Answer::Later(now));
            }
        };
        let coupon = Coupon {
            pool: name.clone(),
            campaign: message.campaign.clone(),
            code: code.clone(),
            given: now,
            sent: None,
            until: None,
        };
        remember(&mut self.record.coupons, coupon);
        self.drawn = Some((name.clone(), code.clone()));
        Some(self.bears(message, name, code, "a new one"))
    }

    fn bears(&mut self, message: &Message, pool: &PoolName, code: String, which: &str) -> Answer {
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.coupon = Some(code);
            m.dry = false;
        }
        // The code itself is for the customer's eyes, not for the log's.
        let detail = format!("{pool}: {which}");
        self.log_message(message, Status::Waiting, Reason::Coupon, detail);
        Answer::Coupon
    }

    /// There is no code to be had: it waits for one as long as it may, and the log says so once.
    fn is_dry(&mut self, message: &Message, pool: &PoolName) -> Answer {
        let again = self.now + AGAIN;
        if again >= message.expires {
            self.conclude(
                message.no,
                Status::Dropped,
                Reason::CouponsGone,
                pool.as_str(),
            );
            return Answer::Dropped;
        }
        let mut told = true;
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.not_before = again;
            told = std::mem::replace(&mut m.dry, true);
        }
        if !told {
            self.log_message(message, Status::Waiting, Reason::CouponsGone, pool.as_str());
        }
        Answer::Later(again)
    }

    /// A message has ended: its code is the customer's if the mail left or may have (`left`), else it goes back.
    pub(super) fn settle_coupon(&mut self, message: &Message, left: bool) {
        let Some(code) = &message.coupon else {
            return;
        };
        let now = self.now;
        let Some(at) = self.record.coupons.iter().position(|c| c.code == *code) else {
            return;
        };
        if left {
            let coupon = &mut self.record.coupons[at];
            let valid = (self.rules.pools.values())
                .find(|pool| pool.is_called(&coupon.pool))
                .and_then(|pool| pool.valid);
            if coupon.sent.is_none() {
                coupon.sent = Some(now);
                coupon.until = valid.map(|valid| now + valid);
            }
            // It is theirs whom this customer was merged into.
            if let Some(to) = self.record.moved_to {
                let coupon = self.record.coupons.remove(at);
                self.posts.push((to, Posted::Coupons(vec![coupon])));
            }
            return;
        }
        let named = |m: &Message| m.coupon.as_ref() == Some(code);
        let elsewhere = self.record.messages.values().any(named);
        if self.record.coupons[at].sent.is_none() && !elsewhere {
            let coupon = self.record.coupons.remove(at);
            self.given_back.push(coupon.code);
        }
    }

    /// What this customer has had goes with them into another; what is set aside for a message stays with it.
    pub(super) fn hand_over_coupons(&mut self) {
        let Some(to) = self.record.moved_to else {
            return;
        };
        let coupons = std::mem::take(&mut self.record.coupons);
        let (theirs, stay) = coupons.into_iter().partition(|c| c.sent.is_some());
        self.record.coupons = stay;
        let theirs: Vec<Coupon> = theirs;
        if !theirs.is_empty() {
            self.posts.push((to, Posted::Coupons(theirs)));
        }
    }

    /// Codes that another customer had, who turned out to be this one.
    pub(super) fn take_over_coupons(&mut self, from: &[Coupon]) {
        for coupon in self.by_present_names(from) {
            remember(&mut self.record.coupons, coupon);
        }
    }

    /// The same, of campaigns and pools as they are called now: a later name is told from that alone.
    pub(super) fn by_present_names(&self, coupons: &[Coupon]) -> Vec<Coupon> {
        let present = |coupon: &Coupon| Coupon {
            pool: self.rules.present_pool(&coupon.pool).clone(),
            campaign: self.rules.present_name(&coupon.campaign).clone(),
            ..coupon.clone()
        };
        coupons.iter().map(present).collect()
    }
}
