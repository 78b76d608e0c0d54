//! Setting the stage: which campaigns are in force in a forecast, which of them go live as it begins, and what is to be
//! said of the others.
//!
//! Campaigns that are new or edited are walked to first, as the engine would; then the guard of `[safety] at_once` decides
//! by the same count and rule.

use super::Question;
use super::drawn::{Drawn, by_lot};
use super::firings::{Marks, Ticks};
use super::play::Stage;
use super::{ForecastError, LONGEST};
use crate::config::Config;
use crate::domain::campaign::{CampaignState, Start};
use crate::domain::id::{CampaignId, CustomerId, ShardNo};
use crate::domain::quota::Quotas;
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::{Span, Timestamp};
use crate::engine::activation::activated;
use crate::engine::batch::BatchError;
use crate::engine::catalogue::{Catalogue, FileState};
use crate::engine::core::Core;
use crate::engine::going_on::{self, Found};
use crate::engine::guard;
use crate::engine::quotas::{self, numbered};
use crate::engine::renames::Replaced;
use crate::engine::state::Walk;
use crate::engine::written::as_written;
use crate::store::codec::decode;
use crate::store::{Store, keys};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The campaigns of a forecast before those that are new have gone live.
pub struct Scene {
    pub catalogue: Catalogue,
    pub config: Arc<Config>,
    pub start: Timestamp,
    pub tell_from: Timestamp,
    pub ticks: Ticks,
    /// Neither live nor waiting for approval: decided when everybody was walked.
    pub undecided: Vec<CampaignId>,
    /// Campaigns whose edits may move many: they are counted when everybody was walked.
    pub edited: Vec<CampaignId>,
    /// Whatever would wait for approval counts as approved.
    approve: bool,
    walk_all: bool,
    /// How many were counted so far by walks of the engine.
    counted: BTreeMap<CampaignId, u64>,
    pub base: u64,
    marks: Arc<Marks>,
    sends: bool,
    running: bool,
    quotas: Quotas,
}

