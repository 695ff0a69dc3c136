//! The layer against a client in memory: bytes in any pieces, both ways.

use proptest::prelude::*;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn pair(certificate: &str, key: &str) -> Pair {
    Pair { certificate: file(certificate), key: file(key) }
}

fn layer() -> Layer {
    Tls::read(pair("first.pem", "first.key.pem")).expect("a pair").layer()
}

fn client(version: &'static SupportedProtocolVersion) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).expect("one")).expect("one");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version that the provider knows")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a client")
}

/// A client and a layer, between which bytes go in pieces of the lengths that `cuts` gives, again
/// and again.
struct Talk {
    client: ClientConnection,
    layer: Layer,
    cuts: Vec<usize>,
    next: usize,
    /// What came out at the layer's side, and at the client's.
    heard: [Vec<u8>; 2],
    flow: Flow,
}

impl Talk {
    fn new(version: &'static SupportedProtocolVersion, cuts: Vec<usize>) -> Self {
        let heard = [Vec::new(), Vec::new()];
        let (client, layer) = (client(version), layer());
        Self { client, layer, cuts, next: 0, heard, flow: Flow::Open }
    }

    fn cut(&mut self) -> usize {
        self.next += 1;
        self.cuts[self.next % self.cuts.len()]
    }

    /// Writes with the layer, to a socket that takes a piece and is full.
    fn say(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() || !self.layer.is_flushed() {
            let mut room = self.cut();
            let mut socket = Vec::new();
            let write = |slices: &[IoSlice<'_>]| {
                let taken = slices[0].len().min(room);
                if taken == 0 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                room -= taken;
                socket.extend_from_slice(&slices[0][..taken]);
                Ok(taken)
            };
            let (half, other) = bytes.split_at(bytes.len() / 2);
            match self.layer.write(&[IoSlice::new(half), IoSlice::new(other)], write) {
                Ok(taken) => bytes = &bytes[taken..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            self.deliver(&socket);
        }
    }

    fn deliver(&mut self, mut sealed: &[u8]) {
        while !sealed.is_empty() {
            self.client.read_tls(&mut sealed).expect("room");
            let state = self.client.process_new_packets().expect("TLS");
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            io::Read::read_exact(&mut self.client.reader(), &mut plain).expect("all that is there");
            self.heard[1].extend(plain);
        }
    }

    /// Carries what the client has to say to the layer, and the answers back, until both are silent.
    fn carry(&mut self) {
        while self.client.wants_write() || !self.layer.is_flushed() {
            let mut sealed = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut sealed).expect("room");
            }
            let mut sealed = &sealed[..];
            while !sealed.is_empty() {
                let (piece, rest) = sealed.split_at(self.cut().min(sealed.len()));
                self.flow = self.layer.feed(piece, &mut self.heard[0]).expect("TLS");
                sealed = rest;
            }
            self.say(&[]);
        }
    }
}

/// Both sides say what they have, whatever the pieces are in which it goes.
fn converse(version: &'static SupportedProtocolVersion, cuts: Vec<usize>, words: [&[u8]; 2]) {
    let mut talk = Talk::new(version, cuts);
    talk.carry();
    assert!(!talk.client.is_handshaking());
    assert_eq!(talk.client.protocol_version(), Some(version.version));
    for piece in words[0].chunks(10_000) {
        talk.client.writer().write_all(piece).expect("room");
        talk.carry();
    }
    talk.say(words[1]);
    assert_eq!(talk.flow, Flow::Open);
    talk.client.send_close_notify();
    talk.carry();
    assert_eq!(talk.flow, Flow::Ended);
    talk.layer.close();
    talk.say(&[]);
    assert!(talk.client.process_new_packets().expect("TLS").peer_has_closed());
    assert!(talk.heard[0] == words[0] && talk.heard[1] == words[1], "something else came out");
}

#[test]
fn one_byte_at_a_time_says_the_same() {
    let words = "a word, and more of them ".repeat(2000);
    for version in [&TLS12, &TLS13] {
        converse(version, vec![1], [words.as_bytes(), &words.as_bytes()[1..]]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_say_the_same(
        is_new in any::<bool>(),
        cuts in prop::collection::vec(1..40_000_usize, 1..8),
        to_server in prop::collection::vec(any::<u8>(), 0..60_000),
        to_client in prop::collection::vec(any::<u8>(), 0..60_000),
    ) {
        let version = if is_new { &TLS13 } else { &TLS12 };
        converse(version, cuts, [&to_server, &to_client]);
    }

    #[test]
    fn whatever_comes_is_refused_and_nothing_is_taken_for_plain(
        bytes in prop::collection::vec(any::<u8>(), 0..4000),
    ) {
        let (mut layer, mut plain) = (layer(), Vec::new());
        let _refused = layer.feed(&bytes, &mut plain);
        prop_assert!(plain.is_empty());
    }
}

#[test]
fn a_request_without_tls_is_refused() {
    let (mut layer, mut plain) = (layer(), Vec::new());
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(layer.feed(request, &mut plain).is_err());
    assert!(plain.is_empty());
}

#[test]
fn no_more_than_a_record_waits_for_a_socket_that_is_full() {
    let mut talk = Talk::new(&TLS13, vec![usize::MAX]);
    talk.carry();
    let full = |_: &[IoSlice<'_>]| Err(ErrorKind::WouldBlock.into());
    let bytes = vec![b'x'; 100_000];
    let taken = talk.layer.write(&[IoSlice::new(&bytes)], full).expect("some is taken");
    assert_eq!(taken, RECORD_BYTES);
    let error = talk.layer.write(&[IoSlice::new(&bytes)], full).expect_err("nothing is taken");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn files_that_are_wrong_are_named_and_keep_the_pair_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = |name: &str| folder.path().join(name);
    let copy = |from: &str, to: &str| std::fs::copy(file(from), own(to)).expect("room");
    copy("first.pem", "cert");
    copy("first.key.pem", "key");
    let tls = Tls::read(Pair { certificate: own("cert"), key: own("key") }).expect("a pair");
    let serial = || tls.current.0.load().cert[0].clone();
    let first = serial();

    copy("second.key.pem", "key");
    tls.reload();
    assert_eq!(serial(), first, "the key is another one's");
    copy("second.pem", "cert");
    tls.reload();
    assert_ne!(serial(), first);

    for (certificate, key, expected) in [
        ("first.pem", "second.key.pem", "this is not the key of the certificate in "),
        ("first.key.pem", "first.key.pem", "there is no certificate as PEM in it"),
        ("first.pem", "first.pem", "there is no private key as PEM in it"),
        ("none.pem", "first.key.pem", "No such file"),
        ("first.pem", "none.pem", "No such file"),
    ] {
        let why = pair(certificate, key).read().expect_err("a wrong pair");
        assert!(why.starts_with("--tls-") && why.contains(expected), "{why}");
        assert_eq!(why.lines().count(), 1);
    }
}
