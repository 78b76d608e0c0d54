//! The pace: at most so many messages per time, spread evenly, so that a relay that counts in seconds and one that
//! counts in minutes are both content. Only tokio's timer is used, never the time of day.

use super::config::Rate;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How far behind its timetable the pace may fall and still catch up: the grain of tokio's timer. Without it a rate
/// above 1,000 per second could not be reached.
const GRAIN: Duration = Duration::from_millis(2);

pub(crate) struct Pace {
    interval: Option<Duration>,
    /// When the next message may go.
    next: Mutex<Option<Instant>>,
    given_back: Notify,
}

impl Pace {
    pub fn new(rate: Option<Rate>) -> Pace {
        Pace {
            interval: rate
                .filter(|r| r.count > 0)
                .map(|r| r.per / r.count)
                .filter(|i| !i.is_zero()),
            next: Mutex::new(None),
            given_back: Notify::new(),
        }
    }

    /// Waits for a turn and takes it.
    pub async fn turn(&self) {
        let Some(interval) = self.interval else {
            return;
        };
        let mine = self.take(interval);
        // Whoever stops waiting here gives the turn back.
        let unused = Unused(self);
        sleep_until(mine).await;
        std::mem::forget(unused);
    }

    /// Waits for a turn and takes it, an earlier one as soon as others who wait give theirs back.
    pub async fn next_turn(&self) {
        let Some(interval) = self.interval else {
            return;
        };
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            given_back.as_mut().enable();
            let mine = self.take(interval);
            let unused = Unused(self);
            tokio::select! {
                () = sleep_until(mine) => {
                    std::mem::forget(unused);
                    return;
                }
                () = given_back => {
                    std::mem::forget(unused);
                    self.put_back();
                }
            }
        }
    }

    fn take(&self, interval: Duration) -> Instant {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(GRAIN).unwrap_or(now);
        let mine = next.map_or(now, |next| next.max(earliest));
        *next = Some(mine + interval);
        mine
    }

    /// A turn that was taken but not used.
    pub fn give_back(&self) {
        self.put_back();
        self.given_back.notify_waiters();
    }

    fn put_back(&self) {
        if let Some(interval) = self.interval {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next = next.and_then(|next| next.checked_sub(interval));
        }
    }
}

struct Unused<'a>(&'a Pace);

impl Drop for Unused<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, Pace};
    use crate::transport::config::Rate;
    use std::time::Duration;

    fn rate(count: u32) -> Pace {
        Pace::new(Some(Rate {
            count,
            per: Duration::from_secs(1),
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_than_the_rate() {
        let pace = rate(50);
        let start = Instant::now();
        let mut turns = Vec::new();
        for n in 0..300u64 {
            if n == 120 {
                // A pause earns nothing.
                tokio::time::advance(Duration::from_secs(10)).await;
            }
            pace.turn().await;
            turns.push(start.elapsed());
        }
        for (i, from) in turns.iter().enumerate() {
            let within = turns[i..]
                .iter()
                .filter(|t| **t < *from + Duration::from_secs(1))
                .count();
            assert!(within <= 51, "{within} in the second from {from:?}");
        }
        // 300 turns take 6 s, and the pause 10.
        assert!(start.elapsed() < Duration::from_millis(16_100));
        assert!(start.elapsed() > Duration::from_millis(15_900));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_above_the_grain_of_the_timer_is_reached() {
        let pace = rate(3_000);
        let start = Instant::now();
        for _ in 0..3_000 {
            pace.turn().await;
        }
        let took = start.elapsed();
        assert!(took < Duration::from_millis(1_020), "{took:?}");
        assert!(took > Duration::from_millis(980), "{took:?}");
    }

    /// Whoever goes first need not wait for the turns that others have given up for it.
    #[tokio::test(start_paused = true)]
    async fn turns_given_back_are_for_whoever_is_next() {
        let pace = std::sync::Arc::new(rate(1));
        pace.turn().await;
        let start = Instant::now();
        let others: Vec<_> = (0..5)
            .map(|_| {
                let pace = pace.clone();
                tokio::spawn(async move { pace.turn().await })
            })
            .collect();
        tokio::task::yield_now().await;
        let next = tokio::spawn({
            let pace = pace.clone();
            async move { pace.next_turn().await }
        });
        tokio::task::yield_now().await;
        others.iter().for_each(|other| other.abort());
        next.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        // Nobody else's turn was taken with it.
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_given_back_are_not_lost() {
        let pace = rate(1);
        pace.turn().await;
        pace.turn().await;
        pace.give_back();
        // Somebody who stops waiting loses nobody's turn.
        for _ in 0..100 {
            let _ = tokio::time::timeout(Duration::from_millis(1), pace.turn()).await;
        }
        let start = Instant::now();
        pace.turn().await;
        assert!(start.elapsed() <= Duration::from_secs(1));
    }
}
