//! What was posted, as named values: `application/x-www-form-urlencoded`, or `multipart/form-data` (RFC 7578) as mail
//! programs prefer it for one-click (RFC 8058 §3.2). Files are none of ours, and nothing is ever written to disk. What is
//! neither gives no values.

use axum::http::{HeaderMap, Uri, header};

/// `?lang=ko`: the language that a page was switched to.
pub fn asked_language(uri: &Uri) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find_map(|(name, value)| (name == "lang").then(|| value.into_owned()))
}

/// More than our longest form has.
const MOST: usize = 500;

/// Named values in the order in which they came.
pub struct Posted(Vec<(String, String)>);

impl Posted {
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Posted {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|k| k.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("multipart/form-data") {
            let boundary = parameter(kind, "boundary");
            return Posted(boundary.map_or_else(Vec::new, |b| multipart(&b, body)));
        }
        let pairs = form_urlencoded::parse(body).take(MOST);
        Posted(
            pairs
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(n, _)| n == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// The word of a mail program (RFC 8058 §3.1): exactly this.
    pub fn is_one_click(&self) -> bool {
        self.get("List-Unsubscribe") == Some("One-Click")
    }
}

/// A parameter of a header's value: `; name=value` or `; name="value"`.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        (key.trim().eq_ignore_ascii_case(name)).then(|| bare.unwrap_or(value).to_owned())
    })
}

fn multipart(boundary: &str, body: &[u8]) -> Vec<(String, String)> {
    // RFC 2046 §5.1.1.
    if boundary.is_empty() || boundary.len() > 70 {
        return Vec::new();
    }
    let body = String::from_utf8_lossy(body);
    let delimiter = format!("--{boundary}");
    // What stands before the first delimiter and behind the last says nothing.
    (body.split(delimiter.as_str()).skip(1).take(MOST))
        .take_while(|part| !part.starts_with("--"))
        .filter_map(|part| {
            let part = part.trim_start_matches([' ', '\t']);
            let part = part.strip_prefix("\r\n").or(part.strip_prefix('\n'))?;
            let (head, value) = (part.split_once("\r\n\r\n")).or(part.split_once("\n\n"))?;
            let value = value.strip_suffix('\n').unwrap_or(value);
            let value = value.strip_suffix('\r').unwrap_or(value);
            let disposition = head.lines().find(|line| {
                let (name, _) = line.split_once(':').unwrap_or_default();
                name.eq_ignore_ascii_case("content-disposition")
            })?;
            Some((parameter(disposition, "name")?, value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Posted;
    use axum::http::{HeaderMap, HeaderValue, header};

    fn read(kind: &str, body: &str) -> Posted {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap());
        Posted::read(&headers, body.as_bytes())
    }

    #[test]
    fn one_click_is_known_in_either_form_and_in_no_other() {
        let form = "application/x-www-form-urlencoded";
        assert!(read(form, "List-Unsubscribe=One-Click").is_one_click());
        assert!(read("text/plain", "List-Unsubscribe=One-Click").is_one_click());
        for other in [
            "",
            "List-Unsubscribe",
            "List-Unsubscribe=one-click",
            "x=1",
            "List-Unsubscribe=One-Click%00",
        ] {
            assert!(!read(form, other).is_one_click(), "{other}");
        }
        let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        assert!(read("multipart/form-data; boundary=b", parts).is_one_click());
        assert!(read("Multipart/Form-Data; charset=utf-8; boundary=\"b\"", parts).is_one_click());
        assert!(!read("multipart/form-data; boundary=c", parts).is_one_click());
        assert!(!read("multipart/form-data", parts).is_one_click());
        assert!(
            !read(
                "multipart/form-data; boundary=b",
                &parts.replace("One-Click", "No")
            )
            .is_one_click()
        );
        assert!(
            !read(
                "multipart/form-data; boundary=b",
                &parts.replace("--b\r", "--x\r")
            )
            .is_one_click()
        );
    }

    #[test]
    fn values_of_one_name_come_in_their_order() {
        let posted = read(
            "application/x-www-form-urlencoded",
            "topic=a&x=1&topic=b+c%21&topic=",
        );
        assert_eq!(posted.all("topic").collect::<Vec<_>>(), ["a", "b c!", ""]);
        assert_eq!(posted.get("y"), None);
    }
}
