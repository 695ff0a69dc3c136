//! The subcommand `token`: makes a token for trying out. This file does not know servers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgMatches, Command};
use jsonwebtoken::{Header, encode};
use roundtable::{Action, Grant, Name, NameError, Permissions};
use serde::Serialize;

use super::{crypto, keys};

/// How it is called.
pub const NAME: &str = "token";

#[derive(Serialize)]
struct Body<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<Grant>,
}

/// Its flags.
pub fn command() -> Command {
    let key = Arg::new("key")
        .long("key")
        .value_name("FILE")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("A secret of at least 32 bytes (HS256), or a private key as PEM (ES256, EdDSA)");
    let user = Arg::new("user").value_name("USER").required(true).help("Who it is for (`sub`)");
    let span = Arg::new("for")
        .long("for")
        .value_name("SPAN")
        .default_value("1h")
        .value_parser(|text: &str| {
            humantime::parse_duration(text).map_err(|_| "must be a span like 10m or 1h")
        })
        .help("How long it is valid (`exp`)");
    let room = Arg::new("room")
        .long("room")
        .value_name("PATTERN[:ACTIONS]")
        .action(ArgAction::Append)
        .value_parser(grant)
        .help("Rooms, like team-* or team-*:join,history,moderate; all of them without this flag");
    let text = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("TEXT").help(help)
    };
    Command::new(NAME)
        .about("Make a token for trying out, and print it")
        .args([key, user, span, room])
        .arg(text("audience", "Which server it is for (`aud`)"))
        .arg(text("issuer", "Who made it (`iss`)"))
        .arg(text("id", "By what it can be revoked (`jti`)"))
}

/// Makes the token and prints it.
pub fn run(words: &ArgMatches) -> ExitCode {
    match make(words, SystemTime::now()) {
        Ok(token) => {
            println!("{token}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Makes a token that is valid from `now` on.
///
/// # Errors
///
/// One line that says which word is wrong, and why.
///
/// # Panics
///
/// If the words are not of [`command`].
pub fn make(words: &ArgMatches, now: SystemTime) -> Result<String, String> {
    crypto::install();
    let path: &PathBuf = words.get_one("key").expect("it is required");
    let (algorithm, key) = keys::signing(path).map_err(|why| format!("--key {why}"))?;
    let user: &String = words.get_one("user").expect("it is required");
    let name: Name = user.parse().map_err(|error: NameError| format!("{user}: {error}"))?;
    let span: Duration = *words.get_one("for").expect("it has a default");
    let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let body = Body {
        sub: name.as_str(),
        iat,
        exp: iat.saturating_add(span.as_secs()),
        aud: words.get_one("audience"),
        iss: words.get_one("issuer"),
        jti: words.get_one("id"),
        rooms: words.get_many("room").into_iter().flatten().cloned().collect(),
    };
    let token = encode(&Header::new(algorithm), &body, &key);
    token.map_err(|error| format!("--key {}: {error}", path.display()))
}

fn grant(text: &str) -> Result<Grant, String> {
    // Names of rooms may have a colon, names of actions have none.
    let parts = text.rsplit_once(':').and_then(|(pattern, actions)| {
        Some((pattern, actions.split(',').map(action).collect::<Option<Permissions>>()?))
    });
    let (pattern, can) = parts.unwrap_or((text, Permissions::MEMBER));
    let pattern = serde_json::from_value(pattern.into());
    Ok(Grant { pattern: pattern.map_err(|error| error.to_string())?, can })
}

fn action(text: &str) -> Option<Action> {
    serde_json::from_value(text.into()).ok()
}
