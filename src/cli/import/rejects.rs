//! Rows that could not be taken: the first are told by line, all are written to a file that can be mended and imported.

use super::SHOWN;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, plain};
use crate::engine::intake::RowError;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bad rows: the first are shown, all go to a file that can be mended and imported.
pub(super) struct Rejects {
    path: Option<PathBuf>,
    pub(super) header: Option<Vec<u8>>,
    file: Option<BufWriter<File>>,
    count: u64,
    screen: Screen,
    bar: ProgressBar,
    pub(super) error: Option<Failure>,
}

impl Rejects {
    pub(super) fn new(
        source: &Path,
        told: Option<PathBuf>,
        screen: Screen,
        bar: ProgressBar,
    ) -> Rejects {
        let beside = (source.as_os_str() != "-").then(|| {
            let mut name = source.as_os_str().to_owned();
            name.push(".rejected");
            PathBuf::from(name)
        });
        Rejects {
            path: told.or(beside),
            header: None,
            file: None,
            count: 0,
            screen,
            bar,
            error: None,
        }
    }

    pub(super) fn take(&mut self, error: &RowError) {
        self.count += 1;
        if self.count <= SHOWN {
            let text = plain(&error.to_string());
            self.bar.suspend(|| self.screen.complain(&text));
        } else if self.count == SHOWN + 1 {
            let more = match &self.path {
                Some(path) => format!("more bad rows are in {}", path.display()),
                None => "more bad rows are not shown; --rejected PATH keeps them".to_owned(),
            };
            self.bar.suspend(|| self.screen.complain(&more));
        }
        if let Err(error) = self.keep(&error.raw)
            && self.error.is_none()
        {
            self.error = Some(Failure::failed(format!("bad rows can't be kept: {error}")));
        }
    }

    pub(super) fn keep(&mut self, raw: &[u8]) -> std::io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = BufWriter::new(File::create(path)?);
                if let Some(header) = &self.header {
                    file.write_all(header)?;
                    file.write_all(b"\n")?;
                }
                self.file.insert(file)
            }
        };
        file.write_all(raw)?;
        file.write_all(b"\n")
    }

    pub(super) fn finish(&mut self) -> Option<PathBuf> {
        let mut file = self.file.take()?;
        if let Err(error) = file.flush() {
            self.error = Some(Failure::failed(format!("bad rows can't be kept: {error}")));
        }
        self.path.clone()
    }
}
