//! Our own SMTP server for tests: real SMTP over real sockets, with replies, stalls and hang-ups by script. It keeps
//! every message that it took, with its envelope, byte for byte, and counts connections.
//!
//! ```ignore
//! mod smtp_server;
//! let server = SmtpServer::start(Options::default()).await;
//! server.rule(Rule::at(At::Rcpt).to("dead@x.example").say("550 5.1.1 no such user"));
//! server.rule(Rule::at(At::Taken).hang_up().times(1)); // takes one message, never says so
//! ...
//! server.wait_for(3).await;
//! assert_eq!(server.messages()[0].to, "mina@x.example");
//! ```
//!
//! [`process`] runs the same server in a process of its own, for benchmarks.

// Each test file uses a part of it.
#![allow(dead_code)]

mod conversation;
pub mod process;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

/// How the server behaves where no rule says otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0 is any free port.
    pub port: u16,
    pub encryption: Encryption,
    /// Wanted before MAIL.
    pub login: Option<(String, String)>,
    /// The mechanisms that it offers when a login is wanted.
    pub mechanisms: &'static str,
    pub eight_bit: bool,
    pub smtputf8: bool,
    pub size: Option<usize>,
    /// Off where millions come: only envelope, Message-ID and length are kept.
    pub keep_bytes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            port: 0,
            encryption: Encryption::None,
            login: None,
            mechanisms: "PLAIN LOGIN",
            eight_bit: true,
            smtputf8: true,
            size: None,
            keep_bytes: true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    None,
    StartTls,
    Implicit,
}

/// Where in the conversation a rule acts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum At {
    Greeting,
    Hello,
    StartTls,
    /// After the 220 to STARTTLS: instead of the handshake. For implicit TLS, on connecting.
    Handshake,
    Login,
    Mail,
    Rcpt,
    Data,
    /// After the first line of the message.
    Body,
    /// After the final dot, before the message is taken: it is not kept.
    End,
    /// The message was taken and is kept; instead of the 250 that says so.
    Taken,
    /// After that 250.
    AfterTaken,
    Reset,
    Noop,
    Quit,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// These bytes in place of the reply; a reply from 400 on refuses.
    Send(Vec<u8>),
    /// Then the line is cut.
    SendAndHangUp(Vec<u8>),
    /// Never answers again.
    Stall,
    HangUp,
    /// Waits, then goes on as if there were no rule.
    Wait(Duration),
}

/// One line of the script. The first rule that fits acts.
#[derive(Clone, Debug)]
pub struct Rule {
    at: At,
    to: Option<String>,
    nth_message: Option<usize>,
    skip: usize,
    times: usize,
    act: Act,
}

impl Rule {
    /// Without more, stalls each time.
    pub fn at(at: At) -> Rule {
        Rule {
            at,
            to: None,
            nth_message: None,
            skip: 0,
            times: usize::MAX,
            act: Act::Stall,
        }
    }

    /// Only for this recipient (known from RCPT on).
    pub fn to(mut self, address: &str) -> Rule {
        self.to = Some(address.to_owned());
        self
    }

    /// Only in the nth transaction of a connection, counted from 1.
    pub fn nth_message(mut self, n: usize) -> Rule {
        self.nth_message = Some(n);
        self
    }

    /// Not the first n times that it would fit.
    pub fn after(mut self, n: usize) -> Rule {
        self.skip = n;
        self
    }

    /// At most n times.
    pub fn times(mut self, n: usize) -> Rule {
        self.times = n;
        self
    }

    /// A reply, without its line end.
    pub fn say(mut self, reply: &str) -> Rule {
        self.act = Act::Send(format!("{reply}\r\n").into_bytes());
        self
    }

    pub fn say_and_hang_up(mut self, reply: &str) -> Rule {
        self.act = Act::SendAndHangUp(format!("{reply}\r\n").into_bytes());
        self
    }

    pub fn hang_up(self) -> Rule {
        self.act(Act::HangUp)
    }

    pub fn stall(self) -> Rule {
        self.act(Act::Stall)
    }

    pub fn wait(self, time: Duration) -> Rule {
        self.act(Act::Wait(time))
    }

    pub fn act(mut self, act: Act) -> Rule {
        self.act = act;
        self
    }
}

/// A message that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    pub from: String,
    pub to: String,
    /// What stood after the address in MAIL, such as `BODY=8BITMIME`.
    pub mail_parameters: String,
    pub message_id: String,
    /// As it was before dots were doubled. Empty without `keep_bytes`.
    pub bytes: Vec<u8>,
    pub length: usize,
    /// Which connection brought it, counted from 1.
    pub connection: usize,
    pub encrypted: bool,
    /// CR or LF stood alone somewhere.
    pub bare_line_ends: bool,
}

type OnTaken = Box<dyn FnMut(&Received) + Send>;

/// What all connections share.
struct State {
    options: Options,
    acceptor: Option<TlsAcceptor>,
    rules: Mutex<Vec<Rule>>,
    messages: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
    said: Notify,
    taken: Notify,
    closed: Notify,
    on_taken: Mutex<Option<OnTaken>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    opened: AtomicUsize,
}

pub struct SmtpServer {
    state: Arc<State>,
    port: u16,
    ca_pem: String,
    /// Each change of the number cuts all lines.
    cut: watch::Sender<u64>,
    accepting: tokio::task::JoinHandle<()>,
}

