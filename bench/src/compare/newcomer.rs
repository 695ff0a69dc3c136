//! What Roundtable says to somebody who comes into a room that is in use: the bytes that a floor has to
//! send as well, when handshakes are compared.

use std::io;
use std::net::TcpStream;

use tungstenite::{Message, WebSocket};

/// The room as the storm finds it: so many members.
const MEMBERS: usize = 100;
/// So many messages of 64 bytes in its history, as many as a newcomer is given.
const SAID: usize = 50;

type Client = WebSocket<TcpStream>;

/// The texts that a newcomer gets: `welcome` and `joined`.
pub(super) fn greeting(address: &str) -> io::Result<Vec<String>> {
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        let mut member = connect(address)?;
        // Its own greeting.
        text(&mut member)?;
        text(&mut member)?;
        members.push(member);
    }
    let speaker = &mut members[0];
    for _ in 0..SAID {
        speaker.send(Message::text("0123456789abcdef".repeat(4))).map_err(io::Error::other)?;
        while !text(speaker)?.starts_with(r#"{"type":"message""#) {}
    }
    let mut newcomer = connect(address)?;
    Ok(vec![text(&mut newcomer)?, text(&mut newcomer)?])
}

fn connect(address: &str) -> io::Result<Client> {
    let stream = TcpStream::connect(address)?;
    let url = format!("ws://{address}/ws");
    let (client, _response) = tungstenite::client(url, stream).map_err(io::Error::other)?;
    Ok(client)
}

fn text(client: &mut Client) -> io::Result<String> {
    loop {
        if let Message::Text(text) = client.read().map_err(io::Error::other)? {
            return Ok(text.as_str().to_owned());
        }
    }
}
