//! An explanation as a text that people read: the customer's own clock, plain words, no codes.
//!
//! Texts of conditions and of policy name instants in UTC, since they don't know whom they are for; here every one of
//! them is said by the customer's clock.

use super::policy::{MessageExplained, PolicyAnswer};
use super::{CampaignExplained, ConditionExplained, Enrollment, Explanation};
use crate::domain::time::Timestamp;
use crate::domain::wall;
use chrono_tz::Tz;

/// How far answers of a column are set in.
const COLUMN: usize = 13;

impl Explanation {
    /// The text, in English, with every instant on the customer's clock.
    pub fn render(&self) -> String {
        render(self)
    }
}

/// See [`Explanation::render`].
pub fn render(explanation: &Explanation) -> String {
    let page = Page {
        zone: explanation.zone,
    };
    let mut lines = vec![format!(
        "{} on {} ({} time)",
        explanation.customer,
        page.at(explanation.now),
        explanation.zone
    )];
    if let Some(why) = &explanation.held {
        lines.push(format!("Nothing leaves to anybody at present: {why}."));
    }
    if explanation.control {
        lines.push("In the control group: gets no advertising from any campaign.".to_owned());
    }
    if explanation.campaigns.is_empty() {
        lines.push("There is no such campaign in force.".to_owned());
    }
    for campaign in &explanation.campaigns {
        lines.push(String::new());
        page.campaign(campaign, &mut lines);
    }
    lines.push(String::new());
    lines.join("\n")
}

struct Page {
    zone: Tz,
}

impl Page {
    fn at(&self, at: Timestamp) -> String {
        if at == Timestamp::NEVER {
            return "never".to_owned();
        }
        let local = wall::local(at, self.zone);
        local.format("%a %-d %b %Y, %H:%M").to_string()
    }

