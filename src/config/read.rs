//! From config.toml's text to [`Config`], with every problem of the file in one go.

use super::breakers;
use super::events;
use super::http;
use super::keys::{
    ADMIN, CALENDAR, CEILING, CONTROL, DEFAULTS, ENGINE, HTTP, LAW, RETENTION, ROOT, SAFETY, SEEDS,
    SENDER, STORE, TRACKING,
};
use super::links;
use super::problem::{Problem, sort};
use super::settings::{
    Admin, Config, Defaults, Engine, Law, Limits, Retention, Safety, Sender, StoreSettings,
    Tracking,
};
use super::shop;
use super::text::{AtOnce, Mailbox, country, locale, positive, size, zone};
use super::toml_reader::{Item, Keys, Reader, Table};
use super::transport::{self, TransportSettings, optional};
use super::webhook;
use crate::domain::address::EmailAddress;
use crate::domain::cap::Cap;
use crate::domain::rules::InDoubt;
use crate::domain::time::Span;
use crate::domain::window::Window;
use std::collections::BTreeMap;
use std::path::Path;

impl Config {
    /// Reads the file. `Err` holds every problem, errors and warnings; a good file's warnings are in
    /// [`Config::warnings`].
    pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
        match std::fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Config::parse(path, &text),
                Err(_) => Err(vec![Problem::of_file(
                    path.display().to_string(),
                    "the file is not UTF-8 text",
                    "save it as UTF-8",
                )]),
            },
            Err(error) => Err(vec![Problem::of_file(
                path.display().to_string(),
                format!("the file cannot be read: {error}"),
                "",
            )]),
        }
    }

    /// Reads `text` as the content of `path`, whose folder relative paths start from.
    pub fn parse(path: &Path, text: &str) -> Result<Config, Vec<Problem>> {
        let reader = Reader::new(&path.display().to_string(), text);
        let mut elsewhere = Vec::new();
        let config = reader.document(&ROOT, |root| read_root(&root, path, &mut elsewhere));
        let failed = reader.failed();
        let mut problems = reader.into_problems();
        problems.append(&mut elsewhere);
        sort(&mut problems);
        match config {
            Some(mut config) if !failed => {
                config.warnings = problems;
                Ok(config)
            }
            _ => Err(problems),
        }
    }
}

/// `elsewhere`: what is wrong with other files that it names.
fn read_root(root: &Table<'_>, path: &Path, elsewhere: &mut Vec<Problem>) -> Option<Config> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let file = |key: &str, usual: &str| {
        root.get(key)
            .map_or(Some(usual), |i| i.text())
            .map(|p| beside.join(p))
    };
    let campaigns = file("campaigns", "campaigns");
    let templates = file("templates", "templates");
    let store = section(root, "store", &STORE, |t| read_store(t, beside));
    let transports = read_transports(root, beside);
    let real = transports
        .iter()
        .flatten()
        .any(|(_, t)| matches!(t, TransportSettings::Smtp(_)));
    let sender = section(root, "sender", &SENDER, |t| read_sender(t, real));
    let http = section(root, "http", &HTTP, |t| http::read(t, real));
    let webhooks = root.get("webhook").map_or(Some(BTreeMap::new()), |i| {
        webhook::read_all(&i, beside, elsewhere)
    });
    let tracking = section(root, "tracking", &TRACKING, read_tracking);
    let defaults = section(root, "defaults", &DEFAULTS, read_defaults);
    let ceiling = section(root, "ceiling", &CEILING, read_ceiling);
    let law = section(root, "law", &LAW, |t| {
        Some(Law {
            country: optional(t.get("country"), |i| i.parsed(country))?,
        })
    });
    let staff = shop::read_staff(root);
    let closed = section(root, "calendar", &CALENDAR, shop::read_calendar);
    let control = section(root, "control", &CONTROL, shop::read_control);
    let seeds = section(root, "seeds", &SEEDS, shop::read_seeds);
    let links = links::read(root);
    let safety = section(root, "safety", &SAFETY, read_safety);
    let engine = section(root, "engine", &ENGINE, read_engine);
    let give_up = engine.as_ref().map(|engine| engine.give_up);
    let retention = section(root, "retention", &RETENTION, |t| {
        read_retention(t, give_up)
    });
    let events = events::read(root, defaults.as_ref().map(|defaults| defaults.timezone));
    let socket = section(root, "admin", &ADMIN, |t| {
        optional(t.get("socket"), |i| i.text().map(str::to_owned))
    });
    let breakers = breakers::read_of_shop(root);
    let store = store?;
    let admin = socket.map(|socket| Admin {
        socket: socket.map_or_else(|| store.path.join("admin.sock"), |s| beside.join(s)),
    });
    Some(Config {
        path: path.to_owned(),
        campaigns: campaigns?,
        templates: templates?,
        store,
        retention: retention?,
        sender: sender?,
        transports: transports?,
        http: http?,
        webhooks: webhooks?,
        tracking: tracking?,
        admin: admin?,
        defaults: defaults?,
        ceiling: ceiling?,
        law: law?,
        staff: staff?,
        closed: closed?,
        safety: safety?,
        engine: engine?,
        events: events?,
        control: control?,
        warnings: Vec::new(),
        breakers: breakers?,
        seeds: seeds?,
        links: links?,
    })
}

