//! What a test leaves out where something is missing that not every machine has. Never in silence: it is printed, and
//! recorded in the file that `$REVEILLE_LEFT_OUT` names, which `scripts/test` shows in its summary.

#![allow(dead_code)]

use std::io::Write;
use std::path::Path;

/// Says that this is left out, and why.
pub fn left_out(what: &str, why: &str) {
    let line = format!("left out: {what}: {why}");
    println!("{line}");
    if let Some(record) = std::env::var_os("REVEILLE_LEFT_OUT") {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&record);
        // One write a line: several tests may be at it.
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", Path::new(&record).display()));
    }
}

/// A file of the data beside the checkout, which a user's clone doesn't have. Where its folder is there, so must it be.
pub fn data(name: &str, what: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !folder.is_dir() {
        left_out(what, &format!("../shared/data is not here ({name})"));
        return None;
    }
    let path = folder.join(name);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}
