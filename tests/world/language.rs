//! Folders of campaign files at random, as marketers write them: the whole language that decides anything, in TOML, read
//! by the real compiler. What a draw makes of it that the compiler refuses is drawn anew.

use super::chance::Chance;
use super::{Draft, World};
use reveille::campaign::{CodesFrom, Context, Loaded, Source, Sources, compile};
use reveille::config::problem::render_all;
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::coupon::{Codes, Pool, Pools};
use reveille::domain::engagement::{Engagement, HitClass, HitKind};
use reveille::domain::event::{Event, EventRule, EventRules, Undo};
use reveille::domain::hours::Answers;
use reveille::domain::id::{CampaignId, CustomerNo, EventName, SegmentName};
use reveille::domain::ledger::Reason;
use reveille::domain::preference::ConsentState;
use reveille::domain::rules::Shop;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

pub const EVENTS: &[&str] = &["Visited", "Product Added", "Order Completed", "Searched"];
pub const TOPICS: &[&str] = &["offers", "news", "digest"];
const STEPS: &[&str] = &["one", "two", "three", "four", "five", "six"];

/// One campaign file, in the parts that edits exchange.
#[derive(Clone, Default)]
pub struct File {
    head: String,
    start: String,
    audience: String,
    entry: String,
    limits: String,
    goal: String,
    renamed_from: Option<String>,
    steps: Vec<StepText>,
    per: bool,
    by_event: bool,
    /// So many steps have been given new names: none bears one twice.
    named: u32,
}

#[derive(Clone)]
struct StepText {
    id: String,
    renamed_from: Option<String>,
    text: String,
}

impl File {
    /// One that is written elsewhere.
    pub fn of(text: &str) -> File {
        File {
            head: text.to_owned(),
            ..File::default()
        }
    }

    pub fn text(&self) -> String {
        let mut text = self.head.clone();
        if let Some(old) = &self.renamed_from {
            writeln!(text, "renamed_from = \"{old}\"").unwrap();
        }
        for part in [&self.start, &self.audience, &self.entry] {
            text.push_str(part);
        }
        for step in &self.steps {
            writeln!(text, "[[step]]\nid = \"{}\"", step.id).unwrap();
            if let Some(old) = &step.renamed_from {
                writeln!(text, "renamed_from = \"{old}\"").unwrap();
            }
            text.push_str(&step.text);
        }
        text.push_str(&self.limits);
        text.push_str(&self.goal);
        text
    }
}

/// What stands in the folder of campaigns.
#[derive(Clone, Default)]
pub struct Folder {
    pub files: BTreeMap<String, File>,
    pub tags: String,
    pub segments: String,
    pub topics: String,
    pub coupons: String,
}

/// Cancelled orders never happened; what an order is worth is known.
pub fn events() -> EventRules {
    let name = |text| EventName::parse(text).unwrap();
    let rule = EventRule {
        value: Some(vec!["total".into()]),
        undone_by: Some(Undo {
            event: name("Order Cancelled"),
            same: "order_id".into(),
        }),
        ..EventRule::default()
    };
    [(name("Order Completed"), rule)].into()
}

