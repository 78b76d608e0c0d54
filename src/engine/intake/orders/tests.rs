//! Exports of shops, whole: what orders and customers they become.

use super::{Decimals, Survey, Told, Totals};
use crate::domain::time::Timestamp;
use crate::engine::intake::rows::{Options, Rows};
use crate::engine::intake::{Reading, What};
use chrono_tz::Asia::Seoul;
use serde_json::{Value, json};

pub(super) fn told() -> Told {
    Told {
        map: Vec::new(),
        dates: None,
        zone: Seoul,
        decimals: None,
        totals: None,
    }
}

/// The lines that an export becomes, and what was refused of it.
pub(super) fn made(export: &str) -> (Vec<Value>, Vec<String>) {
    made_as(export, &told())
}

fn made_as(export: &str, told: &Told) -> (Vec<Value>, Vec<String>) {
    let survey = Survey::of(export.as_bytes(), told).unwrap();
    let mut refused = Vec::new();
    let taken = survey.read(export.as_bytes(), |e| refused.push(e.to_string()));
    let mut out = Vec::new();
    taken.unwrap().write(&mut out).unwrap();
    // Whatever is written, an import takes.
    let received = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let rows = Rows::open(out.as_slice(), Options::new(Reading::new(received))).unwrap();
    for (line, row) in rows {
        let row = row.unwrap_or_else(|e| panic!("line {line}: {e}"));
        assert!(row.counts_once() || matches!(row.what, What::Profile { .. }));
    }
    let lines = String::from_utf8(out).unwrap();
    let lines = lines.lines().map(|l| serde_json::from_str(l).unwrap());
    (lines.collect(), refused)
}

#[test]
fn an_order_of_several_items_is_one_order() {
    let (lines, refused) = made(
        "Name,Email,Financial Status,Paid at,Accepts Marketing,Currency,Total,Lineitem quantity,Lineitem name,Lineitem price,Billing Name,Shipping City\n\
         #1001,Jo@customers.example,paid,2025-03-01 18:30:00 +0000,yes,EUR,25.50,2,Green tea,8.00,Jo van Dam,Utrecht\n\
         #1001,Jo@customers.example,,,,,,1,\"Cup, blue\",9.50,,\n\
         #1002,jo@customers.example,refunded,2025-03-05 09:00:00 +0000,no,EUR,8.00,1,Green tea,8.00,Jo van Dam,Utrecht\n\
         #1003,,paid,2025-03-06 09:00:00 +0000,,EUR,8.00,1,Green tea,8.00,,\n",
    );
    assert_eq!(
        lines,
        [
            json!({"type": "identify", "userId": "jo@customers.example", "traits": {
                "email": "jo@customers.example", "name": "Jo van Dam", "first_name": "Jo", "last_name": "van Dam",
                "consent": false, "consent_at": "2025-03-05T09:00:00Z", "consent_source": "export of orders",
            }}),
            json!({"type": "track", "userId": "jo@customers.example", "event": "Order Completed",
                "timestamp": "2025-03-01T18:30:00Z", "messageId": "order-#1001", "properties": {
                "order_id": "#1001", "currency": "EUR", "status": "paid", "total": 25.5, "products": [
                    {"name": "Green tea", "price": 8, "quantity": 2},
                    {"name": "Cup, blue", "price": 9.5, "quantity": 1},
                ],
            }}),
        ]
    );
    assert_eq!(refused, ["line 5: it does not say who ordered"]);
}

#[test]
fn an_order_whose_id_is_told_beside_its_name_is_put_together_by_the_name() {
    // Only the first row of an order bears the id.
    let export = "Name,Email,Paid at,Total,Lineitem quantity,Lineitem name,Lineitem price,Id\n\
         #1001,jo@customers.example,2025-03-01 18:30:00 +0000,25.50,2,Green tea,8.00,5001\n\
         #1001,jo@customers.example,,,1,\"Cup, blue\",9.50,\n";
    let map = vec![("Id".to_owned(), "order_id".to_owned())];
    for told in [told(), Told { map, ..told() }] {
        let (lines, refused) = made_as(export, &told);
        assert_eq!(refused, Vec::<String>::new());
        let [_, order] = lines.as_slice() else {
            panic!("a customer and an order: {lines:?}")
        };
        assert_eq!(order["properties"]["order_id"], "5001");
        let products = order["properties"]["products"].as_array();
        assert_eq!(products.map(Vec::len), Some(2));
    }
}

