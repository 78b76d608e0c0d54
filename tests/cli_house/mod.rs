//! A shop in a folder of its own, and the real program run on it.

#![allow(dead_code)]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// The longest that anything here may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two customers, their orders, and one bad row.
pub const ROWS: &str = concat!(
    r#"{"type":"identify","userId":"c-1","timestamp":"2026-01-05T00:00:00Z","traits":{"email":"one@customers.example","firstName":"One","timezone":"Asia/Seoul","window":"Mon-Fri 18:00-21:00","consent":true},"messageId":"m-1"}"#,
    "\n",
    r#"{"type":"identify","userId":"c-2","timestamp":"2026-01-05T00:00:00Z","traits":{"email":"two@customers.example"},"messageId":"m-2"}"#,
    "\n",
    r#"{"type":"track","userId":"c-1","event":"Order Completed","timestamp":"2026-02-01T00:00:00Z","properties":{"total":10},"messageId":"m-3"}"#,
    "\n",
    r#"{"type":"track","userId":"c-2","event":"Order Completed","timestamp":"2026-02-02T00:00:00Z","properties":{"total":20}}"#,
    "\n",
    r#"{"type":"track","userId":"c-2","event":"Order Completed","timestamp":"2026-02-02T00:00:00Z","properties":{"total":20}}"#,
    "\n",
);

pub struct House {
    folder: tempfile::TempDir,
}

/// What a command came to.
pub struct Came {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Came {
    fn of(output: Output) -> Came {
        Came {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It went well; what it printed.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Code, output and errors as one text.
    pub fn all(&self) -> String {
        format!(
            "exit code {}\n--- out\n{}--- err\n{}",
            self.code, self.out, self.err
        )
    }

    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let out = self.good();
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
    }
}

impl House {
    /// The shipped shop.
    pub fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("campaigns"), &folder.path().join("campaigns"));
        copy(&root.join("templates"), &folder.path().join("templates"));
        fs::copy(root.join("config.toml"), folder.path().join("config.toml")).unwrap();
        House { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reveille"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("USER", "operator")
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Came {
        Came::of(self.command(arguments).output().unwrap())
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Came {
        self.run_with_bytes(arguments, input.as_bytes())
    }

    pub fn run_with_bytes(&self, arguments: &[&str], input: &[u8]) -> Came {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        Came::of(child.wait_with_output().unwrap())
    }

    /// Times, folders and sizes masked.
    pub fn masked(&self, text: &str) -> String {
        let text = text.replace(self.folder.path().to_str().unwrap(), "FOLDER");
        let date = regex::Regex::new(
            r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?|(Mon|Tue|Wed|Thu|Fri|Sat|Sun) +\d+ \w+ \d\d:\d\d",
        )
        .unwrap();
        date.replace_all(&text, "TIME").into_owned()
    }

    /// Starts the daemon and waits until it tells the service manager that it is ready.
    pub fn start(&self) -> Running {
        let running = self.spawn(&["run"], &[]);
        running.told("READY=1");
        running
    }

    /// Starts a command that becomes a daemon; doesn't wait. Its standard error is kept in a file of this name.
    pub fn spawn(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let notify = self.path("notify");
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = self.command(arguments);
        command
            .envs(environment.iter().copied())
            .env("NOTIFY_SOCKET", &notify)
            .env("WATCHDOG_USEC", "4000000")
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path("stderr")).unwrap());
        Running {
            child: command.spawn().unwrap(),
            socket,
            stderr: self.path("stderr"),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let dest = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &dest),
            false => _ = fs::copy(&path, &dest).unwrap(),
        }
    }
}

/// The daemon, running.
pub struct Running {
    child: Child,
    socket: UnixDatagram,
    stderr: PathBuf,
}

impl Running {
    /// Waits until the service manager is told this; returns what it was told before.
    #[track_caller]
    pub fn told(&self, what: &str) -> Vec<String> {
        let mut before = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let Ok(length) = self.socket.recv(&mut buffer) else {
                panic!("never told {what}, only {before:?}:\n{}", self.log());
            };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|line| line == what) {
                return before;
            }
            before.push(text);
        }
    }

    /// Fills the service manager's socket, which nobody reads from here on, until it takes nothing more.
    pub fn deafen(&self) {
        let full = UnixDatagram::unbound().unwrap();
        full.set_nonblocking(true).unwrap();
        let address = self.socket.local_addr().unwrap();
        let socket = address.as_pathname().unwrap();
        while full.send_to(b"FILLED=1", socket).is_ok() {}
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM, and its end.
    pub fn stop(self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Its end, whatever brings it about.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.log())
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves no daemon behind; one that was stopped already is not there to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
