//! A chat in the shape of axum's own example: a broadcast channel, and two tasks for each connection,
//! one that reads and one that writes. A reader that falls behind the channel goes on with the oldest
//! message that it still holds, where the example would cut it off.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};

/// How many messages the channel holds for the slowest reader.
const HELD: usize = 1024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let room = broadcast::Sender::<Utf8Bytes>::new(HELD);
    let app = Router::new().fallback(any(upgrade)).with_state(room);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let listener = listener.tap_io(|socket| {
        // Without it a small message waits for the acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await
}

async fn upgrade(
    upgrade: WebSocketUpgrade,
    State(room): State<broadcast::Sender<Utf8Bytes>>,
) -> Response {
    upgrade.on_upgrade(|socket| chat(socket, room))
}

async fn chat(socket: WebSocket, room: broadcast::Sender<Utf8Bytes>) {
    let (mut sink, mut stream) = socket.split();
    let mut heard = room.subscribe();
    let mut write = tokio::spawn(async move {
        loop {
            let text = match heard.recv().await {
                Ok(text) => text,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            };
            if sink.send(Message::Text(text)).await.is_err() {
                break;
            }
        }
    });
    let mut read = tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Text(text) = message {
                let _ = room.send(text);
            }
        }
    });
    tokio::select! {
        _ = &mut write => read.abort(),
        _ = &mut read => write.abort(),
    }
}
