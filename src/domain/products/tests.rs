//! What is shown, told as stories of what a customer did.

use super::{Source, Wanted, select, too_few};
use crate::domain::condition::EventSelector;
use crate::domain::event::{Event, Undo};
use crate::domain::id::EventName;
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Value, properties_from_json};
use serde_json::json;

fn name(text: &str) -> EventName {
    EventName::parse(text).unwrap()
}

fn at(hour: i64) -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-02T00:00:00Z").unwrap() + Span::hours(hour)
}

/// Events by hour, name and properties.
fn told(rows: &[(i64, &str, serde_json::Value)]) -> Vec<Event> {
    rows.iter()
        .enumerate()
        .map(|(n, (hour, event, properties))| Event {
            name: name(event),
            time: at(*hour),
            properties: match properties {
                serde_json::Value::Object(map) => properties_from_json(map.clone()),
                _ => panic!("an object"),
            },
            identity: n as u64,
            ahead: false,
        })
        .collect()
}

fn from(source: Source) -> Wanted {
    Wanted {
        from: source,
        within: None,
        most: 12,
        fewest: 0,
        same: None,
        except: Vec::new(),
        undone: Vec::new(),
    }
}

fn of(event: &str) -> Wanted {
    from(Source::Events(EventSelector {
        name: Some(name(event)),
        filter: Vec::new(),
    }))
}

/// Ids in order, each with its quantity where there is one.
fn ids(wanted: &Wanted, events: &[Event], key: &str) -> Vec<String> {
    let found = select(wanted, events, key, at(100));
    let one = |p: &super::Product| match p.properties.get("quantity") {
        Some(Value::Int(n)) => format!("{} x{n}", p.id),
        Some(other) => format!("{} x{other:?}", p.id),
        None => p.id.clone(),
    };
    found.iter().map(one).collect()
}

#[test]
fn the_newest_come_first_each_once_known_by_id_then_sku_then_name() {
    let events = told(&[
        (1, "Product Viewed", json!({"product_id": 7, "name": "Tea"})),
        (2, "Product Viewed", json!({"sku": "cup-1", "name": "Cup"})),
        (3, "Product Viewed", json!({"name": "Tray"})),
        (
            4,
            "Product Viewed",
            json!({"product_id": "7", "name": "Tea, green"}),
        ),
        (5, "Product Viewed", json!({"category": "home"})),
        (
            6,
            "Product Viewed",
            json!({"product_id": " ", "sku": null, "name": ""}),
        ),
        (7, "Product Clicked", json!({"product_id": "9"})),
        (101, "Product Viewed", json!({"product_id": "10"})),
    ]);
    let wanted = of("Product Viewed");
    assert_eq!(ids(&wanted, &events, ""), ["7", "Tray", "cup-1"]);
    let newest = &select(&wanted, &events, "", at(100))[0];
    assert_eq!(newest.properties["name"], Value::Text("Tea, green".into()));
    let two = Wanted {
        most: 2,
        ..wanted.clone()
    };
    assert_eq!(ids(&two, &events, ""), ["7", "Tray"]);
    // (now - within, now]: what happened at its very beginning is out.
    let recent = Wanted {
        within: Some(Span::hours(97)),
        ..wanted
    };
    assert_eq!(ids(&recent, &events, ""), ["7"]);
    let mut shuffled = events.clone();
    shuffled.reverse();
    assert_eq!(
        ids(&recent, &shuffled, ""),
        ["7"],
        "the order of arrival does not matter"
    );
}

#[test]
fn what_the_newest_mention_leaves_out_older_ones_tell() {
    let events = told(&[
        (
            1,
            "Product Viewed",
            json!({"product_id": "1", "name": "Tea", "image_url": "https://x.example/1.png", "price": 5, "currency": "USD", "quantity": 3}),
        ),
        (2, "Product Viewed", json!({"product_id": "1", "price": 6})),
        (
            3,
            "Product Viewed",
            json!({"product_id": "2", "currency": "KRW"}),
        ),
        (
            0,
            "Product Viewed",
            json!({"product_id": "2", "price": 9, "currency": "USD"}),
        ),
    ]);
    let found = select(&of("Product Viewed"), &events, "", at(100));
    let (two, one) = (&found[0].properties, &found[1].properties);
    assert_eq!(one["name"], Value::Text("Tea".into()));
    assert_eq!(one["price"], Value::Int(6));
    assert!(
        !one.contains_key("currency"),
        "a price never gets another's currency"
    );
    assert!(!one.contains_key("quantity"), "a quantity is of its moment");
    assert_eq!(
        (&two["price"], &two["currency"]),
        (&Value::Int(9), &Value::Text("USD".into()))
    );
}

