//! What the pages say must be so: the files and tests that they name exist, their links lead somewhere, and the
//! commands that they show are there, with the options that they show.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages that are checked.
fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        found.push(name.to_owned());
    }
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let mut docs: Vec<PathBuf> = docs.map(|entry| entry.unwrap().path()).collect();
    docs.sort();
    for path in docs {
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(format!(
                "docs/{}",
                path.file_name().unwrap().to_str().unwrap()
            ));
        }
    }
    found
        .into_iter()
        .map(|name| {
            let text = std::fs::read_to_string(root().join(&name))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, text)
        })
        .collect()
}

fn page(name: &str) -> String {
    pages().into_iter().find(|(n, _)| n == name).unwrap().1
}

/// What stands between backticks in this line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The lines outside fenced blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .map(|(i, line)| (i + 1, line))
        .collect()
}

/// Whether a span names a file or folder of this repository.
fn names_a_file(span: &str) -> bool {
    let folders = [
        "src/",
        "tests/",
        "docs/",
        "scripts/",
        "systemd/",
        "campaigns/",
        "templates/",
        "benches/",
        ".ci/",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    span.chars().all(plain) && folders.iter().any(|folder| span.starts_with(folder))
}

#[test]
fn every_file_that_a_page_names_is_there() {
    let mut missing = Vec::new();
    let mut named = 0;
    for (page, text) in pages() {
        // docs/campaigns.md and docs/import.md speak of the reader's own folders.
        let own = [
            "README.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
            "docs/standards.md",
        ]
        .contains(&page.as_str());
        for (line, text) in prose(&text) {
            for span in spans(text).filter(|span| own && names_a_file(span)) {
                named += 1;
                if !root().join(span).exists() {
                    missing.push(format!("{page}:{line}: {span}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
    assert!(named > 60, "only {named} files were found named");
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for (page, text) in pages() {
        let folder = root().join(&page).parent().unwrap().to_owned();
        for (line, text) in prose(&text) {
            for link in text.split("](").skip(1) {
                let link = link.split(')').next().unwrap();
                let file = link.split('#').next().unwrap();
                if !link.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                    broken.push(format!("{page}:{line}: {link}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Whether this file has a test of that name: a `fn` with an attribute above it that speaks of a test.
fn has_test(file: &str, name: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(root().join(file)) else {
        return false;
    };
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().enumerate().any(|(i, line)| {
        let above = &lines[i.saturating_sub(4)..i];
        line.contains(&format!("fn {name}("))
            && above
                .iter()
                .any(|line| line.trim_start().starts_with("#[") && line.contains("test"))
    })
}

/// How many tests a table's cell names, behind their files; those that are not there go to `wrong`.
fn tests_of(cell: &str, wrong: &mut Vec<String>) -> usize {
    let (mut file, mut found) = ("", 0);
    for span in spans(cell) {
        if names_a_file(span) {
            file = span;
        } else if has_test(file, span) {
            found += 1;
        } else {
            wrong.push(format!("{file} has no test {span}"));
        }
    }
    found
}

#[test]
fn every_invariant_names_tests_that_are_there() {
    let text = page("ARCHITECTURE.md");
    let mut wrong = Vec::new();
    let mut held = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Ok(number) = cells[1].parse::<u32>() else {
            continue;
        };
        if tests_of(cells[3], &mut wrong) > 0 {
            held.insert(number);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let all: BTreeSet<u32> = (1..=12).collect();
    assert_eq!(held, all, "invariants with at least one test");
}

#[test]
fn every_fault_names_tests_that_are_there() {
    let text = page("ARCHITECTURE.md");
    let (_, faults) = text.split_once("## Faults and the tests").unwrap();
    let (faults, _) = faults.split_once("\n## ").unwrap();
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for line in faults.lines().filter(|l| l.starts_with("| ")).skip(2) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if tests_of(cells[2], &mut wrong) == 0 {
            wrong.push(format!("no test shows: {}", cells[1]));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows >= 16, "{rows}");
}

#[test]
fn every_standard_names_tests_that_are_there() {
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for line in page("docs/standards.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let head = cells
            .get(2)
            .is_none_or(|cell| *cell == "tests" || *cell == "---");
        if head || !line.starts_with("| ") {
            continue;
        }
        if tests_of(cells[2], &mut wrong) == 0 {
            wrong.push(format!("no test shows: {}", cells[1]));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows >= 30, "{rows}");
}

/// The lines of a page's shell blocks that call us: the words after `reveille`.
fn calls(text: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            inside = matches!(fence, "sh" | "console");
            continue;
        }
        if !inside {
            continue;
        }
        let line = line.trim_start().trim_start_matches("$ ");
        let line = line.split(" # ").next().unwrap();
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        let line = line.strip_prefix("-u reveille ").unwrap_or(line);
        let words = line
            .strip_prefix("reveille ")
            .or_else(|| line.strip_prefix("cargo run --release -- "));
        if let Some(words) = words {
            // What follows a pipe or a redirection is the shell's.
            let ours = words.split(['|', '>', ';']).next().unwrap();
            found.push(ours.split_whitespace().map(String::from).collect());
        }
    }
    found
}

fn help(verb: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_reveille"))
        .args(verb)
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[test]
fn every_command_that_a_page_shows_is_there_with_its_options() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (page, text) in pages() {
        for call in calls(&text) {
            seen += 1;
            let mut words = call.iter().map(String::as_str).peekable();
            // `--config FILE` may stand before the verb.
            while words.peek() == Some(&"--config") {
                words.nth(1);
            }
            let words: Vec<&str> = words.collect();
            let groups = ["customer", "campaign", "suppression"];
            let verb = match words.as_slice() {
                [group, verb, ..] if groups.contains(group) => &words[..2],
                [first, ..] if first.starts_with("--") => &words[..0],
                _ => &words[..1],
            };
            let Some(help) = help(verb) else {
                wrong.push(format!("{page}: there is no `reveille {}`", verb.join(" ")));
                continue;
            };
            for option in words
                .iter()
                .filter(|word| word.starts_with("--") && word.len() > 2)
            {
                let option = option.split('=').next().unwrap();
                if !help.contains(option) {
                    wrong.push(format!("{page}: {} has no {option}", verb.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 10, "only {seen} commands were found shown");
}

/// What `--help` lists, the README names, so that nobody has to find a command by chance.
#[test]
fn every_command_is_in_the_readme() {
    let listed = help(&[]).expect("reveille --help prints its commands");
    let readme = page("README.md");
    let commands = listed
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| line.chars().nth(2).is_some_and(|c| c.is_ascii_lowercase()))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help");
    let mut count = 0;
    for verb in commands {
        count += 1;
        assert!(
            readme.contains(&format!("`{verb}")) || readme.contains(&format!("reveille {verb}")),
            "the README does not name `{verb}`"
        );
    }
    assert!(count > 5, "only {count} commands were found listed");
}

/// The first fenced block of this kind that holds `mark`.
fn block(text: &str, kind: &str, mark: &str) -> String {
    text.split(&format!("```{kind}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .find(|block| block.contains(mark))
        .unwrap_or_else(|| panic!("no {kind} block holds {mark}"))
        .to_owned()
}

/// Whoever does what the README says for a first campaign gets what it says.
#[test]
fn the_first_campaign_of_the_readme_works() {
    let readme = page("README.md");
    let shop = tempfile::tempdir().unwrap();
    for folder in ["campaigns", "templates", "templates/partials"] {
        std::fs::create_dir(shop.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let to = shop.path().join(folder).join(path.file_name().unwrap());
                std::fs::copy(path, to).unwrap();
            }
        }
    }
    std::fs::copy(root().join("config.toml"), shop.path().join("config.toml")).unwrap();
    let write = |name: &str, text: String| std::fs::write(shop.path().join(name), text).unwrap();
    write(
        "campaigns/tea_club.toml",
        block(&readme, "toml", "Tea club"),
    );
    write(
        "templates/tea_club.html.hbs",
        block(&readme, "html", "in the club"),
    );
    write("events.jsonl", block(&readme, "json", "o-3"));

    let run = |words: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_reveille"))
            .current_dir(shop.path())
            .env_remove("REVEILLE_CONFIG")
            .args(words.split_whitespace())
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "reveille {words}: {said}");
        said
    };
    run("check");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_reveille"))
        .current_dir(shop.path())
        .env_remove("REVEILLE_CONFIG")
        .arg("run")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(daemon.stderr.take().unwrap()).lines();
    let mut before = Vec::new();
    loop {
        match told.next() {
            Some(Ok(line)) if line.contains("ready") => break,
            Some(Ok(line)) => before.push(line),
            _ => panic!("the daemon ended: {before:?}"),
        }
    }
    // It writes more than a pipe holds only if somebody reads.
    let rest = std::thread::spawn(move || told.map_while(Result::ok).count());
    run("import --live events.jsonl");
    let explained = run("explain c-1 tea_club");
    let log = run("log --customer c-1 --json");
    let stopped = Command::new("kill").arg(daemon.id().to_string()).status();
    let ended = daemon.wait().unwrap();
    rest.join().unwrap();
    assert!(stopped.unwrap().success() && ended.success(), "{ended}");
    assert!(explained.contains("Tea club"), "{explained}");
    assert!(
        log.lines()
            .any(|row| row.contains("tea_club") && row.contains("entered")),
        "{log}"
    );
}

/// A test that has a long form is of use only if something runs it.
#[test]
fn the_soak_runs_every_test_that_has_a_long_form() {
    let script = std::fs::read_to_string(root().join("scripts/soak")).unwrap();
    let runs: Vec<&str> = script
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix('"')?
                .strip_suffix('"')?
                .rsplit('|')
                .next()
        })
        .collect();
    let mut left_out = Vec::new();
    let mut folders = vec![root().join("tests"), root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let long = text.contains("\"REVEILLE_SOAK\"") || text.contains("\nmod oracle;");
            if !long || name == "tests/documents.rs" {
                continue;
            }
            let parts: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
            let run = match parts.as_slice() {
                ["tests", test] => runs.contains(&format!("--test {test}").as_str()),
                // A folder with a main.rs is a test; others are shared by tests that were looked at already.
                ["tests", test, ..] => {
                    let own = root().join("tests").join(test).join("main.rs").exists();
                    !own || runs.contains(&format!("--test {test}").as_str())
                }
                [_, module @ ..] => {
                    let module = module.join("::");
                    let mut asked = runs.iter().filter_map(|run| run.strip_prefix("--lib "));
                    asked.any(|prefix| module.starts_with(prefix))
                }
                [] => true,
            };
            if !run {
                left_out.push(name.to_owned());
            }
        }
    }
    left_out.sort();
    assert!(left_out.is_empty(), "scripts/soak leaves out {left_out:#?}");
    assert!(runs.len() > 10, "the runs of scripts/soak were not found");
}
