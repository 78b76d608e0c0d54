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
    // What is much in dollars is nothing in won.
    let figures = |shop: &str, file: &str| {
        let text = fs::read_to_string(house.path(&format!("{shop}/campaigns/{file}.toml")));
        let text = text.unwrap();
        let figure = |line: &str| Some(line.split_once("\">= ")?.1.split_once('"')?.0.to_owned());
        let sums = text.lines().filter(|line| !line.contains("count"));
        let all: Vec<String> = sums
            .filter_map(figure)
            .filter(|f| !f.ends_with('d'))
            .collect();
        all
    };
    assert_eq!(figures("shop", "tags"), ["1000000", "300000"]);
    assert_eq!(figures("shop", "segments"), ["300000"]);
    house
        .run(&["init", "other", "--timezone", "Europe/Berlin"])
        .good();
    assert_eq!(figures("other", "tags"), ["1000", "300"]);

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
        "amounts with a decimal point, a total in each row of an order",
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
fn what_high_value_is_comes_from_the_export() {
    let house = House::new();
    let mut export = String::from("order id,customer,date,total\n");
    for n in 1..=50 {
        export.push_str(&format!("{n},c-{n},2025-03-01,{}\n", n * 10_000));
    }
    house.write("orders.csv", &export);
    let told = house
        .run(&[
            "init",
            "shop",
            "--from",
            "orders.csv",
            "--timezone",
            "UTC",
            "--yes",
        ])
        .good();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let why = "By the export: of 50 customers who ordered in the year up to 2025-03-01, about a tenth spent 460,000 or more, four tenths 310,000.";
    assert!(told.contains(why), "{told}");
    let tags = fs::read_to_string(house.path("shop/campaigns/tags.toml")).unwrap();
    for want in [why, "is     = \">= 460000\"", "is = \">= 310000\""] {
        assert!(tags.contains(want), "{want}: {tags}");
    }
    let config = house.path("shop/config.toml");
    let checked = house.run(&["--config", config.to_str().unwrap(), "check"]);
    assert!(checked.good().contains("good"));
}

#[test]
fn rejected_rows_are_mended_and_read_as_the_whole_was() {
    let house = House::new();
    // Whoever ordered for so much bears a tag.
    house.write(
        "campaigns/tags.toml",
        "[rich]\nevent = \"Order Completed\"\nsum = \"total\"\nis = \"24000\"\n",
    );
    let rows = "order id;customer;date;product;total\n\
         1;a;31.03.2025;Tea;8,50\n1;a;31.03.2025;Cup;5,00\n\
         2;b;01.03.2025;Tea;8.000\n2;b;01.03.2025;Cup;8.000\n2;b;01.03.2025;Pot\n";
    house.write("orders.csv", rows);
    let came = house.run(&["import", "orders.csv", "--orders"]);
    assert_eq!(came.code, 1, "{}", came.all());
    assert!(came.out.contains("1 order of 2 customers"), "{}", came.out);
    let how = came.err.lines().find_map(|line| {
        line.trim()
            .strip_prefix("reveille import orders.csv.rejected ")
    });
    let how = how.unwrap_or_else(|| panic!("{}", came.err));
    assert_eq!(
        how,
        "--orders --dates %d.%m.%Y --decimals comma --totals item"
    );
    // All of the order stands there, since a part of it would be another order.
    let rejected = fs::read_to_string(house.path("orders.csv.rejected")).unwrap();
    assert_eq!(rejected.lines().count(), 4, "{rejected}");
    let mended = rejected.replace("01.03.2025;Pot", "01.03.2025;Pot;8.000");
    house.write("orders.csv.rejected", &mended);
    let options: Vec<&str> = how.split_whitespace().collect();
    let again = house.run(&[&["import", "orders.csv.rejected"], &options[..]].concat());
    let again = again.good();
    assert!(again.contains("1 event (1 new"), "{again}");
    let shown = house.run(&["customer", "show", "b", "--json"]).json();
    assert_eq!(shown["tags"].to_string(), "[\"rich\"]", "{shown}");

    for (option, want) in [
        (["--decimals", "dot"], "decimal \"point\" or"),
        (["--totals", "sum"], "each \"item\" or"),
    ] {
        let came = house.run(&[&["import", "orders.csv", "--orders"], &option[..]].concat());
        assert!(came.code == 2 && came.err.contains(want), "{}", came.all());
    }
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
    let how = "reveille --config shop/config.toml import orders.csv.rejected --orders --dates %d/%m/%Y --decimals point --map who=customer --map when=time";
    assert!(came.err.contains(how), "{}", came.err);
    assert!(came.out.contains("2 orders of 1 customer"), "{}", came.out);
    assert!(
        came.out.contains("What the campaigns will do"),
        "{}",
        came.out
    );
}

