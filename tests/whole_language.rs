//! The whole campaign language in random worlds: files in TOML, read by the real compiler, worked on and read anew while
//! customers are under way; and which key of the language is drawn here, and which is left to whom (`tests/README.md`).
//!
//! `REVEILLE_SOAK=1` plays more worlds; `REVEILLE_SEED` chooses the first.

mod world;

use reveille::campaign::keys;
use reveille::config::toml_reader::Keys;
use reveille::domain::id::{CampaignId, CustomerNo, MessageNo, PoolName};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};
use world::chance::Chance;
use world::random::{Shape, play};
use world::{Attempt, World, language, soundness};

fn seeds(by_default: u64, in_soak: u64) -> impl Iterator<Item = u64> {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    let first = (std::env::var("REVEILLE_SEED").ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_260_302);
    let how_many = if soak { in_soak } else { by_default };
    println!("seeds {first}..{}", first + how_many);
    (0..how_many).map(move |n| first + n)
}

#[test]
fn worlds_of_the_whole_language_are_sound_and_replay_byte_for_byte() {
    let mut told: BTreeSet<Reason> = BTreeSet::new();
    let (mut left, mut codes) = (0, 0);
    for seed in seeds(14, 400) {
        println!("seed {seed}");
        let merged = seed % 2 == 0;
        let world = play(
            seed,
            &Shape {
                whole: true,
                merged,
                shared: seed % 3 == 0,
                ..Shape::of(3, 80)
            },
        );
        soundness::check_log(&world);
        soundness::check_nothing_is_stuck(&world);
        soundness::nothing_is_sent_twice(&world, true);
        soundness::every_row_has_its_reason(&world);
        soundness::check_replay(&world);
        if !merged {
            codes += check_coupons(&world);
        }
        left += world.attempts.len();
        told.extend(world.log.iter().map(|row| row.reason));
    }
    println!("{left} attempts, {codes} with codes; {told:?}");
    // The run means something.
    let wanted = [
        Reason::Trigger,
        Reason::Schedule,
        Reason::Audience,
        Reason::Date,
        Reason::Existing,
        Reason::Holdout,
        Reason::Control,
        Reason::GoalReached,
        Reason::Quota,
        Reason::Coupon,
        Reason::CouponLimit,
        Reason::CouponsGone,
        Reason::HigherPriority,
        Reason::AudienceFails,
        Reason::Edited,
        Reason::StepGone,
        Reason::Appended,
        Reason::Exit,
        Reason::OnlyIf,
        Reason::Restarted,
    ];
    let missing: Vec<_> = wanted.iter().filter(|r| !told.contains(r)).collect();
    assert!(missing.is_empty(), "never: {missing:?}");
    assert!(left > 300 && codes > 30, "{left}, {codes}");
}

/// A code as the oracle knows it: whose it is, and, once a mail with it was accepted, until when it is good.
#[derive(Debug)]
struct Known {
    customer: CustomerNo,
    /// Mails that bear it and have not ended.
    open: BTreeSet<MessageNo>,
    kept: bool,
    until: Option<i64>,
    campaign: String,
}

/// The pool whose code a message is to name, by the file as it stood.
fn pool_of(attempt: &Attempt) -> Option<PoolName> {
    let step = attempt
        .rules
        .campaigns
        .get(&attempt.campaign)?
        .step(&attempt.step)?;
    let variant = (step.variants.iter()).find(|v| Some(&v.name) == attempt.variant.as_ref());
    (variant.and_then(|v| v.coupon.clone())).or(step.coupon.clone())
}

/// A file that is renamed gets an `x`, or loses it.
fn one_name(campaign: &CampaignId) -> String {
    campaign.as_str().trim_end_matches('x').to_owned()
}

