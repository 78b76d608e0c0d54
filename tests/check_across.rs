//! What `reveille check` says of files that are good one by one: campaigns that starve each other, templates that nobody
//! uses; and, where it asks the store, events that never came and attributes that customers lack.

mod cli_house;

use cli_house::{House, ROWS};
use reveille::campaign::{self, Context, Source, Sources, compile};
use reveille::config::Config;
use reveille::domain::id::CampaignId;
use serde_json::Value;
use std::path::Path;

/// A campaign that writes to its audience again and again.
fn regular(cron: &str, more: &str, audience: &str) -> String {
    format!(
        "name = \"C\"\nstate = \"live\"\nclass = \"advertising\"\ntopic = \"offers\"\n{more}\n[schedule]\ncron = \"{cron}\"\n\
         [entry]\nexisting = \"enter\"\nagain = \"always\"\n[audience]\n{audience}\n[[step]]\nid = \"m\"\ntemplate = \"welcome\"\nsubject = \"s\"\n"
    )
}

/// What is said of campaigns among each other, under these defaults of the shop.
fn across(caps: &str, campaigns: &[(&str, String)]) -> Vec<String> {
    let settings = format!("[defaults]\ncaps = {caps}\n");
    let config = Config::parse(Path::new("config.toml"), &settings).unwrap();
    let source = |file: &str, text: &str| Source {
        file: format!("{file}.toml"),
        text: text.to_owned(),
    };
    let sources = Sources {
        campaigns: (campaigns.iter())
            .map(|(id, text)| (CampaignId::parse(id).unwrap(), source(id, text)))
            .collect(),
        segments: None,
        topics: Some(source("topics", "[offers]\nname = \"Offers\"\n")),
        tags: None,
        ..Sources::default()
    };
    let loaded = compile(sources, &Context::of(&config));
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    let found = campaign::cross::check(&config, &loaded);
    found.iter().map(|problem| problem.to_line()).collect()
}

#[test]
fn campaigns_that_starve_each_other_are_told_with_the_figures() {
    let everybody = "known_for = \">= 1d\"";
    let daily = regular("0 10 * * *", "priority = 10", everybody);
    let weekly = regular("0 10 * * MON", "", everybody);
    let caps = "[\"1 per 20h\", \"9 per 7d\"]";
    let told = across(
        caps,
        &[("daily", daily.clone()), ("weekly", weekly.clone())],
    );
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].starts_with(
            "weekly.toml:6:1: customers who are in all these audiences are wanted more often"
        ) && told[0].contains("[defaults] caps allow (\"1 per 20h\", 3 in 3d)")
            && told[0].contains(
                "this campaign may want 1, and before it go `daily` 3; 1 of its 1 can find no place"
            ),
        "{told:#?}"
    );
    // Only the less important one loses, and nobody where there is room.
    let told = across(
        "[\"2 per 20h\"]",
        &[("daily", daily.clone()), ("weekly", weekly.clone())],
    );
    assert_eq!(told, Vec::<String>::new());
    // One alone may want too much.
    let told = across("[\"3 per 7d\"]", &[("daily", daily.clone())]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].contains(
            "may want 7 messages to a customer in 7d, and [defaults] caps let 3 go (\"3 per 7d\")"
        ),
        "{told:#?}"
    );
    // Its own limits keep it within bounds.
    let modest = format!("{daily}[limits]\ncaps = [\"2 per 7d\"]\n");
    assert_eq!(
        across("[\"3 per 7d\"]", &[("daily", modest)]),
        Vec::<String>::new()
    );
}

/// One checks before a campaign goes live.
#[test]
fn drafts_are_reckoned_as_if_they_were_live() {
    let everybody = "known_for = \">= 1d\"";
    let daily = regular("0 10 * * *", "priority = 10", everybody);
    let weekly = regular("0 10 * * MON", "", everybody);
    let draft = |text: &str| text.replace("\"live\"", "\"draft\"");
    for (daily, weekly, drafts) in [
        (draft(&daily), weekly.clone(), "`daily`"),
        (daily.clone(), draft(&weekly), "`weekly`"),
        (draft(&daily), draft(&weekly), "`weekly`, `daily`"),
    ] {
        let told = across("[\"1 per 20h\"]", &[("daily", daily), ("weekly", weekly)]);
        assert_eq!(told.len(), 1, "{told:#?}");
        let said = format!("(reckoned as if {drafts} were live, which is not so yet)");
        assert!(
            told[0].starts_with("weekly.toml:") && told[0].contains(&said),
            "{told:#?}"
        );
    }
    let told = across("[\"1 per 20h\"]", &[("daily", daily), ("weekly", weekly)]);
    assert!(
        told.len() == 1 && !told[0].contains("reckoned"),
        "{told:#?}"
    );
}

