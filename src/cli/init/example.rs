//! `reveille init --example`: one of the examples, taken into a project that is there.
//!
//! It writes the campaign, its mails, its data, the partials and (where the project has none) the `coupons.toml` that it
//! wants. What stands there already is never written to: of a name that must go into such a file (a topic, a tag, a pool,
//! an address of staff) it prints the lines.

use super::embedded::{FILES, campaigns, text_of};
use super::project::tiers_of;
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::shipped;
use crate::cli::table::wrapped;
use crate::cli::tiers::Tiers;
use crate::config::Config;
use crate::config::nearest::suggest;
use crate::domain::id::StaffName;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What `--example` prints the names for.
const LIST: &str = "list";
/// Examples that do what a campaign of a new project does, only more of it.
const IN_PLACE_OF: [(&str, &str); 2] = [
    ("cart_series", "cart_reminder"),
    ("welcome_series", "welcome"),
];
const CODES: &str = "#:schema ../schema/coupons.json\n\
# Codes that campaigns give away. These are made here; your shop must take them:\n\
#     reveille coupon codes NAME > codes.txt\n\
# Have you codes already, write file = \"codes.txt\" in place of `generate`.\n";

pub fn run(name: &str, folder: &Path, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    if name == LIST {
        return list(screen);
    }
    let Some(example) = Example::named(name) else {
        return Err(Failure::NotFound {
            what: format!("there is no example {name:?}"),
            hint: match suggest(name, campaigns().map(|(name, _)| name).collect::<Vec<_>>()) {
                near if near.starts_with("did") => near,
                _ => "`reveille init --example list` names them".into(),
            },
        });
    };
    let path = match &context.config {
        Some(path) => path.clone(),
        None if folder == Path::new(".") => PathBuf::from("config.toml"),
        None => folder.join("config.toml"),
    };
    if !path.is_file() {
        return Err(Failure::NotFound {
            what: format!("there is no project: {} is not there", path.display()),
            hint: "`reveille init` begins one; an example goes into one that is there".into(),
        });
    }
    let config = Config::load(&path).map_err(Failure::Configuration)?;
    let written = example.write(&config)?;
    let missing = example.missing(&config);
    tell(&example, &written, &missing, &config, screen)
}

fn list(screen: Screen) -> Result<(), Failure> {
    let wide = campaigns().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let indent = " ".repeat(wide);
    for (name, about) in campaigns() {
        let about = wrapped(about, screen.columns.saturating_sub(wide), &indent);
        let about = about.get(wide..).unwrap_or_default();
        screen.say(&format!("{name:wide$}{about}"))?;
    }
    Ok(())
}

struct Example {
    name: String,
    text: &'static str,
    file: toml::Table,
}

/// Names that a campaign file refers to, by kind.
#[derive(Default)]
struct Named(BTreeMap<&'static str, BTreeSet<String>>);

impl Named {
    fn walk(&mut self, value: &toml::Value) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let kind = match key.as_str() {
                        "topic" | "subscribed" | "refused" | "leave" => "topics",
                        "tag" => "tags",
                        "segment" => "segments",
                        "coupon" => "coupons",
                        "notify" => "staff",
                        "template" => "templates",
                        "data_file" => "data",
                        _ => "",
                    };
                    match value.as_str() {
                        Some(name) if !kind.is_empty() => {
                            let names = self.0.entry(kind).or_default();
                            names.insert(name.to_owned());
                        }
                        _ => self.walk(value),
                    }
                }
            }
            toml::Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    fn of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.0.get(kind).into_iter().flatten().map(String::as_str)
    }
}

/// Lines that somebody must put into a file.
struct Missing {
    file: PathBuf,
    /// The table under which they stand, where they are not tables of their own.
    under: Option<&'static str>,
    lines: String,
}

impl Example {
    fn named(name: &str) -> Option<Example> {
        let (name, _) = campaigns().find(|(known, _)| *known == name)?;
        let text = text_of(&format!("campaigns/{name}.toml"))?;
        let file = text.parse().ok()?;
        let name = name.to_owned();
        Some(Example { name, text, file })
    }

    fn names(&self) -> Named {
        let mut named = Named::default();
        named.walk(&toml::Value::Table(self.file.clone()));
        named
    }

    /// Its own mails: every language and part of the templates that it names.
    fn mails(&self) -> Vec<(&'static str, &'static str)> {
        let named = self.names();
        let own = |path: &str| {
            let stem = path.strip_prefix("templates/");
            let stem = stem.and_then(|file| file.split('.').next());
            stem.is_some_and(|stem| named.of("templates").any(|name| name == stem))
        };
        (FILES.iter().copied())
            .filter(|(path, _)| own(path))
            .collect()
    }

