//! What the sample shop's customers do, from visit to visit, as their habit has it.

use super::Sample;
use super::catalogue::PRODUCTS;
use super::dice::Dice;
use super::people::{Habit, Person};
use crate::domain::time::{Span, Timestamp};

/// One event to be.
pub(super) struct Happening {
    pub at: Timestamp,
    pub who: u32,
    /// The customer's how many-th; 0 is the profile.
    pub turn: u32,
    pub act: Act,
}

pub(super) enum Act {
    SignedUp,
    Viewed(u8),
    Added { cart: u16, line: Line },
    CartViewed { cart: u16, basket: Basket },
    CheckoutStarted { cart: u16, basket: Basket },
    Ordered { cart: u16, basket: Basket },
}

impl Act {
    pub fn name(&self) -> &'static str {
        match self {
            Act::SignedUp => "Signed Up",
            Act::Viewed(_) => "Product Viewed",
            Act::Added { .. } => "Product Added",
            Act::CartViewed { .. } => "Cart Viewed",
            Act::CheckoutStarted { .. } => "Checkout Started",
            Act::Ordered { .. } => "Order Completed",
        }
    }
}

#[derive(Clone, Copy, Default)]
pub(super) struct Line {
    pub product: u8,
    pub quantity: u8,
}

/// What lies in a cart: up to three lines.
#[derive(Clone, Copy, Default)]
pub(super) struct Basket {
    all: [Line; 3],
    len: u8,
}

impl Basket {
    pub fn lines(&self) -> &[Line] {
        &self.all[..usize::from(self.len)]
    }

    fn put(&mut self, line: Line) {
        if let Some(free) = self.all.get_mut(usize::from(self.len)) {
            *free = line;
            self.len += 1;
        }
    }
}

/// What a customer's year came to.
#[derive(Default)]
pub(super) struct Told {
    pub orders: u64,
    pub abandoned: u64,
    pub last_order: Option<Timestamp>,
}

/// How a visit ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Order,
    Abandon,
    Look,
}

/// Days between visits, and how visits end, by weight: order, abandoned cart, look.
fn ways(habit: Habit) -> (i64, i64, [u64; 3]) {
    match habit {
        Habit::Regular | Habit::Lapsing => (18, 45, [78, 10, 12]),
        Habit::Occasional => (35, 75, [62, 18, 20]),
        Habit::OneTimer => (20, 120, [0, 15, 85]),
        Habit::Abandoner => (12, 35, [12, 66, 22]),
        Habit::Browser => (20, 60, [0, 4, 96]),
    }
}

/// Appends what `person` does within the sample's time.
pub(super) fn live(
    person: &Person,
    sample: &Sample,
    dice: &mut Dice,
    all: &mut Vec<Happening>,
) -> Told {
    let (from, until) = (sample.from(), sample.until);
    let mut year = Year {
        person,
        until,
        all,
        turn: 1,
        cart: 0,
        told: Told::default(),
    };
    let is_new = person.created >= from;
    let start = person.created.max(from);
    if is_new {
        year.happen(start, Act::SignedUp);
        if dice.percent(55) {
            let ending =
                [Ending::Order, Ending::Abandon, Ending::Look][dice.weighed(&[20, 35, 45])];
            let ending = match (person.habit, ending) {
                (Habit::Browser, _) => Ending::Look,
                (_, ending) => ending,
            };
            year.visit(start + Span::seconds(dice.between(30, 900)), ending, dice);
        }
    }
    // Who lapses bought for the last time more than 90 days before the end; who came too late for that stays.
    let last_day = until - Span::days(92);
    let stop = match person.habit {
        Habit::Lapsing if start < last_day => {
            start + Span(dice.between(0, last_day.since(start).0))
        }
        _ => until,
    };
    let (least, most, endings) = ways(person.habit);
    if person.habit == Habit::OneTimer && year.told.orders == 0 {
        let room = if is_new {
            Span::days(6)
        } else {
            until.since(start)
        };
        let day = start + Span(dice.between(0, room.0));
        let at = year.hour(day, start, dice);
        year.visit(at, Ending::Order, dice);
    }
    let mut at = start + Span::days(dice.between(1, most));
    // A one-timer looks in again at times, but seldom for long.
    let visits = match person.habit {
        Habit::OneTimer => dice.below(3),
        _ => u64::MAX,
    };
    for _ in 0..visits {
        if at >= stop {
            break;
        }
        let ending = [Ending::Order, Ending::Abandon, Ending::Look][dice.weighed(&endings)];
        let hour = year.hour(at, start, dice);
        if hour < stop {
            year.visit(hour, ending, dice);
        }
        at = at + Span::days(dice.between(least, most));
    }
    year.told
}

