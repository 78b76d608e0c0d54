//! Which of a campaign's mails are meant, and with whose data: what `preview` and `test-send` ask alike.

#[derive(Clone, clap::Args)]
pub struct Which {
    /// This step only
    #[arg(long, value_name = "ID")]
    pub step: Option<String>,
    /// This variant only
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// In this locale [default: the customer's or the shop's]
    #[arg(long, value_name = "LOCALE")]
    pub locale: Option<String>,
    /// With what is known of this customer (the shop's own id) [default: one is made up]
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
}

impl Which {
    /// As the daemon is asked.
    pub fn asked<'a>(&'a self, campaign: Option<&'a str>) -> [(&'static str, Option<&'a str>); 5] {
        [
            ("campaign", campaign),
            ("step", self.step.as_deref()),
            ("variant", self.variant.as_deref()),
            ("locale", self.locale.as_deref()),
            ("customer", self.customer.as_deref()),
        ]
    }
}
