//! The webhooks' secrets, read once for each configuration in force: a changed secret is taken up by `reveille reload`.

use crate::config::Config;
use crate::config::secret::{Secret, Unreadable};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub struct Secrets(Mutex<Known>);

#[derive(Default)]
struct Known {
    config: Option<Arc<Config>>,
    by_name: BTreeMap<String, Secret>,
}

impl Secrets {
    pub async fn of(&self, config: &Arc<Config>, name: &str) -> Result<Secret, Unreadable> {
        if let Some(secret) = self.known(config, name) {
            return Ok(secret);
        }
        let Some(source) = config.webhooks.get(name).map(|w| w.secret.clone()) else {
            return Err(Unreadable::Wrong("there is no such webhook".into()));
        };
        let secret = tokio::task::spawn_blocking(move || source.read())
            .await
            .unwrap_or_else(|error| Err(Unreadable::Wrong(error.to_string())))?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known
            .config
            .as_ref()
            .is_none_or(|c| !Arc::ptr_eq(c, config))
        {
            *known = Known {
                config: Some(Arc::clone(config)),
                by_name: BTreeMap::new(),
            };
        }
        known.by_name.insert(name.to_owned(), secret.clone());
        Ok(secret)
    }

    fn known(&self, config: &Arc<Config>, name: &str) -> Option<Secret> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known
            .config
            .as_ref()
            .is_some_and(|c| Arc::ptr_eq(c, config));
        same.then(|| known.by_name.get(name).cloned()).flatten()
    }
}
