//! `reveille init`: a new project that runs, and with `--from` one that knows the shop's customers already and says at
//! its end what its campaigns will do; with `--example`, a further campaign for a project that is there.

mod embedded;
mod example;
mod forecast;
mod project;

use super::Context;
use super::failure::Failure;
use super::import;
use super::import::export::{Export, Told};
use super::table::wrapped;
use super::tiers::Tiers;
use project::{Project, Shop};
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
Writes config.toml, campaigns/ and templates/, all commented, in English and Korean. Nothing can
leave from it: mails are written to a folder until config.toml names a mail server.

With --from it reads the shop's own export of its orders, in UTF-8, CP949 or windows-1252, one row
an order or one an item; it shows what it takes each column for, takes in what was ordered and by
whom, and ends with what the campaigns would do this week. Nothing but these columns is taken in.
What a customer of high value spends in a year (campaigns/tags.toml) is picked from it, too.

With --example it takes one of the example campaigns into a project that is there, as a draft,
with its mails in English and Korean, and says what else it needs. Nothing that is there is
written to.

Examples:
  reveille init shop
  reveille init shop --timezone Asia/Seoul --locale ko
  reveille init shop --from orders.csv
  reveille init shop --from orders.csv --map \"Kunde=customer\" --dates \"%d.%m.%Y\" --yes
  reveille init --example list
  reveille init --example birthday")]
pub struct Arguments {
    /// The project's folder; the present one, or one that is not there yet
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// A shop's export of its orders (CSV)
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The shop's zone, also that of times in the export that name none [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The language of customers who have not said theirs: en or ko [default: ko if the export holds Hangul, else en]
    #[arg(long, value_name = "LOCALE")]
    locale: Option<String>,
    /// What a column is: customer, email, name, order_id, time, total, product, quantity, price, consent, ..., the name of a property, or - to leave it out
    #[arg(long = "map", value_name = "COLUMN=FIELD", requires = "from")]
    map: Vec<String>,
    /// How the export writes dates (strftime) [default: found out]
    #[arg(long, value_name = "FORMAT", requires = "from")]
    dates: Option<String>,
    /// How the export writes letters: utf-8, cp949 or windows-1252 [default: found out]
    #[arg(long, value_name = "NAME", requires = "from")]
    encoding: Option<String>,
    /// The mark of fractions in amounts, point or comma [default: found out]
    #[arg(long, value_name = "MARK", requires = "from")]
    decimals: Option<String>,
    /// Whose totals the rows of one order have: each item's own, or the order's [default: found out]
    #[arg(long, value_name = "WHOSE", requires = "from")]
    totals: Option<String>,
    /// Take the export in as proposed, without asking
    #[arg(long, requires = "from")]
    yes: bool,
    /// Take this example into the project in DIR; `list` names them, with a line on each
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "timezone", "locale"])]
    example: Option<String>,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    if let Some(name) = &arguments.example {
        return example::run(name, &arguments.dir, context);
    }
    let zone = project::zone(arguments.timezone.as_deref())?;
    let project = Project::at(&arguments.dir)?;
    let Some(file) = arguments.from else {
        let shop = Shop::new(zone, arguments.locale.as_deref(), false)?;
        project.write(&shop)?;
        return project.tell(&shop, screen);
    };
    let told = Told {
        file,
        map: arguments.map,
        dates: arguments.dates,
        zone: None,
        encoding: arguments.encoding,
        decimals: arguments.decimals,
        totals: arguments.totals,
    };
    let export = Export::open(told, zone)?;
    let shop = Shop::new(zone, arguments.locale.as_deref(), export.survey.is_korean)?;
    screen.say(&export.shown(screen))?;
    if !arguments.yes && !screen.confirm("Take it in like this?") {
        return Err(Failure::Failed {
            what: "nothing was written".to_owned(),
            hint: "say what a column is with --map COLUMN=FIELD; --yes takes it in as shown".into(),
        });
    }
    let spending = export.spending()?;
    let picked = spending.as_ref().and_then(Tiers::of);
    let usual = || export.survey.money().map(|code| Tiers::usual(Some(code)));
    let shop = match picked.clone().or_else(usual) {
        Some(tiers) => shop.with(tiers),
        None => shop,
    };
    project.write(&shop)?;
    project.tell(&shop, screen)?;
    if let Some(tiers) = &picked {
        let text = format!(
            "Who is of high value and of middle (campaigns/tags.toml): {}",
            tiers.why()
        );
        screen.say(&format!("\n{}", wrapped(&text, screen.columns, "")))?;
    }
    screen.say("")?;
    let inside = Context {
        config: Some(project.config()),
        screen,
    };
    // Where rows are bad, the others are in: what the campaigns do with them is told all the same.
    let imported = import::run(import::Arguments::of_orders(export.told), &inside).await;
    let told = forecast::tell(&inside).await;
    imported?;
    told
}
