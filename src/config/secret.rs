//! Secrets come from files and systemd's credentials, never from the configuration, the environment or arguments,
//! and are never printed.

use std::fmt;
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
    /// A file that holds the password on its first line.
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

    /// Reads it, now. The error names the file, never what is in it.
    pub fn read(&self) -> Result<Secret, String> {
        read_secret(&self.path()?)
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the password in {} cannot be read: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or("").trim_end_matches('\r');
    if line.is_empty() {
        return Err(format!(
            "the first line of {} is empty; it must be the password",
            path.display()
        ));
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::{PasswordSource, Secret, read_secret};

    #[test]
    fn a_secret_is_read_from_its_file_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("relay"), "hunter two\nsecond line\n").unwrap();
        let read = |source: &PasswordSource, folder| read_secret(&source.path_in(folder)?);
        let by_name = PasswordSource::Credential("relay".into());
        let secret = read(&by_name, Some(folder.path())).unwrap();
        assert_eq!(secret, Secret::new("hunter two"));
        assert_eq!(format!("{secret:?}"), "***");
        let by_path = PasswordSource::File(folder.path().join("relay"));
        assert_eq!(by_path.read().unwrap(), secret);

        let error = read(&by_name, None).unwrap_err();
        assert!(error.contains("LoadCredential=relay"));
        let none = PasswordSource::File(folder.path().join("none"));
        assert!(none.read().unwrap_err().contains("none"));
        std::fs::write(folder.path().join("empty"), "\nhunter").unwrap();
        let empty = PasswordSource::File(folder.path().join("empty"));
        let error = empty.read().unwrap_err();
        assert!(error.contains("is empty") && !error.contains("hunter"));
    }
}
