//! A server that speaks TLS: what it says when its files are wrong, at the start and later.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::tokens::Log;
use super::{Server, refused};

/// Everything that is promised of certificates by `program`.
pub(crate) fn check(program: &str) {
    a_wrong_pair_is_one_line(program);
    a_wrong_pair_is_not_taken_up(program);
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/tls").join(name)
}

fn a_wrong_pair_is_one_line(program: &str) {
    let [certificate, key, other] = ["first.pem", "first.key.pem", "second.key.pem"]
        .map(|name| file(name).display().to_string());
    let only = |flag: &str, path: &str, missing: &str| {
        refused(program, &[flag, path], &format!("{flag} {path}: needs {missing} FILE"), 2);
    };
    only("--tls-cert", &certificate, "--tls-key");
    only("--tls-key", &key, "--tls-cert");
    let wrong = |certificate: &str, key: &str, expected: &str| {
        let listen = ["--listen", "127.0.0.1:0"];
        let pair = ["--tls-cert", certificate, "--tls-key", key];
        refused(program, &[&listen[..], &pair].concat(), expected, 1);
    };
    let not_its_key = format!("--tls-key {other}: this is not the key of the certificate in ");
    wrong(&certificate, &other, &not_its_key);
    wrong("/no/such/file", &key, "--tls-cert /no/such/file: No such file");
    wrong(&certificate, &certificate, &format!("--tls-key {certificate}: there is no private key"));
}

fn a_wrong_pair_is_not_taken_up(program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["cert", "key"].map(|name| folder.path().join(name));
    let put = |name: &str, at: &Path| fs::copy(file(name), at).unwrap();
    put("first.pem", &certificate);
    put("first.key.pem", &key);
    let [certificate_path, key_path] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let flags = ["--tls-cert", certificate_path, "--tls-key", key_path, "--log", "info"];
    let mut server = Server::start_with(program, &flags, Stdio::piped());
    let mut log = Log::of(server.child.0.stderr.take().unwrap());
    put("second.key.pem", &key);
    server.signal("HUP");
    log.until("the certificate stays as it was");
    put("second.pem", &certificate);
    server.signal("HUP");
    log.until("the certificate is read again");
    server.signal("INT");
    assert_eq!(server.end().code(), Some(0));
}
