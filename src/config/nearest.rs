//! The nearest known name to a misspelt one.

/// The known name that `text` was most likely meant to be: alike but for case, spaces, `-` and `_`, or a few letters
/// off (one in four characters, two letters swapped counting as one). `None` where nothing is near.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |t: &str| -> String {
        t.chars()
            .filter(|c| !matches!(c, ' ' | '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = plain(text);
    let length = wanted.chars().count();
    let most = match length {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .filter(|name| *name != text)
        .map(|name| (strsim::osa_distance(&wanted, &plain(name)), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, name)| (*distance, *name))
        .map(|(_, name)| name)
}

/// "did you mean `topic`?", or what there is to choose from, or nothing where nothing is known.
pub fn suggest<'a>(text: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(text, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let mut names: Vec<&str> = known.into_iter().collect();
    names.sort_unstable();
    let rest = names.len().saturating_sub(12);
    match names.as_slice() {
        [] => String::new(),
        [one] => format!("there is only `{one}`"),
        _ => {
            let shown: Vec<String> = names.iter().take(12).map(|n| format!("`{n}`")).collect();
            let more = if rest > 0 {
                format!(" and {rest} more")
            } else {
                String::new()
            };
            format!("there are {}{more}", shown.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{nearest, suggest};

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["topic", "trigger", "template", "Order Completed", "at"];
        for (text, want) in [
            ("topik", Some("topic")),
            ("Topic", Some("topic")),
            ("tirgger", Some("trigger")),
            ("order_completed", Some("Order Completed")),
            ("Order Complete", Some("Order Completed")),
            ("zebra", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known), want, "{text}");
        }
        assert_eq!(suggest("zebra", ["one"]), "there is only `one`");
        assert_eq!(suggest("zebra", []), "");
    }
}
