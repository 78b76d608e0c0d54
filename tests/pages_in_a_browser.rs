//! The customers' pages in a real browser, before the real engine: leaving by one press, choosing, keeping, in English
//! and Korean, with scripts and without, by keyboard alone; no page breaks a rule of WCAG 2 A or AA that axe-core can see,
//! and none scrolls sideways at 320 or 1280 pixels. What was done is looked up in the engine, not only on the page.
//! Pictures of all pages go to target/screenshots.

mod app;
mod browser;
mod http_house;
mod left_out;

use browser::{Browser, DOWN, ENTER, Kind, SPACE, target};
use http_house::Shop;
use mail_parser::MessageParser;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::consent_ledger::{ConsentRow, Origin};
use reveille::domain::id::TopicId;
use reveille::domain::preference::{ConsentState, Format, Preferences};
use reveille::domain::time::{Span, Timestamp};
use reveille::message::token::Token;
use reveille::store::memory::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;

const OFFER: &str = r#"
name = "Offer"
state = "live"
class = "advertising"
topic = "offers"
[trigger]
event = "Cart Viewed"
[entry]
again = "always"
[[step]]
id = "one"
template = "welcome"
subject = "An offer"
"#;

/// Asked back by mail (double opt-in).
const NEWS: &str = r#"
[news]
name = { en = "The newsletter", ko = "새 소식" }
description = { en = "Twice a month: what is new", ko = "한 달에 두 번 새 소식을 보내 드립니다" }
confirm = true
"#;

const PUBLIC: &str = "https://mail.shop.example";

