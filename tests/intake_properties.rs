//! Intake against what can't be thought of one by one: any bytes at all, and rows written by a writer of our own in
//! every spelling that JSON allows (key order, whitespace, escapes, number forms).

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq, prop_assert_ne};
use reveille::domain::time::Timestamp;
use reveille::domain::value::{Properties, Value};
use reveille::engine::intake::{Identity, Inbound, Kind, Options, Reading, Rows, What};

fn config() -> ProptestConfig {
    let soak = std::env::var("REVEILLE_SOAK").is_ok_and(|v| v == "1");
    ProptestConfig::with_cases(if soak { 20_000 } else { 300 })
}

fn options() -> Options {
    Options::new(Reading::new(Timestamp(1_780_000_000_000)))
}

fn read(row: &str) -> Result<Inbound, String> {
    let (_, row) = Rows::open(row.as_bytes(), options())
        .map_err(|e| e.to_string())?
        .next()
        .ok_or("no row")?;
    row.map_err(|e| e.to_string())
}

/// Values as JSON can carry them; whole floats are written as whole numbers by intake, so they are not drawn here.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("finite, not whole", |f| f.is_finite() && f.fract() != 0.0)
            .prop_map(Value::Float),
        "\\PC{0,12}|[\\x00-\\x1f\"\\\\/]{1,4}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map("[a-z\"\\\\ ]{0,4}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn properties() -> impl Strategy<Value = Properties> {
    btree_map("[a-zA-Z_\"é]{1,8}", value(), 0..6)
}

/// Writes JSON in a spelling that `whims` decide, sharing nothing with intake or serde.
struct Writer<'a> {
    out: String,
    whims: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl<'a> Writer<'a> {
    fn new(whims: &'a [u8]) -> Writer<'a> {
        Writer {
            out: String::new(),
            whims: whims.iter().cycle(),
        }
    }

    fn whim(&mut self, n: u8) -> u8 {
        self.whims.next().map_or(0, |w| w % n)
    }

    fn space(&mut self) {
        let space = ["", " ", "\t", "  "][usize::from(self.whim(4))];
        self.out.push_str(space);
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            let escape = self.whim(5) == 0 || c < ' ' || c == '"' || c == '\\';
            if escape {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let hex = format!("\\u{unit:04x}");
                    self.out.push_str(&hex);
                }
            } else {
                self.out.push(c);
            }
        }
        self.out.push('"');
    }

    fn value(&mut self, value: &Value) {
        self.space();
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(&b.to_string()),
            Value::Int(i) => {
                // 3 is 3.0 is 3e0, as long as a float holds it.
                let small = i.unsigned_abs() < 1 << 53;
                let end = ["", ".0", "e0"][usize::from(if small { self.whim(3) } else { 0 })];
                self.out.push_str(&format!("{i}{end}"));
            }
            Value::Float(f) => {
                let text = if self.whim(2) == 0 {
                    format!("{f:e}")
                } else {
                    format!("{f:?}")
                };
                self.out.push_str(&text);
            }
            Value::Text(text) => self.text(text),
            Value::List(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.out.push(',');
                    }
                    self.value(item);
                }
                self.out.push(']');
            }
            Value::Map(map) => {
                let pairs = map
                    .iter()
                    .map(|(k, v)| (k.as_str(), Piece::Value(v)))
                    .collect();
                self.object(pairs);
            }
        }
        self.space();
    }

    fn object(&mut self, mut pairs: Vec<(&str, Piece<'_>)>) {
        for i in (1..pairs.len()).rev() {
            let j = usize::from(self.whim(i as u8 + 1));
            pairs.swap(i, j);
        }
        self.out.push('{');
        for (i, (key, piece)) in pairs.into_iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.space();
            self.text(key);
            self.space();
            self.out.push(':');
            match piece {
                Piece::Value(value) => self.value(value),
                Piece::Text(text) => self.text(text),
                Piece::Object(map) => self.value(&Value::Map(map.clone())),
            }
        }
        self.out.push('}');
    }
}

