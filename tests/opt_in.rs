//! Double opt-in, over a real listener and the real engine on the virtual clock: who asks for a topic that says `confirm`
//! gets one mail about it and nothing else of it, until the button behind that mail's link was pressed.

mod app;
mod http_house;

use app::{App, CONFIG};
use axum::body::Body;
use http_house::{Answered, request_at};
use hyper::{Request, StatusCode};
use mail_parser::MessageParser;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::consent_ledger::{Origin, Word};
use reveille::domain::id::{CampaignId, CustomerId, TopicId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::record::{Suppression, SuppressionCause};
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::control::{ControlError, Scope};
use reveille::http::public;
use reveille::message::token::Token;
use reveille::store::memory::MemoryStore;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

const NOW: &str = "2026-03-02T10:00:00+09:00";

const TOPICS: &str = r#"
[news]
name = { en = "The newsletter", ko = "새 소식" }
description = { en = "Twice a month: what is new", ko = "한 달에 두 번 새 소식을 보내 드립니다" }
confirm = true
[offers]
name = { en = "Offers", ko = "혜택 소식" }
"#;

const NEWS: &str = r#"
name = "News"
state = "live"
class = "advertising"
topic = "news"
[trigger]
event = "News Out"
[entry]
again = "always"
[[step]]
id = "one"
template = "welcome"
subject = "The news"
"#;

const OFFERS: &str = r#"
name = "Offers"
state = "live"
class = "advertising"
topic = "offers"
[trigger]
event = "Offers Out"
[entry]
again = "always"
[[step]]
id = "one"
template = "welcome"
subject = "The offers"
"#;

struct Site {
    app: App,
    at: SocketAddr,
}

async fn site() -> Site {
    site_with("").await
}

/// `defaults` go to the end of `[defaults]`.
async fn site_with(defaults: &str) -> Site {
    let config = format!("{CONFIG}{defaults}[http]\npublic_url = \"https://mail.shop.example\"\n");
    let store = Arc::new(MemoryStore::new());
    let files = [
        ("news.toml", NEWS),
        ("offers.toml", OFFERS),
        ("topics.toml", TOPICS),
    ];
    let app = App::start_on(store, NOW, &config, &files).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let router = public::router(Arc::clone(&app.core));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    Site { app, at }
}

fn news() -> TopicId {
    TopicId::parse("news").unwrap()
}

/// A mail as its reader gets it.
struct Mail {
    raw: String,
    to: String,
    subject: String,
    text: String,
}

impl Mail {
    fn asks(&self) -> bool {
        self.text.contains("/c/")
    }

    /// The path of the link that confirms.
    fn confirm(&self) -> String {
        let start = self.text.find("https://mail.shop.example/c/").unwrap();
        let link = self.text[start..].split_whitespace().next().unwrap();
        link.strip_prefix("https://mail.shop.example")
            .unwrap()
            .to_owned()
    }
}

impl Site {
    async fn ask(&self, method: &str, path: &str, form: &str) -> Answered {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "mail.shop.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        request_at(self.at, request).await
    }

    /// All that left, oldest first.
    fn mails(&self) -> Vec<Mail> {
        let read = |(path, raw): (std::path::PathBuf, String)| {
            let bytes = std::fs::read(path).unwrap();
            let mail = MessageParser::new().parse(&bytes).unwrap();
            Mail {
                to: mail
                    .to()
                    .unwrap()
                    .first()
                    .unwrap()
                    .address()
                    .unwrap()
                    .to_owned(),
                subject: mail.subject().unwrap().to_owned(),
                text: mail.body_text(0).unwrap().into_owned(),
                raw,
            }
        };
        self.app.mails().into_iter().map(read).collect()
    }

    fn questions(&self) -> Vec<Mail> {
        self.mails().into_iter().filter(Mail::asks).collect()
    }

    fn news(&self) -> usize {
        self.mails()
            .iter()
            .filter(|m| m.subject == "The news")
            .count()
    }

    async fn say(&self, customer: &str, topic: Option<TopicId>, state: ConsentState, anew: bool) {
        self.say_as(customer, topic, state, anew, Liveness::Live)
            .await;
    }

    async fn say_as(
        &self,
        customer: &str,
        topic: Option<TopicId>,
        state: ConsentState,
        anew: bool,
        liveness: Liveness,
    ) {
        let change = ConsentChange {
            topic,
            state,
            at: self.app.now(),
            source: "sign-up form".into(),
            wording: Some("Send me the newsletter".into()),
            origin: Origin {
                anew,
                ..Origin::default()
            },
        };
        self.app
            .act(customer, Cause::Consent(change, liveness))
            .await;
        self.app.settle().await;
    }

    async fn wants_news(&self, customer: &str) {
        self.say(customer, Some(news()), ConsentState::Given, true)
            .await;
    }

    async fn news_out(&self, customer: &str) {
        self.app.event(customer, "News Out", json!({})).await;
        self.app.settle().await;
    }

    async fn profile(&self, customer: &str, set: impl FnOnce(&mut ProfileChange)) {
        let mut change = ProfileChange::default();
        set(&mut change);
        let cause = Cause::Profile(Box::new(change), Liveness::Live);
        self.app.act(customer, cause).await;
        self.app.settle().await;
    }

    async fn centre(&self, customer: &str) -> String {
        let token = Token::Preferences {
            customer: self.app.customer(customer).await,
            message: None,
        };
        format!("/p/{}", self.app.core.token_keys().sign(&token))
    }

    /// The link of a mail to leave `topic`, or advertising as a whole.
    async fn leaving(&self, customer: &str, topic: Option<TopicId>) -> String {
        let token = Token::Unsubscribe {
            customer: self.app.customer(customer).await,
            message: None,
            topic,
        };
        format!("/u/{}", self.app.core.token_keys().sign(&token))
    }

    async fn view(&self, customer: &str) -> serde_json::Value {
        let id = CustomerId::parse(customer).unwrap();
        let view = self.app.core.customer_view(&id).await.unwrap();
        serde_json::to_value(view.unwrap()).unwrap()
    }

    async fn ledger(&self, customer: &str) -> Vec<(Option<TopicId>, Word, String)> {
        let no = self.app.customer(customer).await;
        let rows = self.app.core.consent_ledger(no).await.unwrap();
        let row = |r: reveille::domain::consent_ledger::ConsentRow| (r.topic, r.state, r.source);
        rows.into_iter().map(row).collect()
    }
}

#[tokio::test]
async fn nothing_of_the_topic_leaves_before_the_button_was_pressed_and_the_ledger_keeps_both() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_news("mina").await;
    let asked = site.app.now();
    // The consent to advertising as a whole brings no topic that wants confirming.
    site.news_out("mina").await;
    assert_eq!((site.questions().len(), site.news()), (1, 0));
    let dropped = site.app.log().await;
    let dropped = dropped
        .iter()
        .find(|r| r.reason == Reason::Unconfirmed)
        .unwrap();
    assert_eq!(
        (dropped.status, dropped.campaign.as_str()),
        (Status::Dropped, "news")
    );
    assert!(
        dropped.detail.contains(&asked.to_string()),
        "{}",
        dropped.detail
    );
    // As it is explained, shown and exported.
    let id = CustomerId::parse("mina").unwrap();
    let explained = site.app.core.explain(&id, None).await.unwrap().unwrap();
    let explained = serde_json::to_string(&explained).unwrap();
    assert!(
        explained.contains("waits for confirmation since"),
        "{explained}"
    );
    let view = site.view("mina").await;
    assert_eq!(view["unconfirmed"][0]["topic"], "news");
    assert_eq!(view["unconfirmed"][0]["source"], "sign-up form");

    let mail = &site.questions()[0];
    assert_eq!(mail.to, "mina@customers.example");
    assert_eq!(mail.subject, "Please confirm: The newsletter");
    assert!(
        !mail.raw.contains("List-Unsubscribe"),
        "it is no advertising"
    );
    assert!(mail.text.contains("30 days") && mail.text.contains("Twice a month"));
    let link = mail.confirm();
    // Scanners look; looking confirms nothing.
    for method in ["GET", "HEAD", "OPTIONS", "GET"] {
        let answer = site.ask(method, &format!("{link}?confirm=yes"), "").await;
        assert!(!answer.status.is_server_error());
    }
    let page = site.ask("GET", &link, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.text().matches("<button").count(), 1);
    assert!(
        page.text()
            .contains("Do you want mails about “The newsletter”?")
    );
    assert!(!page.text().contains("<script"));
    assert_eq!(page.headers["x-frame-options"], "DENY");
    assert_eq!(page.headers["cache-control"], "no-store");
    let other = site.ask("POST", &link, "confirm=no").await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    site.news_out("mina").await;
    assert_eq!(site.news(), 0);

    site.app.advance(Span::hours(3)).await;
    for _ in 0..2 {
        let done = site.ask("POST", &link, "confirm=yes").await;
        assert_eq!(done.status, StatusCode::OK, "it works twice");
        assert!(
            done.text()
                .contains("From now on you get mails about “The newsletter”.")
        );
    }
    site.news_out("mina").await;
    assert_eq!((site.questions().len(), site.news()), (1, 1));
    let ledger = site.ledger("mina").await;
    assert_eq!(
        ledger[1..],
        [
            (Some(news()), Word::Asked, "sign-up form".to_owned()),
            (Some(news()), Word::Given, "confirmation page".to_owned()),
        ]
    );
    let no = site.app.customer("mina").await;
    let row = site
        .app
        .core
        .consent_ledger(no)
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert_eq!((row.told, row.at), (site.app.now(), site.app.now()));
    assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
    assert!(row.message.is_some(), "by which mail");
    assert_eq!(row.campaign.unwrap().as_str(), "confirm_subscription");
    assert!(row.wording.unwrap().contains("Yes, I want these mails"));
    assert_eq!(site.view("mina").await["unconfirmed"], json!([]));
    // Given again it stays given: nobody is asked twice.
    site.app.advance(Span::days(1)).await;
    site.wants_news("mina").await;
    site.news_out("mina").await;
    assert_eq!((site.questions().len(), site.news()), (1, 2));
}