/// Nobody bears a tag that nothing gives.
#[test]
fn a_tag_that_is_misspelt_is_told_with_the_nearest() {
    let house = House::new();
    let campaign = |rest: &str| {
        format!(
            "name = \"C\"\nstate = \"draft\"\nclass = \"informational\"\n[trigger]\nevent = \"Signed Up\"\n{rest}\n\
             [[step]]\nid = \"m\"\ntemplate = \"welcome\"\nsubject = \"s\"\n"
        )
    };
    house.write(
        "campaigns/sleepy.toml",
        &campaign("[audience]\nall = [{ tag = \"dorment\" }, { tag = \"wholesale\" }, { tag = \"stage_new\" }]"),
    );
    house.write(
        "campaigns/giver.toml",
        &(campaign("[audience]\nnot = { tag = \"called_at_home\" }")
            + "[[step]]\nid = \"t\"\ntag = \"called_at_hme\"\n[[step]]\nid = \"u\"\nuntag = \"dormnt\"\n"),
    );
    let warned = |arguments: &[&str]| {
        let told = house.run(arguments).json();
        let problems = told["problems"].as_array().unwrap();
        let said = |key: &str, p: &Value| p[key].as_str().unwrap_or_default().to_owned();
        let tags = problems
            .iter()
            .filter(|p| said("what", p).contains("the tag `"));
        let mut found: Vec<(String, String, String)> = tags
            .map(|p| (said("text", p), said("what", p), said("help", p)))
            .collect();
        found.sort();
        found
    };
    let short = |found: &[(String, String, String)]| -> Vec<(String, String)> {
        let near = |help: &str| help.split('?').next().unwrap().to_owned();
        let short = found
            .iter()
            .map(|(text, _, help)| (text.clone(), near(help)));
        short.collect()
    };
    let pair = |text: &str, help: &str| (text.to_owned(), help.to_owned());
    // A name that is near to none may be set by hand.
    let told = warned(&["check", "--json"]);
    assert_eq!(
        short(&told),
        [
            pair("\"called_at_home\"", "did you mean `called_at_hme`"),
            pair("\"dorment\"", "did you mean `dormant`"),
            pair("\"dormnt\"", "did you mean `dormant`"),
        ],
        "{told:#?}"
    );
    assert!(told[0].2.contains("`reveille check --store`"), "{told:#?}");

    // The store knows for sure.
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    let told = warned(&["check", "--store", "--json"]);
    let nobody = |text: &str| {
        let found = told.iter().find(|(t, ..)| t == text);
        found.unwrap_or_else(|| panic!("{text}: {told:#?}"))
    };
    for (text, help) in [
        ("\"dorment\"", "did you mean `dormant`?"),
        (
            "\"wholesale\"",
            "if it is yet to be set by hand, nothing is amiss",
        ),
        (
            "\"vip\"",
            "if it is yet to be set by hand, nothing is amiss",
        ),
    ] {
        let (_, what, said) = nobody(text);
        assert!(what.ends_with("and no customer bears it"), "{what}");
        assert_eq!(said, help);
    }
    house
        .run(&[
            "customer",
            "set",
            "c-1",
            "tags=vip,wholesale,called_at_home",
        ])
        .good();
    let told = warned(&["check", "--store", "--json"]);
    assert_eq!(
        short(&told),
        [
            pair("\"dorment\"", "did you mean `dormant`"),
            pair("\"dormnt\"", "did you mean `dormant`"),
        ],
        "{told:#?}"
    );
}

