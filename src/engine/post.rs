//! The postman: tells shards that letters lie in their inboxes, and carries causes that found their customer moved to
//! whom that customer was merged into.
//!
//! Shards don't wait for each other, or two with full queues would wait for ever; so one task carries everything, in
//! order. It loses nothing when it stops: letters are durable and are collected at the next opening, and a cause on its
//! way has not been acknowledged.

use super::shard::{Item, Order, ShardHandle};
use crate::domain::id::CustomerNo;
use tokio::sync::mpsc;

/// What is to be carried.
pub enum Delivery {
    /// Letters were posted to this customer.
    Letters(CustomerNo),
    /// This cause is for another customer than it was offered for, and names that one now.
    Forward(Box<Item>),
}

/// The way to the postman; cheap to clone.
#[derive(Clone)]
pub struct Post(mpsc::UnboundedSender<Delivery>);

impl Post {
    pub fn new() -> (Post, mpsc::UnboundedReceiver<Delivery>) {
        let (post, deliveries) = mpsc::unbounded_channel();
        (Post(post), deliveries)
    }

    /// Its queue has no bound of its own: what is forwarded came through a bounded one, and letters are few.
    pub fn send(&self, delivery: Delivery) {
        // Without a postman nothing is lost: see above.
        let _ = self.0.send(delivery);
    }
}

/// The ways to the shards that don't keep them running.
struct Door {
    intake: mpsc::WeakSender<Item>,
    orders: mpsc::WeakSender<Order>,
}

/// Carries what comes until every shard is gone.
pub fn carry(
    mut deliveries: mpsc::UnboundedReceiver<Delivery>,
    shards: &[ShardHandle],
) -> impl Future<Output = ()> + Send + use<> {
    let doors: Vec<Door> = (shards.iter())
        .map(|shard| Door {
            intake: shard.intake.downgrade(),
            orders: shard.orders.downgrade(),
        })
        .collect();
    let door = move |no: CustomerNo| usize::from(no.shard().0);
    async move {
        while let Some(delivery) = deliveries.recv().await {
            match delivery {
                Delivery::Letters(no) => {
                    if let Some(orders) = doors[door(no)].orders.upgrade() {
                        let _ = orders.send(Order::Collect(no, None)).await;
                    }
                }
                // Behind what was forwarded before it; a queue that is gone drops the answer's sender, and the caller
                // learns that the daemon is stopping.
                Delivery::Forward(item) => {
                    if let Some(intake) = doors[door(item.0.customer)].intake.upgrade() {
                        let _ = intake.send(*item).await;
                    }
                }
            }
        }
    }
}
