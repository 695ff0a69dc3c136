//! Where settings come from: the command line, the environment, a file.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Settings;
use super::table::ROWS;
use super::values::Value as _;
use crate::record::{Options, Redaction};

/// The least size of a recording's part: a head and the longest event of most configurations.
const LEAST_PART: usize = 64 * 1024;

/// The size of a recording's part, unless it is set.
const PART: usize = 64 * 1024 * 1024;

/// What the command line asked for.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The settings in force.
    pub settings: Settings,
    /// Whether only the settings were asked for.
    pub print_config: bool,
    /// How recordings are made, and the one that is to be made at once.
    pub recording: Recording,
    /// The subcommand that was chosen, with its arguments.
    pub subcommand: Option<(String, ArgMatches)>,
}

/// What `--record` and the flags beside it ask for.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file of the first part of what is recorded from the start, if anything is.
    ///
    /// It is no setting: a file that is there already is not written again, so the same words do not
    /// serve twice.
    pub file: Option<PathBuf>,
    /// How recordings are made, those that operators start, too.
    pub options: Options,
}

/// Why a process does not start.
#[derive(Debug)]
pub struct SettingsError {
    message: String,
    exit_code: u8,
}

impl SettingsError {
    /// The words of the operator are wrong: exit code 2.
    pub(crate) fn usage(message: String) -> Self {
        Self { message, exit_code: 2 }
    }

    /// Something outside stands in the way: exit code 1.
    fn outside(message: String) -> Self {
        Self { message, exit_code: 1 }
    }

    /// With what the process ends: 0 after `--help`, 1 for what cannot be read, 2 for wrong words.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the settings of `program`, which may have a subcommand, from its arguments (without its
    /// own name), its environment, and the file that they name.
    ///
    /// # Errors
    ///
    /// One line that says which value is wrong, where it stands, and what to do. `--help` and
    /// `--version` come this way too, with exit code 0.
    pub fn read(
        program: Command,
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Invocation, SettingsError> {
        let program = command(program);
        let name = program.get_name().to_owned();
        let arguments = std::iter::once(name.into()).chain(arguments);
        let mut matches = program.try_get_matches_from(arguments).map_err(|error| {
            let text = error.to_string();
            if !error.use_stderr() {
                return SettingsError { message: text, exit_code: 0 };
            }
            let first = text.lines().next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            SettingsError::usage(format!("{first}; --help tells what there is"))
        })?;
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let file = matches.get_one::<PathBuf>("config").cloned();
        let file = file.or_else(|| variable(&environment, "ROUNDTABLE_CONFIG").map(PathBuf::from));
        let mut settings = Self::default();
        if let Some(file) = file {
            settings.read_file(&file)?;
        }
        settings.read_environment(&environment)?;
        settings.read_flags(&matches)?;
        settings.validate()?;
        let recording = recording(&matches, settings.record_dir.is_some())?;
        if settings.journal.is_some() && settings.state.is_some() {
            let message = "--journal: needs a server without --state, whose place it takes";
            return Err(SettingsError::usage(message.to_owned()));
        }
        Ok(Invocation {
            settings,
            print_config: matches.get_flag("print-config"),
            recording,
            subcommand: matches.remove_subcommand(),
        })
    }

    fn read_file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::outside(format!("--config {shown}: {error}")))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            SettingsError::usage(format!("{shown}: {}", error.to_string().replace('\n', " ")))
        })?;
        for (key, value) in table {
            let Some(row) = ROWS.iter().find(|row| row.name == key) else {
                return Err(SettingsError::usage(format!("{shown}: there is no setting {key}")));
            };
            (row.from_toml)(self, &value).map_err(|remedy| {
                let value = value.to_string().replace('\n', " ");
                SettingsError::usage(format!("{shown}: {key} = {value}: {remedy}"))
            })?;
        }
        Ok(())
    }

    fn read_environment(&mut self, environment: &[(String, String)]) -> Result<(), SettingsError> {
        for row in ROWS {
            let name = row.variable();
            let Some(value) = variable(environment, &name) else { continue };
            (row.set)(self, value)
                .map_err(|remedy| SettingsError::usage(format!("{name}={value}: {remedy}")))?;
        }
        Ok(())
    }

    fn read_flags(&mut self, matches: &ArgMatches) -> Result<(), SettingsError> {
        for row in ROWS {
            let Some(value) = matches.get_one::<String>(row.name) else { continue };
            let flag = row.flag();
            (row.set)(self, value)
                .map_err(|remedy| SettingsError::usage(format!("--{flag} {value}: {remedy}")))?;
        }
        Ok(())
    }
}

fn recording(matches: &ArgMatches, has_folder: bool) -> Result<Recording, SettingsError> {
    let redact = matches.get_flag("record-redact");
    let part_bytes = match matches.get_one::<String>("record-part-bytes") {
        None => PART,
        Some(text) => {
            let wrong = |remedy: &str| {
                SettingsError::usage(format!("--record-part-bytes {text}: {remedy}"))
            };
            let bytes = usize::read(text).map_err(|remedy| wrong(&remedy))?;
            if bytes < LEAST_PART {
                return Err(wrong("must be at least 64KiB"));
            }
            bytes
        }
    };
    let file = matches.get_one::<PathBuf>("record").cloned();
    let is_said_how = redact || matches.contains_id("record-part-bytes");
    if is_said_how && file.is_none() && !has_folder {
        let message =
            "--record-redact and --record-part-bytes: need --record FILE or --record-dir DIR";
        return Err(SettingsError::usage(message.to_owned()));
    }
    let redaction = if redact { Redaction::Data } else { Redaction::Secrets };
    let options = Options { redaction, part_bytes: part_bytes as u64 };
    Ok(Recording { file, options })
}

/// The flags of a recording.
fn recording_flags() -> [Arg; 3] {
    let file = Arg::new("record")
        .long("record")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Record all that happens from the start in a new file, which `replay` plays again");
    let redact = Arg::new("record-redact")
        .long("record-redact")
        .action(ArgAction::SetTrue)
        .help("Mask in recordings what people say; credentials are always masked");
    let part_bytes = Arg::new("record-part-bytes")
        .long("record-part-bytes")
        .value_name("N")
        .help("The size at which a recording goes on in FILE.1, FILE.2 [default: 64MiB]");
    [file, redact, part_bytes].map(|flag| flag.help_heading("Recording"))
}

/// `program` with a flag for each setting.
fn command(program: Command) -> Command {
    let defaults = Settings::default();
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("A TOML file of settings, as --print-config writes it [env: ROUNDTABLE_CONFIG]");
    let print = Arg::new("print-config")
        .long("print-config")
        .action(ArgAction::SetTrue)
        .help("Print the settings in force, and end");
    let program = program.arg(config).arg(print).args(recording_flags()).after_help(
        "Each setting can also be given in the environment (--ping-after as ROUNDTABLE_PING_AFTER)\n\
         or in the file (as ping_after). A flag beats the environment, which beats the file.\n\
         Sizes may be given as 64KiB or 1MiB, spans as 500ms, 25s or 10m.",
    );
    ROWS.iter().fold(program, |program, row| {
        let default = (row.get)(&defaults);
        let default = if default.is_empty() { "none".to_owned() } else { default };
        program.arg(
            Arg::new(row.name)
                .long(row.flag())
                .value_name(row.form)
                .allow_hyphen_values(true)
                .help(format!("{} [default: {default}]", row.help))
                .help_heading(row.group),
        )
    })
}

fn variable<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}