    /// Writes what is not there; refuses, before anything is written, where the campaign or a mail of it is.
    fn write(&self, config: &Config) -> Result<Vec<PathBuf>, Failure> {
        let own = config.campaigns.join(format!("{}.toml", self.name));
        let mut files = vec![(own, self.text.to_owned())];
        let mails = self.mails();
        for (path, text) in &mails {
            let file = path.trim_start_matches("templates/");
            files.push((config.templates.join(file), (*text).to_owned()));
        }
        if let Some((path, _)) = files.iter().find(|(path, _)| is_there(path)) {
            return Err(Failure::Failed {
                what: format!("{} is there already", path.display()),
                hint: "nothing was written; move it away, or go on with what you have".into(),
            });
        }
        let named = self.names();
        for name in named.of("data") {
            if let Some(text) = text_of(&format!("campaigns/{name}")) {
                files.push((config.campaigns.join(name), text.to_owned()));
            }
        }
        let texts: Vec<&'static str> = mails.iter().map(|(_, text)| *text).collect();
        for (path, text) in partials(&texts, &config.templates) {
            files.push((config.templates.join(path), text.to_owned()));
        }
        let codes = config.campaigns.join("coupons.toml");
        let mut pools = named.of("coupons").peekable();
        if pools.peek().is_some() && !is_there(&codes) {
            let tiers = tiers_of(config);
            let pools = pools.filter_map(|pool| section("coupons", pool, &tiers));
            let all: Vec<String> = std::iter::once(CODES.to_owned()).chain(pools).collect();
            files.push((codes, all.join("\n")));
        }
        let mut written = Vec::new();
        for (path, text) in files.into_iter().filter(|(path, _)| !is_there(path)) {
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            folder
                .and_then(|()| std::fs::write(&path, text))
                .map_err(|e| {
                    Failure::failed(format!("{} can't be written: {e}", path.display()))
                })?;
            written.push(path);
        }
        Ok(written)
    }