/// A customer's word stands in no attribute.
#[test]
fn what_customers_said_is_no_attribute_that_they_lack() {
    let house = House::new();
    house.write(
        "campaigns/welcome.toml",
        "name = \"W\"\nstate = \"live\"\nclass = \"informational\"\n[trigger]\nevent = \"Signed Up\"\n[[step]]\n\
         id = \"m\"\ntemplate = \"hello\"\nsubject = \"Hello\"\n",
    );
    house.write(
        "templates/hello.html.hbs",
        "<p>{{#each customer.consents}}{{name}}{{/each}} {{date customer.consents.0.at \"long\"}} {{date customer.consent.at \"long\"}}</p>",
    );
    let person = |id: &str, more: &str| {
        format!(
            "{{\"type\":\"identify\",\"userId\":\"{id}\",\"traits\":{{\"email\":\"{id}@customers.example\"{more}}}}}\n"
        )
    };
    let said =
        ",\"consent\":true,\"consent_at\":\"2025-01-01T00:00:00Z\",\"consent_source\":\"web\"";
    house.write("rows.jsonl", &(person("a", said) + &person("b", "")));
    house.run(&["import", "rows.jsonl"]).good();
    let told = house.run(&["check", "--store", "--json"]).json();
    let problems = told["problems"].as_array().unwrap().iter();
    let lack: Vec<&str> = (problems.filter_map(|p| p["what"].as_str()))
        .filter(|what| what.contains("is missing for"))
        .collect();
    // One of them has never said anything: that is true.
    assert_eq!(lack.len(), 1, "{told:#}");
    assert!(
        lack[0].starts_with("`consent.at` is missing for 1 of 2 customers"),
        "{told:#}"
    );
}

#[test]
fn what_cannot_be_reckoned_is_not_told() {
    let caps = "[\"1 per 7d\"]";
    let weekly = |more: &str, audience: &str| regular("0 10 * * MON", more, audience);
    let of = |told: Vec<String>| told.len();
    let young = weekly("priority = 1", "known_for = \"< 30d\"");
    assert_eq!(
        of(across(
            caps,
            &[("a", young.clone()), ("b", weekly("", "tag = \"vip\""))]
        )),
        1
    );
    // Audiences of which nobody can be in both.
    let never = |text: &str| weekly("", text);
    let quiet = never("event = \"Order Completed\"\nlast = \">= 90d\"");
    let lively = never("event = \"Order Completed\"\nlast = \"< 30d\"");
    assert_eq!(of(across(caps, &[("a", quiet), ("b", lively.clone())])), 0);
    // A customer enters once only; an event may come at any time.
    let once = lively.replace("again = \"always\"\n", "");
    let after = lively.replace("again = \"always\"", "again = \"after_leaving\"");
    for other in [once, after] {
        assert_eq!(of(across(caps, &[("a", young.clone()), ("b", other)])), 0);
    }
    // Two that go first, and never to the same customer; one that stands back.
    let (silent, heard) = (
        weekly("priority = 3", "unanswered = \">= 3\""),
        weekly("priority = 2", "unanswered = \"< 3\""),
    );
    let last = weekly("", "known_for = \">= 1d\"");
    let two = "[\"2 per 7d\"]";
    let all = [("a", silent), ("b", heard.clone()), ("c", last.clone())];
    assert_eq!(across(two, &all), Vec::<String>::new());
    assert_eq!(of(across(caps, &all)), 1);
    let back = last.replace("[entry]", "[entry]\nunless_in = \"higher_priority\"");
    assert_eq!(of(across(caps, &[("b", heard), ("c", back)])), 0);
    // Seldom enough, by its schedule or by `again`.
    let seldom = regular("0 10 1 1,7 *", "", "tag = \"vip\"");
    let again = lively.replace("again = \"always\"", "again = \"30d\"");
    let monthly = regular("0 10 1 * *", "", "tag = \"vip\"").replace("\"always\"", "\"30d\"");
    assert_eq!(
        of(across(
            "[\"2 per 7d\"]",
            &[("a", young), ("b", seldom), ("c", monthly)]
        )),
        1
    );
    assert_eq!(of(across(caps, &[("a", again)])), 0);
}

