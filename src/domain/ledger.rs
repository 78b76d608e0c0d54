//! The send log's rows: one a decision, with its reason.

use super::id::{CampaignId, CustomerNo, EntryKey, MessageNo, StepId};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a message, or an enrollment, stands after a decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The customer entered the campaign.
    Entered,
    /// The customer left it before its end.
    Left,
    Waiting,
    Attempting,
    Retrying,
    Accepted,
    Refused,
    Uncertain,
    Dropped,
    HeldOut,
    Expired,
    Bounced,
    /// The customer left a topic, or advertising as a whole, by a link of this message.
    Unsubscribed,
    /// The pixel of a message that left was fetched: by whom, the reason says.
    Opened,
    /// A link of it was followed, likewise.
    Clicked,
    /// A step was passed over: its condition did not hold, or it is no longer in the file.
    Skipped,
    /// A step's act took effect.
    Done,
    /// An event was credited to a message that left or was held out, or taken back from it.
    Goal,
    /// The customer would have entered, and the quota had no place.
    NotDrawn,
    /// The customer reported mail as unwanted; laid to the latest one that left to them.
    Complained,
    /// A test mail, sent on request: nobody's message.
    Test,
    /// A copy for a seed address, likewise.
    Seed,
    /// The customer would have entered, and something stood against it that is no part of the audience.
    KeptOut,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Entered => "entered",
            Status::Left => "left",
            Status::Waiting => "waiting",
            Status::Attempting => "attempting",
            Status::Retrying => "retrying",
            Status::Accepted => "accepted",
            Status::Refused => "refused",
            Status::Uncertain => "uncertain",
            Status::Dropped => "dropped",
            Status::HeldOut => "held_out",
            Status::Expired => "expired",
            Status::Bounced => "bounced",
            Status::Unsubscribed => "unsubscribed",
            Status::Opened => "opened",
            Status::Clicked => "clicked",
            Status::Skipped => "skipped",
            Status::Done => "done",
            Status::Goal => "goal",
            Status::NotDrawn => "not_drawn",
            Status::Complained => "complained",
            Status::Test => "test",
            Status::Seed => "seed",
            Status::KeptOut => "kept_out",
        }
    }
}

