//! The files of a new project: which they are, that none is overwritten, and what the configuration says of the shop.

use crate::cli::failure::Failure;
use crate::cli::schema;
use crate::cli::screen::Screen;
use crate::cli::shipped::{self, FILES};
use crate::cli::tiers::Tiers;
use crate::config::Config;
use crate::config::settings::DEFAULT_FILE;
use crate::config::text;
use chrono_tz::Tz;
use std::path::{Path, PathBuf};

/// What is no business of version control: the store and the mails.
const IGNORED: &str = "/data/\n/mail/\n*.rejected\n";

/// What is known of the shop.
#[derive(Debug)]
pub struct Shop {
    zone: Tz,
    /// `en` or `ko`, perhaps with a region.
    locale: String,
    country: Option<&'static str>,
    /// From which spending on customers are of high and of middle value.
    tiers: Tiers,
}

/// The zone that is told, or this machine's.
pub fn zone(told: Option<&str>) -> Result<Tz, Failure> {
    if let Some(told) = told {
        return text::zone(told).map_err(Failure::Usage);
    }
    let machine = iana_time_zone::get_timezone().ok();
    Ok(machine
        .and_then(|name| name.parse().ok())
        .unwrap_or(Tz::UTC))
}

/// The money of a shop that names none.
fn money(country: Option<&str>, locale: &str, zone: Tz) -> Option<&'static str> {
    let is_korean = locale.split('-').next() == Some("ko") || zone == Tz::Asia__Seoul;
    let is_japan = locale.ends_with("-JP") || matches!(zone, Tz::Asia__Tokyo | Tz::Japan);
    match country {
        Some("KR") => Some("KRW"),
        Some("JP") => Some("JPY"),
        Some(_) => None,
        None if is_korean => Some("KRW"),
        None => is_japan.then_some("JPY"),
    }
}

/// The figures that suit the money of a project that is there.
pub fn tiers_of(config: &Config) -> Tiers {
    let defaults = &config.defaults;
    let country = config.law.country.as_deref();
    Tiers::usual(money(country, &defaults.locale, defaults.timezone))
}

impl Shop {
    /// Where nothing is said of the language, Korean customers are written to in Korean.
    pub fn new(zone: Tz, locale: Option<&str>, is_korean: bool) -> Result<Shop, Failure> {
        let locale = locale.unwrap_or(if is_korean { "ko" } else { "en" });
        let language = locale.split('-').next().unwrap_or_default();
        if !matches!(language, "en" | "ko") || text::locale(locale).is_err() {
            return Err(Failure::Usage(format!(
                "the campaigns that a project begins with are in English and Korean, and there is no {locale:?}: begin \
                 with --locale en, and set [defaults] locale in config.toml once your texts are there"
            )));
        }
        let country = (language == "ko" || zone == Tz::Asia__Seoul).then_some("KR");
        Ok(Shop {
            zone,
            locale: locale.to_owned(),
            country,
            tiers: Tiers::usual(money(country, locale, zone)),
        })
    }

    /// The shop with other figures.
    pub fn with(self, tiers: Tiers) -> Shop {
        Shop { tiers, ..self }
    }

    /// The default configuration with what is known set.
    fn configuration(&self) -> String {
        let mut text = DEFAULT_FILE
            .replace(
                "timezone = \"UTC\"  ",
                &format!("timezone = \"{}\"  ", self.zone),
            )
            .replace(
                "locale   = \"en\"",
                &format!("locale   = \"{}\"", self.locale),
            );
        if let Some(country) = self.country {
            text = text.replace(
                "# country = \"KR\"  ",
                &format!("country = \"{country}\"    "),
            );
        }
        text
    }
}

/// The folder of a project that is not there yet.
pub struct Project {
    folder: PathBuf,
}

