//! Secrets come from files and systemd's credentials, never from the configuration, the environment or arguments,
//! and are never printed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A text that must not be seen: `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a password is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PasswordSource {
    /// A file that holds the password and nothing else, as [`read_secret`] reads it.
    File(PathBuf),
    /// The name of a systemd credential (`LoadCredential=`), a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl PasswordSource {
    /// The file that holds it: a credential's is in `$CREDENTIALS_DIRECTORY`. For those who read it at each log-in.
    pub fn path(&self) -> Result<PathBuf, String> {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        self.path_in(folder.as_deref())
    }

    fn path_in(&self, credentials: Option<&Path>) -> Result<PathBuf, String> {
        match self {
            PasswordSource::File(path) => Ok(path.clone()),
            PasswordSource::Credential(name) => Ok(credentials
                .ok_or_else(|| {
                    format!(
                        "the credential \"{name}\" cannot be read: $CREDENTIALS_DIRECTORY is not set; \
                         start the daemon by systemd with LoadCredential={name}:FILE, or use password_file"
                    )
                })?
                .join(name)),
        }
    }

    /// Reads it, now.
    pub fn read(&self) -> Result<Secret, Unreadable> {
        read_secret(&self.path().map_err(Unreadable::NotHere)?)
    }
}

/// Why a password could not be had. The text names the file, never what is in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Perhaps only by this process: the file is not for its user, the credential is there under systemd only.
    #[error("{0}")]
    NotHere(String),
    /// Whoever reads it finds this.
    #[error("{0}")]
    Wrong(String),
}

/// The password in a file: all of it but one newline (LF or CRLF) at its end, which editors put there. Spaces are part
/// of it. A file that is empty or has several lines holds no password. The one way in which `check` and each log-in read.
pub fn read_secret(path: &Path) -> Result<Secret, Unreadable> {
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let text = format!("the password file {place} cannot be read: {error}");
        match error.kind() {
            io::ErrorKind::PermissionDenied => Unreadable::NotHere(text),
            _ => Unreadable::Wrong(text),
        }
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Unreadable::Wrong(format!(
            "the password file {place} is empty; it must hold the password"
        )));
    }
    if line.contains(['\n', '\r', '\0']) {
        return Err(Unreadable::Wrong(format!(
            "the password file {place} has more than one line; it must hold the password and nothing else"
        )));
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::{PasswordSource, Secret, Unreadable, read_secret};

    #[test]
    fn a_secret_is_read_from_its_file_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("relay"), "hunter two\n").unwrap();
        let by_name = PasswordSource::Credential("relay".into());
        let there = by_name.path_in(Some(folder.path())).unwrap();
        let secret = read_secret(&there).unwrap();
        assert_eq!(secret, Secret::new("hunter two"));
        assert_eq!(format!("{secret:?}"), "***");
        let by_path = PasswordSource::File(folder.path().join("relay"));
        assert_eq!(by_path.read().unwrap(), secret);

        let error = by_name.path_in(None).unwrap_err();
        assert!(error.contains("LoadCredential=relay"));
        let none = PasswordSource::File(folder.path().join("none"));
        let Err(Unreadable::Wrong(error)) = none.read() else {
            panic!("a file that is not there was read");
        };
        assert!(error.contains("none"), "{error}");
    }

    #[test]
    fn one_newline_at_the_end_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_secret(&path)
        };
        for text in ["hunter two", "hunter two\n", "hunter two\r\n"] {
            assert_eq!(read(text), Ok(Secret::new("hunter two")), "{text:?}");
        }
        assert_eq!(read(" a b \n"), Ok(Secret::new(" a b ")));
        for text in [
            "hunter\n\n",
            "\nhunter\n",
            "hunter\ntwo\n",
            "hunter\r\n\r\n",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("more than one line"), "{text:?}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
        for text in ["", "\n", "\r\n"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("is empty"), "{text:?}: {error}");
        }
    }
}
