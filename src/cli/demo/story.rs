//! Three customers of the demo and what happened to them, told from the send log.

use super::super::failure::Failure;
use super::super::log::why;
use super::super::screen::{Screen, plain};
use super::super::table::wrapped;
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use crate::engine::Core;
use crate::engine::query::{LogFilter, LogView};
use chrono_tz::Tz;
use std::collections::{BTreeMap, HashSet};

/// One customer's story of one campaign.
pub struct Story {
    customer: String,
    name: String,
    zone: Tz,
    window: Option<String>,
    caps: Option<Vec<String>>,
    campaign: String,
    rows: Vec<LogView>,
}

/// What makes a story worth telling; the first that fits each is told.
const KINDS: [fn(&[LogView]) -> bool; 3] = [
    // Made to wait for the customer's hours, and sent then.
    |rows| {
        let waited = |r: &LogView| r.status == "waiting" && r.reason == "window";
        rows.iter().any(waited) && rows.last().is_some_and(|r| r.status == "accepted")
    },
    // Enough had been sent already, or the customer wants peace for a while.
    |rows| {
        let limits = ["cap", "gap", "pause"];
        rows.iter().any(|r| limits.contains(&r.reason))
    },
    // Not sent at all, for a reason of the customer's own.
    |rows| {
        let own = ["exit", "topic_refused", "no_consent"];
        let dropped = |r: &LogView| matches!(r.status, "dropped" | "left");
        rows.iter().any(|r| dropped(r) && own.contains(&r.reason))
    },
];

pub async fn tell(core: &Core, from: Timestamp, to: Timestamp) -> Result<Vec<Story>, Failure> {
    let filter = LogFilter {
        from: Some(from),
        to: Some(to),
        ..LogFilter::default()
    };
    let mut by_customer: BTreeMap<(String, String), Vec<LogView>> = BTreeMap::new();
    for row in core.log(&filter).await? {
        let key = (row.customer.clone(), row.campaign.clone());
        by_customer.entry(key).or_default().push(row);
    }
    let mut told = HashSet::new();
    let mut stories = Vec::new();
    for fits in KINDS {
        // Those with preferences of their own make the better stories.
        let mut best: Option<(usize, Story)> = None;
        let candidates = by_customer
            .iter()
            .filter(|((customer, _), rows)| {
                rows.len() <= 8 && fits(rows) && !told.contains(customer.as_str())
            })
            .take(40);
        for ((customer, campaign), rows) in candidates {
            let Ok(id) = CustomerId::shown(customer) else {
                continue;
            };
            let Some(view) = core.customer_view(&id).await? else {
                continue;
            };
            let own = view.preferences;
            let points = usize::from(own.window.is_some()) * 2 + usize::from(own.caps.is_some());
            if best.as_ref().is_some_and(|(most, _)| *most >= points) {
                continue;
            }
            let name = view.attributes.0.get("name").and_then(|n| n.as_text());
            let story = Story {
                customer: customer.clone(),
                name: name.unwrap_or_default().to_owned(),
                zone: own.zone,
                window: own.window,
                caps: own.caps,
                campaign: campaign.clone(),
                rows: rows.clone(),
            };
            best = Some((points, story));
        }
        if let Some((_, story)) = best {
            told.insert(story.customer.clone());
            stories.push(story);
        }
    }
    Ok(stories)
}

impl Story {
    pub fn customer(&self) -> &str {
        &self.customer
    }

    pub fn campaign(&self) -> &str {
        &self.campaign
    }

    pub fn render(&self, screen: &Screen) -> String {
        let mut own = vec![self.zone.to_string()];
        own.extend(self.window.iter().map(|w| format!("only {w}")));
        own.extend(
            self.caps
                .iter()
                .map(|c| format!("at most {}", c.join(", "))),
        );
        let mut out = format!(
            "\n{} {} ({}), {}:",
            screen.bold(&self.customer),
            plain(&self.name),
            own.join("; "),
            self.campaign
        );
        for row in &self.rows {
            // The next row says what came of it.
            if row.status == "attempting" || row.reason == "step_due" {
                continue;
            }
            let local = row.time.to_utc().with_timezone(&self.zone);
            let why = match row.detail.as_str() {
                "" => why(row.reason),
                detail => format!("{}: {}", why(row.reason), self.local(detail)),
            };
            let why = wrapped(&plain(&why), 50, &" ".repeat(30));
            let status = format!("{:<9}", row.status);
            let status = match row.status {
                "accepted" => screen.green(&status),
                "dropped" => screen.yellow(&status),
                _ => status,
            };
            out.push_str(&format!(
                "\n  {}  {status} {}",
                local.format("%a %e %b %H:%M"),
                screen.faint(why.trim_start())
            ));
        }
        out
    }

    /// Instants in a detail as the customer's clock shows them.
    fn local(&self, detail: &str) -> String {
        let words = detail.split(' ').map(|word| {
            let bare = word.trim_end_matches([':', ',', ';', '.']);
            match Timestamp::parse_rfc3339(bare) {
                Some(at) => {
                    let local = at.to_utc().with_timezone(&self.zone);
                    let rest = &word[bare.len()..];
                    format!("{}{rest}", local.format("%a %e %b %H:%M"))
                }
                None => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}
