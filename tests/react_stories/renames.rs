//! Files and steps under other names: nothing changes for those under way, whichever of these names stand in their steps,
//! and however often they have changed.

use crate::world::files::triggered;
use crate::world::soundness::check_log;
use crate::world::{Draft, World, campaign_id};
use reveille::domain::campaign::{OnChange, Otherwise};
use reveille::domain::condition::{
    CampaignCondition, CampaignWas, Condition, MessageCondition, MessageWas, Named,
};
use reveille::domain::id::{CustomerNo, SegmentName, StepId, TagName};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::react::moves;
use reveille::domain::time::{Span, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

const START: &str = "2026-03-02T09:00:00Z";

/// What something is called, and what its file says that it was called before.
#[derive(Clone, Copy)]
struct Name(&'static str, Option<&'static str>);

fn was(now: &'static str, before: &'static str) -> Name {
    Name(now, Some(before))
}

/// Where the last step's condition stands.
#[derive(Clone, Copy, Debug)]
enum Through {
    Itself,
    Segment,
    Tag,
}

/// A series whose steps ask about its own messages and about another file; and one that it does not ask about.
#[derive(Clone, Copy)]
struct Folder {
    series: Name,
    steps: [Name; 3],
    asked: Name,
    hello: Name,
    aside: Name,
    on_change: OnChange,
    through: Through,
    /// Days before the second step.
    wait: i64,
    within: Option<Span>,
    asks_aside: bool,
}

impl Folder {
    fn new(on_change: OnChange, through: Through) -> Folder {
        let plain = |name| Name(name, None);
        Folder {
            series: plain("series"),
            steps: ["one", "two", "three"].map(plain),
            asked: plain("asked"),
            hello: plain("hello"),
            aside: plain("aside"),
            on_change,
            through,
            wait: 7,
            within: None,
            asks_aside: false,
        }
    }

    fn with(mut self, edit: impl FnOnce(&mut Folder)) -> Folder {
        edit(&mut self);
        self
    }

    /// What holds of everybody here.
    fn condition(&self) -> Condition {
        let no = |condition| Condition::Not(Box::new(condition));
        let message = |campaign: Name, step: Name, was| {
            Condition::Message(MessageCondition {
                campaign: campaign_id(campaign.0),
                step: StepId::parse(step.0).unwrap(),
                was,
                within: self.within,
                of_entry: false,
            })
        };
        let other = if self.asks_aside {
            self.aside
        } else {
            self.asked
        };
        Condition::All(vec![
            no(message(self.series, self.steps[0], MessageWas::Clicked)),
            no(message(other, self.hello, MessageWas::Sent)),
            no(Condition::Campaign(CampaignCondition {
                campaign: campaign_id(other.0),
                was: CampaignWas::Finished,
                within: None,
            })),
        ])
    }

    fn adopt(&self, world: &mut World) {
        let (segment, tag) = (
            SegmentName::parse("calm").unwrap(),
            TagName::parse("quiet").unwrap(),
        );
        let by_tag = || BTreeMap::from([(tag.clone(), self.condition())]);
        let (asks, segments, tags) = match self.through {
            Through::Itself => (self.condition(), BTreeMap::new(), BTreeMap::new()),
            Through::Tag => (Condition::Tag(tag.clone()), BTreeMap::new(), by_tag()),
            Through::Segment => (
                Condition::Segment(segment.clone()),
                BTreeMap::from([(segment, Condition::Tag(tag.clone()))]),
                by_tag(),
            ),
        };
        let file = |name: Name, event: &str| {
            triggered(name.0, event).with(|c| c.renamed_from = name.1.map(campaign_id))
        };
        let [one, two, three] = self.steps;
        let over = Otherwise::GoTo(StepId::parse(three.0).unwrap());
        let series = file(self.series, "Signed Up")
            .step(one.0, Span::ZERO, Span::days(3))
            .then(two.0)
            .wait(Span::days(self.wait))
            .otherwise(over)
            .then(three.0)
            .wait(Span::days(7))
            .only_if(asks)
            .on_change(self.on_change)
            .with(|c| {
                for (step, name) in c.steps.iter_mut().zip(self.steps) {
                    step.renamed_from = name.1.map(|old| StepId::parse(old).unwrap());
                }
            });
        let asked = (file(self.asked, "Never").step(self.hello.0, Span::ZERO, Span::days(3)))
            .with(|c| c.steps[0].renamed_from = self.hello.1.map(|s| StepId::parse(s).unwrap()));
        let aside = file(self.aside, "Never").step("hello", Span::ZERO, Span::days(3));
        let rules = Arc::make_mut(&mut world.rules);
        (rules.segments, rules.tags) = (segments.clone(), tags.clone());
        let named = Named {
            segments: &segments,
            tags: &tags,
        };
        let hashed = |Draft(mut campaign): Draft| {
            campaign.journey = campaign.journey_hash(&named);
            Draft(campaign)
        };
        world.adopt([series, asked, aside].map(hashed).into());
    }
}

fn begin(folder: &Folder) -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, Vec::new());
    folder.adopt(&mut world);
    let mina = world.customer("mina");
    let now = world.now;
    world.event(mina, "Signed Up", &[]);
    (world, mina, now)
}

