//! A load generator for HTTP: finished requests over connections that stay open, one at a time on each.

use reveille::clock::stopwatch;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a run came to.
pub struct Ran {
    pub requests: usize,
    pub seconds: f64,
    /// Sorted, in milliseconds.
    millis: Vec<f64>,
}

impl Ran {
    /// The latency that a share of the requests did not exceed, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.millis.len().saturating_sub(1);
        self.millis
            .get((last as f64 * share).round() as usize)
            .copied()
            .unwrap_or_default()
    }
}

/// Sends all requests over so many connections, `per_second` of them a second, or as fast as they are answered. Latency
/// counts from when a request was to be sent: one that had to wait for its turn has waited.
pub async fn run(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    per_second: Option<f64>,
) -> Ran {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let start = stopwatch();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
            tokio::spawn(async move {
                let mut line = Line::open(address).await;
                let mut millis = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(n) else {
                        return millis;
                    };
                    let mut due = start.elapsed();
                    if let Some(per_second) = per_second {
                        due = Duration::from_secs_f64(n as f64 / per_second);
                        let early = due.saturating_sub(start.elapsed());
                        if !early.is_zero() {
                            tokio::time::sleep(early).await;
                        }
                    }
                    line.ask(request).await;
                    let took = start.elapsed().saturating_sub(due);
                    millis.push(took.as_secs_f64() * 1_000.0);
                }
            })
        })
        .collect();
    let mut millis = Vec::with_capacity(requests.len());
    for task in tasks {
        millis.extend(task.await.expect("no panic"));
    }
    let seconds = start.elapsed().as_secs_f64();
    millis.sort_by(f64::total_cmp);
    Ran {
        requests: requests.len(),
        seconds,
        millis,
    }
}

/// A connection.
struct Line {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Line {
    async fn open(address: SocketAddr) -> Line {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Line {
            stream,
            read: Vec::with_capacity(4_096),
        }
    }

    /// Sends a request and reads its answer to the end; anything but 200 ends the run.
    async fn ask(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("it is taken");
        self.read.clear();
        loop {
            let n = self.stream.read_buf(&mut self.read).await;
            assert!(n.expect("it answers") > 0, "the connection was closed");
            let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|n| n.trim().parse::<usize>().ok())
                .expect("a length");
            if self.read.len() < end + 4 + length {
                continue;
            }
            assert!(
                head.starts_with("http/1.1 200"),
                "{}",
                String::from_utf8_lossy(&self.read)
            );
            return;
        }
    }
}
