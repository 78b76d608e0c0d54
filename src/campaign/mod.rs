//! From the TOML that marketers write to campaigns that the domain goes by, with diagnostics.
//!
//! Every problem of every file is found in one run, each with its place and what to do; one bad file never stops the
//! others. Whether templates compile, what runs and what is approved is for others: this room is told the names of the
//! templates ([`Context`]) and hands back typed campaigns ([`Loaded`]).

mod ahead;
mod alike;
mod alone;
mod circles;
pub mod codes;
pub mod compile;
mod condition;
pub mod coupons;
pub mod cross;
mod data;
mod data_file;
mod doubt;
mod goal;
mod journey;
pub mod keys;
mod limits;
mod localized;
mod names;
mod products;
pub mod schema;
mod shared;
pub mod sources;
mod standing;
mod start;
mod starving;
mod step;
pub mod tagged;
#[cfg(test)]
mod tests;
pub mod unseen;
pub mod unused;
mod value_test;
mod version;

use crate::config::Config;
use crate::config::problem::{Problem, sort};
use crate::domain::campaign::{Campaign, Topic};
use crate::domain::condition::Condition;
use crate::domain::coupon::Codes;
use crate::domain::event::EventRules;
use crate::domain::id::{CampaignId, PoolName, SegmentName, TagName, TopicId};
use crate::domain::rules::Shop;
use crate::domain::time::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use alone::alone;
pub use compile::compile;
pub use coupons::{CodesFrom, PoolFile};
pub use data::named_in as data_files_of;
pub use sources::{Source, Sources};
pub use version::template_names;

/// What a campaign file is read against.
#[derive(Clone, Debug)]
pub struct Context {
    pub shop: Shop,
    /// How long events are kept (`[retention] events`).
    pub events_kept: Span,
    /// `[events.NAME]`.
    pub events: EventRules,
    /// Names of events that the store has seen.
    pub events_seen: BTreeSet<String>,
    /// Each template with a hash of all its files and partials; `None`: not known, so not checked.
    pub templates: Option<BTreeMap<String, u64>>,
    /// Names of `[transport.NAME]`.
    pub transports: BTreeSet<String>,
    /// The transport of a step that names none, if there is one.
    pub default_transport: Option<String>,
    /// Which pools of coupons there are is not known, so their names are not checked.
    pub any_pool: bool,
    /// The tags that customers bear by hand or by a step; `None`: the store was not asked.
    pub tags_borne: Option<BTreeSet<String>>,
}

impl Context {
    /// What the configuration says; events and templates are for the caller to add.
    pub fn of(config: &Config) -> Context {
        Context {
            shop: config.shop(),
            events_kept: config.retention.events,
            events: config.events.clone(),
            events_seen: BTreeSet::new(),
            templates: None,
            transports: config.transports.keys().cloned().collect(),
            default_transport: config.default_transport().map(str::to_owned),
            any_pool: false,
            tags_borne: None,
        }
    }
}

/// All campaigns of a folder.
#[derive(Debug)]
pub struct Loaded {
    /// A campaign that cannot be used is there by name, with its errors.
    pub campaigns: BTreeMap<CampaignId, Result<Campaign, Vec<Problem>>>,
    /// The good ones, without circles.
    pub segments: BTreeMap<SegmentName, Condition>,
    /// The good ones, without circles.
    pub tags: BTreeMap<TagName, Condition>,
    pub topics: BTreeMap<TopicId, Topic>,
    /// The good pools of coupons.
    pub pools: BTreeMap<PoolName, PoolFile>,
    /// The codes of those that have a good file; read by [`load`].
    pub codes: BTreeMap<PoolName, Codes>,
    /// Every error and warning of every file, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// The texts that this was made of, for keeping as the last good version.
    pub sources: Sources,
}

impl Loaded {
    pub fn good(&self) -> impl Iterator<Item = &Campaign> {
        self.campaigns.values().filter_map(|c| c.as_ref().ok())
    }

    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Reads all files of a folder.
pub fn load(folder: &Path, context: &Context) -> Loaded {
    let (sources, mut problems) = Sources::read(folder);
    let mut loaded = compile(sources, context);
    loaded.problems.append(&mut problems);
    let (codes, problems) = codes::read(folder, &loaded.pools);
    loaded.codes = codes;
    loaded.problems.extend(problems);
    sort(&mut loaded.problems);
    loaded
}
