//! The unit file as systemd itself reads it: nothing that it would complain of, an exposure of 2.0 or lower, and the
//! user and folders that the unit speaks of are those that sysusers and tmpfiles make.
//!
//! systemd 252 reports a key that it doesn't know on stderr and still exits with 0, so stderr is what counts.

mod left_out;

use left_out::left_out;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BINARY: &str = "/usr/local/bin/reveille";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// What systemd says of the unit; `None` where there is no systemd to ask, which is recorded.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .env("SYSTEMD_LOG_LEVEL", "warning")
        .output();
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            left_out(
                &format!("the unit file, as systemd reads it ({})", arguments[0]),
                "there is no systemd-analyze; it comes with systemd",
            );
            None
        }
        output => Some(output.unwrap()),
    }
}

/// The unit in a folder of its own, its drop-in beside it, with a program that exists in place of ours.
fn staged(drop_in: bool) -> (tempfile::TempDir, PathBuf) {
    let stage = tempfile::tempdir().unwrap();
    let unit = stage.path().join("reveille.service");
    let said = text("reveille.service");
    assert!(said.contains(BINARY));
    std::fs::write(&unit, said.replace(BINARY, "/bin/true")).unwrap();
    if drop_in {
        let beside = stage.path().join("reveille.service.d");
        std::fs::create_dir(&beside).unwrap();
        std::fs::write(
            beside.join("local.conf"),
            text("reveille.service.d/example.conf"),
        )
        .unwrap();
    }
    (stage, unit)
}

/// What it says of this unit. It may complain of others on the machine, which are none of our business.
fn complaints(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines()
        .filter(|line| line.contains("reveille") || line.contains("local.conf"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn systemd_finds_nothing_to_complain_of() {
    for drop_in in [false, true] {
        let (_stage, unit) = staged(drop_in);
        let Some(output) = analyze(&["verify", "--man=no"], &unit) else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        assert_eq!(complaints(&output), "", "with drop-in: {drop_in}");
    }
}

/// Without systemd nothing fails, and nothing is passed over in silence: `scripts/test` shows what was recorded.
#[test]
fn what_is_left_out_is_recorded() {
    let stage = tempfile::tempdir().unwrap();
    let record = stage.path().join("left-out");
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "its_exposure_is_two_or_lower"])
        .env("PATH", stage.path())
        .env("REVEILLE_LEFT_OUT", &record)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(
        std::fs::read_to_string(record).unwrap(),
        "left out: the unit file, as systemd reads it (security): there is no systemd-analyze; it comes with systemd\n"
    );
}

#[test]
fn a_misspelt_key_would_be_noticed() {
    let (_stage, unit) = staged(false);
    let said = std::fs::read_to_string(&unit).unwrap();
    std::fs::write(&unit, said.replace("WatchdogSec=", "WatchdogSecs=")).unwrap();
    let Some(output) = analyze(&["verify", "--man=no"], &unit) else {
        return;
    };
    assert!(complaints(&output).contains("WatchdogSecs"), "{output:?}");
}

#[test]
fn its_exposure_is_two_or_lower() {
    let (_stage, unit) = staged(false);
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=20"];
    let Some(output) = analyze(&arguments, &unit) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.trim().lines().last().unwrap_or_default();
    println!("{last}");
    assert!(output.status.success(), "{last}\n{said}");
}

/// The words of every line `key=...`.
fn values(unit: &str, key: &str) -> Vec<String> {
    unit.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .flat_map(|value| value.split_whitespace().map(String::from))
        .collect()
}

#[test]
fn the_unit_says_what_the_daemon_relies_on() {
    let unit = text("reveille.service");
    assert_eq!(values(&unit, "Type"), ["notify"]);
    assert_eq!(values(&unit, "StateDirectory"), ["reveille"]);
    assert_eq!(values(&unit, "RuntimeDirectory"), ["reveille"]);
    // A bad campaign must not keep the daemon from starting (ARCHITECTURE, invariant 9).
    assert!(values(&unit, "ExecStartPre").contains(&"--settings".into()));
    assert!(values(&unit, "ExecReload").contains(&"reload".into()));
    // However many customers there are, it takes no longer.
    assert!(values(&unit, "ExecReload").contains(&"--no-diff".into()));
    for target in ["network-online.target", "time-sync.target"] {
        assert!(values(&unit, "After").contains(&target.into()), "{target}");
        assert!(values(&unit, "Wants").contains(&target.into()), "{target}");
    }
    // The store reads the boot id, which ProcSubset=pid would hide.
    assert!(values(&unit, "ProcSubset").is_empty());
    // A secret in the environment is in /proc and in every child.
    assert!(values(&unit, "Environment").is_empty());
    assert!(values(&unit, "EnvironmentFile").is_empty());
    let users = text("reveille.sysusers.conf");
    for user in values(&unit, "User") {
        assert!(users.contains(&format!("\nu {user} ")), "{user}");
    }
    for line in text("reveille.tmpfiles.conf").lines() {
        if let Some("d") = line.split_whitespace().next() {
            let group = line.split_whitespace().nth(4).unwrap();
            let made = group == "root" || users.contains(&format!("\ng {group} "));
            assert!(made, "nobody makes the group {group}");
        }
    }
}
