//! Forgetting, end to end by the real program: after `customer forget --now` no byte of the customer is left in the
//! store's folder nor in the daemon's log, whatever is unpacked; nobody else is changed; a daemon that is killed in the
//! middle goes on; and a restored backup of before forgets again.

mod cli_house;

use cli_house::{House, Running};
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader, SerializedFileReader};
use regex::bytes::Regex;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// None of these may be found afterwards: id, former id, address, former address that refused, name, and what they put into the cart.
const TRACES: [&str; 6] = [
    "c-zebra-77",
    "zebra-browser-5",
    "zebra.one@customers",
    "zebra.old@customers",
    "Zebrafirst",
    "Zebracup",
];

const NOW: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"
[trigger]
event = "Receipt Asked"
[[step]]
id       = "receipt"
template = "welcome"
subject  = "Receipt for {{default customer.first_name \"you\"}}"
expires  = "1d"
"#;

fn rows(house: &House) {
    let mut rows = String::from(cli_house::ROWS);
    let mut add = |row: Value| rows.push_str(&format!("{row}\n"));
    add(
        json!({"type": "identify", "userId": "c-zebra-77", "timestamp": "2026-01-04T00:00:00Z", "messageId": "z-0",
        "traits": {"email": "zebra.old@customers.example", "consent": false}}),
    );
    add(
        json!({"type": "identify", "userId": "c-zebra-77", "timestamp": "2026-01-05T00:00:00Z", "messageId": "z-1",
        "traits": {"email": "zebra.one@customers.example", "firstName": "Zebrafirst", "consent": true}}),
    );
    for n in 0..60 {
        add(
            json!({"type": "track", "userId": "c-zebra-77", "event": "Order Completed", "messageId": format!("z-e-{n}"),
            "timestamp": "2026-02-01T00:00:00Z", "properties": {"total": n, "note": "Zebracup"}}),
        );
    }
    house.write("rows.jsonl", &rows);
}

/// A shop that listens, with a key.
fn shop() -> (House, String) {
    let house = House::new();
    house.write("campaigns/receipt.toml", NOW);
    let printed = house.run(&["key", "website", "--may", "track,identify,alias"]);
    let printed = printed.good();
    let (key, lines) = printed.split_once('\n').unwrap();
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    let config = config.replacen("\n[http]", "\n[http]\nlisten = \"127.0.0.1:0\"", 1);
    house.write("config.toml", &format!("{config}\n{lines}"));
    rows(&house);
    (house, key.to_owned())
}

/// Posts to the running daemon; the answer's status and JSON.
fn post(running: &Running, key: &str, path: &str, body: &Value) -> (u16, Value) {
    let log = running.log();
    let line = log.lines().find(|line| line.contains("listening")).unwrap();
    let address = line.split_once("address=").unwrap().1;
    let address = address.split_whitespace().next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    let json = answer.split_once("\r\n\r\n").unwrap().1;
    let (from, to) = (json.find('{').unwrap(), json.rfind('}').unwrap());
    (status, serde_json::from_str(&json[from..=to]).unwrap())
}

/// A file as it stands, and all that is packed in it.
fn unpacked(path: &Path) -> Vec<Vec<u8>> {
    // sled replaces files of its own while one looks.
    let Ok(raw) = fs::read(path) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("snapshot") => {
            let mut at = 8;
            loop {
                let number = |at: usize| u32::from_le_bytes(raw[at..at + 4].try_into().unwrap());
                let (length, packed) = (number(at) as usize, number(at + 4) as usize);
                let part = &raw[at + 16..at + 16 + packed];
                all.push(zstd::bulk::decompress(part, length.max(1)).unwrap());
                at += 16 + packed;
                if length == 0 {
                    break;
                }
            }
        }
        Some("parquet") => {
            let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
            for group in 0..reader.num_row_groups() {
                let group = reader.get_row_group(group).unwrap();
                let count = group.metadata().num_rows() as usize;
                let ColumnReader::ByteArrayColumnReader(mut column) =
                    group.get_column_reader(3).unwrap()
                else {
                    panic!("the payload is no column of bytes");
                };
                let mut payloads = Vec::new();
                while payloads.len() < count {
                    let left = count - payloads.len();
                    column
                        .read_records(left, None, None, &mut payloads)
                        .unwrap();
                }
                all.extend(payloads.iter().map(|p| p.data().to_vec()));
            }
        }
        _ => {}
    }
    all.push(raw);
    // Mails are packed once more.
    let magic = Regex::new(r"(?-u)\x28\xb5\x2f\xfd").unwrap();
    let mails: Vec<Vec<u8>> = (all.iter())
        .flat_map(|bytes| {
            magic.find_iter(bytes).filter_map(|found| {
                let mut out = Vec::new();
                let packed = zstd::Decoder::new(&bytes[found.start()..]).ok()?;
                let read = packed.single_frame().read_to_end(&mut out);
                read.ok().map(|_| out)
            })
        })
        .collect();
    all.extend(mails);
    all
}

