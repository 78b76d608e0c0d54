//! `reveille init`: a new project that runs as it is, and one made from a shop's own export of its orders.

mod cli_house;

use cli_house::House;
use encoding_rs::EUC_KR;
use std::fs;

/// An export of a Korean shop, one row an item: two years of two customers, and one cancelled order.
fn export() -> String {
    let mut rows = String::from(
        "주문번호,주문일시,회원아이디,주문자명,이메일,상품명,수량,결제금액,수신동의,주문상태,배송지주소\n",
    );
    rows.push_str("A-1,2024-03-01 18:30,mina,김민아,mina@customers.example,녹차,2,\"24,000\",동의,배송완료,서울시\n");
    rows.push_str("A-1,2024-03-01 18:30,mina,김민아,mina@customers.example,찻잔,1,\"9,500\",동의,배송완료,서울시\n");
    rows.push_str("A-2,2024-05-02 09:00,doyun,이도윤,doyun@customers.example,녹차,1,\"12,000\",거부,배송완료,부산시\n");
    rows.push_str("A-3,2024-05-03 09:00,doyun,이도윤,doyun@customers.example,녹차,1,\"12,000\",거부,주문취소,부산시\n");
    rows
}

#[test]
fn a_new_project_runs_and_overwrites_nothing() {
    let house = House::new();
    let told = house
        .run(&["init", "shop", "--timezone", "Asia/Seoul"])
        .good();
    assert!(
        told.contains("Asia/Seoul") && told.contains("cd shop"),
        "{told}"
    );
    let config = house.path("shop/config.toml");
    let config = config.to_str().unwrap();
    let checked = house.run(&["--config", config, "check"]);
    assert!(
        checked.good().contains("good"),
        "the shipped files are whole"
    );

    fs::write(config, "mine").unwrap();
    let again = house.run(&["init", "shop"]);
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains("is there already") && again.err.contains("nothing was written"),
        "{}",
        again.err
    );
    assert_eq!(fs::read_to_string(config).unwrap(), "mine");
}

#[test]
fn an_export_in_cp949_becomes_a_project_that_says_what_it_will_do() {
    let house = House::new();
    fs::write(house.path("orders.csv"), EUC_KR.encode(&export()).0).unwrap();
    let asked = [
        "init",
        "shop",
        "--from",
        "orders.csv",
        "--timezone",
        "Asia/Seoul",
    ];

    // Nobody sits there to say yes: it shows what it would do, and does nothing.
    let shown = house.run(&asked);
    assert_eq!(shown.code, 1, "{}", shown.all());
    assert!(!house.path("shop").exists());
    for want in ["4 rows, cp949", "주문번호", "order_id", "(left out)", "A-1"] {
        assert!(shown.out.contains(want), "{want}: {}", shown.out);
    }
    assert!(!shown.out.contains("서울시"), "{}", shown.out);
    assert!(shown.err.contains("--yes"), "{}", shown.err);

    let told = house.run(&[&asked[..], &["--yes"]].concat()).good();
    for want in [
        "2 orders of 2 customers (without 1 that were cancelled or sent back)",
        "advertising can reach 1 of 2 customers",
        "1 of 2 customers get a mail of wake_dormant",
        "1 get none: the customer has left this topic",
    ] {
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(want), "{want}: {told}");
        assert!(!told.contains("fell due"), "{told}");
    }
    let config = house.path("shop/config.toml");
    let config = config.to_str().unwrap();
    let mina = house
        .run(&["--config", config, "customer", "show", "mina", "--json"])
        .json();
    assert_eq!(mina["attributes"]["first_name"], "김민아", "{mina}");

    // The next export holds the old orders, too: they count nothing twice.
    let next = export()
        + "A-4,2024-06-01 10:00,mina,김민아,mina@customers.example,녹차,1,\"12,000\",,배송완료,서울시\n";
    house.write("orders.csv", &next);
    let again = house
        .run(&["--config", config, "import", "orders.csv", "--orders"])
        .good();
    assert!(
        again.contains("3 events (1 new, 2 known already)"),
        "{again}"
    );
    assert!(again.contains("total <- 결제금액"), "{again}");
}

#[test]
fn an_export_that_is_not_understood_is_told_how_to_say_it() {
    let house = House::new();
    let twice = "who,when,total\nc-1,3/1/2025,12.50\nc-1,4/2/2025,12.50\nc-2,5/3/2025,x\n";
    house.write("orders.csv", twice);
    let asked = [
        "init",
        "shop",
        "--from",
        "orders.csv",
        "--timezone",
        "UTC",
        "--yes",
    ];
    let map = ["--map", "who=customer", "--map", "when=time"];
    for (more, want) in [
        (&[][..], "no column says when the order was made"),
        (&map, "month first or the day first"),
        (
            &["--map", "nobody=customer"],
            "there is no column \"nobody\"",
        ),
        (&["--encoding", "utf-7"], "there is no encoding"),
        (
            &[
                "--map",
                "who=customer",
                "--map",
                "when=time",
                "--dates",
                "%m/%d/%Y",
                "--locale",
                "de",
            ],
            "begin with --locale en",
        ),
    ] {
        let came = house.run(&[&asked[..], more].concat());
        let told = came.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            came.code != 0 && told.contains(want),
            "{want}: {}",
            came.all()
        );
        assert!(!house.path("shop").exists(), "{}", came.all());
    }
    // One bad row costs that row, and is told.
    let came = house.run(&[&asked[..], &map, &["--dates", "%d/%m/%Y"]].concat());
    assert_eq!(came.code, 1, "{}", came.all());
    assert!(
        came.err.contains("line 4: the total \"x\" is not a number"),
        "{}",
        came.err
    );
    let rejected = fs::read_to_string(house.path("orders.csv.rejected")).unwrap();
    assert_eq!(rejected, "who,when,total\nc-2,5/3/2025,x\n");
    assert!(came.out.contains("2 orders of 1 customer"), "{}", came.out);
    assert!(
        came.out.contains("What the campaigns will do"),
        "{}",
        came.out
    );
}
