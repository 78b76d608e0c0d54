//! The time zones that customers choose from: places by region, as the tz database names them; what stands there for old
//! programs only (`US/Eastern`, `EST`, `Etc/GMT+3`) is left out, though it is taken.

use chrono_tz::{TZ_VARIANTS, Tz};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const REGIONS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
];

static PLACES: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut regions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        if let Some((region, _)) = zone.name().split_once('/')
            && REGIONS.contains(&region)
        {
            regions.entry(region).or_default().push(zone.name());
        }
    }
    regions.insert("UTC", vec!["UTC"]);
    regions
});

/// The choices, `selected` (a zone's name, or nothing) chosen; one that is not among them stands at the head.
pub fn shown(selected: &str) -> Value {
    let option = |name: &str, text: &str| json!({ "value": name, "name": text.replace('_', " "), "selected": name == selected });
    let mut regions: Vec<Value> = Vec::new();
    let listed = PLACES.values().flatten().any(|name| *name == selected);
    if !listed && selected.parse::<Tz>().is_ok() {
        regions.push(json!({ "name": "·", "zones": [option(selected, selected)] }));
    }
    for (region, names) in PLACES.iter() {
        let zones = names.iter().map(|name| {
            let place = name.split_once('/').map_or(*name, |(_, place)| place);
            option(name, place)
        });
        regions.push(json!({ "name": region, "zones": zones.collect::<Vec<_>>() }));
    }
    Value::from(regions)
}
