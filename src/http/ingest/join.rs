//! A visitor who turned out to be a customer: which two are meant. Joining them is the engine's.

use crate::domain::id::CustomerId;
use crate::engine::Core;
use crate::engine::intake::json::{Join, Previous};
use crate::engine::merge::AliasError;
use crate::engine::shard::Refused;
use futures_util::{StreamExt, stream};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many joins are under way at once for one request.
const AT_ONCE: usize = 64;

/// What came of one of several joins; none where it was not begun, since another failed before.
pub type Joined = Option<Result<Result<(), String>, Refused>>;

/// Makes all these joins. Those that speak of one and the same customer are made in turn, the others side by side, since
/// each waits for commits of its own. Nothing is begun once one has failed for now.
pub async fn join_all(core: &Core, joins: Vec<Join>) -> Vec<Joined> {
    let mut done: Vec<Joined> = joins.iter().map(|_| None).collect();
    let failed = AtomicBool::new(false);
    let runs = apart(joins)
        .into_iter()
        .map(|run| in_turn(core, run, &failed));
    let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some(run) = runs.next().await {
        for (at, joined) in run {
            done[at] = Some(joined);
        }
    }
    done
}

async fn in_turn(
    core: &Core,
    run: Vec<(usize, Join)>,
    failed: &AtomicBool,
) -> Vec<(usize, Result<Result<(), String>, Refused>)> {
    let mut done = Vec::with_capacity(run.len());
    for (at, one) in run {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        let joined = join(core, one).await;
        // Who was forgotten stays so; that is no failure.
        if joined.as_ref().is_err_and(|e| *e != Refused::Forgotten) {
            failed.store(true, Ordering::Relaxed);
        }
        done.push((at, joined));
    }
    done
}

/// The joins, by place, in runs that have no customer in common.
fn apart(joins: Vec<Join>) -> Vec<Vec<(usize, Join)>> {
    let mut runs: Vec<Vec<(usize, Join)>> = Vec::new();
    let mut run_of: HashMap<CustomerId, usize> = HashMap::new();
    for (at, join) in joins.into_iter().enumerate() {
        let mut ids = vec![join.user.clone()];
        match &join.previous {
            Previous::Anonymous(visitor) => ids.push(visitor.clone()),
            Previous::Either(visitor, known) => {
                ids.push(visitor.clone());
                ids.extend(known.clone());
            }
        }
        let mut met: Vec<usize> = (ids.iter())
            .filter_map(|id| run_of.get(id).copied())
            .collect();
        met.sort_unstable();
        met.dedup();
        let run = met.first().copied().unwrap_or_else(|| {
            runs.push(Vec::new());
            runs.len() - 1
        });
        // What had nothing in common so far has this one.
        for other in met.into_iter().skip(1) {
            let moved = std::mem::take(&mut runs[other]);
            for no in run_of.values_mut().filter(|no| **no == other) {
                *no = run;
            }
            runs[run].extend(moved);
            runs[run].sort_by_key(|(at, _)| *at);
        }
        run_of.extend(ids.into_iter().map(|id| (id, run)));
        runs[run].push((at, join));
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Joins two. The inner error is for the sender: these two will never be one, however often it is told.
async fn join(core: &Core, join: Join) -> Result<Result<(), String>, Refused> {
    match try_to(core, join).await {
        // One of them cannot be read, or be reacted to: that is so each time it is told, and is theirs alone.
        Err(error @ (Refused::Unreadable(_) | Refused::Data(_))) => {
            tracing::error!(%error, "two customers were not joined");
            Ok(Err(
                "what is stored of one of these two cannot be read".to_owned()
            ))
        }
        answer => answer,
    }
}

async fn try_to(core: &Core, join: Join) -> Result<Result<(), String>, Refused> {
    let Join { previous, user } = join;
    let previous = match previous {
        Previous::Anonymous(visitor) => visitor,
        Previous::Either(visitor, known) => meant(core, visitor, known).await?,
    };
    match previous == user {
        true => Ok(Ok(())),
        false => make_one(core, &previous, &user).await,
    }
}

/// Whom an `alias` means by its `previousId`: a visitor if one was seen under it, else a customer.
async fn meant(
    core: &Core,
    visitor: CustomerId,
    known: Option<CustomerId>,
) -> Result<CustomerId, Refused> {
    let Some(known) = known else {
        return Ok(visitor);
    };
    let ids = [visitor, known];
    let found = core.directory.find(&ids).await?;
    // Whoever was forgotten is not made anew as a visitor of that name.
    let forgotten = match found[..] {
        [None, None] => core.forgotten().ids(&*core.store, &ids).await?,
        _ => Vec::new(),
    };
    let [visitor, known] = ids;
    Ok(match (found[0], found[1]) {
        (None, Some(_)) => known,
        (None, None) if forgotten.last() == Some(&true) => known,
        _ => visitor,
    })
}

/// What the engine has against it is told in the sender's words: it may name ids, which the sender told us.
async fn make_one(
    core: &Core,
    previous: &CustomerId,
    user: &CustomerId,
) -> Result<Result<(), String>, Refused> {
    match core.alias(previous, user).await {
        Ok(_) => Ok(Ok(())),
        Err(AliasError::Refused(error)) => Err(error),
        Err(error @ (AliasError::NotAnonymous(_) | AliasError::BelongsToAnother(_))) => {
            Ok(Err(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerId, Join, Previous, apart};

    #[test]
    fn joins_that_speak_of_one_customer_keep_their_order() {
        let id = |name: &str| CustomerId::parse(name).unwrap();
        let visitor = |name: &str| CustomerId::anonymous(name).unwrap();
        let is = |previous: &str, user: &str| Join {
            previous: Previous::Either(visitor(previous), Some(id(previous))),
            user: id(user),
        };
        // c and e are one through the last but one.
        let joins = [
            ("a", "b"),
            ("c", "d"),
            ("e", "f"),
            ("a", "g"),
            ("d", "e"),
            ("c", "h"),
        ];
        let runs = apart(joins.map(|(previous, user)| is(previous, user)).to_vec());
        let places: Vec<Vec<usize>> = (runs.iter())
            .map(|run| run.iter().map(|(at, _)| *at).collect())
            .collect();
        assert_eq!(places, [vec![0, 3], vec![1, 2, 4, 5]]);
    }
}
