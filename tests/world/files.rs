//! Campaigns, conditions and the shop, made in code.

use super::campaign_id;
use chrono::NaiveTime;
use reveille::domain::address::EmailAddress;
use reveille::domain::campaign::{
    Act, Again, At, Campaign, CampaignState, CampaignWindow, DueFrom, EntryRules, Existing, Limits,
    Localized, Missed, OnChange, Otherwise, Repeat, Schedule, ScheduleZone, Start, Step, Timing,
    Topic, Trigger, Variant, When,
};
use reveille::domain::cap::Cap;
use reveille::domain::condition::{
    CampaignCondition, CampaignWas, Condition, DateRule, DateTrigger, EventCondition,
    EventSelector, EventTest, Like, Named, Range,
};
use reveille::domain::event::Undo;
use reveille::domain::goal::Goal;
use reveille::domain::holdout::Share;
use reveille::domain::id::{EventName, StaffName, StepId, TagName, TopicId};
use reveille::domain::preference::Class;
use reveille::domain::rules::{Ceiling, InDoubt, Shop};
use reveille::domain::schedule::CronRule;
use reveille::domain::time::Span;
use reveille::domain::window::Window;
use std::collections::BTreeMap;

/// A campaign that is being written.
#[derive(Clone)]
pub struct Draft(pub Campaign);

fn campaign(name: &str, start: Start, condition: Option<Condition>) -> Draft {
    let draft = Draft(Campaign {
        id: campaign_id(name),
        name: name.into(),
        state: CampaignState::Live,
        owner: None,
        class: Class::Advertising,
        topic: Some(TopicId::parse("offers").unwrap()),
        priority: 0,
        start,
        audience: condition,
        entry: EntryRules {
            again: Again::Never,
            at_most: None,
            existing: Existing::Skip,
            exit: Vec::new(),
            unless_in: None,
            on_change: OnChange::Finish,
            appended: false,
        },
        steps: Vec::new(),
        tracking: None,
        limits: Limits::default(),
        hash: 0,
        audience_hash: 0,
        journey: 0,
        renamed_from: None,
        goal: None,
        breakers: Default::default(),
    });
    draft.step("mail", Span::ZERO, Span::days(3)).hashed()
}

/// A campaign that starts when `event` happens.
pub fn triggered(name: &str, event: &str) -> Draft {
    let trigger = Trigger {
        event: selector(event),
        count: 1,
        within: None,
        per: None,
        repeat: Repeat::Restart,
        fresh: Span::hours(24),
    };
    campaign(name, Start::Triggered(trigger), None)
}

/// A campaign that starts so many days after a date of the profile, on each customer's own clock.
pub fn dated(name: &str, attribute: &str, yearly: bool, shift: i32, at: &str) -> Draft {
    let trigger = DateTrigger {
        rule: DateRule {
            path: vec![attribute.to_owned()],
            yearly,
        },
        shift,
        at: NaiveTime::parse_from_str(at, "%H:%M").unwrap(),
        fresh: Span::hours(24),
    };
    campaign(name, Start::Dated(trigger), None)
}

/// A campaign that a schedule starts, on each customer's own clock.
pub fn scheduled(name: &str, cron: &str, condition: Condition) -> Draft {
    let schedule = Schedule {
        when: When::Cron(CronRule::parse(cron).unwrap()),
        zone: ScheduleZone::Customer,
        missed: Missed::RunOnce,
        max_late: Span::hours(6),
    };
    campaign(name, Start::Scheduled(schedule), Some(condition))
}

/// A campaign that customers enter when its audience begins to hold.
pub fn audience(name: &str, condition: Condition) -> Draft {
    campaign(name, Start::Audience, Some(condition))
}

impl Draft {
    /// The hash follows what decides who stands in the audience, as the reader's does.
    fn hashed(mut self) -> Draft {
        let text = format!("{:?} {:?}", self.0.audience, self.0.start);
        self.0.audience_hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        self.0.hash = self.0.audience_hash;
        self.0.journey = self.0.journey_hash(&Named {
            segments: &BTreeMap::new(),
            tags: &BTreeMap::new(),
        });
        self
    }

    pub fn with(mut self, write: impl FnOnce(&mut Campaign)) -> Draft {
        write(&mut self.0);
        self.hashed()
    }

    fn with_trigger(self, write: impl FnOnce(&mut Trigger)) -> Draft {
        self.with(|c| match &mut c.start {
            Start::Triggered(trigger) => write(trigger),
            _ => panic!("not a trigger"),
        })
    }

    /// Replaces the steps by one.
    pub fn step(self, id: &str, after: Span, expires: Span) -> Draft {
        self.with(|c| c.steps.clear()).and_step(id, after, expires)
    }

