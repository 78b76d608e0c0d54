//! What an entry may be compared with, and who has what was appended.

use super::{STEP, context, good, read, with};
use crate::domain::condition::{Condition, EventTest, Like, Range};

fn problems(rest: &str) -> Vec<String> {
    let (_, problems) = read(&with(rest), &context());
    problems.into_iter().map(|p| p.what).collect()
}

const BY_EVENT: &str = "[trigger]\nevent = \"Product Added\"\n";

fn where_of(leading: &str) -> String {
    format!("{{ {leading}, where = {{ \"products.category\" = {{ same = \"category\" }} }} }}")
}

#[test]
fn a_property_is_compared_with_the_entrys_event() {
    let none = where_of("no_event = \"Order Completed\", within = \"30d\"");
    let latest = where_of("event = \"Order Completed\", last = \"< 7d\"");
    let text = with(&format!(
        "{BY_EVENT}[audience]\nall = [{none}]\n[entry]\nexit = [{latest}]\n{STEP}only_if = {none}\n"
    ));
    let campaign = good(&text);
    let path = |text: &str| -> Vec<String> { text.split('.').map(str::to_owned).collect() };
    let like = Like {
        property: path("products.category"),
        of: path("category"),
    };
    let mut found = Vec::new();
    for condition in campaign.conditions() {
        condition.each_event(&mut |event, absence| {
            assert_eq!(event.alike(), Some(&like));
            assert!(event.select.filter.is_empty());
            found.push((absence, matches!(event.test, EventTest::Last(_))));
        });
    }
    assert_eq!(found, [(true, false), (false, true), (true, false)]);
    assert_eq!(
        campaign.compared().into_iter().collect::<Vec<_>>(),
        [&path("category")[..]]
    );
    // Beside other tests; and two that differ in this are two hashes.
    let both = |of: &str| {
        let text = with(&format!(
            "{BY_EVENT}[audience]\nevent = \"Order Completed\"\nwhere = {{ total = {{ is = \"> 3\" }}, category = {{ same = \"{of}\" }} }}\n{STEP}"
        ));
        good(&text)
    };
    let (a, b) = (both("category"), both("brand"));
    let Some(Condition::Event(event)) = &a.audience else {
        panic!("{:?}", a.audience)
    };
    assert_eq!(event.select.filter.len(), 1);
    let once = Range {
        low: Some(1),
        high: None,
    };
    assert_eq!(event.test, EventTest::Count(once));
    assert_ne!(a.audience_hash, b.audience_hash);
}

#[test]
fn what_compares_with_an_event_that_there_is_none_of_is_refused() {
    let none = where_of("no_event = \"Order Completed\", within = \"7d\"");
    let said =
        "`same` compares with the event that started the entry, and no event starts one here";
    let scheduled = "[schedule]\ncron = \"0 9 * * *\"\n";
    let by_date = "[trigger]\ndate = \"birthday\"\nat = \"09:00\"\n";
    assert_eq!(
        problems(&format!(
            "{scheduled}[audience]\nall = [{none}]\n[entry]\nexisting = \"enter\"\n{STEP}"
        )),
        [said]
    );
    assert_eq!(
        problems(&format!("{by_date}{STEP}only_if = {none}\n")),
        [said]
    );
    assert_eq!(
        problems(&format!(
            "[audience]\nknown_for = \"> 1d\"\n[entry]\nexit = [{none}]\n{STEP}"
        )),
        [said]
    );
    // The trigger's own `where`, and what is asked of the profile.
    let alone = "`same` stands alone, in `where` of a condition on events: it compares with the event that started the entry";
    assert_eq!(
        problems(&format!(
            "{BY_EVENT}where = {{ category = {{ same = \"category\" }} }}\n{STEP}"
        )),
        [alone]
    );
    assert_eq!(
        problems(&format!(
            "{BY_EVENT}[audience]\nno_event = \"Order Completed\"\nwithin = \"7d\"\nwhere = {{ category = {{ same = \"category\", exists = true }} }}\n{STEP}"
        )),
        [alone]
    );
}

