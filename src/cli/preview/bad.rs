//! Campaigns of which no mail can be shown, told with what is wrong in their files.

use crate::cli::screen::{Screen, plain};
use crate::engine::preview::Bad;

pub(super) fn tell(bad: &[Bad], screen: Screen) {
    for bad in bad {
        let what = match &bad.campaign {
            Some(campaign) => {
                format!("the file of {campaign} is bad, so none of its mails is shown")
            }
            None => "templates are bad".to_owned(),
        };
        let lines = bad.problems.iter().map(|line| format!("\n  {line}"));
        let text = lines.fold(what, |text, line| text + &line);
        screen.error(&plain(&text), "`reveille check` shows the places");
    }
}
