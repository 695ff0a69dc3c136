//! TLS between a socket and all else, without either: what the socket gave goes in and plain bytes
//! come out, and the other way round. This file does not know what the plain bytes mean.
//!
//! Both runtimes put one [`Layer`] into a connection: below the door and the codec where they read,
//! behind the outbox where they write.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use tracing::{error, info};

/// The most plain bytes that are sealed before the socket has taken them: one record (RFC 8446 §5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// What a server is told about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The file of the certificate and those that vouch for it, as PEM, the server's own first.
    pub certificate: PathBuf,
    /// The file of its private key, as PEM.
    pub key: PathBuf,
}

/// What makes a server's connections secure. One serves all of them, and its files can be read again
/// while it runs.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    pair: Pair,
}

/// The certificate of the day: each handshake takes it as it is at that moment, and waits for nobody.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// One line that says which file is wrong, and why.
    pub fn read(pair: Pair) -> Result<Arc<Self>, String> {
        let current = Arc::new(Current(ArcSwap::from_pointee(pair.read()?)));
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(Self { config: Arc::new(config), current, pair }))
    }

    /// Reads the files again, for the handshakes from here on. A pair that is wrong changes nothing.
    pub fn reload(&self) {
        match self.pair.read() {
            Ok(certified) => {
                let file = self.pair.certificate.display();
                info!(%file, "the certificate is read again");
                self.current.0.store(Arc::new(certified));
            }
            Err(why) => error!("{why}; the certificate stays as it was"),
        }
    }

    /// The server's side of a new connection.
    ///
    /// # Panics
    ///
    /// Never: what may be wrong with a configuration is seen when it is made.
    pub fn layer(&self) -> Layer {
        let connection = ServerConnection::new(Arc::clone(&self.config));
        let mut connection = connection.expect("the fragments of a record have their usual size");
        connection.set_buffer_limit(Some(RECORD_BYTES));
        Layer { connection }
    }
}

impl Pair {
    fn read(&self) -> Result<CertifiedKey, String> {
        let fault = |flag: &str, file: &PathBuf, why: String| {
            format!("--tls-{flag} {}: {why}", file.display())
        };
        let of_certificate = |why| fault("cert", &self.certificate, why);
        let of_key = |why| fault("key", &self.key, why);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| of_certificate(what_is_wrong(error)))?;
        if chain.is_empty() {
            return Err(of_certificate("there is no certificate as PEM in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| of_key(what_is_wrong(error)))?;
        let key =
            ring::sign::any_supported_type(&key).map_err(|error| of_key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => Err(of_key(format!(
                "this is not the key of the certificate in {}",
                self.certificate.display()
            ))),
            Err(error) => Err(of_certificate(error.to_string())),
        }
    }
}

/// Why a file does not give what it should.
fn what_is_wrong(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is no private key as PEM in it".to_owned(),
        error => error.to_string(),
    }
}

/// The TLS of one connection, from the handshake to the end.
#[derive(Debug)]
pub struct Layer {
    connection: ServerConnection,
}

/// Whether the peer may say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It may.
    Open,
    /// It has said that it does not.
    Ended,
}

impl Layer {
    /// Takes what the socket gave, and adds to `plain` what that says. Afterwards there may be
    /// something to [`flush`](Self::flush): the handshake's answers, or why it fails.
    ///
    /// # Errors
    ///
    /// If this is not TLS, or not as the rules want it: nothing more can be read.
    pub fn feed(&mut self, mut sealed: &[u8], plain: &mut Vec<u8>) -> Result<Flow, rustls::Error> {
        while !sealed.is_empty() {
            // All that came before is processed, so there is room.
            let taken = self.connection.read_tls(&mut sealed);
            let taken = taken.map_err(|error| rustls::Error::General(error.to_string()))?;
            if taken == 0 {
                return Ok(Flow::Ended);
            }
            let state = self.connection.process_new_packets()?;
            let end = plain.len();
            plain.resize(end + state.plaintext_bytes_to_read(), 0);
            let read = io::Read::read_exact(&mut self.connection.reader(), &mut plain[end..]);
            read.map_err(|error| rustls::Error::General(error.to_string()))?;
            if state.peer_has_closed() {
                return Ok(Flow::Ended);
            }
        }
        Ok(Flow::Open)
    }

    /// Seals `slices` and hands that to `write`, a record at a time, until the socket is full.
    /// Returns how many of the plain bytes are taken: what is sealed counts, though the socket may
    /// not have all of it.
    ///
    /// # Errors
    ///
    /// What `write` fails with. A socket that is full is one if nothing was taken.
    pub fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut rest = slices.to_vec();
        let mut rest = &mut rest[..];
        let mut taken = 0;
        loop {
            match self.flush(&mut write) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => {
                    return Ok(taken);
                }
                flushed => flushed?,
            }
            let sealed = self.connection.writer().write_vectored(rest)?;
            if sealed == 0 {
                return Ok(taken);
            }
            taken += sealed;
            IoSlice::advance_slices(&mut rest, sealed);
        }
    }

    /// Hands `write` what is sealed, until nothing is left.
    ///
    /// # Errors
    ///
    /// What `write` fails with, so also with a socket that is full.
    pub fn flush(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut socket = Socket(write);
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the socket has all that is sealed.
    pub fn is_flushed(&self) -> bool {
        !self.connection.wants_write()
    }

    /// Says that nothing more is said (RFC 8446 §6.1): that is to be flushed.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}

/// A function that writes, as what the library writes to.
struct Socket<F>(F);

impl<F: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> Write for Socket<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
