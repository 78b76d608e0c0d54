//! The server's side of one connection.

use super::{Act, At, Encryption, Received, State};
use std::io;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

trait Line: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Line for T {}

type Reader = BufReader<Box<dyn Line>>;

/// What to do after a place in the script.
enum Next {
    /// As usual: give the usual reply.
    Usual,
    /// The script has replied; false: it refused.
    Replied(bool),
}

struct Caller<'a> {
    state: &'a State,
    reader: Reader,
    number: usize,
    encrypted: bool,
    logged_in: bool,
    from: Option<(String, String)>,
    to: Option<String>,
    nth_message: usize,
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// Holds the whole conversation; ends when either side hangs up.
pub async fn hold(stream: TcpStream, state: &State, number: usize) -> io::Result<()> {
    let mut caller = Caller {
        state,
        reader: BufReader::new(Box::new(stream)),
        number,
        encrypted: false,
        logged_in: false,
        from: None,
        to: None,
        nth_message: 0,
    };
    if state.options.encryption == Encryption::Implicit {
        caller = caller.encrypt().await?;
    }
    if let Next::Usual = caller.script(At::Greeting).await? {
        caller.say("220 test.example ESMTP").await?;
    }
    caller.talk().await
}

impl Caller<'_> {
    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.reader
            .get_mut()
            .write_all(format!("{reply}\r\n").as_bytes())
            .await?;
        self.reader.get_mut().flush().await
    }

    /// Lets the script act.
    async fn script(&mut self, at: At) -> io::Result<Next> {
        let to = self.to.clone().unwrap_or_default();
        let Some(act) = self.state.act(at, &to, self.nth_message) else {
            return Ok(Next::Usual);
        };
        let (bytes, hang_up) = match act {
            Act::Wait(time) => {
                tokio::time::sleep(time).await;
                return Ok(Next::Usual);
            }
            // In the middle of a message it stops reading as well; elsewhere it sees the client hang up.
            Act::Stall if at == At::Body => return std::future::pending().await,
            Act::Stall => {
                tokio::io::copy(&mut self.reader, &mut tokio::io::sink()).await?;
                return Err(gone());
            }
            Act::HangUp => return Err(gone()),
            Act::Send(bytes) => (bytes, false),
            Act::SendAndHangUp(bytes) => (bytes, true),
        };
        self.reader.get_mut().write_all(&bytes).await?;
        self.reader.get_mut().flush().await?;
        if hang_up {
            return Err(gone());
        }
        Ok(Next::Replied(
            bytes.first().is_some_and(|b| matches!(b, b'2' | b'3')),
        ))
    }

    /// Replies as the script says, else with `usual`. False: the script refused.
    async fn reply(&mut self, at: At, usual: &str) -> io::Result<bool> {
        match self.script(at).await? {
            Next::Replied(good) => Ok(good),
            Next::Usual => {
                self.say(usual).await?;
                Ok(true)
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line).await? == 0 {
            return Err(gone());
        }
        let line = String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        if self.state.options.keep_bytes {
            self.state.commands.lock().unwrap().push(line.clone());
            self.state.said.notify_waiters();
        }
        Ok(line)
    }

    async fn encrypt(mut self) -> io::Result<Self> {
        if let Next::Replied(_) = self.script(At::Handshake).await? {
            return Err(gone());
        }
        let acceptor = self.state.acceptor.clone().ok_or_else(gone)?;
        let stream = acceptor.accept(self.reader.into_inner()).await?;
        self.reader = BufReader::new(Box::new(stream));
        self.encrypted = true;
        Ok(self)
    }

    async fn talk(mut self) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            let verb = line
                .split([' ', ':'])
                .next()
                .unwrap_or("")
                .to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => {
                    let offers = self.offers();
                    self.reply(At::Hello, &offers).await?;
                }
                "STARTTLS" if self.state.options.encryption == Encryption::StartTls => {
                    if self.reply(At::StartTls, "220 2.0.0 go on").await? {
                        self = self.encrypt().await?;
                    }
                }
                "AUTH" => self.log_in(&line).await?,
                "MAIL" => self.mail(&line).await?,
                "RCPT" => self.rcpt(&line).await?,
                "DATA" if self.to.is_none() => self.say("503 5.5.1 RCPT first").await?,
                "DATA" => {
                    if self.reply(At::Data, "354 end with a lone dot").await? {
                        self.message().await?;
                    }
                }
                "RSET" => {
                    (self.from, self.to) = (None, None);
                    self.reply(At::Reset, "250 2.0.0 forgotten").await?;
                }
                "NOOP" => {
                    self.reply(At::Noop, "250 2.0.0 here").await?;
                }
                "QUIT" => {
                    self.reply(At::Quit, "221 2.0.0 bye").await?;
                    return Ok(());
                }
                _ => self.say("500 5.5.2 unknown command").await?,
            }
        }
    }

    fn offers(&self) -> String {
        let options = &self.state.options;
        let mut offers = vec!["test.example".to_owned(), "HELP".to_owned()];
        if options.encryption == Encryption::StartTls && !self.encrypted {
            offers.push("STARTTLS".into());
        }
        if options.login.is_some() {
            offers.push(format!("AUTH {}", options.mechanisms));
        }
        if options.eight_bit {
            offers.push("8BITMIME".into());
        }
        if options.smtputf8 {
            offers.push("SMTPUTF8".into());
        }
        if let Some(size) = options.size {
            offers.push(format!("SIZE {size}"));
        }
        let last = offers.len() - 1;
        let lines: Vec<String> = offers
            .iter()
            .enumerate()
            .map(|(i, o)| format!("250{}{o}", if i == last { ' ' } else { '-' }))
            .collect();
        lines.join("\r\n")
    }

    async fn log_in(&mut self, line: &str) -> io::Result<()> {
        if let Next::Replied(_) = self.script(At::Login).await? {
            return Ok(());
        }
        let Some((user, password)) = self.state.options.login.clone() else {
            return self.say("503 5.5.1 no log-in here").await;
        };
        let mut words = line.split(' ').skip(1);
        let good = match words.next().unwrap_or("") {
            "PLAIN" => {
                let given = match words.next() {
                    Some(given) => given.to_owned(),
                    None => {
                        self.say("334 ").await?;
                        self.line().await?
                    }
                };
                given == base64(format!("\0{user}\0{password}").as_bytes())
            }
            "LOGIN" => {
                self.say(&format!("334 {}", base64(b"Username:"))).await?;
                let given_user = self.line().await?;
                self.say(&format!("334 {}", base64(b"Password:"))).await?;
                let given_password = self.line().await?;
                given_user == base64(user.as_bytes())
                    && given_password == base64(password.as_bytes())
            }
            _ => return self.say("504 5.5.4 unknown mechanism").await,
        };
        self.logged_in = good;
        self.say(if good {
            "235 2.7.0 welcome"
        } else {
            "535 5.7.8 wrong user or password"
        })
        .await
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        self.nth_message += 1;
        (self.from, self.to) = (None, None);
        if self.state.options.login.is_some() && !self.logged_in {
            return self.say("530 5.7.0 log in first").await;
        }
        let Some((address, parameters)) = path(line) else {
            return self.say("501 5.5.4 no address").await;
        };
        let known = |p: &str| {
            let options = &self.state.options;
            (p == "BODY=8BITMIME" && options.eight_bit)
                || (p == "SMTPUTF8" && options.smtputf8)
                || (p.starts_with("SIZE=") && options.size.is_some())
        };
        if !parameters.split_whitespace().all(known) {
            return self.say("555 5.5.4 unknown parameter").await;
        }
        if !address.is_ascii() && !parameters.contains("SMTPUTF8") {
            return self.say("553 5.6.7 SMTPUTF8 is wanted").await;
        }
        if self.reply(At::Mail, "250 2.1.0 ok").await? {
            self.from = Some((address, parameters));
        }
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<()> {
        let Some((_, parameters)) = &self.from else {
            return self.say("503 5.5.1 MAIL first").await;
        };
        let utf8 = parameters.contains("SMTPUTF8");
        let Some((address, _)) = path(line) else {
            return self.say("501 5.5.4 no address").await;
        };
        if !address.is_ascii() && !utf8 {
            return self.say("553 5.6.7 SMTPUTF8 is wanted").await;
        }
        self.to = Some(address);
        if !self.reply(At::Rcpt, "250 2.1.5 ok").await? {
            self.to = None;
        }
        Ok(())
    }

    /// Reads the message to its lone dot (RFC 5321 §4.5.2).
    async fn message(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut bare_line_ends = false;
        let mut line = Vec::new();
        let mut first = true;
        loop {
            line.clear();
            // A line ends with CRLF and nothing else.
            while !line.ends_with(b"\r\n") {
                if self.reader.read_until(b'\n', &mut line).await? == 0 {
                    return Err(gone());
                }
            }
            if std::mem::take(&mut first)
                && let Next::Replied(_) = self.script(At::Body).await?
            {
                return Err(gone());
            }
            if line == b".\r\n" {
                break;
            }
            let text = line.strip_prefix(b".").unwrap_or(&line);
            let inner = &text[..text.len().saturating_sub(2)];
            bare_line_ends |= inner.contains(&b'\r') || inner.contains(&b'\n');
            bytes.extend_from_slice(text);
        }
        if let Next::Replied(_) = self.script(At::End).await? {
            (self.from, self.to) = (None, None);
            return Ok(());
        }
        let (from, mail_parameters) = self.from.clone().unwrap_or_default();
        let message_id = message_id(&bytes);
        let length = bytes.len();
        let keep = self.state.options.keep_bytes;
        self.state.take(Received {
            from,
            to: self.to.clone().unwrap_or_default(),
            mail_parameters,
            message_id,
            bytes: if keep { bytes } else { Vec::new() },
            length,
            connection: self.number,
            encrypted: self.encrypted,
            bare_line_ends,
        });
        self.reply(At::Taken, "250 2.0.0 taken").await?;
        self.script(At::AfterTaken).await?;
        (self.from, self.to) = (None, None);
        Ok(())
    }
}

/// Address and parameters of MAIL or RCPT.
fn path(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once('<')?;
    let (address, parameters) = rest.split_once('>')?;
    Some((address.to_owned(), parameters.trim().to_owned()))
}

/// The Message-ID without its brackets.
fn message_id(bytes: &[u8]) -> String {
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end])
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("message-id")
                .then(|| value.trim().trim_matches(['<', '>']).to_owned())
        })
        .unwrap_or_default()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk
            .iter()
            .chain([0u8, 0].iter())
            .take(3)
            .fold(0u32, |n, b| n << 8 | u32::from(*b));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(LETTERS[(n >> (18 - 6 * i)) as usize & 63] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}
