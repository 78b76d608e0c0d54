//! Folders of templates: locale forms, strictness, helpers, and what must be refused before it is compiled.

use reveille::domain::address::EmailAddress;
use reveille::domain::id::CampaignId;
use reveille::domain::preference::Class;
use reveille::domain::products::Product;
use reveille::domain::time::Timestamp;
use reveille::domain::value::properties_from_json;
use reveille::message::{ComposeRequest, SenderBlock, Templates, compose};
use serde_json::{Value, json};
use std::path::Path;

fn templates(files: &[(&str, &str)]) -> Templates {
    Templates::from_sources(
        files
            .iter()
            .map(|(f, t)| ((*f).to_owned(), (*t).to_owned()))
            .collect(),
    )
}

fn html(
    templates: &Templates,
    template: &str,
    locale: &str,
    context: Value,
) -> Result<String, String> {
    html_at(templates, template, locale, context, Timestamp(0))
}

fn html_at(
    templates: &Templates,
    template: &str,
    locale: &str,
    context: Value,
    date: Timestamp,
) -> Result<String, String> {
    let address = EmailAddress::parse("a@b.example").unwrap();
    let campaign = CampaignId::parse("c").unwrap();
    let request = ComposeRequest {
        template,
        body: None,
        subject: "s",
        preheader: "",
        locale,
        zone: chrono_tz::Asia::Seoul,
        context,
        message_id: "a@b.example",
        from_name: "Shop",
        from: &address,
        to_name: None,
        to: &address,
        date,
        class: Class::Informational,
        campaign: &campaign,
        list_domain: "b.example",
        links: None,
        tracking: None,
        text_only: false,
        unsubscribe_mailto: None,
        korean: false,
        sender: &SenderBlock::default(),
    };
    compose(templates, &request)
        .map(|m| m.html.trim_end().to_owned())
        .map_err(|e| e.to_string())
}