/// Where which trace is found below a folder.
fn traces(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(traces(&path));
        } else if !["admin.sock", "reserve"]
            .iter()
            .any(|name| path.ends_with(name))
        {
            let all = unpacked(&path);
            for trace in TRACES {
                let wanted = Regex::new(&regex::escape(trace)).unwrap();
                if all.iter().any(|bytes| wanted.is_match(bytes)) {
                    found.push(format!("{trace} in {name}"));
                }
            }
        }
    }
    found
}

/// What is kept of a customer, without the instant of asking.
fn export(house: &House, id: &str) -> Value {
    let mut all = house.run(&["customer", "export", id]).json();
    all.as_object_mut().unwrap().remove("exported");
    all
}

fn gone(house: &House) {
    let shown = house.run(&["customer", "show", "c-zebra-77"]);
    assert_eq!(shown.code, 4, "{}", shown.all());
}

/// The shop with all that can be kept of a customer, running: events by import and HTTP, a merged browser, a mail.
fn lived_in() -> (House, String, Running) {
    let (house, key) = shop();
    house.run(&["import", "rows.jsonl"]).good();
    let running = house.start();
    let track = json!({"type": "track", "anonymousId": "zebra-browser-5", "event": "Product Added",
        "properties": {"name": "Zebracup", "cart_id": "z"}, "messageId": "b-1"});
    assert_eq!(post(&running, &key, "/v1/track", &track).0, 200);
    let alias = json!({"type": "alias", "previousId": "zebra-browser-5", "userId": "c-zebra-77"});
    let (status, told) = post(&running, &key, "/v1/alias", &alias);
    assert_eq!((status, &told["errors"]), (200, &json!([])), "{told}");
    for who in ["c-zebra-77", "c-2"] {
        let asked = json!({"type": "track", "userId": who, "event": "Receipt Asked", "messageId": format!("r-{who}")});
        assert_eq!(post(&running, &key, "/v1/track", &asked).0, 200);
        // The mail leaves at the next turn.
        loop {
            let mails = &export(&house, who)["mails"];
            if mails.as_array().is_some_and(|mails| !mails.is_empty()) {
                break;
            }
        }
    }
    (house, key, running)
}

