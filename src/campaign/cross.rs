//! What configuration and campaigns must agree on, and campaigns among each other.

use super::{Loaded, starving};
use crate::config::Config;
use crate::config::problem::{Problem, Severity};
use crate::domain::campaign::{At, Campaign};
use crate::domain::preference::Class;

/// Advertising that really leaves needs a postal address and a way out of it: the page for leaving, or an address to
/// write to.
pub fn check(config: &Config, loaded: &Loaded) -> Vec<Problem> {
    let mut problems = advertised(config, loaded);
    problems.extend(confirmed(config, loaded));
    problems.extend(learning(config, loaded));
    problems.extend(starving::warnings(&config.shop(), loaded));
    problems
}

/// Hours are learned from opens and clicks alone.
fn learning(config: &Config, loaded: &Loaded) -> Option<Problem> {
    let tracking = config.tracking;
    if config.http.public_url.is_some() && (tracking.opens || tracking.clicks) {
        return None;
    }
    let best = |c: &&Campaign| c.steps.iter().any(|s| s.timing.at == Some(At::Best));
    let campaign = loaded.good().find(best)?;
    let problem = Problem::of_file(
        config.path.display().to_string(),
        format!(
            "`{}` says at = \"best\", and neither opens nor clicks are followed: no hour is ever learned, and its mails go as soon as they may",
            campaign.id
        ),
        "under [http], write public_url = \"https://mail.shop.example\" where the daemon's links are reached, and leave `opens` and `clicks` under [tracking]",
    );
    Some(Problem {
        severity: Severity::Warning,
        ..problem
    })
}

/// Without its page nobody can confirm anything.
fn confirmed(config: &Config, loaded: &Loaded) -> Option<Problem> {
    let topic = loaded.topics.values().find(|topic| topic.confirm)?;
    config.http.public_url.is_none().then(|| {
        Problem::of_file(
            config.path.display().to_string(),
            format!("the topic `{}` says `confirm`, and [http] has no `public_url`: nobody could confirm, and nothing of it would ever leave", topic.id),
            "under [http], write public_url = \"https://mail.shop.example\" where the daemon's pages are reached; or remove `confirm` in topics.toml",
        )
    })
}

fn advertised(config: &Config, loaded: &Loaded) -> Vec<Problem> {
    let advertised: Vec<&Campaign> = loaded
        .good()
        .filter(|campaign| {
            campaign
                .steps
                .iter()
                .filter(|s| s.act.is_none())
                .any(|step| {
                    let transport = step.transport.as_deref().or(config.default_transport());
                    step.class == Class::Advertising && transport.is_some_and(|t| config.is_real(t))
                })
        })
        .collect();
    let Some(first) = advertised.first() else {
        return Vec::new();
    };
    let who = match advertised.len() {
        1 => format!("`{}` sends advertising by smtp", first.id),
        n => format!("`{}` and {} more send advertising by smtp", first.id, n - 1),
    };
    let file = config.path.display().to_string();
    let mut problems = Vec::new();
    if config.sender.unsubscribe_mailto.is_none() && config.http.public_url.is_none() {
        problems.push(Problem::of_file(
            &file,
            format!("{who}, and customers have no way to leave: [http] has no `public_url` and [sender] no `unsubscribe_mailto`"),
            "under [http], write public_url = \"https://mail.shop.example\" where the daemon's pages are reached; or under [sender], unsubscribe_mailto = \"unsubscribe@shop.example\" with an address that you read",
        ));
    }
    if config.sender.address.is_none() {
        problems.push(Problem::of_file(
            &file,
            format!("{who}, and [sender] has no postal `address`"),
            "under [sender], write address = \"1 Market Street, Seoul\"",
        ));
    }
    problems
}
