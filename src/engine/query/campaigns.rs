//! The campaigns as they stand: file, phase, who is due, what comes next.

use crate::config::problem::Problem;
use crate::domain::campaign::{Campaign, CampaignState, Existing, ScheduleZone, Start};
use crate::domain::explain::{next_occurrence, rfc3339, start_words, step_words};
use crate::domain::id::{CampaignId, CustomerId, ShardNo};
use crate::domain::preference::Class;
use crate::domain::record::Record;
use crate::domain::rules::Awaited;
use crate::domain::time::Timestamp;
use crate::domain::wall;
use crate::engine::batch::BatchError;
use crate::engine::catalogue::{Catalogue, FileState};
use crate::engine::core::Core;
use crate::engine::pages::RecordPages;
use crate::engine::shard::Refused;
use crate::engine::state::{Walk, id_of_stored};
use crate::store::codec::decode;
use crate::store::{Direction, keys};
use chrono_tz::Tz;
use serde::Serialize;

/// So many examples are shown of those who would enter.
const EXAMPLES: usize = 5;
/// So many records are looked at for them; who waits for approval has more than one in a hundred.
const LOOKED_AT: usize = 20_000;

/// A campaign as it stands.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CampaignView {
    pub id: CampaignId,
    pub name: String,
    /// `draft`, `test` or `live`, as the file says; none where it can't be read.
    pub state: Option<&'static str>,
    pub class: Option<Class>,
    pub topic: Option<String>,
    pub owner: Option<String>,
    /// What lets customers in, in words.
    pub start: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<StepView>,
    pub file: FileState,
    /// What is wrong with its file or its templates.
    pub problems: Vec<ProblemView>,
    pub phase: Phase,
    /// The next occurrence of its schedule.
    pub next: Option<Next>,
    /// Of a campaign with a schedule: how many would enter at the next occurrence.
    pub due: Option<u64>,
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StepView {
    pub id: String,
    /// What it does, when, and on what condition, in words.
    pub does: String,
}

/// One thing wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ProblemView {
    pub severity: &'static str,
    /// `campaigns/welcome.toml:4:1: unknown key ...`.
    pub text: String,
}

/// Whether a campaign lets customers in, and if not, what it waits for.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    Live {
        #[serde(serialize_with = "rfc3339")]
        since: Timestamp,
    },
    /// Checked and planned; enters nobody.
    Draft,
    /// The customers are being walked; it goes live when that is done.
    Walking {
        done: u64,
        of: u64,
    },
    /// More than `allowed` would enter at once: `campaign approve` lets it.
    AwaitingApproval {
        customers: u64,
        allowed: u64,
        examples: Vec<CustomerId>,
        /// Of an edit of its steps: whom it would move, in words. None: they would enter.
        edit: Option<String>,
    },
    /// An import of history is under way: schedules wait until it ends.
    Importing {
        #[serde(serialize_with = "rfc3339")]
        since: Timestamp,
    },
    /// By name, by class, or with everything else.
    Paused {
        what: &'static str,
    },
    Cancelled,
    /// The file has disappeared: it waits until it is back, or is cancelled.
    Missing,
    /// The file does not validate, and never did.
    Broken,
    /// It has paused itself, for doing too much harm.
    Tripped {
        #[serde(serialize_with = "rfc3339")]
        since: Timestamp,
        why: String,
    },
}

/// An occurrence to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Next {
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// What the clock shows then in `zone`.
    pub local: chrono::NaiveDateTime,
    pub zone: Tz,
    /// Each customer's own clock: the others meet this local time earlier or later.
    pub own_clock: bool,
}

impl Core {
    /// Every campaign that there is a file or a memory of, by id.
    pub async fn campaigns(&self) -> Result<Vec<CampaignView>, Refused> {
        let catalogue = self.catalogue();
        let mut ids: Vec<&CampaignId> = catalogue.files.keys().collect();
        ids.extend(catalogue.rules.controls.cancelled.iter());
        ids.sort_unstable();
        ids.dedup();
        let mut views = Vec::with_capacity(ids.len());
        for id in ids {
            views.push(self.view_of(id, &catalogue).await?);
        }
        Ok(views)
    }

