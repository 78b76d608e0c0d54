//! Hashes, and what a campaign must agree on with the configuration.

use super::{SEGMENTS, SHIPPED, STEP, TOPICS, config, context, read, source, sources};
use crate::campaign::{Context, Sources, alone, compile, cross};
use crate::domain::condition::Named;
use crate::domain::id::CampaignId;

#[test]
fn hashes_change_with_what_they_stand_for_and_with_nothing_else() {
    let (name, text) = SHIPPED[1];
    let hashes = |text: &str, segments: &str, topics: &str, template: u64| {
        let mut context = context();
        context.templates = Some(
            ["welcome", "dormant"]
                .map(|n| (n.to_owned(), template))
                .into(),
        );
        let mut sources = sources(&[(name, text)]);
        sources.segments = Some(source("segments", segments));
        sources.topics = Some(source("topics", topics));
        let loaded = compile(sources, &context);
        let campaign = loaded.good().next().expect("it is good").clone();
        (campaign.hash, campaign.audience_hash)
    };
    let text = &text.replace("{ tag = \"vip\" }", "{ segment = \"repeat_buyers\" }");
    let (hash, audience_hash) = hashes(text, SEGMENTS, TOPICS, 1);

    let by_the_letter = text
        .replace("name     =", "# a comment\nname =")
        .replace("again    = \"after_leaving\"", "")
        .replace("at_most  = 4", "at_most  = 0x4\nagain = \"after_leaving\"");
    assert_eq!(
        hashes(&by_the_letter, SEGMENTS, TOPICS, 1),
        (hash, audience_hash)
    );
    let others = format!("{SEGMENTS}\n[unused]\ntag = \"z\"\n");
    assert_eq!(hashes(text, &others, TOPICS, 1), (hash, audience_hash));

    for (what, changed, same_audience) in [
        (
            "subject",
            hashes(
                &text.replace("오랜만이에요", "반가워요"),
                SEGMENTS,
                TOPICS,
                1,
            ),
            true,
        ),
        ("template", hashes(text, SEGMENTS, TOPICS, 2), true),
        (
            "topic",
            hashes(text, SEGMENTS, &TOPICS.replace("\"Offers\"", "\"News\""), 1),
            true,
        ),
        (
            "audience",
            hashes(&text.replace(">= 90d", ">= 91d"), SEGMENTS, TOPICS, 1),
            false,
        ),
        (
            "segment",
            hashes(text, &SEGMENTS.replace(">= 2", ">= 3"), TOPICS, 1),
            false,
        ),
        (
            "schedule",
            hashes(&text.replace("0 10 *", "0 11 *"), SEGMENTS, TOPICS, 1),
            false,
        ),
        (
            "zone",
            hashes(
                &text.replace("\"customer\"", "\"Asia/Seoul\""),
                SEGMENTS,
                TOPICS,
                1,
            ),
            false,
        ),
    ] {
        assert_ne!(changed.0, hash, "{what}");
        assert_eq!(changed.1 == audience_hash, same_audience, "{what}");
    }
}

#[test]
fn a_window_is_held_against_those_that_apply() {
    let mut context = context();
    let campaign = |class: &str, window: &str| {
        format!(
            "name = \"x\"\nstate = \"live\"\nclass = \"{class}\"\ntopic = \"offers\"\n[trigger]\nevent = \"Signed Up\"\n{STEP}\n[limits]\nwindow = \"{window}\"\n"
        )
    };
    let opens = |context: &Context, class: &str, window: &str| {
        read(&campaign(class, window), context).0.is_some()
    };
    assert!(!opens(&context, "advertising", "21:00-08:00"));
    assert!(opens(&context, "advertising", "20:59-21:30"));
    assert!(opens(&context, "advertising", "always"));
    assert!(
        opens(&context, "informational", "21:00-08:00"),
        "it does not obey the shop's defaults"
    );
    context.shop.ceiling.window = config("[ceiling]\nwindow = \"Sat-Sun 22:00-02:00\"")
        .shop()
        .ceiling
        .window;
    assert!(!opens(&context, "informational", "Tue-Fri 00:00-24:00"));
    assert!(
        opens(&context, "informational", "Mon 01:00-03:00"),
        "Sunday's hours reach into Monday"
    );
}

#[test]
fn advertising_by_smtp_needs_an_address_and_a_way_out() {
    let smtp = "[transport.main]\nkind = \"smtp\"\nhost = \"localhost\"\n[sender]\nfrom = \"a@shop.example\"\n";
    let found = |text: &str, campaigns: &[(&str, &str)]| {
        let config = config(text);
        let loaded = compile(sources(campaigns), &Context::of(&config));
        cross::check(&config, &loaded).len()
    };
    assert_eq!(found(smtp, &SHIPPED), 2);
    assert_eq!(found(smtp, &SHIPPED[2..]), 0, "informational only");
    assert_eq!(found("", &SHIPPED), 0, "into a folder");
    let complete = format!(
        "{smtp}address = \"1 Market Street\"\nunsubscribe_mailto = \"leave@shop.example\"\n"
    );
    assert_eq!(found(&complete, &SHIPPED), 0);
    let by_page = format!(
        "{smtp}address = \"1 Market Street\"\n[http]\nlisten = \"127.0.0.1:8087\"\npublic_url = \"https://mail.shop.example\"\n"
    );
    assert_eq!(found(&by_page, &SHIPPED), 0, "the page is the way out");
    // Nobody could confirm without the page.
    let confirmed = |text: &str| {
        let config = config(text);
        let mut files = sources(&[]);
        let topic = "[news]\nname = { en = \"News\", ko = \"소식\" }\nconfirm = true\n";
        files.topics = Some(source("topics", topic));
        let loaded = compile(files, &Context::of(&config));
        assert!(!loaded.topics.is_empty(), "{:?}", loaded.problems);
        cross::check(&config, &loaded).len()
    };
    assert_eq!((confirmed(""), confirmed(&by_page)), (1, 0));
}

/// The last good version of a campaign is its own sources, through whatever keeps them, compiled alone.
#[test]
fn a_kept_version_goes_by_the_segments_of_its_time() {
    let segments = "[buyers]\nsegment = \"inner\"\n[inner]\ntag = \"ruled\"\n";
    let text = super::with(&format!(
        "[audience]\nall = [{{ segment = \"buyers\" }}, {{ not = {{ segment = \"inner\" }} }}]\n{STEP}"
    ));
    let mut files = sources(&[("kept", &text), SHIPPED[0]]);
    files.segments = Some(source("segments", segments));
    files.tags = Some(source("tags", "[ruled]\ntag = \"then\"\n"));
    let id = CampaignId::parse("kept").unwrap();
    let kept = serde_json::to_string(&compile(files, &context()).sources.only(&id)).unwrap();
    let kept: Sources = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept.campaigns.len(), 1);
    let then = compile(kept, &context());
    let named = Named {
        segments: &then.segments,
        tags: &then.tags,
    };
    let campaign = alone(then.good().next().unwrap(), &named);
    let shown = format!("{:?}", campaign.audience);
    assert!(
        !shown.contains("Segment")
            && !shown.contains("ruled")
            && shown.matches("\"then\"").count() == 2,
        "{shown}"
    );
}
