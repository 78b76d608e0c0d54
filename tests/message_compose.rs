//! Finished messages, read back by another parser: whatever customers are called and templates say, one valid mail.

use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use reveille::domain::address::EmailAddress;
use reveille::domain::id::CampaignId;
use reveille::domain::preference::Class;
use reveille::domain::products::Product;
use reveille::domain::time::Timestamp;
use reveille::domain::value::properties_from_json;
use reveille::message::{ComposeError, ComposeRequest, Finished, SenderBlock, Templates, compose};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;

static SHIPPED: LazyLock<Templates> = LazyLock::new(|| {
    Templates::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap()
});
/// `bare` writes `data.html` as it is, and its text likewise; `made` has no text of its own.
static BARE: LazyLock<Templates> = LazyLock::new(|| {
    let files = [
        ("bare.html.hbs", "{{{data.html}}}"),
        ("bare.txt.hbs", "{{data.html}}"),
        ("made.html.hbs", "{{{data.html}}}"),
    ];
    Templates::from_sources(files.map(|(f, t)| (f.to_owned(), t.to_owned())).into())
});
static FROM: LazyLock<EmailAddress> =
    LazyLock::new(|| EmailAddress::parse("hello@shop.example").unwrap());
static TO: LazyLock<EmailAddress> =
    LazyLock::new(|| EmailAddress::parse("mina@mail.example").unwrap());
static CAMPAIGN: LazyLock<CampaignId> =
    LazyLock::new(|| CampaignId::parse("wake_dormant").unwrap());
static SENDER: LazyLock<SenderBlock> = LazyLock::new(|| SenderBlock {
    company: "Corner Shop Ltd".to_owned(),
    address: "1 Market Street, Seoul".to_owned(),
    phone: "02-0000-0000".to_owned(),
    email: "hello@shop.example".to_owned(),
});

fn request(template: &'static str, context: Value) -> ComposeRequest<'static> {
    ComposeRequest {
        template,
        body: None,
        subject: "It has been a while",
        preheader: "",
        locale: "en",
        zone: chrono_tz::Asia::Seoul,
        context,
        message_id: "0123456789abcdef0123456789abcdef@shop.example",
        from_name: "Corner Shop",
        from: &FROM,
        to_name: Some("Mina Kim"),
        to: &TO,
        date: Timestamp::parse_rfc3339("2026-03-02T10:00:00+09:00").unwrap(),
        class: Class::Advertising,
        campaign: &CAMPAIGN,
        list_domain: "lists.shop.example",
        links: None,
        tracking: None,
        text_only: false,
        unsubscribe_mailto: Some("leave@shop.example?subject=leave"),
        korean: false,
        sender: &SENDER,
    }
}

fn shop(first_name: &str) -> Value {
    json!({
        "customer": { "first_name": first_name },
        "links": { "shop": "https://shop.example/", "cart": "https://shop.example/cart?a=1&b=2" },
        "products": products("en"),
    })
}

/// Of what a cart may hold: names that are markup, pictures, and addresses that no mail may hold.
fn products(locale: &str) -> Value {
    let told = [
        json!({ "product_id": "t", "name": "Tea <green> & black", "price": 9.5, "currency": "USD", "quantity": 1,
            "url": "javascript:alert(1)", "image_url": "http://shop.example/i/t.png" }),
        json!({ "product_id": "m", "name": "머그컵", "price": 18000, "currency": "KRW", "quantity": 2,
            "url": "https://shop.example/p/m?a=1&b=\"2\"", "image_url": "https://shop.example/i/m.png" }),
        json!({ "product_id": "g", "name": "Gift box \"<script>\"", "price": 45000, "currency": "KRW",
            "url": "https://shop.example/p/g?a=1&b=2", "image_url": "https://shop.example/i/g.png" }),
        json!({ "product_id": "b", "name": "Bread", "quantity": 1 }),
    ];
    let told = told.map(|product| match product {
        Value::Object(map) => Product {
            id: map["product_id"].as_str().unwrap().to_owned(),
            properties: properties_from_json(map),
        },
        _ => unreachable!("they are objects"),
    });
    reveille::message::products::shown(&told, locale)
}

/// What holds of every message, read from its raw bytes.
fn assert_sound(mail: &Finished) {
    let bytes = &mail.bytes;
    let mut lines = bytes.split(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            assert!(line.is_empty(), "the message ends in CRLF");
            break;
        }
        let line = line.strip_suffix(b"\r").expect("every LF has its CR");
        assert!(
            !line.contains(&b'\r') && !line.contains(&0),
            "a bare control"
        );
        assert!(line.len() <= 998, "a line of {}", line.len());
        assert!(!line.starts_with(b"."), "a line begins with a dot");
    }
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..head]).unwrap();
    let mut names: Vec<String> = Vec::new();
    for line in head.split("\r\n").filter(|l| !l.starts_with([' ', '\t'])) {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        assert!(!names.contains(&name), "{name} twice");
        names.push(name);
    }
    let known = [
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "list-id",
        "auto-submitted",
        "precedence",
        "content-type",
    ];
    assert!(
        names.iter().all(|n| known.contains(&n.as_str())),
        "{names:?}"
    );
    for must in ["from", "to", "subject", "date", "message-id"] {
        assert!(names.iter().any(|n| n == must), "{must}");
    }
}

