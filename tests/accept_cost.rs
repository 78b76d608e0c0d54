//! Cost follows change: a tick makes the same number of store operations whatever the number of customers that nothing
//! happened to.

mod app;

use app::watched::{Counts, Watched};
use app::{App, CONFIG, shipped};
use reveille::domain::time::Span;
use reveille::engine::batch::Work;
use reveille::engine::control::Scope;
use reveille::engine::shard::Ticked;
use serde_json::json;

/// Numbers are given in order and spread over the shards in turn, so the hundred that change are the same customers, in
/// the same shards, whatever comes after them.
async fn ticks(quiet: usize) -> (Counts, Ticked, (u64, u64, u64)) {
    let store = Watched::new();
    let cart = shipped("cart_reminder.toml");
    let dormant = shipped("wake_dormant.toml");
    let files = [
        ("cart_reminder.toml", cart.as_str()),
        ("wake_dormant.toml", dormant.as_str()),
    ];
    let app = App::start_on(store.clone(), "2026-03-02T01:30:00Z", CONFIG, &files).await;
    let numbers = app.crowd(0..100 + quiet).await;
    // The quiet ones have a past, and alarms that stand: 90 days after an order of some days ago.
    let orders: Vec<Work> = numbers[100..]
        .iter()
        .map(|no| app.past(*no, "Order Completed", app.now() - Span::days(10)))
        .collect();
    app.offer(orders).await;
    app.settle().await;
    let idle = store.counts();
    app.clock.advance(Span::minutes(1));
    app.core.tick().await.unwrap();
    println!("{quiet} quiet: an idle tick {:?}", store.counts() - idle);
    // A hundred put something into a cart, each of them once.
    for n in 0..100 {
        let product = json!({"cart_id": "c", "product_id": "p", "name": "Cup"});
        app.event(&format!("c{n}"), "Product Added", product).await;
    }
    // A day later their hundred alarms ring. Sending is held, so that nothing goes on beside the tick.
    app.core.hold("counting").await.unwrap();
    app.clock.advance(Span::hours(24));
    let before = store.counts();
    let ticked = app.core.tick().await.unwrap();
    let tick = store.counts() - before;
    app.core.resume(&Scope::All, "test").await.unwrap();
    // How many messages share a batch is a matter of timing; what is read and written for them is not.
    let before = store.counts();
    app.settle().await;
    let sending = store.counts() - before;
    let written = sending.keys_written - sending.hourly_rows;
    let sending = (sending.keys_read, written, sending.streams);
    assert_eq!(app.mails().len(), 100);
    (tick, ticked, sending)
}

#[tokio::test]
async fn a_tick_costs_the_same_whoever_else_there_is() {
    let (few, ticked, sending) = ticks(1_000).await;
    let (many, same, as_much) = ticks(10_000).await;
    println!("1,000 quiet: {few:?}\n10,000 quiet: {many:?}; {ticked:?}");
    println!("keys read, keys written, streams read for 100 mails: {sending:?}, {as_much:?}");
    assert_eq!(ticked, same);
    assert_eq!(ticked.rung, 100);
    assert_eq!(few, many);
    assert_eq!(sending, as_much);
}
