//! What a value says, apart from how it is written: for hashes that tell versions of a file apart.

use toml::de::DeValue;

/// Appends a form of `value` that is the same however it is written (order of keys, spaces, comments, radix) and
/// differs where what it says differs.
pub fn canonical(value: &DeValue<'_>, out: &mut Vec<u8>) {
    fn tagged(out: &mut Vec<u8>, tag: u8, text: &str) {
        out.push(tag);
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
    match value {
        DeValue::String(text) => tagged(out, b's', text),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => tagged(out, b'i', &n.to_string()),
            Err(_) => tagged(out, b'I', &n.to_string()),
        },
        DeValue::Float(n) => match n.as_str().parse::<f64>() {
            Ok(n) => tagged(out, b'f', &n.to_string()),
            Err(_) => tagged(out, b'F', n.as_str()),
        },
        DeValue::Boolean(b) => tagged(out, b'b', if *b { "1" } else { "0" }),
        DeValue::Datetime(at) => tagged(out, b'd', &at.to_string()),
        DeValue::Array(items) => {
            tagged(out, b'a', &items.len().to_string());
            items.iter().for_each(|item| canonical(item.get_ref(), out));
        }
        DeValue::Table(map) => {
            tagged(out, b't', &map.len().to_string());
            // The map is ordered by key.
            for (key, value) in map.iter() {
                tagged(out, b'k', key.get_ref());
                canonical(value.get_ref(), out);
            }
        }
    }
}
