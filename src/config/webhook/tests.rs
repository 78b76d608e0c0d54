//! The shipped mappings are good, and what is wrong with one is told with its place.

use super::SHIPPED;
use super::keys::MAPPING_TABLES;
use super::mapping::Mapping;
use crate::config::Config;
use std::path::Path;

#[test]
fn every_shipped_mapping_is_embedded_and_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("webhooks");
    let mut there: Vec<String> = (std::fs::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let mut shipped: Vec<String> = SHIPPED.iter().map(|(p, _)| format!("{p}.toml")).collect();
    shipped.sort();
    assert_eq!(there, shipped);
    for (platform, text) in SHIPPED {
        if let Err(problems) = Mapping::parse(platform, text) {
            panic!("{}", crate::config::problem::render_all(&problems, false));
        }
    }
}

#[test]
fn every_key_stands_in_the_manual() {
    let manual = include_str!("../../../docs/webhooks.md");
    for keys in MAPPING_TABLES {
        for key in keys.known {
            assert!(
                manual.contains(&format!("`{key}`")),
                "`{key}` of {}",
                keys.of
            );
        }
    }
}

const SMALL: &str = r#"
[signature]
scheme = "hmac-sha256"
header = "X-Proof"
[delivery]
topic = "event"
[[on]]
topics = ["paid"]
user = "buyer.id"
[[on.track]]
event = "Order Completed"
identity = ["order"]
"#;

#[test]
fn what_is_wrong_with_a_mapping_is_told_with_its_place() {
    assert!(Mapping::parse("shop.toml", SMALL).is_ok());
    for (good, bad, told) in [
        (
            "scheme =",
            "sheme =",
            "shop.toml:3:1: unknown key `sheme` in [signature] (did you mean `scheme`?)",
        ),
        (
            "hmac-sha256",
            "hmac-sha25",
            "shop.toml:3:10: `scheme` must be \"hmac-sha256\" or \"shared-secret\"",
        ),
        (
            "hmac-sha256\"",
            "shared-secret\"\nencoding = \"hex\"",
            "shop.toml:4:1: `encoding` has no meaning",
        ),
        (
            "\"X-Proof\"",
            "\"X Proof\"",
            "shop.toml:4:10: `header`: \"X Proof\" is no name of a header",
        ),
        (
            "topic = \"event\"",
            "topics = \"event\"",
            "unknown key `topics` in [delivery] (did you mean `topic`?)",
        ),
        (
            "topic = \"event\"",
            "topic = 5",
            "shop.toml:6:9: `topic` is no place of a value",
        ),
        (
            "topic = \"event\"",
            "topic = \"a..b\"",
            "shop.toml:6:9: `topic`: \"a..b\" is no path into the body",
        ),
        (
            "topic = \"event\"",
            "topic = { path = \"a\", header = \"b\" }",
            "shop.toml:6:9: a value stands at one place",
        ),
        (
            "topic = \"event\"",
            "topic = \"event\"\nzone = \"Asia/Soul\"",
            "did you mean \"Asia/Seoul\"?",
        ),
        (
            "user = \"buyer.id\"",
            "",
            "shop.toml:7:1: it is not said whom these topics are about",
        ),
        (
            "user = \"buyer.id\"",
            "visitor = \"v\"\naliases = [\"a\"]",
            "`aliases` are other names of the user",
        ),
        (
            "identity =",
            "by = \"visitor\"\nidentity =",
            "an event is by the visitor, and there is no `visitor`",
        ),
        (
            "identity = [\"order\"]",
            "identity = \"order\"",
            "shop.toml:12:12: `identity` must be a list",
        ),
        ("Order Completed", "", "shop.toml:11:9: `event`"),
        (
            "user =",
            "when = [{ path = \"x\" }]\nuser =",
            "a condition asks one thing",
        ),
        (
            "user =",
            "when = [{ path = \"x\", is = [[]] }]\nuser =",
            "holds what is no text",
        ),
        (
            "identity =",
            "properties = { p = { each = \"items\", path = \"x\" } }\nidentity =",
            "`path` has no meaning beside `each`",
        ),
        (
            "identity =",
            "properties = { p = { path = \"items\", as = \"numbr\" } }\nidentity =",
            "did you mean \"number\"?",
        ),
        (
            "[[on.track]]",
            "[on.identify]\ntraits = {}\n[on.identify.consent]\nstate = \"s\"\n[[on.track]]",
            "`at` is missing in [on.identify.consent]",
        ),
        (
            "[[on.track]]\nevent = \"Order Completed\"\nidentity = [\"order\"]",
            "",
            "nothing is said of what becomes of these topics",
        ),
    ] {
        let text = SMALL.replacen(good, bad, 1);
        assert_ne!(text, SMALL, "{bad}");
        let problems = Mapping::parse("shop.toml", &text).unwrap_err();
        let lines: Vec<String> = problems.iter().map(|p| p.to_line()).collect();
        assert!(
            lines.iter().any(|line| line.contains(told)),
            "{told}: {lines:?}"
        );
    }
}

#[test]
fn a_webhook_has_a_name_a_mapping_and_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let read = |text: &str| match Config::parse(&path, text) {
        Ok(config) => Ok(config.webhooks),
        Err(problems) => Err((problems.iter().map(|p| p.to_line()))
            .collect::<Vec<_>>()
            .join("\n")),
    };
    std::fs::write(folder.path().join("mine.toml"), SMALL).unwrap();
    let good = "[webhook.shop-1]\nplatform = \"shopify\"\nsecret_file = \"secret\"\n\
                [webhook.mine]\nmapping = \"mine.toml\"\ncredential = \"mine\"\n";
    let webhooks = read(good).unwrap();
    assert_eq!(webhooks.keys().collect::<Vec<_>>(), ["mine", "shop-1"]);
    for (good_part, bad, told) in [
        ("shop-1", "\"Shop 1\"", "cannot stand in an address"),
        ("\"shopify\"", "\"shopfy\"", "did you mean \"shopify\"?"),
        ("platform = \"shopify\"", "", "a webhook has one mapping"),
        (
            "mapping =",
            "platform = \"cafe24\"\nmapping =",
            "a webhook has one mapping",
        ),
        ("secret_file = \"secret\"", "", "a webhook has one secret"),
        (
            "credential =",
            "secret_file = \"s\"\ncredential =",
            "a webhook has one secret",
        ),
        ("mine.toml", "none.toml", "none.toml cannot be read"),
        ("secret_file", "secret-file", "did you mean `secret_file`?"),
    ] {
        let why = read(&good.replacen(good_part, bad, 1)).unwrap_err();
        assert!(why.contains(told), "{told}: {why}");
    }
    // What is wrong with the mapping is told in its own file.
    std::fs::write(
        folder.path().join("mine.toml"),
        SMALL.replace("event =", "evnt ="),
    )
    .unwrap();
    let why = read(good).unwrap_err();
    assert!(why.contains("mine.toml:11:1: unknown key `evnt`"), "{why}");
    let config = Config::parse(&path, good.split("[webhook.mine]").next().unwrap()).unwrap();
    let unread = super::unreadable_secrets(&config);
    assert!(
        unread[0].to_string().starts_with("webhook \"shop-1\": "),
        "{unread:?}"
    );
    std::fs::write(folder.path().join("secret"), "s3cret\n").unwrap();
    assert_eq!(super::unreadable_secrets(&config), []);
}
