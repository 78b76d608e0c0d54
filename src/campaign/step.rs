//! `[[step]]`: a message, to the customer or to staff. When it falls due, and what else a step may do, is read by
//! [`super::journey`].

use super::condition::{Entry, Scope};
use super::coupons::{read_coupon, refuse_coupon};
use super::journey::{STAFF_EXPIRES, check_steps, read_act, read_expires, read_gate, read_timing};
use super::keys::{STEP, VARIANT};
use super::names::Names;
use super::{data, localized, products};
use crate::config::nearest::suggest;
use crate::config::toml_reader::{Item, Table};
use crate::domain::campaign::{Act, Localized, Shows, Step, Variant};
use crate::domain::condition::Named;
use crate::domain::id::StepId;
use crate::domain::preference::Class;
use crate::domain::time::Span;
use crate::domain::value::Properties;
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::de::DeValue;

/// What a step takes from its campaign.
pub struct Around<'a> {
    pub names: &'a Names<'a>,
    /// `None` where the campaign's own could not be read.
    pub class: Option<Class>,
    pub has_topic: bool,
    /// The property whose value tells two entries apart, as [`Entry::Keyed`] has it.
    pub per: Option<&'a str>,
    /// Whether an event starts the entries.
    pub by_event: bool,
    /// The segments and tags that have conditions.
    pub named: Named<'a>,
}

/// A text of more than this was not written for people.
const MOST_TEXT: usize = 100_000;
/// So many steps a campaign may have.
const MOST_STEPS: usize = 100;

/// Reads all `[[step]]`.
pub fn read_steps(root: &Table<'_>, around: &Around<'_>) -> Option<Vec<Step>> {
    let item = root.required("step", "add [[step]] with `id`, `template` and `subject`")?;
    if matches!(item.value(), DeValue::Table(_)) {
        root.reader().error(
            item.key_span(),
            "a step is written with two brackets on each side",
            "write [[step]]",
        );
        return None;
    }
    let items = item.list("write [[step]] above its keys")?;
    if items.is_empty() {
        item.error(
            "there is no step",
            "add [[step]] with `id`, `template` and `subject`",
        );
        return None;
    }
    if let Some(more) = items.get(MOST_STEPS) {
        more.error(
            format!(
                "there are {} steps; a campaign has {MOST_STEPS} at most",
                items.len()
            ),
            "make several campaigns of it",
        );
    }
    let read: Vec<Option<Step>> = items.iter().map(|item| read_step(item, around)).collect();
    let steps: Vec<Step> = read.into_iter().collect::<Option<_>>()?;
    check_steps(&items, &steps, around);
    Some(steps)
}

