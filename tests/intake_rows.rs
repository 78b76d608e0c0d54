//! Intake told by example: what rows become, and what people are told of those that can't be taken.

mod left_out;

use reveille::clock::Clock;
use reveille::domain::cause::{ConsentChange, ProfileChange};
use reveille::domain::id::EventName;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::engine::intake::dates::Dates;
use reveille::engine::intake::mapping::Table;
use reveille::engine::intake::{
    Counter, Identity, Inbound, Kind, Options, Reading, RowError, Rows, What,
};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufReader, Read};
use std::path::Path;

fn received() -> Timestamp {
    at("2026-06-01T00:00:00Z")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn options() -> Options {
    Options::new(Reading::new(received()))
}

fn read(file: &str, options: Options) -> Vec<(u64, Result<Inbound, RowError>)> {
    Rows::open(file.as_bytes(), options)
        .unwrap_or_else(|e| panic!("{e}"))
        .collect()
}

fn one(row: &str) -> Inbound {
    let (_, row) = read(row, options()).remove(0);
    row.unwrap_or_else(|e| panic!("{e}"))
}

fn profile(traits: &str) -> (ProfileChange, Vec<ConsentChange>) {
    let row = format!(r#"{{"type":"identify","userId":"c","traits":{{{traits}}}}}"#);
    match one(&row).what {
        What::Profile { change, consents } => (*change, consents),
        What::Event { .. } => panic!("an event"),
    }
}

#[test]
fn an_event_is_read_with_its_properties_and_time() {
    let row = one(
        r#"{"type":"track","userId":"c-1","event":"Order Completed","timestamp":"2026-03-01T18:00:00+09:00",
        "properties":{"total":3.0,"price":12.5,"products":[{"category":"tea"}],"gift":true,"note":null},
        "messageId":"m-1","context":{"ip":"::1"},"sentAt":"x","integrations":{}}"#
            .replace('\n', " ")
            .as_str(),
    );
    assert_eq!(row.customer.as_str(), "c-1");
    assert_eq!(row.identity, Identity::MessageId("m-1".into()));
    assert_eq!(row.raw_time, Some(at("2026-03-01T09:00:00Z")));
    let What::Event {
        name,
        time,
        properties,
    } = row.what
    else {
        panic!("no event");
    };
    assert_eq!(
        (name.as_str(), time),
        ("Order Completed", at("2026-03-01T09:00:00Z"))
    );
    assert_eq!(properties["total"], Value::Int(3));
    assert_eq!(properties["price"], Value::Float(12.5));
    assert_eq!(properties["note"], Value::Null);
    assert_eq!(properties.len(), 5);
}

#[test]
fn an_event_without_a_time_happened_at_its_receipt_and_its_identity_holds_no_time() {
    let row = r#"{"type":"track","userId":7,"event":"Signed Up","originalTimestamp":null,"sentAt":"2026-05-31T23:00:00Z"}"#;
    let first = one(row);
    assert_eq!(first.customer.as_str(), "7");
    assert_eq!(first.raw_time, None);
    assert!(matches!(first.what, What::Event { time, .. } if time == received()));
    let later = Options::new(Reading::new(received() + Span::days(1)));
    let again = read(&row.replace("23:00", "23:30"), later)
        .remove(0)
        .1
        .unwrap();
    assert_eq!(again.identity, first.identity);
    // Some exports tell only when the sender made the row.
    let told = one(
        r#"{"type":"track","userId":"7","event":"x","originalTimestamp":"2026-01-01T00:00:00Z"}"#,
    );
    assert_eq!(told.raw_time, Some(at("2026-01-01T00:00:00Z")));
}

/// A nightly export may go back to what it said two nights ago; that must not be taken for a repetition.
#[test]
fn a_profile_without_a_name_or_time_of_its_own_is_told_anew() {
    for (row, once) in [
        (
            r#"{"type":"identify","userId":"c","traits":{"plan":"gold"}}"#,
            false,
        ),
        (
            r#"{"type":"identify","userId":"c","traits":{"plan":"gold"},"messageId":"m"}"#,
            true,
        ),
        (
            r#"{"type":"identify","userId":"c","timestamp":"2026-01-01T00:00:00Z"}"#,
            true,
        ),
        (r#"{"type":"track","userId":"c","event":"x"}"#, true),
    ] {
        assert_eq!(one(row).counts_once(), once, "{row}");
    }
}

#[test]
fn pages_and_screens_are_events() {
    for (kind, name) in [("page", "Page Viewed"), ("screen", "Screen Viewed")] {
        let row = format!(
            r#"{{"type":"{kind}","userId":"c","name":"Home","category":"Shop","properties":{{"url":"/"}}}}"#
        );
        let What::Event {
            name: got,
            properties,
            ..
        } = one(&row).what
        else {
            panic!("no event");
        };
        assert_eq!(got.as_str(), name);
        assert_eq!(properties["name"], Value::Text("Home".into()));
        assert_eq!(properties["category"], Value::Text("Shop".into()));
        assert_eq!(properties["url"], Value::Text("/".into()));
    }
}

#[test]
fn traits_go_where_they_belong() {
    let (change, consents) = profile(
        r#""email":"Mina@Shop.example","firstName":"미나","lastName":"Kim","createdAt":"2025-01-02T03:04:05Z",
        "timezone":"Asia/Seoul","language":"ko_KR","tags":["vip","early bird"],"test":"yes","hours":"22:00-02:00",
        "frequency":"1 per day, 2 per 7d","gap":"36h","pause_until":"2026-12-24T00:00:00Z","birthday":"2001-02-03",
        "phone":"+82 10","loyalty":{"level":3},"old":null"#
            .replace('\n', " ")
            .as_str(),
    );
    assert_eq!(change.email.unwrap().as_str(), "Mina@shop.example");
    assert_eq!(change.created_at, Some(at("2025-01-02T03:04:05Z")));
    let own = change.preferences;
    assert_eq!(own.timezone.flatten().unwrap().name(), "Asia/Seoul");
    assert_eq!(own.locale.flatten().as_deref(), Some("ko-KR"));
    assert_eq!(
        own.window.flatten().unwrap().to_string(),
        "Mon-Sun 22:00-02:00"
    );
    assert_eq!(own.caps.flatten().unwrap().len(), 2);
    assert_eq!(own.gap, Some(Some(Span::hours(36))));
    assert_eq!(own.pause_until, Some(Some(at("2026-12-24T00:00:00Z"))));
    let tags: Vec<_> = change.tags.iter().map(|(t, b)| (t.as_str(), *b)).collect();
    assert_eq!(tags, [("vip", true), ("early bird", true)]);
    let names: Vec<_> = change.attributes.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "birthday",
            "created_at",
            "first_name",
            "last_name",
            "loyalty",
            "old",
            "phone",
            "test"
        ]
    );
    assert_eq!(change.attributes["test"], Value::Bool(true));
    assert_eq!(change.attributes["old"], Value::Null);
    assert!(consents.is_empty(), "no word on consent is no change of it");
}

