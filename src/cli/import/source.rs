//! Where the rows of an import come from: a file, a pipe, or what an export of orders was made into.

use super::Arguments;
use super::export;
use crate::cli::failure::Failure;
use crate::engine::intake::encoding::{Decoded, Letters};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Where rows come from.
pub struct Source {
    pub reader: Box<dyn BufRead + Send>,
    /// In bytes; a pipe has none.
    pub size: Option<u64>,
    pub pipe: bool,
    pub path: PathBuf,
    /// Of an export of orders: what its columns were taken for, its header, and the rows that made no order.
    pub export: Option<export::Made>,
}

impl Source {
    /// The rows that an export of orders comes to.
    pub fn of(export: export::Export) -> Result<Source, Failure> {
        let (lines, made) = export.made()?;
        Ok(Source {
            size: Some(lines.len() as u64),
            reader: Box::new(std::io::Cursor::new(lines)),
            pipe: false,
            path: export.told.file,
            export: Some(made),
        })
    }

    /// By which the same file is known when it is imported again, from whatever folder.
    pub fn name(&self) -> String {
        if self.path.as_os_str() == "-" {
            return "standard input".to_owned();
        }
        let whole = std::fs::canonicalize(&self.path);
        whole
            .unwrap_or_else(|_| self.path.clone())
            .display()
            .to_string()
    }

    pub fn open(arguments: &Arguments) -> Result<Source, Failure> {
        let path = arguments.file.clone();
        let letters = export::letters(arguments.encoding.as_deref())?;
        if path.as_os_str() == "-" {
            return Ok(Source {
                reader: read_as(letters, std::io::stdin()),
                size: None,
                pipe: true,
                path,
                export: None,
            });
        }
        let file = opened(&path)?;
        let told = file.metadata().ok().filter(std::fs::Metadata::is_file);
        let reader = read_as(letters, file);
        Ok(Source {
            reader,
            pipe: told.is_none(),
            size: told.map(|m| m.len()),
            path,
            export: None,
        })
    }
}

/// Rows in these letters as UTF-8. What comes by a pipe is not waited for beyond what is there.
fn read_as(letters: Option<Letters>, rows: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    match letters {
        None | Some(Letters::Utf8) => Box::new(BufReader::with_capacity(1 << 16, rows)),
        Some(letters) => Box::new(BufReader::new(Decoded::new(rows, letters))),
    }
}

/// A file to read.
pub fn opened(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Failure::NotFound {
            what: format!("there is no file {}", path.display()),
            hint: String::new(),
        },
        _ => Failure::failed(format!("{} can't be read: {e}", path.display())),
    })
}
