//! Whom the edits of journeys will move, told before they do: those who stand in an edited campaign are walked to the files
//! as the engine will walk them, and counted as its guard will count them ([`going_on`](crate::engine::going_on)).
//!
//! Every customer is read once, by a thread of its own at low priority; who stands in none of these campaigns is passed by.
//! Where no file was edited that moves anybody, nobody is read.

use super::hand::{Pass, Wanted};
use super::stage::Scene;
use super::{ForecastError, Question, Run};
use crate::engine::core::Core;
use crate::engine::going_on::{Waits, uncounted};
use crate::engine::shard::Refused;
use crate::engine::written::as_written;
use crate::store::Store;
use crate::store::overlay::OverlayStore;
use std::sync::Arc;

impl Core {
    /// Which of the edits in force wait for approval, or will once their walk has ended.
    pub async fn edits_in_force(&self) -> Result<Vec<Waits>, Refused> {
        let mut waits = match uncounted(&self.catalogue().rules).is_empty() {
            true => Vec::new(),
            false => self.will_wait(Question::default()).await?,
        };
        // The walk itself may have ended meanwhile.
        waits.extend(self.waiting_besides(&waits).await?);
        waits.sort_by(|a, b| a.campaign.cmp(&b.campaign));
        Ok(waits)
    }

    /// Which edits would wait if the files were taken as they stand in their folder. Where some are bad, nothing is said.
    pub async fn edits_in_files(&self) -> Result<Vec<Waits>, Refused> {
        let in_use = self.config();
        let written = as_written(&in_use).await;
        let folder = written.map_or_else(|_| in_use.campaigns.clone(), |c| c.campaigns);
        let question = Question {
            campaigns: Some(folder),
            ..Question::default()
        };
        self.will_wait(question).await
    }

    async fn will_wait(&self, question: Question) -> Result<Vec<Waits>, Refused> {
        let question = Question {
            days: 1,
            running: true,
            ..question
        };
        match self.rehearsed(&question).await {
            Ok(waits) => Ok(waits),
            Err(ForecastError::Files(_)) => Ok(Vec::new()),
            Err(ForecastError::Refused(refused)) => Err(refused),
            Err(other) => Err(Refused::Data(other.to_string())),
        }
    }

    async fn rehearsed(&self, question: &Question) -> Result<Vec<Waits>, ForecastError> {
        let below = Arc::clone(&self.store);
        let store: Arc<dyn Store> = Arc::new(OverlayStore::over(below));
        let scene = Scene::set(self, question, &*store).await?;
        if scene.edited.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = Wanted {
            pass: Pass::Count,
            from: scene.tell_from,
            campaign: None,
            decisions: false,
            undecided: Vec::new(),
            edited: scene.edited.clone(),
        };
        let stage = Arc::new(scene.rehearsal());
        let mut run = Run::apart(self, &store);
        let found = run.pass(&stage, None, &wanted).await?.going_on;
        let allowed = scene.config.safety.at_once.of(scene.base);
        let told = found.into_iter().filter(|(_, f)| f.at_once > allowed);
        Ok(told
            .filter_map(|(id, found)| {
                let campaign = stage.rules.campaigns.get(&id)?;
                Some(Waits::of(campaign, found.at_once, allowed, found.examples))
            })
            .collect())
    }

    /// Those that wait by now and are not told of yet.
    async fn waiting_besides(&self, told: &[Waits]) -> Result<Vec<Waits>, Refused> {
        let rules = Arc::clone(&self.catalogue().rules);
        let controls = &rules.controls;
        let allowed = self.allowed_at_once().await?;
        let mut waits = Vec::new();
        for (id, campaign) in &rules.campaigns {
            let known = told.iter().any(|w| w.campaign == *id);
            let waiting = controls.waiting_to_go_on(id);
            if let Some(many) = waiting.filter(|_| !known && !controls.cancelled.contains(id)) {
                let examples = self.examples_moved(campaign, &rules).await?;
                waits.push(Waits::of(campaign, many, allowed, examples));
            }
        }
        Ok(waits)
    }
}
