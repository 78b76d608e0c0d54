//! The metrics: what is asked of engine, transports, store and HTTP for each scrape. Names by Prometheus' conventions
//! (prometheus.io/docs/practices/naming): base units, `_total` on counters. No customer and no address in any label.

use super::exposition::{Kind, Page};
use super::{Ops, PATIENCE};
use crate::engine::catalogue::FileState;
use crate::engine::coupons::Level;
use crate::engine::intake::json::MessageKind;
use crate::engine::requests::Asked;
use crate::http::meters::{Delivered, Fate};
use crate::store::Room;
use std::sync::atomic::Ordering::Relaxed;
use tokio::time::{Instant, timeout_at};

/// All of them, as text.
pub async fn collect(ops: &Ops) -> String {
    let mut page = Page::default();
    page.family(
        "build_info",
        Kind::Gauge,
        "The version that runs; always 1.",
    )
    .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    engine(&mut page, ops).await;
    transports(&mut page, ops);
    store(&mut page, ops);
    http(&mut page, ops);
    page.into_text()
}

async fn engine(page: &mut Page, ops: &Ops) {
    let core = &ops.core;
    page.gauge(
        "engine_last_turn_age_seconds",
        "How long ago the engine last got on.",
        ops.pulse.age().as_secs_f64(),
    );
    page.counter(
        "engine_chunks_total",
        "Pieces of clockwork done (alarms, schedules, walks) since the start.",
        core.progress(),
    );
    page.gauge(
        "sending_held",
        "1 while nothing may leave (paused, an operator's hold, parted clocks, a full disk).",
        u8::from(core.held().is_some()),
    );
    page.gauge(
        "outbox_in_hand_messages",
        "Messages being composed, judged or delivered.",
        core.outbox.in_hand(),
    );
    // A store that does not answer has a metric of its own: all that does not hang on it is told all the same.
    let patience = Instant::now() + PATIENCE;
    let customers = within(patience, core.directory.count()).await;
    page.gauge(
        "store_answers",
        "1 while the store answers reads within 2 seconds; what has to be read there is left out while it is 0.",
        u8::from(customers.is_some()),
    );
    if let Ok(walked) = timeout_at(patience, core.has_walked()).await {
        page.gauge(
            "walk_under_way",
            "1 while customers are walked for new or edited campaigns.",
            u8::from(!walked),
        );
    }
    if let Some(customers) = customers {
        page.gauge(
            "customers",
            "Customers known by an id, anonymous ones included.",
            customers,
        );
    }
    if let Some(customers) = within(patience, core.poisonous_customers()).await {
        page.gauge(
            "poisonous_customers",
            "Customers with a cause that could not be worked on; `reveille customer poisonous` lists them.",
            customers,
        );
    }
    if let Some(pools) = within(patience, core.pools()).await {
        let mut left = page.family(
            "coupons_left",
            Kind::Gauge,
            "Codes left in a pool of coupons; at 0 messages that need one wait until they expire.",
        );
        for pool in &pools {
            left.sample(&[("pool", pool.pool.as_str())], pool.left);
        }
        let mut low = page.family(
            "coupons_low",
            Kind::Gauge,
            "1 while fewer codes are left in a pool of coupons than its `warn_below`.",
        );
        for pool in &pools {
            let is_low = pool.level > Level::Plenty;
            low.sample(&[("pool", pool.pool.as_str())], u8::from(is_low));
        }
    }
    if let Some(open) = within(patience, core.requests()).await {
        let mut requests = page.family(
            "customer_requests_open",
            Kind::Gauge,
            "What shops ask for their customers and nobody has done; `reveille customer requests` lists it.",
        );
        for asked in Asked::ALL {
            let count = open.iter().filter(|r| r.asked == asked.as_str()).count();
            requests.sample(&[("asked", asked.as_str())], count);
        }
    }
    if let Some(imports) = within(patience, core.imports()).await {
        page.gauge(
            "imports_broken_off",
            "Imports of history that were broken off; schedules wait until each is run again to its end.",
            imports.iter().filter(|import| !import.running).count(),
        );
    }
    let hits = core.hits();
    page.counter(
        "hits_shed_total",
        "Opens and clicks since the start that found no room and were not kept, or never classed.",
        hits.shed(),
    );
    page.counter(
        "hits_lost_total",
        "Opens and clicks since the start that the store did not take.",
        hits.lost(),
    );
    let mut decisions = page.family(
        "decisions_total",
        Kind::Counter,
        "Rows written to the send log since the start, by status.",
    );
    for (status, many) in core.tally().all() {
        decisions.sample(&[("status", status.as_str())], many);
    }
    let mut tripped = page.family(
        "breakers_tripped_total",
        Kind::Counter,
        "How often campaigns have paused themselves since the start.",
    );
    for (campaign, times) in core.tally().trips() {
        tripped.sample(&[("campaign", campaign.as_str())], times);
    }
    let catalogue = core.catalogue();
    let mut files = page.family(
        "campaign_files",
        Kind::Gauge,
        "Campaign files by how they stand; all but `good` want looking at.",
    );
    for (word, state) in [
        ("good", FileState::Good),
        ("last_good", FileState::LastGood),
        ("broken", FileState::Broken),
        ("missing", FileState::Missing),
    ] {
        let count = catalogue.files.values().filter(|s| **s == state).count();
        files.sample(&[("state", word)], count);
    }
    let controls = &catalogue.rules.controls;
    let known = controls.activations.keys();
    page.gauge(
        "campaigns_awaiting_approval",
        "Campaigns that would enter many at once, or let many go on, and wait for somebody to approve it.",
        known.filter(|id| controls.awaits_approval(id)).count(),
    );
}

