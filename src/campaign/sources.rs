//! The files that campaigns are made of, read once as a whole.
//!
//! Everything after this works on these texts, so that a set of files kept elsewhere (the last good version in the
//! store) compiles by the same code as the folder does.

use super::data::named_in;
use super::data_file;
use crate::config::problem::Problem;
use crate::domain::id::CampaignId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A campaign file of more than this was made by no person: 1 MiB.
const MOST_BYTES: u64 = 1 << 20;

/// One file's text and the name that messages give it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    pub file: String,
    pub text: String,
}

/// Can be written to a store and compiled again from there.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sources {
    pub campaigns: BTreeMap<CampaignId, Source>,
    pub segments: Option<Source>,
    pub topics: Option<Source>,
    /// Rules of tags.
    pub tags: Option<Source>,
    /// The data files that campaigns name; of one that cannot be read, why.
    pub data: BTreeMap<String, Result<Source, String>>,
    /// Pools of coupon codes.
    pub coupons: Option<Source>,
}

impl Sources {
    /// Reads every `*.toml` of a folder, not those of folders within it, nor hidden ones. What cannot be read is a
    /// problem and leaves the others as they are.
    pub fn read(folder: &Path) -> (Sources, Vec<Problem>) {
        let mut sources = Sources::default();
        let mut problems = Vec::new();
        let shown = folder.display().to_string();
        let mut paths = Vec::new();
        match std::fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => paths.push(entry.path()),
                        Err(error) => problems.push(unreadable(&shown, &error)),
                    }
                }
            }
            Err(error) => problems.push(unreadable(&shown, &error)),
        }
        paths.sort();
        for path in paths {
            let hidden = path
                .file_name()
                .is_none_or(|name| name.to_string_lossy().starts_with('.'));
            if hidden || path.extension().is_none_or(|e| e != "toml") || path.is_dir() {
                continue;
            }
            let file = path.display().to_string();
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
            if stem == crate::domain::opt_in::CAMPAIGN {
                problems.push(Problem::of_file(
                    file,
                    format!("`{stem}` is the program's own campaign, which asks for confirmations"),
                    "rename the file: its name is the campaign's identity",
                ));
                continue;
            }
            let text = match read_text(&path) {
                Ok(text) => text,
                Err((what, help)) => {
                    problems.push(Problem::of_file(file, what, help));
                    continue;
                }
            };
            let source = Source {
                file: file.clone(),
                text,
            };
            match stem {
                "segments" => sources.segments = Some(source),
                "topics" => sources.topics = Some(source),
                "tags" => sources.tags = Some(source),
                "coupons" => sources.coupons = Some(source),
                _ => match CampaignId::parse(stem) {
                    Ok(id) => {
                        sources.campaigns.insert(id, source);
                    }
                    Err(what) => problems.push(Problem::of_file(
                        file,
                        what,
                        "rename the file: its name is the campaign's identity",
                    )),
                },
            }
        }
        let named = sources.campaigns.values();
        let named: BTreeSet<String> = named.flat_map(|s| named_in(&s.text)).collect();
        sources.data = (named.into_iter())
            .map(|name| {
                let read = data_file::read(folder, &name);
                (name, read)
            })
            .collect();
        (sources, problems)
    }

    /// One campaign's file with the segments, topics and tags it was read beside: what to keep as its last good version.
    pub fn only(&self, id: &CampaignId) -> Sources {
        let own = self.campaigns.get_key_value(id);
        Sources {
            campaigns: own
                .map(|(id, source)| (id.clone(), source.clone()))
                .into_iter()
                .collect(),
            segments: self.segments.clone(),
            topics: self.topics.clone(),
            tags: self.tags.clone(),
            data: (own.iter().flat_map(|(_, source)| named_in(&source.text)))
                .filter_map(|name| self.data.get_key_value(&name))
                .map(|(name, read)| (name.clone(), read.clone()))
                .collect(),
            coupons: self.coupons.clone(),
        }
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> Problem {
    Problem::of_file(file, format!("this cannot be read: {error}"), "")
}

fn read_text(path: &Path) -> Result<String, (String, &'static str)> {
    let failed = |error: std::io::Error| (format!("this cannot be read: {error}"), "");
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MOST_BYTES {
        return Err((
            format!("the file has {size} bytes; a campaign file may have {MOST_BYTES}"),
            "is it a campaign at all?",
        ));
    }
    String::from_utf8(std::fs::read(path).map_err(failed)?)
        .map_err(|_| ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))
}