impl SmtpServer {
    pub async fn start(options: Options) -> SmtpServer {
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .expect("a port of this machine");
        let port = listener.local_addr().expect("bound").port();
        let (acceptor, ca_pem) = if options.encryption == Encryption::None {
            (None, String::new())
        } else {
            let (acceptor, pem) = certificates();
            (Some(acceptor), pem)
        };
        let state = Arc::new(State {
            options,
            acceptor,
            rules: Mutex::default(),
            messages: Mutex::default(),
            commands: Mutex::default(),
            said: Notify::new(),
            taken: Notify::new(),
            closed: Notify::new(),
            on_taken: Mutex::default(),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
        });
        let (cut, is_cut) = watch::channel(0);
        let accepting = tokio::spawn({
            let state = state.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let open = Open::count(&state);
                    let state = state.clone();
                    let mut is_cut = is_cut.clone();
                    is_cut.mark_unchanged();
                    tokio::spawn(async move {
                        let _ = stream.set_nodelay(true);
                        let number = open.number;
                        tokio::select! {
                            _ = conversation::hold(stream, &state, number) => {}
                            _ = is_cut.changed() => {}
                        }
                        drop(open);
                    });
                }
            }
        });
        SmtpServer {
            state,
            port,
            ca_pem,
            cut,
            accepting,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed its certificate (for `localhost` and 127.0.0.1).
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Adds a rule behind those that are there.
    pub fn rule(&self, rule: Rule) {
        self.state.rules.lock().unwrap().push(rule);
    }

    pub fn forget_rules(&self) {
        self.state.rules.lock().unwrap().clear();
    }

    pub fn messages(&self) -> Vec<Received> {
        self.state.messages.lock().unwrap().clone()
    }

    /// How many messages were taken.
    pub fn taken(&self) -> usize {
        self.state.messages.lock().unwrap().len()
    }

    /// How often each Message-ID was taken.
    pub fn copies(&self) -> HashMap<String, usize> {
        let mut copies = HashMap::new();
        for m in self.state.messages.lock().unwrap().iter() {
            *copies.entry(m.message_id.clone()).or_default() += 1;
        }
        copies
    }

    /// Waits until n messages were taken.
    pub async fn wait_for(&self, n: usize) {
        loop {
            let taken = self.state.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            if self.taken() >= n {
                return;
            }
            taken.await;
        }
    }

    /// Calls this for each message taken, before it is acknowledged.
    pub fn on_taken(&self, call: impl FnMut(&Received) + Send + 'static) {
        *self.state.on_taken.lock().unwrap() = Some(Box::new(call));
    }

    /// All commands so far, of all connections, without passwords' secrecy: for looking at what was said.
    pub fn commands(&self) -> Vec<String> {
        self.state.commands.lock().unwrap().clone()
    }

    /// Waits until this command was said by anybody.
    pub async fn wait_for_command(&self, command: &str) {
        loop {
            let said = self.state.said.notified();
            tokio::pin!(said);
            said.as_mut().enable();
            if self.commands().iter().any(|c| c.trim_end() == command) {
                return;
            }
            said.await;
        }
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.state.open.load(SeqCst)
    }

    /// Waits until at most n connections are open.
    pub async fn wait_until_open(&self, n: usize) {
        loop {
            let closed = self.state.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if self.open() <= n {
                return;
            }
            closed.await;
        }
    }

    /// The most that were open at once.
    pub fn most_open(&self) -> usize {
        self.state.most_open.load(SeqCst)
    }

    /// All that ever came.
    pub fn opened(&self) -> usize {
        self.state.opened.load(SeqCst)
    }

    /// Cuts all lines that are open; new ones are welcome.
    pub fn hang_up(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// Cuts all lines and lets nobody in until it is dropped: to connect is refused.
    pub async fn go_away(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.hang_up();
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.hang_up();
    }
}

/// One open connection, counted while it lives.
struct Open {
    state: Arc<State>,
    number: usize,
}

impl Open {
    fn count(state: &Arc<State>) -> Open {
        let open = state.open.fetch_add(1, SeqCst) + 1;
        state.most_open.fetch_max(open, SeqCst);
        Open {
            number: state.opened.fetch_add(1, SeqCst) + 1,
            state: state.clone(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, SeqCst);
        self.state.closed.notify_waiters();
    }
}

impl State {
    /// What the script says here, if anything.
    fn act(&self, at: At, to: &str, nth_message: usize) -> Option<Act> {
        let mut rules = self.rules.lock().unwrap();
        for rule in rules.iter_mut().filter(|r| r.at == at) {
            let fits = rule
                .to
                .as_deref()
                .is_none_or(|t| t.eq_ignore_ascii_case(to))
                && rule.nth_message.is_none_or(|n| n == nth_message);
            if !fits || rule.times == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(rule.act.clone());
        }
        None
    }

    fn take(&self, message: Received) {
        if let Some(call) = self.on_taken.lock().unwrap().as_mut() {
            call(&message);
        }
        self.messages.lock().unwrap().push(message);
        self.taken.notify_waiters();
    }
}

/// A certificate for this machine's names, by an authority made for the occasion.
fn certificates() -> (TlsAcceptor, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("no names to be wrong");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "Authority for one test");
    let ca_certificate = ca.self_signed(&ca_key).expect("signed");
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])
        .expect("good names")
        .signed_by(&key, &issuer)
        .expect("signed");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a pair");
    (TlsAcceptor::from(Arc::new(config)), ca_certificate.pem())
}