    /// One campaign; none if there is no file and no memory of it.
    pub async fn campaign(&self, id: &CampaignId) -> Result<Option<CampaignView>, Refused> {
        let catalogue = self.catalogue();
        let known =
            catalogue.files.contains_key(id) || catalogue.rules.controls.cancelled.contains(id);
        match known {
            true => Ok(Some(self.view_of(id, &catalogue).await?)),
            false => Ok(None),
        }
    }

    async fn view_of(
        &self,
        id: &CampaignId,
        catalogue: &Catalogue,
    ) -> Result<CampaignView, Refused> {
        let campaign = catalogue.rules.campaigns.get(id).map(|c| &**c);
        let scheduled = campaign.filter(|c| matches!(c.start, Start::Scheduled(_)));
        let due = match scheduled {
            Some(c) => Some(self.count_due(id, c.audience_hash).await?),
            None => None,
        };
        let file = catalogue.files.get(id).copied();
        Ok(CampaignView {
            id: id.clone(),
            name: campaign.map_or_else(|| id.to_string(), |c| c.name.clone()),
            state: campaign.map(|c| match c.state {
                CampaignState::Draft => "draft",
                CampaignState::Test => "test",
                CampaignState::Live => "live",
            }),
            class: campaign.map(|c| c.class),
            topic: campaign
                .and_then(|c| c.topic.as_ref())
                .map(|t| t.to_string()),
            owner: campaign.and_then(|c| c.owner.clone()),
            start: campaign.map(start_words),
            steps: (campaign.iter())
                .flat_map(|c| &c.steps)
                .map(|s| StepView {
                    id: s.id.to_string(),
                    does: step_words(s),
                })
                .collect(),
            file: file.unwrap_or(FileState::Missing),
            problems: problems(id, campaign, catalogue),
            phase: self.phase(id, campaign, file, due, catalogue).await?,
            next: scheduled.and_then(|c| self.next(c, catalogue)),
            due,
        })
    }

    async fn phase(
        &self,
        id: &CampaignId,
        campaign: Option<&Campaign>,
        file: Option<FileState>,
        due: Option<u64>,
        catalogue: &Catalogue,
    ) -> Result<Phase, Refused> {
        let controls = &catalogue.rules.controls;
        if controls.cancelled.contains(id) {
            return Ok(Phase::Cancelled);
        }
        let Some(campaign) = campaign else {
            return Ok(match file {
                Some(FileState::Broken) => Phase::Broken,
                _ => Phase::Missing,
            });
        };
        if campaign.state == CampaignState::Draft {
            return Ok(Phase::Draft);
        }
        let activation = controls.activations.get(id);
        match controls.awaited(id) {
            Some(Awaited::Entering(activation)) => {
                return Ok(Phase::AwaitingApproval {
                    customers: match due {
                        Some(due) => due,
                        None => (self.count_existing(id, campaign).await?).max(activation.existing),
                    },
                    allowed: self.allowed_at_once().await?,
                    examples: self.examples(id).await?,
                    edit: None,
                });
            }
            Some(Awaited::GoingOn(customers)) => {
                return Ok(Phase::AwaitingApproval {
                    customers,
                    allowed: self.allowed_at_once().await?,
                    examples: self.examples_moved(campaign, &catalogue.rules).await?,
                    edit: Some(campaign.who_moves(customers)),
                });
            }
            None => {}
        }
        if let Some(trip) = controls.tripped.get(id).filter(|_| !controls.paused_all) {
            let (since, why) = (trip.at, trip.to_string());
            return Ok(Phase::Tripped { since, why });
        }
        let paused = [
            (controls.paused_all, "everything is paused"),
            (controls.paused.contains(id), "the campaign is paused"),
            (
                controls.paused_classes.contains(&campaign.class),
                "its class is paused",
            ),
        ];
        if let Some((_, what)) = paused.into_iter().find(|(is, _)| *is) {
            return Ok(Phase::Paused { what });
        }
        let Some(since) = activation.and_then(|a| a.live) else {
            let (done, of) = self.walk_progress().await?;
            return Ok(Phase::Walking { done, of });
        };
        let scheduled = matches!(campaign.start, Start::Scheduled(_));
        Ok(match controls.importing {
            Some(since) if scheduled => Phase::Importing { since },
            _ => Phase::Live { since },
        })
    }

