//! What came back for a message: remembered with it, and told in the log once for each kind and class.

use super::Life;
use crate::domain::engagement::{Engagement, HitKind};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::time::Span;

/// A complaint is about a mail that left within this time, if about any.
const COMPLAINED_WITHIN: Span = Span::days(30);

impl Life<'_> {
    /// The customer reported mail as unwanted. Which one is seldom told: it is laid to the latest that left to them.
    pub(super) fn lay_complaint(&mut self) {
        let latest = self.record.sent.iter().next_back();
        let recent = latest.filter(|m| self.now.since(m.left) <= COMPLAINED_WITHIN);
        let Some(message) = recent.cloned() else {
            return;
        };
        let (status, reason) = (Status::Complained, Reason::Complained);
        let row = LogRow {
            // The number is that of whoever got it.
            customer: message.by.unwrap_or(self.record.no),
            step: Some(message.step),
            message: Some(message.no),
            variant: message.variant,
            ..self.row(&message.campaign, &message.entry, status, reason, "")
        };
        self.log.push(row);
    }

    pub(super) fn take_engagement(&mut self, engagement: &Engagement) {
        // One that the record no longer remembers changes nothing; its hits are kept all the same.
        let Some((message, first)) = self.record.sent.engaged(engagement) else {
            return;
        };
        if !first {
            return;
        }
        let status = match engagement.kind {
            HitKind::Open => Status::Opened,
            HitKind::Click => Status::Clicked,
        };
        let at = engagement.first;
        let detail = match engagement.link {
            Some(link) if !link.is_honeypot() => {
                let (place, of) = (u16::from(link.place()) + 1, link.of());
                format!(
                    "{} at {at}, link {place} of {of}",
                    engagement.class.as_str()
                )
            }
            _ => format!("{} at {at}", engagement.class.as_str()),
        };
        let row = LogRow {
            step: Some(message.step),
            message: Some(message.no),
            variant: message.variant,
            ..self.row(
                &message.campaign,
                &message.entry,
                status,
                engagement.reason,
                detail,
            )
        };
        self.log.push(row);
    }
}
