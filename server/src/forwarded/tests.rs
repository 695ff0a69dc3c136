//! Tables of what proxies write, and whom it names; and what clients write to be taken for others.

use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn trusted() -> Networks {
    "10.0.0.0/8, 2001:db8:ff::/48, 127.0.0.1".parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The client that these lines name, where `from` is at the other end of the socket.
fn named(from: &str, forwarded: &[&str], x: &[&str]) -> Result<Whence, Disagreement> {
    let from = Whence::Itself(ip(from));
    client(&trusted(), from, forwarded.iter().copied(), x.iter().copied())
}

#[test]
fn x_forwarded_for_is_read_from_the_right() {
    let cases: &[(&[&str], &str)] = &[
        (&["192.0.2.1"], "192.0.2.1"),
        (&[" 192.0.2.1\t"], "192.0.2.1"),
        // What the client has written itself does not count.
        (&["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        (&["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        (&["10.0.0.7, 192.0.2.1"], "192.0.2.1"),
        // Proxies that are believed are not the client.
        (&["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (&["192.0.2.1, 10.0.0.3, 2001:db8:ff::1, 10.0.0.2"], "192.0.2.1"),
        (&["198.51.100.9", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        (&["198.51.100.9, 192.0.2.1,10.0.0.2", "10.0.0.4"], "192.0.2.1"),
        // If there are no others, the farthest one is.
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (&["127.0.0.1"], "127.0.0.1"),
        // Of other kinds than a bare IPv4 address.
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:4711"], "2001:db8::1"),
        (&["192.0.2.1:4711"], "192.0.2.1"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
        // What cannot be read ends it, and the last one that could be counts.
        (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.1, 10.0.0.300, 10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.1, nonsense"], PROXY),
        (&["192.0.2.1:99999"], PROXY),
        (&["[192.0.2.1]"], PROXY),
        (&["[2001:db8::1"], PROXY),
        (&["2001:db8::1]:1"], PROXY),
        (&["fe80::1%eth0"], PROXY),
        (&["\u{FFFD}"], PROXY),
        (&["nonsense, 192.0.2.1"], "192.0.2.1"),
        // Empty members are none.
        (&["192.0.2.1, ,", "", " , "], "192.0.2.1"),
    ];
    for (lines, client) in cases {
        assert_eq!(named(PROXY, &[], lines), Ok(Whence::Named(ip(client))), "{lines:?}");
    }
}

#[test]
fn forwarded_is_read_from_the_right() {
    let cases: &[(&[&str], &str)] = &[
        (&["for=192.0.2.1"], "192.0.2.1"),
        (&["For=192.0.2.1;proto=https;by=203.0.113.4"], "192.0.2.1"),
        (&["proto=https; FOR=\"192.0.2.1:4711\" ;host=chat.example"], "192.0.2.1"),
        (&["for=\"[2001:db8::1]\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1]:_gate\""], "2001:db8::1"),
        (&["for=\"192.0.2.1:_gate\""], "192.0.2.1"),
        // Without the quotes that should be there, and without the brackets.
        (&["for=[2001:db8::1]:4711"], "2001:db8::1"),
        (&["for=\"2001:db8::1\""], "2001:db8::1"),
        (&["for=198.51.100.9, for=192.0.2.1"], "192.0.2.1"),
        (&["for=192.0.2.1, for=10.0.0.2"], "192.0.2.1"),
        (&["for=198.51.100.9", "for=192.0.2.1,for=\"[2001:db8:ff::7]\""], "192.0.2.1"),
        // Marks in quotes are none.
        (&["host=\"a,for=198.51.100.9\";for=192.0.2.1"], "192.0.2.1"),
        (&["for=192.0.2.1;host=\"a;for=198.51.100.9\""], "192.0.2.1"),
        (&["for=192.0.2.1;host=\"\\\",for=198.51.100.9\""], "192.0.2.1"),
        (&["for=192.0.2.1;host=\"\\\\\", for=10.0.0.2"], "192.0.2.1"),
        // Quotes that the client has left open hide nothing that a proxy says.
        (&["for=\", for=192.0.2.1"], "192.0.2.1"),
        (&["for=\"\\, for=192.0.2.1"], "192.0.2.1"),
        (&["for=x\\, for=\"192.0.2.1:1\""], "192.0.2.1"),
        (&["for=\"", "for=192.0.2.1"], "192.0.2.1"),
        // Nobody is named.
        (&["for=unknown"], PROXY),
        (&["for=_hidden, for=10.0.0.2"], "10.0.0.2"),
        (&["for=\"_hidden:4711\""], PROXY),
        (&["for="], PROXY),
        (&["for=\"\""], PROXY),
        (&["for=\"192.0.2.1"], PROXY),
        (&["for=192.0.2.1\""], PROXY),
        (&["for =192.0.2.1"], PROXY),
        (&["proto=https"], PROXY),
        (&["192.0.2.1"], PROXY),
        (&["for=192.0.2.1;for=198.51.100.9"], PROXY),
        (&["for=192.0.2.1, proto=https, for=10.0.0.2"], "10.0.0.2"),
    ];
    for (lines, client) in cases {
        assert_eq!(named(PROXY, lines, &[]), Ok(Whence::Named(ip(client))), "{lines:?}");
    }
}

#[test]
fn who_is_not_believed_is_who_it_is() {
    let lies = (&["for=192.0.2.1"][..], &["192.0.2.2"][..]);
    for from in ["192.0.2.9", "2001:db8::9", "11.0.0.1", "127.0.0.2"] {
        assert_eq!(named(from, lies.0, lies.1), Ok(Whence::Itself(ip(from))), "{from}");
    }
    let nobody = Networks::default();
    let from = Whence::Itself(ip(PROXY));
    assert_eq!(client(&nobody, from, [].into_iter(), lies.1.iter().copied()), Ok(from));
}

#[test]
fn a_proxy_that_names_nobody_speaks_for_itself() {
    for lines in [&[][..], &[""], &[" , "]] {
        assert_eq!(named(PROXY, lines, lines), Ok(Whence::Itself(ip(PROXY))), "{lines:?}");
        let from = Whence::Named(ip(PROXY));
        let lines = || lines.iter().copied();
        assert_eq!(client(&trusted(), from, lines(), lines()), Ok(from));
    }
}

#[test]
fn two_headers_must_name_the_same() {
    let both = |forwarded, x| named(PROXY, &[forwarded], &[x]);
    let client = Ok(Whence::Named(ip("192.0.2.1")));
    assert_eq!(both("for=\"192.0.2.1:1\"", "198.51.100.9, 192.0.2.1"), client);
    assert_eq!(both("for=192.0.2.1, for=10.0.0.2", "192.0.2.1"), client);
    // The client has written one of the two.
    assert_eq!(both("for=198.51.100.9", "192.0.2.1"), Err(Disagreement));
    assert_eq!(both("for=192.0.2.1", "198.51.100.9"), Err(Disagreement));
    assert_eq!(both("for=unknown", "192.0.2.1"), Err(Disagreement));
}

/// What a client writes, from the letters of the grammar.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let piece = prop_oneof![
        Just("for="),
        Just("\""),
        Just("\\"),
        Just(","),
        Just(";"),
        Just(" "),
        Just("="),
        Just("["),
        Just("]"),
        Just(":_x"),
        Just("é"),
        Just("10.0.0.9"),
        Just("198.51.100.9"),
        Just("2001:db8::9"),
        Just("unknown"),
    ];
    let line = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    prop::collection::vec(line, 0..4)
}

/// The field as it is once a proxy has added to it: to the last line, or in one of its own.
fn with(mut lines: Vec<String>, more: &str, is_apart: bool) -> Vec<String> {
    match lines.last_mut() {
        Some(last) if !is_apart => *last = format!("{last}, {more}"),
        _ => lines.push(more.to_owned()),
    }
    lines
}

proptest! {
    #[test]
    fn whatever_a_client_writes_it_is_who_the_proxy_says(lines in lines(), is_apart: bool) {
        let client = Ok(Whence::Named(ip("192.0.2.1")));
        let forwarded = with(lines.clone(), "for=\"192.0.2.1:4711\";proto=https", is_apart);
        let forwarded: Vec<&str> = forwarded.iter().map(String::as_str).collect();
        prop_assert_eq!(named(PROXY, &forwarded, &[]), client);
        let x = with(lines, "192.0.2.1", is_apart);
        let x: Vec<&str> = x.iter().map(String::as_str).collect();
        prop_assert_eq!(named(PROXY, &[], &x), client);
    }

    #[test]
    fn any_words_are_read(forwarded in lines(), x in lines(), any in ".*") {
        let forwarded = forwarded.iter().map(String::as_str).chain([any.as_str()]);
        let x = x.iter().map(String::as_str).chain([any.as_str()]);
        let from = Whence::Itself(ip(PROXY));
        if let Ok(Whence::Itself(itself)) = client(&trusted(), from, forwarded, x) {
            prop_assert_eq!(itself, ip(PROXY));
        }
    }
}
