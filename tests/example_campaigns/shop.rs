//! A shop that has taken examples into use, its customers, and what lies in their mailboxes.

use crate::app::{App, lay_out, scratch};
use axum::body::Body;
use axum::http::Request;
use mail_parser::MessageParser;
use regex::Regex;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::engagement::{Engagement, HitClass, HitKind, LinkPlace};
use reveille::domain::id::{CampaignId, CustomerId, TopicId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::engine::core::preset_salt;
use reveille::http::public;
use reveille::store::memory::MemoryStore;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tower::ServiceExt;

/// With it, none of those whom the stories follow is held out of the campaigns that hold some out.
const SALT: [u8; 16] = [1; 16];

/// What `examples/config.toml` says, but for the mail folder's place.
pub fn config() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/config.toml");
    let text = std::fs::read_to_string(path).unwrap();
    format!("{text}\n[transport.main]\nkind = \"folder\"\npath = \"mail\"\n")
}

/// The text of an example.
pub fn example(name: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/campaigns/{name}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The same, taken into use.
pub fn live(name: &str) -> String {
    let text = example(name);
    let live = text.replacen("state    = \"draft\"", "state    = \"live\"", 1);
    assert_ne!(text, live, "{name} is a draft");
    live
}

/// A mail as it lies in a mailbox.
pub struct Mail {
    pub at: Timestamp,
    pub subject: String,
    raw: Vec<u8>,
}

pub struct Shop {
    pub app: App,
}

impl Shop {
    /// The shop takes these examples into use.
    pub async fn open(now: &str, examples: &[&str]) -> Shop {
        let texts: Vec<(String, String)> = examples
            .iter()
            .map(|name| (format!("{name}.toml"), live(name)))
            .collect();
        Shop::with(now, &texts).await
    }

    pub async fn with(now: &str, files: &[(String, String)]) -> Shop {
        let dir = scratch();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        lay_out(dir.path(), &config(), &files);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (folder, only) in [
            ("examples/templates", ".hbs"),
            ("examples/campaigns", "s.toml"),
        ] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let shared = ["tags.toml", "segments.toml"].contains(&name.as_str());
                if path.is_file() && name.ends_with(only) && (only == ".hbs" || shared) {
                    let to = folder.trim_start_matches("examples/");
                    std::fs::copy(&path, dir.path().join(to).join(&name)).unwrap();
                }
            }
        }
        let example = |name: &str| root.join("examples/campaigns").join(name);
        let campaigns = dir.path().join("campaigns");
        std::fs::copy(example("coupons.toml"), campaigns.join("coupons.toml")).unwrap();
        std::fs::create_dir(campaigns.join("data")).unwrap();
        for entry in std::fs::read_dir(example("data")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(
                &path,
                campaigns.join("data").join(path.file_name().unwrap()),
            )
            .unwrap();
        }
        // Chance falls the same way each time: who is held out stays so.
        let store = Arc::new(MemoryStore::new());
        preset_salt(&*store, SALT).await.unwrap();
        Shop {
            app: App::start_in_on(store, dir, now).await,
        }
    }

    // ---- customers ---------------------------------------------------------------------------------------------------

    /// Emma reads English in London.
    pub async fn english(&self, id: &str) {
        self.meet(id, "Emma", "en", "Europe/London", &[]).await;
        self.says(id, ConsentState::Given).await;
    }

    /// Min-a reads Korean in Seoul, and Korean law holds for her.
    pub async fn korean(&self, id: &str) {
        let country = [("country", Value::Text("KR".into()))];
        self.meet(id, "민아", "ko", "Asia/Seoul", &country).await;
        self.says(id, ConsentState::Given).await;
    }

    /// A customer of whom no consent is known.
    pub async fn meet(
        &self,
        id: &str,
        name: &str,
        locale: &str,
        zone: &str,
        more: &[(&str, Value)],
    ) {
        let mut change = ProfileChange {
            email: Some(EmailAddress::parse(&format!("{id}@customers.example")).unwrap()),
            ..ProfileChange::default()
        };
        change
            .attributes
            .insert("first_name".into(), Value::Text(name.into()));
        for (attribute, value) in more {
            change.attributes.insert((*attribute).into(), value.clone());
        }
        change.preferences.timezone = Some(Some(zone.parse().unwrap()));
        change.preferences.locale = Some(Some(locale.into()));
        self.change(id, change).await;
    }

    pub async fn change(&self, id: &str, change: ProfileChange) {
        let cause = Cause::Profile(Box::new(change), Liveness::Live);
        self.app.act(id, cause).await;
    }

    pub async fn attribute(&self, id: &str, name: &str, value: &str) {
        let mut change = ProfileChange::default();
        change
            .attributes
            .insert(name.into(), Value::Text(value.into()));
        self.change(id, change).await;
    }

    pub async fn says(&self, id: &str, state: ConsentState) {
        self.app.consent(id, state).await;
    }

    /// The customer's word on one topic, now.
    pub async fn says_of(&self, id: &str, topic: &str, state: ConsentState) {
        let now = self.app.now();
        self.told(id, Some(topic), state, now, Liveness::Live).await;
    }

    /// Consent as it was told at that time, of advertising as a whole without a topic; brought in as history.
    pub async fn said(&self, id: &str, topic: Option<&str>, state: ConsentState, at: Timestamp) {
        self.told(id, topic, state, at, Liveness::History).await;
    }

    async fn told(
        &self,
        id: &str,
        topic: Option<&str>,
        state: ConsentState,
        at: Timestamp,
        liveness: Liveness,
    ) {
        let change = ConsentChange {
            topic: topic.map(|t| TopicId::parse(t).unwrap()),
            state,
            at,
            source: "signup form".into(),
            wording: None,
            origin: Default::default(),
        };
        self.app.act(id, Cause::Consent(change, liveness)).await;
    }

    // ---- what happens ------------------------------------------------------------------------------------------------

    /// It happens now.
    pub async fn event(&self, id: &str, name: &str, properties: serde_json::Value) {
        self.app.event(id, name, properties).await;
    }

    /// It happened that long ago, as an import brings it in.
    pub async fn past(&self, id: &str, ago: Span, name: &str, properties: serde_json::Value) {
        let at = self.app.now() - ago;
        self.app
            .event_at(id, name, properties, at, Liveness::History)
            .await;
    }

    /// Time goes by, in leaps of an hour.
    pub async fn pass(&self, by: Span) {
        let end = self.app.now() + by;
        while self.app.now() < end {
            let step = Span::hours(1).0.min(end.since(self.app.now()).0);
            self.app.leap(Span(step)).await;
        }
    }

    /// A person follows a link of the latest mail of that step.
    pub async fn clicks(&self, id: &str, step: &str) {
        let no = self.app.customer(id).await;
        let log = self.app.log().await;
        let sent = log.iter().rev().find(|row| {
            row.customer == no
                && row.status == Status::Accepted
                && row.step.as_ref().is_some_and(|s| s.as_str() == step)
        });
        let now = self.app.now();
        let engagement = Engagement {
            message: sent.and_then(|row| row.message).expect("a mail was sent"),
            kind: HitKind::Click,
            class: HitClass::HumanLikely,
            reason: Reason::Reader,
            link: Some(LinkPlace::new(0, 3)),
            first: now,
            last: now,
        };
        self.app.act(id, Cause::Engagement(engagement)).await;
    }

    /// The customer saves the preference page behind this mail's link, as it stands there.
    pub async fn saves_the_page(&self, mail: &Mail) {
        let path = PAGE.captures(&mail.html()).unwrap()[1].to_owned();
        let router = public::router(Arc::clone(&self.app.core));
        let asked = Request::get(path.as_str()).body(Body::empty()).unwrap();
        let page = router.clone().oneshot(asked).await.unwrap();
        let page = axum::body::to_bytes(page.into_body(), 1 << 20).await;
        let page = String::from_utf8(page.unwrap().to_vec()).unwrap();
        let page = page.split_once("</form>").unwrap().0;
        let mut form = form_urlencoded::Serializer::new(String::new());
        for field in FIELD.captures_iter(page) {
            let of = |name: &str| {
                let begin = field[2].split_once(&format!(" {name}=\""));
                begin.map(|(_, rest)| rest.split_once('"').unwrap().0.replace("&#x3D;", "="))
            };
            let choice = matches!(of("type").as_deref(), Some("checkbox" | "radio"));
            if let (Some(name), Some(value)) = (of("name"), of("value"))
                && (!choice || field[2].contains(" checked"))
            {
                form.append_pair(&name, &value);
            }
        }
        for select in SELECT.captures_iter(page) {
            let chosen = CHOSEN.captures(&select[2]);
            form.append_pair(&select[1], chosen.as_ref().map_or("", |chosen| &chosen[1]));
        }
        let asked = Request::post(path.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()))
            .unwrap();
        let answer = router.oneshot(asked).await.unwrap();
        let status = answer.status();
        let page = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        let page = String::from_utf8(page.unwrap().to_vec()).unwrap();
        assert!(status.is_success(), "{status}: {page}");
        self.app.settle().await;
    }

    /// The customer leaves by the one click of their mail program.
    pub async fn leaves_by(&self, mail: &Mail) {
        let path = LEAVE.captures(&mail.html()).unwrap()[1].to_owned();
        let asked = Request::post(path.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from("List-Unsubscribe=One-Click"))
            .unwrap();
        let router = public::router(Arc::clone(&self.app.core));
        let answer = router.oneshot(asked).await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        self.app.settle().await;
    }

    // ---- what is seen ------------------------------------------------------------------------------------------------

    /// The customer's rows of the log that say how an entry went, as `campaign/step status/reason`.
    pub async fn story(&self, id: &str) -> Vec<String> {
        let no = self.app.customer(id).await;
        let silent = [Status::Waiting, Status::Attempting, Status::Clicked];
        (self.app.log().await.iter())
            .filter(|row| row.customer == no && !silent.contains(&row.status))
            .map(|row| {
                let step = row
                    .step
                    .as_ref()
                    .map(|s| format!("/{s}"))
                    .unwrap_or_default();
                format!(
                    "{}{step} {}/{}",
                    row.campaign,
                    row.status.as_str(),
                    row.reason.code()
                )
            })
            .collect()
    }

    /// What `explain` says of a customer and a campaign, in one line.
    pub async fn why(&self, id: &str, campaign: &str) -> String {
        let id = CustomerId::parse(id).unwrap();
        let campaign = CampaignId::parse(campaign).unwrap();
        let explained = self.app.core.explain(&id, Some(&campaign));
        let text = explained.await.unwrap().unwrap().render();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The mails that went to this address, the oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        let folder = self.app.dir.path().join("mail");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "eml") {
                continue;
            }
            let raw = std::fs::read(path).unwrap();
            let parsed = MessageParser::default().parse(&raw).unwrap();
            let to = parsed
                .to()
                .and_then(|to| to.first())
                .and_then(|to| to.address());
            if to != Some(address) {
                continue;
            }
            let at = Timestamp(parsed.date().unwrap().to_timestamp() * 1_000);
            let subject = parsed.subject().unwrap().to_owned();
            found.push(Mail { at, subject, raw });
        }
        found.sort_by_key(|mail| mail.at);
        found
    }

    pub fn mails(&self, id: &str) -> Vec<Mail> {
        self.mails_to(&format!("{id}@customers.example"))
    }

    /// When each mail came, and its subject.
    pub fn inbox(&self, id: &str) -> Vec<String> {
        let mails = self.mails(id);
        mails
            .iter()
            .map(|m| format!("{} {}", m.at, m.subject))
            .collect()
    }

    pub fn subjects(&self, id: &str) -> Vec<String> {
        self.mails(id).into_iter().map(|m| m.subject).collect()
    }
}

static PAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"https://mail\.shop\.example(/p/[^"]+)""#).unwrap());
static LEAVE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"https://mail\.shop\.example(/u/[^"]+)""#).unwrap());
static FIELD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<(input)([^>]*)>").unwrap());
static SELECT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?s)<select [^>]*name="(\w+)"[^>]*>(.*?)</select>"#).unwrap());
static CHOSEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"<option value="([^"]*)" selected"#).unwrap());

/// Coupons' codes come of a secret of the store.
static CODE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(BOX|ENGRAVE|SHIP|TEA)-[2-9A-Z]{8}\b").unwrap());
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(mail\.shop\.example/\w+/|unsubscribe%20)[A-Za-z0-9_.=/-]+").unwrap()
});

impl Mail {
    /// What a reader sees: the head that speaks, the text, and of the HTML what stands within the layout (which has a
    /// snapshot of its own). What is signed, and codes, are masked.
    pub fn shown(&self) -> String {
        let parsed = MessageParser::default().parse(&self.raw).unwrap();
        let raw = String::from_utf8(self.raw.clone()).unwrap();
        let head = raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let wanted = [
            "From:",
            "To:",
            "List-Unsubscribe:",
            "List-Unsubscribe-Post:",
            "List-Id:",
        ];
        let head: Vec<&str> = (head.lines())
            .filter(|line| wanted.iter().any(|w| line.starts_with(w)))
            .collect();
        let text = parsed.body_text(0).unwrap().replace("\r\n", "\n");
        let html = parsed.body_html(0).unwrap().replace("\r\n", "\n");
        let begin = html.find("<h1").unwrap_or(0);
        let end = html[begin..].find("\n</td>\n</tr>\n</table>\n</td>");
        let inner = &html[begin..end.map_or(html.len(), |end| begin + end)];
        let whole = format!(
            "Subject: {}\n{}\n\n==== text\n{}\n==== html, within the layout\n{}\n",
            self.subject,
            head.join("\n"),
            text.trim_end(),
            inner
        );
        let whole = TOKEN.replace_all(&whole, "${1}TOKEN");
        CODE.replace_all(&whole, "$1-CODE").into_owned()
    }

    pub fn html(&self) -> String {
        let parsed = MessageParser::default().parse(&self.raw).unwrap();
        parsed.body_html(0).unwrap().into_owned()
    }
}

/// Holds a mail against `tests/snapshots/examples/NAME.snap`; `INSTA_UPDATE=always` writes it anew. With
/// `REVEILLE_MAILS` set to a folder, its HTML is written there too, to be looked at.
#[macro_export]
macro_rules! same_as_ever {
    ($name:expr, $mail:expr) => {{
        let mail = $mail;
        if let Ok(folder) = std::env::var("REVEILLE_MAILS") {
            std::fs::write(format!("{folder}/{}.html", $name), mail.html()).unwrap();
        }
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/examples"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!($name, mail.shown());
        });
    }};
}