#[test]
fn a_korean_shops_words_dates_and_amounts_are_understood() {
    let export = "주문번호,주문일시,회원아이디,주문자명,이메일,상품명,수량,결제금액,수신동의,주문상태,배송지주소\n\
         A-1,2025. 3. 1. 오후 6:30,mina,김민아,mina@customers.example,녹차,2,\"24,000원\",동의,배송완료,서울\n\
         A-1,2025. 3. 1. 오후 6:30,mina,김민아,mina@customers.example,찻잔,1,\"9,500원\",동의,배송완료,서울\n\
         A-2,2025. 3. 2. 오전 9:00,doyun,이도윤,doyun@customers.example,녹차,1,\"12,000원\",,주문취소,부산\n";
    let survey = Survey::of(export.as_bytes(), &told()).unwrap();
    assert!(survey.is_korean);
    assert_eq!(survey.currency, Some("KRW"));
    assert_eq!(survey.form.as_deref(), Some("%Y. %m. %d. %p %I:%M"));
    let (lines, refused) = made(export);
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(lines.len(), 3, "two customers, one order: {lines:?}");
    assert_eq!(lines[1]["traits"]["first_name"], "김민아");
    assert_eq!(lines[1]["traits"]["consent"], true);
    let order = &lines[2];
    assert_eq!(order["timestamp"], "2025-03-01T09:30:00Z");
    // Each row has its own amount: they are added.
    assert_eq!(order["properties"]["total"], 33_500);
    assert_eq!(order["properties"]["currency"], "KRW");
    assert_eq!(order["properties"]["products"][1]["name"], "찻잔");
    assert!(
        !order.to_string().contains("서울"),
        "where it was sent to is nobody's business: {order}"
    );
}

