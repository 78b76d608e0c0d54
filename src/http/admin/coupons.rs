//! Routes about coupons: how the pools stand, and the codes of one, which the shop must know.

use super::{Admin, Refusal};
use crate::domain::id::PoolName;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub struct Named {
    pool: String,
}

/// All codes of one pool, given or not, in the list's order.
pub async fn codes(
    State(admin): State<Admin>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Refusal> {
    let name = PoolName::parse(&named.pool).map_err(Refusal::bad)?;
    let catalogue = admin.core.catalogue();
    let Some(pool) = catalogue.rules.pools.get(&name) else {
        let what = format!("there is no pool of coupons {:?}", name.as_str());
        return Err(Refusal::not_found(what).hint("`reveille coupon list` names them"));
    };
    let codes: Vec<&str> = pool.codes.iter().collect();
    Ok(Json(json!({ "pool": name.as_str(), "codes": codes })))
}

/// Every pool in force, by name.
pub async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!(admin.core.pools().await?)))
}
