//! Questions that people ask of the engine: a customer, the customers, the log, the campaigns, the mailboxes; and the
//! few orders that belong beside them. Answers are plain data that serialises; how they look on a terminal is for the
//! commands. Reading goes to the store itself, never through a shard, so that a question waits for nobody.

mod campaigns;
mod complaints;
mod consents;
mod customer;
mod customers;
mod doubts;
mod export;
mod log;
mod mailboxes;
mod poisonous;

pub use campaigns::{CampaignView, Next, Phase, ProblemView};
pub use consents::{ConsentFilter, ConsentLogView};
pub use customer::{
    AttributeMap, ConsentView, CustomerRow, CustomerView, EnrollmentView, LedgerView, MailboxView,
    MessageView, PlaceView, PreferencesView, TrackView,
};
pub use doubts::DoubtView;
pub use export::{EventView, Export, HitView, SentMail};
pub use log::{LogFilter, LogPages, LogView};
pub use mailboxes::SuppressionView;
pub use poisonous::PoisonView;
