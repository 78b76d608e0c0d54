//! Where the configuration file is found.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The first of: `--config`, `$REVEILLE_CONFIG`, `./config.toml`, `/etc/reveille/config.toml`. The first two are taken
/// at their word; the others only where there is such a file. The error says where it was looked for.
pub fn find(argument: Option<&Path>) -> Result<PathBuf, String> {
    find_among(
        argument,
        std::env::var_os("REVEILLE_CONFIG"),
        &["config.toml", "/etc/reveille/config.toml"],
    )
}

fn find_among(
    argument: Option<&Path>,
    variable: Option<OsString>,
    places: &[&str],
) -> Result<PathBuf, String> {
    if let Some(path) = argument {
        return Ok(path.to_owned());
    }
    if let Some(path) = variable.filter(|v| !v.is_empty()) {
        return Ok(path.into());
    }
    places
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "no configuration found: there is no {}; give one by --config FILE or $REVEILLE_CONFIG",
                places.join(" and no ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::find_among;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_argument_wins_then_the_variable_then_the_first_file_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("b.toml");
        std::fs::write(&there, "").unwrap();
        let there = there.to_str().unwrap();
        let given = Some(Path::new("a.toml"));
        let variable = Some("v.toml".into());
        let find = |g, v: &Option<_>, p: &[&str]| find_among(g, Clone::clone(v), p);
        assert_eq!(find(given, &variable, &[there]), Ok("a.toml".into()));
        assert_eq!(find(None, &variable, &[there]), Ok("v.toml".into()));
        let empty = Some("".into());
        assert_eq!(
            find(None, &empty, &["no/such", there]),
            Ok(PathBuf::from(there))
        );
        let error = find(None, &None, &["no/such", "nor/this"]).unwrap_err();
        assert!(error.contains("no/such and no nor/this"), "{error}");
    }
}