    /// A text with its instants, as [`Timestamp`] prints them, on the customer's clock.
    fn say(&self, text: &str) -> String {
        let of_instant = |c: char| c.is_ascii_digit() || "-:.TZ".contains(c);
        let mut said = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            said.push_str(before);
            let end = from.find(|c| !of_instant(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            let (word, tail) = word.split_at(word.rfind('Z').map_or(word.len(), |z| z + 1));
            match Timestamp::parse_rfc3339(word) {
                Some(at) => said.push_str(&self.at(at)),
                None => said.push_str(word),
            }
            said.push_str(tail);
            rest = after;
        }
        said.push_str(rest);
        said
    }

    fn campaign(&self, campaign: &CampaignExplained, lines: &mut Vec<String>) {
        let mut title = format!(
            "{} ({}), {}",
            campaign.name,
            campaign.campaign,
            campaign.class.as_str()
        );
        if let Some(topic) = &campaign.topic {
            title.push_str(&format!(", topic \"{topic}\""));
        }
        lines.push(title);
        lines.push(labelled("starts", &campaign.start));
        lines.push(labelled("now", &campaign.in_force));
        match &campaign.audience {
            None => lines.push(labelled("audience", "everybody")),
            Some(audience) => {
                let holds = match audience.holds {
                    true => "holds",
                    false => "does not hold",
                };
                lines.push(labelled("audience", holds));
                self.condition(audience, COLUMN + 2, lines);
            }
        }
        for enrollment in &campaign.enrollments {
            self.enrollment(enrollment, lines);
        }
        let may = match campaign.may_enter.may {
            true => "yes",
            false => "no",
        };
        let mut may = format!("{may}: {}", campaign.may_enter.why);
        if let Some(until) = campaign.may_enter.until {
            may.push_str(&format!(", until {}", self.at(until)));
        }
        lines.push(labelled("may enter", &may));
        let next = match campaign.enters {
            Some(at) => format!("{}, on {}", campaign.outlook, self.at(at)),
            None => campaign.outlook.clone(),
        };
        lines.push(labelled("next", &self.say(&next)));
        for message in &campaign.messages {
            self.message(message, campaign.enters.is_some(), lines);
        }
    }

    fn condition(&self, condition: &ConditionExplained, indent: usize, lines: &mut Vec<String>) {
        let mark = match condition.holds {
            true => "yes",
            false => "no ",
        };
        let changes = match condition.until {
            Some(until) => format!("; can change on {}", self.at(until)),
            None => String::new(),
        };
        // A list says what its parts say; of one only how many hold.
        let text = match condition.parts.len() {
            0 | 1 => condition.text.as_str(),
            _ if condition.text.starts_with("any of") => "any of these",
            _ => "all of these",
        };
        // Of "not" the part beneath says what is so.
        let present = match condition.parts.len() {
            1 => String::new(),
            _ => format!(": {}", self.say(&condition.present)),
        };
        lines.push(format!(
            "{}{mark}  {}{present}{changes}",
            " ".repeat(indent),
            self.say(text),
        ));
        for part in &condition.parts {
            self.condition(part, indent + 2, lines);
        }
    }

    fn enrollment(&self, enrollment: &Enrollment, lines: &mut Vec<String>) {
        let key = match enrollment.key.as_str() {
            "" => String::new(),
            key => format!(" for \"{key}\""),
        };
        let step = enrollment.step.as_deref().unwrap_or_default();
        let step = match enrollment.place {
            Some(place) => format!("{place}, \"{step}\","),
            None => format!("\"{step}\""),
        };
        let entered = self.at(enrollment.entered);
        let text = match (enrollment.state, enrollment.at) {
            ("waiting", Some(at)) => {
                let waits = match enrollment.waits_for {
                    Some(_) => "at the latest ",
                    None => "",
                };
                format!(
                    "in it{key} since {entered}; {step} falls due {waits}on {}",
                    self.at(at)
                )
            }
            ("sending", _) => format!("in it{key} since {entered}; {step} is on its way"),
            ("finished", Some(at)) => {
                format!(
                    "was in it{key} from {entered}, and came to its end on {}",
                    self.at(at)
                )
            }
            (_, Some(at)) => format!("was in it{key} from {entered}, and left on {}", self.at(at)),
            ("waiting", None) => format!("in it{key} since {entered}; {step} is next"),
            (state, None) => format!("{state}{key} since {entered}"),
        };
        let held = match enrollment.held_out {
            Some(_) => "; held out, so its messages are not sent",
            None => "",
        };
        lines.push(labelled("entry", &format!("{text}{held}")));
        if let Some(why) = enrollment.stays {
            lines.push(labelled("", why));
        }
        for (label, condition) in [
            ("before if", &enrollment.waits_for),
            ("only if", &enrollment.only_if),
        ] {
            if let Some(condition) = condition {
                lines.push(labelled(label, ""));
                self.condition(condition, COLUMN + 2, lines);
            }
        }
        if !enrollment.exits.is_empty() {
            lines.push(labelled("leaves if", ""));
        }
        for exit in &enrollment.exits {
            self.condition(exit, COLUMN + 2, lines);
        }
    }

    /// `foreseen`: the next entry is, and no mere supposition.
    fn message(&self, message: &MessageExplained, foreseen: bool, lines: &mut Vec<String>) {
        let mut name = format!("\"{}\"", message.step);
        if let Some(variant) = &message.variant {
            name.push_str(&format!(" ({variant})"));
        }
        if message.state == "supposed" {
            name = match foreseen {
                true => format!("then {name}"),
                false => format!("if that happened now, {name}"),
            };
        }
        let because = match message.detail.as_str() {
            "" => message.why.to_owned(),
            detail => format!("{} ({})", message.why, self.say(detail)),
        };
        let text = match (message.answer, message.goes) {
            (PolicyAnswer::Goes, Some(at)) if message.state != "supposed" => {
                format!("{name} goes on {}", self.at(at))
            }
            (PolicyAnswer::Waits, Some(at)) if message.state != "supposed" => format!(
                "{name} is due from {} on, and waits until {}: {because}",
                self.at(message.due),
                self.at(at)
            ),
            (PolicyAnswer::Goes, Some(at)) => format!("{name} would go on {}", self.at(at)),
            (PolicyAnswer::Waits, Some(at)) => format!(
                "{name} would fall due on {}, and wait until {}: {because}",
                self.at(message.due),
                self.at(at)
            ),
            (PolicyAnswer::Goes | PolicyAnswer::Waits, None) => format!("{name} waits: {because}"),
            (PolicyAnswer::Never, _) => format!("{name} would not go: {because}"),
            (PolicyAnswer::Paused, _) => format!("{name} waits until it is resumed: {because}"),
            (PolicyAnswer::UnderWay, _) => format!("{name} is being sent now"),
            (PolicyAnswer::HeldOut, at) => {
                let on = at.map_or_else(String::new, |at| format!(" on {}", self.at(at)));
                let is = match message.state {
                    "supposed" => "would be",
                    _ => "is",
                };
                format!("{name} {is} held out{on}, and not sent: {because}")
            }
        };
        lines.push(labelled("message", &text));
        if let Some(learned) = &message.learned {
            lines.push(labelled("", &format!("its best hour: {learned}")));
        }
        for check in &message.checks {
            let mark = match check.lets_it_go {
                true => "yes",
                false => "no ",
            };
            let from = match check.from {
                Some(from) => format!("; from {} on", self.at(from)),
                None => String::new(),
            };
            let text = format!("{mark}  {}: {}{from}", check.rule, self.say(&check.present));
            lines.push(labelled("", &text));
        }
    }
}

fn labelled(label: &str, text: &str) -> String {
    let line = format!("  {label:<COLUMN$}{text}");
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn instants_in_a_text_are_said_by_the_customers_clock() {
        let page = Page {
            zone: chrono_tz::Tz::Asia__Seoul,
        };
        for (text, said) in [
            (
                "latest 2026-05-01T09:00:00Z, 83d ago",
                "latest Fri 1 May 2026, 18:00, 83d ago",
            ),
            (
                "until 2026-05-01T09:00:00.500Z: hours 08:00-21:00",
                "until Fri 1 May 2026, 18:00: hours 08:00-21:00",
            ),
            (
                "order 7Z, 2026-13-99T00:00:00Z é",
                "order 7Z, 2026-13-99T00:00:00Z é",
            ),
            ("3 of 4 taken", "3 of 4 taken"),
            ("", ""),
        ] {
            assert_eq!(page.say(text), said);
        }
    }
}
