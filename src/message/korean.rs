//! What Korean law asks of advertising by mail (정보통신망법 §50④ and the decree's annex 6, by the text of which the
//! current version should be checked): `(광고)` before the subject; in the body who sends it, how to reach them, and
//! how to refuse further mail, in Korean and in English. Law is encoded here; it is no legal advice.

use super::compose::SenderBlock;
use super::templates::escape_html;

/// What an advertising subject begins with.
pub const MARK: &str = "(광고)";

/// Whether a country, as shops write it, is Korea; none where the text is no country that is understood: two or three
/// letters of ISO 3166-1, or Korea's name.
pub fn names_korea(country: &str) -> Option<bool> {
    let name: String = (country.chars().filter(|c| c.is_alphanumeric()))
        .flat_map(char::to_lowercase)
        .collect();
    match name.as_str() {
        "kr" | "kor" | "korea" | "southkorea" | "republicofkorea" | "korearepublicof"
        | "koreasouth" | "대한민국" | "한국" | "남한" => Some(true),
        code if matches!(code.len(), 2 | 3) && code.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Some(false)
        }
        _ => None,
    }
}

/// `subject` with the mark before it, once; other spellings of the mark, which the rules forbid, are replaced.
pub fn marked(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some(behind) = without_mark(rest) {
        rest = behind.trim_start();
    }
    format!("{MARK} {rest}").trim_end().to_owned()
}

/// What follows `(광고)`, `[광고]`, `(광 고)`, `(광.고)` and the like at the begin of a text.
fn without_mark(text: &str) -> Option<&str> {
    let inner = text.strip_prefix(['(', '[', '（', '<', '【', '「'])?;
    let (word, rest) = inner.split_at(inner.find([')', ']', '）', '>', '】', '」'])?);
    let letters: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
    (letters == "광고").then(|| rest.trim_start_matches([')', ']', '）', '>', '】', '」']))
}

/// The sender as lines: company, address, telephone, email. What is not known is left out.
fn lines(sender: &SenderBlock, korean: bool) -> Vec<String> {
    let names = if korean {
        ["", "주소", "전화", "이메일"]
    } else {
        ["", "Address", "Phone", "Email"]
    };
    let values = [
        &sender.company,
        &sender.address,
        &sender.phone,
        &sender.email,
    ];
    let line = |(name, value): (&str, &String)| {
        let value = super::header::one_line(value);
        match (name, value.is_empty()) {
            (_, true) => None,
            ("", _) => Some(value),
            (name, _) => Some(format!("{name}: {value}")),
        }
    };
    names.into_iter().zip(values).filter_map(line).collect()
}

/// The notice as text. `refuse` is where further mail is refused: a page or a `mailto:`.
pub fn text_notice(sender: &SenderBlock, refuse: &str) -> String {
    let refuse = super::header::one_line(refuse);
    format!(
        "----------------------------------------\n{}\n\n\
         이 메일은 광고성 정보 수신에 동의하신 분께 보내 드립니다.\n\
         더 이상 받고 싶지 않으시면 다음에서 무료로 수신을 거부하실 수 있습니다.\n수신거부: {refuse}\n\n\
         You receive this because you agreed to advertising by email.\n\
         To stop receiving it, free of charge, unsubscribe here: {refuse}\n",
        lines(sender, true).join("\n")
    )
}

/// The notice as HTML, put in before `</body>`, or at the end.
pub fn with_html_notice(html: &str, sender: &SenderBlock, refuse: &str) -> String {
    let refuse = escape_html(&super::header::one_line(refuse));
    let block: Vec<String> = lines(sender, true).iter().map(|l| escape_html(l)).collect();
    let notice = format!(
        "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td align=\"center\" \
         style=\"padding:0 0 32px 0\">\n\
         <div class=\"pad quiet\" lang=\"ko\" style=\"max-width:600px;box-sizing:border-box;padding:0 40px;margin:0 auto;text-align:left;word-break:keep-all;font-family:-apple-system,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',Arial,sans-serif;\
         font-size:12px;line-height:1.7;color:#6b6259\">\n{}<br><br>\n\
         이 메일은 광고성 정보 수신에 동의하신 분께 보내 드립니다. 더 이상 받고 싶지 않으시면 무료로 \
         <a class=\"quiet\" href=\"{refuse}\" style=\"color:#6b6259\">수신거부</a>하실 수 있습니다.<br><br>\n\
         <span lang=\"en\">You receive this because you agreed to advertising by email. To stop receiving it, free of charge, \
         <a class=\"quiet\" href=\"{refuse}\" style=\"color:#6b6259\">unsubscribe</a>.</span>\n\
         </div>\n</td></tr></table>\n",
        block.join("<br>\n")
    );
    // Lower-casing ASCII keeps every offset.
    match html.to_ascii_lowercase().rfind("</body>") {
        Some(at) => format!("{}{notice}{}", &html[..at], &html[at..]),
        None => format!("{html}\n{notice}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{marked, names_korea};

    #[test]
    fn a_country_is_korea_however_a_shop_writes_it() {
        for korea in [
            "KR",
            "kor",
            "South Korea",
            "Korea, Republic of",
            "한국",
            "대한민국",
        ] {
            assert_eq!(names_korea(korea), Some(true), "{korea}");
        }
        for other in ["DE", "US", "jpn"] {
            assert_eq!(names_korea(other), Some(false), "{other}");
        }
        for unknown in ["", "Seoul", "서울", "Germany", "12"] {
            assert_eq!(names_korea(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_mark_stands_there_once_and_as_the_rules_spell_it() {
        for subject in [
            "오랜만이에요",
            "(광고) 오랜만이에요",
            "(광고)오랜만이에요",
            "[광고] 오랜만이에요",
            "(광 고) 오랜만이에요",
            "(광.고)(광고) 오랜만이에요",
        ] {
            assert_eq!(marked(subject), "(광고) 오랜만이에요", "{subject}");
        }
        assert_eq!(marked("(광고주) 안녕"), "(광고) (광고주) 안녕");
        assert_eq!(marked("We miss you"), "(광고) We miss you");
        assert_eq!(marked("("), "(광고) (");
        assert_eq!(marked(""), "(광고)");
    }
}