#[tokio::test]
async fn a_link_of_before_a_refusal_no_longer_confirms_and_one_of_30_days_has_run_out() {
    let site = site().await;
    for (n, whole) in [false, true].into_iter().enumerate() {
        let customer = ["mina", "joon"][n];
        site.app.sign_up(customer, "Asia/Seoul").await;
        site.wants_news(customer).await;
        let of_customer = |m: &Mail| m.to.starts_with(customer);
        let old = site
            .questions()
            .into_iter()
            .find(of_customer)
            .unwrap()
            .confirm();
        site.app.advance(Span::hours(1)).await;
        let topic = (!whole).then(news);
        site.say(customer, topic, ConsentState::Refused, false)
            .await;
        let answer = site.ask("POST", &old, "confirm=yes").await;
        assert_eq!(answer.status, StatusCode::GONE);
        assert!(answer.text().contains("no longer confirms"));
        // Asked again, the new link does, the old one still does not.
        site.app.advance(Span::hours(1)).await;
        if whole {
            site.say(customer, None, ConsentState::Given, false).await;
        }
        site.news_out(customer).await;
        site.wants_news(customer).await;
        assert_eq!(
            site.ask("POST", &old, "confirm=yes").await.status,
            StatusCode::GONE
        );
        site.news_out(customer).await;
        assert_eq!(site.news(), n);
        let new = site
            .questions()
            .into_iter()
            .rfind(of_customer)
            .unwrap()
            .confirm();
        assert_ne!(new, old);
        assert_eq!(
            site.ask("POST", &new, "confirm=yes").await.status,
            StatusCode::OK
        );
        site.news_out(customer).await;
        assert_eq!(site.news(), n + 1);
    }
    // A refusal by somebody who shares the mailbox binds it as well.
    site.app.sign_up("sora", "Asia/Seoul").await;
    site.app.sign_up("jisu", "Asia/Seoul").await;
    let shared = Some(EmailAddress::parse("sora@customers.example").unwrap());
    site.profile("jisu", |c| c.email = shared).await;
    site.wants_news("sora").await;
    let link = site.questions().pop().unwrap().confirm();
    site.app.advance(Span::minutes(1)).await;
    site.say("jisu", Some(news()), ConsentState::Refused, false)
        .await;
    assert_eq!(
        site.ask("POST", &link, "confirm=yes").await.status,
        StatusCode::GONE
    );

    site.app.sign_up("hana", "Asia/Seoul").await;
    site.wants_news("hana").await;
    let link = site
        .questions()
        .into_iter()
        .find(|m| m.to.starts_with("hana"))
        .unwrap()
        .confirm();
    site.app.clock.advance(Span::days(30));
    site.app.settle().await;
    assert_eq!(site.ask("GET", &link, "").await.status, StatusCode::GONE);
    assert_eq!(
        site.ask("POST", &link, "confirm=yes").await.status,
        StatusCode::GONE
    );
    assert_eq!(site.view("hana").await["unconfirmed"][0]["topic"], "news");
}