fn days(world: &World, from: Timestamp) -> Vec<i64> {
    (world.attempts.iter())
        .map(|a| a.at.since(from).0 / 86_400_000)
        .collect()
}

type Edit = fn(&mut Folder);

/// Edits that only rename, one after the other, a day between them.
const RENAMES: &[(&str, &[Edit])] = &[
    (
        "a step, and a file that the steps do not ask about",
        &[|f| (f.steps[1], f.aside) = (was("second", "two"), was("beside", "aside"))],
    ),
    (
        "a file that is asked about, and later the own one, while both still say so",
        &[
            |f| f.asked = was("spoken", "asked"),
            |f| f.series = was("course", "series"),
            |f| f.steps[0] = was("first", "one"),
        ],
    ),
    (
        "the own file first, the others later",
        &[
            |f| (f.series, f.steps[0]) = (was("course", "series"), was("first", "one")),
            |f| (f.asked, f.aside) = (was("spoken", "asked"), was("beside", "aside")),
            |f| f.hello = was("greeting", "hello"),
        ],
    ),
    (
        "a step of another file",
        &[|f| f.hello = was("greeting", "hello")],
    ),
    (
        "twice, to a third name",
        &[
            |f| (f.steps[2], f.asked) = (was("b", "three"), was("b", "asked")),
            |f| (f.steps[2], f.asked) = (was("c", "b"), was("c", "b")),
            |f| (f.steps[0], f.series) = (was("first", "one"), was("b", "series")),
        ],
    ),
    (
        "and back again",
        &[
            |f| (f.steps[0], f.asked) = (was("first", "one"), was("spoken", "asked")),
            |f| (f.steps[0], f.asked) = (was("one", "first"), was("asked", "spoken")),
        ],
    ),
    (
        "two steps that take each other's name",
        &[
            |f| f.steps[1] = was("aside", "two"),
            |f| (f.steps[1], f.steps[2]) = (Name("aside", None), was("two", "three")),
            |f| (f.steps[1], f.steps[2]) = (was("three", "aside"), Name("two", None)),
        ],
    ),
    (
        "two files that take each other's name",
        &[
            |f| f.asked = was("third", "asked"),
            |f| (f.asked, f.aside) = (Name("third", None), was("asked", "aside")),
            |f| (f.asked, f.aside) = (was("aside", "third"), Name("asked", None)),
        ],
    ),
    (
        "everything at once",
        &[|f| {
            (f.series, f.asked) = (was("course", "series"), was("spoken", "asked"));
            (f.hello, f.aside) = (was("greeting", "hello"), was("beside", "aside"));
            f.steps = [was("a", "one"), was("b", "two"), was("c", "three")];
        }],
    ),
];

#[test]
fn other_names_change_nothing_for_those_under_way() {
    for (what, edits) in RENAMES {
        for through in [Through::Itself, Through::Segment, Through::Tag] {
            for on_change in [OnChange::Exit, OnChange::Jump] {
                let mut folder = Folder::new(on_change, through);
                let (mut world, mina, from) = begin(&folder);
                world.withhold_approval = on_change == OnChange::Jump;
                let what = format!("{what} ({through:?}, {on_change:?})");
                for edit in *edits {
                    world.run_for(Span::days(1));
                    edit(&mut folder);
                    folder.adopt(&mut world);
                    let standing = &world.record(mina).campaigns[folder.series.0];
                    let campaign = &world.rules.campaigns[folder.series.0];
                    let [way] = &standing.ways[..] else {
                        panic!("{what}: {:?}", standing.ways);
                    };
                    assert_eq!(way.journey, campaign.journey, "{what}");
                    let steps = way.steps.iter().map(StepId::as_str);
                    assert!(steps.eq(folder.steps.map(|s| s.0)), "{what}");
                    assert!(!world.has(folder.series.0, Status::Left, Reason::Edited));
                }
                world.run_for(Span::days(30));
                assert_eq!(days(&world, from), [0, 7, 14], "{what}");
                check_log(&world);
            }
        }
    }
}

/// What is edited beside is an edit.
#[test]
fn other_names_hide_no_edit() {
    let edits: [(&str, Edit); 4] = [
        ("a time", |f| f.wait = 8),
        ("what is asked", |f| f.within = Some(Span::days(3))),
        ("who is asked", |f| f.asks_aside = true),
        ("another step in its place", |f| {
            f.steps[2] = Name("new", None)
        }),
    ];
    for (what, edit) in edits {
        for through in [Through::Itself, Through::Segment, Through::Tag] {
            let folder = Folder::new(OnChange::Exit, through);
            let (mut world, ..) = begin(&folder);
            world.run_for(Span::days(1));
            let renamed = folder.with(|f| {
                (f.steps[1], f.asked) = (was("second", "two"), was("spoken", "asked"));
                f.aside = was("beside", "aside");
                edit(f);
            });
            renamed.adopt(&mut world);
            let left = world.has("series", Status::Left, Reason::Edited);
            assert!(left, "{what} ({through:?})");
        }
    }
}

