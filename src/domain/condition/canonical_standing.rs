//! The spelling of conditions on dates, preferences, campaigns and answers; part of [`super::canonical`].

use super::canonical::Canonical;
use super::{CampaignWas, Condition, DateRule, Preference, PreferenceTest};

impl Canonical {
    /// Of the kinds that [`super::canonical`] leaves to this; the others are spelled there.
    pub(super) fn standing(&mut self, condition: &Condition) {
        match condition {
            Condition::Date(date) => {
                self.tag(11);
                self.date(&date.rule);
                self.int(i64::from(date.before));
                self.int(i64::from(date.after));
            }
            Condition::Preference(preference) => {
                self.tag(12);
                self.tag(match preference.what {
                    Preference::Window => 0,
                    Preference::Caps => 1,
                    Preference::Gap => 2,
                    Preference::Pause => 3,
                    Preference::OnRequest => 4,
                    Preference::Locale => 5,
                    Preference::Timezone => 6,
                    Preference::Format => 7,
                });
                match &preference.test {
                    PreferenceTest::Exists(wanted) => self.tag(u8::from(*wanted)),
                    PreferenceTest::OneOf(wanted) => {
                        self.tag(2);
                        self.texts(wanted);
                    }
                }
            }
            Condition::Campaign(campaign) => {
                self.tag(13);
                self.text(campaign.campaign.as_str());
                self.tag(match campaign.was {
                    CampaignWas::Entered => 0,
                    CampaignWas::Finished => 1,
                    CampaignWas::Left => 2,
                });
                self.option(campaign.within, |to, span| to.int(span.0));
            }
            Condition::UnderWay { above } => {
                self.tag(14);
                self.int(i64::from(*above));
            }
            Condition::Engaged(range) => {
                self.tag(15);
                self.range(range, |span| span.0);
            }
            Condition::Unanswered(range) => {
                self.tag(16);
                self.range(range, |n| n as i64);
            }
            Condition::ConsentAge(consent) => {
                self.tag(17);
                self.text(consent.topic.as_str());
                self.range(&consent.age, |span| span.0);
            }
            Condition::Refused(refused) => {
                self.tag(18);
                self.text(refused.topic.as_str());
                self.option(refused.within, |to, span| to.int(span.0));
            }
            Condition::All(_)
            | Condition::Any(_)
            | Condition::Not(_)
            | Condition::Event(_)
            | Condition::NoEvent(_)
            | Condition::KnownFor(_)
            | Condition::Attribute(_)
            | Condition::Tag(_)
            | Condition::Segment(_)
            | Condition::Subscribed(_)
            | Condition::Message(_) => {}
        }
    }

    fn date(&mut self, rule: &DateRule) {
        self.path(&rule.path);
        self.tag(u8::from(rule.yearly));
    }
}