fn parsed(mail: &Finished) -> mail_parser::Message<'_> {
    assert_sound(mail);
    let message = MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(message.subject().unwrap(), mail.subject);
    let unix = |b: std::borrow::Cow<'_, str>| b.replace("\r\n", "\n");
    assert_eq!(message.body_text(0).map(unix).unwrap(), mail.text);
    assert_eq!(message.body_html(0).map(unix).unwrap(), mail.html);
    let kinds: Vec<_> = message
        .parts
        .iter()
        .skip(1)
        .map(|p| p.content_type().unwrap().subtype().unwrap())
        .collect();
    assert_eq!(kinds, ["plain", "html"]);
    message
}

/// Head, text and HTML of a message, as a reviewer reads them.
fn shown(mail: &Finished) -> String {
    parsed(mail);
    let raw = String::from_utf8(mail.bytes.clone())
        .unwrap()
        .replace("\r\n", "\n");
    let head = raw.split("\n\n").next().unwrap();
    format!(
        "{head}\n\n==== subject\n{}\n\n==== text\n{}\n==== html\n{}",
        mail.subject, mail.text, mail.html
    )
}

#[test]
fn the_shipped_mails_in_english_and_korean() {
    for name in ["welcome", "cart_reminder", "dormant"] {
        for (locale, first_name, subject) in [
            (
                "en",
                "Mina",
                "{{customer.first_name}}, a word from {{sender.name}}",
            ),
            (
                "ko",
                "민아",
                "{{customer.first_name}}님, {{sender.name}}입니다",
            ),
        ] {
            let mut request = request(name, shop(first_name));
            request.locale = locale;
            request.context["products"] = products(locale);
            request.subject = subject;
            request.preheader = "{{default customer.first_name \"?\"}} & co.";
            if locale == "ko" {
                request.from_name = "모퉁이 가게";
            }
            let mail = compose(&SHIPPED, &request).unwrap();
            insta::assert_snapshot!(format!("{name}_{locale}"), shown(&mail));
        }
    }
}

#[test]
fn advertising_under_korean_rules() {
    let mut request = request("dormant", shop("민아"));
    request.locale = "ko-KR";
    request.subject = "{{customer.first_name}}님, 오랜만이에요";
    request.korean = true;
    let mail = compose(&SHIPPED, &request).unwrap();
    assert_eq!(mail.subject, "(광고) 민아님, 오랜만이에요");
    for body in [&mail.text, &mail.html] {
        for must in [
            "Corner Shop Ltd",
            "1 Market Street, Seoul",
            "02-0000-0000",
            "hello@shop.example",
            "수신거부",
            "mailto:leave@shop.example",
            "free of charge",
        ] {
            assert!(body.contains(must), "{must}");
        }
        // Told once, by the engine.
        assert_eq!(body.matches("1 Market Street").count(), 1);
    }
    insta::assert_snapshot!("dormant_korean_rules", shown(&mail));

    request.unsubscribe_mailto = None;
    assert_eq!(compose(&SHIPPED, &request), Err(ComposeError::NoRefusal));
    request.class = Class::Informational;
    assert!(
        !compose(&SHIPPED, &request)
            .unwrap()
            .subject
            .contains("광고")
    );
    request.class = Class::Advertising;
    request.unsubscribe_mailto = Some("leave@shop.example");
    let nobody = SenderBlock::default();
    request.sender = &nobody;
    assert_eq!(compose(&SHIPPED, &request), Err(ComposeError::NoSender));
}