/// Reads a section; one that is absent reads as an empty one, so that each default stands in one place.
fn section<T>(
    root: &Table<'_>,
    key: &str,
    keys: &'static Keys,
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Option<T> {
    match root.get(key) {
        Some(item) => read(&item.table(keys)?),
        None => read(&root.empty(keys)),
    }
}

fn read_store(table: &Table<'_>, beside: &Path) -> Option<StoreSettings> {
    let path = table.get("path").map_or(Some("data"), |i| i.text());
    let cache = table
        .get("cache")
        .map_or(Some(64 << 20), |i| i.parsed(size));
    Some(StoreSettings {
        path: beside.join(path?),
        cache: cache?,
    })
}

fn span_or(table: &Table<'_>, key: &str, usual: Span) -> Option<Span> {
    table.get(key).map_or(Some(usual), |i| i.parsed(positive))
}

/// `give_up`: for so long a message is tried again, and each attempt sends the bytes of the first.
fn read_retention(table: &Table<'_>, give_up: Option<Span>) -> Option<Retention> {
    let usual = Retention::default();
    let events = span_or(table, "events", usual.events);
    let log = span_or(table, "log", usual.log);
    let journal = span_or(table, "journal", usual.journal);
    let sent_copies = span_or(table, "sent_copies", usual.sent_copies);
    if let (Some(kept), Some(needed)) = (sent_copies, give_up)
        && kept < needed
        && let Some(item) = table.get("sent_copies")
    {
        item.error(
            format!("`sent_copies` is shorter than [engine] give_up ({needed})"),
            "a message that is tried again sends the bytes of its first attempt; keep them at least as long",
        );
        return None;
    }
    Some(Retention {
        events: events?,
        log: log?,
        journal: journal?,
        sent_copies: sent_copies?,
    })
}

fn line(item: &Item<'_>) -> Option<String> {
    item.parsed(|text| {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            Err("it must be one line of text".into())
        } else {
            Ok(text.to_owned())
        }
    })
}