/// What is read on the pages in one language.
struct Words {
    tag: &'static str,
    other: &'static str,
    leave: &'static str,
    left: &'static str,
    wording: &'static str,
    centre: &'static str,
    saved: [&'static str; 5],
    kept: &'static str,
    wrong: [&'static str; 3],
    confirm: [&'static str; 3],
    none: &'static str,
    zone: &'static str,
}

const ENGLISH: Words = Words {
    tag: "en",
    other: "ko",
    leave: "Unsubscribe",
    left: "From now on you get no more mails about “Offers”.",
    wording: "You will get no more mails about “Offers”.",
    centre: "What you get, and when",
    saved: [
        "Saved",
        "You get: The month's digest, Reminders.",
        "Only Mon-Fri 19:00-21:00 on your clock (America/New_York).",
        "At most 1 a week.",
        "Nothing before 20 March 2026.",
    ],
    kept: "Nothing was changed: all stays as it is",
    wrong: [
        "Please look at this again; nothing was saved",
        "Choose at least one day.",
        "Write the end as a time, such as 21:00, other than the start.",
    ],
    confirm: [
        "Confirm",
        "Confirmed",
        "From now on you get mails about “The newsletter”.",
    ],
    none: "You get no advertising.",
    zone: "Found in your browser: America/New_York. It counts once you save.",
};

const KOREAN: Words = Words {
    tag: "ko",
    other: "en",
    leave: "수신거부",
    left: "이제 ‘혜택 소식’ 메일을 보내 드리지 않습니다.",
    wording: "‘혜택 소식’ 메일을 더 이상 보내 드리지 않습니다.",
    centre: "메일 수신 설정",
    saved: [
        "저장했습니다",
        "받으실 소식: 월간 소식, 장바구니 알림",
        "고객님 시간으로 월-금 19:00-21:00에만 보내 드립니다(America/New_York).",
        "일주일에 최대 1회 보내 드립니다.",
        "2026년 3월 20일 전에는 보내 드리지 않습니다.",
    ],
    kept: "바뀐 내용 없이 지금 설정을 그대로 유지합니다",
    wrong: [
        "다시 확인해 주세요. 아직 저장되지 않았습니다",
        "요일을 하나 이상 선택해 주세요.",
        "종료 시각을 시작 시각과 다르게 21:00처럼 입력해 주세요.",
    ],
    confirm: [
        "수신 신청 확인",
        "확인되었습니다",
        "이제 ‘새 소식’ 메일을 보내 드립니다.",
    ],
    none: "광고성 메일을 보내 드리지 않습니다.",
    zone: "브라우저에서 확인한 시간대는 America/New_York입니다. 저장하면 적용됩니다.",
};

struct Site {
    shop: Shop,
}

impl Site {
    async fn open() -> Site {
        let public = format!("public_url = \"{PUBLIC}\"");
        let store = Arc::new(MemoryStore::new());
        let topics = app::shipped("topics.toml") + NEWS;
        let files = [("offer.toml", OFFER), ("topics.toml", topics.as_str())];
        let shop = Shop::open_on(store, &public, &files).await;
        Site { shop }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.shop.address)
    }

    /// A customer who reads this language and has told no time zone.
    async fn customer(&self, id: &str, language: &str) {
        self.shop.app.sign_up(id, "Asia/Seoul").await;
        self.prefer(id, |change| {
            change.preferences.locale = Some(Some(language.to_owned()));
            change.preferences.timezone = Some(None);
        })
        .await;
    }

    /// Time passes between two things that a person does.
    fn later(&self) {
        self.shop.app.clock.advance(Span::seconds(1));
    }

    async fn prefer(&self, id: &str, set: impl FnOnce(&mut ProfileChange)) {
        let mut change = ProfileChange::default();
        set(&mut change);
        let cause = Cause::Profile(Box::new(change), Liveness::Live);
        self.shop.app.act(id, cause).await;
    }

    /// The link of the mail that asks whether the customer wants a topic.
    fn question(&self, id: &str) -> String {
        let own = format!("{id}@customers.example");
        let link = self.shop.app.mails().into_iter().find_map(|(path, text)| {
            let bytes = std::fs::read(path).unwrap();
            let mail = MessageParser::new().parse(&bytes).unwrap();
            let body = mail.body_text(0).unwrap();
            let start = body.find(&format!("{PUBLIC}/c/"))?;
            let link = body[start..].split_whitespace().next().unwrap();
            text.contains(&own).then(|| link.to_owned())
        });
        self.url(link.unwrap().strip_prefix(PUBLIC).unwrap())
    }

    /// The links of a mail that the customer gets: to leave, and to choose.
    async fn mail(&self, id: &str) -> (String, String) {
        let app = &self.shop.app;
        app.event(id, "Cart Viewed", json!({})).await;
        app.settle().await;
        let mails = app.mails();
        let own = format!("{id}@customers.example");
        let (path, _) = mails.iter().find(|(_, text)| text.contains(&own)).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let mail = MessageParser::new().parse(&bytes).unwrap();
        let text = mail.body_text(0).unwrap();
        let link = |kind: &str| {
            let start = text.find(&format!("{PUBLIC}/{kind}/")).unwrap();
            let link = text[start..].split_whitespace().next().unwrap();
            self.url(link.strip_prefix(PUBLIC).unwrap())
        };
        (link("u"), link("p"))
    }

    async fn preferences(&self, id: &str) -> Preferences {
        let no = self.shop.app.customer(id).await;
        let state = self.shop.app.core.customer(no).await.unwrap().unwrap();
        state.record.preferences
    }

    async fn word(&self, id: &str, topic: Option<&str>) -> Option<ConsentState> {
        let no = self.shop.app.customer(id).await;
        let state = self.shop.app.core.customer(no).await.unwrap().unwrap();
        let topic = topic.map(|topic| TopicId::parse(topic).unwrap());
        state.record.consents.get(&topic).map(|word| word.state)
    }

    async fn ledger(&self, id: &str) -> Vec<ConsentRow> {
        let no = self.shop.app.customer(id).await;
        self.shop.app.core.consent_ledger(no).await.unwrap()
    }

    /// All that is held of a customer, to see that nothing changed.
    async fn held(&self, id: &str) -> String {
        let no = self.shop.app.customer(id).await;
        let core = &self.shop.app.core;
        let (record, mailbox) = core.customer_and_mailbox(no).await.unwrap().unwrap();
        format!("{record:?} {mailbox:?} {:?}", self.ledger(id).await)
    }

    /// Whether something was changed, each time that they saved their choices.
    async fn reviews(&self, id: &str) -> Vec<String> {
        let events = self.shop.events(id).await;
        (events.iter())
            .filter(|event| event.name.as_str() == "Preferences Reviewed")
            .map(|event| format!("{:?}", event.properties["changed"]))
            .collect()
    }
}

const SAVE: &str = "form button[type=submit]:not([form]):not(.second)";

/// One press on the page behind a mail, and nothing before it.
async fn leave_by_one_press(site: &Site, browser: &Browser, id: &str, words: &Words) -> String {
    let (leave, centre) = site.mail(id).await;
    let before = site.held(id).await;
    browser.go(&leave).await;
    assert_eq!(browser.is("html", "lang").await, words.tag);
    assert_eq!(browser.text("h1").await, words.leave);
    assert_eq!(site.held(id).await, before, "looking changes nothing");
    site.later();
    browser.follow("main button").await;
    assert_eq!(browser.text(".said").await, words.left);
    assert_eq!(
        site.word(id, Some("offers")).await,
        Some(ConsentState::Refused)
    );
    let ledger = site.ledger(id).await;
    let row = ledger.last().unwrap();
    assert_eq!(row.source, "unsubscribe page");
    assert_eq!(row.wording.as_deref(), Some(words.wording));
    assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
    // From there to all the rest.
    browser.follow("main a").await;
    assert_eq!(browser.text("h1").await, words.centre);
    assert_eq!(browser.is("#topic-offers", "checked").await, false);
    centre
}

/// Topics, hours, how often, a break and the zone, in one go.
async fn choose(site: &Site, browser: &Browser, id: &str, words: &Words, scripts: bool) {
    let before = site.held(id).await;
    browser.press("label[for=topic-monthly]").await;
    if !scripts {
        browser.press("#hours-own").await;
    }
    for day in ["5", "6"] {
        browser.press(&format!("label[for=day-{day}]")).await;
    }
    assert_eq!(browser.is("#hours-own", "checked").await, true);
    browser.enter("#from", "0700PM").await;
    browser.enter("#to", "0900PM").await;
    if scripts {
        assert_eq!(browser.text("#zone-found").await, words.zone);
    } else {
        assert_eq!(browser.text("#zone-found").await, "");
        assert_eq!(browser.is("#zone", "value").await, "");
        browser.choose("#zone", "America/New_York").await;
    }
    assert_eq!(browser.is("#zone", "value").await, "America/New_York");
    browser.choose("#often", "1 per 7d").await;
    browser.enter("#pause", "03202026").await;
    assert_eq!(site.held(id).await, before, "it counts once they save");
    site.later();
    browser.follow(SAVE).await;
    let said = browser.text(".said").await;
    assert_eq!(said.lines().collect::<Vec<_>>(), words.saved);
    let own = site.preferences(id).await;
    assert_eq!(own.window.unwrap().to_string(), "Mon-Fri 19:00-21:00");
    assert_eq!(own.caps.unwrap()[0].to_string(), "1 per 7d");
    assert_eq!(own.timezone.unwrap().name(), "America/New_York");
    // The day begins on their clock.
    let midnight = Timestamp::parse_rfc3339("2026-03-20T00:00:00-04:00");
    assert_eq!(own.pause_until, midnight);
    assert_eq!(
        site.word(id, Some("monthly")).await,
        Some(ConsentState::Given)
    );
    assert_eq!(
        site.ledger(id).await.last().unwrap().source,
        "preference centre"
    );
    assert_eq!(site.reviews(id).await, ["Bool(true)"]);
}

/// Nothing is changed, and they said that they looked.
async fn keep(site: &Site, browser: &Browser, id: &str, words: &Words) {
    let before = (site.preferences(id).await, site.ledger(id).await);
    site.later();
    browser.follow(SAVE).await;
    let said = browser.text(".said").await;
    assert_eq!(said.lines().next().unwrap(), words.kept);
    let after = (site.preferences(id).await, site.ledger(id).await);
    assert_eq!(before, after);
    assert_eq!(site.reviews(id).await, ["Bool(true)", "Bool(false)"]);
}

/// Two mistakes at once: each is told, at the head and beside its field, and nothing is taken.
async fn err(site: &Site, browser: &Browser, id: &str, words: &Words) {
    let before = site.held(id).await;
    for day in ["0", "1", "2", "3", "4"] {
        browser.press(&format!("label[for=day-{day}]")).await;
    }
    browser.enter("#to", "0700PM").await;
    site.later();
    browser.follow(SAVE).await;
    let wrong = browser.text(".wrong").await;
    assert_eq!(wrong.lines().collect::<Vec<_>>(), words.wrong);
    assert_eq!(browser.text("#hours-error").await, words.wrong[1]);
    assert_eq!(browser.text("#to-error").await, words.wrong[2]);
    assert_eq!(browser.is("#to", "value").await, "19:00", "it stays there");
    assert_eq!(site.held(id).await, before);
}

/// A customer who says where they are is not moved by the browser; it offers.
async fn change_zone(site: &Site, browser: &Browser, id: &str, centre: &str, scripts: bool) {
    site.prefer(id, |change| {
        change.preferences.timezone = Some(Some("Asia/Seoul".parse().unwrap()));
    })
    .await;
    browser.go(centre).await;
    assert_eq!(browser.is("#zone", "value").await, "Asia/Seoul");
    if scripts {
        browser.press("#zone-found button").await;
        assert_eq!(browser.is("#zone", "value").await, "America/New_York");
    }
    browser.choose("#zone", "Europe/Paris").await;
    site.later();
    browser.follow(SAVE).await;
    let zone = site.preferences(id).await.timezone.unwrap();
    assert_eq!(zone.name(), "Europe/Paris");
}

/// The switch speaks the other language at once; the choice stays.
async fn change_language(site: &Site, browser: &Browser, id: &str, centre: &str, words: &Words) {
    browser.go(centre).await;
    let before = site.held(id).await;
    browser.follow("nav a").await;
    assert_eq!(browser.is("html", "lang").await, words.other);
    assert_eq!(site.held(id).await, before);
    browser.choose("#locale", words.other).await;
    site.later();
    browser.follow(SAVE).await;
    let own = site.preferences(id).await.locale;
    assert_eq!(own.as_deref(), Some(words.other));
    browser.go(centre).await;
    assert_eq!(browser.is("html", "lang").await, words.other);
    browser.choose("#locale", words.tag).await;
    site.later();
    browser.follow(SAVE).await;
    assert_eq!(browser.is("html", "lang").await, words.tag, "at once");
}

/// A topic that is asked back by mail: ticking it gives nothing, the button behind the mail's link does; as plain text.
async fn opt_in(site: &Site, browser: &Browser, id: &str, centre: &str, words: &Words) {
    browser.go(centre).await;
    browser.press("label[for=topic-news]").await;
    browser.press("label[for=format-text]").await;
    site.later();
    browser.follow(SAVE).await;
    site.shop.app.settle().await;
    assert_eq!(site.preferences(id).await.format, Some(Format::Text));
    assert_ne!(site.word(id, Some("news")).await, Some(ConsentState::Given));
    let before = site.held(id).await;
    browser.go(&site.question(id)).await;
    assert_eq!(browser.text("h1").await, words.confirm[0]);
    assert_eq!(site.held(id).await, before, "looking changes nothing");
    site.later();
    browser.follow("main button").await;
    assert_eq!(browser.text("h1").await, words.confirm[1]);
    assert_eq!(browser.text(".said").await, words.confirm[2]);
    assert_eq!(site.word(id, Some("news")).await, Some(ConsentState::Given));
    let ledger = site.ledger(id).await;
    assert_eq!(ledger.last().unwrap().source, "confirmation page");
    browser.follow("main a").await;
    assert_eq!(browser.is("#topic-news", "checked").await, true);
}

async fn leave_altogether(site: &Site, browser: &Browser, id: &str, words: &Words) {
    site.later();
    browser.follow("button.second").await;
    let said = browser.text(".said").await;
    assert_eq!(said.lines().nth(1).unwrap(), words.none);
    assert_eq!(site.word(id, None).await, Some(ConsentState::Refused));
    for topic in ["offers", "reminders", "monthly", "news"] {
        let ticked = browser.is(&format!("#topic-{topic}"), "checked").await;
        assert_eq!(ticked, false, "{topic}");
    }
}

async fn all_that_customers_do(scripts: bool) {
    let site = Site::open().await;
    let browser = Browser::open(Kind {
        scripts,
        zone: "America/New_York",
    })
    .await;
    for (id, words) in [("mina", &ENGLISH), ("joon", &KOREAN)] {
        site.customer(id, words.tag).await;
        let centre = leave_by_one_press(&site, &browser, id, words).await;
        choose(&site, &browser, id, words, scripts).await;
        keep(&site, &browser, id, words).await;
        err(&site, &browser, id, words).await;
        change_zone(&site, &browser, id, &centre, scripts).await;
        change_language(&site, &browser, id, &centre, words).await;
        opt_in(&site, &browser, id, &centre, words).await;
        leave_altogether(&site, &browser, id, words).await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_leave_choose_keep_and_change_in_both_languages() {
    all_that_customers_do(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_leave_choose_keep_and_change_in_both_languages_without_javascript() {
    all_that_customers_do(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough_and_shows_where_it_is() {
    let site = Site::open().await;
    let browser = Browser::open(Kind {
        scripts: true,
        zone: "Asia/Seoul",
    })
    .await;
    site.shop.app.sign_up("mina", "Asia/Seoul").await;
    let (leave, centre) = site.mail("mina").await;
    browser.go(&leave).await;
    browser.tab_to("button").await;
    browser.turns(browser.keys(ENTER)).await;
    assert_eq!(browser.text(".said").await, ENGLISH.left);
    assert_eq!(
        site.word("mina", Some("offers")).await,
        Some(ConsentState::Refused)
    );

    browser.go(&centre).await;
    browser.tab_to("topic-offers").await;
    browser.keys(SPACE).await;
    // Within a group of radio buttons the arrows lead on.
    browser.tab_to("hours-any").await;
    browser.keys(DOWN).await;
    assert_eq!(browser.focused().await, "hours-own");
    for day in ["day-5", "day-6"] {
        browser.tab_to(day).await;
        browser.keys(SPACE).await;
    }
    browser.tab_to("from").await;
    browser.keys("0700PM").await;
    browser.tab_to("to").await;
    browser.keys("0900PM").await;
    browser.tab_to("often").await;
    browser.keys(&DOWN.repeat(4)).await;
    browser.tab_to("pause").await;
    browser.keys("03202026").await;
    browser.tab_to("button").await;
    site.later();
    browser.turns(browser.keys(ENTER)).await;
    let said = browser.text(".said").await;
    assert!(
        said.starts_with("Saved\nYou get: Offers, Reminders.\n"),
        "{said}"
    );
    let own = site.preferences("mina").await;
    assert_eq!(own.window.unwrap().to_string(), "Mon-Fri 19:00-21:00");
    assert_eq!(own.caps.unwrap()[0].to_string(), "1 per 7d");
    assert!(own.pause_until.is_some());
    // From a mistake at the head to the field that it is about.
    for day in ["day-0", "day-1", "day-2", "day-3", "day-4"] {
        browser.tab_to(day).await;
        browser.keys(SPACE).await;
    }
    browser.turns(browser.keys(ENTER)).await;
    browser.tab_to("a").await;
    browser.tab_to("a").await;
    browser.keys(ENTER).await;
    browser.tab_to("hours-own").await;
    browser.close().await;
}

/// The state of a page, by the name of its picture.
struct Page {
    name: &'static str,
    url: String,
    /// What is pressed there first; the last of it leads to the page that is meant.
    presses: &'static [&'static str],
    /// What the page then has.
    shows: &'static str,
}

/// Each page, in each state, of a customer who reads `language`.
async fn pages(site: &Site, language: &str) -> Vec<Page> {
    let page = |name, url: &str, presses, shows| Page {
        name,
        url: url.to_owned(),
        presses,
        shows,
    };
    let id = format!("mina-{language}");
    site.customer(&id, language).await;
    let (leave, centre) = site.mail(&id).await;
    let customer = site.shop.app.customer(&id).await;
    let sign = |token: &Token| site.shop.app.core.token_keys().sign(token);
    let whole = sign(&Token::Unsubscribe {
        customer,
        message: None,
        topic: None,
    });
    let stopped = format!("stopped-{language}");
    site.customer(&stopped, language).await;
    let address = EmailAddress::parse(&format!("{stopped}@customers.example")).unwrap();
    let core = &site.shop.app.core;
    core.suppress(&address, "asked by telephone").await.unwrap();
    let stopped = site.url(&format!(
        "/p/{}",
        sign(&Token::Preferences {
            customer: site.shop.app.customer(&stopped).await,
            message: None,
        })
    ));
    // Asked, and asked too long ago.
    let topic = TopicId::parse("news").unwrap();
    let anew = Cause::Consent(
        ConsentChange {
            topic: Some(topic.clone()),
            state: ConsentState::Given,
            at: site.shop.app.now(),
            source: "sign-up form".into(),
            wording: None,
            origin: Origin {
                anew: true,
                ..Origin::default()
            },
        },
        Liveness::Live,
    );
    site.shop.app.act(&id, anew).await;
    site.shop.app.settle().await;
    let question = site.question(&id);
    let over = site.url(&format!(
        "/c/{}",
        sign(&Token::Confirm {
            customer,
            topic,
            asked: Timestamp::EARLIEST,
            message: None,
        })
    ));
    let no_day: &[_] = &[
        "label[for=day-0]",
        "label[for=day-1]",
        "label[for=day-2]",
        "label[for=day-3]",
        "label[for=day-4]",
        "label[for=day-5]",
        "label[for=day-6]",
        SAVE,
    ];
    vec![
        page("preferences", &centre, &[], "form"),
        page("preferences-saved", &centre, &[SAVE], ".said"),
        page("preferences-wrong", &centre, no_day, ".wrong"),
        page("confirm", &question, &[], "main button"),
        page("confirmed", &question, &["main button"], ".said"),
        page("preferences-left", &centre, &["button.second"], ".said"),
        page("preferences-stopped", &stopped, &[], ".wrong"),
        page("unsubscribe", &leave, &[], "main button"),
        page("unsubscribed", &leave, &["main button"], ".said"),
        page(
            "unsubscribe-whole",
            &site.url(&format!("/u/{whole}")),
            &[],
            "main button",
        ),
        page("confirm-over", &over, &[], "main p"),
        page("gone", &site.url("/u/nonsense"), &[], "[lang=ko]"),
    ]
}

/// What axe-core finds wrong with the page that is shown, by the rules of WCAG 2.0 to 2.2, A and AA.
async fn violations(browser: &Browser, axe: &str) -> Value {
    let script = format!(
        "{axe}; const done = arguments[arguments.length - 1]; \
         const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']; \
         axe.run(document, {{ runOnly: {{ type: 'tag', values }} }}).then(found => done({{ \
             passed: found.passes.length, \
             violations: found.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html)]), \
         }}), error => done(String(error)));"
    );
    let found = browser.run_async(&script).await;
    assert!(found["passed"].as_u64().unwrap_or(0) >= 5, "axe: {found}");
    found["violations"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_narrow_and_wide_screens_and_keeps_to_wcag() {
    let file = target("tools/node/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&file).ok();
    if axe.is_none() {
        left_out::left_out(
            "the pages by the rules of WCAG",
            "axe-core is not in target/tools; scripts/test puts it there",
        );
    }
    let site = Site::open().await;
    let browser = Browser::open(Kind {
        scripts: true,
        zone: "America/New_York",
    })
    .await;
    let mut wrong = Vec::new();
    for language in ["en", "ko"] {
        for page in pages(&site, language).await {
            browser.width(320).await;
            browser.go(&page.url).await;
            site.later();
            if let [first @ .., last] = page.presses {
                for press in first {
                    browser.press(press).await;
                }
                browser.follow(last).await;
            }
            let name = format!("{}-{language}", page.name);
            assert_ne!(browser.text(page.shows).await, "", "{name}");
            for width in [320, 1280] {
                browser.width(width).await;
                browser.picture(&format!("{name}-{width}")).await;
                let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
                let [has, shown] =
                    serde_json::from_value::<[u32; 2]>(browser.run(script).await).unwrap();
                assert_eq!(shown, width);
                if has > shown {
                    wrong.push(format!("{name}: {has} pixels wide at {shown}"));
                }
                if let Some(axe) = &axe {
                    let found = violations(&browser, axe).await;
                    if found != json!([]) {
                        wrong.push(format!("{name} at {width}: {found:#}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What finds nothing must be able to find something.
    if let Some(axe) = &axe {
        let spoil =
            "document.querySelector('h1').style.color = '#eee'; document.documentElement.lang = ''";
        browser.run(spoil).await;
        let found = violations(&browser, axe).await.to_string();
        assert!(
            found.contains("color-contrast") && found.contains("html-has-lang"),
            "{found}"
        );
    }
    browser.close().await;
}
