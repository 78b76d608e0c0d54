//! A folder as a transport: one `.eml` a message, named after its Message-ID, so that a message that is sent twice is
//! there once; a view of it beside it; and pages that list them, for looking at in a browser.
//!
//! The mails are the truth. `index.jsonl` holds one line a mail in the order in which they came and is mended from the
//! mails at opening. Pages are written behind, at most once in a while, and only the newest one ever changes, so that
//! the cost of a mail does not grow with their number. What the pages look like is in [`super::page`].

use super::Outgoing;
use super::config::FolderConfig;
use super::eml::{Row, file_name, read_mail};
use super::page;
use crate::domain::outcome::{Outcome, RelayPart};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::sleep;

/// Mails on a page. The newest page holds up to twice as many.
const ON_A_PAGE: usize = 500;

const JOURNAL: &str = "index.jsonl";

#[derive(Clone)]
pub(crate) struct Folder {
    inner: Arc<Inner>,
}

struct Inner {
    config: FolderConfig,
    list: Mutex<List>,
    /// For names of temporary files.
    number: AtomicU64,
}

struct List {
    journal: File,
    /// Pages that are full and finished.
    full_pages: usize,
    /// The mails after them, oldest first.
    newest: Vec<Row>,
    /// The newest page lags behind.
    stale: bool,
    /// Somebody is about to write it.
    writer_is_due: bool,
}

impl Folder {
    /// Makes the folder if need be and brings its index in step with the mails in it.
    pub fn open(config: FolderConfig) -> Result<Folder, String> {
        let (rows, journal) = read_journal(&config.path).map_err(|e| {
            format!(
                "the mail folder {} cannot be used: {e}",
                config.path.display()
            )
        })?;
        let inner = Inner {
            list: Mutex::new(List {
                journal,
                full_pages: 0,
                newest: rows,
                stale: true,
                writer_is_due: false,
            }),
            config,
            number: AtomicU64::new(0),
        };
        inner
            .write_pages()
            .map_err(|e| format!("the mail folder cannot be written: {e}"))?;
        Ok(Folder {
            inner: Arc::new(inner),
        })
    }

    /// Writes one message. A folder that cannot be written is a relay fault.
    pub async fn put(&self, mail: &Outgoing) -> Outcome {
        let fault = |why: String| Outcome::RelayFault {
            part: RelayPart::Folder,
            what: format!(
                "the mail folder {} cannot be written: {why}",
                self.inner.config.path.display()
            ),
            reply: None,
        };
        let inner = self.inner.clone();
        let mail = mail.clone();
        let written = tokio::task::spawn_blocking(move || inner.put(&mail)).await;
        match written {
            Ok(Ok((name, write_page))) => {
                if write_page {
                    let inner = self.inner.clone();
                    tokio::spawn(async move {
                        sleep(inner.config.page_every).await;
                        write_behind(inner).await;
                    });
                }
                Outcome::Accepted {
                    reply: format!("written to {name}.eml"),
                }
            }
            Ok(Err(e)) => fault(e.to_string()),
            Err(e) => fault(format!("writing it ended early: {e}")),
        }
    }

    /// Brings the newest page up to date now.
    pub async fn flush(&self) {
        write_behind(self.inner.clone()).await;
    }
}

async fn write_behind(inner: Arc<Inner>) {
    let path = inner.config.path.clone();
    let written = tokio::task::spawn_blocking(move || inner.write_pages()).await;
    if let Ok(Err(e)) = written {
        tracing::warn!(folder = %path.display(), error = %e, "the mail folder's index page cannot be written");
    }
}

impl Inner {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file's name, and whether the caller is to see to it that the page is written.
    fn put(&self, mail: &Outgoing) -> io::Result<(String, bool)> {
        let name = file_name(&mail.message_id);
        let (row, view) = read_mail(&name, &mail.bytes, Some(mail));
        let folder = &self.config.path;
        self.write(&folder.join(format!("{name}.html")), view.as_bytes(), false)?;
        let path = folder.join(format!("{name}.eml"));
        let temporary = self.write_beside(&path, &mail.bytes, self.config.durable)?;

        let mut list = self.list();
        let is_new = !path.exists();
        fs::rename(&temporary, &path)?;
        let mut write_page = false;
        if is_new {
            let mut line = serde_json::to_vec(&row)?;
            line.push(b'\n');
            list.journal.write_all(&line)?;
            list.newest.push(row);
            list.stale = true;
            write_page = !std::mem::replace(&mut list.writer_is_due, true);
        }
        drop(list);
        if self.config.durable {
            File::open(folder)?.sync_all()?;
        }
        Ok((name, write_page))
    }

