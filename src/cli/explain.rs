//! `reveille explain`: for each campaign the conditions with their present values, the enrollment, policy's answer, and
//! when the message would go.

use super::Context;
use super::failure::Failure;
use super::table::{width, wrapped};
use super::way::{Need, all, query, request, through};
use axum::http::{Method, header};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  reveille explain c-1001
  reveille explain c-1001 cart_reminder
  reveille explain c-1001 --json")]
pub struct Arguments {
    /// The customer (the shop's id)
    customer: String,
    /// Only this campaign
    campaign: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let path = query(
        "/explain",
        &[
            ("customer", Some(&arguments.customer)),
            ("campaign", arguments.campaign.as_deref()),
        ],
    );
    through(context, Need::Look, async |way| {
        if arguments.json {
            let explained = way.get(&path).await?;
            return Ok(context.screen.json(&explained)?);
        }
        let mut asked = request(Method::GET, &path, None);
        let text = header::HeaderValue::from_static("text/plain");
        asked.headers_mut().insert(header::ACCEPT, text);
        let body = all(way.send(asked).await?.into_body()).await?;
        let text = String::from_utf8_lossy(&body);
        let text = super::screen::plain(&text);
        let lines: Vec<String> = (text.trim_end().lines())
            .map(|line| hung(line, context.screen.columns))
            .collect();
        Ok(context.screen.say(&lines.join("\n"))?)
    })
    .await
}

/// Where a line's text may begin at most: what stands further right is no label.
const LABEL: usize = 40;

/// The line in lines of so many columns; those that follow stand under its text, right of label or mark.
fn hung(line: &str, most: usize) -> String {
    if width(line) <= most {
        return line.to_owned();
    }
    let inner = line.trim_start_matches(' ');
    let before = line.len() - inner.len();
    let text = inner.find("  ").map(|gap| {
        let text = inner[gap..].trim_start_matches(' ');
        (inner.len() - text.len(), text)
    });
    // Labels and marks are ours and ASCII: bytes are columns.
    let (head, text) = match text {
        Some((label, text)) if before + label <= LABEL && inner.is_char_boundary(label) => {
            (&line[..before + label], text)
        }
        _ => (&line[..before], inner),
    };
    let indent = " ".repeat(head.len());
    let room = most.saturating_sub(head.len()).max(LABEL / 2);
    let text = wrapped(text, room, &indent);
    format!("{head}{}", text.trim_start())
}

#[cfg(test)]
mod tests {
    use super::hung;

    #[test]
    fn long_lines_hang_under_their_text() {
        let line = "  message      \"hello\" waits until Thu 3 Sep 2026, 08:00: outside the hours of 고객 who sleeps";
        assert_eq!(
            hung(line, 60),
            "  message      \"hello\" waits until Thu 3 Sep 2026, 08:00:\n               \
             outside the hours of 고객 who sleeps"
        );
        assert_eq!(hung(line, 100), line);
        let mark = "               no   the shop's hours: shut then, and open again soon";
        assert_eq!(
            hung(mark, 60),
            "               no   the shop's hours: shut then, and open\n                    again soon"
        );
        assert_eq!(
            hung("Nothing leaves to anybody", 12),
            "Nothing leaves to\nanybody"
        );
    }
}
