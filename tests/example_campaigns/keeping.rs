//! What keeps in touch: the digest, a launch, the review of preferences, and what consent needs.

use crate::same_as_ever;
use crate::shop::Shop;
use reveille::domain::cause::ProfileChange;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use reveille::domain::value::Value;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn month_end_digest_goes_to_those_who_asked_for_it() {
    let shop = Shop::open("2026-03-30T00:00:00Z", &["month_end_digest"]).await;
    for id in ["emma", "only", "leaves"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    shop.english("general").await;
    let now = shop.app.now();
    for id in ["emma", "mina", "only", "leaves"] {
        shop.said(id, Some("monthly"), ConsentState::Given, now)
            .await;
    }
    // What they looked at this month stands in it, but for what they bought.
    for (id, tea, cup) in [("emma", "Oolong", "Cup"), ("mina", "우롱차", "찻잔")] {
        let seen = |product: &str, name: &str| json!({ "product_id": product, "name": name, "price": 9000, "currency": "KRW" });
        shop.past(id, Span::days(9), "Product Viewed", seen("p-1", tea))
            .await;
        shop.past(id, Span::days(8), "Product Viewed", seen("p-2", cup))
            .await;
        let order = json!({ "order_id": "o-1", "products": [seen("p-2", cup)] });
        shop.past(id, Span::days(7), "Order Completed", order).await;
    }
    let mut only = ProfileChange::default();
    only.attributes
        .insert("on_request_only".into(), Value::Bool(true));
    shop.change("only", only).await;
    shop.pass(Span::days(3)).await;
    let later = shop.app.now();
    shop.said("leaves", Some("monthly"), ConsentState::Refused, later)
        .await;
    shop.pass(Span::days(29)).await;

    // Ten o'clock in London, in winter and in summer.
    assert_eq!(
        shop.inbox("emma"),
        [
            "2026-03-31T09:00:00Z The month at Corner Shop",
            "2026-04-30T09:00:00Z The month at Corner Shop",
        ]
    );
    assert_eq!(
        shop.inbox("mina"),
        [
            "2026-03-31T01:00:00Z (광고) 이번 달 Corner Shop 소식",
            "2026-04-30T01:00:00Z (광고) 이번 달 Corner Shop 소식",
        ]
    );
    assert_eq!(shop.inbox("only").len(), 2);
    assert_eq!(shop.inbox("leaves").len(), 1);
    // Consent to advertising as a whole does not ask for the digest.
    assert_eq!(shop.story("general").await, Vec::<String>::new());
    let general =
        "no subscribed to \"monthly\": advertising is consented to, this topic was not asked for";
    let leaves = "no subscribed to \"monthly\": refused Thu 2 Apr 2026";
    for (id, reason) in [("general", general), ("leaves", leaves)] {
        let why = shop.why(id, "month_end_digest").await;
        assert!(why.contains(reason), "{why}");
    }
    same_as_ever!("month_end_digest_digest_en", &shop.mails("emma")[0]);
    same_as_ever!("month_end_digest_digest_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn product_launch_is_told_once_three_days_before() {
    let shop = Shop::open("2027-03-01T00:00:00Z", &["product_launch"]).await;
    for id in ["emma", "cups", "leaves"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    let viewed = |category: &str| json!({ "product_id": "p-1", "category": category });
    for id in ["emma", "mina", "leaves"] {
        shop.past(id, Span::days(30), "Product Viewed", viewed("teapots"))
            .await;
    }
    shop.past("cups", Span::days(30), "Product Viewed", viewed("cups"))
        .await;
    shop.says("leaves", ConsentState::Refused).await;
    shop.pass(Span::days(4)).await;

    assert_eq!(
        shop.inbox("emma"),
        ["2027-03-02T10:00:00Z On Friday: the travel teapot"]
    );
    assert_eq!(
        shop.inbox("mina"),
        ["2027-03-02T01:00:00Z (광고) 금요일에 여행용 찻주전자가 나와요"]
    );
    assert_eq!(shop.story("cups").await, Vec::<String>::new());
    assert_eq!(shop.story("leaves").await, Vec::<String>::new());
    let cups = "no any of these: 0 of 2 hold";
    let leaves = "no subscribed to \"offers\": refused Mon 1 Mar 2027";
    for (id, reason) in [("cups", cups), ("leaves", leaves)] {
        let why = shop.why(id, "product_launch").await;
        assert!(why.contains(reason), "{why}");
    }
    shop.app.leap(Span::days(361)).await;
    shop.pass(Span::days(3)).await;
    assert_eq!(shop.inbox("emma").len(), 1);
    same_as_ever!("product_launch_soon_en", &shop.mails("emma")[0]);
    same_as_ever!("product_launch_soon_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn preference_review_asks_each_quarter_those_who_have_been_here_a_while() {
    let shop = Shop::open("2026-04-13T00:00:00Z", &["preference_review"]).await;
    for id in ["emma", "new", "paused", "leaves"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    let known = shop.app.now() - Span::days(200);
    for id in ["emma", "mina", "paused", "leaves"] {
        let change = ProfileChange {
            created_at: Some(known),
            ..ProfileChange::default()
        };
        shop.change(id, change).await;
    }
    let mut pause = ProfileChange::default();
    pause.preferences.pause_until = Some(Some(shop.app.now() + Span::days(30)));
    shop.change("paused", pause).await;
    shop.says("leaves", ConsentState::Refused).await;
    shop.pass(Span::days(4)).await;

    assert_eq!(
        shop.inbox("emma"),
        ["2026-04-15T09:00:00Z Do we write too much, or too little?"]
    );
    assert_eq!(
        shop.inbox("mina"),
        ["2026-04-15T01:00:00Z 받아 보시는 소식, 지금 그대로 괜찮으세요?"]
    );
    for id in ["new", "paused", "leaves"] {
        assert_eq!(shop.story(id).await, Vec::<String>::new(), "{id}");
    }
    for (id, reason) in [
        ("new", "no known for at least 90d"),
        (
            "paused",
            "no preference \"pause\" is not set: until Wed 13 May 2026",
        ),
        ("leaves", "no subscribed to \"offers\": refused"),
    ] {
        let why = shop.why(id, "preference_review").await;
        assert!(why.contains(reason), "{why}");
    }
    shop.app.leap(Span::days(89)).await;
    shop.pass(Span::days(3)).await;
    let next = "2026-07-15T09:00:00Z Do we write too much, or too little?";
    assert_eq!(shop.inbox("emma")[1..], [next]);
    assert_eq!(shop.inbox("new"), [next]);
    same_as_ever!("preference_review_ask_en", &shop.mails("emma")[0]);
    same_as_ever!("preference_review_ask_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_reconfirmation_comes_a_month_before_two_years_are_over() {
    // 2024-02-29 must be asked for again before 2026-02-28 is over.
    let shop = Shop::open("2026-01-28T00:00:00Z", &["consent_reconfirmation"]).await;
    shop.meet("emma", "Emma", "en", "Europe/London", &[]).await;
    let country = [("country", Value::Text("KR".into()))];
    shop.meet("mina", "민아", "ko", "Asia/Seoul", &country)
        .await;
    for id in ["fresh", "left", "again", "both", "partly"] {
        shop.meet(id, "Jo", "en", "Europe/London", &[]).await;
    }
    let given = reveille::domain::time::Timestamp::parse_rfc3339("2024-02-29T03:00:00Z").unwrap();
    let now = shop.app.now();
    for id in ["emma", "mina", "left", "again", "both", "partly"] {
        shop.said(id, None, ConsentState::Given, given).await;
    }
    // Said by the topic's name before: what is asked for anew, and what the mail names, is the later word.
    let before = given - Span::days(400);
    shop.said("both", Some("offers"), ConsentState::Given, before)
        .await;
    shop.said("fresh", None, ConsentState::Given, now - Span::days(100))
        .await;
    shop.said("left", None, ConsentState::Refused, now - Span::days(50))
        .await;
    // Said once more, by the topics' names, a year ago.
    let year = now - Span::days(365);
    for topic in ["offers", "reminders"] {
        shop.said("again", Some(topic), ConsentState::Given, year)
            .await;
    }
    // Left the offers, and has the reminders still.
    shop.said("partly", Some("offers"), ConsentState::Refused, year)
        .await;
    let explained = shop.why("fresh", "consent_reconfirmation").await;
    for told in [
        "subscribed to \"offers\", consented to at least 700d ago",
        "consent given",
    ] {
        assert!(explained.contains(told), "{explained}");
    }
    shop.pass(Span::days(5)).await;

    // 700 days are over on 29 January, 03:00.
    assert_eq!(
        shop.inbox("emma"),
        ["2026-01-29T10:00:00Z Does your consent still stand?"]
    );
    assert_eq!(
        shop.inbox("mina"),
        ["2026-01-30T01:00:00Z [Corner Shop] 수신 동의 여부를 확인해 주세요"]
    );
    for id in ["fresh", "left", "again"] {
        assert_eq!(shop.story(id).await, Vec::<String>::new(), "{id}");
    }
    assert_eq!(shop.inbox("both"), shop.inbox("emma"));
    for id in ["emma", "both"] {
        let html = shop.mails(id)[0].html();
        assert!(html.contains("February 29, 2024"), "{id}: {html}");
    }
    let asked = &shop.mails("partly")[0];
    assert!(asked.html().contains("Reminders: February 29, 2024"));
    assert!(!asked.html().contains("Offers:"), "{}", asked.html());
    same_as_ever!("consent_reconfirmation_notice_en", &shop.mails("emma")[0]);
    same_as_ever!("consent_reconfirmation_notice_ko", &shop.mails("mina")[0]);
    // Who says yes anew has two years from then on; who says nothing is asked again two years after.
    shop.says("mina", ConsentState::Given).await;
    shop.app.leap(Span::days(694)).await;
    shop.pass(Span::days(6)).await;
    assert_eq!(shop.inbox("emma").len(), 2);
    assert_eq!(shop.inbox("mina").len(), 1);
    shop.pass(Span::days(6)).await;
    assert_eq!(shop.inbox("mina").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_and_its_withdrawal_are_each_noted_once() {
    let shop = Shop::open(
        "2026-03-02T00:00:00Z",
        &["consent_given", "consent_withdrawn"],
    )
    .await;
    shop.meet("emma", "Emma", "en", "Europe/London", &[]).await;
    let country = [("country", Value::Text("KR".into()))];
    shop.meet("mina", "민아", "ko", "Asia/Seoul", &country)
        .await;
    for id in ["never", "imported", "unsure"] {
        shop.meet(id, "Jo", "en", "Europe/London", &[]).await;
    }
    let long_ago = shop.app.now() - Span::days(90);
    shop.said("imported", None, ConsentState::Given, long_ago)
        .await;
    // Told as history, a refusal is none of today's.
    shop.meet("gone", "Jo", "en", "Europe/London", &[]).await;
    let lately = shop.app.now() - Span::days(3);
    shop.said("gone", None, ConsentState::Refused, lately).await;
    shop.says("never", ConsentState::Refused).await;
    for id in ["emma", "mina", "unsure"] {
        shop.says(id, ConsentState::Given).await;
    }
    shop.app.advance(Span::minutes(5)).await;
    shop.says("unsure", ConsentState::Refused).await;
    shop.pass(Span::days(2)).await;
    assert_eq!(shop.subjects("emma"), ["Your consent is noted"]);
    for id in ["emma", "mina"] {
        shop.says(id, ConsentState::Refused).await;
    }
    shop.pass(Span::days(2)).await;
    assert_eq!(
        shop.inbox("mina"),
        [
            "2026-03-02T01:05:00Z [Corner Shop] 수신 동의 처리 결과를 알려 드립니다",
            "2026-03-04T01:05:00Z [Corner Shop] 수신 거부 처리 결과를 알려 드립니다",
        ]
    );
    // They changed their mind before the first mail: one mail, which is true.
    assert_eq!(
        shop.subjects("unsure"),
        ["We noted what you no longer want"]
    );
    let unsure = shop.story("unsure").await;
    assert_eq!(
        unsure,
        [
            "consent_given entered/audience",
            "consent_given/back done/untagged",
            "consent_given left/exit",
            "consent_withdrawn entered/audience",
            "consent_withdrawn/notice accepted/accepted",
        ]
    );
    // Who refuses is told so, whether they ever consented or not, and whenever they were imported.
    let refused = ["We noted what you no longer want"];
    assert_eq!(shop.subjects("never"), refused);
    assert_eq!(shop.story("gone").await, Vec::<String>::new());
    assert_eq!(shop.story("imported").await, Vec::<String>::new());
    shop.says("imported", ConsentState::Refused).await;
    // Another topic than the offers is consent to advertising, too.
    shop.says_of("never", "monthly", ConsentState::Given).await;
    shop.pass(Span::days(1)).await;
    assert_eq!(shop.subjects("imported"), refused);
    assert_eq!(shop.subjects("never")[1..], ["Your consent is noted"]);
    // Each further topic is told of, and one topic less, too: what stands is in the mail.
    shop.says_of("emma", "offers", ConsentState::Given).await;
    shop.says_of("emma", "reminders", ConsentState::Given).await;
    shop.pass(Span::days(1)).await;
    shop.says_of("emma", "monthly", ConsentState::Given).await;
    shop.pass(Span::days(2)).await;
    shop.says_of("emma", "offers", ConsentState::Refused).await;
    shop.pass(Span::days(1)).await;
    let (given, refused) = ("Your consent is noted", refused[0]);
    assert_eq!(
        shop.subjects("emma"),
        [given, refused, given, given, refused]
    );
    let mails = shop.mails("emma");
    let mail = mails[4].shown();
    assert!(
        mail.contains("Offers: no") && mail.contains("The month's digest: yes"),
        "{mail}"
    );
    for (id, locale) in [("emma", "en"), ("mina", "ko")] {
        let mails = shop.mails(id);
        same_as_ever!(format!("consent_given_notice_{locale}"), &mails[0]);
        same_as_ever!(format!("consent_withdrawn_notice_{locale}"), &mails[1]);
    }
}