/// What the store answers in time.
async fn within<T, E>(patience: Instant, asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    timeout_at(patience, asked).await.ok()?.ok()
}

fn transports(page: &mut Page, ops: &Ops) {
    let all: Vec<_> = ops.core.outbox.transports().map(|t| t.status()).collect();
    let mut outcomes = page.family(
        "deliveries_total",
        Kind::Counter,
        "Attempts to hand a message over since the start, by what came of them.",
    );
    for status in &all {
        for (outcome, count) in [
            ("accepted", status.accepted),
            ("refused", status.refused),
            ("try_later", status.try_later),
            ("uncertain", status.uncertain),
            ("relay_fault", status.relay_faults),
            ("not_started", status.not_started),
            ("undeliverable", status.undeliverable),
        ] {
            outcomes.sample(&[("transport", &status.name), ("outcome", outcome)], count);
        }
    }
    let mut aside = page.family(
        "transport_aside",
        Kind::Gauge,
        "1 while a relay is set aside because it keeps failing.",
    );
    for status in &all {
        aside.sample(
            &[("transport", &status.name)],
            u8::from(status.aside.is_some()),
        );
    }
    let mut times = page.family(
        "transport_set_aside_total",
        Kind::Counter,
        "How often a relay was set aside since the start.",
    );
    for status in &all {
        times.sample(&[("transport", &status.name)], status.times_set_aside);
    }
    let mut connections = page.family(
        "transport_connections",
        Kind::Gauge,
        "Connections to a relay, in use and idle.",
    );
    for status in &all {
        connections.sample(
            &[("transport", &status.name), ("state", "in_use")],
            status.in_use,
        );
        connections.sample(
            &[("transport", &status.name), ("state", "idle")],
            status.idle,
        );
    }
}

fn store(page: &mut Page, ops: &Ops) {
    let room = match ops.core.store.room() {
        Room::Enough => 0,
        Room::Low => 1,
        Room::Full => 2,
    };
    page.gauge(
        "store_room",
        "0: enough; 1: low, nothing is sent; 2: full, nothing is taken in.",
        room,
    );
    let Some(store) = &ops.store else { return };
    let stats = store.stats();
    for (name, help, value) in [
        (
            "store_free_bytes",
            "What the disk has left.",
            stats.free_bytes,
        ),
        (
            "store_journal_bytes",
            "The journal's files.",
            stats.journal_bytes,
        ),
        (
            "store_journal_files",
            "How many files the journal has.",
            stats.journal_files,
        ),
        (
            "store_tree_bytes",
            "What is read at random.",
            stats.sled_bytes,
        ),
        (
            "store_segment_bytes",
            "Older rows of the streams.",
            stats.segment_bytes,
        ),
        (
            "store_segments",
            "How many segments of streams there are.",
            stats.segments,
        ),
        (
            "store_hot_rows",
            "Rows of streams that are in memory.",
            stats.hot_rows,
        ),
        (
            "store_hot_bytes",
            "What rows in memory take.",
            stats.hot_bytes,
        ),
        (
            "store_pending_bytes",
            "What is durable and not yet in the tree.",
            stats.pending_bytes,
        ),
    ] {
        page.gauge(name, help, value);
    }
    page.counter(
        "store_frames_total",
        "Groups of commits made durable, ever.",
        stats.durable,
    );
}

fn http(page: &mut Page, ops: &Ops) {
    let meters = &ops.meters;
    let mut messages = page.family(
        "http_messages_total",
        Kind::Counter,
        "Messages sent to us over HTTP since the start, by type and by what became of them.",
    );
    let kinds = MessageKind::ALL.into_iter().map(Some).chain([None]);
    for kind in kinds {
        let word = kind.map_or("unreadable", MessageKind::as_str);
        for fate in Fate::ALL {
            let count = meters.messages(kind, fate);
            messages.sample(&[("type", word), ("fate", fate.as_str())], count);
        }
    }
    let counted = meters.all_deliveries();
    let mut deliveries = page.family(
        "webhook_deliveries_total",
        Kind::Counter,
        "Shops' deliveries since the start, by webhook and by what became of them.",
    );
    for name in ops.core.config().webhooks.keys() {
        for delivered in Delivered::ALL {
            let count = counted.get(&(name.clone(), delivered)).copied();
            let labels = [("webhook", name.as_str()), ("outcome", delivered.as_str())];
            deliveries.sample(&labels, count.unwrap_or(0));
        }
    }
    page.counter(
        "http_put_off_total",
        "Requests answered 429 since the start.",
        meters.put_off.load(Relaxed),
    );
    page.gauge(
        "http_in_hand_bytes",
        "Messages being written, in bytes of their requests.",
        ops.ingest.in_hand(),
    );
    let all = meters.all_requests();
    let mut requests = page.family(
        "http_request_duration_seconds",
        Kind::Summary,
        "Requests since the start and how long they took, by route, method and status.",
    );
    for ((route, method, status), answered) in &all {
        let status = status.to_string();
        let labels = [
            ("route", route.as_str()),
            ("method", *method),
            ("status", status.as_str()),
        ];
        requests.part("_sum", &labels, answered.took.as_secs_f64());
        requests.part("_count", &labels, answered.count);
    }
}