/// People shop in the evening, at lunch, and seldom at night: the weight of each local hour.
const HOURS: [u64; 24] = [
    2, 1, 0, 0, 0, 1, 2, 4, 6, 6, 6, 8, 10, 8, 6, 6, 6, 7, 9, 12, 14, 14, 10, 5,
];

struct Year<'a> {
    person: &'a Person,
    until: Timestamp,
    all: &'a mut Vec<Happening>,
    turn: u32,
    cart: u16,
    told: Told,
}

impl Year<'_> {
    /// Nothing happens at or after the end: what would is left out.
    fn happen(&mut self, at: Timestamp, act: Act) -> bool {
        if at >= self.until {
            return false;
        }
        let who = self.person.who;
        let turn = self.turn;
        self.turn += 1;
        self.all.push(Happening { at, who, turn, act });
        true
    }

    /// An instant on `day`'s local day, at an hour at which people shop, after `start`.
    fn hour(&self, day: Timestamp, start: Timestamp, dice: &mut Dice) -> Timestamp {
        let offset = Span::minutes(self.person.offset());
        let local = day + offset;
        let midnight = Timestamp(local.0 - local.0.rem_euclid(86_400_000)) - offset;
        let hour = dice.weighed(&HOURS) as i64;
        let at = midnight + Span::hours(hour) + Span::millis(dice.between(0, 3_599_999));
        if at > start {
            at
        } else {
            start + Span::seconds(dice.between(60, 7_200))
        }
    }

    fn visit(&mut self, mut at: Timestamp, ending: Ending, dice: &mut Dice) {
        let step = |at: &mut Timestamp, dice: &mut Dice| {
            *at = *at + Span::millis(dice.between(15_000, 240_000));
        };
        let product = |dice: &mut Dice| dice.below(PRODUCTS.len() as u64) as u8;
        if ending == Ending::Look {
            for _ in 0..dice.between(1, 3) {
                self.happen(at, Act::Viewed(product(dice)));
                step(&mut at, dice);
            }
            return;
        }
        self.cart += 1;
        let cart = self.cart;
        let mut basket = Basket::default();
        for _ in 0..dice.between(1, 3) {
            let product = product(dice);
            if dice.percent(60) {
                self.happen(at, Act::Viewed(product));
                step(&mut at, dice);
            }
            let quantity = if dice.percent(80) { 1 } else { 2 };
            let line = Line { product, quantity };
            // Who is overtaken by the end has put nothing into the cart.
            if self.happen(at, Act::Added { cart, line }) {
                basket.put(line);
            }
            step(&mut at, dice);
        }
        if basket.lines().is_empty() {
            return;
        }
        let orders = ending == Ending::Order;
        if dice.percent(45) {
            self.happen(at, Act::CartViewed { cart, basket });
            step(&mut at, dice);
        }
        if orders || dice.percent(30) {
            self.happen(at, Act::CheckoutStarted { cart, basket });
            step(&mut at, dice);
        }
        if orders && self.happen(at, Act::Ordered { cart, basket }) {
            self.told.orders += 1;
            self.told.last_order = self.told.last_order.max(Some(at));
        } else {
            self.told.abandoned += 1;
        }
    }
}
