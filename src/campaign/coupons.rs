//! `coupons.toml`: the pools of coupon codes, and the steps that name them. The codes themselves are read by
//! [`super::codes`], generated ones made by the engine, which knows the store's secret.

use super::keys::{GENERATE, POOL};
use super::names::{Defined, Names};
use crate::config::text::positive;
use crate::config::toml_reader::{Item, Reader, Table};
use crate::domain::coupon::{LETTERS, MOST_CODES, fault, letters_wanted};
use crate::domain::id::PoolName;
use crate::domain::time::Span;
use std::collections::BTreeMap;

/// The longest that a code is good for.
const LONGEST: Span = Span::days(3_660);

/// One pool, as the file has it.
#[derive(Clone, PartialEq, Debug)]
pub struct PoolFile {
    pub name: PoolName,
    pub codes: CodesFrom,
    pub valid: Option<Span>,
    pub most: Option<usize>,
    pub most_each: Option<u32>,
    pub warn_below: Option<u64>,
    pub renamed_from: Option<PoolName>,
}

/// Where a pool's codes come from.
#[derive(Clone, PartialEq, Debug)]
pub enum CodesFrom {
    /// A text file, by its path from the folder of campaigns.
    File(String),
    Generated {
        prefix: String,
        letters: usize,
        count: usize,
    },
}

/// The good pools of the file.
pub fn read_pools(reader: &Reader, defined: &mut Defined) -> BTreeMap<PoolName, PoolFile> {
    let mut pools: BTreeMap<PoolName, PoolFile> = BTreeMap::new();
    reader.free_document(|items| {
        for item in items {
            let before = reader.errors();
            let pool = read_pool(item).filter(|_| reader.errors() == before);
            let pool = pool.filter(|pool| is_apart(item, pool, &pools));
            match pool {
                Some(pool) => _ = pools.insert(pool.name.clone(), pool),
                None => _ = defined.names.insert(item.name.to_owned(), false),
            }
        }
    });
    pools
}

/// Two pools never give the same codes.
fn is_apart(item: &Item<'_>, pool: &PoolFile, others: &BTreeMap<PoolName, PoolFile>) -> bool {
    let same = |other: &&PoolFile| match (&pool.codes, &other.codes) {
        (CodesFrom::File(a), CodesFrom::File(b)) => a == b,
        (
            CodesFrom::Generated {
                prefix, letters, ..
            },
            CodesFrom::Generated {
                prefix: other,
                letters: others,
                ..
            },
        ) => prefix.eq_ignore_ascii_case(other) && letters == others,
        _ => false,
    };
    let Some(other) = others.values().find(same) else {
        return true;
    };
    let help = match &pool.codes {
        CodesFrom::File(_) => "give each pool a file of its own",
        CodesFrom::Generated { .. } => "give each pool a `prefix` of its own",
    };
    let what = format!(
        "the pools `{}` and `{}` would have the same codes",
        other.name, pool.name
    );
    item.reader().error(item.key_span(), what, help);
    false
}

fn read_pool(item: &Item<'_>) -> Option<PoolFile> {
    let name = match PoolName::parse(item.name) {
        Ok(name) => Some(name),
        Err(what) => {
            item.reader().error(item.key_span(), what, "");
            None
        }
    };
    let table = item.table(&POOL)?;
    let codes = read_source(&table);
    let valid = match table.get("valid") {
        None => Some(None),
        Some(item) => item.parsed(good_for).map(Some),
    };
    let whole = |key: &str, most: usize| match table.get(key) {
        None => Some(None),
        Some(item) => item.whole(1, most as i64).map(Some),
    };
    let most = whole("most", MOST_CODES);
    let most_each = whole("most_each", 200);
    let warn_below = match table.get("warn_below") {
        None => Some(None),
        Some(item) => item.whole(0, MOST_CODES as i64).map(Some),
    };
    let renamed_from = match table.get("renamed_from") {
        None => Some(None),
        Some(item) => item.parsed(PoolName::parse).map(Some),
    };
    Some(PoolFile {
        name: name?,
        codes: codes?,
        valid: valid?,
        most: most?.and_then(|n| usize::try_from(n).ok()),
        most_each: most_each?.and_then(|n| u32::try_from(n).ok()),
        warn_below: warn_below?.and_then(|n| u64::try_from(n).ok()),
        renamed_from: renamed_from?,
    })
}

fn good_for(text: &str) -> Result<Span, String> {
    match positive(text)? {
        span if span > LONGEST => Err("it is longer than ten years; write for example 14d".into()),
        span => Ok(span),
    }
}

fn read_source(table: &Table<'_>) -> Option<CodesFrom> {
    match (table.get("file"), table.get("generate")) {
        (Some(file), None) => file.parsed(path).map(CodesFrom::File),
        (None, Some(generate)) => read_generated(&generate),
        (None, None) => {
            table.reader().error(
                table.span(),
                "this pool has no codes",
                "write file = \"codes.txt\", or generate = { prefix = \"TEA-\", length = 8, count = 10000 }",
            );
            None
        }
        (Some(_), Some(generate)) => {
            table.reader().error(
                generate.key_span(),
                "a pool has `file` or `generate`, not both",
                "make two pools of it",
            );
            None
        }
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
        Err("it is no name of a file; write for example \"codes.txt\"".into())
    } else {
        Ok(text.to_owned())
    }
}

fn read_generated(item: &Item<'_>) -> Option<CodesFrom> {
    let table = item.table(&GENERATE)?;
    let prefix = match table.get("prefix") {
        None => Some(String::new()),
        Some(item) => item.parsed(|text| match fault(text) {
            _ if text.is_empty() => Ok(String::new()),
            None if text.len() <= 20 => Ok(text.to_owned()),
            _ => Err("it has up to 20 letters A to Z, digits, \"-\", \"_\" and \".\"; write for example \"TEA-\"".to_owned()),
        }),
    };
    let letters = table.get("length").map_or(Some(8), |item| {
        item.whole(LETTERS.start as i64, LETTERS.end as i64 - 1)
    });
    let count = table
        .required("count", "write count = 10000: how many codes")
        .and_then(|item| item.whole(1, MOST_CODES as i64));
    let letters = usize::try_from(letters?).ok()?;
    let count = usize::try_from(count?).ok()?;
    if let Some(wanted) = letters_wanted(letters, count) {
        let at = table
            .get("length")
            .map_or(item.key_span(), |i| i.key_span());
        item.reader().error(
            at,
            format!(
                "{count} codes of {letters} letters are so close together that trying finds one"
            ),
            format!("write length = {wanted}"),
        );
        return None;
    }
    Some(CodesFrom::Generated {
        prefix: prefix?,
        letters,
        count,
    })
}

/// Reads `coupon` of a step or a variant.
pub fn read_coupon(table: &Table<'_>, names: &Names<'_>) -> Option<Option<PoolName>> {
    let Some(item) = table.get("coupon") else {
        return Some(None);
    };
    let name = names.pool(&item)?;
    PoolName::parse(name).ok().map(Some)
}

/// What is no message to a customer has no code.
pub fn refuse_coupon(table: &Table<'_>) {
    if let Some(item) = table.get("coupon") {
        item.error(
            "only a message to the customer has a coupon",
            "name the coupon in the step that sends it",
        );
    }
}
