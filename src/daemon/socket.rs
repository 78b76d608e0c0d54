//! The admin socket: a unix socket that its owner and group may use (0660). One that nobody answers at is replaced; one that somebody
//! answers at is another daemon's, and is left alone.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("another daemon answers at {}", .0.display())]
    InUse(PathBuf),
    #[error("{} is in the way: it is no socket", .0.display())]
    NotASocket(PathBuf),
    #[error("the socket {} cannot be opened: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// The longest path that a unix socket can have on Linux (unix(7)).
const LONGEST: usize = 107;

/// A socket that is listened at; nobody is answered yet.
pub struct Bound {
    pub listener: UnixListener,
    pub file: SocketFile,
}

/// Its file, removed when this is dropped.
pub struct SocketFile(PathBuf);

impl SocketFile {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Whether a daemon listens there.
pub async fn answers(path: &Path) -> bool {
    UnixStream::connect(path).await.is_ok()
}

/// Removes the socket that a daemon which was killed has left; nothing else.
pub async fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|f| f.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    if answers(path).await {
        return Err(SocketError::InUse(path.to_owned()));
    }
    fs::remove_file(path).map_err(|error| SocketError::Io {
        path: path.to_owned(),
        error,
    })
}

/// The socket at `path`, for its owner and group only; its folder is made if it is absent.
pub async fn bind(path: &Path) -> Result<Bound, SocketError> {
    let failed = |error: io::Error| SocketError::Io {
        path: path.to_owned(),
        error,
    };
    if path.as_os_str().len() > LONGEST {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "a socket's path has at most {LONGEST} bytes; set [admin] socket to a shorter one"
            ),
        )));
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {
            if answers(path).await {
                return Err(SocketError::InUse(path.to_owned()));
            }
            fs::remove_file(path).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
        }
        Err(error) => return Err(failed(error)),
    }
    // Made under another name in a moment in which nobody else can know it, so that it is never open to others.
    let making = path.with_extension(format!("{}~", std::process::id()));
    let _ = fs::remove_file(&making);
    let listener = UnixListener::bind(&making).map_err(failed)?;
    fs::set_permissions(&making, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    fs::rename(&making, path).map_err(failed)?;
    Ok(Bound {
        listener,
        file: SocketFile(path.to_owned()),
    })
}
