//! What others do: a row for each event, inserted by itself, durable, into a local PostgreSQL that is started for this.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An event as a table of events has it: found again by its identity, and by its customer.
const TABLE: &str = "create table events (id bigserial primary key, message_id text not null unique, \
    customer text not null, name text not null, at timestamptz not null, properties jsonb not null); \
    create index on events (customer, at);";

const INSERT: &str = "\\set who random(1, 100000)
insert into events (message_id, customer, name, at, properties) values (gen_random_uuid()::text, 'customer-' || :who, \
'Product Viewed', now(), '{\"product_id\":\"p-17\",\"sku\":\"TEA-17\",\"category\":\"tea\",\"name\":\"Green tea\",\"price\":12.5,\"currency\":\"EUR\",\"position\":3}');
";

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    folders.extend(versions.flatten().map(|v| v.path().join("bin")));
    folders.iter().map(|f| f.join(name)).find(|p| p.is_file())
}

/// PostgreSQL does not run as root: it is given the account of its package.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = accounts.lines().find(|l| l.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next()?.parse().ok();
    Some((number()?, number()?))
}

struct Cluster {
    folder: tempfile::TempDir,
    account: Option<(u32, u32)>,
}

impl Cluster {
    fn run(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PGHOST", self.folder.path())
            .env("PGUSER", "bench")
            .env("PGDATABASE", "postgres")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        // A server that goes on holds what it was started with: pipes would never end.
        let out = self.folder.path().join("out.txt");
        let file = std::fs::File::create(&out).map_err(|e| e.to_string())?;
        let copy = file.try_clone().map_err(|e| e.to_string())?;
        let status = command.stdout(file).stderr(copy).status();
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        match status {
            Ok(status) if status.success() => Ok(text),
            Ok(status) => Err(format!("{status}: {text}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Inserts from 16 clients for so many seconds and prints what came of it.
pub fn inserts(seconds: u32) {
    let wanted = ["initdb", "pg_ctl", "psql", "pgbench"].map(program);
    let [Some(initdb), Some(ctl), Some(psql), Some(pgbench)] = wanted else {
        println!("  PostgreSQL was not measured: install Debian's postgresql");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let account = account();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    if let Some((user, group)) = account {
        chown(folder.path(), Some(user), Some(group)).expect("a folder of root's");
    }
    let cluster = Cluster { folder, account };
    let socket = cluster.folder.path().display().to_string();
    let options = format!("-c listen_addresses= -k {socket}");
    let measured = (|| {
        cluster.run(&initdb, &["-D", "db", "-U", "bench", "-A", "trust"])?;
        cluster.run(
            &ctl,
            &["-D", "db", "-w", "-l", "log.txt", "-o", &options, "start"],
        )?;
        cluster.run(&psql, &["-q", "-c", TABLE])?;
        std::fs::write(cluster.folder.path().join("insert.sql"), INSERT)
            .map_err(|e| e.to_string())?;
        let time = seconds.to_string();
        let run = ["-n", "-f", "insert.sql", "-c", "16", "-j", "2", "-T", &time];
        let settings = cluster.run(&psql, &["-At", "-c", "show synchronous_commit; show fsync"])?;
        let told = cluster.run(&pgbench, &run)?;
        Ok::<_, String>((settings.replace('\n', " "), told))
    })();
    let stopped = cluster.run(&ctl, &["-D", "db", "-m", "immediate", "stop"]);
    match measured {
        Ok((settings, told)) => {
            println!(
                "  PostgreSQL, a transaction a row, 16 clients (synchronous_commit, fsync: {settings}):"
            );
            let lines = told.lines();
            for line in lines.filter(|l| l.starts_with("tps") || l.starts_with("latency average")) {
                println!("    {line}");
            }
        }
        Err(error) => println!("  PostgreSQL failed: {error}"),
    }
    if let Err(error) = stopped {
        println!("  PostgreSQL did not stop: {error}");
    }
}
