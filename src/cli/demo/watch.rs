//! Watching the demo's campaigns and templates: what is saved is taken up, as `reveille reload` would, unasked.
//!
//! Twice a second it looks at the names, sizes and times of the files that count, which an editor's own (hidden ones,
//! copies with another ending) don't, and reloads once two looks in a row are alike. A service reloads by command only.

use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::reload;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Each file that counts, with its size and when it was changed.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Folders under watch.
pub struct Watch {
    folders: Vec<PathBuf>,
    taken: Seen,
}

impl Watch {
    /// What stands there now has been taken up, or will be by whoever reads it after this.
    pub fn of(folders: Vec<PathBuf>) -> Watch {
        let taken = look(&folders);
        Watch { folders, taken }
    }

    /// Reloads whatever changes, until it is dropped. It says that something is taken up only where it is.
    pub async fn reload(mut self, context: &Context) -> Infallible {
        let mut last = self.taken.clone();
        let mut told: Option<String> = None;
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            let now = look(&self.folders);
            if now != last {
                // Somebody is writing still.
                last = now;
                continue;
            }
            if now == self.taken {
                continue;
            }
            let what = changed(&self.taken, &now);
            let arguments = reload::Arguments::without_comparison();
            match reload::run(&arguments, context).await {
                Ok(()) => {
                    let _ = context.screen.say(&format!("taken up: {what}\n"));
                }
                // What is bad has been printed, and what goes on in its place: the next edit is awaited.
                Err(Failure::BadFiles) => {}
                // The daemon does not listen yet: the next look finds the same.
                Err(Failure::NotFound { .. }) => continue,
                Err(failure) => {
                    // Tried again at each look; told once.
                    let said = failure.to_string();
                    if told.as_ref() != Some(&said) {
                        context.screen.complain(&said);
                        told = Some(said);
                    }
                    continue;
                }
            }
            (self.taken, told) = (now, None);
        }
    }
}

fn changed(before: &Seen, now: &Seen) -> String {
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    let other = (now.iter()).filter(|(path, seen)| before.get(*path) != Some(seen));
    let names = gone.chain(other.map(|(path, _)| path));
    let names = names.filter_map(|path| path.file_name());
    let names: Vec<String> = names.map(|name| name.display().to_string()).collect();
    names.join(", ")
}

fn look(folders: &[PathBuf]) -> Seen {
    let mut seen = Seen::new();
    let mut todo = folders.to_vec();
    while let Some(folder) = todo.pop() {
        // One that cannot be read is told by the reload.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match std::fs::metadata(&path) {
                Ok(told) if told.is_dir() => todo.push(path),
                Ok(told) if counts(&path) => {
                    let _ = seen.insert(path, (told.len(), told.modified().ok()));
                }
                _ => {}
            }
        }
    }
    seen
}

/// Whether the reader of campaigns, data or templates would look at it.
fn counts(path: &Path) -> bool {
    let hidden = |name: &str| name.starts_with(['.', '#', '~']);
    let name = path.file_name().and_then(|name| name.to_str());
    let extension = path.extension().and_then(|e| e.to_str());
    let known = ["toml", "hbs", "json", "csv", "txt"];
    name.is_some_and(|name| !hidden(name)) && extension.is_some_and(|e| known.contains(&e))
}

#[cfg(test)]
mod tests {
    use super::counts;
    use std::path::Path;

    #[test]
    fn what_editors_leave_behind_does_not_count() {
        for path in [
            "a.toml",
            "templates/x.ko.html.hbs",
            "data/look.csv",
            "codes.txt",
        ] {
            assert!(counts(Path::new(path)), "{path}");
        }
        for path in [
            "a.toml~",
            ".a.toml.swp",
            "#a.toml#",
            ".#a.toml",
            "a.toml.tmp",
            "4913",
            "~a.toml",
        ] {
            assert!(!counts(Path::new(path)), "{path}");
        }
    }
}
