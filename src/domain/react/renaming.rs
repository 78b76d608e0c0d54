//! Steps and files under other names: whether that is all that an edit did.
//!
//! A journey's hash holds the names that stood in the steps when it was made: the steps' own ids, and, in their conditions
//! and in the segments and tags that these name, those of files and of other files' steps. Each name may since have
//! become another one, or have been another one already: a file that was renamed long ago still says so. So the hash is
//! made for the present steps under every choice of former and present names, of those names alone that stand in them;
//! what a record stands by is only renamed if it is one of these. The steps' own ids need no choice where the record says
//! place by place which of the two each bore.

use super::edits::renamed_steps;
use crate::domain::campaign::{Campaign, Otherwise, Step, journey_of};
use crate::domain::condition::{Condition, Named};
use crate::domain::id::{CampaignId, SegmentName, StepId, TagName};
use crate::domain::rules::Rules;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use xxhash_rust::xxh3::Xxh3;

/// So many names are told apart, which is 4,096 hashes; of more than that the last ones are taken as renamed together.
const MOST: usize = 12;
/// So many answers are remembered.
const REMEMBERED: usize = 64;

thread_local! {
    /// A walk asks the same of every customer who stands in an edited campaign, so it is worked out once: by what it rests
    /// on, hence as good as asked anew.
    static ANSWERS: RefCell<VecDeque<(u64, Rc<BTreeSet<u64>>)>> = const { RefCell::new(VecDeque::new()) };
}

/// Whether the steps are those by which the entries stand, some of them under new ids, or asking about campaigns and
/// steps under their new names: that is no change of the way.
pub(super) fn is_only_renamed(
    (journey, stood_by): (u64, &[StepId]),
    campaign: &Campaign,
    rules: &Rules,
) -> bool {
    let others = stood_by.len() != campaign.steps.len() && !stood_by.is_empty();
    // 0 is "by none".
    if journey == 0 || journey == campaign.journey || others {
        return false;
    }
    journeys_before(campaign, stood_by, rules).contains(&journey)
}

/// What the journey of the campaign's steps was while some of the names in them were those before, as far as the rules
/// know of them. `stood_by`: which ids they bore, if that is known.
pub fn journeys_before(
    campaign: &Campaign,
    stood_by: &[StepId],
    rules: &Rules,
) -> Rc<BTreeSet<u64>> {
    let Some(key) = rests_on(campaign, stood_by, rules) else {
        return Rc::default();
    };
    ANSWERS.with_borrow_mut(|answers| {
        if let Some((_, known)) = answers.iter().find(|(known, _)| *known == key) {
            return Rc::clone(known);
        }
        let mut found = former_journeys(campaign, None, rules);
        if let Some(bore) = bore(campaign, stood_by) {
            found.extend(former_journeys(campaign, Some(&bore), rules));
        }
        let found = Rc::new(found);
        answers.truncate(REMEMBERED - 1);
        answers.push_front((key, Rc::clone(&found)));
        found
    })
}

/// Which id each of the steps bore where it stands, by its present one. None if one of them was never called so.
fn bore(campaign: &Campaign, stood_by: &[StepId]) -> Option<Bore> {
    let former: Bore = (renamed_steps(campaign))
        .map(|(old, new)| (new.clone(), old.clone()))
        .collect();
    let called = |(step, bore): (&Step, &StepId)| {
        let so = step.id == *bore || former.get(&step.id) == Some(bore);
        so.then(|| (step.id.clone(), bore.clone()))
    };
    if stood_by.len() != campaign.steps.len() {
        return None;
    }
    campaign.steps.iter().zip(stood_by).map(called).collect()
}

