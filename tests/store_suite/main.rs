//! The store room as others see it: one conformance suite over every adapter, and for the embedded one what a power
//! cut, a kill, a full disk or a damaged folder may and may not do. `REVEILLE_SOAK=1` runs more rounds of each.

mod conformance;
mod damage;
mod erase;
mod faults;
mod kill;
mod model;
mod power_cut;
mod upkeep;
#[path = "../app/watched.rs"]
mod watched;
mod world;
