//! The examples, embedded, so that an installed program has them without its source tree.
//!
//! Their segments, tags, topics and partials are those of every new project ([`crate::cli::shipped`]).

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        /// Paths, relative to a project, and what they hold.
        pub const FILES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../../examples/", $path)))),*];
    };
}

files![
    "campaigns/accessory_follow_up.toml",
    "campaigns/before_dormancy.toml",
    "campaigns/birthday.toml",
    "campaigns/browse_abandonment.toml",
    "campaigns/cart_series.toml",
    "campaigns/consent_given.toml",
    "campaigns/consent_reconfirmation.toml",
    "campaigns/consent_withdrawn.toml",
    "campaigns/coupons.toml",
    "campaigns/month_end_digest.toml",
    "campaigns/post_purchase.toml",
    "campaigns/preference_review.toml",
    "campaigns/price_asked.toml",
    "campaigns/price_asked_often.toml",
    "campaigns/product_launch.toml",
    "campaigns/secret_coupon.toml",
    "campaigns/sunset.toml",
    "campaigns/vip_dormant.toml",
    "campaigns/welcome_series.toml",
    "campaigns/win_back.toml",
    "campaigns/data/travel_teapot.toml",
    "templates/accessory_follow_up_ideas.html.hbs",
    "templates/accessory_follow_up_ideas.ko.html.hbs",
    "templates/before_dormancy_hello.html.hbs",
    "templates/before_dormancy_hello.ko.html.hbs",
    "templates/birthday_wish.html.hbs",
    "templates/birthday_wish.ko.html.hbs",
    "templates/browse_abandonment_look.html.hbs",
    "templates/browse_abandonment_look.ko.html.hbs",
    "templates/cart_series_first.html.hbs",
    "templates/cart_series_first.ko.html.hbs",
    "templates/cart_series_second.html.hbs",
    "templates/cart_series_second.ko.html.hbs",
    "templates/consent_given_notice.html.hbs",
    "templates/consent_given_notice.ko.html.hbs",
    "templates/consent_reconfirmation_notice.html.hbs",
    "templates/consent_reconfirmation_notice.ko.html.hbs",
    "templates/consent_withdrawn_notice.html.hbs",
    "templates/consent_withdrawn_notice.ko.html.hbs",
    "templates/month_end_digest_digest.html.hbs",
    "templates/month_end_digest_digest.ko.html.hbs",
    "templates/post_purchase_how.html.hbs",
    "templates/post_purchase_how.ko.html.hbs",
    "templates/preference_review_ask.html.hbs",
    "templates/preference_review_ask.ko.html.hbs",
    "templates/price_asked_answer.html.hbs",
    "templates/price_asked_answer.ko.html.hbs",
    "templates/price_asked_often_offer.html.hbs",
    "templates/price_asked_often_offer.ko.html.hbs",
    "templates/product_launch_soon.html.hbs",
    "templates/product_launch_soon.ko.html.hbs",
    "templates/secret_coupon_offer.html.hbs",
    "templates/secret_coupon_offer.ko.html.hbs",
    "templates/sunset_last_chance.html.hbs",
    "templates/sunset_last_chance.ko.html.hbs",
    "templates/vip_dormant_letter.html.hbs",
    "templates/vip_dormant_letter.ko.html.hbs",
    "templates/welcome_series_gift.html.hbs",
    "templates/welcome_series_gift.ko.html.hbs",
    "templates/welcome_series_hello.html.hbs",
    "templates/welcome_series_hello.ko.html.hbs",
    "templates/win_back_gift.html.hbs",
    "templates/win_back_gift.ko.html.hbs",
    "templates/win_back_hello.html.hbs",
    "templates/win_back_hello.ko.html.hbs",
    "templates/win_back_survey.html.hbs",
    "templates/win_back_survey.ko.html.hbs",
];

/// Tells in a table who gets which.
pub const README: &str = include_str!("../../../examples/README.md");

/// The text of one of them.
pub fn text_of(path: &str) -> Option<&'static str> {
    let found = FILES.iter().find(|(name, _)| *name == path);
    found.map(|(_, text)| *text)
}

/// The campaigns, with a line on each: who gets it, and when.
pub fn campaigns() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| ["));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once(']')?;
        let (_, about) = rest.split_once(" | ")?;
        Some((name, about.trim_end_matches('|').trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::{FILES, campaigns};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_example_is_embedded_and_told_of() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut there = BTreeSet::new();
        let mut folders = vec![root.join("campaigns"), root.join("templates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // What is a link stands beside this folder, and comes with every project.
                if path.is_symlink() {
                    continue;
                }
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let path = path.strip_prefix(&root).unwrap();
                        there.insert(path.to_str().unwrap().to_owned());
                    }
                }
            }
        }
        // These come with every new project ([`crate::cli::shipped`]), in the figures of its money.
        for ours in ["campaigns/segments.toml", "campaigns/tags.toml"] {
            assert!(there.remove(ours), "{ours}");
        }
        let embedded: BTreeSet<String> = FILES.iter().map(|(p, _)| (*p).to_owned()).collect();
        assert_eq!(there, embedded);
        let told: BTreeSet<String> = campaigns()
            .filter(|(_, about)| !about.is_empty())
            .map(|(name, _)| format!("campaigns/{name}.toml"))
            .chain(["campaigns/coupons.toml".to_owned()])
            .collect();
        let in_folder = |p: &&String| p.starts_with("campaigns/") && !p.contains("data/");
        let files: BTreeSet<String> = embedded.iter().filter(in_folder).cloned().collect();
        assert_eq!(told, files);
    }
}