/// What the manual says of codes, from what began and what became of it: how many mails bore one.
fn check_coupons(world: &World) -> usize {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut doubted: BTreeSet<(CustomerNo, MessageNo)> = BTreeSet::new();
    let mut bore: BTreeMap<(CustomerNo, MessageNo), (String, Option<i64>)> = BTreeMap::new();
    let mut count = 0;
    let mut attempts = world.attempts.iter();
    for row in &world.log {
        let Some(message) = row.message else { continue };
        let of = (row.customer, message);
        match row.status {
            Status::Attempting => {
                let attempt = attempts.next().expect("each attempt has its row");
                assert_eq!((attempt.customer, attempt.message), of);
                let pool = pool_of(attempt);
                if attempt.attempt > 1 {
                    // Retries and what is sent again name the same.
                    let first = bore.get(&of).map(|(code, _)| code);
                    assert_eq!(attempt.coupon.as_ref(), first, "{attempt:?}");
                    continue;
                }
                let Some(code) = &attempt.coupon else {
                    assert_eq!(pool, None, "a mail without its code: {attempt:?}");
                    continue;
                };
                count += 1;
                a_code_is_named(attempt, code, pool.as_ref(), &mut known);
                let valid = pool.and_then(|name| attempt.rules.pools.get(&name)?.valid);
                bore.insert(of, (code.clone(), valid.map(|span| span.0)));
            }
            Status::Uncertain => _ = doubted.insert(of),
            status if soundness::is_final(status) => {
                let Some((code, valid)) = bore.get(&of) else {
                    continue;
                };
                let stays = status == Status::Accepted || doubted.contains(&of);
                ends(code, *valid, stays, row.time, message, &mut known);
            }
            _ => {}
        }
    }
    count
}

fn a_code_is_named(
    attempt: &Attempt,
    code: &str,
    pool: Option<&PoolName>,
    known: &mut BTreeMap<String, Known>,
) {
    let now = attempt.at.0;
    let campaign = one_name(&attempt.campaign);
    let family = |code: &str| code.split('-').next().unwrap_or_default().to_lowercase();
    if let Some(pool) = pool {
        assert_eq!(family(code), pool.as_str(), "of another pool: {attempt:?}");
    }
    let own = |k: &&Known| k.customer == attempt.customer;
    let good = |k: &Known| k.kept && k.until.is_none_or(|until| now < until);
    let had = known
        .iter()
        .find(|(c, k)| own(k) && k.campaign == campaign && family(c) == family(code) && good(k));
    if let Some((had, _)) = had {
        assert_eq!(had, code, "they have one that is good: {attempt:?}");
    }
    match known.get_mut(code) {
        Some(k) => {
            assert_eq!(k.customer, attempt.customer, "somebody else has {code}");
            assert!(
                !k.kept || k.until.is_none_or(|until| now < until),
                "{code} is over"
            );
            k.open.insert(attempt.message);
        }
        None => {
            let most = pool.and_then(|name| attempt.rules.pools.get(name)?.most_each);
            let others = (known.iter()).filter(|(c, k)| own(k) && family(c) == family(code));
            let others = others.count() as u32;
            assert!(most.is_none_or(|most| others < most), "{attempt:?}");
            let new = Known {
                customer: attempt.customer,
                open: [attempt.message].into(),
                kept: false,
                until: None,
                campaign,
            };
            known.insert(code.to_owned(), new);
        }
    }
}

fn ends(
    code: &str,
    valid: Option<i64>,
    stays: bool,
    at: Timestamp,
    message: MessageNo,
    known: &mut BTreeMap<String, Known>,
) {
    let Some(k) = known.get_mut(code) else { return };
    k.open.remove(&message);
    if stays && !k.kept {
        k.kept = true;
        k.until = valid.map(|valid| at.0 + valid);
    }
    if !k.kept && k.open.is_empty() {
        known.remove(code);
    }
}

// ---- the map -------------------------------------------------------------------------------------------------------

/// Keys by the table that they stand in, as `src/campaign/keys.rs` calls it.
type KeysOf = BTreeMap<&'static str, BTreeSet<String>>;

fn note(found: &mut KeysOf, keys: &'static Keys, table: &Table) {
    let own = found.entry(keys.of).or_default();
    own.extend(table.keys().cloned());
}

fn each_table(value: Option<&Value>) -> Vec<&Table> {
    match value {
        Some(Value::Table(table)) => vec![table],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_table).collect(),
        _ => Vec::new(),
    }
}

fn of_filter(found: &mut KeysOf, table: &Table) {
    for filter in each_table(table.get("where")) {
        let tests = filter.values().filter_map(Value::as_table);
        tests.for_each(|test| note(found, &keys::PROPERTY, test));
    }
}

