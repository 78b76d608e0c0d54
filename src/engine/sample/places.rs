//! Where the sample shop's customers live, and what people are called there.

use super::catalogue::{AUD, Currency, EUR, GBP, JPY, KRW, USD};

/// Where customers live: zone, its usual offset in minutes, currency, names, the locales spoken with their weights.
pub(super) struct Place {
    pub zone: &'static str,
    pub offset: i64,
    pub country: &'static str,
    pub currency: Currency,
    pub first: &'static [(&'static str, &'static str)],
    pub last: &'static [(&'static str, &'static str)],
    pub family_first: bool,
    pub locales: &'static [(&'static str, u64)],
}

/// Names as written, and as they stand in an address.
type Names = [(&'static str, &'static str)];

const KOREAN_FIRST: &Names = &[
    ("민준", "minjun"),
    ("서연", "seoyeon"),
    ("지우", "jiwoo"),
    ("하은", "haeun"),
    ("도윤", "doyun"),
    ("수아", "sua"),
    ("예준", "yejun"),
    ("지민", "jimin"),
    ("현우", "hyunwoo"),
    ("유나", "yuna"),
    ("은주", "eunju"),
    ("성호", "seongho"),
    ("영희", "younghee"),
    ("재현", "jaehyun"),
    ("다인", "dain"),
];
const KOREAN_LAST: &Names = &[
    ("김", "kim"),
    ("이", "lee"),
    ("박", "park"),
    ("최", "choi"),
    ("정", "jung"),
    ("강", "kang"),
    ("조", "cho"),
    ("윤", "yoon"),
    ("장", "jang"),
    ("임", "lim"),
    ("한", "han"),
    ("남궁", "namgung"),
];
const JAPANESE_FIRST: &Names = &[
    ("陽菜", "hina"),
    ("蓮", "ren"),
    ("結衣", "yui"),
    ("大翔", "hiroto"),
    ("さくら", "sakura"),
    ("健", "ken"),
];
const JAPANESE_LAST: &Names = &[
    ("佐藤", "sato"),
    ("鈴木", "suzuki"),
    ("高橋", "takahashi"),
    ("田中", "tanaka"),
    ("渡辺", "watanabe"),
];
const ENGLISH_FIRST: &Names = &[
    ("Olivia", "olivia"),
    ("Noah", "noah"),
    ("Amelia", "amelia"),
    ("George", "george"),
    ("Grace", "grace"),
    ("Oscar", "oscar"),
    ("Ruby", "ruby"),
    ("Samuel", "samuel"),
    ("Hannah", "hannah"),
    ("Theo", "theo"),
    ("Zoë", "zoe"),
    ("José", "jose"),
];
const ENGLISH_LAST: &Names = &[
    ("Smith", "smith"),
    ("Jones", "jones"),
    ("Taylor", "taylor"),
    ("Brown", "brown"),
    ("O'Neill", "oneill"),
    ("Walker", "walker"),
    ("Garcia", "garcia"),
    ("Young", "young"),
    ("King", "king"),
    ("Lopez", "lopez"),
];
const GERMAN_FIRST: &Names = &[
    ("Jürgen", "juergen"),
    ("Lena", "lena"),
    ("Felix", "felix"),
    ("Käthe", "kaethe"),
    ("Paul", "paul"),
    ("Emma", "emma"),
];
const GERMAN_LAST: &Names = &[
    ("Müller", "mueller"),
    ("Schmidt", "schmidt"),
    ("Weiß", "weiss"),
    ("Fischer", "fischer"),
    ("Groß", "gross"),
];
const NEPALI_FIRST: &Names = &[
    ("सीता", "sita"),
    ("विष्णु", "bishnu"),
    ("माया", "maya"),
    ("कुमार", "kumar"),
    ("Asha", "asha"),
];
const NEPALI_LAST: &Names = &[
    ("थापा", "thapa"),
    ("गुरुङ", "gurung"),
    ("श्रेष्ठ", "shrestha"),
    ("Rai", "rai"),
];

const ENGLISH: &[(&str, u64)] = &[("en", 1)];

const fn place(
    zone: &'static str,
    offset: i64,
    country: &'static str,
    currency: Currency,
    names: (&'static Names, &'static Names),
    family_first: bool,
    locales: &'static [(&'static str, u64)],
) -> Place {
    Place {
        zone,
        offset,
        country,
        currency,
        first: names.0,
        last: names.1,
        family_first,
        locales,
    }
}

pub(super) const PLACES: [Place; 8] = [
    place(
        "Asia/Seoul",
        540,
        "KR",
        KRW,
        (KOREAN_FIRST, KOREAN_LAST),
        true,
        &[("ko", 92), ("en", 8)],
    ),
    place(
        "Asia/Tokyo",
        540,
        "JP",
        JPY,
        (JAPANESE_FIRST, JAPANESE_LAST),
        true,
        &[("ja", 60), ("en", 40)],
    ),
    place(
        "Europe/London",
        0,
        "GB",
        GBP,
        (ENGLISH_FIRST, ENGLISH_LAST),
        false,
        &[("en-GB", 1)],
    ),
    place(
        "Europe/Berlin",
        60,
        "DE",
        EUR,
        (GERMAN_FIRST, GERMAN_LAST),
        false,
        &[("de", 70), ("en", 30)],
    ),
    place(
        "America/New_York",
        -300,
        "US",
        USD,
        (ENGLISH_FIRST, ENGLISH_LAST),
        false,
        &[("en", 9), ("ko", 1)],
    ),
    place(
        "America/Los_Angeles",
        -480,
        "US",
        USD,
        (ENGLISH_FIRST, ENGLISH_LAST),
        false,
        &[("en", 8), ("ko", 2)],
    ),
    place(
        "Australia/Lord_Howe",
        630,
        "AU",
        AUD,
        (ENGLISH_FIRST, ENGLISH_LAST),
        false,
        ENGLISH,
    ),
    place(
        "Asia/Kathmandu",
        345,
        "NP",
        USD,
        (NEPALI_FIRST, NEPALI_LAST),
        false,
        ENGLISH,
    ),
];
pub(super) const PLACE_WEIGHTS: [u64; 8] = [55, 10, 9, 6, 8, 6, 2, 4];