#[test]
fn null_goes_back_to_the_shops_default_and_what_is_not_told_stays() {
    let (change, _) = profile(
        r#""timezone":null,"window":null,"caps":null,"gap":null,"pause_until":null,"locale":null,"email":null,"tags":{"vip":false}"#,
    );
    let own = &change.preferences;
    assert_eq!(own.timezone, Some(None));
    assert_eq!(own.locale, Some(None));
    assert_eq!(own.window, Some(None));
    assert_eq!(own.caps, Some(None));
    assert_eq!(own.gap, Some(None));
    assert_eq!(own.pause_until, Some(None));
    assert_eq!(change.email, None);
    assert_eq!(change.tags[0].0.as_str(), "vip");
    assert!(!change.tags[0].1);
    assert_eq!(profile("").0, ProfileChange::default());
}

#[test]
fn consent_is_told_with_its_time_and_proof() {
    let since = r#""consent_at":"2025-01-01T00:00:00Z""#;
    let told = |traits: &str| -> Vec<String> {
        let line = |c: &ConsentChange| {
            let topic = c.topic.as_ref().map_or("*", |t| t.as_str());
            let state = match c.state {
                ConsentState::Given => "given",
                ConsentState::Refused => "refused",
            };
            format!("{topic} {state} {} {}", c.at, c.source)
        };
        profile(traits).1.iter().map(line).collect()
    };
    for (traits, want) in [
        (
            r#""consent":true"#,
            vec!["* given 2025-01-01T00:00:00Z import"],
        ),
        (
            r#""consent":"yes","consent_source":"till""#,
            vec!["* given 2025-01-01T00:00:00Z till"],
        ),
        (
            r#""consent":false"#,
            vec!["* refused 2025-01-01T00:00:00Z import"],
        ),
        (
            r#""consent":["offers","news"]"#,
            vec![
                "offers given 2025-01-01T00:00:00Z import",
                "news given 2025-01-01T00:00:00Z import",
            ],
        ),
        (
            r#""consent":{"news":false,"offers":true,"tips":null}"#,
            vec![
                "news refused 2025-01-01T00:00:00Z import",
                "offers given 2025-01-01T00:00:00Z import",
            ],
        ),
        (r#""consent":null"#, vec![]),
        (r#""consent":"""#, vec![]),
        (r#""unsubscribed":false"#, vec![]),
        // Who has left: as of now unless told, however old their consent.
        (
            r#""consent":true,"unsubscribed":true"#,
            vec!["* refused 2026-06-01T00:00:00Z import"],
        ),
        (
            r#""unsubscribed":true,"unsubscribed_at":"2026-02-02T00:00:00Z""#,
            vec!["* refused 2026-02-02T00:00:00Z import"],
        ),
    ] {
        assert_eq!(told(&format!("{traits},{since}")), want, "{traits}");
    }
    assert_eq!(
        told(r#""consent":false"#),
        ["* refused 2026-06-01T00:00:00Z import"]
    );
    let row = one(
        r#"{"type":"identify","userId":"c","timestamp":"2026-05-05T00:00:00Z","traits":{"consent":true,"consent_wording":"Yes"}}"#,
    );
    let What::Profile { consents, .. } = row.what else {
        panic!("no profile");
    };
    assert_eq!(consents[0].at, at("2026-05-05T00:00:00Z"));
    assert_eq!(consents[0].wording.as_deref(), Some("Yes"));
}

#[test]
fn a_bad_row_is_told_and_never_stops_the_rest() {
    let deep = format!(
        r#"{{"type":"track","userId":"c","event":"x","properties":{{"a":{}1{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let hostile = "[".repeat(20_000);
    let ignored = format!(
        r#"{{"type":"track","userId":"","context":{}"#,
        "{\"a\":".repeat(5_000)
    );
    let long = format!(
        r#"{{"type":"track","userId":"c","event":"x","properties":{{"a":"{}"}}}}"#,
        "x".repeat(5_000_000)
    );
    let long_id = format!(
        r#"{{"type":"track","userId":"{}","event":"x"}}"#,
        "i".repeat(201)
    );
    let many: Vec<String> = (0..1_001).map(|n| format!("\"p{n}\":1")).collect();
    let many = format!(
        r#"{{"type":"track","userId":"c","event":"x","properties":{{{}}}}}"#,
        many.join(",")
    );
    let identify =
        |traits: &str| format!(r#"{{"type":"identify","userId":"c","traits":{{{traits}}}}}"#);
    let event = |rest: &str| format!(r#"{{"type":"track","userId":"c","event":"x",{rest}}}"#);
    let table: Vec<(String, &str)> = vec![
        (
            event(r#""timestamp":"yesterday""#),
            r#"timestamp "yesterday" is not RFC 3339"#,
        ),
        (
            event(r#""timestamp":1700000000"#),
            "timestamp 1700000000 is not RFC 3339",
        ),
        (
            event(r#""timestamp":"1970-01-01T00:00:00Z""#),
            r#"timestamp "1970-01-01T00:00:00Z" is before 1990"#,
        ),
        (
            event(r#""properties":[]"#),
            "properties is a list; it must be an object",
        ),
        (event(r#""messageId":"""#), "messageId is empty"),
        (
            event(r#""messageId":{}"#),
            "messageId an object is not a text",
        ),
        (
            r#"{"userId":"c","event":"x"}"#.into(),
            r#"type is missing; a row is "identify", "track", "page" or "screen""#,
        ),
        (
            r#"{"type":"trak","userId":"c"}"#.into(),
            r#"type "trak" is not "identify", "track", "page" or "screen""#,
        ),
        (
            r#"{"type":"track","event":"x"}"#.into(),
            "userId is missing",
        ),
        (
            r#"{"type":"track","userId":"","event":"x"}"#.into(),
            r#"the customer id "" is empty"#,
        ),
        (
            r#"{"type":"track","userId":true,"event":"x"}"#.into(),
            "userId true is not a text",
        ),
        (
            r#"{"type":"track","userId":null,"anonymousId":"a","event":"x"}"#.into(),
            "userId is missing, there is only anonymousId: anonymous customers come in a later release",
        ),
        (
            r#"{"type":"track","userId":"c"}"#.into(),
            "event is missing",
        ),
        (
            r#"{"type":"track","userId":"c","event":5}"#.into(),
            "event 5 is not a text",
        ),
        (
            r#"{"type":"group","userId":"c","groupId":"g"}"#.into(),
            r#""group" rows are not taken: groups and joining customers come in a later release"#,
        ),
        (
            r#"["type"]"#.into(),
            "invalid type: sequence, expected one JSON object a line",
        ),
        (
            "{\"type\":\"track\"".into(),
            "not JSON: EOF while parsing an object (column 15)",
        ),
        (
            r#"{"type":"track"} x"#.into(),
            "not JSON: trailing characters (column 18)",
        ),
        (
            event(r#""properties":{"n":1e999}"#),
            "not JSON: number out of range (column 64)",
        ),
        (
            event(r#""properties":{"n":NaN}"#),
            "not JSON: expected value (column 60)",
        ),
        (deep, "nested deeper than 32 levels"),
        (
            hostile,
            "invalid type: sequence, expected one JSON object a line",
        ),
        (
            ignored,
            "not JSON: EOF while parsing a value (column 25038)",
        ),
        (long, "the row is longer than 32 KB (its first MB is kept)"),
        (
            long_id,
            "the customer id \"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii\" is longer than 200 bytes",
        ),
        (many, "properties has more than 1000 entries"),
        (
            identify(r#""email":"nobody""#),
            r#"email "n…" is no email address: there is no "@""#,
        ),
        (identify(r#""email":5"#), "email 5 is not a text"),
        (
            identify(r#""timezone":"Asia/Seul""#),
            r#"timezone "Asia/Seul" is not a time zone; write one like "Asia/Seoul""#,
        ),
        (
            identify(r#""locale":"Korean (formal)""#),
            r#"locale "Korean (formal)" is not a language tag; write one like "ko" or "en-GB""#,
        ),
        (
            identify(r#""gap":"soon""#),
            "gap \"soon\" is not a duration; write a number and a unit, such as \"30m\", \"24h\", \"90d\" or \"2w\"",
        ),
        (
            identify(r#""consent":true"#),
            r#"consent is given, but not since when: add "consent_at" (or the row's "timestamp")"#,
        ),
        (
            identify(r#""consent":true,"consent_at":"2090-01-01T00:00:00Z""#),
            "consent is given, but from 2090-01-01T00:00:00Z on: it must say when it was given",
        ),
        (
            identify(r#""consent":7"#),
            "consent 7 is not true, false or topics",
        ),
        (
            identify(r#""consent":{"news":"maybe"}"#),
            r#"consent to "news" is "maybe", not true or false"#,
        ),
        (
            identify(r#""unsubscribed":"perhaps""#),
            r#"unsubscribed "perhaps" is not true or false"#,
        ),
        (
            identify(r#""createdAt":"2026-01-02""#),
            r#"created_at "2026-01-02" does not say in which zone; name one for all rows, such as --zone Asia/Seoul"#,
        ),
        (
            identify(r#""createdAt":12"#),
            r#"created_at "12" is before 1990"#,
        ),
        (identify(r#""tags":[1]"#), "tags holds 1, not a text"),
        (
            identify(r#""tags":{"vip":"maybe"}"#),
            r#"the tag "vip" is "maybe", not true or false"#,
        ),
        (
            identify(r#""test":"perhaps""#),
            r#"test "perhaps" is not true or false"#,
        ),
        (
            identify(r#""on_request_only":"perhaps""#),
            r#"on_request_only "perhaps" is not true or false"#,
        ),
    ];
    let good = event(r#""messageId":"ok""#);
    let rows: Vec<&str> = table
        .iter()
        .flat_map(|(bad, _)| [bad.as_str(), good.as_str()])
        .collect();
    let got = read(
        &rows.join("\r\n"),
        Options {
            kind: Some(Kind::JsonLines),
            ..options()
        },
    );
    assert_eq!(got.len(), rows.len());
    for (i, (bad, want)) in table.iter().enumerate() {
        let line = 2 * i as u64 + 1;
        let error = got[2 * i].1.as_ref().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("line {line}: {want}"),
            "{}",
            &bad[..bad.len().min(200)]
        );
        assert_eq!(error.raw, bad.as_bytes()[..bad.len().min(1024 * 1024)]);
        assert!(!error.fatal);
        assert!(got[2 * i + 1].1.is_ok(), "the row after line {line}");
    }
    // Windows and caps speak for themselves; that they are refused is what counts here.
    for traits in [
        r#""window":"whenever""#,
        r#""caps":"often""#,
        r#""caps":[1]"#,
        r#""window":{}"#,
    ] {
        assert!(read(&identify(traits), options())[0].1.is_err(), "{traits}");
    }
}

#[test]
fn the_limits_are_met_to_the_byte() {
    let row = |len: usize| {
        let start = r#"{"type":"track","userId":"c","event":"x","properties":{"a":""#;
        format!("{start}{}\"}}}}", "x".repeat(len - start.len() - 3))
    };
    assert_eq!(row(32 * 1024).len(), 32 * 1024);
    assert!(read(&row(32 * 1024), options())[0].1.is_ok());
    assert!(read(&row(32 * 1024 + 1), options())[0].1.is_err());
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"type":"track","userId":"c","event":"x","properties":{{"a":{open}{close}}}}}"#)
    };
    assert!(read(&nested(32), options())[0].1.is_ok());
    assert!(read(&nested(33), options())[0].1.is_err());
}

fn cdnow() -> Options {
    let mut options = options();
    options.event = Some(EventName::parse("Order Completed").unwrap());
    options.reading.dates = Dates::new(Some("%Y-%m-%d"), Some(chrono_tz::UTC)).unwrap();
    options
}

#[test]
fn a_table_of_events_is_read() {
    let file = "customer,date,units,dollars\n1,1997-01-01,2,29.33\n1,1997-01-01,2,29.33\n\n,,,\n2,01/02/1997,1,5\n3,1997-02-30,1,5\n4,1997-01-01,1\n5,1997-01-01,\"1\n";
    let mut rows = Rows::open(file.as_bytes(), cdnow()).unwrap();
    assert_eq!(
        rows.mapping().unwrap().to_string(),
        "events \"Order Completed\": customer <- customer, time <- date; properties units, dollars"
    );
    assert_eq!(
        rows.header(),
        Some(b"customer,date,units,dollars".as_slice())
    );
    let all: Vec<_> = rows.by_ref().collect();
    assert_eq!(rows.bytes_read(), file.len() as u64);
    let first = all[0].1.as_ref().unwrap();
    assert_eq!(first.customer.as_str(), "1");
    let What::Event {
        name,
        time,
        properties,
    } = &first.what
    else {
        panic!("no event");
    };
    assert_eq!(name.as_str(), "Order Completed");
    assert_eq!(*time, at("1997-01-01T12:00:00Z"));
    assert_eq!(properties["units"], Value::Int(2));
    assert_eq!(properties["dollars"], Value::Float(29.33));
    assert_eq!(first.identity, all[1].1.as_ref().unwrap().identity);
    let told: Vec<String> = all[2..]
        .iter()
        .map(|(_, r)| r.as_ref().unwrap_err().to_string())
        .collect();
    assert_eq!(
        told,
        [
            "line 6: date \"01/02/1997\" does not fit \"%Y-%m-%d\"",
            "line 7: date \"1997-02-30\" does not fit \"%Y-%m-%d\"",
            "line 8: the row has 3 fields, the header 4",
            "line 9: a quote (\") opened in this row is not closed; write \"\" for a quote within quotes",
        ]
    );
    assert_eq!(all[5].1.as_ref().unwrap_err().raw, b"5,1997-01-01,\"1");
}

#[test]
fn a_table_of_customers_is_read_as_spreadsheets_write_it() {
    let file = "\u{feff}ID;E-Mail;First Name;TimeZone;consent;consent_at;tags;points;zip;birthday;message\r\n\
        c-1;a@shop.example;\"민수; \"\"MS\"\"\";Asia/Seoul;yes;01.03.2025;vip|gold;12,5;04524;03.02.2001;\"two\r\nlines\"\r\n\
        c-2;;;;;;;7;;;\r\n";
    let mut options = options();
    options.reading.dates = Dates::new(Some("%d.%m.%Y"), Some(chrono_tz::Asia::Seoul)).unwrap();
    let rows = read(file, options);
    assert_eq!(
        rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
        [2, 4]
    );
    let What::Profile { change, consents } = &rows[0].1.as_ref().unwrap().what else {
        panic!("no profile");
    };
    assert_eq!(change.email.as_ref().unwrap().as_str(), "a@shop.example");
    assert_eq!(
        change.attributes["first_name"],
        Value::Text("민수; \"MS\"".into())
    );
    assert_eq!(change.attributes["zip"], Value::Text("04524".into()));
    assert_eq!(change.attributes["points"], Value::Text("12,5".into()));
    assert_eq!(
        change.attributes["birthday"],
        Value::Text("2001-02-03".into())
    );
    assert_eq!(
        change.attributes["message"],
        Value::Text("two\nlines".into())
    );
    assert_eq!(change.tags.len(), 2);
    assert_eq!(consents[0].at, at("2025-03-01T03:00:00Z"));
    let What::Profile { change, consents } = &rows[1].1.as_ref().unwrap().what else {
        panic!("no profile");
    };
    let mut seven = ProfileChange::default();
    seven.attributes.insert("points".into(), Value::Int(7));
    assert_eq!(
        (&**change, consents.len()),
        (&seven, 0),
        "an empty cell changes nothing"
    );
}

#[test]
fn an_open_quote_costs_its_row_only() {
    let mut file = "id,note,points\n1,\"never closed,1\n".to_owned();
    for n in 2..5_000 {
        file.push_str(&format!("{n},fine,{n}\n"));
    }
    let rows = read(&file, options());
    let (bad, good): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, r)| r.is_err());
    assert_eq!((bad.len(), good.len()), (1, 4_998));
    assert_eq!(bad[0].0, 2);
    assert_eq!(good[0].0, 3);
    assert_eq!(good[4_997].1.as_ref().unwrap().customer.as_str(), "4999");
}

#[test]
fn files_that_cannot_be_read_are_told_what_to_do() {
    for (file, kind, want) in [
        (
            &b"\xff\xfei\0d\0"[..],
            None,
            "the file is UTF-16; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")",
        ),
        (
            b"PK\x03\x04...",
            None,
            "the file is packed; unpack it first (a spreadsheet: save it as \"CSV UTF-8\")",
        ),
        (
            b" [{}]",
            None,
            "the file is one JSON list; write one object a line, without commas between (jq -c '.[]' does it)",
        ),
        (
            b"",
            Some(Kind::Csv),
            "the file is empty; a table needs a header",
        ),
        (
            b"id,\xc0\xcc\n",
            None,
            "the header is not UTF-8; save the file as \"CSV UTF-8\"",
        ),
        (
            b"id,\"email\n1,2\n",
            None,
            "line 1, the header: a quote (\") opened in this row is not closed; write \"\" for a quote within quotes",
        ),
        (
            b"mail,plan\n",
            None,
            "no column gives the customer's id; map one of mail, plan with --map COLUMN=customer",
        ),
    ] {
        let opened = Rows::open(file, Options { kind, ..options() });
        assert_eq!(opened.err().map(|e| e.to_string()).as_deref(), Some(want));
    }
    // Not UTF-8 in a row (an old spreadsheet's Korean) costs that row.
    let file = b"id,name\n1,\xc0\xcc\n2,ok\n";
    let rows: Vec<_> = Rows::open(file.as_slice(), options()).unwrap().collect();
    assert_eq!(
        rows[0].1.as_ref().unwrap_err().to_string(),
        "line 2: column name is not UTF-8; save the file as \"CSV UTF-8\""
    );
    assert!(rows[1].1.is_ok());
    assert!(Rows::open(&b""[..], options()).unwrap().next().is_none());
}

#[test]
fn kinds_are_known_by_name_or_first_byte() {
    assert_eq!(Kind::of_path(Path::new("a/b.JSONL")), Some(Kind::JsonLines));
    assert_eq!(Kind::of_path(Path::new("b.tsv")), Some(Kind::Csv));
    assert_eq!(Kind::of_path(Path::new("b.txt")), None);
    let by_force = Options {
        table: Some(Table::Customers),
        ..options()
    };
    let rows = Rows::open(&b"id\tdate\n1\tx\n"[..], by_force).unwrap();
    assert_eq!(
        rows.mapping().unwrap().to_string(),
        "customers: customer <- id; traits date"
    );
    let json = "\n {\"type\":\"identify\",\"userId\":\"c\"}\n\n";
    assert_eq!(read(json, options())[0].0, 2);
}

/// Fails after its bytes, as a broken disk does.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::other("the disk is gone")),
            n => Ok(n),
        }
    }
}

/// A pipe of rows, a week between two of them.
struct Slow {
    rows: Vec<&'static str>,
    clock: Clock,
}

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        self.clock.advance(Span::days(7));
        let row = self.rows.remove(0).as_bytes();
        buffer[..row.len()].copy_from_slice(row);
        Ok(row.len())
    }
}

/// Else a refusal of today would be older than the consent of yesterday.
#[test]
fn what_has_no_time_is_of_its_own_receipt_however_long_the_pipe_stays_open() {
    let clock = Clock::virtual_at(received());
    let pipe = Slow {
        rows: vec![
            "{\"type\":\"track\",\"userId\":\"c\",\"event\":\"x\"}\n",
            "{\"type\":\"identify\",\"userId\":\"c\",\"traits\":{\"unsubscribed\":true}}\n",
            "{\"type\":\"identify\",\"userId\":\"c\",\"traits\":{\"consent\":false}}\n",
        ],
        clock: clock.clone(),
    };
    let options = Options {
        kind: Some(Kind::JsonLines),
        ..Options::new(Reading::by(clock))
    };
    let rows = Rows::open(BufReader::new(pipe), options).unwrap();
    let times: Vec<Timestamp> = (rows.map(|(_, row)| row.unwrap().what))
        .map(|what| match what {
            What::Event { time, .. } => time,
            What::Profile { consents, .. } => consents[0].at,
        })
        .collect();
    let weeks = [1, 2, 3].map(|n| received() + Span::days(7 * n));
    assert_eq!(times, weeks);
}

#[test]
fn a_file_that_fails_ends_with_a_fatal_error() {
    let good = "{\"type\":\"identify\",\"userId\":\"c\"}\n";
    let table = "id,points\n1,2\n";
    for file in [good, table] {
        let rows = Rows::open(
            BufReader::with_capacity(16, Failing(file.as_bytes())),
            options(),
        )
        .unwrap();
        let all: Vec<_> = rows.collect();
        assert_eq!(all.len(), 2);
        assert!(all[0].1.is_ok());
        let error = all[1].1.as_ref().unwrap_err();
        assert!(
            error.fatal && error.text.contains("the disk is gone"),
            "{error}"
        );
    }
}

/// A real shop's purchases: all taken, equal rows kept apart, a second import known row by row.
#[test]
fn a_real_shop_is_taken_in() {
    let Some(file) = left_out::data("cdnow_sample.csv", "a real shop's purchases taken in") else {
        return;
    };
    let import = || -> (Vec<u64>, BTreeMap<String, f64>) {
        let (mut counter, mut hashes, mut spent) = (Counter::new(), Vec::new(), BTreeMap::new());
        for (_, row) in Rows::open(file.as_bytes(), cdnow()).unwrap() {
            let row = row.unwrap();
            hashes.push(counter.identify(&[9; 16], &row.customer, &row.identity));
            let What::Event {
                time, properties, ..
            } = row.what
            else {
                panic!("no event");
            };
            assert_eq!(time.millis() % 86_400_000, 43_200_000, "12:00 UTC");
            let spent = spent.entry(row.customer.as_str().to_owned()).or_insert(0.0);
            *spent += properties["dollars"].as_number().unwrap();
        }
        (hashes, spent)
    };
    let (hashes, spent) = import();
    assert_eq!(hashes.len(), 6_919);
    assert_eq!(
        hashes.iter().collect::<HashSet<_>>().len(),
        6_919,
        "equal rows are distinct events"
    );
    assert_eq!(spent.len(), 2_357);
    // The same sum, by hand from the file.
    let sum: f64 = file
        .lines()
        .skip(1)
        .map(|l| l.rsplit(',').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((spent.values().sum::<f64>() - sum).abs() < 0.001);
    assert_eq!(import().0, hashes, "a second import is known");
}
