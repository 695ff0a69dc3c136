//! What the command line asks of the terminal client. This file does not know how it is done.

use std::path::PathBuf;

use async_tungstenite::tungstenite::http::Uri;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use form_urlencoded::Serializer;
use roundtable::Name;

use super::client::{Entrance, Query, Wish};

/// The variable of the environment that may hold the token.
pub(super) const TOKEN: &str = "ROUNDTABLE_TOKEN";

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Lines for people, and for scripts that want no more.
    Lines,
    /// Each frame of the server as it is.
    Frames,
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) address: Address,
    pub(super) wish: Wish,
    pub(super) format: Format,
    pub(super) token_file: Option<PathBuf>,
}

/// The address of the server, without what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without parameters, so that it can be shown.
    pub(super) base: String,
    /// Those that are none of ours.
    parameters: Vec<(String, String)>,
}

/// The words of the subcommand.
pub(super) fn command() -> Command {
    let url = Arg::new("url")
        .value_name("URL")
        .required(true)
        .help("Like ws://127.0.0.1:8080/ws?room=lobby&name=ann; without a path it is /ws");
    let name = Arg::new("name")
        .long("name")
        .value_name("NAME")
        .value_parser(value_parser!(Name))
        .help("The name you wish for [otherwise that of the URL, or a made-up one]");
    let room = Arg::new("room")
        .long("room")
        .value_name("ROOM")
        .action(ArgAction::Append)
        .value_parser(value_parser!(Name))
        .help(
            "A room to be in; may stand several times [otherwise that of the URL, or the server's]",
        );
    let token_file = Arg::new("token-file")
        .long("token-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(
            "Where your token is, read again for each connection; or have it in ROUNDTABLE_TOKEN",
        );
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help(
        "Write each frame of the server as it is, one a line, and all else to standard error",
    );
    Command::new("chat")
        .about("Chat in the terminal, or from a script: lines in, lines out, and back by itself")
        .after_help(
            "A line is said in the room; a line that starts with { is sent as a frame; /help tells \
             the commands. At the end of the input it waits until everything is acknowledged, and ends \
             with 0 if all of it was.",
        )
        .args([url, name, room, token_file, json])
}

impl Options {
    /// Reads the words of the subcommand.
    ///
    /// # Errors
    ///
    /// One line, if the URL is none.
    pub(super) fn read(words: &ArgMatches) -> Result<Self, String> {
        let url = words.get_one::<String>("url").expect("it is required");
        let (address, mut wish) =
            read_url(url).ok_or_else(|| format!("{url}: must be like ws://127.0.0.1:8080"))?;
        if let Some(name) = words.get_one::<Name>("name") {
            wish.name = Some(name.to_string());
        }
        if let Some(rooms) = words.get_many::<Name>("room") {
            wish.rooms = rooms.map(Name::to_string).collect();
        }
        let format = if words.get_flag("json") { Format::Frames } else { Format::Lines };
        let token_file = words.get_one::<PathBuf>("token-file").cloned();
        Ok(Self { address, wish, format, token_file })
    }
}

impl Address {
    /// The address with these parameters.
    pub(super) fn with(&self, query: &Query) -> String {
        let mut pairs = Serializer::new(String::new());
        pairs.extend_pairs(&self.parameters);
        if query.room == Entrance::None {
            pairs.append_pair("room", "");
        }
        if let Some(name) = &query.name {
            pairs.append_pair("name", name);
        }
        let pairs = pairs.finish();
        if pairs.is_empty() { self.base.clone() } else { format!("{}?{pairs}", self.base) }
    }
}

/// The address that `url` means, and who one is there: a scheme of the web or none is taken for a
/// WebSocket's, and no path for `/ws`.
fn read_url(url: &str) -> Option<(Address, Wish)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("ws", url));
    let scheme = match scheme {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return None,
    };
    let uri: Uri = format!("{scheme}://{rest}").parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty())?;
    let path = if uri.path() == "/" { "/ws" } else { uri.path() };
    let (mut parameters, mut wish) = (Vec::new(), Wish::default());
    for (key, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let value = value.into_owned();
        match &*key {
            "name" => wish.name = Some(value),
            "room" if value.is_empty() => wish.entrance = Entrance::None,
            "room" => wish.rooms = vec![value],
            _ => parameters.push((key.into_owned(), value)),
        }
    }
    Some((Address { base: format!("{scheme}://{authority}{path}"), parameters }, wish))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_completed() {
        let cases = [
            ("ws://a:1", Some("ws://a:1/ws")),
            ("ws://a:1/", Some("ws://a:1/ws")),
            ("ws://a:1?room=", Some("ws://a:1/ws?room=")),
            ("ws://a/ws?name=y", Some("ws://a/ws?name=y")),
            ("ws://a/ws?token=t%26&name=y%20z", Some("ws://a/ws?token=t%26&name=y+z")),
            ("wss://a/deep", Some("wss://a/deep")),
            ("http://127.0.0.1:8080", Some("ws://127.0.0.1:8080/ws")),
            ("https://a", Some("wss://a/ws")),
            ("127.0.0.1:8080", Some("ws://127.0.0.1:8080/ws")),
            ("ws://[::1]:8080", Some("ws://[::1]:8080/ws")),
            ("ftp://a", None),
            ("ws://", None),
            ("", None),
            ("ws://a b", None),
        ];
        for (url, expected) in cases {
            let found = read_url(url).map(|(address, wish)| {
                address.with(&Query { name: wish.name, room: wish.entrance })
            });
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn words_beat_the_url() {
        let read = |words: &[&str]| {
            let words = [&["chat"], words].concat();
            let words = command().try_get_matches_from(words).expect("words that are known");
            Options::read(&words).expect("a URL")
        };
        let plain = read(&["a?room=den&name=ann"]);
        assert_eq!(plain.wish.name.as_deref(), Some("ann"));
        assert_eq!((plain.wish.rooms, plain.format), (vec!["den".to_owned()], Format::Lines));
        let words = ["a?room=den&name=ann", "--name", "bob", "--room", "x", "--room=y", "--json"];
        let full = read(&words);
        assert_eq!(full.wish.name.as_deref(), Some("bob"));
        assert_eq!(full.wish.rooms, ["x", "y"]);
        assert_eq!(full.format, Format::Frames);
        assert!(command().try_get_matches_from(["chat", "a", "--name", "\u{202e}"]).is_err());
    }
}