    /// How many customers the walk to the rules in force has met, of how many.
    pub async fn walk_progress(&self) -> Result<(u64, u64), Refused> {
        let version = self.catalogue().rules.version;
        let rows = (self.store)
            .get_many(ShardNo::all().map(keys::walk).collect())
            .await
            .map_err(BatchError::from)?;
        let mut done = 0;
        for value in rows.into_iter().flatten() {
            let walk: Walk = decode(&value.value).map_err(BatchError::from)?;
            if walk.version == version {
                done += walk.walked;
            }
        }
        Ok((done, self.directory.count().await?))
    }

    fn next(&self, campaign: &Campaign, catalogue: &Catalogue) -> Option<Next> {
        let Start::Scheduled(schedule) = &campaign.start else {
            return None;
        };
        let (zone, own_clock) = match schedule.zone {
            ScheduleZone::Fixed(zone) => (zone, false),
            ScheduleZone::Customer => (catalogue.rules.shop.timezone, true),
        };
        let at = next_occurrence(schedule, self.clock.now(), zone)?;
        Some(Next {
            at,
            local: wall::local(at, zone),
            zone,
            own_clock,
        })
    }

    /// Up to five customers who would enter the campaign at once.
    pub async fn examples(&self, id: &CampaignId) -> Result<Vec<CustomerId>, Refused> {
        let catalogue = self.catalogue();
        let Some(campaign) = catalogue.rules.campaigns.get(id) else {
            return Ok(Vec::new());
        };
        match &campaign.start {
            Start::Scheduled(_) => self.examples_due(id, campaign.audience_hash).await,
            Start::Audience if campaign.entry.existing != Existing::Skip => {
                self.examples_existing(id).await
            }
            Start::Audience | Start::Triggered(_) | Start::Dated(_) | Start::Asked => {
                Ok(Vec::new())
            }
        }
    }

    async fn examples_due(&self, id: &CampaignId, hash: u64) -> Result<Vec<CustomerId>, Refused> {
        let mut numbers = Vec::new();
        for shard in ShardNo::all() {
            let range = keys::prefix(keys::due_campaign(shard, id, hash));
            let wanted = EXAMPLES - numbers.len();
            let found = (self.store.scan(range, Direction::Forward, wanted).await)
                .map_err(BatchError::from)?;
            numbers.extend(found.iter().filter_map(|(k, _)| keys::read_due_customer(k)));
            if numbers.len() >= EXAMPLES {
                break;
            }
        }
        let records = numbers.into_iter().map(keys::record).collect();
        let found = (self.store.get_many(records).await).map_err(BatchError::from)?;
        Ok((found.iter().flatten())
            .filter_map(|v| id_of_stored(&v.value))
            .collect())
    }

    async fn examples_existing(&self, id: &CampaignId) -> Result<Vec<CustomerId>, Refused> {
        let mut examples = Vec::new();
        let mut looked_at = 0;
        let mut pages = RecordPages::of(&*self.store);
        while looked_at <= LOOKED_AT
            && let Some(records) = pages.next().await?
        {
            looked_at += records.len();
            let existing = |r: &Record| r.campaigns.get(id).is_some_and(|s| s.existing);
            examples.extend(records.into_iter().filter(existing).map(|r| r.id));
            if examples.len() >= EXAMPLES {
                break;
            }
        }
        examples.truncate(EXAMPLES);
        Ok(examples)
    }
}

/// What is wrong with the campaign's own file, and with the templates that it sends.
fn problems(
    id: &CampaignId,
    campaign: Option<&Campaign>,
    catalogue: &Catalogue,
) -> Vec<ProblemView> {
    let own = |p: &&Problem| {
        let path = std::path::Path::new(&p.file);
        path.file_stem().is_some_and(|stem| stem == id.as_str())
            && path.extension().is_some_and(|e| e == "toml")
    };
    let names: Vec<&str> = (campaign.iter())
        .flat_map(|c| &c.steps)
        .flat_map(|s| {
            let of_variants = s.variants.iter().filter_map(|v| v.template.as_deref());
            std::iter::once(s.template.as_str()).chain(of_variants)
        })
        .collect();
    let of_file = catalogue.problems.iter().filter(own).map(|p| ProblemView {
        severity: p.severity.as_str(),
        text: p.to_line(),
    });
    let of_templates = (catalogue.template_problems.iter())
        .filter(|p| names.contains(&p.template.as_str()) || p.template == id.as_str())
        .map(|p| ProblemView {
            severity: "error",
            text: p.to_string(),
        });
    of_file.chain(of_templates).collect()
}
