//! Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats), the part that we use: a family is a
//! name, a help text, a type and its samples.

use std::fmt::{Display, Write};

/// A page of metrics being written.
#[derive(Default)]
pub struct Page(String);

/// How a family's numbers are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Counter,
    Gauge,
    /// `_count` and `_sum` without quantiles.
    Summary,
}

impl Page {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a string never fails.
        let _ = writeln!(self.0, "# HELP reveille_{name} {help}");
        let _ = writeln!(self.0, "# TYPE reveille_{name} {word}");
        Family {
            page: &mut self.0,
            name: name.to_owned(),
        }
    }

    /// A gauge with one sample.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample(&[], value);
    }

    /// A counter with one sample.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help).sample(&[], value);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// A family whose samples are being written.
pub struct Family<'a> {
    page: &'a mut String,
    name: String,
}

impl Family<'_> {
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.part("", labels, value);
    }

    /// A sample of a summary: `_count` or `_sum`.
    pub fn part(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.page, "reveille_{}{suffix}", self.name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let open = if i == 0 { '{' } else { ',' };
            let _ = write!(self.page, "{open}{label}=\"{}\"", escaped(text));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.page, "{close} {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Kind, Page};

    #[test]
    fn a_page_is_written_as_prometheus_reads_it() {
        let mut page = Page::default();
        page.gauge("up_seconds", "How long.", 1.5);
        let mut family = page.family("sent_total", Kind::Counter, "A \\ and\na line.");
        family.sample(&[("relay", "a\"b\\c\nd"), ("as", "x")], 3);
        let mut family = page.family("took_seconds", Kind::Summary, "Time.");
        family.part("_sum", &[], 0.25);
        let text = concat!(
            "# HELP reveille_up_seconds How long.\n# TYPE reveille_up_seconds gauge\nreveille_up_seconds 1.5\n",
            "# HELP reveille_sent_total A \\\\ and\\na line.\n# TYPE reveille_sent_total counter\n",
            "reveille_sent_total{relay=\"a\\\"b\\\\c\\nd\",as=\"x\"} 3\n",
            "# HELP reveille_took_seconds Time.\n# TYPE reveille_took_seconds summary\nreveille_took_seconds_sum 0.25\n",
        );
        assert_eq!(page.into_text(), text);
    }
}
