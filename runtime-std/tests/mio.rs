//! The example of an event loop of one's own serves real clients, and stops.

// The whole example, whose `main` is not used here.
#[allow(dead_code)]
#[path = "../examples/mio.rs"]
mod example;

use std::net::{SocketAddr, TcpStream};
use std::thread;

use mio::net::TcpListener;
use mio::{Poll, Token, Waker};
use roundtable_server::Settings;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

type Client = WebSocket<MaybeTlsStream<TcpStream>>;

fn connect(address: SocketAddr, name: &str) -> Client {
    let url = format!("ws://{address}/ws?room=den&name={name}");
    let mut client = tungstenite::connect(url).expect("the example upgrades").0;
    assert!(read(&mut client).contains(r#""type":"welcome""#));
    assert!(read(&mut client).contains(r#""type":"joined""#));
    client
}

fn read(client: &mut Client) -> String {
    client.read().expect("the example answers").to_text().expect("a text").to_owned()
}

#[test]
fn a_loop_of_ones_own_serves_and_stops() {
    let settings = Settings::default();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = listener.local_addr().expect("a port");
    let poll = Poll::new().expect("a poll");
    let waker = Waker::new(poll.registry(), Token(1)).expect("a waker");
    let serving = thread::spawn(move || example::serve(poll, listener, &settings));

    let (mut ann, mut bob) = (connect(address, "ann"), connect(address, "bob"));
    ann.send(Message::text("hello from a loop of one's own")).expect("sent");
    for client in [&mut ann, &mut bob] {
        assert!(read(client).contains("hello from a loop of one's own"));
    }
    let many: Vec<String> =
        (0..15).map(|number| format!("{number} {}", "x".repeat(2000))).collect();
    for text in &many {
        bob.send(Message::text(text.clone())).expect("sent");
    }
    for text in &many {
        assert!(read(&mut ann).contains(text));
    }
    waker.wake().expect("woken");
    for client in [&mut ann, &mut bob] {
        while !read(client).contains(r#""type":"bye""#) {}
        assert!(client.read().expect("a close frame").is_close());
        drop(client.close(None));
    }
    drop((ann, bob));
    serving.join().expect("no panic").expect("no error");
}