    /// What it refers to and the project does not have, with what that refers to in its turn.
    fn missing(&self, config: &Config) -> Vec<Missing> {
        let mut named = self.names();
        let tiers = tiers_of(config);
        let files = ["topics", "segments", "tags", "coupons"].map(|kind| {
            let file = config.campaigns.join(format!("{kind}.toml"));
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            // Of a file that cannot be read `check` tells what is wrong.
            let known: toml::Table = text.parse().unwrap_or_default();
            (kind, file, known)
        });
        let mut wanted: BTreeMap<(&str, String), String> = BTreeMap::new();
        loop {
            let new: Vec<_> = (files.iter())
                .flat_map(|(kind, _, known)| {
                    let wanted = &wanted;
                    let lacks = move |name: &&str| {
                        !known.contains_key(*name)
                            && !wanted.contains_key(&(*kind, (*name).to_owned()))
                    };
                    named
                        .of(kind)
                        .filter(lacks)
                        .map(|name| (*kind, name.to_owned()))
                })
                // A tag that no shipped rule gives is given by a step, or by hand.
                .filter_map(|key| Some((section(key.0, &key.1, &tiers)?, key)))
                .collect();
            if new.is_empty() {
                break;
            }
            for (lines, key) in new {
                let table: toml::Table = lines.parse().unwrap_or_default();
                named.walk(&toml::Value::Table(table));
                wanted.insert(key, lines);
            }
        }
        let mut missing = Vec::new();
        for (kind, file, _) in files {
            let of_kind = wanted.iter().filter(|((of, _), _)| *of == kind);
            let lines: Vec<&str> = of_kind.map(|(_, lines)| lines.as_str()).collect();
            if !lines.is_empty() {
                let (under, lines) = (None, lines.join("\n"));
                missing.push(Missing { file, under, lines });
            }
        }
        let staff = named.of("staff").filter(|name| {
            StaffName::parse(name).is_ok_and(|name| !config.staff.contains_key(&name))
        });
        let lines: Vec<String> = staff
            .map(|name| format!("{name} = \"{name}@shop.example\"\n"))
            .collect();
        if !lines.is_empty() {
            missing.push(Missing {
                file: config.path.clone(),
                under: Some("[staff]"),
                lines: lines.concat(),
            });
        }
        missing
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// A name's table in the shipped file of that kind, to the next blank line, with the figures of the shop's money.
fn section(kind: &str, name: &str, tiers: &Tiers) -> Option<String> {
    let path = format!("campaigns/{kind}.toml");
    let shipped = shipped::FILES.iter().find(|(file, _)| *file == path);
    let text = text_of(&path).or(shipped.map(|(_, text)| *text))?;
    let text = tiers.put(&path, text);
    let start = text.find(&format!("\n[{name}]\n"))? + 1;
    let rest = &text[start..];
    let end = rest.find("\n\n").map_or(rest.len(), |at| at + 1);
    Some(rest[..end].to_owned())
}

/// A partial's name, its path below the folder of templates, and its text.
type Partial = (&'static str, &'static str, &'static str);

/// Partials that these templates include, by whatever way, and of which the project has no file.
fn partials(texts: &[&'static str], templates: &Path) -> Vec<(&'static str, &'static str)> {
    let shipped = |(path, text): &(&'static str, &'static str)| {
        let path = path.strip_prefix("templates/")?;
        let name = path.strip_prefix("partials/")?.split('.').next()?;
        Some((name, path, *text))
    };
    let all: Vec<Partial> = shipped::FILES.iter().filter_map(shipped).collect();
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut todo = texts.to_vec();
    while let Some(text) = todo.pop() {
        for (name, ..) in &all {
            if includes(text, name) && wanted.insert(name) {
                // In every language.
                todo.extend(all.iter().filter(|(other, ..)| other == name).map(|p| p.2));
            }
        }
    }
    let own: BTreeSet<String> = (std::fs::read_dir(templates.join("partials")).into_iter())
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| Some(file.split('.').next()?.to_owned()))
        .collect();
    (all.into_iter())
        .filter(|(name, ..)| wanted.contains(name) && !own.contains(*name))
        .map(|(_, path, text)| (path, text))
        .collect()
}

/// Whether `{{> name` or `{{#> name` stands in the text.
fn includes(text: &str, name: &str) -> bool {
    ["{{>", "{{#>"].iter().any(|open| {
        text.split(open).skip(1).any(|rest| {
            let mut words = rest
                .trim_start()
                .split(|c: char| c.is_whitespace() || c == '}');
            words.next() == Some(name)
        })
    })
}

fn tell(
    example: &Example,
    written: &[PathBuf],
    missing: &[Missing],
    config: &Config,
    screen: Screen,
) -> Result<(), Failure> {
    let name = &example.name;
    let mut parts = vec![format!(
        "{} was written; it is a draft, and sends nothing:\n{}",
        screen.bold(name),
        written
            .iter()
            .map(|path| format!("  {}", path.display()))
            .collect::<Vec<_>>()
            .join("\n")
    )];
    for Missing { file, under, lines } in missing {
        let under = under.map_or(String::new(), |table| format!(", under {table}"));
        let lines: Vec<String> = lines.lines().map(|line| format!("    {line}")).collect();
        let lines = lines.join("\n").replace("    \n", "\n");
        parts.push(format!(
            "It wants more than your project has. Put this into {}{under}:\n\n{lines}",
            file.display(),
        ));
    }
    let twin = IN_PLACE_OF.iter().find(|(own, _)| own == name);
    if let Some((_, other)) = twin
        && is_there(&config.campaigns.join(format!("{other}.toml")))
    {
        parts.push(format!(
            "It takes the place of {other}: once it is live, set that one to \"draft\"."
        ));
    }
    parts.push(format!(
        "Write your own words and links into the mails, and your address as `owner`. Then\n\n  \
         reveille check\n  \
         reveille preview {name}\n  \
         reveille plan --campaigns {} --as-live --campaign {name}\n\n\
         and say state = \"live\".",
        config.campaigns.display()
    ));
    Ok(screen.say(&parts.join("\n\n"))?)
}

#[cfg(test)]
mod tests {
    use super::Example;
    use crate::config::Config;

    fn lines_for(audience: &str, configuration: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("campaigns")).unwrap();
        let own = "[stage_dormant]\nevent = \"Order Completed\"\nlast = \">= 90d\"\n";
        std::fs::write(folder.path().join("campaigns/tags.toml"), own).unwrap();
        let path = folder.path().join("config.toml");
        let example = Example {
            name: "one".into(),
            text: "",
            file: format!("audience = {audience}").parse().unwrap(),
        };
        let config = Config::parse(&path, configuration).unwrap();
        let missing = example.missing(&config);
        missing.into_iter().map(|missing| missing.lines).collect()
    }

    #[test]
    fn what_a_rule_asks_for_in_its_turn_is_named_too_and_what_is_there_is_not() {
        let lines = lines_for("{ tag = \"stage_new\" }", "");
        let names: Vec<&str> = lines.lines().filter(|line| line.starts_with('[')).collect();
        assert_eq!(
            names,
            ["[stage_loyal]", "[stage_new]", "[stage_resurrected]"]
        );
        lines.parse::<toml::Table>().unwrap();
        // By way of a tag the topic that it asks for.
        let lines = lines_for("{ not = { tag = \"new_subscriber\" } }", "");
        assert!(
            lines.contains("[offers]") && lines.contains("[new_subscriber]"),
            "{lines}"
        );
        assert_eq!(lines_for("{ tag = \"vip\" }", ""), "");
    }

    #[test]
    fn value_is_told_in_the_money_of_the_shop() {
        let dollars = lines_for("{ tag = \"value_middle\" }", "");
        let won = "[defaults]\ntimezone = \"Asia/Seoul\"\nlocale = \"ko\"\n";
        let won = lines_for("{ tag = \"value_middle\" }", won);
        for (lines, high, middle) in [
            (dollars, "\">= 1000\"", "\">= 300\""),
            (won, "\">= 1000000\"", "\">= 300000\""),
        ] {
            assert!(lines.contains(high) && lines.contains(middle), "{lines}");
        }
    }
}