#[tokio::test]
async fn a_form_floods_nobody_and_a_page_that_says_it_again_asks_nobody_again() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_news("mina").await;
    // A shop's page tells the consent at each visit.
    for _ in 0..5 {
        site.app.advance(Span::minutes(7)).await;
        site.say("mina", Some(news()), ConsentState::Given, false)
            .await;
    }
    assert_eq!(site.questions().len(), 1);
    assert_eq!(
        site.ledger("mina").await.len(),
        2,
        "and nothing new is kept of it"
    );
    // Somebody sends the form again and again, under other customers with the same address, too.
    for n in 0..12 {
        let customer = format!("mina{}", n % 3);
        site.app.advance(Span::minutes(1)).await;
        let address = Some(EmailAddress::parse("mina@customers.example").unwrap());
        site.profile(&customer, |c| c.email = address).await;
        site.wants_news(&customer).await;
    }
    let first = site.app.now();
    assert_eq!(site.questions().len(), 3);
    let waits = site.app.log().await;
    assert!(
        waits
            .iter()
            .any(|r| r.reason == Reason::Cap && r.campaign.as_str() == "confirm_subscription")
    );
    // Whatever waits keeps to it as well.
    site.app.advance(Span::hours(23)).await;
    assert_eq!(site.questions().len(), 3);
    site.app.advance(Span::hours(2)).await;
    assert!(site.questions().len() <= 6, "{}", site.questions().len());
    assert!(site.app.now() > first);
    // Other mails are counted apart: the cap of this one takes no place of theirs.
    let link = site.questions()[0].confirm();
    assert_eq!(
        site.ask("POST", &link, "confirm=yes").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_went_to_a_former_address_confirms_nothing_for_the_new_one() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_news("mina").await;
    let old = site.questions().pop().unwrap().confirm();
    site.app.advance(Span::minutes(5)).await;
    let new = Some(EmailAddress::parse("new@customers.example").unwrap());
    site.profile("mina", |c| c.email = new).await;
    let mail = site.questions().pop().unwrap();
    assert_eq!(
        (site.questions().len(), mail.to.as_str()),
        (2, "new@customers.example")
    );
    let centre = "/p/";
    for mail in site.questions() {
        assert!(!mail.raw.contains(centre), "it went where a form said");
    }
    let gone = site.ask("POST", &old, "confirm=yes").await;
    assert_eq!(gone.status, StatusCode::GONE);
    assert!(!gone.text().contains(centre) && !gone.text().contains("customers.example"));
    let done = site.ask("POST", &mail.confirm(), "confirm=yes").await;
    assert_eq!(done.status, StatusCode::OK);
    assert!(done.text().contains(centre));
    // Who has the former address sees what became of it, and gets no way to the customer's preferences.
    let seen = site.ask("GET", &old, "").await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(!seen.text().contains(centre), "{}", seen.text());
    site.news_out("mina").await;
    assert_eq!(site.news(), 1);
}

