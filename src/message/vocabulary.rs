//! Every helper that a template may call: the engine's own and ours, in one table. It is what makes them known to the
//! engine, what `check` suggests from, and what says which of them take an absent value, which decides what a template
//! cannot do without ([`super::asked`], [`super::uses`]).
//!
//! `log` is not among them: it would write customers' data to the daemon's log.

use super::answers;
use super::words::{self as w, Call};
use handlebars::template::HelperTemplate;
use handlebars::{
    Context, Handlebars, Helper as Called, HelperDef, RenderContext, RenderError, ScopedJson,
};
use serde_json::Value;

/// One helper.
struct Helper {
    name: &'static str,
    absent: Absent,
    made: Made,
}

/// What becomes of a message where its value is absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Absent {
    /// It goes on without.
    Taken,
    /// It cannot be made, as strict mode asks.
    Refused,
    /// It cannot be made, unless there is an `{{else}}`.
    RefusedWithoutElse,
}

#[derive(Clone, Copy)]
enum Made {
    /// By the template engine.
    Engine,
    Text(fn(&Call<'_, '_>) -> Result<String, RenderError>),
    Value(fn(&Call<'_, '_>) -> Result<Value, RenderError>),
}

use Absent::{Refused, RefusedWithoutElse, Taken};
use Made::{Engine, Text};

/// In the order in which `check` names them.
const HELPERS: [Helper; 34] = [
    helper("if", Taken, Engine),
    helper("unless", Taken, Engine),
    helper("each", RefusedWithoutElse, Engine),
    helper("with", RefusedWithoutElse, Engine),
    helper("lookup", Refused, Engine),
    helper("raw", Taken, Engine),
    helper("eq", Refused, Engine),
    helper("ne", Refused, Engine),
    helper("gt", Refused, Engine),
    helper("gte", Refused, Engine),
    helper("lt", Refused, Engine),
    helper("lte", Refused, Engine),
    helper("and", Taken, Engine),
    helper("or", Taken, Engine),
    helper("not", Refused, Engine),
    helper("len", Refused, Engine),
    helper("default", Taken, Text(w::default)),
    helper("date", Refused, Text(w::date)),
    helper("money", Refused, Text(w::money)),
    helper("number", Refused, Text(w::number)),
    helper("plural", Refused, Text(w::plural)),
    helper("counter", Refused, Text(w::counter)),
    helper("josa", Refused, Text(w::josa)),
    helper("upper", Refused, Text(w::upper)),
    helper("lower", Refused, Text(w::lower)),
    helper("truncate", Refused, Text(w::truncate)),
    helper("join", Refused, Text(w::join)),
    helper("urlencode", Refused, Text(w::urlencode)),
    helper("contains", Taken, Made::Value(answers::contains)),
    helper("take", Refused, Made::Value(answers::take)),
    helper("times", Refused, Made::Value(answers::times)),
    helper("percent", Refused, Text(w::percent)),
    helper("days", Refused, Text(w::days)),
    helper("capitalize", Refused, Text(w::capitalize)),
];

const fn helper(name: &'static str, absent: Absent, made: Made) -> Helper {
    Helper { name, absent, made }
}

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    HELPERS.iter().map(|helper| helper.name)
}

pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Whether a message could not be made where a value that this call is given is absent. Not of names that are no
/// helper's.
pub fn needs_its_values(call: &HelperTemplate) -> bool {
    let name = call.name.as_name().unwrap_or("");
    let known = HELPERS.iter().find(|helper| helper.name == name);
    known.is_some_and(|helper| match helper.absent {
        Taken => false,
        Refused => true,
        RefusedWithoutElse => call.inverse.is_none(),
    })
}

/// Makes our helpers known to `engine`.
pub fn register(engine: &mut Handlebars<'static>) {
    engine.unregister_helper("log");
    for Helper { name, made, .. } in &HELPERS {
        if !matches!(made, Engine) {
            engine.register_helper(name, Box::new(Named { name, made: *made }));
        }
    }
}

struct Named {
    name: &'static str,
    made: Made,
}

impl HelperDef for Named {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Called<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let call = Call {
            name: self.name,
            helper,
            context,
        };
        Ok(ScopedJson::Derived(match self.made {
            Text(word) => Value::String(word(&call)?),
            Made::Value(answer) => answer(&call)?,
            Engine => Value::Null,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Absent, HELPERS, register};
    use handlebars::Handlebars;
    use serde_json::json;

    /// A use of each, of the value `V`, and a value with which it goes well.
    fn used(name: &str) -> (String, &'static str) {
        match name {
            "if" | "unless" | "each" | "with" => {
                (format!("{{{{#{name} V}}}}x{{{{/{name}}}}}"), "list")
            }
            "raw" => ("{{{{raw V}}}}x{{{{/raw}}}}".to_owned(), "text"),
            "lookup" => ("{{lookup V 0}}".to_owned(), "list"),
            "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "and" | "or" | "times" | "take" => {
                let value = if name == "take" { "list" } else { "number" };
                (format!("{{{{{name} V 1}}}}"), value)
            }
            "money" => ("{{money V \"KRW\"}}".to_owned(), "number"),
            "plural" => ("{{plural V \"a\" \"b\"}}".to_owned(), "number"),
            "counter" => ("{{counter V \"개\"}}".to_owned(), "number"),
            "number" | "percent" => (format!("{{{{{name} V}}}}"), "number"),
            "josa" => ("{{josa V \"을/를\"}}".to_owned(), "text"),
            "truncate" => ("{{truncate V 3}}".to_owned(), "text"),
            "contains" => ("{{contains V \"a\"}}".to_owned(), "list"),
            "default" => ("{{default V \"a\"}}".to_owned(), "text"),
            "join" => ("{{join V}}".to_owned(), "list"),
            _ => (format!("{{{{{name} V}}}}"), "text"),
        }
    }

    #[test]
    fn which_helpers_take_an_absent_value_is_as_the_table_says() {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        register(&mut engine);
        let known = json!({ "text": "2026-03-01", "number": 2, "list": ["a"], "now": "2026-02-01T00:00:00Z" });
        let made = |call: &str| engine.render_template(call, &known);
        for helper in &HELPERS {
            let (call, value) = used(helper.name);
            let given = made(&call.replace('V', value));
            assert!(given.is_ok(), "{call}: {given:?}");
            let absent = made(&call.replace('V', "absent"));
            let taken = helper.absent == Absent::Taken;
            assert_eq!(absent.is_ok(), taken, "{call}: {absent:?}");
            if call.starts_with("{{#") {
                let with_else = call.replace("x{{", "x{{else}}y{{").replace('V', "absent");
                assert!(made(&with_else).is_ok(), "{with_else}");
            }
        }
        assert!(made("{{log text}}").is_err());
    }
}
