//! The words of mails to owners, in English and in Korean: what is the matter, since when, and what to do. They name
//! campaigns and pools and count customers; none of these is named.

use super::{News, What, campaigns_of};
use crate::domain::alert::Case;
use crate::domain::breaker::{Harm, Trip};
use crate::domain::rules::Rules;
use crate::domain::wall;
use crate::engine::coupons::PoolView;
use serde_json::{Value, json};

/// Subject and body, English before Korean.
type Words = [[&'static str; 2]; 2];

const TRIPPED: Words = [
    [
        "{{data.campaign}} has paused itself",
        "The campaign {{data.name}} ({{data.campaign}}) has paused itself at {{data.at}}.\n\nWhy: {{data.why}}.\n\nNothing more of it leaves until somebody looks. Its messages wait; what expires meanwhile is dropped.\nWhat was counted: reveille report {{data.campaign}}\nTo let it go on, counted anew: reveille resume {{data.campaign}}",
    ],
    [
        "{{data.campaign}} 캠페인이 스스로 멈췄습니다",
        "{{data.name}} ({{data.campaign}}) 캠페인이 {{data.at}}에 스스로 멈췄습니다.\n\n이유: {{data.why}}\n\n확인하실 때까지 이 캠페인의 메일은 나가지 않고 기다립니다. 그사이 기한이 지난 메일은 보내지 않습니다.\n집계 보기: reveille report {{data.campaign}}\n다시 시작하기(새로 집계합니다): reveille resume {{data.campaign}}",
    ],
];

const ENTERS: Words = [
    [
        "{{data.campaign}} waits for approval",
        "The campaign {{data.name}} ({{data.campaign}}) waits for approval since {{data.at}}.\n\nWhy: {{data.many}} customers stand in its audience, and more of them would enter at once than [safety] at_once allows.\n\nUntil somebody approves it, nobody enters it. Who is in it already goes on.\nHow it stands, with five of them: reveille campaign show {{data.campaign}}\nTo let them in: reveille campaign approve {{data.campaign}}",
    ],
    [
        "{{data.campaign}} 캠페인이 승인을 기다립니다",
        "{{data.name}} ({{data.campaign}}) 캠페인이 {{data.at}}부터 승인을 기다리고 있습니다.\n\n이유: 대상에 해당하는 고객이 {{data.many}}명이고, 한꺼번에 진입할 고객이 [safety] at_once에서 허용한 수보다 많습니다.\n\n승인하실 때까지 아무도 진입하지 않습니다. 이미 진입한 고객에게는 그대로 이어집니다.\n현황과 고객 예시 다섯 명 보기: reveille campaign show {{data.campaign}}\n승인하기: reveille campaign approve {{data.campaign}}",
    ],
];

const GOES_ON: Words = [
    [
        "{{data.campaign}} waits for approval",
        "The campaign {{data.name}} ({{data.campaign}}) waits for approval since {{data.at}}.\n\nWhy: its steps were edited, and {{data.many}} customers who are under way or had finished it would go on by them at once, more than [safety] at_once allows.\n\nUntil somebody approves it, they stay where they are.\nHow it stands, with five examples: reveille campaign show {{data.campaign}}\nTo let them on: reveille campaign approve {{data.campaign}}",
    ],
    [
        "{{data.campaign}} 캠페인이 승인을 기다립니다",
        "{{data.name}} ({{data.campaign}}) 캠페인이 {{data.at}}부터 승인을 기다리고 있습니다.\n\n이유: 단계를 고치셔서 진행 중이거나 이미 마친 고객 {{data.many}}명이 한꺼번에 이어 가게 되며, [safety] at_once에서 허용한 수보다 많습니다.\n\n승인하실 때까지 이 고객들은 제자리에 있습니다.\n현황과 고객 예시 다섯 명 보기: reveille campaign show {{data.campaign}}\n승인하기: reveille campaign approve {{data.campaign}}",
    ],
];

const LOW: Words = [
    [
        "The coupons of {{data.pool}} run low: {{data.left}} left",
        "Of the {{data.size}} codes of the coupon pool {{data.pool}} {{data.left}} are left; its warn_below is {{data.warn_below}}.\n\nMessages of these campaigns give them: {{data.campaigns}}.\nOnce none is left, a message that is to have one waits, and is dropped when it expires.\n\nHow the pools stand: reveille coupon list\nTo have more: add codes to the pool's file, or raise its count in coupons.toml; then reveille reload",
    ],
    [
        "{{data.pool}} 쿠폰이 얼마 남지 않았습니다: {{data.left}}개",
        "쿠폰 묶음 {{data.pool}}의 코드 {{data.size}}개 가운데 {{data.left}}개가 남았습니다. (알림 기준 warn_below: {{data.warn_below}})\n\n이 쿠폰을 쓰는 캠페인: {{data.campaigns}}\n다 쓰고 나면 쿠폰이 필요한 메일은 기다리다가 기한이 지나면 보내지 않습니다.\n\n현황 보기: reveille coupon list\n늘리기: 코드 파일에 코드를 더하시거나 coupons.toml의 count를 올리신 뒤 reveille reload",
    ],
];

const USED_UP: Words = [
    [
        "The coupons of {{data.pool}} are used up",
        "Of the {{data.size}} codes of the coupon pool {{data.pool}} {{data.left}} are left. It ran dry at {{data.at}}.\n\nMessages of these campaigns give them: {{data.campaigns}}.\nA message that is to have one waits while there is none, and is dropped when it expires.\n\nHow the pools stand: reveille coupon list\nTo have more: add codes to the pool's file, or raise its count in coupons.toml; then reveille reload",
    ],
    [
        "{{data.pool}} 쿠폰을 다 썼습니다",
        "쿠폰 묶음 {{data.pool}}의 코드 {{data.size}}개 가운데 {{data.left}}개가 남았습니다. {{data.at}}에 다 쓴 것으로 나타났습니다.\n\n이 쿠폰을 쓰는 캠페인: {{data.campaigns}}\n코드가 없는 동안 쿠폰이 필요한 메일은 기다리다가 기한이 지나면 보내지 않습니다.\n\n현황 보기: reveille coupon list\n늘리기: 코드 파일에 코드를 더하시거나 coupons.toml의 count를 올리신 뒤 reveille reload",
    ],
];

/// A mail before it is made.
pub(super) struct Letter {
    pub subject: &'static str,
    pub body: &'static str,
    pub context: Value,
}

impl Letter {
    /// In the shop's own language.
    pub(super) fn of(news: &News, pool: Option<&PoolView>, rules: &Rules) -> Letter {
        let shop = &rules.shop;
        let korean = shop.locale.split(['-', '_']).next() == Some("ko");
        let at = wall::local(news.at, shop.timezone).format("%Y-%m-%d %H:%M");
        let mut data = json!({
            "campaign": news.campaign.id.as_str(),
            "name": news.campaign.name,
            "at": format!("{at} ({})", shop.timezone),
        });
        let words = match &news.what {
            What::Tripped(trip) => {
                data["why"] = match korean {
                    true => in_korean(trip),
                    false => trip.to_string(),
                }
                .into();
                &TRIPPED
            }
            What::Case(Case::Enters(id)) => {
                let activation = rules.controls.activations.get(id);
                data["many"] = activation.map_or(0, |a| a.existing).into();
                &ENTERS
            }
            What::Case(Case::GoesOn(id)) => {
                data["many"] = rules.controls.waiting_to_go_on(id).unwrap_or(0).into();
                &GOES_ON
            }
            What::Case(case @ (Case::Low(name) | Case::UsedUp(name))) => {
                let campaigns = campaigns_of(rules, case);
                let campaigns: Vec<&str> = campaigns.iter().map(|c| c.id.as_str()).collect();
                data["pool"] = name.as_str().into();
                data["campaigns"] = campaigns.join(", ").into();
                let number = |of: fn(&PoolView) -> u64| pool.map_or(0, of);
                data["left"] = number(|p| p.left).into();
                data["size"] = number(|p| p.size).into();
                data["warn_below"] = number(|p| p.warn_below).into();
                match case {
                    Case::Low(_) => &LOW,
                    _ => &USED_UP,
                }
            }
        };
        let [subject, body] = words[usize::from(korean)];
        Letter {
            subject,
            body,
            context: json!({ "data": data }),
        }
    }
}

fn in_korean(trip: &Trip) -> String {
    let Trip {
        many, of, limit, ..
    } = trip;
    let what = match trip.harm {
        Harm::Unsubscribes => format!("메일 {of}통 중 수신 거부 {many}건"),
        Harm::Refusals => format!("메일 {of}통 중 수신 서버가 거절한 메일 {many}통"),
        Harm::Complaints => format!("메일 {of}통 중 스팸 신고 {many}건"),
        Harm::Errors => format!("메일 {of}통 중 만들지 못한 메일 {many}통"),
    };
    format!("{what} (한도: {limit})")
}
