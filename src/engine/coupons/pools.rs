//! The pools in force: what the files say, with their codes.

use crate::campaign::{CodesFrom, Loaded, PoolFile};
use crate::domain::coupon::{Codes, Pool, Pools, Secret};
use crate::domain::rules::Rules;
use crate::engine::kept_secret::kept_secret;
use crate::engine::shard::Refused;
use crate::store::Store;
use std::sync::Arc;

const SECRET: &str = "coupon_secret";

/// The secret that generated codes are made with, made once with the store and never changed: a code that was given stays
/// the one that it is. None where the store has none yet and is only looked at.
pub async fn secret(store: &dyn Store, make: bool) -> Result<Option<Secret>, Refused> {
    kept_secret(store, SECRET, make, "the secret of coupon codes").await
}

/// The pools of these files; those whose codes could not be read are left out.
pub fn pools_of(loaded: &mut Loaded, secret: Option<Secret>) -> Pools {
    let files = std::mem::take(&mut loaded.codes);
    let made = |codes: &CodesFrom, most: Option<usize>| match codes {
        CodesFrom::File(_) => None,
        CodesFrom::Generated {
            prefix,
            letters,
            count,
        } => {
            let count = most.unwrap_or(*count).min(*count);
            // A store that has none yet is only looked at (one that is worked with got it when it was opened): nothing was
            // ever given out of it, nor will be by this, and their number alone is asked.
            let secret = secret.unwrap_or_default();
            Some(Codes::generated(&secret, prefix, *letters, count))
        }
    };
    let mut pools = Pools::new();
    let mut files = files;
    for (name, file) in &loaded.pools {
        let codes = files.remove(name).or_else(|| made(&file.codes, file.most));
        if let Some(codes) = codes {
            pools.insert(name.clone(), Arc::new(pool(file, codes)));
        }
    }
    pools
}

fn pool(file: &PoolFile, codes: Codes) -> Pool {
    Pool {
        name: file.name.clone(),
        valid: file.valid,
        most_each: file.most_each,
        warn_below: file.warn_below.unwrap_or(codes.len() as u64 / 10),
        renamed_from: file.renamed_from.clone(),
        codes,
    }
}

/// A pool that cannot be read any more goes on as it stood, while a step of a campaign names it.
pub fn keep_former(rules: &mut Arc<Rules>, former: &Rules) {
    let steps = rules.campaigns.values().flat_map(|c| &c.steps);
    let named = steps.flat_map(|s| {
        s.coupon
            .iter()
            .chain(s.variants.iter().filter_map(|v| v.coupon.as_ref()))
    });
    let missing = named.filter(|name| !rules.pools.contains_key(*name));
    let kept: Pools = missing
        .filter_map(|name| Some((name.clone(), Arc::clone(former.pools.get(name)?))))
        .collect();
    if !kept.is_empty() {
        let mut pools = (*rules.pools).clone();
        pools.extend(kept);
        Arc::make_mut(rules).pools = Arc::new(pools);
    }
}