#[tokio::test]
async fn who_was_anonymous_when_they_asked_confirms_as_whom_they_turn_out_to_be() {
    let site = site().await;
    let anonymous = CustomerId::anonymous("a-1").unwrap();
    let address = Some(EmailAddress::parse("mina@customers.example").unwrap());
    site.profile(anonymous.as_str(), |c| c.email = address.clone())
        .await;
    site.wants_news(anonymous.as_str()).await;
    let link = site.questions().pop().unwrap().confirm();
    site.app.advance(Span::minutes(5)).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let mina = CustomerId::parse("mina").unwrap();
    site.app.core.alias(&anonymous, &mina).await.unwrap();
    site.app.settle().await;
    site.news_out("mina").await;
    assert_eq!(site.view("mina").await["unconfirmed"][0]["topic"], "news");
    assert_eq!(
        site.ask("POST", &link, "confirm=yes").await.status,
        StatusCode::OK
    );
    site.news_out("mina").await;
    assert_eq!((site.questions().len(), site.news()), (1, 1));
}

#[tokio::test]
async fn history_brings_its_proof_and_a_shops_own_template_goes_before_the_shipped_one() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let given = ConsentState::Given;
    site.say_as("mina", Some(news()), given, true, Liveness::History)
        .await;
    site.news_out("mina").await;
    assert_eq!((site.questions().len(), site.news()), (0, 1));

    // Without the file the program's own text goes, in the reader's language.
    let folder = site.app.dir.path().join("templates");
    for form in ["html", "txt", "ko.html", "ko.txt"] {
        std::fs::remove_file(folder.join(format!("confirm_subscription.{form}.hbs"))).unwrap();
    }
    assert!(
        site.app
            .reload()
            .await
            .problems
            .iter()
            .all(|p| !p.is_error())
    );
    site.app.sign_up("joon", "Asia/Seoul").await;
    site.profile("joon", |c| {
        c.preferences.locale = Some(Some("ko-KR".into()))
    })
    .await;
    site.wants_news("joon").await;
    let mail = site.questions().pop().unwrap();
    assert_eq!(mail.subject, "‘새 소식’ 수신 신청을 확인해 주세요");
    assert!(mail.text.contains("신청하신 내용을 확인해 주세요") && mail.text.contains("30일"));
    let page = site.ask("GET", &mail.confirm(), "").await;
    assert!(
        page.text().contains("‘새 소식’ 메일을 받으시겠어요?")
            && page.text().contains("네, 받겠습니다")
    );
    let page = site
        .ask("GET", &format!("{}?lang=en", mail.confirm()), "")
        .await;
    assert!(page.text().contains("Yes, I want these mails"));

    site.app.template(
        "confirm_subscription.html.hbs",
        "<p>Ours: {{data.topic.id}} <a href=\"{{links.confirm}}\">{{links.confirm}}</a></p>",
    );
    site.app.reload().await;
    site.app.sign_up("sora", "Asia/Seoul").await;
    site.wants_news("sora").await;
    let all = site.questions();
    let mail = all.iter().find(|m| m.to.starts_with("sora")).unwrap();
    assert!(mail.text.contains("Ours: news"), "{}", mail.text);
}