#[test]
fn headers_follow_the_class() {
    let find = |class| {
        let mut request = request("welcome", shop("Mina"));
        request.class = class;
        let mail = compose(&SHIPPED, &request).unwrap();
        let message = parsed(&mail);
        assert!(
            message
                .header_raw("Auto-Submitted")
                .unwrap()
                .contains("auto-generated")
        );
        assert_eq!(
            message.header_raw("List-Id").unwrap().trim(),
            "<wake_dormant.lists.shop.example>"
        );
        assert_eq!(message.message_id().unwrap(), request.message_id);
        assert_eq!(message.date().unwrap().to_timestamp(), 1_772_413_200);
        (
            message
                .header_raw("List-Unsubscribe")
                .map(|h| h.trim().to_owned()),
            message.header_raw("Precedence").is_some(),
        )
    };
    let leave = Some("<mailto:leave@shop.example?subject=leave>".to_owned());
    assert_eq!(find(Class::Advertising), (leave.clone(), true));
    assert_eq!(find(Class::Informational), (leave, false));
    assert_eq!(find(Class::Transactional), (None, false));
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let request = request("cart_reminder", shop("Mina"));
    assert_eq!(compose(&SHIPPED, &request), compose(&SHIPPED, &request));
}

#[test]
fn what_customers_are_called_is_escaped_in_html_only() {
    let mut request = request("welcome", shop("<b>O'Neil</b>"));
    request.subject = "{{customer.first_name}} & you";
    let mail = compose(&SHIPPED, &request).unwrap();
    assert_eq!(mail.subject, "<b>O'Neil</b> & you");
    assert!(mail.text.contains("Welcome, <b>O'Neil</b>!"));
    assert!(
        mail.html
            .contains("Welcome, &lt;b&gt;O&#39;Neil&lt;/b&gt;!")
    );
}

#[test]
fn nothing_that_a_customer_is_called_adds_a_header() {
    for name in [
        "a\r\nBcc: x@y.example",
        "a\nBcc: x@y",
        "a\rBcc: x",
        "\r\n\r\nbody",
        "a\u{0}b",
        "\u{2028}Bcc: x",
        "\"",
        "\\",
        "<x@y.example>",
        "=?UTF-8?Q?=0D=0ABcc:_x?=",
        &"가".repeat(10_000),
        &"x".repeat(10_000),
    ] {
        let mut request = request("welcome", shop(name));
        request.subject = "Hello {{customer.first_name}}";
        request.to_name = Some(name);
        request.from_name = name;
        let mail = compose(&SHIPPED, &request).unwrap();
        let message = parsed(&mail);
        let to = message.to().unwrap().first().unwrap();
        assert_eq!(to.address().unwrap(), "mina@mail.example", "{name:?}");
        assert_eq!(message.to().unwrap().iter().count(), 1);
        assert_eq!(message.from().unwrap().iter().count(), 1);
        assert!(message.bcc().is_none());
    }
}

#[test]
fn long_lines_bare_line_ends_and_dots_arrive_as_written() {
    for body in [
        "x".repeat(5_000),
        "가".repeat(5_000),
        ".\r\n.\n..\r.x\n\r\n.".to_owned(),
        "From here\nFrom there\r--=_\r\n--\r\n".to_owned(),
        "trailing \t \nspace = sign\t\n=3D".to_owned(),
        String::new(),
    ] {
        for template in ["bare", "made"] {
            let mail = compose(
                &BARE,
                &request(template, json!({ "data": { "html": body } })),
            )
            .unwrap();
            parsed(&mail);
        }
    }
}

#[test]
fn a_text_is_made_where_none_is_written() {
    let html =
        "<style>p{}</style><h1>Hello</h1><p>Come <a href=\"https://shop.example/\">in</a></p>";
    let mail = compose(&BARE, &request("made", json!({ "data": { "html": html } }))).unwrap();
    assert!(
        mail.text.contains("https://shop.example/") && !mail.text.contains('<'),
        "{}",
        mail.text
    );
    insta::assert_snapshot!("made_text", mail.text);
}

#[test]
fn a_local_part_beyond_ascii_stands_in_the_header_as_it_is() {
    let to = EmailAddress::parse("고객@도메인.example").unwrap();
    let mut with = request("welcome", shop("Mina"));
    with.to = &to;
    let mail = compose(&SHIPPED, &with).unwrap();
    let message = parsed(&mail);
    assert_eq!(
        message.to().unwrap().first().unwrap().address().unwrap(),
        "고객@xn--hq1bm8jm9l.example"
    );
    assert!(
        compose(&SHIPPED, &request("welcome", shop("Mina")))
            .unwrap()
            .bytes
            .is_ascii()
    );
}