impl Scene {
    pub async fn set(
        core: &Core,
        question: &Question,
        store: &dyn Store,
    ) -> Result<Scene, ForecastError> {
        let start = core.clock.now();
        let tell_from = question.from.unwrap_or(start);
        let span = Span::days(i64::from(question.days));
        if question.days == 0 || span > LONGEST {
            let most = LONGEST.0 / Span::days(1).0;
            return Err(ForecastError::Asked(format!(
                "a forecast is of 1 to {most} days"
            )));
        }
        if tell_from < start || tell_from.since(start) > LONGEST {
            return Err(ForecastError::Asked(format!(
                "a forecast begins now ({start}) or within the {} after it: what has happened is in the log",
                LONGEST
            )));
        }
        let config = core.config();
        let (mut catalogue, config) = campaigns(core, question, store, config, start).await?;
        if question.as_live {
            catalogue = as_live(&catalogue);
            let mut controls = activated(&catalogue, None, start);
            for activation in controls.activations.values_mut() {
                activation.awaiting_approval = false;
            }
            // Counted once more, and let.
            controls.moved.retain(|_, known| known.waiting.is_none());
            catalogue = catalogue.with_controls(controls);
        }
        let rules = &catalogue.rules;
        if let Some(one) = &question.campaign
            && !rules.campaigns.contains_key(one)
        {
            return Err(ForecastError::Unknown(one.clone()));
        }
        let controls = &rules.controls;
        let undecided = (controls.activations.iter())
            .filter(|(id, a)| {
                a.live.is_none() && !a.awaiting_approval && rules.campaigns.contains_key(*id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let (walk_all, counted) = walks(core, store, rules).await?;
        let ticks = Ticks {
            start,
            end: tell_from + span,
            tick: question.tick.unwrap_or(config.engine.tick),
        };
        let stood = quotas::read(store, rules).await?;
        let quotas = stood.into_iter().map(|(id, s)| (id, s.taken)).collect();
        Ok(Scene {
            quotas,
            undecided,
            edited: going_on::uncounted(rules),
            approve: question.as_live,
            walk_all,
            counted,
            base: core.directory.count().await?,
            marks: Arc::new(Marks::read(store, start, question.running).await?),
            sends: !controls.paused_all && controls.held.is_none(),
            running: question.running,
            start,
            tell_from,
            ticks,
            config,
            catalogue,
        })
    }

    /// The stage on which those who are not decided on are counted.
    pub fn rehearsal(&self) -> Stage {
        Stage {
            rules: Arc::clone(&self.catalogue.rules),
            walked_by: Arc::clone(&self.catalogue.rules),
            walk_all: self.walk_all,
            walk_again: false,
            ticks: self.ticks,
            marks: Arc::clone(&self.marks),
            sends: self.sends,
            running: self.running,
            drawn: Arc::new(Drawn::new(self.quotas.clone(), self.start)),
            moved: BTreeMap::new(),
        }
    }

    /// Lets those go live who may, given how many the walk found in each audience: the stage on which all is played.
    pub fn decide(
        &self,
        found: &BTreeMap<CampaignId, u64>,
        going_on: &BTreeMap<CampaignId, Found>,
    ) -> Stage {
        let rules = &self.catalogue.rules;
        let allowed = self.config.safety.at_once.of(self.base);
        let mut controls: Controls = (*rules.controls).clone();
        let mut live = Vec::new();
        for id in &self.undecided {
            let (Some(campaign), Some(activation)) =
                (rules.campaigns.get(id), controls.activations.get_mut(id))
            else {
                continue;
            };
            let all = found.get(id).copied().unwrap_or(0)
                + match campaign.start {
                    Start::Audience => self.counted.get(id).copied().unwrap_or(0),
                    Start::Scheduled(_) | Start::Triggered(_) | Start::Dated(_) | Start::Asked => 0,
                };
            let let_on = self.approve || activation.was_let();
            // Of one that waited for approval more may have been counted than stand in it now.
            activation.existing = match self.approve {
                true => activation.existing.max(all),
                false => all,
            };
            if let_on || guard::at_once(campaign, all) <= allowed {
                activation.live = Some(self.start);
                live.push(id.clone());
            } else {
                activation.awaiting_approval = true;
            }
        }
        let mut goes_on = false;
        let nobody = Found::default();
        for campaign in (self.edited.iter()).filter_map(|id| rules.campaigns.get(id)) {
            let found = going_on.get(&campaign.id).unwrap_or(&nobody);
            let allowed = if self.approve { u64::MAX } else { allowed };
            goes_on |= going_on::decide(&mut controls, campaign, found, allowed);
        }
        let mut decided = (**rules).clone();
        decided.controls = Arc::new(controls);
        Stage {
            rules: Arc::new(decided),
            walk_again: goes_on || guard::let_existing_in(rules, &live),
            moved: going_on.clone(),
            ..self.rehearsal()
        }
    }

    /// What is in force beside the files, and how the forecast goes by it; one text each.
    pub fn notes(&self, stage: &Stage) -> Vec<String> {
        let rules = &*stage.rules;
        let controls = &rules.controls;
        let mut notes = Vec::new();
        if controls.paused_all {
            notes.push("everything is paused: nothing leaves until `reveille resume --all`".into());
        }
        if let Some(why) = &controls.held {
            notes.push(format!(
                "sending is held ({why}): nothing leaves until `reveille resume --all`"
            ));
        }
        for class in &controls.paused_classes {
            notes.push(format!("{} is paused: its messages wait", class.as_str()));
        }
        if controls.importing.is_some() {
            notes.push(
                "an import is under way or was broken off: no schedule fires until it ends".into(),
            );
        }
        let allowed = self.config.safety.at_once.of(self.base);
        for (id, campaign) in &rules.campaigns {
            let activation = controls.activations.get(id);
            if controls.cancelled.contains(id) {
                notes.push(format!("{id} was cancelled: it enters nobody"));
            } else if campaign.state == CampaignState::Draft {
                notes.push(format!(
                    "{id} is a draft: it enters nobody (--as-live plans it as if it were live)"
                ));
            } else if controls.paused.contains(id) {
                notes.push(format!("{id} is paused: its messages wait"));
            } else if let Some(a) = activation.filter(|a| a.awaiting_approval) {
                notes.push(format!(
                    "{id} waits for approval: {} stand in its audience, more than the {allowed} of [safety] at_once; until then it enters nobody (--as-live plans it as if it were approved)",
                    a.existing
                ));
            } else if let Some(many) = controls.waiting_to_go_on(id) {
                let examples = stage.moved.get(id).map(|found| &found.examples);
                let such = match examples.map(|e| e.iter().map(CustomerId::as_str)) {
                    Some(some) => format!(" (such as {})", some.collect::<Vec<_>>().join(", ")),
                    None => String::new(),
                };
                notes.push(format!(
                    "{id} waits for approval: {}{such}, more than the {allowed} of [safety] at_once; until then they stay where they are (--as-live plans it as if it were approved)",
                    campaign.who_moves(many)
                ));
            } else if campaign.state == CampaignState::Test {
                notes.push(format!("{id} is for customers marked as test only"));
            }
        }
        for campaign in numbered(rules) {
            let quota = campaign
                .quota()
                .map(ToString::to_string)
                .unwrap_or_default();
            let id = &campaign.id;
            if by_lot(campaign) && !stage.drawn.draws(campaign) {
                notes.push(format!(
                    "{id}: its quota ({quota}) is kept to; how many enter is foretold, not who is drawn"
                ));
            } else if !by_lot(campaign) {
                notes.push(format!(
                    "{id}: its quota ({quota}) is kept to; how many enter is foretold, not who comes first"
                ));
            }
        }
        for (id, state) in &self.catalogue.files {
            match state {
                FileState::Missing => {
                    notes.push(format!("{id}: its file is gone; its messages wait"))
                }
                FileState::Broken => notes.push(format!("{id}: its file is bad; it enters nobody")),
                FileState::LastGood => {
                    notes.push(format!(
                        "{id}: its file is bad; its last good version goes on"
                    ));
                }
                FileState::Good => {}
            }
        }
        notes
    }
}

/// The campaigns that were asked for, with their controls: those in force, or those of another folder.
async fn campaigns(
    core: &Core,
    question: &Question,
    store: &dyn Store,
    config: Arc<Config>,
    now: Timestamp,
) -> Result<(Catalogue, Arc<Config>), ForecastError> {
    let in_force = core.catalogue();
    let Some(folder) = &question.campaigns else {
        return Ok(((*in_force).clone(), config));
    };
    // What the files are taken with is config.toml as it stands beside them.
    let written = as_written(&config).await;
    let mut other = written.map_err(|bad| {
        ForecastError::Files(
            bad.iter()
                .filter(|p| p.is_error())
                .map(|p| p.to_line())
                .collect(),
        )
    })?;
    other.campaigns.clone_from(folder);
    let (salt, controls) = (in_force.rules.salt, Arc::clone(&in_force.rules.controls));
    let catalogue = Catalogue::read(&other, store, salt, controls).await?;
    if catalogue.has_errors() {
        let problems = catalogue.problems.iter().filter(|p| p.is_error());
        let mut texts: Vec<String> = problems.map(|p| p.to_line()).collect();
        texts.extend(catalogue.template_problems.iter().map(ToString::to_string));
        return Err(ForecastError::Files(texts));
    }
    let replaced = Replaced {
        rules: &in_force.rules,
        walked: core.has_walked().await,
    };
    let controls = activated(&catalogue, Some(replaced), now);
    Ok((catalogue.with_controls(controls), Arc::new(other)))
}

/// Drafts as if their files said "live".
fn as_live(catalogue: &Catalogue) -> Catalogue {
    let mut rules = (*catalogue.rules).clone();
    let mut changed = false;
    for campaign in rules.campaigns.values_mut() {
        if campaign.state == CampaignState::Draft {
            let mut live = (**campaign).clone();
            live.state = CampaignState::Live;
            // A start of its own: everybody is judged by it.
            live.audience_hash = (!live.audience_hash).max(1);
            *campaign = Arc::new(live);
            changed = true;
        }
    }
    if changed {
        rules.version = (!rules.version).max(1);
    }
    let mut as_live = catalogue.clone();
    as_live.rules = Arc::new(rules);
    as_live
}

/// Whether some are to be walked yet, and how many the walks found so far in the audiences of campaigns that are not live.
async fn walks(
    core: &Core,
    store: &dyn Store,
    rules: &Rules,
) -> Result<(bool, BTreeMap<CampaignId, u64>), ForecastError> {
    let wanted = ShardNo::all().map(keys::walk).collect();
    let rows = store.get_many(wanted).await.map_err(BatchError::from)?;
    let asked_for = core.walks_asked_for().await?;
    let (mut unwalked, mut counted) = (false, BTreeMap::new());
    for row in rows {
        let Some(row) = row else {
            unwalked = true;
            continue;
        };
        let walk: Walk = decode(&row.value).map_err(BatchError::from)?;
        unwalked |= walk.version != rules.version || !walk.done || walk.round < asked_for;
        for (id, standing) in walk.existing {
            let same = |hash| hash == standing.hash;
            if rules
                .campaigns
                .get(&id)
                .is_some_and(|c| same(c.audience_hash))
            {
                *counted.entry(id).or_default() += standing.customers;
            }
        }
    }
    Ok((unwalked, counted))
}
