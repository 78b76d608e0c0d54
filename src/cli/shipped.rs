//! The files that the demo and a new project begin with, embedded, so that an installed program needs nothing beside it.

use super::tiers::Tiers;
use std::io;
use std::path::Path;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Paths, relative to the demo's folder, and what they hold.
        pub const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../", $path)))),*];
    };
}

files![
    "campaigns/cart_reminder.toml",
    "campaigns/segments.toml",
    "campaigns/tags.toml",
    "campaigns/topics.toml",
    "campaigns/wake_dormant.toml",
    "campaigns/welcome.toml",
    "templates/cart_reminder.html.hbs",
    "templates/cart_reminder.ko.html.hbs",
    "templates/cart_reminder.ko.txt.hbs",
    "templates/cart_reminder.txt.hbs",
    "templates/confirm_subscription.html.hbs",
    "templates/confirm_subscription.ko.html.hbs",
    "templates/confirm_subscription.ko.txt.hbs",
    "templates/confirm_subscription.txt.hbs",
    "templates/dormant.html.hbs",
    "templates/dormant.ko.html.hbs",
    "templates/dormant.ko.txt.hbs",
    "templates/dormant.txt.hbs",
    "templates/partials/button.html.hbs",
    "templates/partials/footer.html.hbs",
    "templates/partials/footer.ko.html.hbs",
    "templates/partials/footer.ko.txt.hbs",
    "templates/partials/footer.txt.hbs",
    "templates/partials/layout.html.hbs",
    "templates/partials/product.html.hbs",
    "templates/welcome.html.hbs",
    "templates/welcome.ko.html.hbs",
    "templates/welcome.ko.txt.hbs",
    "templates/welcome.txt.hbs",
];

/// Writes campaigns and templates into a folder that is there, with figures that suit the shop, and this as config.toml.
pub fn write(folder: &Path, configuration: &str, tiers: &Tiers) -> io::Result<()> {
    std::fs::write(folder.join("config.toml"), configuration)?;
    for (path, text) in FILES {
        let place = folder.join(path);
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(place, &*tiers.put(path, text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FILES, Tiers, write};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_shipped_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut there = BTreeSet::new();
        let mut folders = vec![root.join("campaigns"), root.join("templates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let path = path.strip_prefix(root).unwrap();
                        there.insert(path.to_str().unwrap().to_owned());
                    }
                }
            }
        }
        let embedded: BTreeSet<String> = FILES.iter().map(|(p, _)| (*p).to_owned()).collect();
        assert_eq!(there, embedded);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "", &Tiers::usual(None)).unwrap();
        assert!(
            folder
                .path()
                .join("templates/partials/layout.html.hbs")
                .is_file()
        );
    }
}