#[test]
fn templates_and_partials_that_nobody_uses_are_notes() {
    let house = House::new();
    let before = house.run(&["check", "--json"]).json();
    assert_eq!(before["notes"], 0, "{before:#}");
    house.write("templates/spring.html.hbs", "<p>Spring</p>");
    house.write("templates/spring.ko.html.hbs", "<p>봄</p>");
    house.write("templates/partials/badge.html.hbs", "<b>!</b>");
    house.write("templates/partials/inner.html.hbs", "<i>!</i>");
    let told = house.run(&["check", "--json"]).json();
    let notes: Vec<&str> = (told["problems"].as_array().unwrap().iter())
        .filter(|p| p["severity"] == "note")
        .map(|p| p["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        notes,
        [
            "no template that a campaign uses includes the partial `badge`",
            "no template that a campaign uses includes the partial `inner`",
            "no campaign uses the template `spring`",
        ]
    );
    assert_eq!(
        (&told["notes"], &told["warnings"], &told["errors"]),
        (&3.into(), &0.into(), &0.into())
    );
    let shown = house.run(&["check"]).good();
    assert!(
        shown.contains("note: ") && shown.contains(", 3 notes"),
        "{shown}"
    );
    // What a template reaches by another one is used.
    house.write("templates/partials/badge.html.hbs", "<b>{{> inner}}</b>");
    let welcome = std::fs::read_to_string(house.path("templates/welcome.html.hbs")).unwrap();
    house.write(
        "templates/welcome.html.hbs",
        &format!("{welcome}{{{{> badge}}}}"),
    );
    assert_eq!(house.run(&["check", "--json"]).json()["notes"], 1);
    // While a file is broken nobody knows what it uses.
    house.write("campaigns/welcome.toml", "name = 3\n");
    let broken = house.run(&["check", "--json"]);
    assert_eq!(broken.code, 3);
    let broken: Value = serde_json::from_str(&broken.out).unwrap();
    assert_eq!(broken["notes"], 0, "{broken:#}");
}

#[test]
fn a_link_that_no_mail_has_is_told_where_it_stands() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let with_shop = config.replacen("# shop = \"https", "shop = \"https", 1);
    house.write("config.toml", &with_shop);
    house.write(
        "templates/welcome.ko.html.hbs",
        "<p>\n<a href=\"{{links.sohp}}\">가게</a> {{#if links.shpo}}x{{/if}}</p>{{> foot}}",
    );
    house.write(
        "templates/partials/foot.html.hbs",
        "{{#if links.cart}}{{links.cart}}{{/if}} {{links.unsubscribe}} {{links.preferences}}",
    );
    let told = |house: &House| -> Vec<String> {
        let told: Value = serde_json::from_str(&house.run(&["check", "--json"]).out).unwrap();
        (told["problems"].as_array().unwrap().iter())
            .filter(|p| p["what"].as_str().unwrap().contains("link"))
            .map(|p| {
                let of = |key: &str| p[key].as_str().unwrap_or_default().to_owned();
                let file = Path::new(&of("file")).file_name().unwrap().to_owned();
                format!(
                    "{} {}:{}:{} {}: {}; {}",
                    of("severity"),
                    file.display(),
                    p["line"],
                    p["column"],
                    of("text"),
                    of("what"),
                    of("help"),
                )
            })
            .collect()
    };
    assert_eq!(
        told(&house),
        [
            "error foot.html.hbs:1:63 {{links.preferences}}: there is no link `preferences`; it is there in mails to customers, with [http] public_url; ask first: {{#if links.preferences}} ... {{/if}}",
            "error welcome.ko.html.hbs:2:10 {{links.sohp}}: there is no link `sohp`; did you mean `shop`?",
            "warning welcome.ko.html.hbs:2:33 {{#if links.shpo}}: there is no link `shpo`, so what asks for it is never shown; did you mean `shop`?",
        ]
    );
    assert_eq!(house.run(&["check"]).code, 3);
}