fn told(templates: &Templates) -> Vec<String> {
    templates
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_nearest_locale_is_taken() {
    let t = templates(&[
        ("d.html.hbs", "any {{> p}}"),
        ("d.ko.html.hbs", "ko {{> p}}"),
        ("d.ko_KR.html.hbs", "ko-KR {{> p}} {{> q}}"),
        ("partials/p.html.hbs", "P"),
        ("partials/p.ko.html.hbs", "피"),
        ("partials/q.html.hbs", "Q"),
    ]);
    assert_eq!(told(&t), [""; 0]);
    for (locale, expected) in [
        ("ko-KR", "ko-KR 피 Q"),
        ("KO_kr", "ko-KR 피 Q"),
        ("ko-KP", "ko 피"),
        ("ko", "ko 피"),
        ("en", "any P"),
        ("", "any P"),
        ("kok", "any P"),
    ] {
        assert_eq!(
            html(&t, "d", locale, json!({})).unwrap(),
            expected,
            "{locale}"
        );
    }
    let only = templates(&[("d.ko.html.hbs", "ko")]);
    assert!(
        html(&only, "d", "en", json!({}))
            .unwrap_err()
            .contains("no form for locale \"en\"")
    );
}

#[test]
fn endless_partials_are_refused_and_harm_no_other_template() {
    for (files, circle) in [
        (vec![("partials/a.html.hbs", "x\n {{> a}}")], "a -> a"),
        (
            vec![
                ("partials/a.html.hbs", "{{#if x}}{{> b}}{{/if}}"),
                ("partials/b.html.hbs", "{{> a}}"),
            ],
            "a -> b -> a",
        ),
        (
            vec![(
                "partials/a.html.hbs",
                "{{#*inline \"b\"}}{{> b}}{{/inline}}{{> b}}",
            )],
            "b -> b",
        ),
        (
            vec![(
                "partials/a.html.hbs",
                "{{#*inline \"b\"}}{{> c}}{{/inline}}{{#*inline \"c\"}}{{> b}}{{/inline}}{{> c}}",
            )],
            "c -> b -> c",
        ),
        (
            vec![
                (
                    "partials/a.html.hbs",
                    "{{#> b}}{{#*inline \"c\"}}{{> b}}{{/inline}}{{/b}}",
                ),
                ("partials/b.html.hbs", "{{> c}}"),
            ],
            "b -> c -> b",
        ),
        (vec![("partials/a.html.hbs", "{{#> a}}x{{/a}}")], "a -> a"),
    ] {
        let mut all = vec![("bad.html.hbs", "{{> a}}"), ("good.html.hbs", "good")];
        all.extend(files);
        let t = templates(&all);
        assert!(
            told(&t)
                .iter()
                .any(|p| p.contains("without end") && p.contains(circle)),
            "{circle}: {:?}",
            told(&t)
        );
        assert!(!t.has("bad") && t.has("good"), "{circle}");
        assert_eq!(html(&t, "good", "en", json!({})).unwrap(), "good");
        assert!(
            html(&t, "bad", "en", json!({}))
                .unwrap_err()
                .contains("cannot be used")
        );
    }
    let own = templates(&[(
        "self.html.hbs",
        "{{#*inline \"p\"}}{{#if a}}{{> p}}{{/if}}{{/inline}}{{> p}}",
    )]);
    assert!(!own.has("self"));
}

#[test]
fn partials_that_end_are_taken() {
    let t = templates(&[
        (
            "page.html.hbs",
            "{{#> layout}}{{#> card}}{{> line}}{{/card}}{{#*inline \"foot\"}}F{{/inline}}{{/layout}}",
        ),
        (
            "partials/layout.html.hbs",
            "<{{> @partial-block}}{{> foot}}>",
        ),
        ("partials/card.html.hbs", "[{{> @partial-block}}{{> line}}]"),
        ("partials/line.html.hbs", "-"),
        ("partials/foot.html.hbs", "f"),
        ("else.html.hbs", "{{#> nothing}}else{{/nothing}}"),
    ]);
    assert_eq!(told(&t), [""; 0]);
    assert_eq!(html(&t, "page", "en", json!({})).unwrap(), "<[--]F>");
    assert_eq!(html(&t, "else", "en", json!({})).unwrap(), "else");
}

#[test]
fn deep_nesting_is_refused_and_the_deepest_allowed_renders() {
    let nested = |n: usize| format!("{}x{}", "{{#if locale}}".repeat(n), "{{/if}}".repeat(n));
    let (fifty, more, most) = (nested(50), nested(51), nested(100_000));
    let t = templates(&[
        ("a.html.hbs", &fifty),
        ("b.html.hbs", &more),
        ("c.html.hbs", &most[..500_000]),
    ]);
    assert_eq!(html(&t, "a", "en", json!({})).unwrap(), "x");
    assert!(!t.has("b") && !t.has("c"));
    assert_eq!(
        told(&t)[0],
        "b.html.hbs:1:701: blocks nest more than 50 levels deep, or brackets more than 16\n  help: close blocks that were left open, or nest fewer"
    );

    // A long way of partials is bounded too; what is allowed of it renders within a test's small stack.
    let chain = |n: usize| {
        let mut files = vec![("page.html.hbs".to_owned(), "{{> p0}}".to_owned())];
        files.extend((0..n).map(|i| {
            (
                format!("partials/p{i}.html.hbs"),
                format!("{{{{> p{}}}}}", i + 1),
            )
        }));
        let leaf = format!(
            "{{{{lower {}\"END\"{}}}}}",
            "(upper ".repeat(15),
            ")".repeat(15)
        );
        files.push((format!("partials/p{n}.html.hbs"), leaf));
        Templates::from_sources(files.into_iter().collect())
    };
    // Half of the stack that threads have, so that there is room for who calls.
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let deepest = small.spawn(move || html(&chain(98), "page", "en", json!({})));
    assert_eq!(deepest.unwrap().join().unwrap().unwrap(), "end");
    assert!(!chain(120).has("page") && !chain(300).has("page"));
}

#[test]
fn names_must_be_there() {
    let t = templates(&[
        ("d.html.hbs", "a\n  {{customer.frist_name}}"),
        ("e.html.hbs", "{{default customer.name data.x \"friend\"}}"),
        ("f.html.hbs", "{{#each nothing}}{{/each}}"),
        ("g.html.hbs", "{{> p}}"),
        ("partials/p.html.hbs", "\n\n{{upper customer.nmae}}"),
    ]);
    assert!(
        html(&t, "d", "en", json!({}))
            .unwrap_err()
            .starts_with("d.html.hbs:2:3: `customer.frist_name` is not among")
    );
    assert_eq!(html(&t, "e", "en", json!({})).unwrap(), "friend");
    assert_eq!(
        html(
            &t,
            "e",
            "en",
            json!({ "customer": { "name": "  " }, "data": { "x": 3 } })
        )
        .unwrap(),
        "3"
    );
    assert!(
        html(&t, "f", "en", json!({}))
            .unwrap_err()
            .contains("`nothing`")
    );
    let inside = html(&t, "g", "en", json!({})).unwrap_err();
    assert!(
        inside.starts_with("partials/p.html.hbs:3:1: `customer.nmae`"),
        "{inside}"
    );
}

#[test]
fn problems_say_where_what_and_what_to_do() {
    let t = templates(&[
        ("a.html.hbs", "x\n{{#if a}}y{{/each}}"),
        ("b.html.hbs", "{{uper name}}"),
        ("c.html.hbs", "{{> fooler}}"),
        ("d.html.hbs", "{{> (lookup data 'p')}}"),
        ("e.html.hbs", "{{#products}}x{{/products}}"),
        ("f.html.hbs", "{{name"),
        ("g.html.hbs", "{{*deco}}"),
        ("h.html.hbs", "{{log customer}}"),
        ("i.ko.txt.hbs", "x"),
        ("j.hbs", "x"),
        ("k.html.hbs", "{{> broken}}"),
        ("l.html.hbs", "{{> footer}}"),
        ("partials/footer.html.hbs", "f"),
        ("partials/broken.html.hbs", "{{#if}}"),
    ]);
    insta::assert_snapshot!("problems", told(&t).join("\n"));
    assert_eq!(t.names().collect::<Vec<_>>(), ["l"]);
}

#[test]
fn helpers_write_for_the_reader() {
    for (template, locale, expected) in [
        ("{{date data.at}}", "ko", "2026년 3월 2일"),
        (
            "{{date data.at \"full\" locale=\"en\"}}",
            "ko",
            "Monday, March 2, 2026",
        ),
        ("{{date data.at \"time\" zone=\"UTC\"}}", "en", "3:30 PM"),
        ("{{date data.at format=\"%Y/%m\"}}", "en", "2026/03"),
        ("{{money data.price \"KRW\"}}", "ko", "1,980원"),
        (
            "{{money data.price currency=data.currency}}",
            "en",
            "$1,980.00",
        ),
        ("{{plural data.one \"item\" \"items\"}}", "en", "1 item"),
        (
            "{{plural data.price \"item\" \"items\"}}",
            "en",
            "1,980 items",
        ),
        ("{{counter data.one \"개\"}}", "ko", "1개"),
        ("{{josa data.word \"을/를\"}}", "ko", "머그컵을"),
        (
            "{{upper data.name}} {{lower data.name}}",
            "en",
            "&lt;MINA&gt; &lt;mina&gt;",
        ),
        ("{{truncate \"one two three\" 8}}", "en", "one two…"),
        ("{{join data.list \" & \"}}", "en", "a &amp; b"),
        (
            "{{urlencode data.word}}",
            "en",
            "%EB%A8%B8%EA%B7%B8%EC%BB%B5",
        ),
        ("{{number 1234.5}}", "de", "1.234,5"),
        (
            "{{#if (eq data.currency \"USD\")}}dollars{{/if}}",
            "en",
            "dollars",
        ),
    ] {
        let t = templates(&[("t.html.hbs", template)]);
        assert_eq!(told(&t), [""; 0]);
        let data = json!({ "data": { "at": "2026-03-01T15:30:00Z", "price": 1980, "currency": "USD", "one": 1, "word": "머그컵", "name": "<Mina>", "list": ["a", "b"] } });
        assert_eq!(html(&t, "t", locale, data).unwrap(), expected, "{template}");
    }
    for bad in [
        "{{date \"soon\"}}",
        "{{money 1}}",
        "{{money \"x\" \"USD\"}}",
        "{{date 0 \"nope\"}}",
        "{{date 0 zone=\"Mars\"}}",
        "{{truncate \"a\" \"b\"}}",
        "{{join \"a\"}}",
        "{{josa \"a\" \"b\"}}",
        "{{upper}}x{{upper \"a\" }}",
    ] {
        let t = templates(&[("t.html.hbs", bad)]);
        assert!(html(&t, "t", "en", json!({})).is_err(), "{bad}");
    }
}

#[test]
fn subjects_are_compiled_and_strict() {
    assert!(Templates::subject_check("{{customer.first_name}}님, 오랜만이에요").is_ok());
    for (bad, what) in [
        ("{{customer.first_name", "not understood"),
        ("{{> footer}}", "cannot use partials"),
        ("{{nope customer}}", "no helper `nope`"),
    ] {
        assert!(
            Templates::subject_check(bad)
                .unwrap_err()
                .what
                .contains(what),
            "{bad}"
        );
        assert!(templates(&[]).inline(bad).is_err());
    }
    assert!(
        Templates::subject_check(&"{{#if a}}".repeat(60))
            .unwrap_err()
            .what
            .contains("levels")
    );
}

#[test]
fn folders_are_read_and_every_shipped_template_is_sound() {
    let shipped =
        Templates::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap();
    assert_eq!(told(&shipped), [""; 0]);
    assert_eq!(
        shipped.names().collect::<Vec<_>>(),
        [
            "cart_reminder",
            "confirm_subscription",
            "dormant",
            "welcome"
        ]
    );
    let sources = shipped.sources_of("welcome");
    assert!(
        sources.contains_key("welcome.ko.txt.hbs")
            && sources.contains_key("partials/layout.html.hbs")
    );
    assert!(!sources.contains_key("dormant.html.hbs"));
    assert!(
        Templates::load(Path::new("/nonexistent")).unwrap_err()[0]
            .what
            .contains("cannot be read")
    );

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.html.hbs"), [0xff, 0xfe]).unwrap();
    std::fs::write(dir.path().join("bad.ko.html.hbs"), "good").unwrap();
    std::fs::write(dir.path().join("good.html.hbs"), "good").unwrap();
    std::fs::write(dir.path().join("notes.md"), "not a template").unwrap();
    let mixed = Templates::load(dir.path()).unwrap();
    assert!(mixed.has("good") && !mixed.has("bad") && mixed.problems().len() == 1);
}

/// The rows of docs/templates.md: what is written, and what comes of it in English and in Korean.
#[test]
fn the_manual_of_templates_says_what_helpers_do() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = std::fs::read_to_string(root.join("docs/templates.md")).unwrap();
    for name in reveille::message::vocabulary::names() {
        let told = ["{{", "{{#", "(", "{{{{", "`"].map(|before| format!("{before}{name}"));
        assert!(
            told.iter().any(|t| manual.contains(t)),
            "`{name}` is not in docs/templates.md"
        );
    }
    let told = json!({ "product_id": "m", "name": "머그컵", "price": 24000, "currency": "KRW", "quantity": 2 });
    let Value::Object(told) = told else {
        unreachable!("it is an object")
    };
    let cup = Product {
        id: "m".to_owned(),
        properties: properties_from_json(told),
    };
    let mut rows = 0;
    for line in manual.lines().filter(|line| line.starts_with("| `{{")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [written, english, korean] = cells[..] else {
            panic!("{line}")
        };
        let written = written.trim_matches('`');
        let templates =
            Templates::from_sources([("t.html.hbs".to_owned(), written.to_owned())].into());
        assert!(
            templates.problems().is_empty(),
            "{written}: {:?}",
            templates.problems()
        );
        for (locale, expected) in [("en", english), ("ko", korean)] {
            let mut products =
                reveille::message::products::shown(std::slice::from_ref(&cup), locale);
            products.as_array_mut().unwrap().push(json!({}));
            let context = json!({
                "customer": { "first_name": "minji", "points": 1250, "tags": ["vip", "tea"], "birthday": "1990-05-17" },
                "data": { "until": "2026-03-05", "at": "2026-03-05T15:30:00+09:00", "share": 0.15, "city": "" },
                "products": products,
            });
            let now = Timestamp::parse_rfc3339("2026-03-02T10:00:00+09:00").unwrap();
            let html = html_at(&templates, "t", locale, context, now);
            assert_eq!(html.as_deref(), Ok(expected), "{written} in {locale}");
        }
        rows += 1;
    }
    assert!(rows > 30);
}
