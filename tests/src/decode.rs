//! Scripts decoded from bytes, for the fuzzer. Records that are decoded by hand keep the meaning of
//! a byte where it stands when bytes before it change, which is what makes mutation work.

use std::time::Duration;

use roundtable::{Framing, Greeting};

use crate::generator::{
    ADDRESSES, CLIENTS, Decision, EpochChoice, Frame, Id, Limits, NAMES, ROOMS, Reading, Script,
    SeqChoice, ShownBy, Since, Stands, Step, Whose, letters, room_choice, valid,
};
use crate::odd::ODD;

/// The script that `bytes` stand for: one byte for the limits, then records `[op, client, len] body`.
/// Every byte string is some script; what a record's body lacks is read as zero.
pub fn decode(bytes: &[u8]) -> Script {
    let Some((limits, mut rest)) = bytes.split_first() else {
        return Script { limits: Limits::Default, steps: Vec::new() };
    };
    let limits = Limits::ALL[usize::from(*limits) % Limits::ALL.len()];
    let mut steps = Vec::new();
    while let [op, client, len, tail @ ..] = rest {
        let len = usize::from(*len).min(tail.len());
        let (body, next) = tail.split_at(len);
        steps.push(decode_step(*op, u16::from(*client) % CLIENTS, &mut Body(body)));
        rest = next;
    }
    Script { limits, steps }
}

/// A record's body, read byte by byte.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn of<T: Copy>(&mut self, table: &[T]) -> T {
        table[usize::from(self.byte()) % table.len()]
    }

    fn id(&mut self) -> Id {
        self.of(&[Id::Number, Id::None, Id::Text])
    }

    fn since(&mut self) -> Option<Since> {
        let kind = self.byte();
        let distance = self.byte();
        let epoch = match kind & 7 {
            0 => return None,
            1 => EpochChoice::Before,
            2 => EpochChoice::Foreign,
            7 => return Some(Since { epoch: EpochChoice::Seen, seq: SeqChoice::Seen }),
            _ => EpochChoice::Last,
        };
        let seq = match kind >> 3 & 3 {
            0 => SeqChoice::Zero,
            1 => SeqChoice::Ahead(distance),
            _ => SeqChoice::Behind(distance),
        };
        Some(Since { epoch, seq })
    }
}

fn decode_step(op: u8, client: u16, body: &mut Body<'_>) -> Step {
    match op % 24 {
        0 => {
            let greeting = decode_greeting(body);
            let from = body.byte().checked_sub(1).map(|from| from % ADDRESSES);
            Step::Connect { client, from, greeting }
        }
        1 => Step::Binary { client },
        2 => Step::Heard { client },
        3 => Step::Reads {
            client,
            reading: body.of(&[
                Reading::Stopped,
                Reading::Prompt,
                Reading::Mute,
                Reading::Slow { bytes_per_second: 700 },
            ]),
        },
        4 => Step::Take { client, bytes: usize::from(body.short()) },
        5 => Step::EndTurn,
        6 => Step::Disconnect { client },
        7 => match body.byte() {
            1 => Step::Decide(decode_decision(client, body)),
            _ => Step::Sleep,
        },
        8 => Step::Wait(Duration::from_millis(body.short().into())),
        9 => Step::Wait(Duration::from_secs(body.byte().into())),
        10 => Step::Away(Duration::from_secs(body.byte().into())),
        11 => Step::Drain { within: Duration::from_secs(body.byte().into()) },
        21 => Step::Vanish { client },
        22 => Step::Link { client, latency: Duration::from_millis(body.short().into()) },
        23 => match body.byte() {
            1 => Step::CarryOver,
            _ => Step::Restart,
        },
        20 => {
            let (times, op) = (body.byte() % 40, body.byte());
            Step::Burst { client, frame: decode_frame(12 + op % 8, body), times }
        }
        op => Step::Send { client, frame: decode_frame(op, body) },
    }
}

fn decode_decision(client: u16, body: &mut Body<'_>) -> Decision {
    let room = body.of(&ROOMS);
    match body.byte() % 8 {
        4 => Decision::RevokeUser { client },
        5 => Decision::RevokeToken { client },
        0 => Decision::Remove { room, behind: body.byte() },
        1 => Decision::Kick { client, room: Some(room) },
        2 => Decision::Ban { client, room, span: Duration::from_secs(body.byte().into()) },
        _ => Decision::Kick { client, room: None },
    }
}

fn decode_greeting(body: &mut Body<'_>) -> Greeting {
    let name = usize::from(body.byte()).checked_sub(1);
    Greeting {
        name: name.map(|name| valid(NAMES[name % NAMES.len()])),
        room: room_choice(body.byte() % 6),
        framing: body.of(&[Framing::Lenient, Framing::Strict]),
    }
}

fn decode_frame(op: u8, body: &mut Body<'_>) -> Frame {
    let id = body.id();
    match op {
        12 => {
            let name = body.of(&NAMES);
            match (body.byte(), body.of(&[Stands::Seen, Stands::Nowhere, Stands::Untold])) {
                (0, _) => Frame::Hello { id, name },
                (1, stands) => Frame::Resume { id, whose: Whose::Own, stands },
                (client, stands) => {
                    Frame::Resume { id, whose: Whose::Of(u16::from(client) % CLIENTS), stands }
                }
            }
        }
        13 => Frame::Join {
            id,
            room: body.of(&ROOMS),
            since: body.since(),
            echo: body.of(&[None, Some(false), Some(true)]),
        },
        14 => Frame::Leave { id, room: body.of(&ROOMS) },
        15 => {
            let (room, letters) = (body.of(&ROOMS), letters(body.byte()));
            match body.byte() {
                0 => Frame::Publish { id, room, letters },
                1 => Frame::Signal { id, room, letters },
                key => Frame::Keyed { id, room, key: key % 4, letters },
            }
        }
        16 => Frame::History {
            id,
            room: body.of(&ROOMS),
            before: body.since(),
            limit: u16::from(body.byte()).checked_sub(1),
        },
        17 => Frame::Plain { letters: letters(body.byte()) },
        18 => Frame::Odd(body.of(&ODD)),
        _ => match body.byte() {
            1 => Frame::Bye,
            2 => Frame::Presence { id, room: body.of(&ROOMS) },
            3 => {
                let id = if id == Id::None { Id::Number } else { id };
                let client = u16::from(body.byte()) % CLIENTS;
                Frame::Moderate { id, decision: decode_decision(client, body) }
            }
            4 => {
                let by = body.of(&[ShownBy::Hello, ShownBy::Auth, ShownBy::Resume]);
                Frame::Show { id, by }
            }
            _ => Frame::Ping { id },
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roundtable::RoomChoice;

    use super::*;

    #[test]
    fn records_are_decoded_one_behind_the_other_and_what_is_missing_is_zero() {
        let script = decode(&[2, 0, 1, 3, 2, 4, 1, 15, 9, 1, 1, 7]);
        assert_eq!(script.limits, Limits::Tiny);
        let greeting = Greeting {
            name: Some(valid("bob")),
            room: RoomChoice::Named(valid("den")),
            framing: Framing::Strict,
        };
        let publish = Frame::Publish { id: Id::None, room: "lobby", letters: 0 };
        assert_eq!(
            script.steps,
            [
                Step::Connect { client: 1, from: None, greeting },
                Step::Send { client: 1, frame: publish },
            ]
        );
    }

    proptest! {
        #[test]
        fn every_byte_string_is_a_script(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let script = decode(&bytes);
            prop_assert!(script.steps.len() <= bytes.len() / 3);
        }
    }
}