#[test]
fn data_files_that_nobody_uses_are_notes() {
    let house = House::new();
    std::fs::create_dir_all(house.path("campaigns/data/old")).unwrap();
    std::fs::create_dir_all(house.path("campaigns/.git")).unwrap();
    house.write("campaigns/data/spring.json", "{\"price\": 1}");
    house.write("campaigns/data/old/autumn.toml", "price = 1\n");
    house.write("campaigns/lookbook.csv", "name,price\nCup,1\n");
    house.write("campaigns/spring_codes.csv", "AAA-1\nAAA-2\n");
    // None of these is a data file, or meant as one.
    house.write("campaigns/.git/config.json", "{}");
    house.write("campaigns/.hidden.json", "{}");
    house.write("campaigns/notes.md", "to do");
    let welcome = std::fs::read_to_string(house.path("campaigns/welcome.toml")).unwrap();
    house.write("campaigns/data/old/welcome.toml", &welcome);
    std::os::unix::fs::symlink(house.path("templates"), house.path("campaigns/link")).unwrap();
    let notes = || -> Vec<String> {
        let came = house.run(&["check", "--json"]);
        let told: Value = serde_json::from_str(&came.out).unwrap();
        (told["problems"].as_array().unwrap().iter())
            .filter(|p| p["severity"] == "note")
            .map(|p| p["what"].as_str().unwrap().to_owned())
            .collect()
    };
    let unused = |name: &str| format!("no campaign uses the data file `{name}`");
    assert_eq!(
        notes(),
        [
            "data/old/autumn.toml",
            "data/spring.json",
            "lookbook.csv",
            "spring_codes.csv"
        ]
        .map(unused)
    );
    // What a campaign names, however it writes it, and a pool's codes are used.
    house.write(
        "campaigns/coupons.toml",
        "[spring]\nfile = \"spring_codes.csv\"\n",
    );
    let with = welcome.replace("template", "data_file = \"data/./spring.json\"\ntemplate");
    house.write("campaigns/welcome.toml", &with);
    assert_eq!(
        notes(),
        ["data/old/autumn.toml", "lookbook.csv"].map(unused)
    );
    house.write("campaigns/welcome.toml", "name = 3\n");
    assert!(notes().is_empty());
}

#[test]
fn the_store_tells_what_customers_lack_and_which_events_never_came() {
    let house = House::new();
    let none = house.run(&["check", "--store"]);
    assert_eq!(none.code, 4, "{}", none.all());
    assert!(none.err.contains("there is no store"), "{}", none.all());
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]);
    house.write(
        "campaigns/welcome.toml",
        "name = \"W\"\nstate = \"live\"\nclass = \"informational\"\n[trigger]\nevent = \"Order Complete\"\n[[step]]\n\
         id = \"m\"\ntemplate = \"hello\"\nsubject = \"Hello, {{customer.nickname}}\"\n",
    );
    house.write(
        "templates/hello.html.hbs",
        "<p>Dear\n {{customer.first_name}}, {{default customer.nickname \"you\"}} {{#if customer.city}}of {{customer.city}}{{/if}}</p>",
    );
    let told = house.run(&["check", "--store", "--json"]).json();
    let problems: Vec<&Value> = told["problems"].as_array().unwrap().iter().collect();
    let find = |what: &str| {
        let found = problems
            .iter()
            .find(|p| p["what"].as_str().unwrap().contains(what));
        *found.unwrap_or_else(|| panic!("{what}: {told:#}"))
    };
    let lack = find("`first_name` is missing for 1 of 2 customers");
    assert_eq!((&lack["line"], &lack["column"]), (&2.into(), &2.into()));
    assert_eq!(lack["text"], "{{customer.first_name}}");
    assert_eq!(lack["severity"], "warning");
    assert!(
        lack["help"]
            .as_str()
            .unwrap()
            .contains("{{default customer.first_name \"...\"}}")
    );
    let subject = find("`nickname` is missing for 2 of 2 customers, and 1 place prints it");
    assert_eq!(subject["text"], "Hello, {{customer.nickname}}");
    assert!(
        !problems
            .iter()
            .any(|p| p["what"].as_str().unwrap().contains("`city`"))
    );
    let name = find("no event `Order Complete` is known");
    assert_eq!(name["help"], "did you mean `Order Completed`?");
    let usual = find("no event `Product Added` has come yet");
    assert_eq!(usual["severity"], "note");
    assert!(
        usual["file"]
            .as_str()
            .unwrap()
            .ends_with("cart_reminder.toml")
    );
    // Nothing of it keeps the files from being good, and without the store nothing of it is known.
    let plain = house.run(&["check", "--json"]).json();
    assert_eq!(plain["warnings"], 1, "{plain:#}");
}