fn source(file: &str, text: &str) -> Source {
    Source {
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

/// Reads a folder as the daemon does; templates are not looked at.
pub fn read(folder: &Folder, shop: &Shop) -> Loaded {
    let some = |file: &str, text: &str| (!text.is_empty()).then(|| source(file, text));
    let sources = Sources {
        campaigns: (folder.files.iter())
            .map(|(name, file)| {
                let id = CampaignId::parse(name).unwrap();
                (id, source(&format!("{name}.toml"), &file.text()))
            })
            .collect(),
        segments: some("segments.toml", &folder.segments),
        topics: some("topics.toml", &folder.topics),
        tags: some("tags.toml", &folder.tags),
        coupons: some("coupons.toml", &folder.coupons),
        ..Sources::default()
    };
    let context = Context {
        shop: shop.clone(),
        events_kept: Span::days(3 * 365),
        events: events(),
        events_seen: EVENTS.iter().map(|name| (*name).to_owned()).collect(),
        templates: None,
        transports: BTreeSet::from(["main".to_owned()]),
        default_transport: Some("main".into()),
        any_pool: false,
        tags_borne: None,
    };
    compile(sources, &context)
}

/// The pools of the folder, with codes of a few letters for those in files.
pub fn pools(loaded: &Loaded) -> Pools {
    let pool = |file: &reveille::campaign::PoolFile| {
        let codes = match &file.codes {
            CodesFrom::File(_) => {
                let list: Vec<String> = (0..40).map(|n| format!("{}-{n}", file.name)).collect();
                let most = file.most.unwrap_or(list.len()).min(list.len());
                Codes::of(list[..most].iter().map(String::as_str))
            }
            CodesFrom::Generated {
                prefix,
                letters,
                count,
            } => {
                let most = file.most.unwrap_or(*count).min(*count);
                Codes::generated(&[3; 32], prefix, *letters, most)
            }
        };
        let pool = Pool {
            name: file.name.clone(),
            codes,
            valid: file.valid,
            most_each: file.most_each,
            warn_below: file.warn_below.unwrap_or(1),
            renamed_from: file.renamed_from.clone(),
        };
        (file.name.clone(), Arc::new(pool))
    };
    loaded.pools.values().map(pool).collect()
}

/// The world takes the folder, as the daemon does at start and at a reload.
pub fn adopt(world: &mut World, folder: &Folder) {
    let loaded = read(folder, &world.rules.shop);
    assert!(
        !loaded.has_errors(),
        "{}",
        render_all(&loaded.problems, false)
    );
    world.events = events();
    let mut rules = (*world.rules).clone();
    rules.segments = loaded.segments.clone();
    rules.tags = loaded.tags.clone();
    rules.topics = loaded.topics.clone();
    rules.pools = pools(&loaded).into();
    world.rules = Arc::new(rules);
    world.adopt(loaded.good().cloned().map(Draft).collect());
}

// ---- conditions ----------------------------------------------------------------------------------------------------

/// Where a condition stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// In `exit` or a step.
    of_entry: bool,
    per: bool,
    by_event: bool,
    /// Campaigns that it may ask about, and steps of its own.
    others: &'a [String],
    steps: &'a [StepText],
    named: bool,
}

fn days(chance: &mut Chance, most: i64) -> String {
    format!("{}h", chance.between(1, 24 * most))
}

fn age(chance: &mut Chance, most: i64) -> String {
    let low = chance.between(1, 24 * most);
    match chance.below(4) {
        0 => format!("< {low}h"),
        1 => format!("{low}h..{}h", low + chance.between(1, 200)),
        _ => format!(">= {low}h"),
    }
}

fn value_test(chance: &mut Chance, path: &str) -> String {
    match (path, chance.below(4)) {
        ("total", 0) => "{ exists = true }".into(),
        ("total", _) => format!("{{ is = \">= {}\" }}", chance.between(5, 60)),
        (_, 0) => "{ in = [\"tea\", \"cups\"] }".into(),
        (_, 1) => "{ contains = \"e\" }".into(),
        (_, 2) => "{ contains_any = [\"tea\", \"offee\"] }".into(),
        _ => "{ matches = \"^t\" }".into(),
    }
}

fn filter(chance: &mut Chance) -> String {
    let path = chance.of(&["category", "category", "total"]);
    let test = match path {
        "category" if chance.once_in(2) => format!("\"{}\"", chance.of(&["tea", "cups"])),
        path => value_test(chance, path),
    };
    format!("where = {{ {path} = {test} }}")
}

fn of_events(chance: &mut Chance, at: Place<'_>) -> String {
    let name = match chance.once_in(8) {
        true => "*",
        false => chance.of(EVENTS),
    };
    let mut parts: Vec<String> = Vec::new();
    if chance.once_in(2) {
        parts.push(format!("within = \"{}\"", days(chance, 15)));
    }
    if at.of_entry && chance.once_in(2) {
        parts.push("since = \"entry\"".into());
    }
    let absent = chance.once_in(3);
    if at.by_event && chance.once_in(4) {
        parts.push("where = { category = { same = \"category\" } }".into());
    } else {
        if chance.once_in(3) {
            parts.push(filter(chance));
        }
        if at.of_entry && at.per && chance.once_in(2) {
            parts.push("same = \"cart_id\"".into());
        }
        if !absent {
            let more = match chance.below(7) {
                0 => format!("count = \"{}\"", chance.of(&[">= 2", "1..3", "< 4"])),
                1 => format!("sum = \"total\", is = \">= {}\"", chance.between(10, 90)),
                2 => format!("last = \"{}\"", age(chance, 12)),
                3 => format!("first = \"{}\"", age(chance, 30)),
                4 => format!("gap = \"{}\"", age(chance, 6)),
                5 if name == "Order Completed" => "is = \">= 30\"".into(),
                _ => String::new(),
            };
            parts.extend((!more.is_empty()).then_some(more));
        }
    }
    let leading = if absent { "no_event" } else { "event" };
    parts.insert(0, format!("{leading} = \"{name}\""));
    format!("{{ {} }}", parts.join(", "))
}

fn of_messages(chance: &mut Chance, at: Place<'_>) -> String {
    let was = chance.of(&[
        "sent",
        "accepted",
        "bounced",
        "opened",
        "maybe_opened",
        "clicked",
        "answered",
    ]);
    let step = match at.steps {
        [] => "one".to_owned(),
        steps => steps[chance.below(steps.len() as u64) as usize].id.clone(),
    };
    let name = match at.others {
        [] => step,
        others if chance.once_in(2) => {
            format!("{}/one", others[chance.below(others.len() as u64) as usize])
        }
        _ => step,
    };
    let within = match chance.once_in(2) {
        true => format!(", within = \"{}\"", days(chance, 10)),
        false => String::new(),
    };
    format!("{{ message = \"{name}\", was = \"{was}\"{within} }}")
}

fn leaf(chance: &mut Chance, at: Place<'_>) -> String {
    match chance.below(20) {
        0..6 => of_events(chance, at),
        6 => format!("{{ known_for = \"{}\" }}", age(chance, 60)),
        7 => {
            let test = chance.of(&[
                "is = \"gold\"",
                "in = [\"gold\", \"silver\"]",
                "contains = \"ol\"",
                "contains_any = [\"ir\", \"x\"]",
                "matches = \"o\"",
                "exists = false",
            ]);
            format!("{{ attribute = \"plan\", {test} }}")
        }
        8 => format!("{{ tag = \"{}\" }}", chance.of(&["vip", "mark"])),
        9 if at.named => format!("{{ tag = \"{}\" }}", chance.of(&["buyer", "quiet"])),
        9 | 10 if at.named => "{ segment = \"lively\" }".into(),
        11 => {
            let topic = chance.of(TOPICS);
            match chance.once_in(2) {
                true => format!(
                    "{{ subscribed = \"{topic}\", given = \"{}\" }}",
                    age(chance, 30)
                ),
                false => format!("{{ subscribed = \"{topic}\" }}"),
            }
        }
        12 => {
            let topic = chance.of(TOPICS);
            match chance.once_in(2) {
                true => format!(
                    "{{ refused = \"{topic}\", within = \"{}\" }}",
                    days(chance, 30)
                ),
                false => format!("{{ refused = \"{topic}\" }}"),
            }
        }
        13 | 14 => of_messages(chance, at),
        15 if !at.others.is_empty() => {
            let other = &at.others[chance.below(at.others.len() as u64) as usize];
            let was = chance.of(&["entered", "finished", "left"]);
            match chance.once_in(2) {
                true => format!(
                    "{{ campaign = \"{other}\", was = \"{was}\", within = \"{}\" }}",
                    days(chance, 12)
                ),
                false => format!("{{ campaign = \"{other}\", was = \"{was}\" }}"),
            }
        }
        16 => match chance.below(3) {
            0 => "{ preference = \"pause\", exists = false }".into(),
            1 => "{ preference = \"timezone\", is = \"Asia/Seoul\" }".into(),
            _ => "{ preference = \"caps\", in = [\"2 per 7d\", \"1 per day\"] }".into(),
        },
        17 => format!("{{ engaged = \"{}\" }}", age(chance, 20)),
        18 => format!(
            "{{ unanswered = \"{}\" }}",
            chance.of(&[">= 2", "< 3", "1..4"])
        ),
        _ => {
            let every = chance.of(&[", every = \"year\"", ""]);
            let (before, after) = (chance.below(9), chance.below(9));
            format!(
                "{{ date = \"birthday\", before = \"{before}d\", after = \"{after}d\"{every} }}"
            )
        }
    }
}

fn condition(chance: &mut Chance, at: Place<'_>, depth: u32) -> String {
    match chance.below(if depth == 0 { 6 } else { 9 }) {
        6 => format!("{{ not = {} }}", condition(chance, at, depth - 1)),
        n @ (7 | 8) => {
            let parts: Vec<String> = (0..2 + chance.below(2))
                .map(|_| condition(chance, at, depth - 1))
                .collect();
            let key = if n == 7 { "all" } else { "any" };
            format!("{{ {key} = [{}] }}", parts.join(", "))
        }
        _ => leaf(chance, at),
    }
}

/// The same as a table of its own.
fn table(header: &str, condition: &str) -> String {
    format!("[{header}]\nall = [{condition}]\n")
}

/// Audiences that many stand in, now and then.
const EASY: &[&str] = &[
    "{ tag = \"vip\" }",
    "{ event = \"Visited\", last = \">= 20h\" }",
    "{ no_event = \"Order Completed\", within = \"3d\" }",
    "{ event = \"*\", within = \"2d\" }",
];

// ---- files ---------------------------------------------------------------------------------------------------------

fn a_start(chance: &mut Chance, file: &mut File, lively: bool) {
    file.per = false;
    file.by_event = false;
    let which = if lively { 9 } else { chance.below(9) };
    file.start = match which {
        9 => {
            (file.by_event, file.per) = (true, chance.once_in(2));
            let event = chance.of(&EVENTS[..3]);
            let per = if file.per { "per = \"cart_id\"\n" } else { "" };
            format!("[trigger]\nevent = \"{event}\"\n{per}")
        }
        0 | 1 => {
            let when = match chance.below(5) {
                0 => format!(
                    "on = \"2025-{:02}-11 10:00\"",
                    chance.between(2, 13).min(12)
                ),
                _ => format!(
                    "cron = \"{}\"",
                    chance.of(&["0 10 * * *", "30 2 * * *", "0 0 * * MON", "15 */6 * * *"])
                ),
            };
            let zone = chance.of(&[
                "timezone = \"customer\"\n",
                "timezone = \"America/New_York\"\n",
                "",
            ]);
            format!("[schedule]\n{when}\n{zone}")
        }
        2 | 8 => {
            let near = match chance.below(3) {
                0 => format!("before = \"{}d\"\n", chance.below(10)),
                1 => format!("after = \"{}d\"\n", chance.below(10)),
                _ => String::new(),
            };
            let every = chance.of(&["every = \"year\"\n", ""]);
            let at = chance.of(&["00:00", "02:30", "09:00", "23:59"]);
            format!("[trigger]\ndate = \"birthday\"\n{every}{near}at = \"{at}\"\nfresh = \"30h\"\n")
        }
        3 | 4 => String::new(),
        _ => {
            file.by_event = true;
            file.per = chance.once_in(2);
            let mut text = format!("[trigger]\nevent = \"{}\"\n", chance.of(EVENTS));
            if chance.once_in(3) {
                writeln!(text, "{}", filter(chance)).unwrap();
            }
            if chance.once_in(3) {
                writeln!(text, "count = {}", chance.between(2, 4)).unwrap();
                writeln!(text, "within = \"{}\"", days(chance, 8)).unwrap();
            }
            if file.per {
                text.push_str("per = \"cart_id\"\n");
            }
            text.push_str(chance.of(&["repeat = \"ignore\"\n", "repeat = \"restart\"\n", ""]));
            text.push_str(chance.of(&["fresh = \"3h\"\n", "fresh = \"2d\"\n", ""]));
            text
        }
    };
}

fn a_step(chance: &mut Chance, place: Place<'_>, later: &[String], advertises: bool) -> String {
    let mut text = String::new();
    let mut waits = false;
    match chance.below(4) {
        0 => {}
        1 => writeln!(text, "after = \"{}\"", days(chance, 4)).unwrap(),
        _ => {
            waits = true;
            writeln!(text, "wait = \"{}\"", days(chance, 5)).unwrap();
        }
    }
    let kind = chance.below(12);
    match chance.below(6) {
        0 => writeln!(text, "at = \"{}\"", chance.of(&["10:00", "02:30", "00:00"])).unwrap(),
        1 if kind >= 4 => text.push_str("at = \"best\"\n"),
        _ => {}
    }
    if waits && chance.once_in(3) {
        writeln!(text, "until = {}", condition(chance, place, 1)).unwrap();
    }
    if chance.once_in(3) {
        writeln!(text, "only_if = {}", condition(chance, place, 1)).unwrap();
        match (chance.below(4), later) {
            (0, _) => text.push_str("otherwise = \"exit\"\n"),
            (1, [_, ..]) => {
                let to = &later[chance.below(later.len() as u64) as usize];
                writeln!(text, "otherwise = \"{to}\"").unwrap();
            }
            (2, _) => text.push_str("otherwise = \"skip\"\n"),
            _ => {}
        }
    }
    match kind {
        0 => text.push_str("tag = \"mark\"\n"),
        1 => text.push_str("untag = \"mark\"\n"),
        2 => writeln!(text, "leave = \"{}\"", chance.of(&["news", "digest"])).unwrap(),
        3 => text.push_str("notify = \"crm\"\nsubject = \"Look\"\ntext = \"{{customer.id}}\"\n"),
        _ => {
            text.push_str("template = \"t\"\nsubject = \"s\"\n");
            let expires = chance.of(&["1h", "30h", "3d", "20d"]);
            writeln!(text, "expires = \"{expires}\"").unwrap();
            if chance.once_in(5) {
                text.push_str("recheck = false\n");
            }
            if !advertises && chance.once_in(4) {
                let class = chance.of(&["informational", "transactional"]);
                writeln!(text, "class = \"{class}\"").unwrap();
            }
            if chance.once_in(2) {
                writeln!(text, "coupon = \"{}\"", chance.of(&["ten", "tea"])).unwrap();
            }
            if chance.once_in(3) {
                text.push_str(
                    "variants = [{ name = \"plain\" }, { name = \"gift\", weight = 2, coupon = \"ten\" }]\n",
                );
            }
        }
    }
    text
}

fn some_steps(
    chance: &mut Chance,
    file: &File,
    others: &[String],
    advertises: bool,
) -> Vec<StepText> {
    let mut ids: Vec<&str> = STEPS[1..].to_vec();
    let mut chosen = vec!["one".to_owned()];
    while !ids.is_empty() && chance.once_in(2) {
        chosen.push(
            ids.remove(chance.below(ids.len() as u64) as usize)
                .to_owned(),
        );
    }
    let known: Vec<StepText> = (chosen.iter())
        .map(|id| StepText {
            id: id.clone(),
            renamed_from: None,
            text: String::new(),
        })
        .collect();
    let place = Place {
        of_entry: true,
        per: file.per,
        by_event: file.by_event,
        others,
        steps: &known,
        named: true,
    };
    (0..chosen.len())
        .map(|n| StepText {
            text: a_step(chance, place, &chosen[n + 1..], advertises),
            ..known[n].clone()
        })
        .collect()
}

fn an_entry(chance: &mut Chance, file: &File, others: &[String]) -> String {
    let scheduled = file.start.contains("[schedule]");
    let mut text = String::from("[entry]\n");
    let again = chance.of(&["always", "always", "always", "never", "after_leaving", "2d"]);
    writeln!(text, "again = \"{again}\"").unwrap();
    if chance.once_in(4) {
        writeln!(text, "at_most = {}", chance.between(1, 6)).unwrap();
    }
    if scheduled || file.start.is_empty() {
        let existing = chance.of(&["enter", "skip", "1 per 1d"]);
        writeln!(text, "existing = \"{existing}\"").unwrap();
    }
    if chance.once_in(2) {
        let place = Place {
            of_entry: true,
            per: file.per,
            by_event: file.by_event,
            others,
            steps: &file.steps,
            named: true,
        };
        let exits: Vec<String> = (0..1 + chance.below(2))
            .map(|_| condition(chance, place, 1))
            .collect();
        writeln!(text, "exit = [{}]", exits.join(", ")).unwrap();
    }
    let on_change = chance.of(&["finish", "jump", "exit"]);
    writeln!(text, "on_change = \"{on_change}\"").unwrap();
    if chance.once_in(2) {
        text.push_str("appended = \"finished\"\n");
    }
    if chance.once_in(2) {
        text.push_str("unless_in = \"higher_priority\"\n");
    }
    text
}

fn some_limits(chance: &mut Chance) -> String {
    let mut text = String::from("[limits]\n");
    if chance.once_in(4) {
        text.push_str(chance.of(&["caps = [\"2 per 7d\"]\n", "caps = [\"1 per day\"]\n"]));
    }
    if chance.once_in(6) {
        text.push_str("gap = \"26h\"\n");
    }
    if chance.once_in(4) {
        text.push_str(chance.of(&[
            "window = \"always\"\n",
            "window = \"Mon-Sun 00:00-24:00\"\n",
            "window = \"08:00-21:00\"\n",
        ]));
    }
    if chance.once_in(4) {
        writeln!(text, "holdout = \"{}\"", chance.of(&["10%", "50%", "90%"])).unwrap();
    }
    if chance.once_in(3) {
        let quota = chance.of(&["60%", "2 per 1d", "1 per 6h", "3 per 5d", "9"]);
        writeln!(text, "quota = \"{quota}\"").unwrap();
    }
    text
}

fn a_goal(chance: &mut Chance) -> String {
    if chance.once_in(2) {
        return String::new();
    }
    let event = chance.of(&["Order Completed", "Order Completed", "Searched", "*"]);
    let within = chance.of(&["1h", "30h", "7d", "60d"]);
    let mut text = format!("[goal]\nevent = \"{event}\"\nwithin = \"{within}\"\n");
    if chance.once_in(4) {
        writeln!(text, "{}", filter(chance)).unwrap();
    }
    if chance.once_in(2) {
        text.push_str("value = \"total\"\n");
    }
    text
}

fn a_file(chance: &mut Chance, n: u64, others: &[String]) -> File {
    let class = chance.of(&[
        "advertising",
        "advertising",
        "advertising",
        "informational",
        "transactional",
    ]);
    let topic = chance.of(&["offers", "offers", "news"]);
    let priority = if n == 0 { 2 } else { chance.between(-2, 4) };
    // The first one is for everybody, so that something happens in every world.
    let lively = n == 0;
    let state = match chance.below(12) {
        _ if lively => "live",
        0 => "draft",
        1 => "test",
        _ => "live",
    };
    let mut file = File {
        head: format!(
            "name = \"Campaign {n}\"\nstate = \"{state}\"\nclass = \"{class}\"\ntopic = \"{topic}\"\npriority = {priority}\n"
        ),
        ..File::default()
    };
    a_start(chance, &mut file, lively);
    let advertises = class == "advertising";
    file.steps = some_steps(chance, &file, others, advertises);
    let needs = !file.start.contains("[trigger]");
    if needs && chance.once_in(2) {
        file.audience = table("audience", chance.of(EASY));
    } else if needs || (!lively && chance.once_in(2)) {
        let place = Place {
            of_entry: false,
            per: file.per,
            by_event: file.by_event,
            others,
            steps: &[],
            named: true,
        };
        file.audience = table("audience", &condition(chance, place, 2));
    }
    file.entry = match lively {
        true => {
            let on_change = chance.of(&["finish", "jump"]);
            format!(
                "[entry]\nagain = \"always\"\non_change = \"{on_change}\"\nappended = \"finished\"\n"
            )
        }
        false => an_entry(chance, &file, others),
    };
    file.limits = some_limits(chance);
    file.goal = a_goal(chance);
    file
}

fn plain(chance: &mut Chance) -> String {
    let place = Place {
        of_entry: false,
        per: false,
        by_event: false,
        others: &[],
        steps: &[],
        named: false,
    };
    match chance.once_in(5) {
        // It asks for a message, which has to name a campaign here.
        true => format!("{{ known_for = \"{}\" }}", age(chance, 40)),
        false => of_events(chance, place),
    }
}

pub const TOPICS_FILE: &str = "[offers]\nname = \"Offers\"\ndescription = \"Now and then\"\n[news]\nname = \"News\"\ndefault = false\n[digest]\nname = \"Digest\"\non_request = true\n";

fn some_pools(chance: &mut Chance) -> String {
    let mut text = String::from("[ten]\nfile = \"ten.txt\"\n");
    text.push_str(chance.of(&["valid = \"3d\"\n", "valid = \"20d\"\n", ""]));
    text.push_str(chance.of(&["most = 2\n", "most = 30\n", ""]));
    text.push_str(chance.of(&["most_each = 1\n", "most_each = 3\n", ""]));
    text.push_str("warn_below = 3\n[tea]\n");
    let count = chance.between(1, 5);
    writeln!(
        text,
        "generate = {{ prefix = \"TEA-\", length = 10, count = {count} }}"
    )
    .unwrap();
    text
}

/// Whether the compiler takes this file in this folder.
fn is_good(folder: &Folder, name: &str, shop: &Shop) -> bool {
    let loaded = read(folder, shop);
    let id = CampaignId::parse(name).unwrap();
    loaded.campaigns.get(&id).is_some_and(Result::is_ok) && !loaded.has_errors()
}

/// A folder of campaigns, tags, segments, topics and pools.
pub fn a_folder(chance: &mut Chance, shop: &Shop) -> Folder {
    let mut folder = Folder {
        topics: TOPICS_FILE.into(),
        coupons: some_pools(chance),
        tags: format!("[buyer]\nall = [{}]\n", plain(chance)),
        ..Folder::default()
    };
    writeln!(
        folder.segments,
        "[lively]\nany = [{}, {{ tag = \"buyer\" }}]",
        plain(chance)
    )
    .unwrap();
    writeln!(folder.tags, "[quiet]\nnot = {{ segment = \"lively\" }}").unwrap();
    for n in 0..2 + chance.below(3) {
        let name = format!("c{n}");
        let others: Vec<String> = folder.files.keys().cloned().collect();
        for _ in 0..60 {
            let file = a_file(chance, n, &others);
            folder.files.insert(name.clone(), file);
            if is_good(&folder, &name, shop) {
                break;
            }
            folder.files.remove(&name);
        }
    }
    folder
}

/// The folder after somebody has worked on it: steps come, go, change their places and names; other parts are written
/// anew; a file gets another name.
pub fn an_edit(chance: &mut Chance, before: &Folder, shop: &Shop) -> Folder {
    let names: Vec<String> = before.files.keys().cloned().collect();
    if names.is_empty() {
        return a_folder(chance, shop);
    }
    for _ in 0..30 {
        let mut folder = before.clone();
        // What a rename says is said once.
        for file in folder.files.values_mut() {
            file.renamed_from = None;
            file.steps.iter_mut().for_each(|s| s.renamed_from = None);
        }
        let mut name = names[chance.below(names.len() as u64) as usize].clone();
        let others: Vec<String> = names.iter().filter(|n| **n < name).cloned().collect();
        let mut file = folder.files.remove(&name).unwrap();
        let advertises = file.head.contains("class = \"advertising\"");
        let anew = some_steps(chance, &file, &others, advertises);
        let new_name = format!("new{}", file.named);
        file.named += 1;
        match chance.below(12) {
            0..3 => {
                let step = StepText {
                    id: new_name,
                    ..anew[0].clone()
                };
                file.steps.push(step);
            }
            3 | 4 => {
                let step = StepText {
                    id: new_name,
                    ..anew[0].clone()
                };
                let at = chance.below(file.steps.len() as u64) as usize;
                file.steps.insert(at, step);
            }
            5 | 6 if file.steps.len() > 1 => {
                let at = chance.below(file.steps.len() as u64) as usize;
                file.steps.remove(at);
            }
            7 => {
                let at = chance.below(file.steps.len() as u64) as usize;
                let step = &mut file.steps[at];
                step.renamed_from = Some(std::mem::replace(&mut step.id, new_name));
            }
            8 => {
                let new = match name.strip_suffix('x') {
                    Some(plain) => plain.to_owned(),
                    None => format!("{name}x"),
                };
                file.renamed_from = Some(std::mem::replace(&mut name, new));
            }
            9 => file.limits = some_limits(chance),
            10 => file.goal = a_goal(chance),
            11 => {
                folder.coupons = some_pools(chance);
                folder.tags = format!(
                    "[buyer]\nall = [{}]\n[quiet]\nnot = {{ segment = \"lively\" }}\n",
                    plain(chance)
                );
            }
            _ => file.entry = an_entry(chance, &file, &others),
        }
        folder.files.insert(name.clone(), file);
        if is_good(&folder, &name, shop) {
            return folder;
        }
    }
    before.clone()
}

// ---- what happens --------------------------------------------------------------------------------------------------

/// An event with all that the files ask about.
fn an_event(chance: &mut Chance, world: &mut World, time: Timestamp) -> Event {
    let name = match chance.once_in(12) {
        true => "Order Cancelled",
        false => chance.of(EVENTS),
    };
    let (cart, order) = (chance.below(3).to_string(), chance.below(40).to_string());
    let total = chance.between(5, 70).to_string();
    let mut properties = vec![
        ("cart_id", cart.as_str()),
        ("order_id", order.as_str()),
        ("total", total.as_str()),
        ("category", chance.of(&["tea", "cups", "coffee"])),
    ];
    properties.retain(|_| !chance.once_in(8));
    world.make_event(name, time, &properties)
}

/// Something happens to a customer that files of the whole language ask about, or somebody works on the files.
pub fn happens(chance: &mut Chance, world: &mut World, folder: &mut Folder, no: CustomerNo) {
    match chance.below(24) {
        0..3 => {
            let how_many = world.attempts.len() as u64;
            if how_many > 0 {
                let back = chance.below(how_many.min(12)) as usize;
                let attempt = &world.attempts[world.attempts.len() - 1 - back];
                let engagement = Engagement {
                    message: attempt.message,
                    kind: chance.of(&[HitKind::Open, HitKind::Click]),
                    class: chance.of(&[
                        HitClass::HumanLikely,
                        HitClass::HumanLikely,
                        HitClass::PrivacyProxy,
                        HitClass::Scanner,
                    ]),
                    reason: Reason::Reader,
                    link: None,
                    first: world.now,
                    last: world.now,
                };
                let whose = attempt.customer;
                world.apply(whose, Cause::Engagement(engagement));
            }
        }
        3 | 4 => {
            let topic = chance.of(TOPICS);
            let state = chance.of(&[
                ConsentState::Given,
                ConsentState::Given,
                ConsentState::Refused,
            ]);
            world.consent(no, Some(topic), state);
        }
        5 => {
            let bears = chance.once_in(2);
            world.tag(no, "mark", bears);
        }
        6 => {
            let (name, value) = match chance.below(3) {
                0 => ("plan", Value::Text(chance.of(&["gold", "iron"]).into())),
                1 => ("test", Value::Bool(chance.once_in(2))),
                _ => {
                    let day = world.now + Span::days(chance.between(-400, 60));
                    let day = day.to_utc().format("%Y-%m-%d").to_string();
                    ("birthday", Value::Text(day))
                }
            };
            world.profile(no, |p| _ = p.attributes.insert(name.into(), value));
        }
        7 | 8 => {
            let at = world.now - Span::minutes(chance.between(0, 9_000));
            let event = an_event(chance, world, at);
            world.apply(no, Cause::Event(event, Liveness::History));
        }
        9 => {
            let at = world.now - Span::minutes(chance.between(0, 4_000));
            let event = an_event(chance, world, at);
            world.apply(no, Cause::Event(event, Liveness::Live));
        }
        10 => {
            let mut by_hour = || std::array::from_fn(|_| chance.below(9));
            let of_segment = SegmentName::parse("lively").unwrap();
            let answers = Answers {
                shop: by_hour(),
                segments: [(of_segment, by_hour())].into(),
            };
            let day = world.now.0 / 86_400_000;
            world.control(|c| c.learned = c.learned.next(&answers, 1, day * 24));
        }
        11 | 12 => {
            *folder = an_edit(chance, folder, &world.rules.shop);
            world.withhold_edits = chance.once_in(3);
            adopt(world, folder);
        }
        13 => {
            // The same files once more, and what waits is approved.
            world.withhold_edits = false;
            adopt(world, folder);
        }
        _ => {
            let events = (0..1 + chance.below(3))
                .map(|_| an_event(chance, world, world.now))
                .collect();
            world.events_at_once(no, events);
        }
    }
    world.run_for(Span::ZERO);
}
