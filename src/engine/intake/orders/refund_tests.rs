//! Refunds with their order's number beside them: what goes off which order, and what is left out together.

use super::Survey;
use super::tests::{made, told};
use serde_json::{Value, json};

/// Each order's number, total and parent, and the lines of what is rejected in all.
fn with_parents(export: &str) -> (Vec<Value>, Vec<u64>) {
    let (lines, _) = made(export);
    let orders = lines.iter().filter(|line| line["type"] == "track");
    let shown = |o: &Value| {
        let said = &o["properties"];
        json!([said["order_id"], said["total"], said["parent_id"]])
    };
    let survey = Survey::of(export.as_bytes(), &told()).unwrap();
    let mut rejected = Vec::new();
    let taken = survey.read(export.as_bytes(), |row| rejected.push(row.line));
    let taken = taken.unwrap();
    assert_eq!(taken.undone(), 0, "{export}");
    if taken.has_bad_orders() {
        let others = survey.others(export.as_bytes(), &taken, |row| rejected.push(row.line));
        others.unwrap();
    }
    rejected.sort_unstable();
    rejected.dedup();
    (orders.map(shown).collect(), rejected)
}

#[test]
fn only_a_refund_goes_off_the_order_that_it_names() {
    for (rows, want) in [
        // A discount of an order that follows another, and an exchange: each is its own.
        (
            &["1,0,Tea,1,8", "2,1,Tea,1,8", "2,1,Less,1,-3"][..],
            json!([["1", 8, "0"], ["2", 5, "1"]]),
        ),
        (
            &["2,1,Tea,-1,-8", "2,1,Cup,2,20", "1,,Tea,1,8"],
            json!([["1", 8, null], ["2", 12, "1"]]),
        ),
        // The same where the named order is not here.
        (
            &["2,7,Cup,1,5", "2,7,Less,1,-2", "1,7,Tea,1,8"],
            json!([["1", 8, "7"], ["2", 3, "7"]]),
        ),
        // A refund of several rows, in whichever order; the shop's row says the order only once.
        (
            &[
                "9,1,Tea,-1,-8",
                "1,,Tea,2,16",
                "9,,Cup,-1,-5",
                "1,,Cup,2,10",
            ],
            json!([["1", 13, null]]),
        ),
    ] {
        let mut export = String::from("order id,parent id,product,qty,total,customer,date\n");
        for row in rows {
            export.push_str(&format!("{row},a,2025-01-01\n"));
        }
        let (mut orders, rejected) = with_parents(&export);
        orders.sort_by_key(|order| order[0].as_str().map(str::to_owned));
        assert_eq!((json!(orders), rejected), (want, vec![]), "{export}");
    }
}

#[test]
fn a_refund_that_cannot_be_read_and_its_order_are_left_out_together() {
    for rows in [
        // The amount, in this order and that; a number; an open quote; a field too many, and too few.
        &["1,,Tea,1,8", "9,1,Tea,,n/a"][..],
        &["9,1,Tea,x,-8", "1,,Tea,1,8"],
        &["1,,Tea,1,8", ",1,Tea,,n/a"],
        &["1,,Tea,1,8", "9,1,\"Tea,-1,-8"],
        &["1,,Tea,1,8", "9,1,Tea, green,-1,-8"],
        &["1,,Tea,1,8", "9,1,Tea"],
        // What is left of the refund is not put to the order, and the other way round.
        &["1,,Tea,1,8", "9,1,Tea,-1,-4", "9,1,Tea,-1,n/a"],
        &["9,1,Tea,-1,-4", "1,,Tea,1,n/a"],
        &["9,1,Tea,-1,-4", "1,,Tea,1,8", "1,,\"Tea,1,8"],
    ] {
        let mut export = String::from("order id,parent id,product,qty,total,customer,date\n");
        for row in rows {
            export.push_str(&format!("{row},a,2025-01-01\n"));
        }
        // Beside others that nothing is wrong with.
        export.push_str("5,,Tea,1,8,b,2025-01-01\n6,5,Tea,1,7,b,2025-01-02\n");
        let (orders, rejected) = with_parents(&export);
        let all: Vec<u64> = (2..).take(rows.len()).collect();
        assert_eq!(rejected, all, "{export}");
        assert_eq!(
            json!(orders),
            json!([["5", 8, null], ["6", 7, "5"]]),
            "{export}"
        );
    }
}