fn read_step(item: &Item<'_>, around: &Around<'_>) -> Option<Step> {
    let table = item.table(&STEP)?;
    let id = table
        .required(
            "id",
            "write id = \"reminder\"; keep it when you edit the file",
        )
        .and_then(|i| i.parsed(StepId::parse));
    let scope = Scope {
        names: around.names,
        entry: Entry::Keyed(around.per),
        known: true,
        by_event: around.by_event,
    };
    let timing = read_timing(&table, scope);
    let (only_if, otherwise) = read_gate(&table, scope);
    let renamed_from = match table.get("renamed_from") {
        None => Some(None),
        Some(item) => item.parsed(StepId::parse).map(Some),
    };
    let act = read_act(&table, around)?;
    let sends = !matches!(act, Some(Act::Tag(_) | Act::Untag(_) | Act::Leave(_)));
    let to_staff = matches!(act, Some(Act::Notify(_)));
    let shop_locale = &around.names.context.shop.locale;
    let shows = read_shows(&table, around);
    let data = shows.as_ref().and_then(|shows| shows.data.as_ref());
    let variants = read_variants(&table, data, around);
    let all_have = |has: fn(&Variant) -> bool| {
        variants
            .as_ref()
            .is_none_or(|list| !list.is_empty() && list.iter().all(has))
    };
    let text = match table.get("text") {
        None => Some(None),
        Some(item) => localized::read_as(&item, shop_locale, checked_text).map(Some),
    };
    let template = match table.get("template") {
        Some(item) => read_template(&item, around),
        None if !sends || (to_staff && table.has("text")) => Some(String::new()),
        None if all_have(|v| v.template.is_some()) => Some(String::new()),
        None => {
            table.required(
                "template",
                "write the name of a template, such as template = \"welcome\"",
            );
            None
        }
    };
    let subject = match table.get("subject") {
        Some(item) => read_subject(&item, shop_locale),
        None if !sends || all_have(|v| v.subject.is_some()) => Some(Localized::new()),
        None => {
            table.required(
                "subject",
                "write subject = \"...\" or { en = \"...\", ko = \"...\" }",
            );
            None
        }
    };
    let preheader = table
        .get("preheader")
        .map_or(Some(Localized::new()), |i| localized::read(&i, shop_locale));
    let class = match table.get("class") {
        Some(item) => {
            let class = read_class(&item);
            if class == Some(Class::Advertising) && !around.has_topic {
                needs_topic(&item);
            }
            class
        }
        None if act.is_some() => Some(Class::Transactional),
        None => around.class,
    };
    let usual_expiry = match class {
        Some(Class::Advertising) => Span::days(3),
        _ => Span::days(7),
    };
    let expires = read_expires(
        &table,
        if to_staff {
            STAFF_EXPIRES
        } else {
            usual_expiry
        },
    );
    let recheck = table.get("recheck").map_or(Some(true), |i| i.flag());
    let transport = match sends {
        true => read_transport(&table, around),
        false => Some(None),
    };
    let coupon = match act {
        None => read_coupon(&table, around.names),
        Some(_) => {
            refuse_coupon(&table);
            Some(None)
        }
    };
    Some(Step {
        id: id?,
        timing: timing?,
        only_if: only_if?,
        otherwise: otherwise?,
        act,
        renamed_from: renamed_from?,
        template: template?,
        subject: subject?,
        preheader: preheader?,
        variants: variants?,
        expires: expires?,
        recheck: recheck?,
        class: class?,
        transport: transport?,
        text: text?,
        shows: shows?,
        coupon: coupon?,
    })
}

/// What a mail to staff says.
fn checked_text(item: &Item<'_>, text: &str) -> Option<String> {
    if text.trim().is_empty() || text.len() > MOST_TEXT {
        item.error(
            format!(
                "`text` has {} bytes; it may have 1 to {MOST_TEXT}",
                text.len()
            ),
            "say what they should know: text = \"{{customer.id}} has been silent for two months\"",
        );
        return None;
    }
    Some(text.to_owned())
}

/// Reads `class`, of a campaign or a step.
pub fn read_class(item: &Item<'_>) -> Option<Class> {
    item.choice(&[
        ("advertising", Class::Advertising),
        ("informational", Class::Informational),
        ("transactional", Class::Transactional),
    ])
}

/// Says that advertising needs a topic.
pub fn needs_topic(class: &Item<'_>) {
    class.error(
        "advertising needs a topic, which customers can subscribe to or leave",
        "at the top of the file, write topic = \"...\" with a name from topics.toml",
    );
}

fn read_template(item: &Item<'_>, around: &Around<'_>) -> Option<String> {
    let name = item.text()?;
    if let Some(known) = &around.names.context.templates
        && !known.contains_key(name)
    {
        let mut help = suggest(name, known.keys().map(String::as_str));
        if help.is_empty() {
            help = format!("put {name}.html.hbs into the folder of templates");
        }
        item.error(format!("there is no template `{name}`"), help);
        return None;
    }
    Some(name.to_owned())
}