#[test]
fn what_was_bought_since_is_left_out_unless_the_order_was_undone() {
    let line = |id: &str| json!({"order_id": "o1", "products": [{"product_id": id}]});
    let events = told(&[
        (1, "Product Viewed", json!({"product_id": "1", "sku": "s1"})),
        (2, "Product Viewed", json!({"product_id": "2"})),
        (3, "Order Completed", line("1")),
        (4, "Order Completed", json!({"products": [{"sku": "s3"}]})),
        (4, "Product Viewed", json!({"product_id": "3", "sku": "s3"})),
        (
            5,
            "Product Viewed",
            json!({"product_id": "4", "name": "Tea"}),
        ),
        (6, "Order Completed", json!({"name": "Tea"})),
    ]);
    let mut wanted = of("Product Viewed");
    wanted.except = vec![name("Order Completed")];
    assert_eq!(
        ids(&wanted, &events, ""),
        ["4", "2"],
        "4 has an id: its name alone says nothing"
    );
    let mut again = events.clone();
    again.extend(told(&[(7, "Product Viewed", json!({"product_id": "1"}))]));
    assert_eq!(
        ids(&wanted, &again, "")[0],
        "1",
        "looked at again after it was bought"
    );
    let mut cancelled = events;
    cancelled.extend(told(&[(7, "Order Cancelled", json!({"order_id": "o1"}))]));
    assert_eq!(
        ids(&wanted, &cancelled, ""),
        ["4", "2"],
        "config says nothing of it"
    );
    let undo = Undo {
        event: name("Order Cancelled"),
        same: "order_id".into(),
    };
    wanted.undone = vec![(name("Order Completed"), undo)];
    assert_eq!(ids(&wanted, &cancelled, ""), ["4", "2", "1"]);
}

#[test]
fn a_cart_is_what_was_put_in_without_what_was_taken_out() {
    let events = told(&[
        (
            1,
            "Product Added",
            json!({"cart_id": "a", "product_id": "1", "name": "Tea", "quantity": 2}),
        ),
        (
            2,
            "Product Added",
            json!({"cart_id": "a", "product_id": "2"}),
        ),
        (
            2,
            "Product Added",
            json!({"cart_id": "b", "product_id": "9"}),
        ),
        (
            3,
            "Product Added",
            json!({"cart_id": "a", "product_id": "1", "quantity": 1}),
        ),
        (
            4,
            "Product Added",
            json!({"cart_id": "a", "product_id": "3", "quantity": 5}),
        ),
        (
            5,
            "Product Removed",
            json!({"cart_id": "a", "product_id": "2"}),
        ),
        (
            6,
            "Product Removed",
            json!({"cart_id": "a", "product_id": "3", "quantity": 2}),
        ),
        (
            6,
            "Product Removed",
            json!({"cart_id": "a", "product_id": "9", "quantity": 2}),
        ),
        (
            7,
            "Product Viewed",
            json!({"cart_id": "a", "product_id": "8"}),
        ),
    ]);
    let cart = Wanted {
        same: Some("cart_id".into()),
        ..from(Source::Cart)
    };
    assert_eq!(ids(&cart, &events, "a"), ["3 x3", "1 x3"]);
    assert_eq!(ids(&cart, &events, "b"), ["9 x1"]);
    assert_eq!(ids(&cart, &events, "c"), [""; 0]);
    let tea = &select(&cart, &events, "a", at(100))[1];
    assert_eq!(
        tea.properties["name"],
        Value::Text("Tea".into()),
        "told when it was first put in"
    );
    let latest = from(Source::Cart);
    assert_eq!(
        ids(&latest, &events, ""),
        ["3 x3", "1 x3"],
        "the one touched last"
    );
    let recent = Wanted {
        within: Some(Span::hours(97)),
        ..cart
    };
    assert_eq!(ids(&recent, &events, "a"), ["3 x3"]);
}