/// The examples come with the program: one is taken into a project, and the project is whole.
#[test]
fn every_example_goes_into_a_project_and_overwrites_nothing() {
    let house = House::new();
    house
        .run(&["init", "shop", "--timezone", "Asia/Seoul"])
        .good();
    let config = house.path("shop/config.toml");
    let of = |name: &str| house.run(&["init", "shop", "--example", name]);
    let check = || {
        let config = config.to_str().unwrap();
        house.run(&["--config", config, "check", "--json"])
    };
    let listed = house.run(&["init", "--example", "list"]).good();
    let names: Vec<String> = (listed.lines())
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 19, "{listed}");
    assert!(listed.contains("has their birthday"), "{listed}");

    // It has no pools yet: the one that is wanted is written.
    let told = of("birthday").good();
    for path in [
        "campaigns/birthday.toml",
        "campaigns/coupons.toml",
        "templates/birthday_wish.ko.html.hbs",
    ] {
        assert!(
            told.contains(path) && house.path("shop").join(path).is_file(),
            "{path}: {told}"
        );
    }
    assert!(!told.contains("It wants more"), "{told}");
    let coupons = house.path("shop/campaigns/coupons.toml");
    let pools = fs::read_to_string(&coupons).unwrap();
    assert!(
        pools.contains("[birthday_tea]") && !pools.contains("[engraving]"),
        "{pools}"
    );
    assert_eq!(check().json()["warnings"], 0);

    // Nothing that is there is written to.
    let file = house.path("shop/campaigns/birthday.toml");
    fs::write(&file, "mine").unwrap();
    let again = of("birthday");
    assert_eq!(again.code, 1, "{}", again.all());
    assert!(
        again.err.contains("birthday.toml is there already"),
        "{}",
        again.err
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    fs::remove_file(&file).unwrap();
    let again = of("birthday");
    assert!(
        again
            .err
            .contains("birthday_wish.html.hbs is there already"),
        "{}",
        again.err
    );
    assert!(!file.exists(), "nothing was written");
    for path in ["html", "ko.html"] {
        fs::remove_file(house.path(&format!("shop/templates/birthday_wish.{path}.hbs"))).unwrap();
    }

    // What others want of files that are there is named, with the lines; with them the project is whole.
    for name in &names {
        let told = of(name).good();
        let mut wanted = String::new();
        for part in told.split("Put this into ").skip(1) {
            let (into, rest) = part.split_once(":\n\n").unwrap();
            let lines: Vec<&str> = (rest.lines())
                .take_while(|line| line.is_empty() || line.starts_with("    "))
                .map(str::trim_start)
                .collect();
            let lines = lines.join("\n");
            let (path, table) = into.split_once(", under ").unwrap_or((into, ""));
            let path = house.path(path);
            let before = fs::read_to_string(&path).unwrap();
            let text = match table {
                "" => format!("{before}\n{lines}\n"),
                table => before.replace(&format!("\n{table}\n"), &format!("\n{table}\n{lines}\n")),
            };
            fs::write(&path, text).unwrap();
            wanted.push_str(into);
        }
        let pool = ["secret_coupon", "welcome_series", "win_back"].contains(&name.as_str());
        assert_eq!(wanted.contains("coupons.toml"), pool, "{name}: {told}");
        if name == "welcome_series" {
            assert!(told.contains("It takes the place of welcome"), "{told}");
        }
        let checked = check();
        assert_eq!(checked.code, 0, "{name}: {}", checked.all());
    }
    let none = of("birthdya");
    assert_eq!(none.code, 4);
    assert!(
        none.err.contains("did you mean `birthday`?"),
        "{}",
        none.err
    );
    let nowhere = house.run(&["init", "elsewhere", "--example", "sunset"]);
    assert_eq!(nowhere.code, 4, "{}", nowhere.all());
    assert!(
        nowhere.err.contains("there is no project"),
        "{}",
        nowhere.err
    );
}

/// A project that was cut down: what the example includes comes along, what it refers to is named.
#[test]
fn an_example_says_what_a_smaller_project_lacks() {
    let house = House::new();
    house.run(&["init", "shop", "--timezone", "UTC"]).good();
    let shop = house.path("shop");
    fs::remove_dir_all(shop.join("templates/partials")).unwrap();
    fs::create_dir(shop.join("templates/partials")).unwrap();
    fs::write(shop.join("templates/partials/footer.html.hbs"), "mine").unwrap();
    fs::write(
        shop.join("campaigns/topics.toml"),
        "[news]\nname = \"News\"\n",
    )
    .unwrap();
    fs::write(shop.join("campaigns/tags.toml"), "").unwrap();
    let told = house
        .run(&["init", "shop", "--example", "vip_dormant"])
        .good();
    for want in [
        "campaigns/topics.toml:\n\n    [offers]\n    name        = { en = \"Offers\"",
        "campaigns/tags.toml:\n\n    [value_high]\n    event  = \"Order Completed\"",
        "config.toml, under [staff]:\n\n    crm = \"crm@shop.example\"",
        "templates/partials/layout.html.hbs",
    ] {
        assert!(told.contains(want), "{want}: {told}");
    }
    // A tag that is set by hand has no rule.
    assert!(!told.contains("vip_called"), "{told}");
    let partials = shop.join("templates/partials");
    assert!(partials.join("layout.html.hbs").is_file());
    assert_eq!(
        fs::read_to_string(partials.join("footer.html.hbs")).unwrap(),
        "mine"
    );
    assert!(!partials.join("footer.ko.html.hbs").exists());
}