/// The engine itself marks advertising for recipients under Korean rules; a mark typed by hand would stand twice.
fn read_subject(item: &Item<'_>, shop_locale: &str) -> Option<Localized> {
    let subject = localized::read(item, shop_locale)?;
    let bare = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    if subject.values().any(|text| {
        let text = bare(text);
        text.contains("(광고)") || text.contains("（광고）") || text.contains("(광.고)")
    }) {
        item.warn(
            "\"(광고)\" is typed by hand in this subject",
            "remove it: it is put before the subject wherever the law asks for it",
        );
    }
    Some(subject)
}

fn read_transport(table: &Table<'_>, around: &Around<'_>) -> Option<Option<String>> {
    let context = around.names.context;
    match table.get("transport") {
        Some(item) => {
            let name = item.text()?;
            if !context.transports.contains(name) {
                item.error(
                    format!("there is no transport `{name}` in config.toml"),
                    suggest(name, context.transports.iter().map(String::as_str)),
                );
                return None;
            }
            Some(Some(name.to_owned()))
        }
        None if context.default_transport.is_none() => {
            table.required(
                "transport",
                format!(
                    "config.toml has several and none is called `main`; {}",
                    suggest("", context.transports.iter().map(String::as_str))
                )
                .as_str(),
            );
            None
        }
        None => Some(None),
    }
}

/// What its templates see beside the customer.
fn read_shows(table: &Table<'_>, around: &Around<'_>) -> Option<Shows> {
    let (products, data) = (products::read(table, around), data::read(table, around));
    Some(Shows {
        products: products?,
        data: data?,
    })
}

fn read_variants(
    table: &Table<'_>,
    data: Option<&Arc<Properties>>,
    around: &Around<'_>,
) -> Option<Vec<Variant>> {
    let Some(item) = table.get("variants") else {
        return Some(Vec::new());
    };
    let items = item.list("write variants = [{ name = \"plain\", subject = \"...\" }, { ... }]")?;
    if items.is_empty() {
        item.error(
            "`variants` is empty",
            "name one variant at least, or remove it",
        );
        return None;
    }
    let mut names = BTreeSet::new();
    let mut variants = Vec::new();
    let mut good = true;
    for item in &items {
        match read_variant(item, &mut names, around) {
            Some(mut variant) => {
                variant.shows.data = data::over(data, variant.shows.data);
                variants.push(variant);
            }
            None => good = false,
        }
    }
    good.then_some(variants)
}

fn read_variant(
    item: &Item<'_>,
    names: &mut BTreeSet<String>,
    around: &Around<'_>,
) -> Option<Variant> {
    let table = item.table(&VARIANT)?;
    let shop_locale = &around.names.context.shop.locale;
    let name = table
        .required("name", "write name = \"plain\"")
        .and_then(|item| {
            // A variant's name stands in logs and reports as a step's id does.
            let name = item.parsed(|text| {
                StepId::parse(text).map_err(|e| e.replace("the step id", "the variant's name"))
            })?;
            if !names.insert(name.as_str().to_owned()) {
                item.error(
                    format!("there are two variants called `{name}`"),
                    "give each a name of its own",
                );
                return None;
            }
            Some(name.as_str().to_owned())
        });
    let weight = table
        .get("weight")
        .map_or(Some(1), |i| i.whole(1, 1_000_000));
    let template = match table.get("template") {
        None => Some(None),
        Some(item) => read_template(&item, around).map(Some),
    };
    let subject = match table.get("subject") {
        None => Some(None),
        Some(item) => read_subject(&item, shop_locale).map(Some),
    };
    let preheader = match table.get("preheader") {
        None => Some(None),
        Some(item) => localized::read(&item, shop_locale).map(Some),
    };
    let shows = read_shows(&table, around);
    let coupon = read_coupon(&table, around.names);
    Some(Variant {
        name: name?,
        weight: u32::try_from(weight?).ok()?,
        template: template?,
        subject: subject?,
        preheader: preheader?,
        shows: shows?,
        coupon: coupon?,
    })
}
