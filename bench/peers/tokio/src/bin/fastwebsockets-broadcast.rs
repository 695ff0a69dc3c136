//! A chat on fastwebsockets and hyper: a broadcast channel, and two tasks for each connection, one that
//! reads and one that writes. A reader that falls behind the channel goes on with the oldest message
//! that it still holds.

use std::convert::Infallible;
use std::sync::Arc;

use fastwebsockets::upgrade::{self, UpgradeFut};
use fastwebsockets::{
    FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, WebSocketWrite,
};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;

/// How many messages the channel holds for the slowest reader.
const HELD: usize = 1024;

type Room = broadcast::Sender<Arc<[u8]>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let room = Room::new(HELD);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        // Without it a small message waits for the acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
        let room = room.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, room.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            let _ = connection.with_upgrades().await;
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    room: Room,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(chat(upgraded, room));
    Ok(response)
}

async fn chat(upgraded: UpgradeFut, room: Room) {
    let Ok(socket) = upgraded.await else { return };
    let (reader, writer) = socket.split(tokio::io::split);
    let (answers, to_answer) = mpsc::channel(16);
    let mut write = tokio::spawn(write(writer, room.subscribe(), to_answer));
    let mut read = tokio::spawn(async move {
        let mut reader = FragmentCollectorRead::new(reader);
        loop {
            // Pongs and the answer to a close are the writer's to send.
            let mut answer = |frame: Frame<'_>| {
                let _ = answers.try_send((frame.opcode, frame.payload.to_vec()));
                std::future::ready(Ok::<(), Infallible>(()))
            };
            let Ok(frame) = reader.read_frame(&mut answer).await else { break };
            match frame.opcode {
                OpCode::Text => {
                    let _ = room.send(Arc::from(&*frame.payload));
                }
                OpCode::Close => break,
                OpCode::Binary | OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
            }
        }
    });
    tokio::select! {
        _ = &mut write => read.abort(),
        // The writer ends by itself, once it has answered a close.
        _ = &mut read => {}
    }
}

async fn write(
    mut writer: WebSocketWrite<impl AsyncWrite + Unpin>,
    mut heard: broadcast::Receiver<Arc<[u8]>>,
    mut to_answer: mpsc::Receiver<(OpCode, Vec<u8>)>,
) {
    loop {
        let written = tokio::select! {
            text = heard.recv() => match text {
                Ok(text) => writer.write_frame(Frame::text(Payload::Borrowed(&text))).await,
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            },
            answer = to_answer.recv() => match answer {
                Some((opcode, payload)) => {
                    writer.write_frame(Frame::new(true, opcode, None, payload.into())).await
                }
                None => break,
            },
        };
        if written.is_err() {
            break;
        }
    }
}
