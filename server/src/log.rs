//! The log, on standard error: one line for what an operator needs.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::{LogFormat, Settings};

/// Starts the log. Called once, at the start of a process.
///
/// # Panics
///
/// If the settings were not validated.
pub fn start(settings: &Settings) {
    let filter = EnvFilter::builder().parse(&settings.log);
    let filter = filter.expect("settings are validated when they are read");
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    // A log that is already there, in a test say, stays.
    let _already_started = match settings.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
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
