//! The bad network itself: the bytes that it lets through, and how it ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use roundtable_tests::conformance::BACKSTOP;
use roundtable_tests::proxy::{Cut, Fault, Proxy, Way, seed};

/// A path through a proxy: its two ends, and the proxy.
struct Path {
    client: TcpStream,
    server: TcpStream,
    proxy: Proxy,
}

fn path(fault: Fault) -> Path {
    let (listener, addr) = listen();
    let proxy = Proxy::start(addr, fault, seed());
    let client = TcpStream::connect(proxy.addr()).expect("the proxy listens");
    let (server, _) = listener.accept().expect("the proxy connects");
    for end in [&client, &server] {
        end.set_read_timeout(Some(BACKSTOP)).expect("a time-out that is not zero");
    }
    Path { client, server, proxy }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let addr = listener.local_addr().expect("a port");
    (listener, addr)
}

fn bytes(len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

/// What a socket gives until its end, and how it ends.
fn read(mut from: &TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut found = Vec::new();
    let ended = from.read_to_end(&mut found);
    (found, ended.err().map(|error| error.kind()))
}

fn exactly(mut from: &TcpStream, len: usize) -> Vec<u8> {
    let mut found = vec![0; len];
    from.read_exact(&mut found).expect("so many bytes");
    found
}

/// Asserts that nothing has come.
fn assert_silent(mut end: &TcpStream) {
    end.set_nonblocking(true).expect("an open socket");
    let held = end.read(&mut [0]).expect_err("nothing passes");
    assert_eq!(held.kind(), ErrorKind::WouldBlock);
    end.set_nonblocking(false).expect("an open socket");
}

#[test]
fn every_fault_that_loses_nothing_passes_on_the_same_bytes_and_the_end() {
    let hold = Duration::from_millis(1);
    for fault in [
        Fault::None,
        Fault::Pieces { most: 1, hold: Duration::ZERO, up: 50..1000, down: 0..u64::MAX },
        Fault::Pieces { most: 100, hold: Duration::ZERO, up: 0..u64::MAX, down: 100..101 },
        Fault::Pieces { most: 2000, hold, up: 0..u64::MAX, down: 0..0 },
        Fault::Stall { within: 1000, lasting: hold },
    ] {
        let Path { mut client, mut server, proxy } = path(fault.clone());
        let sent = bytes(10_000);
        client.write_all(&sent).expect("an open socket");
        client.shutdown(Shutdown::Write).expect("an open socket");
        assert_eq!(read(&server), (sent.clone(), None), "{fault:?}");
        server.write_all(&sent).expect("an open socket");
        drop(server);
        assert_eq!(read(&client), (sent, None), "{fault:?}");
        drop(proxy);
    }
}

/// What the proxy says to have passed on, piece by piece.
fn overheard(seed: u64) -> Vec<usize> {
    let (listener, addr) = listen();
    let (ear, pieces) = mpsc::channel();
    let fault = Fault::Pieces { most: 50, hold: Duration::ZERO, up: 0..0, down: 100..900 };
    let proxy = Proxy::start_overheard(addr, fault, seed, Some(ear));
    let client = TcpStream::connect(proxy.addr()).expect("the proxy listens");
    let (mut server, _) = listener.accept().expect("the proxy connects");
    // One write of less than the proxy reads at a time comes in one read.
    server.write_all(&bytes(1000)).expect("an open socket");
    assert_eq!(exactly(&client, 1000), bytes(1000));
    drop((client, server, proxy));
    pieces.iter().map(|(number, piece)| usize::from(number == 0) * piece.len()).collect()
}

#[test]
fn one_seed_cuts_a_stream_at_the_same_places() {
    let (first, again, other) = (overheard(1), overheard(1), overheard(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(first.iter().sum::<usize>(), 1000);
    let [whole, pieces @ .., last] = &first[..] else { panic!("only {first:?}") };
    assert!(*whole == 100 && *last <= 100, "{first:?}");
    assert!(pieces.iter().all(|len| (1..=50).contains(len)), "{first:?}");
}

#[test]
fn a_cut_comes_at_its_byte_and_both_ends_learn_of_it() {
    for after in [0, 1, 77] {
        for (how, ends) in [(Cut::Reset, Some(ErrorKind::ConnectionReset)), (Cut::End, None)] {
            let Path { mut client, server, proxy } = path(Fault::Cut { way: Way::Up, after, how });
            let sent = bytes(100);
            // It may be cut before all is sent.
            let _cut = client.write_all(&sent);
            proxy.wait_until_played();
            let (found, ended) = read(&server);
            assert_eq!(ended, ends, "{how:?}");
            let after = usize::try_from(after).expect("a small number");
            assert_eq!(found, sent[..after], "{how:?}");
            // A reset is told once, and the write may have been told already.
            assert_eq!(read(&client).0, b"", "{how:?}");
        }
    }
}

#[test]
fn a_half_close_ends_one_direction_and_the_other_goes_on() {
    let Path { mut client, mut server, proxy } =
        path(Fault::HalfClose { way: Way::Down, after: 3 });
    server.write_all(b"abcdef").expect("an open socket");
    assert_eq!(read(&client), (b"abc".to_vec(), None));
    proxy.wait_until_played();
    server.write_all(&bytes(100_000)).expect("what comes later is thrown away");
    client.write_all(b"still here").expect("an open socket");
    assert_eq!(exactly(&server, 10), b"still here");
    client.shutdown(Shutdown::Write).expect("an open socket");
    assert_eq!(read(&server), (Vec::new(), None));
}

#[test]
fn what_is_held_goes_on_when_it_is_told_to() {
    let Path { client, mut server, mut proxy } = path(Fault::Hold { way: Way::Down, after: 4 });
    server.write_all(b"before and behind").expect("an open socket");
    assert_eq!(exactly(&client, 4), b"befo");
    proxy.wait_until_played();
    assert_silent(&client);
    proxy.go_on();
    assert_eq!(exactly(&client, 13), b"re and behind");
}

#[test]
fn what_is_frozen_loses_nothing_and_what_is_new_may_pass_it() {
    let (listener, addr) = listen();
    let proxy = Proxy::start(addr, Fault::None, seed());
    let connect = || {
        let client = TcpStream::connect(proxy.addr()).expect("the proxy listens");
        let (server, _) = listener.accept().expect("the proxy connects");
        [client, server].map(|end| {
            end.set_read_timeout(Some(BACKSTOP)).expect("a time-out that is not zero");
            end
        })
    };
    let [mut old_client, mut old_server] = connect();
    old_client.write_all(b"before").expect("an open socket");
    assert_eq!(exactly(&old_server, 6), b"before");

    proxy.freeze();
    let [mut client, server] = connect();
    client.write_all(b"into the frost").expect("an open socket");
    old_client.write_all(b"up").expect("an open socket");
    old_server.write_all(b"down").expect("an open socket");
    // Not even the end of a connection is told.
    old_server.shutdown(Shutdown::Write).expect("an open socket");

    proxy.pass_what_is_new();
    let [mut new_client, new_server] = connect();
    new_client.write_all(b"new").expect("an open socket");
    assert_eq!(exactly(&new_server, 3), b"new");
    [&old_client, &old_server, &client, &server].into_iter().for_each(assert_silent);

    proxy.thaw();
    assert_eq!(exactly(&server, 14), b"into the frost");
    assert_eq!(exactly(&old_server, 2), b"up");
    assert_eq!(read(&old_client), (b"down".to_vec(), None));
}

#[test]
fn a_proxy_that_is_dropped_ends_what_goes_through_it() {
    let Path { client, server, proxy } = path(Fault::None);
    let addr = proxy.addr();
    drop(proxy);
    assert_eq!((read(&client).0, read(&server).0), (Vec::new(), Vec::new()));
    assert!(TcpStream::connect(addr).is_err());
}
