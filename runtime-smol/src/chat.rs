//! The terminal client: lines in, lines out. This file does not know what the frames mean.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use async_tungstenite::smol::{ConnectStream, connect_async};
use async_tungstenite::tungstenite::http::Uri;
use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketReceiver, WebSocketSender};
use smol::io::{AsyncBufReadExt as _, BufReader};
use smol::stream::StreamExt as _;
use smol::{Timer, Unblock, future};

use crate::transcript;

/// How long the server may take to answer, at the beginning and at the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Chats at `url` until the input ends.
pub(crate) fn run(url: &str) -> ExitCode {
    match smol::block_on(chat(url)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn chat(url: &str) -> Result<(), String> {
    let url = complete(url).ok_or_else(|| format!("{url}: must be like ws://127.0.0.1:8080"))?;
    let too_late = async {
        Timer::after(PATIENCE).await;
        Err(Error::Io(io::ErrorKind::TimedOut.into()))
    };
    let connected = future::or(connect_async(&url), too_late).await;
    let (socket, _) =
        connected.map_err(|error| format!("cannot connect to {url}: {}", why(error)))?;
    let (sender, receiver) = socket.split();
    let is_leaving = Cell::new(false);
    let typed = async {
        if type_in(sender).await.is_err() {
            // Why it is closed, the other direction tells.
            future::pending::<()>().await;
        }
        is_leaving.set(true);
        Timer::after(PATIENCE).await;
        Ok(())
    };
    let shown = async {
        let end = show(receiver).await;
        if is_leaving.get() { Ok(()) } else { Err(end) }
    };
    future::or(shown, typed).await
}

/// The address that `url` means: a scheme of the web or none is taken for a WebSocket's, and no path
/// for `/ws`.
fn complete(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("ws", url));
    let scheme = match scheme {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return None,
    };
    let uri: Uri = format!("{scheme}://{rest}").parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty())?;
    let path = if uri.path() == "/" { "/ws" } else { uri.path() };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{authority}{path}{query}"))
}

/// One line on why a connection did not come about.
fn why(error: Error) -> String {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => "no answer".to_owned(),
        Error::Io(error) => error.to_string(),
        Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body = String::from_utf8_lossy(body);
            let line = body.lines().next().filter(|line| !line.is_empty());
            let line = line.map(|line| format!(" ({line})")).unwrap_or_default();
            format!("the server answers {}{line}", response.status())
        }
        error => error.to_string(),
    }
}

/// Sends each line of the input; a line that starts with `{` is a frame of the protocol. At its end
/// it takes leave with a `bye`, which the server answers by closing behind everything it has to say.
async fn type_in(mut sender: WebSocketSender<ConnectStream>) -> Result<(), Error> {
    let mut lines = BufReader::new(Unblock::new(io::stdin())).lines();
    while let Some(line) = lines.next().await {
        sender.send(Message::text(line?)).await?;
    }
    sender.send(Message::text(r#"{"type":"bye"}"#)).await
}

/// Shows what comes until the connection is closed, and says why it was.
async fn show(mut receiver: WebSocketReceiver<ConnectStream>) -> String {
    let mut end = "the connection is lost".to_owned();
    while let Some(message) = receiver.next().await {
        match message {
            Ok(Message::Text(frame)) => {
                let mut out = io::stdout().lock();
                for line in transcript::lines(&frame) {
                    if writeln!(out, "{line}").is_err() {
                        return "nobody reads the output".to_owned();
                    }
                }
            }
            Ok(Message::Close(close)) => {
                let close =
                    close.map(|close| format!(": {} {}", u16::from(close.code), close.reason));
                end = format!("the server closed the connection{}", close.unwrap_or_default());
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn an_address_is_completed() {
        let cases = [
            ("ws://a:1", Some("ws://a:1/ws")),
            ("ws://a:1/", Some("ws://a:1/ws")),
            ("ws://a:1?room=x", Some("ws://a:1/ws?room=x")),
            ("ws://a/ws?room=x&name=y", Some("ws://a/ws?room=x&name=y")),
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
            assert_eq!(complete(url).as_deref(), expected, "{url}");
        }
    }
}