#[test]
fn what_was_sent_back_in_part_leaves_the_rest() {
    let (lines, refused) = made(
        "order id,customer,date,status,cancelled at,product,price,qty\n\
         1,a,2025-01-01,partially_refunded,-,Tea,8,1\n\
         2,b,2025-01-02,paid,0000-00-00,Tea,8,1\n\
         2,b,2025-01-02,취소완료,,Cup,5,1\n\
         3,c,2025-01-03,refunded,,Tea,8,1\n\
         3,c,2025-01-03,,,Cup,5,1\n\
         4,d,2025-01-04,paid,2025-01-05,Tea,8,1\n",
    );
    assert_eq!(refused, Vec::<String>::new());
    let told: Vec<_> = (lines.iter())
        .map(|l| {
            (
                l["userId"].as_str().unwrap(),
                l["properties"]["total"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("a", 8), ("b", 8)]);
}

#[test]
fn an_order_of_which_a_row_is_bad_is_left_out_as_a_whole() {
    let export = "order id,customer,date,product,price\n1,a,2025-01-01,Tea,8\n1,a,2025-01-01,Cup,n/a\n2,b,2025-01-02,Tea,8\n";
    let (lines, refused) = made(export);
    assert_eq!(refused, ["line 3: the price \"n/a\" is not a number"]);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["properties"]["order_id"], "2");
    let survey = Survey::of(export.as_bytes(), &told()).unwrap();
    let taken = survey.read(export.as_bytes(), |_| ()).unwrap();
    let mut others = Vec::new();
    let read = survey.others(export.as_bytes(), &taken, |row| others.push(row.line));
    read.unwrap();
    assert_eq!(others, [2, 3], "to be mended together");
}

/// Each order's customer and total.
fn totals(export: &str) -> Vec<(String, Value)> {
    let (lines, refused) = made(export);
    assert_eq!(refused, Vec::<String>::new(), "{export}");
    let orders = lines.iter().filter(|line| line["type"] == "track");
    let told = |o: &Value| {
        let who = o["userId"].as_str().unwrap().to_owned();
        (who, o["properties"]["total"].clone())
    };
    orders.map(told).collect()
}

#[test]
fn negative_rows_take_back_what_they_name_wherever_they_stand() {
    for (rows, want, products) in [
        // All of it, in whichever order.
        ("Tea,1,8.00,8.00\n1,Tea,-1,8.00,-8.00", None, json!(null)),
        ("Tea,-1,8.00,-8.00\n1,Tea,1,8.00,8.00", None, json!(null)),
        // One of two; and one of two products.
        (
            "Tea,2,8.00,16.00\n1,Tea,-1,8.00,-8.00",
            Some(8),
            json!([{"name": "Tea", "price": 8, "quantity": 1}]),
        ),
        (
            "Tea,1,8.00,8.00\n1,Cup,1,5.00,5.00\n1,Tea,-1,8.00,-8.00",
            Some(5),
            json!([{"name": "Cup", "price": 5, "quantity": 1}]),
        ),
        // Over two rows of the same thing.
        (
            "Tea,1,8.00,8.00\n1,Tea,2,8.00,16.00\n1,Tea,-2,8.00,-16.00",
            Some(8),
            json!([{"name": "Tea", "price": 8, "quantity": 1}]),
        ),
        (
            "Tea,3,8.00,24.00\n1,Tea,1,8.00,-8.00",
            Some(16),
            json!([{"name": "Tea", "price": 8, "quantity": 2}]),
        ),
        // Money without the thing.
        (
            "Tea,1,8.00,8.00\n1,Tea,1,,-2.00",
            Some(6),
            json!([{"name": "Tea", "price": 8, "quantity": 1}]),
        ),
        (
            "Tea,1,8.00,8.00\n1,Discount,1,,-3.00",
            Some(5),
            json!([{"name": "Tea", "price": 8, "quantity": 1}]),
        ),
        // The money of all, without a word on what.
        (
            "Tea,1,8.00,8.00\n1,Cup,1,5.00,5.00\n1,,,,-13.00",
            None,
            json!(null),
        ),
    ] {
        let mut export = String::from("order id,product,qty,price,total,customer,date\n");
        for row in format!("1,{rows}").lines() {
            export.push_str(&format!("{row},a,2025-01-01\n"));
        }
        // Another order says whose totals they are.
        export.push_str("2,Tea,1,8.00,8.00,b,2025-01-02\n2,Cup,1,5.00,5.00,b,2025-01-02\n");
        let (lines, refused) = made(&export);
        assert_eq!(refused, Vec::<String>::new());
        let found = lines.iter().find(|l| l["properties"]["order_id"] == "1");
        let total = found.map(|order| order["properties"]["total"].as_i64().unwrap());
        let of = found.map_or(json!(null), |o| o["properties"]["products"].clone());
        assert_eq!((total, of), (want, products), "{rows}");
        assert_eq!(lines.len(), 1 + usize::from(want.is_some()), "{rows}");
    }
}

#[test]
fn what_is_taken_back_goes_off_totals_of_orders_and_off_sums_of_prices() {
    for (export, want) in [
        // The order's total in each row, before anything came back.
        (
            "order id,customer,date,product,qty,price,total\n1,a,2025-01-01,Tea,1,8,13\n1,a,2025-01-01,Cup,1,5,13\n1,a,2025-01-02,Cup,-1,5,13\n",
            &[("a", 8)][..],
        ),
        // The same, with the whole order sent back, its total repeated in both rows.
        (
            "order id,customer,date,product,qty,total\n1,a,2025-01-01,Tea,1,13\n1,a,2025-01-01,Cup,1,13\n1,a,2025-01-02,Tea,-1,-13\n1,a,2025-01-02,Cup,-1,-13\n2,b,2025-01-02,Tea,1,8\n",
            &[("b", 8)],
        ),
        // No totals: what is left is added up.
        (
            "order id,customer,date,product,qty,price\n1,a,2025-01-01,Tea,2,8\n1,a,2025-01-02,Tea,-1,8\n2,b,2025-01-01,Tea,1,8\n2,b,2025-01-02,Tea,1,-8\n3,c,2025-01-01,Tea,1,8\n3,c,2025-01-01,Discount,1,-3\n",
            &[("a", 8), ("c", 5)],
        ),
        // The row of a refund is cancelled itself: it takes back no other's money.
        (
            "order id,customer,date,status,product,qty,total\n1,a,2025-01-01,refunded,Tea,1,8\n1,a,2025-01-01,paid,Cup,1,5\n1,a,2025-01-02,refunded,Tea,-1,-8\n2,b,2025-01-01,paid,Tea,1,8\n2,b,2025-01-01,paid,Tea,2,16\n",
            &[("a", 5), ("b", 24)],
        ),
        // A refund under a number of its own, with its order's beside it, before it or behind; of one that is not here; and
        // an order that follows another.
        (
            "order id,parent id,customer,date,product,qty,total\n9,1,a,2025-01-03,Tea,-1,-8\n1,0,a,2025-01-01,Tea,1,8\n2,0,b,2025-01-01,Tea,2,16\n2,0,b,2025-01-01,Cup,1,5\n10,2,b,2025-01-03,Tea,-1,-8\n11,7,c,2025-01-03,Tea,-1,-8\n12,2,d,2025-02-01,Tea,1,8\n",
            &[("b", 13), ("d", 8)],
        ),
        // No products.
        (
            "order id,customer,date,total\n1,a,2025-01-01,8\n1,a,2025-01-03,-8\n2,b,2025-01-01,8\n2,b,2025-01-03,-3\n",
            &[("b", 5)],
        ),
    ] {
        let want: Vec<_> = (want.iter())
            .map(|(who, total)| ((*who).to_owned(), json!(total)))
            .collect();
        assert_eq!(totals(export), want, "{export}");
    }
}

#[test]
fn a_status_that_says_partly_wins_over_a_date_of_refund() {
    let export = "order id,customer,date,status,refunded at,product,price,qty\n\
         1,a,2025-01-01,partially_refunded,2025-01-05,Tea,8,1\n\
         1,a,2025-01-01,,2025-01-05,Cup,5,1\n\
         2,b,2025-01-02,부분환불,2025-01-05,Tea,8,1\n\
         3,c,2025-01-03,일부취소,2025-01-05,Tea,8,1\n\
         4,d,2025-01-04,일부 환불,,Tea,8,1\n\
         5,e,2025-01-05,부분취소,,Tea,8,1\n\
         6,f,2025-01-06,paid,2025-01-07,Tea,8,1\n\
         7,g,2025-01-07,환불,,Tea,8,1\n";
    let who: Vec<_> = totals(export).into_iter().collect();
    let want = [("a", 13), ("b", 8), ("c", 8), ("d", 8), ("e", 8)];
    assert_eq!(who, want.map(|(who, total)| (who.to_owned(), json!(total))));
}

#[test]
fn a_row_that_cannot_be_read_takes_its_order_along() {
    // A comma that nobody quoted, a quote that nobody closed, a row cut short.
    for bad in [
        "1,a,2025-01-01,Cup, blue,5",
        "1,a,2025-01-01,\"Cup,5",
        "1,a,2025-01-01",
        "\"1,a,2025-01-01,Cup,5",
    ] {
        let export = format!(
            "order id,customer,date,product,price\n1,a,2025-01-01,Tea,8\n{bad}\n1,a,2025-01-01,Pot,20\n2,b,2025-01-02,Tea,8\n"
        );
        let (lines, refused) = made(&export);
        assert_eq!(refused.len(), 1, "{bad}");
        assert_eq!(lines.len(), 1, "{bad}: {lines:?}");
        assert_eq!(lines[0]["properties"]["order_id"], "2");
        let survey = Survey::of(export.as_bytes(), &told()).unwrap();
        let taken = survey.read(export.as_bytes(), |_| ()).unwrap();
        assert!(taken.has_bad_orders());
        assert_eq!((taken.orders(), taken.undone()), (1, 0));
        let mut others = Vec::new();
        let read = survey.others(export.as_bytes(), &taken, |row| others.push(row.line));
        read.unwrap();
        assert_eq!(others, [2, 4], "{bad}");
    }
}

#[test]
fn what_a_few_rows_do_not_show_can_be_told() {
    // Mended rows of a shop whose totals are those of items, and whose thousands a point parts.
    let export = "order id,customer,date,product,total\n1,a,2025-01-01,Tea,8.000\n1,a,2025-01-01,Cup,8.000\n";
    let of = |decimals, totals| {
        let told = Told {
            decimals,
            totals,
            ..told()
        };
        made_as(export, &told).0[0]["properties"]["total"].clone()
    };
    assert_eq!(of(None, None), 8_000);
    assert_eq!(of(None, Some(Totals::Item)), 16_000);
    assert_eq!(of(Some(Decimals::Point), Some(Totals::Item)), 16);
    assert_eq!(of(Some(Decimals::Point), Some(Totals::Order)), 8);
    // Equal totals are those of items, where each is what its own row costs.
    let export = "order id,customer,date,product,price,qty,total\n1,a,2025-01-01,Tea,4,2,8\n1,a,2025-01-01,Cup,8,1,8\n";
    assert_eq!(totals(export), [("a".to_owned(), json!(16))]);
}

#[test]
fn a_currency_of_thousandths_has_them() {
    let export =
        "order id,customer,date,currency,total\n1,a,2025-01-01,KWD,12.500\n2,b,2025-01-02,,8.250\n";
    let want = [("a".to_owned(), json!(12.5)), ("b".to_owned(), json!(8.25))];
    assert_eq!(totals(export), want);
}

#[test]
fn a_year_of_spending_ends_with_the_last_order() {
    let export = "order id,customer,date,total\n1,a,2024-01-01,100\n2,a,2024-06-01,5\n3,b,2025-03-01,8\n4,a,2025-03-02,7\n5,c,2025-04-01,-9\n";
    let survey = Survey::of(export.as_bytes(), &told()).unwrap();
    let taken = survey.read(export.as_bytes(), |_| ()).unwrap();
    let spending = taken.spending().unwrap();
    assert_eq!(spending.sums, [8.0, 12.0]);
    assert_eq!(spending.until.to_string(), "2025-03-02T03:00:00Z");
}

#[test]
fn one_odd_order_changes_no_other_ones_total() {
    let mut export = String::from("order id,customer,date,product,total\n");
    for order in 1..=3 {
        for _ in 0..3 {
            export.push_str(&format!("{order},c{order},2025-01-01,Tea,100\n"));
        }
    }
    export.push_str("9,z,2025-01-01,Tea,100\n9,z,2025-01-01,Cup,80\n");
    let (lines, _) = made(&export);
    assert!(
        lines.iter().all(|l| l["properties"]["total"] == 100),
        "{lines:?}"
    );
}

#[test]
fn a_bare_list_of_purchases_is_enough() {
    let (lines, refused) = made(
        "customer,date,units,dollars\n1,1997-01-01,2,29.33\n2,1997-01-18,x,10\n1,1997-01-18,1,-5\n\n",
    );
    assert_eq!(refused, ["line 3: the quantity \"x\" is not a number"]);
    assert_eq!(
        lines,
        [
            json!({"type": "track", "userId": "1", "event": "Order Completed",
            "timestamp": "1997-01-01T03:00:00Z", "properties": {"quantity": 2, "total": 29.33}})
        ]
    );
}

#[test]
fn items_without_a_total_are_added_up() {
    let (lines, _) = made(
        "order id;customer id;date;product;unit price;qty\n7;c;2025-01-01;Tea;\"8,50\";2\n7;c;2025-01-01;Cup;\"1,00\";1\n",
    );
    assert_eq!(lines[0]["properties"]["total"], 18);
}

#[test]
fn what_is_no_table_of_orders_is_told() {
    for (text, want) in [
        ("", "the file is empty"),
        ("customer,date\n", "no rows"),
        ("PK\u{3}\u{4}", "workbook"),
        ("colour,size\nred,9\n", "no column says when"),
    ] {
        let error = Survey::of(text.as_bytes(), &told())
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{error}");
    }
}
