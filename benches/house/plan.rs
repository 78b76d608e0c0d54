//! How long a forecast of thirty days takes, over the embedded store, and how much memory.

use super::{DORMANT, NEW, campaigns, fill, open, resident};
use reveille::clock::stopwatch;
use reveille::engine::forecast::{Question, Told};
use reveille::transport::config::TransportConfig;

pub async fn plan(customers: u64) {
    println!("forecast of 30 days, {customers} customers, two scheduled campaigns");
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(dir.path(), &[("dormant.toml", DORMANT), ("new.toml", NEW)]);
    let folder = TransportConfig::folder("main", dir.path().join("mail"));
    let house = open(dir.path(), folder).await;
    fill(&house, customers).await;
    house.core.settle().await.expect("settles");
    let before = resident();
    for decisions in [false, true] {
        let question = Question {
            days: 30,
            decisions,
            ..Question::default()
        };
        let start = stopwatch();
        let (out, mut told) = tokio::sync::mpsc::channel(4);
        let core = house.core.clone();
        let working = tokio::spawn(async move { core.forecast(question, out).await });
        let (mut rows, mut most) = (0, before);
        while let Some(told) = told.recv().await {
            match told {
                Told::Decisions(decisions) => rows += decisions.len(),
                Told::Progress { .. } => most = most.max(resident()),
            }
        }
        let forecast = working.await.expect("no panic").expect("a forecast");
        let seconds = start.elapsed().as_secs_f64();
        let sent: u64 = forecast.days.iter().map(|day| day.counts.sent).sum();
        assert_eq!(forecast.customers, customers);
        println!(
            "  {seconds:.2} s ({:.0} customers/s): {sent} mails foretold, {rows} decisions told; resident at most {most} MB, {before} MB before",
            customers as f64 / seconds
        );
    }
    house.store.inner.close().expect("closes");
}
