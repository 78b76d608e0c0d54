//! Which campaigns can be looked at, and what stands in the way of the others: a file that does not validate spoils nobody
//! else's mails.

use super::stage::Stage;
use super::{Bad, PreviewError};
use crate::domain::campaign::Campaign;
use crate::domain::id::CampaignId;
use crate::engine::catalogue::FileState;
use crate::message::TemplateProblem;
use std::path::Path;
use std::sync::Arc;

impl Stage<'_> {
    /// The campaign of this name, or all; one whose files are bad is told, and not read as its last good version.
    pub fn readable(
        &self,
        id: Option<&CampaignId>,
    ) -> Result<(Vec<Arc<Campaign>>, Vec<Bad>), PreviewError> {
        let catalogue = &self.catalogue;
        let campaigns = &catalogue.rules.campaigns;
        let is_bad = |id: &CampaignId| match catalogue.files.get(id) {
            Some(FileState::Broken | FileState::LastGood) => true,
            Some(FileState::Good | FileState::Missing) | None => false,
        };
        if let Some(id) = id {
            return match (is_bad(id), catalogue.files.get(id), campaigns.get(id)) {
                (true, ..) => Ok((Vec::new(), self.bad(&[id]))),
                (false, Some(FileState::Good), Some(campaign)) => {
                    Ok((vec![Arc::clone(campaign)], Vec::new()))
                }
                _ => Err(self.unknown(id)),
            };
        }
        let good = campaigns.values().filter(|c| !is_bad(&c.id)).cloned();
        let bad: Vec<&CampaignId> = catalogue.files.keys().filter(|id| is_bad(id)).collect();
        Ok((good.collect(), self.bad(&bad)))
    }

    /// The same where nothing may be bad.
    pub fn campaigns(&self, id: Option<&CampaignId>) -> Result<Vec<Arc<Campaign>>, PreviewError> {
        let (good, bad) = self.readable(id)?;
        if bad.is_empty() {
            return Ok(good);
        }
        let names = bad.iter().filter_map(|bad| bad.campaign.as_deref());
        Err(PreviewError::Files {
            campaign: names.collect::<Vec<_>>().join(", "),
            problems: bad.iter().flat_map(|bad| bad.problems.clone()).collect(),
        })
    }

    fn unknown(&self, id: &CampaignId) -> PreviewError {
        let names = self.catalogue.rules.campaigns.keys();
        let names: Vec<&str> = names.map(|id| id.as_str()).collect();
        let folder = self.config().campaigns.display();
        PreviewError::Unknown(
            format!("there is no campaign {id} in {folder}"),
            format!("there are: {}", names.join(", ")),
        )
    }

    /// What is wrong with these campaigns' files and what their mails want, and once with other templates: theirs may be
    /// among them.
    fn bad(&self, ids: &[&CampaignId]) -> Vec<Bad> {
        let catalogue = &self.catalogue;
        let shown = |p: &TemplateProblem| p.to_string().replace("\n  help: ", "; ");
        let of_campaigns = ids.iter().map(|id| {
            let of_file = |file: &str| {
                let stem = Path::new(file).file_stem();
                stem.is_some_and(|s| s == id.as_str())
            };
            let errors = catalogue.problems.iter().filter(|p| p.is_error());
            let own = errors.filter(|p| of_file(&p.file)).map(|p| p.to_line());
            let templates = catalogue.template_problems.iter();
            let templates = templates.filter(|p| p.template == id.as_str()).map(shown);
            Bad {
                campaign: Some(id.to_string()),
                problems: own.chain(templates).collect(),
            }
        });
        let mut bad: Vec<Bad> = of_campaigns.collect();
        let is_told =
            |p: &&TemplateProblem| bad.iter().any(|b| b.campaign.as_ref() == Some(&p.template));
        let others = catalogue.template_problems.iter();
        let problems: Vec<String> = others.filter(|p| !is_told(p)).map(shown).collect();
        if !ids.is_empty() && !problems.is_empty() {
            bad.push(Bad {
                campaign: None,
                problems,
            });
        }
        bad
    }
}