    /// Writes what changed: pages that became full, then the newest one.
    fn write_pages(&self) -> io::Result<()> {
        let mut list = self.list();
        list.writer_is_due = false;
        if !list.stale {
            return Ok(());
        }
        let folder = &self.config.path;
        while list.newest.len() >= 2 * ON_A_PAGE {
            let number = list.full_pages + 1;
            let text = page::older(&list.newest[..ON_A_PAGE], number);
            let path = folder.join(page::older_name(number));
            self.write(&path, text.as_bytes(), false)?;
            list.newest.drain(..ON_A_PAGE);
            list.full_pages = number;
        }
        let text = page::newest(&list.newest, list.full_pages, ON_A_PAGE);
        self.write(&folder.join("index.html"), text.as_bytes(), false)?;
        list.stale = false;
        Ok(())
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        let temporary = self.write_beside(path, bytes, durable)?;
        fs::rename(temporary, path)
    }

    fn write_beside(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<PathBuf> {
        let number = self.number.fetch_add(1, Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        let mut file = File::create(&temporary)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| if durable { file.sync_all() } else { Ok(()) });
        match written {
            Ok(()) => Ok(temporary),
            Err(e) => {
                // A full disk must not fill up with halves.
                let _ = fs::remove_file(&temporary);
                Err(e)
            }
        }
    }
}

/// The rows of all mails in the folder, oldest first, and the journal, open for appending. A line that cannot be read, a
/// line without its mail and a mail without its line are mended, and temporary files of a killed process removed.
fn read_journal(folder: &Path) -> io::Result<(Vec<Row>, File)> {
    fs::create_dir_all(folder)?;
    let path = folder.join(JOURNAL);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    let mut mails = HashSet::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(mail) = name.strip_suffix(".eml") {
            mails.insert(mail.to_owned());
        } else if name.ends_with(".tmp") {
            fs::remove_file(folder.join(name))?;
        }
    }
    let mut rows = Vec::new();
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        lines += 1;
        let row = line
            .strip_suffix('\n')
            .and_then(|l| serde_json::from_str::<Row>(l).ok());
        // Each mail once, and only while it is there.
        if let Some(row) = row.filter(|row| mails.remove(&row.file)) {
            rows.push(row);
        }
    }
    let in_step = rows.len() == lines && mails.is_empty();
    if !in_step {
        let mut unlisted: Vec<Row> = Vec::new();
        for name in mails {
            let bytes = fs::read(folder.join(format!("{name}.eml")))?;
            let (row, view) = read_mail(&name, &bytes, None);
            fs::write(folder.join(format!("{name}.html")), view)?;
            unlisted.push(row);
        }
        unlisted.sort_by(|a, b| (&a.date, &a.file).cmp(&(&b.date, &b.file)));
        rows.extend(unlisted);
        let mut text = Vec::new();
        for row in &rows {
            serde_json::to_writer(&mut text, row)?;
            text.push(b'\n');
        }
        let temporary = folder.join("index.jsonl.tmp");
        fs::write(&temporary, text)?;
        fs::rename(temporary, &path)?;
    }
    let journal = OpenOptions::new().create(true).append(true).open(&path)?;
    Ok((rows, journal))
}

#[cfg(test)]
mod tests {
    use super::{Folder, FolderConfig, JOURNAL, Outgoing};
    use crate::domain::address::EmailAddress;
    use crate::domain::outcome::{Outcome, RelayPart};
    use std::collections::HashSet;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    fn config(path: &Path) -> FolderConfig {
        FolderConfig {
            path: path.to_owned(),
            durable: false,
            page_every: Duration::from_secs(3_600),
        }
    }

    fn mail(id: &str, subject: &str, html: &str) -> Outgoing {
        let bytes = format!(
            "From: Corner Shop <hello@shop.example>\r\nTo: <mina@shop.example>\r\nSubject: {subject}\r\n\
             Date: Mon, 2 Mar 2026 09:00:00 +0900\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n"
        );
        Outgoing {
            from: EmailAddress::parse("hello@shop.example").unwrap(),
            to: EmailAddress::parse("mina@shop.example").unwrap(),
            message_id: format!("<{id}>"),
            bytes: bytes.into_bytes().into(),
        }
    }

