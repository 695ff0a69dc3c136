//! The connection to the server. This file does not know what its frames mean.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_tungstenite::smol::{ConnectStream, connect_async};
use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::http::header::{
    AUTHORIZATION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL,
};
use async_tungstenite::tungstenite::http::{Response, StatusCode};
use async_tungstenite::tungstenite::{Bytes, Error, Message};
use async_tungstenite::{WebSocketReceiver, WebSocketSender};
use roundtable::protocol::SUBPROTOCOL;
use smol::stream::StreamExt as _;
use smol::{Timer, future};

use super::client::Fault;
use super::line::ABNORMAL;

/// How long the socket may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The close code of an end without one (RFC 6455 §7.1.5).
const NO_CODE: u16 = 1005;

type Socket = (WebSocketSender<ConnectStream>, WebSocketReceiver<ConnectStream>);
type Opening = Pin<Box<dyn Future<Output = Result<Socket, Error>>>>;

/// What the connection does.
#[derive(Debug)]
pub(super) enum Sign {
    /// It is there.
    Open,
    Frame(String),
    /// Something else came.
    Heard,
    Closed {
        code: u16,
        reason: String,
    },
    /// It did not come about.
    Unreachable {
        why: String,
        fault: Fault,
    },
}

/// A connection, or none.
pub(super) enum Link {
    None,
    Opening { base: String, opening: Opening },
    Open(Box<Socket>),
}

impl Link {
    /// Begins to connect to `url`, which is called `base` where it does not work out.
    pub(super) fn open(base: &str, url: &str, token: Option<&str>) -> Self {
        let request = url.into_client_request().and_then(|mut request| {
            let headers = request.headers_mut();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            if let Some(token) = token {
                let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            Ok(request)
        });
        let opening = async {
            let (socket, _) = connect_async(request?).await?;
            Ok(socket.split())
        };
        Self::Opening { base: base.to_owned(), opening: Box::pin(opening) }
    }

    /// What comes next; without a connection, nothing does. It can be asked anew at any time.
    pub(super) async fn next(&mut self) -> Sign {
        match self {
            Self::None => future::pending().await,
            Self::Opening { base, opening } => match opening.as_mut().await {
                Ok(socket) => {
                    *self = Self::Open(Box::new(socket));
                    Sign::Open
                }
                Err(error) => {
                    let fault = fault(&error);
                    let why = format!("cannot connect to {base}: {}", why(error));
                    *self = Self::None;
                    Sign::Unreachable { why, fault }
                }
            },
            Self::Open(socket) => {
                let sign = match socket.1.next().await {
                    Some(Ok(Message::Text(frame))) => Sign::Frame(frame.as_str().to_owned()),
                    Some(Ok(Message::Close(close))) => {
                        let close =
                            close.map(|close| (u16::from(close.code), close.reason.to_string()));
                        let (code, reason) = close.unwrap_or((NO_CODE, String::new()));
                        Sign::Closed { code, reason }
                    }
                    Some(Ok(_)) => Sign::Heard,
                    Some(Err(_)) | None => lost(),
                };
                if matches!(sign, Sign::Closed { .. }) {
                    *self = Self::None;
                }
                sign
            }
        }
    }

    /// Sends a frame.
    pub(super) async fn send(&mut self, text: String) -> Result<(), Sign> {
        self.write(Message::text(text)).await
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), Sign> {
        self.write(Message::Ping(Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Sign> {
        // Who is not connected has been told why.
        let Self::Open(socket) = self else { return Ok(()) };
        let too_late = async {
            Timer::after(PATIENCE).await;
            Err(Error::Io(io::ErrorKind::TimedOut.into()))
        };
        let sent = future::or(socket.0.send(message), too_late).await;
        match sent {
            // The other direction may still tell why it is closed.
            Ok(()) | Err(Error::AlreadyClosed | Error::ConnectionClosed | Error::Protocol(_)) => {
                Ok(())
            }
            Err(_) => {
                *self = Self::None;
                Err(lost())
            }
        }
    }
}

fn lost() -> Sign {
    Sign::Closed { code: ABNORMAL, reason: String::new() }
}

/// Whether it may be better later.
fn fault(error: &Error) -> Fault {
    match error {
        Error::Http(response) => match response.status() {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Fault::Passing(retry_after(response))
            }
            status if status.is_client_error() => Fault::Ours,
            _ => Fault::Passing(retry_after(response)),
        },
        Error::Url(_) | Error::HttpFormat(_) | Error::Tls(_) => Fault::Ours,
        _ => Fault::Passing(None),
    }
}

fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
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
