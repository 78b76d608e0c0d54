//! Data files that no campaign names.
//!
//! What else a folder of campaigns may hold (texts, pictures, lists of codes, campaigns laid by in a folder) is none of
//! theirs. Links to folders are not followed, and a tree of more than a person makes is not read to its end.

use super::coupons::CodesFrom;
use super::{Loaded, data_file};
use crate::config::problem::{Problem, Severity};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// So many entries of the folder are looked at.
const MOST: usize = 10_000;

/// A note for each data file in `folder` that no campaign names. While a file is broken nobody knows what it uses, and
/// nothing is told.
pub fn data_files(loaded: &Loaded, folder: &Path) -> Vec<Problem> {
    if loaded.problems.iter().any(Problem::is_error) {
        return Vec::new();
    }
    let codes = loaded.pools.values().filter_map(|pool| match &pool.codes {
        CodesFrom::File(file) => Some(file),
        CodesFrom::Generated { .. } => None,
    });
    // The same file may be written as `data/a.json` and as `data/./a.json`.
    let plain = |name: &String| Path::new(name).components().collect::<PathBuf>();
    let used: BTreeSet<PathBuf> = loaded.sources.data.keys().chain(codes).map(plain).collect();
    let unused = within(folder).into_iter().filter(|f| !used.contains(f));
    unused
        .map(|name| {
            let what = format!("no campaign uses the data file `{}`", name.display());
            let file = folder.join(&name).display().to_string();
            let help = "if it is kept for later, nothing is amiss";
            Problem::of_file(file, what, help).only(Severity::Note)
        })
        .collect()
}

/// The names, from the folder on, of all files that may be data files.
fn within(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    let mut looked = 0;
    while let Some(inner) = folders.pop() {
        // What cannot be read was told by whoever needs it.
        let Ok(entries) = std::fs::read_dir(folder.join(&inner)) else {
            continue;
        };
        for entry in entries.flatten() {
            looked += 1;
            if looked > MOST {
                return found;
            }
            let name = inner.join(entry.file_name());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.file_type() {
                _ if hidden => {}
                Ok(kind) if kind.is_dir() => folders.push(name),
                Ok(_) if is_data(folder, &name) => _ = found.insert(name),
                _ => {}
            }
        }
    }
    found
}

fn is_data(folder: &Path, name: &Path) -> bool {
    let allowed = name.to_str().is_some_and(|n| data_file::allowed(n).is_ok());
    allowed && folder.join(name).is_file() && !is_campaign(&folder.join(name))
}

/// Whether it is a campaign that was laid by, in a folder beside those that run.
fn is_campaign(path: &Path) -> bool {
    let is_toml = path.extension().is_some_and(|kind| kind == "toml");
    let small = std::fs::metadata(path).is_ok_and(|about| about.len() <= data_file::MOST_BYTES);
    if !is_toml || !small {
        return false;
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let read: Option<toml::Table> = toml::from_str(&text).ok();
    read.is_some_and(|read| read.contains_key("step") && read.contains_key("class"))
}
