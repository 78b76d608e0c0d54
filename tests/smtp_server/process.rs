//! The server in a process of its own, so that a benchmark's or a soak's figures are not those of both. The process is
//! the same binary, started again: a test binary finds the test [`serve`] below; any other (a benchmark) calls
//! [`serve_if_asked`] first thing in `main`.

use super::{Options, SmtpServer};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

const ASKED: &str = "REVEILLE_TEST_SMTP_SERVER";
const LISTENING: &str = "smtp server listening on port ";

/// A server in another process, plain and without script; killed when dropped. It prints one line a message taken,
/// `message-id recipient length`, which [`ServerProcess::next_taken`] reads.
pub struct ServerProcess {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    pub port: u16,
}

impl ServerProcess {
    /// `tell`: print a line for each message. Without it the server only swallows.
    pub fn start(tell: bool) -> ServerProcess {
        let mut child = Command::new(std::env::current_exe().expect("we run from a file"))
            .args(["--ignored", "--nocapture", "smtp_server::process::serve"])
            .env(ASKED, if tell { "tell" } else { "swallow" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            let read = output.read_line(&mut line).expect("its output");
            assert!(read > 0, "the server ended before it listened");
            if let Some((_, port)) = line.split_once(LISTENING) {
                break port.trim().parse().expect("a port");
            }
        };
        ServerProcess {
            child,
            output,
            port,
        }
    }

    /// Message-ID, recipient and length of the next message taken; blocks.
    pub fn next_taken(&mut self) -> Option<(String, String, usize)> {
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        Some((
            words.next()?.to_owned(),
            words.next()?.to_owned(),
            words.next()?.parse().ok()?,
        ))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Becomes the server if [`ServerProcess::start`] asked for it; ends when its parent does.
pub fn serve_if_asked() {
    let Ok(how) = std::env::var(ASKED) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = SmtpServer::start(Options {
            keep_bytes: false,
            ..Options::default()
        })
        .await;
        if how == "tell" {
            server.on_taken(|m| {
                println!("{} {} {}", m.message_id, m.to, m.length);
            });
        }
        println!("{LISTENING}{}", server.port());
        let _ = std::io::stdout().flush();
        // The parent holds the other end of our input; it closes when the parent goes, however it goes.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await;
        std::process::exit(0);
    });
}

#[test]
#[ignore = "no test: the server process"]
fn serve() {
    serve_if_asked();
}
