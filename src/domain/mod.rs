//! The house's heart: customers, conditions, policy and [`react`]. Pure: no clock, no I/O, no async, no chance that
//! is not a hash.

pub mod address;
pub mod calendar;
pub mod campaign;
pub mod cap;
pub mod cause;
pub mod chance;
pub mod condition;
pub mod consent_ledger;
pub mod coupon;
pub mod engagement;
pub mod event;
pub mod explain;
pub mod id;
pub mod ledger;
pub mod opt_in;
pub mod order;
pub mod outcome;
pub mod policy;
pub mod posted;
pub mod preference;
pub mod react;
pub mod record;
pub mod rules;
pub mod schedule;
pub mod time;
pub mod track;
pub mod value;
pub mod wall;
pub mod window;
