//! Stories of one customer (or two) each: what the domain does, told as a marketer would.

#[path = "react_stories/asking.rs"]
mod asking;
#[path = "react_stories/compared.rs"]
mod compared;
#[path = "react_stories/consent.rs"]
mod consent;
#[path = "react_stories/dates.rs"]
mod dates;
#[path = "react_stories/edits.rs"]
mod edits;
#[path = "react_stories/goals.rs"]
mod goals;
#[path = "react_stories/holdouts.rs"]
mod holdouts;
#[path = "react_stories/journey_edits.rs"]
mod journey_edits;
#[path = "react_stories/journeys.rs"]
mod journeys;
#[path = "react_stories/merging.rs"]
mod merging;
#[path = "react_stories/quotas.rs"]
mod quotas;
#[path = "react_stories/renames.rs"]
mod renames;
#[path = "react_stories/sending.rs"]
mod sending;
#[path = "react_stories/starts.rs"]
mod starts;
#[path = "react_stories/tags.rs"]
mod tags;
#[path = "react_stories/triggers.rs"]
mod triggers;
#[path = "react_stories/ways.rs"]
mod ways;
mod world;
