//! A visitor who turned out to be a customer: which two are meant. Joining them is the engine's.

use crate::domain::id::CustomerId;
use crate::engine::Core;
use crate::engine::intake::json::{Join, Previous};
use crate::engine::merge::AliasError;
use crate::engine::shard::Refused;

/// Joins two. The inner error is for the sender: these two will never be one, however often it is told.
pub async fn join(core: &Core, join: Join) -> Result<Result<(), String>, Refused> {
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
    let [visitor, known] = ids;
    Ok(match (found[0], found[1]) {
        (None, Some(_)) => known,
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
