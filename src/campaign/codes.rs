//! The files of codes that pools name: a code a line, every line looked at, nothing of it shown.

use super::coupons::{CodesFrom, PoolFile};
use crate::config::problem::Problem;
use crate::domain::coupon::{Codes, LONGEST, MOST_CODES, fault, same};
use crate::domain::id::PoolName;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// A million of the longest codes, each with a line's end.
const MOST_BYTES: u64 = (MOST_CODES * (LONGEST + 2)) as u64;
/// So many bad lines of a file are told.
const TOLD: usize = 5;

/// A problem of a file of codes, and which pool's it is.
type Found = (PoolName, Problem);

/// Reads the files of all pools; those with a problem are left out.
pub fn read(
    folder: &Path,
    pools: &BTreeMap<PoolName, PoolFile>,
) -> (BTreeMap<PoolName, Codes>, Vec<Problem>) {
    let mut lists = BTreeMap::new();
    let mut met: HashMap<u64, (PoolName, usize)> = HashMap::new();
    let mut problems: Vec<Found> = Vec::new();
    for (name, pool) in pools {
        let CodesFrom::File(file) = &pool.codes else {
            continue;
        };
        let path = folder.join(file);
        let shown = path.display().to_string();
        let mut of_pool = Vec::new();
        let text = read_text(&path).unwrap_or_else(|(what, help)| {
            of_pool.push(Problem::of_file(shown.clone(), what, help));
            String::new()
        });
        let lines = lines(&text);
        if of_pool.is_empty() {
            of_pool.extend(check(name, &shown, &lines, &mut met));
        }
        if of_pool.is_empty() {
            let most = pool.most.unwrap_or(MOST_CODES);
            lists.insert(name.clone(), Codes::of(lines.iter().copied().take(most)));
        }
        problems.extend(of_pool.into_iter().map(|problem| (name.clone(), problem)));
    }
    (lists, problems.into_iter().map(|(_, p)| p).collect())
}

/// The lines as people see them: a byte order mark and the line's end are no part of a code, and nor are blanks around
/// it; the last line may be ended or not.
fn lines(text: &str) -> Vec<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).collect()
}

fn check(
    pool: &PoolName,
    shown: &str,
    lines: &[&str],
    met: &mut HashMap<u64, (PoolName, usize)>,
) -> Vec<Problem> {
    let whole = |what: String, help: &str| vec![Problem::of_file(shown, what, help)];
    if lines.is_empty() {
        return whole(
            "the file is empty: there is no code in it".into(),
            "put a code on each line",
        );
    }
    if lines.len() > MOST_CODES {
        return whole(
            format!(
                "the file has {} lines; a pool has {MOST_CODES} codes at most",
                lines.len()
            ),
            "make several pools of it",
        );
    }
    let mut bad = Vec::new();
    met.reserve(lines.len());
    for (no, line) in (1..).zip(lines) {
        if let Some(fault) = fault(line) {
            bad.push((
                format!("line {no}: {fault}"),
                "write one code, and nothing else, on each line",
            ));
            continue;
        }
        match met.insert(xxh3_64(same(line).as_bytes()), (pool.clone(), no)) {
            Some((other, first)) if other == *pool => bad.push((
                format!("line {no} holds the same code as line {first}"),
                "nobody gets a code that another has; remove one of them (capitals make no difference)",
            )),
            Some((other, first)) => bad.push((
                format!("line {no} holds the same code as line {first} of the pool `{other}`"),
                "a code stands in one pool; remove one of them",
            )),
            None => {}
        }
    }
    let more = bad.len().saturating_sub(TOLD);
    let mut problems: Vec<Problem> = (bad.into_iter().take(TOLD))
        .map(|(what, help)| Problem::of_file(shown, what, help))
        .collect();
    if more > 0 {
        problems.extend(whole(format!("{more} more lines are as bad"), ""));
    }
    problems
}

fn read_text(path: &Path) -> Result<String, (String, &'static str)> {
    let failed = |error: std::io::Error| {
        (
            format!("this file of codes cannot be read: {error}"),
            "`file` in coupons.toml is looked for beside it",
        )
    };
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(("this is no file".into(), "name a text file, a code a line"));
    }
    if found.len() > MOST_BYTES {
        return Err((
            format!(
                "the file has {} bytes; {MOST_BYTES} are the most",
                found.len()
            ),
            "is it a list of codes at all?",
        ));
    }
    String::from_utf8(std::fs::read(path).map_err(failed)?)
        .map_err(|_| ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::{check, lines};
    use crate::domain::id::PoolName;
    use std::collections::HashMap;

    fn found(text: &str) -> Vec<String> {
        let pool = PoolName::parse("p").unwrap();
        let problems = check(&pool, "codes.txt", &lines(text), &mut HashMap::new());
        problems.into_iter().map(|p| p.what).collect()
    }

    #[test]
    fn each_line_is_a_code_and_nothing_else() {
        assert_eq!(found("A1\nB2\n"), Vec::<String>::new());
        assert_eq!(found("\u{feff}A1\r\nB2 \r\nC3"), Vec::<String>::new());
        assert_eq!(lines("\u{feff}A1\r\n B2"), ["A1", "B2"]);
        for (text, what) in [
            ("", "the file is empty: there is no code in it"),
            ("A1\n\nB2\n", "line 2: there is no code on it"),
            (
                "A1\nB2,10%\n",
                "line 2: a code may hold letters A to Z, digits, \"-\", \"_\" and \".\" only",
            ),
            ("A1\nB2\na1\n", "line 3 holds the same code as line 1"),
        ] {
            assert_eq!(found(text), [what], "{text:?}");
        }
        let long = format!("A1\n{}\n", "x".repeat(65));
        assert_eq!(found(&long), ["line 2: it is longer than 64 characters"]);
    }

    #[test]
    fn of_many_bad_lines_a_few_are_told() {
        let text = "A 1\n".repeat(100);
        let all = found(&text);
        assert_eq!(all.len(), 6);
        assert_eq!(all[5], "95 more lines are as bad");
    }

    #[test]
    fn a_code_stands_in_one_pool() {
        let mut met = HashMap::new();
        let mut look = |pool: &str, text: &str| {
            let pool = PoolName::parse(pool).unwrap();
            check(&pool, "f", &lines(text), &mut met)
                .into_iter()
                .map(|p| p.what)
                .next()
        };
        assert_eq!(look("a", "X1\nX2\n"), None);
        let what = look("b", "X3\nx2\n").unwrap();
        assert_eq!(what, "line 2 holds the same code as line 2 of the pool `a`");
    }
}