#[tokio::test]
async fn the_preference_centre_says_what_waits_and_can_ask_again() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let centre = site.centre("mina").await;
    let form = "act=save&had=offers&topic=offers&topic=news&hours=any&format=html";
    let saved = site.ask("POST", &centre, form).await;
    assert_eq!(saved.status, StatusCode::OK);
    site.app.settle().await;
    assert!(
        saved
            .text()
            .contains("Waits for your confirmation by mail: The newsletter."),
        "{}",
        saved.text()
    );
    assert!(saved.text().contains("You get: Offers."));
    assert!(
        saved
            .text()
            .contains("Waiting for your confirmation since 2 March 2026")
    );
    assert_eq!(site.questions().len(), 1);
    // The same form again changes nothing; the button asks again.
    let form = "act=save&had=offers&had=news&topic=offers&topic=news&hours=any&format=html";
    site.app.advance(Span::minutes(5)).await;
    let kept = site.ask("POST", &centre, form).await;
    assert!(kept.text().contains("Nothing was changed"));
    let again = site.ask("POST", &centre, "act=again&again=news").await;
    assert!(
        again.text().contains("The mail is on its way again"),
        "{}",
        again.text()
    );
    site.app.settle().await;
    let questions = site.questions();
    assert_eq!(questions.len(), 2);
    for other in ["act=again&again=offers", "act=again"] {
        assert_eq!(
            site.ask("POST", &centre, other).await.status,
            StatusCode::OK
        );
    }
    site.app.settle().await;
    assert_eq!(site.questions().len(), 2);
    // Unticked, it is taken back.
    let form = "act=save&had=offers&had=news&topic=offers&hours=any&format=html";
    site.app.advance(Span::minutes(5)).await;
    site.ask("POST", &centre, form).await;
    assert_eq!(site.view("mina").await["unconfirmed"], json!([]));
    for mail in &questions {
        assert_eq!(
            site.ask("POST", &mail.confirm(), "confirm=yes")
                .await
                .status,
            StatusCode::GONE
        );
    }
    // By Korean words, too.
    let page = site.ask("GET", &format!("{centre}?lang=ko"), "").await;
    assert!(page.text().contains("메일 형식") && page.text().contains("글자만 있는 메일"));
}

#[tokio::test]
async fn who_chose_plain_text_gets_plain_text_alone() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.say_as(
        "mina",
        Some(news()),
        ConsentState::Given,
        true,
        Liveness::History,
    )
    .await;
    let centre = site.centre("mina").await;
    let form = "act=save&had=offers&had=news&topic=offers&topic=news&hours=any&format=text";
    let saved = site.ask("POST", &centre, form).await;
    assert!(saved.text().contains("As plain text."), "{}", saved.text());
    assert_eq!(site.view("mina").await["preferences"]["format"], "text");
    site.news_out("mina").await;
    let mail = site.mails().pop().unwrap();
    assert!(
        mail.raw
            .contains("Content-Type: text/plain; charset=utf-8\r\n"),
        "{}",
        mail.raw
    );
    assert!(!mail.raw.contains("multipart") && !mail.raw.contains("text/html"));
    assert!(
        !mail.text.contains("/t/"),
        "no pixel, and links as they are: {}",
        mail.text
    );
    assert!(mail.text.contains("https://mail.shop.example/p/"));
    let wrong = site
        .ask("POST", &centre, &form.replace("=text", "=fax"))
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    site.app.advance(Span::days(1)).await;
    let html = site
        .ask("POST", &centre, &form.replace("=text", "=html"))
        .await;
    assert_eq!(html.status, StatusCode::OK);
    assert_eq!(site.view("mina").await["preferences"]["format"], "html");
    site.news_out("mina").await;
    let mails = site.mails();
    assert_eq!(mails.len(), 2);
    let multipart = |m: &&Mail| m.raw.contains("multipart/alternative");
    assert_eq!(mails.iter().filter(multipart).count(), 1);
}

#[tokio::test]
async fn who_leaves_altogether_leaves_what_they_ticked_since_they_last_left() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let (leave, centre) = (site.leaving("mina", None).await, site.centre("mina").await);
    for round in 0..2 {
        site.app.advance(Span::days(1)).await;
        let left = site.ask("POST", &leave, "leave=yes").await;
        assert_eq!(left.status, StatusCode::OK);
        site.app.event("mina", "Offers Out", json!({})).await;
        site.app.settle().await;
        assert_eq!(site.mails().len(), round, "left in round {round}");

        site.app.advance(Span::days(1)).await;
        let form = "act=save&topic=offers&hours=any&format=html";
        site.ask("POST", &centre, form).await;
        site.app.event("mina", "Offers Out", json!({})).await;
        site.app.settle().await;
        assert_eq!(site.mails().len(), round + 1, "ticked in round {round}");
    }
    let words: Vec<Word> = site.ledger("mina").await.iter().map(|r| r.1).collect();
    let (given, refused) = (Word::Given, Word::Refused);
    assert_eq!(words, [given, refused, given, refused, given]);

    // What changes nothing is told once only.
    for _ in 0..2 {
        site.app.advance(Span::minutes(5)).await;
        let left = site.ask("POST", &leave, "leave=yes").await;
        assert_eq!(left.status, StatusCode::OK);
    }
    assert_eq!(site.ledger("mina").await.len(), 6);
}

