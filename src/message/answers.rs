//! Helpers that answer with a value instead of a text, for `{{#if}}`, `{{#each}}` and other helpers to go on with.

use super::words::Call;
use handlebars::{JsonRender, RenderError};
use serde_json::{Value, json};

/// `{{#if (contains customer.tags "vip")}}`: whether a list has that element, or a text that text. What is absent
/// contains nothing.
pub fn contains(call: &Call<'_, '_>) -> Result<Value, RenderError> {
    let wanted = call.text(1)?;
    let holds = match call.present(0) {
        Some(Value::Array(items)) => items.iter().any(|item| item.render() == wanted),
        Some(Value::String(text)) => text.contains(&wanted),
        _ => false,
    };
    Ok(json!(holds))
}

/// `{{#each (take products 3)}}`: the first so many of a list.
pub fn take(call: &Call<'_, '_>) -> Result<Value, RenderError> {
    let Value::Array(items) = call.value(0)? else {
        return Err(call.wrong("the first value is no list".to_owned()));
    };
    let most: usize = (call.text(1)?.parse())
        .map_err(|_| call.wrong("how many must be a whole number".to_owned()))?;
    Ok(items.iter().take(most).cloned().collect())
}

/// `{{money (times price quantity) currency}}`: the product of two numbers, to a millionth.
pub fn times(call: &Call<'_, '_>) -> Result<Value, RenderError> {
    let product = call.number(0)? * call.number(1)?;
    let rounded = (product * 1e6).round() / 1e6;
    if !rounded.is_finite() || rounded.abs() >= 1e15 {
        return Err(call.wrong("the product is too large".to_owned()));
    }
    Ok(match rounded.fract() == 0.0 {
        true => json!(rounded as i64),
        false => json!(rounded),
    })
}
