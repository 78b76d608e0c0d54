//! Reloading: the tree is read once; a bad configuration changes nothing, nor does one by which campaigns in force could
//! not go on; a bad campaign goes on as its last good version.

use crate::config::Config;
use crate::engine::Core;
use crate::engine::shard::Refused;
use crate::engine::taken_away::TakenAway;
use crate::http::admin::{Refusal, Reloaded};
use crate::message::TemplateProblem;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

pub struct Reloader {
    core: Arc<Core>,
    path: PathBuf,
    /// As the daemon was started: what is taken up only at a start is compared with it.
    started_with: Arc<Config>,
    /// One reload at a time.
    reloading: Mutex<()>,
}

impl Reloader {
    pub fn new(core: Arc<Core>) -> Reloader {
        let started_with = core.config();
        Reloader {
            path: started_with.path.clone(),
            started_with,
            core,
            reloading: Mutex::new(()),
        }
    }

    pub async fn reload(&self) -> Result<Reloaded, Refusal> {
        let _one = self.reloading.lock().await;
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(&path)).await;
        let config = match read {
            Ok(Ok(config)) => config,
            Ok(Err(problems)) => {
                for problem in problems.iter().filter(|p| p.is_error()) {
                    tracing::error!(problem = problem.to_line(), "the configuration is bad");
                }
                tracing::error!("nothing was reloaded: the configuration is bad");
                return Ok(Reloaded {
                    problems,
                    ..Reloaded::default()
                });
            }
            Err(error) => {
                return Err(Refusal::bad(format!(
                    "the configuration could not be read: {error}"
                )));
            }
        };
        let later = self.taken_up_later(&config);
        let gap = config.engine.clock_gap;
        let catalogue = match self.core.reload(config).await {
            Err(Refused::TakenAway(taken_away)) => return Ok(self.refused(&taken_away)),
            other => other?,
        };
        self.core.clock.allow(gap);
        for problem in &catalogue.problems {
            let problem_text = problem.to_line();
            if problem.is_error() {
                tracing::error!(problem = problem_text, "a file is bad");
            } else {
                tracing::warn!(problem = problem_text, "a file is doubtful");
            }
        }
        for problem in &catalogue.template_problems {
            tracing::error!(problem = %problem, "a template is bad");
        }
        tracing::info!(
            campaigns = catalogue.rules.campaigns.len(),
            "configuration and campaigns were reloaded"
        );
        Ok(Reloaded {
            problems: catalogue.problems.clone(),
            templates: told_once(&catalogue.template_problems),
            taken: true,
            later,
        })
    }

    fn refused(&self, taken_away: &TakenAway) -> Reloaded {
        let problems = taken_away.told(&self.path);
        for problem in problems.iter().filter(|p| p.is_error()) {
            tracing::error!(problem = problem.to_line(), "the configuration is bad");
        }
        for problem in &taken_away.template_problems {
            tracing::error!(problem = %problem, "a template is bad");
        }
        tracing::error!("nothing was reloaded: campaigns that are in force could not go on");
        Reloaded {
            problems,
            templates: told_once(&taken_away.template_problems),
            ..Reloaded::default()
        }
    }

    fn taken_up_later(&self, new: &Config) -> Vec<String> {
        let old = &self.started_with;
        let at_start_only = |c: &Config| {
            let e = &c.engine;
            let of_relays = (e.relay_aside, e.relay_aside_most, e.relay_faults);
            (e.tick, e.stop_within, e.start_within, of_relays)
        };
        let ports = |config: &Config| {
            let mut http = config.http.clone();
            http.keys.clear();
            http
        };
        [
            ("[store]", old.store == new.store),
            ("[sender]", old.sender == new.sender),
            ("[transport]", old.transports == new.transports),
            ("[tracking]", old.tracking == new.tracking),
            ("[admin]", old.admin == new.admin),
            // Keys are taken up at once.
            ("[http]", ports(old) == ports(new)),
            ("[law]", old.law == new.law),
            ("[engine]", at_start_only(old) == at_start_only(new)),
        ]
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(section, _)| section.to_owned())
        .collect()
    }
}

/// One partial may spoil many campaigns: it is told once.
fn told_once(problems: &[TemplateProblem]) -> Vec<String> {
    let told: BTreeSet<String> = problems.iter().map(ToString::to_string).collect();
    told.into_iter().collect()
}