impl Project {
    /// An error if anything of it is there already.
    pub fn at(folder: &Path) -> Result<Project, Failure> {
        let mut files = FILES
            .iter()
            .map(|(path, _)| *path)
            .chain(["config.toml", "schema"]);
        if let Some(there) = files.find(|path| folder.join(path).symlink_metadata().is_ok()) {
            return Err(Failure::Failed {
                what: format!("{} is there already", folder.join(there).display()),
                hint: "name another folder; nothing was written".into(),
            });
        }
        Ok(Project {
            folder: folder.to_owned(),
        })
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    pub fn write(&self, shop: &Shop) -> Result<(), Failure> {
        let ignore = self.folder.join(".gitignore");
        let written = std::fs::create_dir_all(&self.folder)
            .and_then(|()| shipped::write(&self.folder, &shop.configuration(), &shop.tiers))
            .and_then(|()| schema::write(&self.folder.join("schema")))
            .and_then(|()| match ignore.symlink_metadata() {
                Ok(_) => Ok(()),
                Err(_) => std::fs::write(&ignore, IGNORED),
            });
        written.map_err(|e| {
            Failure::failed(format!("{} can't be written: {e}", self.folder.display()))
        })
    }

    /// What is there now, and how to go on.
    pub fn tell(&self, shop: &Shop, screen: Screen) -> Result<(), Failure> {
        let enter = match self.folder.as_os_str() == "." {
            true => String::new(),
            false => format!("cd {}\n  ", self.folder.display()),
        };
        let law = match shop.country {
            Some(_) => ", and by Korean law",
            None => "",
        };
        let text = format!(
            "\n{} in {}\n\
             It writes to customers on the clock of {} and in \"{}\"{law}, where they have not said otherwise (config.toml).\n\
             Mails go to the folder mail/, to be looked at; none leaves.\n\n  \
             {enter}reveille check                 what the files say, and what is wrong with them\n  \
             reveille import FILE           customers and events from a file\n  \
             reveille plan                  what the campaigns will do\n  \
             reveille run                   the daemon",
            screen.bold("A project is"),
            self.folder.display(),
            shop.zone,
            shop.locale,
        );
        Ok(screen.say(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Shop, tiers_of, zone};
    use crate::cli::tiers::Tiers;
    use crate::config::Config;
    use std::path::Path;

    #[test]
    fn the_configuration_says_what_is_known_of_the_shop() {
        for (timezone, locale, is_korean, want) in [
            ("UTC", None, false, ("UTC", "en", None)),
            ("Asia/Seoul", None, true, ("Asia/Seoul", "ko", Some("KR"))),
            (
                "America/Argentina/ComodRivadavia",
                Some("en-US"),
                true,
                ("America/Argentina/ComodRivadavia", "en-US", None),
            ),
            (
                "Europe/Berlin",
                Some("ko"),
                false,
                ("Europe/Berlin", "ko", Some("KR")),
            ),
        ] {
            let shop = Shop::new(zone(Some(timezone)).unwrap(), locale, is_korean).unwrap();
            let config = Config::parse(Path::new("config.toml"), &shop.configuration()).unwrap();
            assert_eq!(config.warnings, []);
            let law = config.law.country.as_deref();
            let defaults = &config.defaults;
            assert_eq!((defaults.timezone.name(), &*defaults.locale, law), want);
            assert!(config.is_rehearsal(), "nothing may leave");
        }
        for (timezone, locale, currency) in [
            ("Europe/Berlin", "ko", Some("KRW")),
            ("Asia/Seoul", "en", Some("KRW")),
            ("Asia/Tokyo", "en", Some("JPY")),
            ("Europe/Berlin", "en-JP", Some("JPY")),
            ("Europe/Berlin", "en", None),
        ] {
            let shop = Shop::new(zone(Some(timezone)).unwrap(), Some(locale), false).unwrap();
            assert_eq!(shop.tiers, Tiers::usual(currency), "{timezone} {locale}");
            // Of a project that is there its configuration says it.
            let config = Config::parse(Path::new("config.toml"), &shop.configuration()).unwrap();
            assert_eq!(tiers_of(&config), shop.tiers, "{timezone} {locale}");
        }
        let told = Shop::new(chrono_tz::Tz::UTC, Some("de"), false).unwrap_err();
        assert!(told.to_string().contains("English and Korean"), "{told}");
    }
}