fn read_sender(table: &Table<'_>, real: bool) -> Option<Sender> {
    let from = match table.get("from") {
        Some(item) => item.parsed(Mailbox::parse),
        None if real => {
            table.required(
                "from",
                "mail goes out by smtp, so say who it is from: from = \"Corner Shop <hello@shop.example>\"",
            );
            None
        }
        None => Mailbox::parse("Corner Shop <hello@shop.example>").ok(),
    };
    let address = optional(table.get("address"), line);
    let company = optional(table.get("company"), line);
    let phone = optional(table.get("phone"), line);
    let mailto = optional(table.get("unsubscribe_mailto"), |i| {
        i.parsed(EmailAddress::parse)
    });
    // In rehearsal nothing leaves: example values stand in, so that mails can be looked at from the first minute. By
    // smtp both must be set (see `campaign::cross`).
    let example = |text: &str| (!real).then(|| text.to_owned());
    let leave = example("unsubscribe@shop.example").and_then(|a| EmailAddress::parse(&a).ok());
    Some(Sender {
        from: from?,
        address: address?.or_else(|| example("1 Market Street, Seoul")),
        company: company?,
        phone: phone?,
        unsubscribe_mailto: mailto?.or(leave),
    })
}

fn read_transports(root: &Table<'_>, beside: &Path) -> Option<BTreeMap<String, TransportSettings>> {
    let Some(item) = root.get("transport") else {
        let path = beside.join("mail");
        return Some(BTreeMap::from([(
            "main".to_owned(),
            TransportSettings::Folder { path },
        )]));
    };
    let mut transports = BTreeMap::new();
    let mut good = true;
    let entries = item.entries("write [transport.main]")?;
    for entry in &entries {
        if !entry.is_table() {
            item.reader().error(
                entry.key_span(),
                "a transport needs a name",
                "write [transport.main] above its keys",
            );
            return None;
        }
        match transport::read(entry, beside) {
            Some(settings) => {
                transports.insert(entry.name.to_owned(), settings);
            }
            None => good = false,
        }
    }
    if entries.is_empty() {
        item.reader().error(
            item.key_span(),
            "there is no transport",
            "write [transport.main], or remove the section: then mail goes to a folder",
        );
        return None;
    }
    // `only_to` is policy, judged where it is not known yet which way a message goes.
    let mut only_to = transports.iter().filter_map(|(name, t)| match t {
        TransportSettings::Smtp(smtp) => Some((name, &smtp.only_to)),
        TransportSettings::Folder { .. } => None,
    });
    if let Some((first, one)) = only_to.next()
        && let Some((second, _)) = only_to.find(|(_, other)| *other != one)
    {
        item.reader().error(
            item.key_span(),
            format!("`only_to` differs between the transports `{first}` and `{second}`"),
            "give every smtp transport the same `only_to`, or none",
        );
        good = false;
    }
    good.then_some(transports)
}

fn read_tracking(table: &Table<'_>) -> Option<Tracking> {
    let usual = Tracking::default();
    let flag = |key: &str, usual: bool| table.get(key).map_or(Some(usual), |i| i.flag());
    let opens = flag("opens", usual.opens);
    let clicks = flag("clicks", usual.clicks);
    let honeypot = flag("honeypot", usual.honeypot);
    Some(Tracking {
        opens: opens?,
        clicks: clicks?,
        honeypot: honeypot?,
    })
}

/// `"always"`, or hours.
fn window(item: &Item<'_>) -> Option<Option<Window>> {
    item.parsed(|text| match text {
        "always" => Ok(None),
        _ => Window::parse(text).map(Some),
    })
}

fn caps(item: &Item<'_>) -> Option<Vec<Cap>> {
    item.parsed_list("write caps = [\"1 per 20h\", \"3 per 7d\"]", Cap::parse)
}

fn read_defaults(table: &Table<'_>) -> Option<Defaults> {
    let timezone = table
        .get("timezone")
        .map_or(Some(chrono_tz::UTC), |i| i.parsed(zone));
    let language = table
        .get("locale")
        .map_or(Some("en".to_owned()), |i| i.parsed(locale));
    let hours = match table.get("window") {
        Some(item) => window(&item),
        None => Some(Window::parse("Mon-Sun 08:00-21:00").ok()),
    };
    let most = match table.get("caps") {
        Some(item) => caps(&item),
        None => ["1 per 20h", "3 per 7d"]
            .iter()
            .map(|c| Cap::parse(c).ok())
            .collect(),
    };
    let gap = optional(table.get("gap"), |i| i.parsed(positive));
    Some(Defaults {
        timezone: timezone?,
        locale: language?,
        window: hours?,
        caps: most?,
        gap: gap?,
    })
}

