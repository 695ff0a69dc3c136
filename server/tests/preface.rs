//! What a proxy says before all else, byte by byte and in any pieces.

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use roundtable_server::{Preface, Settings, Step, Whence};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const HEAD_BYTES: usize = 512;

fn settings() -> Settings {
    let trust_proxy = "10.0.0.0/8".parse().unwrap();
    let mut settings = Settings { proxy_protocol: true, trust_proxy, ..Settings::default() };
    settings.wire.head_bytes = HEAD_BYTES;
    settings
}

fn proxy() -> SocketAddr {
    "10.0.0.1:4000".parse().unwrap()
}

/// A header of a command and a family, with what follows.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// The addresses of a connection from there to port 80 of here.
fn addresses(from: &str) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let from: IpAddr = from.parse().unwrap();
    let to = if from.is_ipv4() { "10.9.9.9" } else { "fd00::9" }.parse().unwrap();
    [octets(from), octets(to), vec![0x10, 0x01, 0, 80]].concat()
}

/// Reads `stream` in pieces of at most `piece` bytes, and gives what comes of it, and how much was
/// read.
fn read(stream: &[u8], piece: usize) -> (Step, usize) {
    let mut preface = Preface::new(&settings(), proxy());
    let mut at = 0;
    loop {
        match preface.step() {
            Step::More(most) if at < stream.len() => {
                assert!(most > 0 && at + most <= HEAD_BYTES.max(16), "{most} at {at}");
                let end = stream.len().min(at + most.min(piece));
                preface.feed(&stream[at..end]);
                at = end;
            }
            step => return (step, at),
        }
    }
}

#[test]
fn a_header_says_who_the_client_is_and_nothing_behind_it_is_read() {
    let named = |ip: &str| Step::Done(Whence::Named(ip.parse().unwrap()));
    let itself = Step::Done(Whence::from(proxy()));
    let tlv = [0x04, 0, 3, 1, 2, 3];
    let cases = [
        (header(0x21, 0x11, &addresses("192.0.2.1")), named("192.0.2.1")),
        (header(0x21, 0x21, &addresses("2001:db8::1")), named("2001:db8::1")),
        (header(0x21, 0x21, &addresses("::ffff:192.0.2.1")), named("192.0.2.1")),
        (header(0x21, 0x11, &addresses("127.0.0.1")), named("127.0.0.1")),
        (header(0x21, 0x11, &[&addresses("192.0.2.1")[..], &tlv].concat()), named("192.0.2.1")),
        (
            header(0x21, 0x11, &[&addresses("192.0.2.1")[..], &[0; 484]].concat()),
            named("192.0.2.1"),
        ),
        // The proxy itself, whatever addresses stand there.
        (header(0x20, 0x00, &[]), itself),
        (header(0x20, 0x11, &addresses("192.0.2.1")), itself),
        (header(0x20, 0x00, &tlv), itself),
        // A client without an address.
        (header(0x21, 0x00, &[]), itself),
        (header(0x21, 0x31, &[0; 216]), itself),
    ];
    for (header, expected) in cases {
        for behind in [&b""[..], b"GET / HTTP/1.1\r\n", SIGNATURE] {
            let stream = [&header, behind].concat();
            for piece in [1, 7, 16, 512] {
                assert_eq!(read(&stream, piece), (expected, header.len()), "{header:x?}");
            }
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let refused = |stream: &[u8]| match read(stream, 512).0 {
        Step::Refused(why) => why,
        step => panic!("{stream:x?}: {step:?}"),
    };
    for stream in [
        b"GET /ws HTTP/1.1\r\n".to_vec(),
        b"G".to_vec(),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 4097 80\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaa".to_vec(),
        b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(),
        header(0x11, 0x11, &addresses("192.0.2.1")),
        header(0x22, 0x11, &addresses("192.0.2.1")),
        header(0x21, 0x41, &addresses("192.0.2.1")),
        header(0x21, 0x11, &addresses("192.0.2.1")[..11]),
        header(0x21, 0x21, &addresses("192.0.2.1")),
        header(0x21, 0x11, &[]),
    ] {
        assert_eq!(refused(&stream), "this is no PROXY header");
    }
    for most in [497, 65_535] {
        assert_eq!(refused(&header(0x21, 0x11, &vec![0; most])), "the PROXY header is too long");
    }
}

#[test]
fn only_proxies_that_are_believed_are_heard() {
    for (peer, is_heard) in
        [("10.9.9.9:1", true), ("[::ffff:10.0.0.1]:1", true), ("192.0.2.1:1", false)]
    {
        let step = Preface::new(&settings(), peer.parse().unwrap()).step();
        let expected =
            if is_heard { Step::More(16) } else { Step::Refused("only proxies may connect") };
        assert_eq!(step, expected, "{peer}");
    }
    let off = Settings { proxy_protocol: false, ..settings() };
    assert_eq!(Preface::new(&off, proxy()).step(), Step::Done(proxy().into()));
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_come_to_the_same(
        command: u8,
        family in prop_oneof![any::<u8>(), Just(0x11), Just(0x21)],
        rest in prop::collection::vec(any::<u8>(), 0..600),
        cut in 0..620_usize,
        piece in 1..40_usize,
        is_signed in prop::bool::weighted(0.9),
    ) {
        let mut stream = header(command, family, &rest);
        if !is_signed {
            stream[11] ^= 1;
        }
        stream.truncate(cut);
        let (whole, in_pieces) = (read(&stream, 512), read(&stream, piece));
        prop_assert_eq!(whole, in_pieces);
        if let (Step::Done(_), at) = whole {
            prop_assert!(is_signed && at == 16 + rest.len());
        }
    }
}