enum Piece<'a> {
    Value(&'a Value),
    Text(&'a str),
    Object(&'a Properties),
}

fn track(
    properties: &Properties,
    message_id: Option<&str>,
    ignored: &Value,
    whims: &[u8],
) -> String {
    let mut writer = Writer::new(whims);
    let mut pairs = vec![
        ("type", Piece::Text("track")),
        ("userId", Piece::Text("c-1")),
        ("event", Piece::Text("Order Completed")),
        ("timestamp", Piece::Text("2026-03-01T09:00:00.25Z")),
        ("properties", Piece::Object(properties)),
        ("context", Piece::Value(ignored)),
        ("sentAt", Piece::Value(ignored)),
    ];
    pairs.extend(message_id.map(|id| ("messageId", Piece::Text(id))));
    writer.object(pairs);
    writer.out
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_bytes_bring_intake_down(file in vec(any::<u8>(), 0..600), table in any::<bool>()) {
        let kind = Some(if table { Kind::Csv } else { Kind::JsonLines });
        if let Ok(rows) = Rows::open(file.as_slice(), Options { kind, ..options() }) {
            prop_assert!(rows.count() <= file.len() + 1);
        }
    }

    /// Bytes near enough to good rows to get further than the first of them.
    #[test]
    fn no_damaged_row_brings_intake_down(
        base in prop::sample::select(vec![
            r#"{"type":"identify","userId":"c","traits":{"email":"a@shop.example","window":"Mon-Fri 09:00-18:00","caps":["1 per week"],"gap":"3d","tags":["a"],"consent":{"a":true},"consent_at":"2026-01-01","createdAt":1700000000}}"#,
            r#"{"type":"track","userId":"c","event":"x","timestamp":"2026-03-01T09:00:00Z","properties":{"a":[1,2.5,{"b":null}]}}"#,
            "id,email,window,caps,gap,consent,consent_at,created_at\n1,a@shop.example,22:00-02:00,1 per day,3d,yes,2026-01-01,\"2026-01-01 10:00\"\n",
            "customer;event;time;n\n1;x;2026-03-01T09:00:00Z;5\n",
        ]),
        cuts in vec((any::<prop::sample::Index>(), any::<Option<u8>>()), 1..6),
    ) {
        let mut file = base.as_bytes().to_vec();
        for (at, byte) in cuts {
            if file.is_empty() {
                break;
            }
            let at = at.index(file.len());
            match byte {
                Some(byte) => file[at] = byte,
                None => drop(file.remove(at)),
            }
        }
        if let Ok(rows) = Rows::open(file.as_slice(), options()) {
            for (line, row) in rows {
                prop_assert!(line >= 1);
                if let Err(error) = row {
                    prop_assert!(!error.text.is_empty() && !error.fatal);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read(properties in properties(), ignored in value(), whims in vec(any::<u8>(), 1..40)) {
        let row = track(&properties, Some("m"), &ignored, &whims);
        let read = read(&row).map_err(proptest::test_runner::TestCaseError::fail)?;
        prop_assert_eq!(read.identity, Identity::MessageId("m".to_owned()));
        let What::Event { time, properties: got, .. } = read.what else {
            return Err(proptest::test_runner::TestCaseError::fail("no event"));
        };
        prop_assert_eq!(time.to_string(), "2026-03-01T09:00:00.250Z");
        prop_assert_eq!(got, properties);
    }

    #[test]
    fn spellings_of_one_row_are_one_and_rows_that_differ_are_two(
        a in properties(), b in properties(), c in value(), d in value(),
        whims in vec(any::<u8>(), 1..40), others in vec(any::<u8>(), 1..40),
    ) {
        let identity = |properties: &Properties, ignored: &Value, whims: &[u8]| {
            read(&track(properties, None, ignored, whims)).map(|r| r.identity)
        };
        let first = identity(&a, &c, &whims);
        prop_assert!(first.is_ok(), "{:?}", first);
        prop_assert_eq!(&first, &identity(&a, &d, &others), "context and sentAt are no part of it");
        if a != b {
            prop_assert_ne!(&first, &identity(&b, &c, &whims));
        }
        let mut changed = a.clone();
        changed.insert("another".to_owned(), c.clone());
        prop_assert_ne!(&first, &identity(&changed, &c, &whims));
    }
}