/// A hash of what the answer rests on: the campaign's steps, and every name that was another one. None if none was.
fn rests_on(campaign: &Campaign, stood_by: &[StepId], rules: &Rules) -> Option<u64> {
    let mut hash = Xxh3::new();
    let mut add = |texts: &[&str]| {
        hash.update(&(texts.len() as u64).to_le_bytes());
        for text in texts {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    };
    let mut any = false;
    for other in rules.campaigns.values().map(|c| &**c).chain([campaign]) {
        if let Some(old) = &other.renamed_from {
            any = true;
            add(&[old.as_str(), other.id.as_str()]);
        }
        for step in &other.steps {
            if let Some(old) = &step.renamed_from {
                any = true;
                add(&[other.id.as_str(), old.as_str(), step.id.as_str()]);
            }
        }
    }
    add(&[campaign.id.as_str()]);
    add(&stood_by.iter().map(StepId::as_str).collect::<Vec<_>>());
    hash.update(&campaign.journey.to_le_bytes());
    hash.update(&rules.version.to_le_bytes());
    any.then(|| hash.digest())
}

/// With the ids that the steps bore, only the other names are chosen among.
fn former_journeys(campaign: &Campaign, bore: Option<&Bore>, rules: &Rules) -> BTreeSet<u64> {
    let parts: Vec<Part> = (campaign.steps.iter())
        .map(|step| Part::of(step, campaign, bore, rules))
        .collect();
    let names: BTreeSet<&Renamed> = parts.iter().flat_map(|p| &p.names).collect();
    let names: Vec<&Renamed> = names.into_iter().collect();
    let bit = |n: usize| 1u32 << n.min(MOST - 1);
    // Which of the names stand in a step, and how it reads by each choice of them.
    let mut written: Vec<(u32, BTreeMap<u32, String>)> = Vec::new();
    for part in &parts {
        let own = (names.iter().enumerate()).filter(|(_, name)| part.names.contains(**name));
        let mask = own.fold(0, |mask, (n, _)| mask | bit(n));
        let mut texts = BTreeMap::new();
        let mut choice = mask;
        loop {
            let chosen = names.iter().enumerate();
            let chosen = chosen.filter(|(n, _)| choice & bit(*n) != 0);
            let chosen: Vec<&Renamed> = chosen.map(|(_, name)| *name).collect();
            texts.insert(choice, part.under(&chosen));
            if choice == 0 {
                break;
            }
            choice = (choice - 1) & mask;
        }
        written.push((mask, texts));
    }
    // By none of them it is the present one, unless its steps bore other ids.
    let choices = u32::from(bore.is_none())..(1u32 << names.len().min(MOST));
    choices
        .map(|choice| {
            let texts = written
                .iter()
                .filter_map(|(mask, t)| t.get(&(choice & mask)));
            journey_of(texts.map(String::as_str))
        })
        .collect()
}

/// Former ids of steps, by the present ones.
type Bore = BTreeMap<StepId, StepId>;

/// A name that the rules know to have been another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Renamed {
    File {
        old: CampaignId,
        new: CampaignId,
    },
    /// A step of the file that bears this name now.
    Step {
        of: CampaignId,
        old: StepId,
        new: StepId,
    },
}

impl Renamed {
    /// Under which id a step of `campaign` was known before.
    fn step(of: &CampaignId, step: &StepId, campaign: &Campaign) -> Option<Renamed> {
        let (old, new) = renamed_steps(campaign).find(|(_, new)| *new == step)?;
        let (of, old, new) = (of.clone(), old.clone(), new.clone());
        Some(Renamed::Step { of, old, new })
    }
}

/// One step, with what its conditions name, and the names in all that.
struct Part<'a> {
    step: Step,
    segments: BTreeMap<SegmentName, Condition>,
    tags: BTreeMap<TagName, Condition>,
    of: CampaignId,
    names: BTreeSet<Renamed>,
    bore: Option<&'a Bore>,
}