fn of_condition(found: &mut KeysOf, condition: &Table) {
    let leading = |(key, _): &&(&str, &'static Keys)| condition.contains_key(*key);
    let (_, keys) = keys::CONDITIONS
        .iter()
        .find(leading)
        .expect("a leading key");
    note(found, keys, condition);
    of_filter(found, condition);
    for key in ["all", "any", "not"] {
        each_table(condition.get(key))
            .into_iter()
            .for_each(|inner| of_condition(found, inner));
    }
}

fn of_file(found: &mut KeysOf, file: &Table) {
    note(found, &keys::CAMPAIGN, file);
    for (name, keys) in [
        ("schedule", &keys::SCHEDULE),
        ("trigger", &keys::TRIGGER),
        ("entry", &keys::ENTRY),
        ("limits", &keys::LIMITS),
        ("goal", &keys::GOAL),
    ] {
        for table in each_table(file.get(name)) {
            note(found, keys, table);
            of_filter(found, table);
            each_table(table.get("exit"))
                .into_iter()
                .for_each(|c| of_condition(found, c));
        }
    }
    each_table(file.get("audience"))
        .into_iter()
        .for_each(|c| of_condition(found, c));
    for step in each_table(file.get("step")) {
        note(found, &keys::STEP, step);
        for variant in each_table(step.get("variants")) {
            note(found, &keys::VARIANT, variant);
        }
        for key in ["until", "only_if"] {
            each_table(step.get(key))
                .into_iter()
                .for_each(|c| of_condition(found, c));
        }
    }
}

/// What random folders and their edits say.
fn drawn() -> KeysOf {
    let mut found = KeysOf::new();
    let read = |text: &str| toml::from_str::<Table>(text).expect("it is TOML");
    for seed in 1..=60 {
        let mut chance = Chance(seed);
        let shop = world::shop();
        let mut folder = language::a_folder(&mut chance, &shop);
        for _ in 0..3 {
            for file in folder.files.values() {
                of_file(&mut found, &read(&file.text()));
            }
            for text in [&folder.tags, &folder.segments] {
                let named = read(text);
                let conditions = named.values().filter_map(Value::as_table);
                conditions.for_each(|c| of_condition(&mut found, c));
            }
            for topic in read(&folder.topics).values().filter_map(Value::as_table) {
                note(&mut found, &keys::TOPIC, topic);
            }
            for pool in read(&folder.coupons).values().filter_map(Value::as_table) {
                note(&mut found, &keys::POOL, pool);
                for generate in each_table(pool.get("generate")) {
                    note(&mut found, &keys::GENERATE, generate);
                }
            }
            folder = language::an_edit(&mut chance, &folder, &shop);
        }
    }
    found
}

/// One row of the map: table, keys, whether they are drawn, and the files that judge them.
fn rows_of_the_map() -> Vec<(String, Vec<String>, bool, Vec<String>)> {
    let text = include_str!("README.md");
    let in_ticks = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [table, keys, drawn, files] = cells.as_slice() else {
            panic!("four cells: {line}");
        };
        assert!(["yes", "no"].contains(drawn), "{line}");
        let table = (*table).to_owned();
        (table, in_ticks(keys), *drawn == "yes", in_ticks(files))
    })
    .collect()
}

#[test]
fn every_key_of_the_language_is_on_the_map_and_the_map_is_true() {
    let drawn = drawn();
    let mut mapped: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut untrue = Vec::new();
    for (table, keys, says_drawn, files) in rows_of_the_map() {
        let known = keys::ALL_TABLES.iter().find(|t| t.of == table);
        let known = known.unwrap_or_else(|| panic!("no table is called {table}"));
        assert!(!files.is_empty(), "nobody judges {keys:?} of {table}");
        for file in files {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            assert!(path.is_file(), "there is no {file}");
        }
        for key in keys {
            assert!(
                known.known.contains(&key.as_str()),
                "{table} knows no {key}"
            );
            let is = drawn.get(known.of).is_some_and(|keys| keys.contains(&key));
            if is != says_drawn {
                untrue.push(format!("{key} of {table}: drawn is {is}"));
            }
            let new = mapped.entry(table.clone()).or_default().insert(key.clone());
            assert!(new, "{key} of {table} stands there twice");
        }
    }
    assert!(untrue.is_empty(), "{untrue:#?}");
    for table in keys::ALL_TABLES {
        let own = mapped.get(table.of).cloned().unwrap_or_default();
        let missing: Vec<_> = table.known.iter().filter(|k| !own.contains(**k)).collect();
        assert!(
            missing.is_empty(),
            "{} is not on the map with {missing:?}",
            table.of
        );
    }
}
