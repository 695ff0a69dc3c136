//! What a turn sends, in order, encoded once. This file does not know sockets, or what the texts say.

use roundtable::Recipients;

use crate::binary::{self, Binary, Message};
use crate::frame::{self, Frame};

/// Frames are joined up to this size: a slow reader that has taken a part of a piece keeps all of it
/// in memory.
const JOINED_BYTES: usize = 16 * 1024;

/// The frames that were commanded since they were last taken, and who gets them.
///
/// Frames that follow one another and go to the same people are joined into one piece of bytes, so
/// that a busy room costs one buffer a turn and not one a message. No two frames to a connection
/// change places. An [`Outbox`](crate::Outbox) takes a piece for one frame: one that is partly sent is
/// finished even where a close drops the rest.
///
/// ```
/// use roundtable::{ConnId, Recipients};
/// use roundtable_server::Sends;
///
/// let to = Recipients::Many { list: [ConnId::new(1), ConnId::new(2)].into(), except: None };
/// let mut sends = Sends::default();
/// sends.text(&to, "hi");
/// sends.text(&to, "you");
/// let pieces: Vec<_> = sends.drain().collect();
/// assert_eq!(pieces.len(), 1);
/// assert_eq!(&*pieces[0].1, b"\x81\x02hi\x81\x03you");
/// ```
#[derive(Debug, Default)]
pub struct Sends {
    binary: Binary,
    pieces: Vec<(Recipients, Vec<u8>)>,
}

impl Sends {
    /// Those of a machine that has binary messages in this way; by default it has none.
    pub fn new(binary: Binary) -> Self {
        Self { binary, pieces: Vec::new() }
    }

    /// Adds a text, or the binary message that it [stands for](crate::binary) where the machine has
    /// such texts.
    pub fn text(&mut self, to: &Recipients, text: &str) {
        let message = match self.binary {
            Binary::Announced => Message::Text(text),
            Binary::AsText => binary::message(text),
        };
        match message {
            Message::Text(text) => frame::write_text(self.piece(to), text),
            Message::Binary(bytes) => frame::write_binary(self.piece(to), &bytes),
        }
    }

    /// Adds a ping.
    pub fn ping(&mut self, to: &Recipients) {
        frame::write_ping(self.piece(to));
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes all pieces, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = (Recipients, Frame)> + '_ {
        self.pieces.drain(..).map(|(to, bytes)| (to, bytes.into()))
    }

    /// The piece that the next frame to these people goes to.
    fn piece(&mut self, to: &Recipients) -> &mut Vec<u8> {
        let joins = self
            .pieces
            .last()
            .is_some_and(|(last, bytes)| bytes.len() < JOINED_BYTES && are_the_same(last, to));
        if !joins {
            self.pieces.push((to.clone(), Vec::new()));
        }
        &mut self.pieces.last_mut().expect("one was put there").1
    }
}

/// Whether both are the same people, as far as that can be told without looking at each of them.
fn are_the_same(one: &Recipients, other: &Recipients) -> bool {
    use Recipients::{Many, One};
    match (one, other) {
        (One(one), One(other)) => one == other,
        (Many { list, except }, Many { list: other, except: but }) => {
            except == but && std::ptr::eq(&raw const **list, &raw const **other)
        }
        (One(_), Many { .. }) | (Many { .. }, One(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use roundtable::ConnId;

    use super::*;

    /// What each connection is sent, byte after byte.
    type Streams = BTreeMap<ConnId, Vec<u8>>;

    fn people() -> Vec<Recipients> {
        let [ann, bob, eve] = [1, 2, 3].map(ConnId::new);
        let all: std::sync::Arc<[ConnId]> = [ann, bob, eve].into();
        vec![
            Recipients::One(ann),
            Recipients::One(bob),
            Recipients::Many { list: all.clone(), except: None },
            Recipients::Many { list: all, except: Some(bob) },
            Recipients::Many { list: [ann, bob, eve].into(), except: None },
            Recipients::Many { list: [bob].into(), except: None },
        ]
    }

    fn give(streams: &mut Streams, to: &Recipients, bytes: &[u8]) {
        for conn in to.iter() {
            streams.entry(conn).or_default().extend_from_slice(bytes);
        }
    }

    proptest! {
        #[test]
        fn joining_changes_nothing_of_what_anybody_is_sent(
            steps in prop::collection::vec((0_usize..6, 0_usize..9000, prop::bool::ANY), 0..60),
        ) {
            let people = people();
            let (mut sends, mut apart, mut joined) =
                (Sends::default(), Streams::new(), Streams::new());
            for (count, (who, len, is_ping)) in steps.iter().enumerate() {
                let to = &people[*who];
                if *is_ping {
                    sends.ping(to);
                    give(&mut apart, to, &frame::ping());
                } else {
                    let text = format!("{count}{}", "x".repeat(*len));
                    sends.text(to, &text);
                    give(&mut apart, to, &frame::text(&text));
                }
            }
            for (to, piece) in sends.drain() {
                give(&mut joined, &to, &piece);
                prop_assert!(piece.len() < JOINED_BYTES + 9020, "a piece of {}", piece.len());
            }
            prop_assert!(sends.is_empty());
            prop_assert_eq!(joined, apart);
        }
    }

    #[test]
    fn a_text_stands_for_a_binary_message_only_where_the_machine_has_such_texts() {
        let text = binary::text_of_bytes(b"hi");
        let mut wrote = [Vec::new(), Vec::new()];
        frame::write_text(&mut wrote[0], &text);
        frame::write_binary(&mut wrote[1], b"hi");
        for (binary, bytes) in [Binary::Announced, Binary::AsText].into_iter().zip(wrote) {
            let mut sends = Sends::new(binary);
            sends.text(&people()[0], &text);
            assert_eq!(*sends.drain().next().unwrap().1, *bytes, "{binary:?}");
        }
    }

    #[test]
    fn what_goes_to_the_same_people_is_one_piece_until_it_is_long() {
        let people = people();
        let mut sends = Sends::default();
        let text = "x".repeat(1000);
        for _ in 0..32 {
            sends.text(&people[2], &text);
        }
        assert_eq!(sends.drain().count(), 2);
        for to in &people {
            sends.text(to, "hi");
        }
        assert_eq!(sends.drain().count(), people.len(), "each is somebody else");
    }
}
