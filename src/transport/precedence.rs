//! Who goes first: a few messages (transactional ones) go before all that wait for a permit, however long those have
//! waited. Those who wait see it and give back what they hold: their place in the line, their connection, their turn of
//! the pace. So the next connection and the next turn that come free are for whoever goes first.

use tokio::sync::watch;

pub(crate) struct Precedence {
    /// How many there are who go first, and have no permit yet.
    first: watch::Sender<usize>,
}

impl Default for Precedence {
    fn default() -> Precedence {
        Precedence {
            first: watch::Sender::new(0),
        }
    }
}

/// Somebody goes first, until this is dropped.
pub(crate) struct First<'a>(&'a Precedence);

impl Precedence {
    pub fn take(&self) -> First<'_> {
        self.first.send_modify(|first| *first += 1);
        First(self)
    }

    pub fn is_there(&self) -> bool {
        *self.first.borrow() > 0
    }

    /// Waits until nobody goes first.
    pub async fn nobody(&self) {
        // The sender lives as long as this does.
        let _ = self.first.subscribe().wait_for(|first| *first == 0).await;
    }

    /// Waits until somebody goes first.
    pub async fn somebody(&self) {
        let _ = self.first.subscribe().wait_for(|first| *first > 0).await;
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.0.first.send_modify(|first| *first -= 1);
    }
}
