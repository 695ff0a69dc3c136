//! An image of a hub as a recording begins with it: what a mask makes of it, and as bytes. This file
//! does not know how these lie in a file.

use std::borrow::Cow;

use roundtable::{AddressKey, Config, Entropy, Framing, Hub, Image, Masks, PlainText};

use super::mask::{Mask, Reading};

/// All that `hub` is, masked.
pub(super) fn masked(hub: &Hub, mask: &Mask) -> Vec<u8> {
    let mut image = hub.image();
    image.mask(&Masked { mask, config: hub.config() });
    postcard::to_allocvec(&image).expect("a vector takes everything")
}

/// The image that was written as these bytes.
pub(crate) fn read(bytes: &[u8]) -> Result<Image, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((image, [])) => Ok(image),
        Ok(_) => Err("its image is longer than what it holds".to_owned()),
        Err(error) => Err(format!("its image is not understood: {error}")),
    }
}

/// How the texts of a connection are read.
pub(super) fn reading(config: &Config, framing: Framing) -> Reading {
    match (config.plain_text, framing) {
        (PlainText::Publish, Framing::Lenient) => Reading::Plain,
        (PlainText::Publish, Framing::Strict) | (PlainText::Refuse, _) => Reading::Frame,
    }
}

struct Masked<'a> {
    mask: &'a Mask,
    config: &'a Config,
}

impl Masks for Masked<'_> {
    fn secret(&self, secret: Entropy) -> Entropy {
        self.mask.secret(secret)
    }

    fn address(&self, address: AddressKey) -> AddressKey {
        self.mask.address(address)
    }

    fn heard<'a>(&self, text: &'a str, framing: Framing) -> Cow<'a, str> {
        self.mask.heard(text, reading(self.config, framing)).0
    }

    fn told<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.mask.told(text)
    }

    fn digest(&self, digest: u64) -> u64 {
        self.mask.digest(digest)
    }
}
