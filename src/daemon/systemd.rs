//! What the service manager is told (sd_notify(3)). Outside systemd every call does nothing.
//!
//! Its socket blocks when nobody reads it, so a thread of its own writes to it, word by word in their order: whoever says
//! something goes on at once, and the engine never waits for the manager.

use sd_notify::NotifyState;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// So many words may wait for a manager that doesn't read. What would be one more is lost, which the log says.
const WAITING: usize = 16;
/// The end waits no longer than this for its word to be said.
const LAST_WORD: Duration = Duration::from_secs(1);

enum Word {
    Ready(String),
    /// With the instant at which it began, where that can be told.
    Reloading(Option<NotifyState<'static>>),
    /// Answered when it was said.
    Stopping(oneshot::Sender<()>),
    Patience(u32, String),
    Beat,
}

/// A beat, or a plea for patience, that is not said yet: a second one adds nothing.
static REPEATED: AtomicBool = AtomicBool::new(false);

fn voice() -> Option<&'static SyncSender<Word>> {
    static VOICE: OnceLock<Option<SyncSender<Word>>> = OnceLock::new();
    let made = VOICE.get_or_init(|| {
        std::env::var_os("NOTIFY_SOCKET")?;
        let (words, said) = sync_channel(WAITING);
        let speaking = std::thread::Builder::new().name("notify".to_owned());
        match speaking.spawn(move || speak(&said)) {
            Ok(_) => Some(words),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told anything");
                None
            }
        }
    });
    made.as_ref()
}

fn speak(words: &Receiver<Word>) {
    while let Ok(word) = words.recv() {
        match word {
            Word::Ready(status) => tell(&[NotifyState::Ready, NotifyState::Status(&status)]),
            Word::Reloading(Some(began)) => tell(&[NotifyState::Reloading, began]),
            Word::Reloading(None) => tell(&[NotifyState::Reloading]),
            Word::Stopping(done) => {
                tell(&[NotifyState::Stopping]);
                // Whoever waited may have lost patience.
                let _ = done.send(());
            }
            Word::Patience(micros, status) => {
                tell(&[
                    NotifyState::ExtendTimeoutUsec(micros),
                    NotifyState::Status(&status),
                ]);
                REPEATED.store(false, Ordering::Release);
            }
            Word::Beat => {
                tell(&[NotifyState::Watchdog]);
                REPEATED.store(false, Ordering::Release);
            }
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

fn say(word: Word) {
    let Some(voice) = voice() else { return };
    if let Err(TrySendError::Full(_)) = voice.try_send(word) {
        tracing::warn!("the service manager does not read what it is told");
    }
}

/// What is said again and again waits once only, so that it takes no other word's place.
fn repeat(word: impl FnOnce() -> Word) {
    let Some(voice) = voice() else { return };
    if !REPEATED.swap(true, Ordering::AcqRel) && voice.try_send(word()).is_err() {
        REPEATED.store(false, Ordering::Release);
    }
}

/// The socket is open and the engine ticks.
pub fn ready(status: &str) {
    say(Word::Ready(status.to_owned()));
}

/// A reload has begun; `ready` ends it. Managers that wait for it need the time (systemd 253).
pub fn reloading() {
    say(Word::Reloading(NotifyState::monotonic_usec_now().ok()));
}

/// The end has begun. Returns when that was said, or a manager that does not listen was waited for long enough.
pub async fn stopping() {
    let (done, said) = oneshot::channel();
    say(Word::Stopping(done));
    // Nobody to tell, or it was said, or it takes too long: the end comes anyway.
    let _ = tokio::time::timeout(LAST_WORD, said).await;
}

/// Starting takes longer than usual: asks for so much more time.
pub fn patience(more: Duration, status: &str) {
    let micros = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    repeat(|| Word::Patience(micros, status.to_owned()));
}

/// The watchdog: beats at most at half of what the manager waits, and only when it is told that work goes on.
pub struct Watchdog {
    every: Option<Duration>,
    last: Option<tokio::time::Instant>,
}

impl Watchdog {
    /// As the manager asks for it.
    pub fn asked_for() -> Watchdog {
        Watchdog {
            every: sd_notify::watchdog_enabled().map(|within| within / 2),
            last: None,
        }
    }

    /// The longest that the loop may wait between two turns so that it can still beat in time.
    pub fn at_least_every(&self, patience: Duration) -> Duration {
        self.every.map_or(patience, |every| patience.min(every))
    }

    /// A turn of the engine was done.
    pub fn advanced(&mut self) {
        let Some(every) = self.every else { return };
        let now = tokio::time::Instant::now();
        // Half of the half: turns do not come exactly on time.
        if self.last.is_none_or(|last| now - last >= every / 2) {
            repeat(|| Word::Beat);
            self.last = Some(now);
        }
    }
}
