//! How many stand before each step of a campaign: asked with a progress bar, told in words.

use super::failure::Failure;
use super::log::short;
use super::screen::{Screen, counted, grouped};
use super::way::{Way, each_line, query, request, stopped};
use axum::http::Method;
use serde_json::Value;

/// Has every customer read.
pub async fn ask(way: &mut Way, campaign: &str, screen: Screen) -> Result<Value, Failure> {
    let path = query("/campaign/standings", &[("id", Some(campaign))]);
    let response = way.send(request(Method::GET, &path, None)).await?;
    let bar = screen.progress(0, "customers");
    let mut made = Err(Failure::failed("the counting was broken off"));
    each_line(response.into_body(), |line| {
        let mut told: Value = serde_json::from_slice(line)
            .map_err(|e| Failure::failed(format!("the counts were not understood: {e}")))?;
        if let Some(of) = told["progress"]["of"].as_u64() {
            bar.set_length(of);
            bar.set_position(told["progress"]["done"].as_u64().unwrap_or(0));
        } else if told["stopped"].is_string() {
            made = Err(stopped(&told));
        } else {
            made = Ok(told["standings"].take());
        }
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    made
}

fn steps(standing: &Value) -> &[Value] {
    standing["steps"].as_array().map_or(&[], Vec::as_slice)
}

/// Steps that somebody stands before and that the file no longer has.
pub fn gone(standing: &Value) -> impl Iterator<Item = &str> {
    let gone = steps(standing).iter().filter(|s| s["in_file"] == false);
    gone.filter_map(|step| step["id"].as_str())
}

/// What is said of one step, a line each; nothing where nobody counted.
pub fn of_step(standing: &Value, id: &str) -> Vec<String> {
    let step = steps(standing).iter().find(|step| step["id"] == id);
    step.map_or_else(Vec::new, told)
}

fn told(step: &Value) -> Vec<String> {
    let number = |key: &str| step[key].as_u64().unwrap_or(0);
    let mut lines = Vec::new();
    if number("waiting") > 0 {
        let within = [
            ("now", "now"),
            ("hour", "within an hour"),
            ("day", "within a day"),
            ("week", "within 7 days"),
            ("later", "later"),
        ];
        let within = within.map(|(key, when)| (step["due"][key].as_u64().unwrap_or(0), when));
        let within = within.iter().filter(|(many, _)| *many > 0);
        let mut within: Vec<String> = within
            .map(|(many, when)| format!("{} {when}", grouped(*many)))
            .collect();
        if number("unknown") > 0 {
            within.push(format!(
                "{} at a time not known yet (the edit of the steps waits, or the file was gone)",
                grouped(number("unknown"))
            ));
        }
        let verb = match number("waiting") {
            1 => "waits",
            _ => "wait",
        };
        let at = |key: &str| short(step[key].as_str().unwrap_or_default());
        let mut line = format!(
            "{} {verb} for it: {}",
            grouped(number("waiting")),
            within.join(", ")
        );
        if !step["first"].is_null() {
            line.push_str(&format!("; the first {} UTC", at("first")));
        }
        if step["first"] != step["last"] {
            line.push_str(&format!(", the last {}", at("last")));
        }
        lines.push(line);
    }
    if number("sending") > 0 {
        let mut line = counted(number("sending"), "message has", "messages have") + " not left yet";
        for (key, what) in [("held", "held back by a pause"), ("in_doubt", "in doubt")] {
            if number(key) > 0 {
                line.push_str(&format!(", {} {what}", grouped(number(key))));
            }
        }
        lines.push(line);
    }
    if lines.is_empty() {
        lines.push("nobody stands before it".to_owned());
    }
    lines
}