#[test]
fn a_cart_that_was_told_whole_is_that_and_an_order_empties_it() {
    let mut events = told(&[
        (
            1,
            "Product Added",
            json!({"cart_id": "a", "product_id": "1", "image_url": "https://x.example/1.png"}),
        ),
        (
            2,
            "Product Added",
            json!({"cart_id": "a", "product_id": "2"}),
        ),
        (
            3,
            "Cart Viewed",
            json!({"cart_id": "a", "currency": "KRW", "products": [{"product_id": "3", "price": 5}, {"product_id": "1", "quantity": 4}, {"product_id": "3"}, "x"]}),
        ),
        (4, "Cart Viewed", json!({"cart_id": "a"})),
        (
            5,
            "Product Added",
            json!({"cart_id": "a", "product_id": "5"}),
        ),
    ]);
    let cart = Wanted {
        same: Some("cart_id".into()),
        ..from(Source::Cart)
    };
    assert_eq!(ids(&cart, &events, "a"), ["5 x1", "1 x4", "3 x2"]);
    let found = select(&cart, &events, "a", at(100));
    assert_eq!(
        found[1].properties["image_url"],
        Value::Text("https://x.example/1.png".into())
    );
    assert_eq!(
        found[2].properties["currency"],
        Value::Text("KRW".into()),
        "the event's"
    );
    events.extend(told(&[(6, "Order Completed", json!({"cart_id": "b"}))]));
    assert_eq!(ids(&cart, &events, "a").len(), 3, "another cart's order");
    events.extend(told(&[
        (7, "Order Completed", json!({"total": 5})),
        (
            8,
            "Product Added",
            json!({"cart_id": "a", "product_id": "6"}),
        ),
    ]));
    assert_eq!(ids(&cart, &events, "a"), ["6 x1"]);
    events.extend(told(&[(
        9,
        "Cart Viewed",
        json!({"cart_id": "a", "products": []}),
    )]));
    assert_eq!(ids(&cart, &events, "a"), [""; 0]);
}

#[test]
fn a_shop_without_cart_ids_has_one_cart() {
    let events = told(&[
        (1, "Product Added", json!({"product_id": "1"})),
        (2, "Order Completed", json!({"order_id": "o"})),
        (3, "Product Added", json!({"product_id": "2"})),
    ]);
    assert_eq!(ids(&from(Source::Cart), &events, ""), ["2 x1"]);
}

#[test]
fn the_order_is_the_entrys_or_the_latest() {
    let events = told(&[
        (
            1,
            "Order Completed",
            json!({"order_id": "o1", "products": [{"product_id": "1", "quantity": 2}, {"product_id": "2"}]}),
        ),
        (
            2,
            "Order Completed",
            json!({"order_id": "o2", "products": [{"product_id": "3"}]}),
        ),
        (3, "Order Completed", json!({"order_id": 3})),
    ]);
    let entrys = Wanted {
        same: Some("order_id".into()),
        ..from(Source::Order)
    };
    assert_eq!(ids(&entrys, &events, "o1"), ["1 x2", "2"]);
    assert_eq!(ids(&entrys, &events, "o9"), [""; 0]);
    assert_eq!(ids(&from(Source::Order), &events[..2], ""), ["3"]);
    assert_eq!(
        ids(&entrys, &events, "3"),
        [""; 0],
        "an order that names no products"
    );
}

#[test]
fn fewer_than_asked_for_is_told() {
    let wanted = Wanted {
        fewest: 2,
        ..from(Source::Cart)
    };
    assert_eq!(too_few(&wanted, 1).as_deref(), Some("1 of at least 2"));
    assert_eq!(too_few(&wanted, 2), None);
    assert_eq!(too_few(&from(Source::Cart), 0), None);
}

/// One hostile customer must not hold up the outbox: what grew with the square of these would not end in minutes.
#[test]
fn thousands_of_products_are_taken_without_effort() {
    let many: Vec<serde_json::Value> = (0..1_000)
        .map(|n| json!({"product_id": format!("p{n}"), "name": "x".repeat(100)}))
        .collect();
    let rows: Vec<(i64, &str, serde_json::Value)> = (0..40)
        .map(|n| {
            (
                n,
                ["Cart Viewed", "Product Added"][n as usize % 2],
                json!({"cart_id": "a", "products": many}),
            )
        })
        .collect();
    let events = told(&rows);
    let cart = Wanted {
        same: Some("cart_id".into()),
        ..from(Source::Cart)
    };
    assert_eq!(select(&cart, &events, "a", at(100)).len(), 12);
    assert_eq!(select(&of("Cart Viewed"), &events, "", at(100)).len(), 12);
}