#[test]
fn what_cannot_be_made_says_why() {
    let error = |request: &ComposeRequest<'_>| compose(&SHIPPED, request).unwrap_err().to_string();
    let mut bad = request("welcom", shop("Mina"));
    assert_eq!(
        error(&bad),
        "welcom: there is no template `welcom` (did you mean `welcome`?)"
    );
    bad = request("welcome", json!({}));
    bad.subject = "{{customer.frist_name}}";
    assert!(
        error(&bad).contains("`customer.frist_name` is not among this message's data"),
        "{}",
        error(&bad)
    );
    bad.subject = "{{default customer.name \"\"}}";
    assert_eq!(compose(&SHIPPED, &bad), Err(ComposeError::NoSubject));
    bad = request("welcome", json!({}));
    bad.message_id = "a\r\nBcc: x@y";
    assert!(matches!(
        compose(&SHIPPED, &bad),
        Err(ComposeError::MessageId(_))
    ));
    // Of odd shape, not an object at all: still a mail, with the defaults.
    assert!(compose(&SHIPPED, &request("welcome", Value::Null)).is_ok());
    assert!(
        compose(
            &SHIPPED,
            &request(
                "welcome",
                json!({ "customer": [], "links": 3, "products": null })
            )
        )
        .is_ok()
    );
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("광고 ".to_owned()),
        Just("日本語".to_owned()),
        Just("👩‍👩‍👧‍👦".to_owned()),
        Just("🏳️‍🌈 ".to_owned()),
        Just("שלום ".to_owned()),
        Just("مرحبا\u{202b}".to_owned()),
        Just("e\u{301}".to_owned()),
        Just("=?UTF-8?B?".to_owned()),
        Just("\r\nBcc: x@y\r\n".to_owned()),
        "[ -~]{1,40}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..60)
        .prop_map(|pieces| pieces.concat().chars().take(400).collect::<String>())
}

/// What should arrive, told without our own code: controls and separators are spaces, spaces run together.
fn expected(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| {
            if c.is_control() || c == '\u{2028}' || c == '\u{2029}' {
                ' '
            } else {
                c
            }
        })
        .collect();
    spaced
        .split(' ')
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn cases() -> u32 {
    if std::env::var_os("REVEILLE_SOAK").is_some() {
        20_000
    } else {
        300
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn subjects_names_and_bodies_of_all_kinds_come_back(subject in pieces(), name in pieces(), body in pieces()) {
        let (subject_means, name_means) = (expected(&subject), expected(&name));
        let mut request = request("bare", json!({ "data": { "html": body, "subject": subject } }));
        request.subject = "{{data.subject}}";
        request.to_name = Some(&name);
        if subject_means.is_empty() {
            assert_eq!(compose(&BARE, &request), Err(ComposeError::NoSubject));
        } else {
            let mail = compose(&BARE, &request).unwrap();
            let message = parsed(&mail);
            assert_eq!(message.subject().unwrap(), subject_means);
            let to = message.to().unwrap().first().unwrap();
            assert_eq!(to.address().unwrap(), "mina@mail.example");
            if name_means.chars().count() <= 200 && !name_means.is_empty() {
                assert_eq!(to.name().unwrap(), name_means);
            }
        }
    }
}

#[test]
fn one_click_is_promised_where_it_can_be_asked_by_https() {
    use reveille::domain::id::{CustomerNo, MessageNo};
    use reveille::message::links::Links;
    use reveille::message::token::{KeyRing, TokenKeys};
    let head = |public_url: &str, class| {
        let links = Links {
            public_url: public_url.to_owned(),
            keys: std::sync::Arc::new(KeyRing::new(TokenKeys::new([7; 32]))),
        };
        let links = links.of_mail(CustomerNo(7), MessageNo(1), None);
        let mut request = request("welcome", shop("Mina"));
        request.links = Some(&links);
        request.class = class;
        let mail = compose(&SHIPPED, &request).unwrap();
        assert_sound(&mail);
        let quoted = links.preferences.as_str();
        assert!(mail.text.contains(quoted) && mail.html.contains(quoted));
        let text = String::from_utf8(mail.bytes).unwrap();
        text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ")
    };
    let secure = head("https://mail.shop.example", Class::Advertising);
    assert!(secure.contains("\r\nList-Unsubscribe: <https://mail.shop.example/u/"));
    assert!(secure.contains(">, <mailto:leave@shop.example?subject=leave>\r\n"));
    assert!(secure.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    let informational = head("https://mail.shop.example", Class::Informational);
    assert!(informational.contains("\r\nList-Unsubscribe-Post: "));
    let open = head("http://localhost:8087", Class::Advertising);
    assert!(open.contains("\r\nList-Unsubscribe: <http://localhost:8087/u/"));
    assert!(!open.contains("List-Unsubscribe-Post"));
    let transactional = head("https://mail.shop.example", Class::Transactional);
    assert!(!transactional.contains("List-Unsubscribe"));
}