    pub fn and_step(self, id: &str, after: Span, expires: Span) -> Draft {
        self.with(|c| {
            let step = Step {
                id: StepId::parse(id).unwrap(),
                timing: Timing {
                    from: DueFrom::Entry(after),
                    ..Timing::AT_ONCE
                },
                only_if: None,
                otherwise: Otherwise::Skip,
                act: None,
                renamed_from: None,
                text: None,
                template: "t".into(),
                subject: Localized::new(),
                preheader: Localized::new(),
                variants: Vec::new(),
                expires,
                recheck: true,
                class: c.class,
                transport: None,
                shows: Default::default(),
                coupon: None,
            };
            c.steps.push(step);
        })
    }

    /// Another step: at once after the one before, until it is said otherwise.
    pub fn then(self, id: &str) -> Draft {
        self.and_step(id, Span::ZERO, Span::days(3))
            .last(|s| s.timing = Timing::AT_ONCE)
    }

    /// Says more of the last step.
    pub fn last(self, write: impl FnOnce(&mut Step)) -> Draft {
        self.with(|c| write(c.steps.last_mut().unwrap()))
    }

    pub fn wait(self, wait: Span) -> Draft {
        self.last(|s| s.timing.from = DueFrom::Before(wait))
    }

    pub fn at(self, time: &str) -> Draft {
        let time = chrono::NaiveTime::parse_from_str(time, "%H:%M").unwrap();
        self.last(|s| s.timing.at = Some(At::Clock(time)))
    }

    /// The last step goes at the best hour of each customer.
    pub fn best(self) -> Draft {
        self.last(|s| s.timing.at = Some(At::Best))
    }

    pub fn until(self, condition: Condition) -> Draft {
        self.last(|s| s.timing.until = Some(condition))
    }

    pub fn only_if(self, condition: Condition) -> Draft {
        self.last(|s| s.only_if = Some(condition))
    }

    pub fn otherwise(self, otherwise: Otherwise) -> Draft {
        self.last(|s| s.otherwise = otherwise)
    }

    pub fn act(self, act: Act) -> Draft {
        self.last(|s| {
            s.act = Some(act);
            s.class = Class::Transactional;
        })
    }

    pub fn on_change(self, on_change: OnChange) -> Draft {
        self.with(|c| c.entry.on_change = on_change)
    }

    pub fn variants(self, weights: &[(&str, u32)]) -> Draft {
        self.with(|c| {
            c.steps[0].variants = (weights.iter())
                .map(|(name, weight)| Variant {
                    name: (*name).into(),
                    weight: *weight,
                    template: None,
                    subject: None,
                    preheader: None,
                    shows: Default::default(),
                    coupon: None,
                })
                .collect();
        })
    }

    pub fn no_recheck(self) -> Draft {
        self.with(|c| c.steps.iter_mut().for_each(|s| s.recheck = false))
    }

    pub fn class(self, class: Class) -> Draft {
        self.with(|c| {
            c.class = class;
            let messages = c.steps.iter_mut().filter(|s| s.act.is_none());
            messages.for_each(|s| s.class = class);
        })
    }

    pub fn topic(self, topic: Option<&str>) -> Draft {
        self.with(|c| c.topic = topic.map(|t| TopicId::parse(t).unwrap()))
    }

    pub fn priority(self, priority: i32) -> Draft {
        self.with(|c| c.priority = priority)
    }

    pub fn again(self, again: Again) -> Draft {
        self.with(|c| c.entry.again = again)
    }

    pub fn at_most(self, most: u32) -> Draft {
        self.with(|c| c.entry.at_most = Some(most))
    }

    pub fn existing(self, existing: Existing) -> Draft {
        self.with(|c| c.entry.existing = existing)
    }

    pub fn exit(self, condition: Condition) -> Draft {
        self.with(|c| c.entry.exit.push(condition))
    }

    pub fn state(self, state: CampaignState) -> Draft {
        self.with(|c| c.state = state)
    }

    pub fn of(self, condition: Condition) -> Draft {
        self.with(|c| c.audience = Some(condition))
    }

    pub fn caps(self, caps: &[&str]) -> Draft {
        self.with(|c| c.limits.caps = self::caps(caps))
    }

    pub fn window(self, window: CampaignWindow) -> Draft {
        self.with(|c| c.limits.window = window)
    }

    pub fn holdout(self, share: &str) -> Draft {
        self.with(|c| c.limits.holdout = Some(Share::parse(share).unwrap()))
    }

