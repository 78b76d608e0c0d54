//! The last good version of each campaign, as the store keeps it.

use crate::domain::id::{CampaignId, LinkName};
use crate::store::codec::{CodecError, Stored, decode, read_body};
use crate::store::{Direction, Key, Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const GOOD: &str = "good/";
const LINKS: &str = "links/";

/// Everything that a campaign was made of when it last validated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Good {
    pub file: String,
    pub text: String,
    pub segments: Option<(String, String)>,
    pub topics: Option<(String, String)>,
    /// Of its templates and all partials, by file name.
    pub templates: BTreeMap<String, String>,
    /// Rules of tags.
    pub tags: Option<(String, String)>,
    /// The data files that it names: each with the name that messages give it, and its text.
    pub data: BTreeMap<String, (String, String)>,
}

/// Before campaigns had data files.
#[derive(Serialize, Deserialize)]
struct Good2 {
    file: String,
    text: String,
    segments: Option<(String, String)>,
    topics: Option<(String, String)>,
    templates: BTreeMap<String, String>,
    tags: Option<(String, String)>,
}

/// Before tags had rules.
#[derive(Serialize, Deserialize)]
struct Good1 {
    file: String,
    text: String,
    segments: Option<(String, String)>,
    topics: Option<(String, String)>,
    templates: BTreeMap<String, String>,
}

impl Stored for Good {
    const WHAT: &'static str = "last good version of a campaign";
    const VERSION: u8 = 3;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, Good1>(body).map(|old| Good {
                file: old.file,
                text: old.text,
                segments: old.segments,
                topics: old.topics,
                templates: old.templates,
                tags: None,
                data: BTreeMap::new(),
            }),
            2 => read_body::<Self, Good2>(body).map(|old| Good {
                file: old.file,
                text: old.text,
                segments: old.segments,
                topics: old.topics,
                templates: old.templates,
                tags: old.tags,
                data: BTreeMap::new(),
            }),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

/// The shop's pages (`[links]`) that a campaign's mails cannot do without, as config.toml named them when the campaign
/// last validated. Only where there are any; beside the version and not of it, since another address makes no new one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GoodLinks(pub BTreeMap<LinkName, String>);

impl Stored for GoodLinks {
    const WHAT: &'static str = "links of a campaign's last good version";
    const VERSION: u8 = 1;
}

/// Where one is kept.
pub fn key(id: &CampaignId) -> Key {
    keys::house(&format!("{GOOD}{id}"))
}

/// Where its links are.
pub fn key_of_links(id: &CampaignId) -> Key {
    keys::house(&format!("{LINKS}{id}"))
}

/// All that are kept.
pub async fn all(store: &dyn Store) -> Result<BTreeMap<CampaignId, Good>, StoreError> {
    read(store, GOOD).await
}

/// The links of all that have some.
pub async fn all_links(store: &dyn Store) -> Result<BTreeMap<CampaignId, GoodLinks>, StoreError> {
    read(store, LINKS).await
}

async fn read<T: Stored>(
    store: &dyn Store,
    below: &str,
) -> Result<BTreeMap<CampaignId, T>, StoreError> {
    let range = keys::house_all(below);
    let skip = range.from.len();
    let rows = store.scan(range, Direction::Forward, usize::MAX).await?;
    let mut kept = BTreeMap::new();
    for (key, value) in rows {
        let id = std::str::from_utf8(&key[skip..])
            .ok()
            .and_then(|t| CampaignId::parse(t).ok());
        match (id, decode::<T>(&value.value)) {
            (Some(id), Ok(good)) => {
                kept.insert(id, good);
            }
            (id, Err(error)) => {
                tracing::warn!(?id, %error, "a campaign's last good version cannot be read")
            }
            (None, Ok(_)) => {}
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::{Good, Good1, Good2};
    use crate::store::codec::{decode, encode};

    #[test]
    fn what_was_kept_before_tags_had_rules_and_campaigns_data_files_is_read() {
        let old = Good1 {
            file: "c.toml".into(),
            text: "name".into(),
            segments: Some(("segments.toml".into(), "s".into())),
            topics: None,
            templates: [("t".to_owned(), "u".to_owned())].into(),
        };
        let bytes = postcard::to_extend(&old, vec![1]).unwrap();
        let read: Good = decode(&bytes).unwrap();
        assert_eq!((read.text.as_str(), &read.tags), ("name", &None));
        assert_eq!(read.templates["t"], "u");
        assert_eq!(encode(&read)[0], 3);
        let old = Good2 {
            file: "c.toml".into(),
            text: "name".into(),
            segments: None,
            topics: None,
            templates: Default::default(),
            tags: Some(("tags.toml".into(), "t".into())),
        };
        let bytes = postcard::to_extend(&old, vec![2]).unwrap();
        let read: Good = decode(&bytes).unwrap();
        assert_eq!(read.tags.unwrap().1, "t");
        assert!(read.data.is_empty());
    }
}
