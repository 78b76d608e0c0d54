//! The helpers that write a text: one function each, given values and the reader's locale and zone. Which there are, and
//! which of them take what is absent, stands in [`super::vocabulary`].
//!
//! They return values, so the engine escapes them as it escapes all else.

use super::{dates, formats};
use chrono_tz::Tz;
use handlebars::{Context, Helper, JsonRender, RenderError, RenderErrorReason};
use serde_json::Value;

/// One use of a helper.
pub(super) struct Call<'a, 'rc> {
    pub name: &'static str,
    pub helper: &'a Helper<'rc>,
    pub context: &'rc Context,
}

impl Call<'_, '_> {
    pub(super) fn wrong(&self, what: String) -> RenderError {
        RenderErrorReason::Other(format!("in `{}`: {what}", self.name)).into()
    }

    /// The nth value. Absent is an error that names the path.
    pub(super) fn value(&self, n: usize) -> Result<&Value, RenderError> {
        let Some(param) = self.helper.param(n) else {
            return Err(self.wrong(format!("value {} is missing", n + 1)));
        };
        if param.is_value_missing() {
            return Err(RenderError::strict_error(param.relative_path()));
        }
        Ok(param.value())
    }

    pub(super) fn text(&self, n: usize) -> Result<String, RenderError> {
        Ok(self.value(n)?.render())
    }

    /// The nth value, if it is there.
    pub(super) fn present(&self, n: usize) -> Option<&Value> {
        let param = self.helper.param(n).filter(|p| !p.is_value_missing());
        param.map(|p| p.value())
    }

    /// The nth value as a number, or as the number that its text spells.
    pub(super) fn number(&self, n: usize) -> Result<f64, RenderError> {
        let value = self.value(n)?;
        let number = match value {
            Value::String(text) => text.trim().replace(',', "").parse().ok(),
            value => value.as_f64(),
        };
        (number.filter(|n: &f64| n.is_finite()))
            .ok_or_else(|| self.wrong(format!("{} is no number", formats::clip(value))))
    }

    /// The nth value, else the one named `name`, else nothing.
    fn option(&self, n: usize, name: &str) -> Result<Option<String>, RenderError> {
        if self.helper.param(n).is_some() {
            return self.text(n).map(Some);
        }
        Ok(self.helper.hash_get(name).map(|v| v.value().render()))
    }

    fn root(&self, name: &str) -> Option<&str> {
        self.context.data().get(name).and_then(Value::as_str)
    }

    fn locale(&self) -> String {
        let own = self.helper.hash_get("locale").map(|v| v.value().render());
        own.unwrap_or_else(|| self.root("locale").unwrap_or("en").to_owned())
    }

    fn zone(&self) -> Result<Tz, RenderError> {
        let own = self.helper.hash_get("zone").map(|v| v.value().render());
        let name = own
            .as_deref()
            .or_else(|| self.root("timezone"))
            .unwrap_or("UTC");
        name.parse()
            .map_err(|_| self.wrong(format!("\"{name}\" is no time zone")))
    }
}

/// `{{default customer.first_name "friend"}}`: the first value that is there and is not blank.
pub(super) fn default(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let texts = call
        .helper
        .params()
        .iter()
        .filter(|p| !p.is_value_missing() && !p.value().is_null());
    Ok(texts
        .map(|p| p.value().render())
        .find(|t| !t.trim().is_empty())
        .unwrap_or_default())
}

/// `{{date entry.at "long"}}`, also `locale="ko"` and `zone="Asia/Seoul"`.
pub(super) fn date(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let style = call
        .option(1, "format")?
        .unwrap_or_else(|| "long".to_owned());
    dates::date(call.value(0)?, &style, &call.locale(), call.zone()?).map_err(|e| call.wrong(e))
}