    /// Success is `event`, whose `total` is its value, unless an `Order Cancelled` of the same order undoes it.
    pub fn goal(self, event: &str, within: Span) -> Draft {
        let goal = Goal {
            event: selector(event),
            within,
            value: Some(vec!["total".into()]),
            undone_by: Some(Undo {
                event: EventName::parse("Order Cancelled").unwrap(),
                same: "order_id".into(),
            }),
        };
        self.with(|c| c.goal = Some(goal))
    }

    pub fn per(self, property: &str) -> Draft {
        self.with_trigger(|t| t.per = Some(property.into()))
    }

    pub fn repeat(self, repeat: Repeat) -> Draft {
        self.with_trigger(|t| t.repeat = repeat)
    }

    pub fn fresh(self, fresh: Span) -> Draft {
        self.with_trigger(|t| t.fresh = fresh)
    }

    pub fn times(self, count: u64, within: Option<Span>) -> Draft {
        self.with_trigger(|t| (t.count, t.within) = (count, within))
    }

    pub fn fixed(self, zone: chrono_tz::Tz) -> Draft {
        self.with(|c| match &mut c.start {
            Start::Scheduled(schedule) => schedule.zone = ScheduleZone::Fixed(zone),
            _ => panic!("not a schedule"),
        })
    }
}

pub fn caps(texts: &[&str]) -> Vec<Cap> {
    texts.iter().map(|t| Cap::parse(t).unwrap()).collect()
}

pub fn window(text: &str) -> Window {
    Window::parse(text).unwrap()
}

pub fn selector(event: &str) -> EventSelector {
    EventSelector {
        name: (event != "*").then(|| EventName::parse(event).unwrap()),
        filter: Vec::new(),
    }
}

/// `event` happened at least once.
pub fn ever(event: &str) -> Condition {
    Condition::Event(EventCondition::new(
        selector(event),
        None,
        false,
        None,
        EventTest::Count(Range {
            low: Some(1),
            high: None,
        }),
    ))
}

/// The latest `event` is at least so long ago.
pub fn dormant(event: &str, age: Span) -> Condition {
    Condition::Event(EventCondition::new(
        selector(event),
        None,
        false,
        None,
        EventTest::Last(Range {
            low: Some(age),
            high: None,
        }),
    ))
}

/// `event` did not happen within that time.
pub fn none(event: &str, within: Option<Span>) -> Condition {
    Condition::NoEvent(EventCondition::none(selector(event), within, false, None))
}

/// `event` happened since the entry, for the same cart.
pub fn since_entry(event: &str, same: Option<&str>) -> Condition {
    Condition::Event(EventCondition::new(
        selector(event),
        None,
        true,
        same.map(str::to_owned),
        EventTest::Count(Range {
            low: Some(1),
            high: None,
        }),
    ))
}

/// An `event` whose `property` is what the event that started the entry had at `of` happened, or did not, in that time.
pub fn alike(event: &str, within: Span, property: &str, of: &str) -> EventCondition {
    let path = |text: &str| text.split('.').map(str::to_owned).collect();
    EventCondition::none(selector(event), Some(within), false, None).like(Some(Like {
        property: path(property),
        of: path(of),
    }))
}

/// Another campaign was entered in that time.
pub fn was(campaign: &str, within: Span) -> Condition {
    Condition::Campaign(CampaignCondition {
        campaign: campaign_id(campaign),
        was: CampaignWas::Entered,
        within: Some(within),
    })
}

pub fn tagged(tag: &str) -> Condition {
    Condition::Tag(TagName::parse(tag).unwrap())
}

/// The audience of everybody who subscribes to a topic.
pub fn advertising_to(topic: &str) -> Condition {
    Condition::Subscribed(TopicId::parse(topic).unwrap())
}

/// A shop in UTC without limits that retries after 10 minutes and an hour.
pub fn shop() -> Shop {
    Shop {
        timezone: chrono_tz::Tz::UTC,
        locale: "en".into(),
        window: None,
        caps: Vec::new(),
        gap: None,
        ceiling: Ceiling::default(),
        in_doubt: InDoubt::Resend,
        settle: Span::minutes(1),
        give_up: Span::days(4),
        retry: vec![Span::minutes(10), Span::hours(1)],
        only_to: None,
        staff: [(
            StaffName::parse("crm").unwrap(),
            EmailAddress::parse("crm@shop.example").unwrap(),
        )]
        .into(),
        closed: Default::default(),
        control: None,
    }
}

/// "offers" follows the consent to advertising as a whole, "news" must be given by name, "digest" is on request.
pub fn topic(name: &str) -> (TopicId, Topic) {
    let id = TopicId::parse(name).unwrap();
    let topic = Topic {
        id: id.clone(),
        name: Localized::new(),
        description: Localized::new(),
        on_request: name == "digest",
        confirm: false,
        default: name == "offers",
    };
    (id, topic)
}
