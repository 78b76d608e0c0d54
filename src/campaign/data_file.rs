//! Data files: JSON, TOML or CSV with a header, in the campaigns' folder or below it.
//!
//! What they may be called, how they are read, and what is wrong with one, with line and column. A name never leads out
//! of the folder, over a link neither: who may write campaigns may not mail the daemon's own files to themselves.

use super::data::from_toml;
use super::sources::Source;
use crate::config::problem::{Place, Problem};
use crate::domain::value::{Properties, Value, properties_from_json};
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::Arc;
use toml::de::DeTable;

/// Every mail of the step carries it through its templates.
pub const MOST_BYTES: u64 = 256 << 10;
/// Where a list stands, which has no name of its own.
const ROWS: &str = "rows";

/// Whether a data file may be called so; else what is wrong, and what to do.
pub fn allowed(name: &str) -> Result<(), (String, String)> {
    let path = Path::new(name);
    let plain = path.components().all(|part| match part {
        Component::Normal(part) => !part.to_string_lossy().starts_with('.'),
        _ => false,
    });
    if name.is_empty() || !plain || name.contains('\\') || name.chars().any(char::is_control) {
        return Err((
            format!("a data file stands in the campaigns' folder or below it; {name:?} does not"),
            "write its name relative to that folder, such as data_file = \"lookbook.json\"".into(),
        ));
    }
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    match kind {
        "json" | "csv" => Ok(()),
        "toml" if path.components().count() > 1 => Ok(()),
        "toml" => Err((
            format!("`{name}` beside the campaigns would be read as a campaign"),
            format!("put it into a folder: data_file = \"data/{name}\""),
        )),
        _ => Err((
            format!("`{name}` is no data file: its name must end in .json, .toml or .csv"),
            "save it as one of these".into(),
        )),
    }
}

/// Reads a data file of `folder`; else what is wrong with it as a whole.
pub fn read(folder: &Path, name: &str) -> Result<Source, String> {
    allowed(name).map_err(|(what, _)| what)?;
    let path = folder.join(name);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file in the campaigns' folder".to_owned(),
        _ => format!("this cannot be read: {error}"),
    };
    let (real, root) = (path.canonicalize(), folder.canonicalize());
    let (real, root) = (real.map_err(failed)?, root.map_err(failed)?);
    if !real.starts_with(root) {
        return Err("this is a link that leads out of the campaigns' folder".to_owned());
    }
    let about = std::fs::metadata(&real).map_err(failed)?;
    if !about.is_file() {
        return Err("this is no file".to_owned());
    }
    if about.len() > MOST_BYTES {
        return Err(format!(
            "the file has {} bytes; a data file may have {MOST_BYTES}",
            about.len()
        ));
    }
    let bytes = std::fs::read(&real).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| "the file is not UTF-8 text; save it as UTF-8".to_owned())?;
    Ok(Source {
        file: path.display().to_string(),
        text,
    })
}

/// What the file says; else the first thing that is wrong with it.
pub fn parse(source: &Source) -> Result<Properties, Box<Problem>> {
    let kind = Path::new(&source.file).extension();
    let read = match kind.and_then(|kind| kind.to_str()) {
        Some("csv") => csv(bare(&source.text)),
        Some("toml") => toml(bare(&source.text)),
        _ => json(bare(&source.text)),
    };
    read.map_err(|(span, what, help)| {
        let text: Arc<str> = bare(&source.text).into();
        Box::new(Problem {
            place: Some(Place::of(&text, span)),
            ..Problem::of_file(&source.file, what, help)
        })
    })
}

/// Without the mark that some programs write first.
fn bare(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

type Wrong = (Range<usize>, String, &'static str);

fn json(text: &str) -> Result<Properties, Wrong> {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(map)) => Ok(properties_from_json(map)),
        Ok(list @ serde_json::Value::Array(_)) => Ok(rows(Value::from_json(list))),
        Ok(_) => Err((
            0..text.len(),
            "a data file holds an object or a list".to_owned(),
            "write { \"name\": ... } or [ ... ]",
        )),
        Err(error) => {
            let full = error.to_string();
            // The place is told beside it.
            let what = full.split(" at line ").next().unwrap_or(&full);
            let at = offset(text, error.line(), error.column());
            Err((
                at..at + 1,
                format!("this is not valid JSON: {what}"),
                "texts and names stand in straight double quotes, items are parted by commas, none after the last",
            ))
        }
    }
}

fn toml(text: &str) -> Result<Properties, Wrong> {
    let root = DeTable::parse(text).map_err(|error| {
        (
            error.span().unwrap_or(0..0),
            format!("this is not valid TOML: {}", error.message()),
            "texts stand in quotes, lists in [ ], tables in { } or under a [heading]",
        )
    })?;
    let (properties, wrong) = from_toml(root.get_ref());
    match wrong.into_iter().next() {
        Some((span, what)) => Err((span, what, "write it as a text, in quotes")),
        None => Ok(properties),
    }
}