    fn names(path: &Path) -> HashSet<String> {
        fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_mail_is_there_once_byte_for_byte_and_listed_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(config(dir.path())).unwrap();
        let (first, second) = (
            mail("1@shop.example", "First", ""),
            mail("2@shop.example", "Second", ""),
        );
        for m in [&first, &second, &first] {
            assert!(matches!(folder.put(m).await, Outcome::Accepted { .. }));
        }
        folder.flush().await;
        let eml = fs::read(dir.path().join("1@shop.example.eml")).unwrap();
        assert_eq!(eml, first.bytes.to_vec());
        assert_eq!(
            names(dir.path()).len(),
            2 * 2 + 2,
            "{:?}",
            names(dir.path())
        );
        assert_eq!(
            fs::read_to_string(dir.path().join(JOURNAL))
                .unwrap()
                .lines()
                .count(),
            2
        );
        let page = fs::read_to_string(dir.path().join("index.html")).unwrap();
        assert!(page.find("Second").unwrap() < page.find("First").unwrap());
        assert!(
            page.contains("Corner Shop &lt;hello@shop.example&gt;"),
            "{page}"
        );
        assert!(page.contains("href=\"1@shop.example.eml\""), "{page}");
    }

    #[tokio::test]
    async fn hostile_names_and_subjects_stay_text() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(config(dir.path())).unwrap();
        let evil = "<script>alert(1)</script>\"'&";
        folder
            .put(&mail(
                "../../etc/\"><script>x",
                evil,
                "</iframe><script>alert(2)</script>'\">",
            ))
            .await;
        folder.flush().await;
        for name in names(dir.path()).iter().filter(|n| n.ends_with(".html")) {
            let page = fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(!page.contains("<script"), "{name}: {page}");
            assert_eq!(
                page.matches("</iframe>").count(),
                page.matches("<iframe").count()
            );
            assert!(page.contains("Content-Security-Policy"), "{name}");
        }
        assert!(
            names(dir.path())
                .iter()
                .all(|n| !n.contains(['/', '<', '"']))
        );
    }

    #[tokio::test]
    async fn an_index_that_a_crash_left_behind_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(config(dir.path())).unwrap();
        for n in 0..4 {
            folder
                .put(&mail(
                    &format!("{n}@shop.example"),
                    &format!("Number {n}"),
                    "",
                ))
                .await;
        }
        drop(folder);
        let journal = dir.path().join(JOURNAL);
        let text = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, &text[..text.len() - 10]).unwrap();
        fs::remove_file(dir.path().join("1@shop.example.eml")).unwrap();
        fs::write(dir.path().join("x.1-2.tmp"), "half").unwrap();
        drop(Folder::open(config(dir.path())).unwrap());
        let mended = fs::read_to_string(&journal).unwrap();
        let subjects: Vec<_> = ["Number 0", "Number 1", "Number 2", "Number 3"]
            .map(|s| mended.matches(s).count())
            .into();
        assert_eq!(subjects, [1, 0, 1, 1]);
        assert!(!names(dir.path()).contains("x.1-2.tmp"));
    }

    #[tokio::test]
    async fn thousands_stay_on_pages_of_bounded_length() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(config(dir.path())).unwrap();
        for n in 0..1_700 {
            folder
                .put(&mail(&format!("n{n}@shop.example"), "Hello", "<p>x</p>"))
                .await;
            if n == 1_200 {
                folder.flush().await;
            }
        }
        folder.flush().await;
        let count = |name: &str| {
            let page = fs::read_to_string(dir.path().join(name)).unwrap();
            page.matches(".eml\"").count()
        };
        assert_eq!(
            (
                count("older-1.html"),
                count("older-2.html"),
                count("index.html")
            ),
            (500, 500, 700)
        );
        drop(folder);
        // Opened anew, the same.
        drop(Folder::open(config(dir.path())).unwrap());
        assert_eq!((count("older-2.html"), count("index.html")), (500, 700));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_a_relay_fault() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mails");
        let folder = Folder::open(config(&path)).unwrap();
        fs::remove_dir_all(&path).unwrap();
        let outcome = folder.put(&mail("1@shop.example", "x", "")).await;
        assert!(
            matches!(
                outcome,
                Outcome::RelayFault {
                    part: RelayPart::Folder,
                    ..
                }
            ),
            "{outcome:?}"
        );
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Folder::open(config(&file)).is_err());
    }
}