#[test]
fn a_comparison_asks_whether_there_was_one() {
    let asks = |condition: &str| problems(&format!("{BY_EVENT}[audience]\n{condition}\n{STEP}"));
    let like = "where = { category = { same = \"category\" } }";
    assert_eq!(
        asks(&format!(
            "event = \"Order Completed\"\ncount = \">= 2\"\n{like}"
        )),
        [
            "`count` cannot stand beside what compares with the entry's event: it asks whether there was one"
        ]
    );
    assert_eq!(
        asks(
            "event = \"Order Completed\"\nwhere = { category = { same = \"category\" }, brand = { same = \"brand\" } }"
        ),
        ["one property is compared with the entry's event, and here are two"]
    );
    assert_eq!(
        problems(&format!(
            "{BY_EVENT}[audience]\nno_event = \"Order Completed\"\nwithin = \"7d\"\n{like}\n[entry]\nagain = \"after_leaving\"\n{STEP}"
        )),
        [
            "again = \"after_leaving\" asks whether the audience holds apart from any entry, and this compares with the event that starts one"
        ]
    );
}

#[test]
fn appended_steps_are_for_those_who_come_to_them_unless_said_otherwise() {
    let appended = |rest: &str| {
        good(&with(&format!("{BY_EVENT}{rest}{STEP}")))
            .entry
            .appended
    };
    assert!(!appended(""));
    assert!(!appended("[entry]\nappended = \"never\"\n"));
    assert!(appended("[entry]\nappended = \"finished\"\n"));
    assert_eq!(
        problems(&format!("{BY_EVENT}[entry]\nappended = \"always\"\n{STEP}")).len(),
        1
    );
}

/// What a step asks of its own campaign's messages is no circle; what it asks of the campaign itself is refused.
#[test]
fn a_step_may_ask_about_its_own_campaigns_messages() {
    let text = with(&format!(
        "{BY_EVENT}{STEP}\n[[step]]\nid = \"gift\"\nwait = \"3d\"\nonly_if = {{ not = {{ message = \"m\", was = \"answered\" }} }}\ntemplate = \"welcome\"\nsubject = \"s\"\n[[step]]\nid = \"last\"\nwait = \"3d\"\nonly_if = {{ message = \"c/gift\", was = \"sent\" }}\ntemplate = \"welcome\"\nsubject = \"s\"\n"
    ));
    let campaign = good(&text);
    let of_entry = |n: usize| match campaign.steps[n].only_if.as_ref() {
        Some(Condition::Message(message)) => message.of_entry,
        Some(Condition::Not(inner)) => matches!(&**inner, Condition::Message(m) if m.of_entry),
        other => panic!("{other:?}"),
    };
    // By its short name it is the entry's; by the long one any of that step's.
    assert!(of_entry(1) && !of_entry(2));
    assert_eq!(
        problems(&format!(
            "{BY_EVENT}{STEP}only_if = {{ campaign = \"c\", was = \"entered\" }}\n"
        )),
        ["a campaign cannot ask what became of itself"]
    );
}

#[test]
fn a_quota_is_read_and_two_paces_are_refused() {
    let quota = |text: &str| {
        let text = with(&format!("{BY_EVENT}[limits]\nquota = \"{text}\"\n{STEP}"));
        good(&text)
    };
    for (text, told) in [
        ("1000 per 1d", "1000 per 1d"),
        ("100", "100 in all"),
        ("10%", "10%"),
    ] {
        assert_eq!(quota(text).limits.quota.unwrap().to_string(), told);
    }
    // A larger share is another audience, a larger number is not.
    assert_ne!(quota("10%").audience_hash, quota("20%").audience_hash);
    assert_eq!(quota("10").audience_hash, quota("20").audience_hash);
    let asks = |start: &str, existing: &str| {
        problems(&format!(
            "{start}[audience]\nknown_for = \">= 1d\"\n[entry]\nexisting = \"{existing}\"\n[limits]\nquota = \"10 per 1d\"\n{STEP}"
        ))
    };
    let scheduled = "[schedule]\ncron = \"0 9 * * *\"\n";
    assert_eq!(asks(scheduled, "enter"), [""; 0]);
    assert_eq!(
        asks(scheduled, "500 per 1d"),
        ["`existing` has a pace, and `quota` says how many enter, too"]
    );
    assert_eq!(
        asks("", "enter"),
        [
            "all whose audience holds already would enter at once, and the quota has not a place for each"
        ]
    );
    assert_eq!(asks("", "skip"), [""; 0]);
    assert_eq!(
        problems(&format!("{BY_EVENT}[limits]\nquota = \"many\"\n{STEP}")).len(),
        1
    );
}