#[test]
fn after_forget_now_no_byte_is_left_and_nobody_else_is_changed() {
    let (house, key, running) = lived_in();
    // As it is after some weeks: segments, the journal of several starts.
    running.stop();
    let running = house.start();
    house.run(&["backup", "backup"]).good();
    let before = [export(&house, "c-1"), export(&house, "c-2")];
    let found = traces(&house.path("data"));
    for trace in TRACES {
        assert!(
            found.iter().any(|f| f.starts_with(trace)),
            "{trace}: {found:?}"
        );
    }
    let asked = house.run(&["customer", "forget", "c-zebra-77"]);
    assert_eq!(asked.code, 1, "{}", asked.all());

    let forgot = house.run(&[
        "customer",
        "forget",
        "c-zebra-77",
        "--yes",
        "--now",
        "--json",
    ]);
    let forgot = forgot.json();
    assert_eq!(
        forgot["forgot"]["numbers"].as_array().unwrap().len(),
        2,
        "{forgot}"
    );
    assert!(forgot["pass"]["rows"].as_u64().unwrap() > 60, "{forgot}");
    assert_eq!(traces(&house.path("data")), [""; 0]);
    let log = running.log();
    assert!(!TRACES.iter().any(|trace| log.contains(trace)), "{log}");
    gone(&house);
    assert_eq!([export(&house, "c-1"), export(&house, "c-2")], before);
    house.run(&["verify"]).good();
    let pending = house.run(&["customer", "forget", "--pending"]).good();
    assert_eq!(pending, "nothing is to be erased\n");
    let again = house
        .run(&["customer", "forget", "c-zebra-77", "--yes"])
        .good();
    assert!(
        again.starts_with("this customer was forgotten already"),
        "{again}"
    );

    // Nothing brings them back.
    let imported = house.run(&["import", "rows.jsonl"]).good();
    assert!(
        imported.contains("62 rows of customers who were forgotten"),
        "{imported}"
    );
    let track = json!({"type": "track", "userId": "c-zebra-77", "event": "Receipt Asked", "messageId": "late"});
    let other = json!({"type": "track", "userId": "c-2", "event": "Visited", "messageId": "v"});
    let batch = json!({"batch": [track, other]});
    let (status, told) = post(&running, &key, "/v1/batch", &batch);
    assert_eq!((status, &told["taken"]), (200, &json!(1)), "{told}");
    assert_eq!(told["errors"][0]["index"], 0, "{told}");
    let (status, told) = post(&running, &key, "/v1/track", &track);
    assert_eq!((status, &told["taken"]), (200, &json!(0)), "{told}");
    assert_eq!(traces(&house.path("data")), [""; 0]);
    gone(&house);
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!TRACES.iter().any(|trace| log.contains(trace)), "{log}");
    assert_eq!(traces(&house.path("data")), [""; 0]);
    house.run(&["verify"]).good();

    // Nor does a backup that is made from now on.
    house.run(&["backup", "later"]).good();
    assert_eq!(traces(&house.path("later")), [""; 0]);

    // A backup of before, in the place of the store.
    fs::rename(house.path("data"), house.path("data.old")).unwrap();
    let restored = house.run(&["restore", "backup"]).good();
    assert!(restored.contains("forgotten again"), "{restored}");
    assert!(!traces(&house.path("data")).is_empty());
    let running = house.start();
    gone(&house);
    house
        .run(&["customer", "forget", "--pending", "--now"])
        .good();
    assert_eq!(traces(&house.path("data")), [""; 0]);
    assert_eq!([export(&house, "c-1"), export(&house, "c-2")], before);
    running.stop();
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_goes_on() {
    let (house, _, mut running) = lived_in();
    let before = export(&house, "c-2");
    house
        .run(&["customer", "forget", "c-zebra-77", "--yes"])
        .good();
    let data = house.path("data");
    let is_there = |name: &str| {
        let found = fs::read_dir(data.join(name));
        found.is_ok_and(|mut found| found.next().is_some())
    };
    for reached in ["snapshots", "sled.new"] {
        let mut child = house.command(&["customer", "forget", "--pending", "--now"]);
        child.stdout(std::process::Stdio::null());
        let mut child = child.stderr(std::process::Stdio::null()).spawn().unwrap();
        // Or it is done already: the start of the daemon runs it, too.
        while !is_there(reached) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        running.kill();
        child.wait().unwrap();
        running = house.start();
        gone(&house);
        assert_eq!(export(&house, "c-2"), before, "{reached}");
    }
    house
        .run(&["customer", "forget", "--pending", "--now"])
        .good();
    assert_eq!(traces(&data), [""; 0]);
    house.run(&["verify"]).good();
    assert_eq!(export(&house, "c-2"), before);
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(traces(&data), [""; 0]);
}

#[test]
fn numbers_given_after_a_backup_are_not_given_again_when_it_is_restored() {
    let (house, _) = shop();
    house.run(&["import", "rows.jsonl"]).good();
    house.run(&["backup", "backup"]).good();
    let number_of = |who: &str| {
        let row = json!({"type": "identify", "userId": who, "timestamp": "2026-01-05T00:00:00Z", "messageId": who,
            "traits": {"firstName": "New"}});
        house.write("new.jsonl", &format!("{row}\n"));
        house.run(&["import", "new.jsonl"]).good();
        let forgot = house.run(&["customer", "forget", who, "--yes", "--json"]);
        forgot.json()["forgot"]["numbers"][0].as_u64().unwrap()
    };
    let before = number_of("c-after");
    fs::rename(house.path("data"), house.path("data.old")).unwrap();
    house.run(&["restore", "backup"]).good();
    let after = number_of("c-other");
    assert!(after > before + (1 << 32), "{before} {after}");
    // Once more from the same backup.
    fs::rename(house.path("data"), house.path("data.older")).unwrap();
    house.run(&["restore", "backup"]).good();
    assert!(number_of("c-third") > after);
}

#[test]
fn a_list_that_does_not_fit_is_put_aside_and_holds_sending_once() {
    let (house, _) = shop();
    house.run(&["import", "rows.jsonl"]).good();
    house.run(&["customer", "forget", "c-1", "--yes"]).good();
    let list = house.path("data").join("erasures.json");
    fs::write(&list, "no list").unwrap();
    let (status, log) = house.start().stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the list was put aside"), "{log}");
    let aside = house.path("data").join("erasures.unfit.json");
    assert_eq!(fs::read(&aside).unwrap(), b"no list");
    assert!(fs::read_to_string(&list).unwrap().contains("\"ids\""));
    house.run(&["resume", "--all", "--yes"]).good();
    let (_, log) = house.start().stop();
    assert!(!log.contains("sending is held"), "{log}");
    house.run(&["customer", "forget", "c-2", "--yes"]).good();
    assert_eq!(fs::read(&aside).unwrap(), b"no list");
}
