//! Files that nobody wrote: the shipped ones, cut and filled at random.

use super::{SEGMENTS, SHIPPED, TOPICS, context, source, sources};
use crate::campaign::compile;
use crate::domain::id::CampaignId;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

fn rounds() -> ProptestConfig {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    ProptestConfig {
        cases: if soak { 20_000 } else { 200 },
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(rounds())]

    /// However a file is mangled: no panic, and a campaign is unusable just when an error says why.
    #[test]
    fn a_mangled_file_is_told_and_never_panics(
        which in 0..5usize,
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0..40usize, ".{0,3}"), 1..4),
    ) {
        let texts = [SHIPPED[0].1, SHIPPED[1].1, SHIPPED[2].1, SEGMENTS, TOPICS];
        let mut text: Vec<char> = texts[which].chars().collect();
        for (at, length, new) in cuts {
            let start = at.index(text.len().max(1)).min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let mut files = sources(&SHIPPED);
        match which {
            3 => files.segments = Some(source("segments", &text)),
            4 => files.topics = Some(source("topics", &text)),
            _ => {
                files.campaigns.insert(CampaignId::parse("mangled").unwrap(), source("mangled", &text));
            }
        }
        let loaded = compile(files, &context());
        for (id, campaign) in &loaded.campaigns {
            let file = format!("{id}.toml");
            let errors = loaded.problems.iter().any(|p| p.is_error() && p.file == file);
            prop_assert_eq!(campaign.is_err(), errors);
        }
        for problem in &loaded.problems {
            problem.render(true);
            problem.to_json();
        }
    }
}
