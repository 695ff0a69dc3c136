//! A chat client as its author would write it: a WebSocket library and JSON. It knows the protocol's
//! types and nothing of the server.

use std::net::{SocketAddr, TcpStream};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::{self, Message};
use roundtable_server::Settings;
use serde_json::{Value, json};
use smol::future::FutureExt;
use smol::stream::StreamExt;
use smol::{Async, Timer};

use super::{BACKSTOP, Runtime, Server};

/// One connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<Async<TcpStream>>,
    /// Who the server says this is.
    pub user: String,
    /// What it was welcomed with.
    pub welcome: Value,
}

/// A server with these settings.
pub(super) fn serve(runtime: Runtime<'_>, settings: &Settings) -> Server {
    settings.validate().expect("a test's settings are valid");
    runtime(settings)
}

impl Client {
    /// Connects to `/ws` with this query, and takes the `welcome`.
    ///
    /// # Panics
    ///
    /// If the server does not welcome the client.
    pub fn connect(addr: SocketAddr, query: &str) -> Self {
        Self::connect_with(addr, query, &[])
    }

    /// The same, with further header lines.
    ///
    /// # Panics
    ///
    /// If the server does not welcome the client.
    pub fn connect_with(addr: SocketAddr, query: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request =
            format!("ws://{addr}/ws?{query}").into_client_request().expect("a valid address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a valid header"));
        }
        let socket = wait(async {
            let stream = Async::<TcpStream>::connect(addr).await.expect("the server listens");
            let upgraded = async_tungstenite::client_async(request, stream).await;
            upgraded.expect("the server upgrades").0
        });
        let mut client = Self { socket, user: String::new(), welcome: Value::Null };
        let welcome = client.expect("welcome");
        assert_eq!(welcome["v"], 1, "{welcome}");
        client.user.push_str(welcome["user"].as_str().expect("a name"));
        client.welcome = welcome;
        client
    }

    /// Connects under a name and joins a room by its URL; gives what `joined` said as well.
    pub fn join(addr: SocketAddr, room: &str, name: &str) -> (Self, Value) {
        let mut client = Self::connect(addr, &format!("room={room}&name={name}"));
        let joined = client.expect("joined");
        assert_eq!(joined["room"], room, "{joined}");
        (client, joined)
    }

    /// Sends a frame of the protocol.
    pub fn send(&mut self, frame: &Value) {
        self.say(&frame.to_string());
    }

    /// Sends a text as it is.
    pub fn say(&mut self, text: &str) {
        self.write(Message::text(text));
    }

    /// Sends any message.
    ///
    /// # Panics
    ///
    /// If the connection is over.
    pub fn write(&mut self, message: Message) {
        wait(self.socket.send(message)).expect("the connection stands");
    }

    /// Publishes data with an id, and returns the place that the `ack` tells.
    ///
    /// # Panics
    ///
    /// If the next frame is not the `ack`.
    pub fn publish(&mut self, room: &str, data: &Value) -> u64 {
        self.send(&json!({ "type": "publish", "id": "p", "room": room, "data": data }));
        let ack = self.expect("ack");
        assert_eq!(ack["id"], "p", "{ack}");
        ack["seq"].as_u64().expect("a place")
    }

    /// The next frame, which must be of this type.
    ///
    /// # Panics
    ///
    /// If it is another one, or none comes.
    pub fn expect(&mut self, kind: &str) -> Value {
        let frame = self.frame();
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// The next `message`, which must say this.
    ///
    /// # Panics
    ///
    /// If it is another frame, or none comes.
    pub fn expect_message(&mut self, from: &str, data: &Value) -> Value {
        let message = self.expect("message");
        assert_eq!((message["from"].as_str(), &message["data"]), (Some(from), data), "{message}");
        message
    }

    /// The reply to a request, skipping what else comes before it.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn ask(&mut self, frame: &Value) -> Value {
        self.send(frame);
        loop {
            let reply = self.frame();
            if reply["id"] == frame["id"] {
                return reply;
            }
        }
    }

    /// The next frame of the protocol.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn frame(&mut self) -> Value {
        loop {
            match self.read() {
                Some(Message::Text(text)) => {
                    return serde_json::from_str(&text).expect("every text is JSON");
                }
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("expected a text, got {other:?}"),
            }
        }
    }

    /// Reads to the end; gives the code of the `bye`, if there was one, and of the close.
    pub fn closed(&mut self) -> (Option<u64>, u16) {
        let mut bye = None;
        loop {
            match self.read() {
                Some(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).expect("every text is JSON");
                    if frame["type"] == "bye" {
                        bye = frame["code"].as_u64();
                    }
                }
                Some(Message::Close(Some(close))) => {
                    // The reader answers the close by reading on.
                    while self.read().is_some() {}
                    return (bye, close.code.into());
                }
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }

    /// The next message of any kind, nothing once the connection is over.
    pub fn read(&mut self) -> Option<Message> {
        match wait(self.socket.next())? {
            Ok(message) => Some(message),
            Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::Io(_)) => None,
            Err(error) => panic!("the server broke the WebSocket protocol: {error}"),
        }
    }
}

/// Waits for what must happen.
fn wait<T>(what: impl Future<Output = T>) -> T {
    let backstop = async {
        Timer::after(BACKSTOP).await;
        panic!("nothing came for {BACKSTOP:?}")
    };
    smol::block_on(what.or(backstop))
}