macro_rules! reasons {
    ($($name:ident, $code:literal, $text:literal;)*) => {
        /// Why a decision fell as it did. The code is for programs, the text for people.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $($name,)* }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];
            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }
            /// One plain sentence for people.
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    Trigger, "trigger", "the trigger's event happened";
    Schedule, "schedule", "the schedule fired while the audience held";
    Audience, "audience", "the audience began to hold";
    Existing, "existing", "the audience already held when the campaign started";
    Restarted, "restarted", "the same event happened again before anything was sent";
    StepDue, "step_due", "the step fell due";
    Policy, "policy", "nothing stands against it";
    Window, "window", "outside the hours in which this customer may be written to";
    Pause, "pause", "the customer asked for a pause";
    Cap, "cap", "the customer has had as many messages as allowed";
    Gap, "gap", "too soon after the message before";
    CampaignPaused, "campaign_paused", "the campaign is paused";
    CampaignCancelled, "campaign_cancelled", "the campaign was cancelled";
    CampaignMissing, "campaign_missing", "the campaign's file is gone";
    StepGone, "step_gone", "the step is no longer in the campaign's file";
    NoAddress, "no_address", "there is no email address";
    Suppressed, "suppressed", "the address is suppressed";
    NoConsent, "no_consent", "there is no consent to advertising";
    TopicRefused, "topic_refused", "the customer has left this topic";
    NotRequested, "not_requested", "the topic goes only to those who asked for it";
    AudienceFails, "audience_fails", "the audience no longer holds";
    Exit, "exit", "the exit condition holds";
    TooManyOpen, "too_many_open", "more than 20 entries were open; the oldest went";
    Expires, "expires", "there is no permitted instant before it expires";
    Expired, "expired", "its time is over";
    Rehearsal, "rehearsal", "not among the recipients of `only_to`";
    RenderError, "render_error", "the message could not be composed";
    Accepted, "accepted", "the mail server accepted it";
    Refused, "refused", "the mail server refused it for good";
    DeadAddress, "dead_address", "the mail server says that there is no such mailbox";
    TryLater, "try_later", "the mail server asked to try again later";
    InDoubt, "in_doubt", "it is not known whether the mail server took it";
    InDoubtHeld, "in_doubt_held", "in doubt: held for an operator";
    RelayFault, "relay_fault", "the mail server itself is at fault; given back";
    NotStarted, "not_started", "the attempt did not begin; given back";
    Undeliverable, "undeliverable", "it cannot be sent to this address";
    Resent, "resent", "in doubt: the same message is sent again";
    TakenAsSent, "taken_as_sent", "in doubt: an operator took it as sent";
    Operator, "operator", "an operator said so";
    Moved, "moved", "the customer was merged into another, with whom it goes on";
    Merged, "merged", "it goes on from an anonymous customer who was merged into this one";
    Unsubscribed, "unsubscribed", "the customer left by a link of this message";
    Reader, "reader", "a mail program or browser, at a person's pace";
    GmailOpened, "gmail_opened", "Gmail fetched the pictures, as it does when a mail is opened";
    GmailEarly, "gmail_early", "Gmail fetched the pictures before anybody can have opened the mail";
    ApplePrivacy, "apple_privacy", "Apple's privacy protection fetches every picture, looked at or not";
    YahooProxy, "yahoo_proxy", "Yahoo's proxy fetched the pictures";
    Honeypot, "honeypot", "the link that no person sees was followed";
    HeadRequest, "head_request", "it was asked for by HEAD, as no reader does";
    KnownScanner, "known_scanner", "it calls itself by a scanner's or another program's name";
    TooEarly, "too_early", "within seconds of the mail being accepted";
    AllLinks, "all_links", "every link of the mail was followed within seconds";
    LinkBurst, "link_burst", "several links were followed in less than two seconds";
    WithScanner, "with_scanner", "it came together with a scanner, from the same place or by the same name";
    ProxyClick, "proxy_click", "a link was followed by what fetches pictures only";
    FetchedAhead, "fetched_ahead", "it was fetched ahead, before anybody asked for it";
    NoAgent, "no_agent", "it does not say what it is";
    OddAgent, "odd_agent", "what it calls itself is not known";
    Asked, "asked", "the customer asked for a topic that wants a confirmation";
    Answered, "answered", "nothing is left to confirm";
    Unconfirmed, "unconfirmed", "the customer has asked for this topic and not confirmed it yet";
    Date, "date", "the trigger's date came";
    OnRequestOnly, "on_request_only", "the customer takes only topics that go to those who ask for them";
    OnlyIf, "only_if", "the step's condition does not hold";
    Tagged, "tagged", "the step gives this tag";
    Untagged, "untagged", "the step takes this tag away";
    LeftTopic, "left_topic", "the step makes the customer leave this topic";
    Notified, "notified", "a mail to staff about this customer";
    ClosedDay, "closed_day", "advertising waits on this day";
    Edited, "edited", "the campaign's steps were changed";
    TooFewProducts, "too_few_products", "there are fewer products to show than the step asks for";
    Holdout, "holdout", "held out, so that it can be measured what the campaign brings about";
    Control, "control", "in the control group, which gets no advertising";
    GoalReached, "goal_reached", "the goal was reached";
    GoalUndone, "goal_undone", "what had reached the goal was undone";
    Appended, "appended", "the campaign has got this step since the customer came to its end";
    Quota, "quota", "the campaign's quota has no place for this customer";
    Tripped, "tripped", "the campaign has paused itself: a limit under [breakers] was reached";
    Complained, "complained", "the customer reported mail as unwanted";
    Coupon, "coupon", "a code of this pool is set aside for it";
    CouponsGone, "coupons_gone", "no code is left in this pool";
    CouponLimit, "coupon_limit", "the customer has had as many codes of this pool as one may have";
    HigherPriority, "higher_priority", "the customer is under way in a campaign of a higher priority";
    LeftAgain, "left_again", "the customer left by a link of this message, having left before: no breaker counts it";
}

/// One row of the send log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LogRow {
    pub time: Timestamp,
    pub customer: CustomerNo,
    pub campaign: CampaignId,
    pub step: Option<StepId>,
    pub message: Option<MessageNo>,
    pub entry: EntryKey,
    pub variant: Option<String>,
    pub status: Status,
    pub reason: Reason,
    /// What exactly: an instant, a reply, a condition. Holds no address.
    pub detail: String,
    /// The attempt that it speaks of; 0 before the first.
    pub attempt: u32,
    /// Of a message that leaves or is held out, in a campaign with a goal: an event before then is credited to it.
    pub goal_until: Option<Timestamp>,
    /// Of what is credited, in millionths; negative where it is taken back.
    pub value: Option<i64>,
}
