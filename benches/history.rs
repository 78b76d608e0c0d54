//! What it costs to read one customer's history, as a mail with products does before it is made: from hot rows, and from
//! sealed segments, of customers drawn at random and of customers one after the other, as they are due at one instant.
//!
//! `cargo bench --bench history`; `REVEILLE_BENCH_EVENTS` (default 1000000) says how many events there are, 10 a customer,
//! spread over the years as they are over the segments.

use reveille::clock::stopwatch;
use reveille::domain::cause::Liveness;
use reveille::domain::event::Event;
use reveille::domain::id::{CustomerId, CustomerNo, EventName};
use reveille::domain::once::Once;
use reveille::domain::record::Record;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::properties_from_json;
use reveille::engine::batch::read_history;
use reveille::engine::state::EventRow;
use reveille::store::codec::encode;
use reveille::store::embedded::{EmbeddedStore, Options};
use reveille::store::{Append, Batch, Store, Stream};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EACH: u64 = 10;
const NOW: Timestamp = Timestamp(1_780_000_000_000);

/// A product looked at, some 200 bytes of it.
fn row(customer: u64, nth: u64) -> Append {
    let product = (customer * 31 + nth * 7) % 5_000;
    let json = json!({
        "product_id": format!("P-{product}"),
        "name": format!("A cup of the {product}th kind"),
        "category": "Home / Kitchen / Cups",
        "price": 12_900 + product,
        "currency": "KRW",
        "url": format!("https://shop.example/products/{product}"),
        "image_url": format!("https://cdn.shop.example/p/{product}.jpg"),
    });
    let properties = match json {
        serde_json::Value::Object(map) => properties_from_json(map),
        _ => Default::default(),
    };
    let time = NOW - Span::days(900 - 90 * nth as i64);
    let event = Event {
        name: EventName::parse("Product Viewed").expect("a good name"),
        time,
        properties,
        identity: customer * EACH + nth,
        ahead: false,
    };
    Append {
        stream: Stream::Events,
        customer,
        time: time.millis(),
        payload: encode(&EventRow {
            event,
            liveness: Liveness::Live,
        }),
    }
}

async fn fill(store: &EmbeddedStore, customers: u64, nths: std::ops::Range<u64>) {
    for nth in nths {
        let all: Vec<u64> = (1..=customers).collect();
        for some in all.chunks(2_000) {
            let batch = Batch {
                appends: some.iter().map(|customer| row(*customer, nth)).collect(),
                ..Batch::default()
            };
            store.commit(batch).await.expect("a commit");
        }
    }
}

fn record(customer: u64) -> Record {
    let id = CustomerId::parse(&format!("c{customer}")).expect("a good id");
    Record::new(CustomerNo(customer), id, NOW)
}

/// Reads them one by one; prints the median and the worst of a hundred.
async fn read(store: &EmbeddedStore, what: &str, customers: &[u64], each: usize) {
    let once = Once::default();
    let mut took = Vec::with_capacity(customers.len());
    for customer in customers {
        let record = record(*customer);
        let begun = stopwatch();
        let events = read_history(store, &record, once.sieve(&[0; 16]))
            .await
            .expect("a history");
        took.push(begun.elapsed());
        assert_eq!(events.len(), each);
    }
    let all: std::time::Duration = took.iter().sum();
    took.sort();
    println!(
        "{what}: mean {:?}, median {:?}, 99 % {:?}",
        all / customers.len() as u32,
        took[took.len() / 2],
        took[took.len() * 99 / 100],
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let events: u64 = std::env::var("REVEILLE_BENCH_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    let customers = events / EACH;
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = EmbeddedStore::open(folder.path(), Options::default()).expect("a store");
    let random: Vec<u64> = (0..300).map(|n| (n * 7_919 + 13) % customers + 1).collect();
    let in_turn: Vec<u64> = (customers / 2..customers / 2 + 2_000.min(customers / 2)).collect();
    fill(&store, customers, 0..1).await;
    read(&store, "hot rows, one event each, at random", &random, 1).await;
    fill(&store, customers, 1..EACH).await;
    store.seal().expect("sealed");
    let files = std::fs::read_dir(folder.path().join("streams"));
    println!(
        "{events} events of {customers} customers in {} segments",
        files.map_or(0, Iterator::count)
    );
    read(
        &store,
        "segments, the first time",
        &random[..1],
        EACH as usize,
    )
    .await;
    read(&store, "segments, at random", &random, EACH as usize).await;
    read(
        &store,
        "segments, one after the other",
        &in_turn,
        EACH as usize,
    )
    .await;
    store.close().expect("closed");
}