fn read_ceiling(table: &Table<'_>) -> Option<Limits> {
    let hours = table.get("window").map_or(Some(None), |i| window(&i));
    let most = table.get("caps").map_or(Some(Vec::new()), |i| caps(&i));
    let gap = optional(table.get("gap"), |i| i.parsed(positive));
    Some(Limits {
        window: hours?,
        caps: most?,
        gap: gap?,
    })
}

fn read_safety(table: &Table<'_>) -> Option<Safety> {
    let usual = Safety::default();
    let at_once = table
        .get("at_once")
        .map_or(Some(usual.at_once), |i| i.parsed(AtOnce::parse));
    let in_doubt = table.get("in_doubt").map_or(Some(usual.in_doubt), |i| {
        i.choice(&[("resend", InDoubt::Resend), ("hold", InDoubt::Hold)])
    });
    let resume_after = span_or(table, "resume_after", usual.resume_after);
    Some(Safety {
        at_once: at_once?,
        resume_after: resume_after?,
        in_doubt: in_doubt?,
    })
}

fn start_within(text: &str) -> Result<Span, String> {
    let span = positive(text)?;
    if span <= Engine::START_WITHIN_MOST {
        Ok(span)
    } else {
        Err(
            "it is too long; at most 2.5s (\"2500ms\"): policy ends windows 5 s early, half of it is for the commit"
                .into(),
        )
    }
}

/// RFC 5321 §4.5.4.1 speaks of four to five days.
fn give_up(text: &str) -> Result<Span, String> {
    let span = positive(text)?;
    if span <= Engine::GIVE_UP_MOST {
        Ok(span)
    } else {
        Err("it is too long; at most 30d: sent mails are kept so long by default".into())
    }
}

fn read_engine(table: &Table<'_>) -> Option<Engine> {
    let usual = Engine::default();
    let steps = |key: &str, usual: &[Span]| match table.get(key) {
        None => Some(usual.to_vec()),
        Some(item) => {
            let steps = item.parsed_list(
                "write a list of durations, such as [\"5m\", \"1h\"]",
                positive,
            )?;
            if steps.is_empty() {
                item.error(format!("`{key}` is empty"), "give one duration at least");
                return None;
            }
            Some(steps)
        }
    };
    let tick = span_or(table, "tick", usual.tick);
    let retry = steps("retry", &usual.retry);
    let give_up = table
        .get("give_up")
        .map_or(Some(usual.give_up), |i| i.parsed(give_up));
    let start_within = table
        .get("start_within")
        .map_or(Some(usual.start_within), |i| i.parsed(start_within));
    let settle = span_or(table, "settle", usual.settle);
    let relay_aside = span_or(table, "relay_aside", usual.relay_aside);
    let relay_aside_most = span_or(table, "relay_aside_most", usual.relay_aside_most);
    let relay_faults = table
        .get("relay_faults")
        .map_or(Some(usual.relay_faults), |i| {
            u32::try_from(i.whole(1, 1_000_000)?).ok()
        });
    let clock_gap = span_or(table, "clock_gap", usual.clock_gap);
    let stop_within = span_or(table, "stop_within", usual.stop_within);
    Some(Engine {
        tick: tick?,
        retry: retry?,
        give_up: give_up?,
        start_within: start_within?,
        settle: settle?,
        relay_aside: relay_aside?,
        relay_aside_most: relay_aside_most?,
        relay_faults: relay_faults?,
        clock_gap: clock_gap?,
        stop_within: stop_within?,
    })
}