/// `{{money price currency}}` or `{{money price currency="KRW"}}`.
pub(super) fn money(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let currency = call
        .option(1, "currency")?
        .ok_or_else(|| call.wrong("the currency is missing: {{money price \"USD\"}}".to_owned()))?;
    formats::money(call.value(0)?, &currency, &call.locale()).map_err(|e| call.wrong(e))
}

/// `{{number points}}`, `{{number ratio 2}}`.
pub(super) fn number(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let places = call.option(1, "places")?;
    let places = places.map(|p| {
        p.parse()
            .map_err(|_| call.wrong(format!("\"{p}\" is no number of decimals")))
    });
    formats::number(call.value(0)?, places.transpose()?, &call.locale()).map_err(|e| call.wrong(e))
}

/// `{{plural count "item" "items"}}`.
pub(super) fn plural(call: &Call<'_, '_>) -> Result<String, RenderError> {
    formats::plural(
        call.value(0)?,
        &call.text(1)?,
        &call.text(2)?,
        &call.locale(),
    )
    .map_err(|e| call.wrong(e))
}

/// `{{counter count "개"}}`: number and counter word, nothing between.
pub(super) fn counter(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let number =
        formats::number(call.value(0)?, None, &call.locale()).map_err(|e| call.wrong(e))?;
    Ok(format!("{number}{}", call.text(1)?))
}

/// `{{percent 0.15}}`, `{{percent share 1}}`: a share of one, in hundredths.
pub(super) fn percent(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let places = call.option(1, "places")?;
    let places = places.map_or(Ok(0), |p| {
        p.parse()
            .map_err(|_| call.wrong(format!("\"{p}\" is no number of decimals")))
    })?;
    formats::percent(call.number(0)?, places, &call.locale()).map_err(|e| call.wrong(e))
}

/// `{{days data.until}}`: how far a day is from the day on which the message is written: `tomorrow`, `in 3 days`.
pub(super) fn days(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let now = Value::from(call.root("now").unwrap_or_default());
    dates::days(call.value(0)?, &now, &call.locale(), call.zone()?).map_err(|e| call.wrong(e))
}

/// `{{capitalize customer.first_name}}`: its first letter large.
pub(super) fn capitalize(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let text = call.text(0)?;
    let mut letters = text.chars();
    Ok(match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    })
}

/// `{{josa product.name "을/를"}}`.
pub(super) fn josa(call: &Call<'_, '_>) -> Result<String, RenderError> {
    formats::josa(&call.text(0)?, &call.text(1)?).map_err(|e| call.wrong(e))
}

/// `{{upper text}}`.
pub(super) fn upper(call: &Call<'_, '_>) -> Result<String, RenderError> {
    Ok(call.text(0)?.to_uppercase())
}

/// `{{lower text}}`.
pub(super) fn lower(call: &Call<'_, '_>) -> Result<String, RenderError> {
    Ok(call.text(0)?.to_lowercase())
}

/// `{{truncate text 80}}`: at most so many characters, the last of them an ellipsis where something was cut.
pub(super) fn truncate(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let text = call.text(0)?;
    let most: usize = call
        .text(1)?
        .parse()
        .map_err(|_| call.wrong("the length must be a whole number".to_owned()))?;
    Ok(match text.char_indices().nth(most) {
        None => text,
        Some(_) => {
            let head: String = text.chars().take(most.saturating_sub(1)).collect();
            format!("{}…", head.trim_end())
        }
    })
}

/// `{{join tags ", "}}`.
pub(super) fn join(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let Value::Array(items) = call.value(0)? else {
        return Err(call.wrong("the first value is no list".to_owned()));
    };
    let between = call.option(1, "with")?.unwrap_or_else(|| ", ".to_owned());
    Ok(items
        .iter()
        .map(JsonRender::render)
        .collect::<Vec<_>>()
        .join(&between))
}

/// `{{urlencode text}}`: for a part of an address (RFC 3986 §2.3).
pub(super) fn urlencode(call: &Call<'_, '_>) -> Result<String, RenderError> {
    let mut out = String::new();
    for byte in call.text(0)?.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}
