//! Real orders: on each day of a year, the customers that enter "90 days without an order" are exactly those that a naive
//! computation over the file gives.

mod app;
mod left_out;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::cause::Liveness;
use reveille::domain::id::EventName;
use reveille::domain::ledger::Status;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::intake::dates::Dates;
use reveille::engine::intake::{Inbound, Options, Reading, Rows, What};
use std::collections::{BTreeMap, BTreeSet};

const CAMPAIGN: &str = r#"
name  = "Ninety days"
state = "live"
class = "transactional"

[schedule]
cron     = "0 9 * * *"
timezone = "UTC"

[audience]
event = "Order Completed"
last  = ">= 90d"

[entry]
again    = "after_leaving"
existing = "enter"

[[step]]
id       = "hello"
template = "note"
subject  = "It has been a while"
"#;

/// Half a year of orders is there when the campaign starts; the year after it comes in day by day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dormant_of_each_day_of_a_year_are_those_of_a_naive_count() {
    let what = "the dormant of a real shop, day by day";
    let Some(text) = left_out::data("cdnow_sample.csv", what) else {
        return;
    };
    let start = at("1997-07-01T00:00:00Z");
    let rows = orders(&text, start);
    let config = format!("{CONFIG}[safety]\nat_once = \"100000\"\n");
    let app = App::start_on(Watched::new(), "1997-07-01T00:00:00Z", &config, &[]).await;
    app.template("note.html.hbs", "<p>Hello</p>\n");
    app.template("note.txt.hbs", "Hello\n");
    let customers: BTreeSet<&str> = rows.iter().map(|r| r.customer.as_str()).collect();
    let profiles: String = std::iter::once("id,email\n".to_owned())
        .chain(
            customers
                .iter()
                .map(|id| format!("{id},{id}@customers.example\n")),
        )
        .collect();
    let profiles = read(&profiles, Options::new(Reading::new(start)));
    app.take_in(&profiles, Liveness::History).await;
    let (before, after): (Vec<Inbound>, Vec<Inbound>) =
        rows.iter().cloned().partition(|r| time_of(r) < start);
    assert_eq!(app.take_in(&before, Liveness::History).await, before.len());
    app.file("ninety.toml", Some(CAMPAIGN));
    let catalogue = app.reload().await;
    assert!(
        !catalogue.has_errors(),
        "{:?} {:?}",
        catalogue.problems,
        catalogue.template_problems
    );

    let mut days: BTreeMap<Timestamp, Vec<Inbound>> = BTreeMap::new();
    for row in after {
        days.entry(time_of(&row)).or_default().push(row);
    }
    for day in 0..365 {
        let midnight = start + Span::days(day);
        app.clock.advance_to(midnight + Span::hours(9));
        app.settle().await;
        app.clock.advance_to(midnight + Span::hours(12));
        // History and live rows alike tell who is dormant: taken in turn.
        let liveness = [Liveness::Live, Liveness::History][(day % 2) as usize];
        if let Some(rows) = days.get(&app.now()) {
            assert_eq!(app.take_in(rows, liveness).await, rows.len());
        }
    }

    let mut entered: BTreeMap<Timestamp, Vec<u64>> = BTreeMap::new();
    for row in app.log().await {
        if row.status == Status::Entered {
            entered.entry(row.time).or_default().push(row.customer.0);
        }
    }
    let mut expected: BTreeMap<Timestamp, Vec<u64>> = BTreeMap::new();
    for (day, ids) in naive(&text, start) {
        for id in ids {
            let no = app.customer(&id).await;
            expected.entry(day).or_default().push(no.0);
        }
    }
    for list in entered.values_mut().chain(expected.values_mut()) {
        list.sort_unstable();
    }
    let total: usize = expected.values().map(Vec::len).sum();
    println!("{total} entries on {} days", expected.len());
    assert!(total > 1_500, "{total}");
    for day in entered
        .keys()
        .chain(expected.keys())
        .collect::<BTreeSet<_>>()
    {
        assert_eq!(entered.get(day), expected.get(day), "{day}");
    }
    assert_eq!(app.mails().len(), total, "each was written to");
}

/// Walks the days, over the file's text alone: at 09:00 of a day a customer is dormant whose latest order (at 12:00 of
/// its day) is 90 times 24 hours old or older. Who is dormant enters, unless they entered since that order already:
/// an order is what ends being dormant.
fn naive(text: &str, start: Timestamp) -> BTreeMap<Timestamp, Vec<String>> {
    const DAY: i64 = 86_400_000;
    let mut orders: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',');
        let (id, date) = (fields.next().unwrap(), fields.next().unwrap());
        let noon = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").unwrap();
        let noon = noon.and_hms_opt(12, 0, 0).unwrap().and_utc();
        orders.entry(id).or_default().push(noon.timestamp_millis());
    }
    let mut found: BTreeMap<Timestamp, Vec<String>> = BTreeMap::new();
    for (id, orders) in orders {
        let mut entered_after: Option<i64> = None;
        for day in 0..365 {
            let nine = start.millis() + day * DAY + 9 * 3_600_000;
            let Some(last) = orders.iter().copied().filter(|o| *o <= nine).max() else {
                continue;
            };
            if nine - last >= 90 * DAY && entered_after != Some(last) {
                entered_after = Some(last);
                found
                    .entry(Timestamp(nine))
                    .or_default()
                    .push(id.to_owned());
            }
        }
    }
    found
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn time_of(row: &Inbound) -> Timestamp {
    match &row.what {
        What::Event { time, .. } => *time,
        What::Profile { .. } => panic!("an order"),
    }
}

fn orders(text: &str, received: Timestamp) -> Vec<Inbound> {
    let mut options = Options::new(Reading::new(received));
    options.reading.dates = Dates::new(None, Some(chrono_tz::UTC)).unwrap();
    options.event = Some(EventName::parse("Order Completed").unwrap());
    let rows = read(text, options);
    assert!(
        rows.iter()
            .all(|r| time_of(r).millis() % 86_400_000 == 12 * 3_600_000)
    );
    rows
}

fn read(text: &str, options: Options) -> Vec<Inbound> {
    let rows = Rows::open(text.as_bytes(), options).unwrap();
    rows.map(|(_, row)| row.unwrap()).collect()
}