#[tokio::test]
async fn who_left_before_and_leaves_again_takes_back_what_they_asked_for_meanwhile() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    for topic in [None, Some(news())] {
        let leave = site.leaving("mina", topic.clone()).await;
        site.ask("POST", &leave, "leave=yes").await;
        site.app.advance(Span::hours(2)).await;
        site.wants_news("mina").await;
        let link = site.questions().pop().unwrap().confirm();
        let rows = site.ledger("mina").await.len();
        site.app.advance(Span::hours(2)).await;
        let left = site.ask("POST", &leave, "leave=yes").await;
        assert_eq!(left.status, StatusCode::OK);
        assert_eq!(site.view("mina").await["unconfirmed"], json!([]));
        let confirmed = site.ask("POST", &link, "confirm=yes").await;
        assert_eq!(confirmed.status, StatusCode::GONE, "{topic:?}");
        let ledger = site.ledger("mina").await;
        assert_eq!(ledger.len(), rows + 1, "{topic:?}: {ledger:?}");
        let last = ledger.last().unwrap();
        assert_eq!((&last.0, last.1), (&topic, Word::Refused));
        site.app.advance(Span::hours(2)).await;
    }
}

#[tokio::test]
async fn an_old_consent_that_comes_late_takes_no_asking_away() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.app.advance(Span::days(1)).await;
    let told = |at| ConsentChange {
        topic: Some(news()),
        state: ConsentState::Given,
        at,
        source: "old list".into(),
        wording: None,
        origin: Origin::default(),
    };
    let old = told(site.app.now());
    site.app.advance(Span::days(1)).await;
    site.say("mina", Some(news()), ConsentState::Refused, false)
        .await;
    site.app.advance(Span::days(1)).await;
    site.wants_news("mina").await;
    let link = site.questions().pop().unwrap().confirm();
    site.app.advance(Span::minutes(5)).await;
    let cause = Cause::Consent(old, Liveness::History);
    site.app.act("mina", cause).await;
    site.app.settle().await;
    assert_eq!(site.view("mina").await["unconfirmed"][0]["topic"], "news");
    let confirmed = site.ask("POST", &link, "confirm=yes").await;
    assert_eq!(confirmed.status, StatusCode::OK);

    // One that stands leaves nothing to ask.
    site.app.sign_up("joon", "Asia/Seoul").await;
    site.wants_news("joon").await;
    site.app.advance(Span::minutes(5)).await;
    let cause = Cause::Consent(told(site.app.now()), Liveness::History);
    site.app.act("joon", cause).await;
    assert_eq!(site.view("joon").await["unconfirmed"], json!([]));
}

#[tokio::test]
async fn an_unconfirmed_asking_opens_a_forgotten_address_for_the_question_alone() {
    let site = site().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let mina = CustomerId::parse("mina").unwrap();
    site.app.core.forget(&mina).await.unwrap();
    site.app.advance(Span::minutes(5)).await;
    let email = EmailAddress::parse("mina@customers.example").unwrap();
    site.profile("m-2", |c| c.email = Some(email)).await;
    let closed = || async {
        let all = site.app.core.suppressions().await.unwrap();
        all.iter().any(|s| s.cause == SuppressionCause::Forgotten)
    };
    site.wants_news("m-2").await;
    assert_eq!(site.questions().len(), 1);
    assert!(closed().await, "nobody has confirmed anything");
    // What somebody imports or says for others who share it goes nowhere.
    site.app.consent("joon", ConsentState::Given).await;
    site.profile("joon", |c| {
        c.email = Some(EmailAddress::parse("mina@customers.example").unwrap());
    })
    .await;
    site.app.event("joon", "Offers Out", json!({})).await;
    site.app.settle().await;
    assert_eq!(site.mails().len(), 1);

    site.app.advance(Span::minutes(5)).await;
    let link = site.questions().pop().unwrap().confirm();
    let page = site.ask("GET", &link, "").await;
    assert!(!page.text().contains("At present we send nothing"));
    let done = site.ask("POST", &link, "confirm=yes").await;
    assert!(done.text().contains("From now on you get mails"));
    assert!(!closed().await);
    site.news_out("m-2").await;
    assert_eq!(site.news(), 1);
}