/// An edit that waits has renamed a step already; without the rest of it there is nothing to wait for.
#[test]
fn a_name_that_stays_when_its_edit_is_taken_back_keeps_nobody_waiting() {
    let folder = Folder::new(OnChange::Jump, Through::Itself);
    let (mut world, mina, from) = begin(&folder);
    world.run_for(Span::days(1));
    world.withhold_approval = true;
    let waits = folder.with(|f| (f.steps[2], f.wait) = (was("third", "three"), 1));
    waits.adopt(&mut world);
    world.run_for(Span::days(1));
    assert_eq!(days(&world, from), [0]);
    let only_renamed = waits.with(|f| (f.wait, f.aside) = (7, was("beside", "aside")));
    only_renamed.adopt(&mut world);
    let told = moves(
        world.record(mina),
        &world.rules.campaigns["series"],
        &world.rules,
        world.now,
    );
    assert!(!told.behind && !told.at_once);
    world.run_for(Span::days(30));
    assert_eq!(days(&world, from), [0, 7, 14]);
    check_log(&world);
}

/// The edit is taken back with the name that it gave, while another step gets a new one: the first has its former name.
#[test]
fn a_name_is_taken_back_while_another_step_is_renamed() {
    let folder = Folder::new(OnChange::Jump, Through::Itself);
    let (mut world, mina, from) = begin(&folder);
    world.run_for(Span::days(1));
    world.withhold_approval = true;
    (folder.with(|f| (f.steps[1], f.wait) = (was("second", "two"), 1))).adopt(&mut world);
    world.run_for(Span::days(1));
    (folder.with(|f| f.steps[2] = was("third", "three"))).adopt(&mut world);
    let steps = &world.record(mina).campaigns["series"].ways[0].steps;
    assert!(steps.iter().map(StepId::as_str).eq(["one", "two", "third"]));
    world.run_for(Span::days(30));
    assert_eq!(days(&world, from), [0, 7, 14]);
    check_log(&world);
}

/// The name that a step had by the edit that is taken back is another one's now.
#[test]
fn a_name_is_taken_back_and_given_to_another_step() {
    let folder = Folder::new(OnChange::Jump, Through::Itself);
    let (mut world, mina, from) = begin(&folder);
    world.run_for(Span::days(1));
    world.withhold_approval = true;
    (folder.with(|f| (f.steps[0], f.wait) = (was("third", "one"), 1))).adopt(&mut world);
    world.run_for(Span::days(1));
    (folder.with(|f| f.steps[1] = was("third", "two"))).adopt(&mut world);
    let standing = &world.record(mina).campaigns["series"];
    let steps = standing.ways[0].steps.iter().map(StepId::as_str);
    assert!(steps.eq(["one", "third", "three"]));
    let had = standing.entries[0].passed.iter().map(StepId::as_str);
    assert!(had.eq(["one"]));
    world.run_for(Span::days(30));
    assert_eq!(days(&world, from), [0, 7, 14]);
    check_log(&world);
}

/// More names than are told apart, all of them changed at once; and one more later, while the others still say so.
#[test]
fn a_long_series_may_be_renamed_whole_and_then_one_of_its_steps() {
    let steps = |prefix: &str, former: Option<&str>| {
        let first =
            triggered("series", "Signed Up").step(&format!("{prefix}0"), Span::ZERO, Span::days(3));
        let all = (1..20).fold(first, |draft, n| {
            draft.then(&format!("{prefix}{n}")).wait(Span::days(1))
        });
        all.on_change(OnChange::Exit).with(|c| {
            for (n, step) in c.steps.iter_mut().enumerate() {
                step.renamed_from =
                    former.map(|former| StepId::parse(&format!("{former}{n}")).unwrap());
            }
        })
    };
    let mut world = World::new(START, vec![steps("a", None)]);
    let mina = world.customer("mina");
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(3));
    world.adopt(vec![steps("b", Some("a"))]);
    world.run_for(Span::days(3));
    assert_eq!(world.count("series", Status::Left), 0);
    let one_more = steps("b", Some("a")).with(|c| {
        let step = &mut c.steps[15];
        step.renamed_from = Some(std::mem::replace(
            &mut step.id,
            StepId::parse("c15").unwrap(),
        ));
        c.journey = c.journey_hash(&Named {
            segments: &BTreeMap::new(),
            tags: &BTreeMap::new(),
        });
    });
    world.adopt(vec![one_more]);
    world.run_for(Span::days(30));
    assert_eq!(world.attempts.len(), 20);
    assert_eq!(world.count("series", Status::Left), 0);
}