impl<'a> Part<'a> {
    fn of(step: &Step, campaign: &Campaign, bore: Option<&'a Bore>, rules: &Rules) -> Part<'a> {
        let mut part = Part {
            step: step.clone(),
            segments: BTreeMap::new(),
            tags: BTreeMap::new(),
            of: campaign.id.clone(),
            names: BTreeSet::new(),
            bore,
        };
        let own = |step: &StepId| match bore {
            Some(_) => None,
            None => Renamed::step(&campaign.id, step, campaign),
        };
        part.names.extend(own(&step.id));
        if let Otherwise::GoTo(to) = &step.otherwise {
            part.names.extend(own(to));
        }
        let timing = step.timing.until.iter();
        for condition in timing.chain(&step.only_if) {
            part.look_into(condition, campaign, rules);
        }
        part
    }

    /// Takes down the names in a condition, and the segments and tags with what they stand for.
    fn look_into(&mut self, condition: &Condition, campaign: &Campaign, rules: &Rules) {
        let mut inner: Vec<&Condition> = Vec::new();
        condition.each_leaf(&mut |leaf| match leaf {
            Condition::Segment(name) => {
                if let Some(meant) = rules.segments.get(name)
                    && self.segments.insert(name.clone(), meant.clone()).is_none()
                {
                    inner.push(meant);
                }
            }
            Condition::Tag(name) => {
                if let Some(meant) = rules.tags.get(name)
                    && self.tags.insert(name.clone(), meant.clone()).is_none()
                {
                    inner.push(meant);
                }
            }
            Condition::Message(message) => {
                let step = |c| Renamed::step(&message.campaign, &message.step, c);
                if self.bore.is_none() || message.campaign != self.of {
                    (self.names).extend(asked(&message.campaign, campaign, rules).and_then(step));
                }
                self.names.extend(file(&message.campaign, campaign, rules));
            }
            Condition::Campaign(other) => {
                self.names.extend(file(&other.campaign, campaign, rules));
            }
            _ => {}
        });
        for condition in inner {
            self.look_into(condition, campaign, rules);
        }
    }

    /// How the step reads in a journey's hash with these names as they were before.
    fn under(&self, names: &[&Renamed]) -> String {
        let mut step = self.step.clone();
        let (mut segments, mut tags) = (self.segments.clone(), self.tags.clone());
        let step_was = |of: &CampaignId, step: &mut StepId| {
            if let Some(bore) = self.bore.filter(|_| *of == self.of) {
                if let Some(former) = bore.get(step) {
                    step.clone_from(former);
                }
                return;
            }
            let former = names.iter().find_map(|name| match name {
                Renamed::Step { of: file, old, new } if file == of && new == step => Some(old),
                _ => None,
            });
            if let Some(old) = former {
                step.clone_from(old);
            }
        };
        let file_was = |file: &mut CampaignId| {
            let former = names.iter().find_map(|name| match name {
                Renamed::File { old, new } if new == file => Some(old),
                _ => None,
            });
            if let Some(old) = former {
                file.clone_from(old);
            }
        };
        step_was(&self.of, &mut step.id);
        if let Otherwise::GoTo(to) = &mut step.otherwise {
            step_was(&self.of, to);
        }
        let own = (step.timing.until.iter_mut()).chain(&mut step.only_if);
        let named = segments.values_mut().chain(tags.values_mut());
        for condition in own.chain(named) {
            condition.each_leaf_mut(&mut |leaf| match leaf {
                Condition::Message(message) => {
                    step_was(&message.campaign, &mut message.step);
                    file_was(&mut message.campaign);
                }
                Condition::Campaign(asked) => file_was(&mut asked.campaign),
                _ => {}
            });
        }
        let named = Named {
            segments: &segments,
            tags: &tags,
        };
        step.journey_part(&named)
    }
}

/// The campaign of that name: this one, or another of the rules.
fn asked<'a>(name: &CampaignId, campaign: &'a Campaign, rules: &'a Rules) -> Option<&'a Campaign> {
    match *name == campaign.id {
        true => Some(campaign),
        false => rules.campaigns.get(name).map(|c| &**c),
    }
}

/// What a file was called before.
fn file(new: &CampaignId, campaign: &Campaign, rules: &Rules) -> Option<Renamed> {
    let old = asked(new, campaign, rules)?.renamed_from.as_ref()?;
    (!rules.campaigns.contains_key(old)).then(|| Renamed::File {
        old: old.clone(),
        new: new.clone(),
    })
}