#[tokio::test]
async fn no_page_promises_mail_to_an_address_that_gets_none() {
    let site = site().await;
    let stopped = "At present we send nothing to this address";
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_news("mina").await;
    let link = site.questions().pop().unwrap().confirm();
    site.app.advance(Span::minutes(5)).await;
    let email = EmailAddress::parse("mina@customers.example").unwrap();
    let suppress = |cause| Cause::Suppress {
        mailbox: email.mailbox(),
        suppression: Some(Suppression {
            cause,
            at: site.app.now(),
            note: String::new(),
        }),
    };
    // Who reported it as unwanted is not asked whether they want more of it.
    let cause = suppress(SuppressionCause::Complaint);
    site.app.act("mina", cause).await;
    let centre = site.centre("mina").await;
    let again = site.ask("POST", &centre, "act=again&again=news").await;
    assert!(again.text().contains(stopped) && !again.text().contains("on its way"));
    site.app.settle().await;
    assert_eq!(site.questions().len(), 1);

    let page = site.ask("GET", &link, "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains(stopped), "{}", page.text());
    assert!(!page.text().contains("and you get them"));
    let done = site.ask("POST", &link, "confirm=yes").await;
    assert!(done.text().contains(stopped) && !done.text().contains("From now on"));
    let no = site.app.customer("mina").await;
    let row = site.app.core.consent_ledger(no).await.unwrap().pop();
    let wording = row.unwrap().wording.unwrap();
    assert!(!wording.contains("and you get them"), "{wording}");

    // A consent lifts what was stopped by leaving.
    site.app.sign_up("joon", "Asia/Seoul").await;
    site.wants_news("joon").await;
    let email = EmailAddress::parse("joon@customers.example").unwrap();
    let cause = Cause::Suppress {
        mailbox: email.mailbox(),
        suppression: Some(Suppression {
            cause: SuppressionCause::Unsubscribe,
            at: site.app.now(),
            note: String::new(),
        }),
    };
    site.app.act("joon", cause).await;
    site.app.advance(Span::minutes(5)).await;
    let link = site.questions().pop().unwrap().confirm();
    let page = site.ask("GET", &link, "").await;
    assert!(!page.text().contains(stopped), "{}", page.text());
    let done = site.ask("POST", &link, "confirm=yes").await;
    assert!(done.text().contains("From now on") && !done.text().contains(stopped));
}

#[tokio::test]
async fn the_question_cannot_be_cancelled_for_good_and_the_page_says_that_it_is_held_back() {
    let site = site().await;
    let own = CampaignId::parse("confirm_subscription").unwrap();
    let refused = site.app.core.cancel(&own, "test").await.unwrap_err();
    assert!(matches!(refused, ControlError::Own(_)), "{refused}");
    assert!(refused.to_string().contains("reveille campaign pause"));

    let scope = Scope::Campaign(own);
    site.app.core.pause(&scope, "test").await.unwrap();
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_news("mina").await;
    let centre = site.centre("mina").await;
    site.app.advance(Span::minutes(5)).await;
    let again = site.ask("POST", &centre, "act=again&again=news").await;
    assert!(again.text().contains("are held back"), "{}", again.text());
    assert!(!again.text().contains("on its way"));
    assert_eq!(site.questions().len(), 0);
    site.app.core.resume(&scope, "test").await.unwrap();
    site.app.settle().await;
    assert_eq!(site.questions().len(), 1);
    let page = site.ask("GET", &centre, "").await;
    assert!(!page.text().contains("are held back"));
}

#[tokio::test]
async fn who_leaves_altogether_by_a_former_address_leaves_there_by_name_too() {
    let site = site().await;
    let given = ConsentState::Given;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.app.event("mina", "Offers Out", json!({})).await;
    site.app.settle().await;
    let log = site.app.log().await;
    let left = log.iter().find(|r| r.status == Status::Attempting).unwrap();
    let leave = Token::Unsubscribe {
        customer: left.customer,
        message: left.message,
        topic: None,
    };
    let leave = format!("/u/{}", site.app.core.token_keys().sign(&leave));
    let new = Some(EmailAddress::parse("new@customers.example").unwrap());
    site.profile("mina", |c| c.email = new).await;
    // Whoever has that address now had confirmed the newsletter.
    site.app.sign_up("sora", "Asia/Seoul").await;
    let address = Some(EmailAddress::parse("mina@customers.example").unwrap());
    site.profile("sora", |c| c.email = address).await;
    site.say_as("sora", Some(news()), given, true, Liveness::History)
        .await;
    site.app.advance(Span::days(1)).await;
    let done = site.ask("POST", &leave, "leave=yes").await;
    assert_eq!(done.status, StatusCode::OK);
    site.app.advance(Span::days(1)).await;
    site.say("sora", None, given, true).await;
    site.news_out("sora").await;
    assert_eq!(site.news(), 0, "nobody has confirmed it since");
}

/// Invariant 3, with random askings, confirmations by any link of before, refusals and departures of customers of whom two
/// share a mailbox; checked by a model that knows instants only.
#[tokio::test]
async fn invariant_3_nothing_leaves_without_a_confirmation_later_than_the_last_refusal() {
    const CUSTOMERS: [&str; 3] = ["mina", "joon", "sora"];
    let rounds = if std::env::var_os("REVEILLE_SOAK").is_some() {
        100
    } else {
        4
    };
    let mut sent_in_all = 0;
    for seed in 1..=rounds {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15 ^ (seed * 0x1234_5677);
        let mut draw = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % n
        };
        let site = site_with("caps = []\nwindow = \"always\"\n").await;
        for customer in CUSTOMERS {
            site.app.sign_up(customer, "Asia/Seoul").await;
        }
        // The second lives with the first.
        let mailbox = [0, 0, 1];
        let address = Some(EmailAddress::parse("mina@customers.example").unwrap());
        site.profile("joon", |c| c.email = address).await;
        let mut confirmed: [Option<Timestamp>; 3] = [None; 3];
        let mut refused: [Option<Timestamp>; 3] = [None; 3];
        let mut seen = 0;
        for step in 0..60 {
            let told = format!("seed {seed}, step {step}");
            let c = draw(3) as usize;
            let customer = CUSTOMERS[c];
            match draw(10) {
                0..3 => {
                    site.say(customer, Some(news()), ConsentState::Given, draw(2) == 0)
                        .await
                }
                3 => {
                    let topic = (draw(2) == 0).then(news);
                    site.say(customer, topic, ConsentState::Refused, false)
                        .await;
                    refused[c] = Some(site.app.now());
                }
                4 => site.say(customer, None, ConsentState::Given, false).await,
                5..8 => {
                    let questions = site.questions();
                    if questions.is_empty() {
                        continue;
                    }
                    let path = questions[draw(questions.len() as u64) as usize].confirm();
                    let (_, token) = path.rsplit_once('/').unwrap();
                    let Some(Token::Confirm {
                        customer, asked, ..
                    }) = site.app.core.token_keys().read(token)
                    else {
                        panic!("{told}: {path}");
                    };
                    let answer = site.ask("POST", &path, "confirm=yes").await;
                    let mut owner = 0;
                    for (n, name) in CUSTOMERS.iter().enumerate() {
                        if site.app.customer(name).await == customer {
                            owner = n;
                        }
                    }
                    if answer.status == StatusCode::OK {
                        let of_mailbox = |all: &[Option<Timestamp>; 3]| {
                            let same = (0..3).filter(|n| mailbox[*n] == mailbox[owner]);
                            same.filter_map(|n| all[n]).max()
                        };
                        let refusal = of_mailbox(&refused);
                        let in_force =
                            confirmed[owner] > refused[owner] && of_mailbox(&confirmed) > refusal;
                        assert!(in_force || Some(asked) > refusal, "{told}: an old link");
                        confirmed[owner] = Some(site.app.now());
                    }
                }
                _ => {
                    for customer in CUSTOMERS {
                        site.app.event(customer, "News Out", json!({})).await;
                    }
                    site.app.settle().await;
                    let log = site.app.log().await;
                    let left: Vec<_> = (log.iter())
                        .filter(|r| r.status == Status::Attempting && r.campaign.as_str() == "news")
                        .collect();
                    for row in &left[seen..] {
                        let mut owner = None;
                        for (n, name) in CUSTOMERS.iter().enumerate() {
                            if site.app.customer(name).await == row.customer {
                                owner = Some(n);
                            }
                        }
                        let owner = owner.unwrap();
                        assert!(confirmed[owner].is_some(), "{told}: never confirmed");
                        let own = refused[owner];
                        assert!(confirmed[owner] > own, "{told}: refused since");
                        // What one refuses binds the mailbox until one of it confirms anew.
                        let of_mailbox = |all: &[Option<Timestamp>; 3]| {
                            let same = (0..3).filter(|n| mailbox[*n] == mailbox[owner]);
                            same.filter_map(|n| all[n]).max()
                        };
                        let (given, refusal) = (of_mailbox(&confirmed), of_mailbox(&refused));
                        assert!(given > refusal, "{told}: refused for the mailbox since");
                    }
                    seen = left.len();
                }
            }
            // Rarely everything happens in one instant.
            let minutes = [0, 1, 90, 1_500, 13_000][draw(5) as usize];
            site.app.clock.advance(Span::minutes(minutes));
            site.app.settle().await;
        }
        sent_in_all += seen;
    }
    assert!(
        sent_in_all > 10,
        "only {sent_in_all} left: the test shows nothing"
    );
}