fn csv(text: &str) -> Result<Properties, Wrong> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut header: Option<Vec<String>> = None;
    let mut found = Vec::new();
    for record in reader.records() {
        // The text is UTF-8 and rows may have any length, so nothing else can be wrong.
        let Ok(record) = record else { continue };
        let start = record.position().map_or(0, |p| p.byte() as usize);
        let start =
            start + text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len();
        let line = start
            ..text[start..]
                .find('\n')
                .map_or(text.len(), |end| start + end);
        let Some(header) = &header else {
            header = Some(read_header(&record, line)?);
            continue;
        };
        if record.len() != header.len() {
            return Err((
                line,
                format!(
                    "this row has {} values, and the header names {}",
                    record.len(),
                    header.len()
                ),
                "a value that holds a comma stands in double quotes",
            ));
        }
        let values = record.iter().map(|value| Value::Text(value.to_owned()));
        found.push(Value::Map(header.iter().cloned().zip(values).collect()));
    }
    Ok(rows(Value::List(found)))
}

fn read_header(record: &csv::StringRecord, line: Range<usize>) -> Result<Vec<String>, Wrong> {
    let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
    for (n, name) in names.iter().enumerate() {
        let what = match name.as_str() {
            "" => format!("column {} has no name in the header", n + 1),
            name if names[..n].iter().any(|other| other == name) => {
                format!("two columns are called `{name}`")
            }
            _ => continue,
        };
        return Err((line, what, "the first line names each column once"));
    }
    Ok(names)
}

fn rows(list: Value) -> Properties {
    Properties::from([(ROWS.to_owned(), list)])
}

/// The byte at a line and column as `serde_json` counts them: from 1, columns in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = (text.split_inclusive('\n').take(line.saturating_sub(1)))
        .map(str::len)
        .sum();
    (before + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::{allowed, parse, read};
    use crate::campaign::Source;
    use crate::domain::value::properties_to_json;
    use serde_json::json;

    fn source(file: &str, text: &str) -> Source {
        Source {
            file: file.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_file_of_each_kind_says_the_same() {
        let wanted = json!({ "rows": [{ "name": "Blue cup", "price": "12,000" }, { "name": "머그컵", "price": "9" }] });
        for (file, text) in [
            (
                "a.csv",
                "\u{feff}name,price\r\nBlue cup,\"12,000\"\r\n\r\n머그컵,9\r\n",
            ),
            (
                "a.json",
                r#"[{"name":"Blue cup","price":"12,000"},{"name":"머그컵","price":"9"}]"#,
            ),
            (
                "a.json",
                r#"{"rows":[{"name":"Blue cup","price":"12,000"},{"name":"머그컵","price":"9"}]}"#,
            ),
            (
                "a.toml",
                "[[rows]]\nname = \"Blue cup\"\nprice = \"12,000\"\n[[rows]]\nname = \"머그컵\"\nprice = \"9\"\n",
            ),
        ] {
            let read = parse(&source(file, text)).unwrap();
            assert_eq!(properties_to_json(&read), wanted, "{file}: {text}");
        }
        let dated = parse(&source("a.toml", "from = 2026-03-01\nshare = 0.25\n")).unwrap();
        assert_eq!(
            properties_to_json(&dated),
            json!({ "from": "2026-03-01", "share": 0.25 })
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        for (file, text, line, column, what) in [
            ("a.json", "{\n  \"a\": 1,\n}", 3, 1, "trailing comma"),
            ("a.json", "{\"머그\": 1 \"b\": 2}", 1, 10, "expected `,`"),
            ("a.json", "3", 1, 1, "an object or a list"),
            ("a.json", "", 1, 1, "EOF"),
            ("a.toml", "a = 1\nb = \n", 2, 5, "not valid TOML"),
            ("a.toml", "a = 1\nb = nan\n", 2, 5, "no number"),
            ("a.csv", "name,price\nCup,1\nMug\n", 3, 1, "has 1 values"),
            ("a.csv", "name,name\n", 1, 1, "two columns"),
            ("a.csv", "name,\n", 1, 1, "column 2 has no name"),
        ] {
            let problem = parse(&source(file, text)).unwrap_err();
            let place = problem.place.as_ref().unwrap();
            assert_eq!(
                (place.line, place.column),
                (line, column),
                "{file} {text:?}: {problem:?}"
            );
            assert!(problem.what.contains(what), "{problem:?}");
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse(&source("a.json", &deep)).is_err());
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for good in ["a.json", "data/a.toml", "가을/룩북.csv"] {
            assert!(allowed(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd.json",
            "../a.json",
            "data/../../a.json",
            "a.toml",
            "a.txt",
            "a",
            ".a.json",
            ".git/a.json",
            "a\\b.json",
            "./a.json",
            "a\n.json",
        ] {
            assert!(allowed(bad).is_err(), "{bad}");
        }
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret.json"), "{}").unwrap();
        std::fs::write(folder.path().join("own.json"), "{}").unwrap();
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(outside.path().join("secret.json"), link).unwrap();
        std::fs::create_dir(folder.path().join("folder.json")).unwrap();
        std::fs::write(folder.path().join("big.json"), " ".repeat(300_000)).unwrap();
        assert!(read(folder.path(), "own.json").is_ok());
        for bad in ["link.json", "folder.json", "absent.json", "big.json"] {
            assert!(read(folder.path(), bad).is_err(), "{bad}");
        }
    }
}
