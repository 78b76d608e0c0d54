//! `reveille coupon`: how the pools of coupon codes stand, and the codes of one.

use super::Context;
use super::failure::Failure;
use super::screen::{Screen, grouped, plain};
use super::table::Table;
use super::way::{Need, query, through};
use serde_json::Value;

#[derive(clap::Subcommand)]
pub enum Arguments {
    /// List the pools: how many codes each has, how many are given and left
    #[command(after_help = "\
`low`: fewer are left than `warn_below`; `used up`: none is, and messages that need one wait until
they expire. Add codes to the file, or raise `count`, and `reveille reload`.

Examples:
  reveille coupon list
  reveille coupon list --json")]
    List {
        /// Print one JSON object a pool
        #[arg(long)]
        json: bool,
    },
    /// Print the codes of a pool, given or not, a code a line: for the shop, which must take them
    #[command(after_help = "\
Of a pool that generates its codes nobody else knows them. They are worth money: keep the file as
you keep a password.

Example:
  reveille coupon codes tea > tea.txt")]
    Codes {
        /// The pool's name in campaigns/coupons.toml
        pool: String,
    },
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    match arguments {
        Arguments::List { json } => {
            through(context, Need::Look, async |way| {
                let rows = way.get("/coupons").await?;
                Ok(screen.rows(&rows, json, table)?)
            })
            .await
        }
        Arguments::Codes { pool } => {
            let path = query("/coupons/codes", &[("pool", Some(&pool))]);
            // A store that is only looked at may have no secret yet to make codes with.
            through(context, Need::Change, async |way| {
                let answer = way.get(&path).await?;
                let codes = answer["codes"].as_array().map_or(&[][..], Vec::as_slice);
                let codes: Vec<&str> = codes.iter().filter_map(Value::as_str).collect();
                Ok(screen.say(&codes.join("\n"))?)
            })
            .await
        }
    }
}

fn table(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "there are no pools of coupons: campaigns/coupons.toml names none".to_owned();
    }
    let mut table = Table::new(&["pool", "size", "given", "left", "stands", "campaigns"]);
    for row in rows {
        let number = |key: &str| grouped(row[key].as_u64().unwrap_or(0));
        let campaigns = row["campaigns"].as_array().map_or(&[][..], Vec::as_slice);
        let campaigns: Vec<&str> = campaigns.iter().filter_map(Value::as_str).collect();
        table.row(vec![
            plain(row["pool"].as_str().unwrap_or_default()),
            number("size"),
            number("given"),
            number("left"),
            level(row).to_owned(),
            campaigns.join(", "),
        ]);
    }
    table.render(&screen)
}

fn level(row: &Value) -> &str {
    match row["level"].as_str() {
        Some("used_up") => "used up",
        Some("low") => "low",
        _ => "plenty",
    }
}

/// One line for each pool that wants looking at.
pub fn low(pools: &Value, screen: Screen) -> Vec<String> {
    let pools = pools.as_array().map_or(&[][..], Vec::as_slice);
    let wants = pools.iter().filter(|pool| level(pool) != "plenty");
    let told = wants.map(|pool| {
        let name = plain(pool["pool"].as_str().unwrap_or_default());
        let number = |key: &str| grouped(pool[key].as_u64().unwrap_or(0));
        let line = match level(pool) {
            "used up" => format!(
                "the coupons of `{name}` are used up: messages that need one wait until they expire"
            ),
            _ => format!(
                "the coupons of `{name}` run low: {} of {} are left",
                number("left"),
                number("size")
            ),
        };
        screen.yellow(&format!("{line} (`reveille coupon list`)"))
    });
    told.collect()
}
