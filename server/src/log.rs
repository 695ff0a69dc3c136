//! The log, on standard error: one line for what an operator needs. What is logged can be changed while
//! a process runs; this file does not know who asks for that, or where settings come from.

use std::fmt;
use std::io::{self, IsTerminal as _};

use roundtable::{Greeting, RoomChoice};
use tracing::{error, info};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt as lines, registry, reload};

use crate::settings::{LogFormat, Settings, SettingsError};

/// Gives the settings as they are by now.
type Source = Box<dyn Fn() -> Result<Settings, SettingsError> + Send>;

/// The log of a process.
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    source: Source,
}

impl Log {
    /// Starts the log. Called once, at the start of a process. `source` gives the settings again when
    /// [`reload`](Self::reload) is called.
    ///
    /// # Panics
    ///
    /// If the settings were not validated.
    pub fn start(
        settings: &Settings,
        source: impl Fn() -> Result<Settings, SettingsError> + Send + 'static,
    ) -> Self {
        let (filter, handle) = reload::Layer::new(filter(settings));
        let layer = lines::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
        let layer = match settings.log_format {
            LogFormat::Text => layer.with_target(false).boxed(),
            LogFormat::Json => layer.json().flatten_event(true).boxed(),
        };
        // A log that is already there, in a test say, stays.
        let _already_started = registry().with(filter).with(layer).try_init();
        Self { filter: handle, source: Box::new(source) }
    }

    /// Reads the settings again, and takes up what is to be logged: nothing else of them. Settings that
    /// are wrong change nothing.
    pub fn reload(&self) {
        match (self.source)() {
            Ok(settings) => {
                // It is gone where another log was there before.
                let _not_ours = self.filter.reload(filter(&settings));
                info!(filter = settings.log, "what is logged is read again");
            }
            Err(why) => error!("{why}; what is logged stays as it was"),
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

fn filter(settings: &Settings) -> EnvFilter {
    let filter = EnvFilter::builder().parse(&settings.log);
    filter.expect("settings are validated when they are read")
}

/// The room that a connection asks for by its URL, as the field `room`.
pub fn room<'a>(settings: &'a Settings, greeting: &'a Greeting) -> Option<&'a str> {
    match &greeting.room {
        RoomChoice::Default => Some(settings.hub.default_room.as_str()),
        RoomChoice::None => None,
        RoomChoice::Named(room) => Some(room.as_str()),
    }
}

/// Whether `filter` says what to log. A word alone must be a level: as the name of a module, which
/// it could be too, it would silence all others.
pub(crate) fn is_filter(filter: &str) -> bool {
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_clear = |part: &str| part.contains(['=', '[']) || is_level(part.trim());
    filter.split(',').all(is_clear) && EnvFilter::builder().parse(filter).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_what_it_is_for() {
        for right in ["info", "off", "WARN", "roundtable=debug,warn", "runtime_std[shard]=trace"] {
            assert!(is_filter(right), "{right}");
        }
        for wrong in ["", "verbose", "roundtable=loud", "info,", "a=b=c"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }
}
