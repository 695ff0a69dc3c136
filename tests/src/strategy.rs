//! Scripts drawn by proptest, which shrinks those that fail. This file does not know how they are
//! played.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Union;
use roundtable::{Framing, Greeting};

use crate::generator::{
    ADDRESSES, CLIENTS, Decision, EpochChoice, Frame, Id, Limits, NAMES, ROOMS, Reading, Script,
    SeqChoice, ShownBy, Since, Stands, Step, Whose, letters, room_choice, valid,
};
use crate::odd::ODD;

/// The strategy of scripts under `limits`, of at most `steps` steps.
///
/// Each script draws its own weights, some of them zero: a mix that is always the same hides what
/// happens only when one kind of step is rare or missing.
pub fn scripts(limits: Limits, readers: Readers, steps: usize) -> impl Strategy<Value = Script> {
    prop::collection::vec(prop_oneof![2 => Just(0_u32), 3 => 1_u32..20], KINDS)
        .prop_flat_map(move |weights| prop::collection::vec(step(&weights, readers), 1..steps))
        .prop_map(move |steps| Script { limits, steps: opening().chain(steps).collect() })
}

/// Whether the readers of a script may fall behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Everybody takes everything at once.
    Prompt,
    /// Some stop reading, or are gone without a word.
    Any,
}

/// A few clients that connect: a script without anybody shows little.
fn opening() -> impl Iterator<Item = Step> {
    (0..4).map(|client| {
        let (from, greeting) = (None, Greeting::default());
        Step::Connect { client, from, greeting }
    })
}

/// How many kinds of steps have a weight of their own.
const KINDS: usize = 12;

fn step(weights: &[u32], readers: Readers) -> impl Strategy<Value = Step> + use<> {
    let slow = u32::from(readers == Readers::Any);
    let mut weights = weights.iter().copied();
    let mut weight = || weights.next().expect("a weight for each kind");
    let client = || 0..CLIENTS;
    let mut kinds = vec![
        // Without connections and frames there is nothing to see.
        (
            weight() + 2,
            (client(), from(), greeting())
                .prop_map(|(client, from, greeting)| Step::Connect { client, from, greeting })
                .boxed(),
        ),
        (
            weight() + 20,
            (client(), frame()).prop_map(|(client, frame)| Step::Send { client, frame }).boxed(),
        ),
        (weight().div_ceil(2), burst().boxed()),
        (weight().min(1), client().prop_map(|client| Step::Binary { client }).boxed()),
        (weight(), client().prop_map(|client| Step::Heard { client }).boxed()),
        (
            slow * weight(),
            (client(), reading())
                .prop_map(|(client, reading)| Step::Reads { client, reading })
                .boxed(),
        ),
        (
            slow * weight(),
            (client(), 0_usize..8000)
                .prop_map(|(client, bytes)| Step::Take { client, bytes })
                .boxed(),
        ),
        (weight(), Just(Step::EndTurn).boxed()),
        (weight().div_ceil(4), client().prop_map(|client| Step::Disconnect { client }).boxed()),
        (weight(), passing().boxed()),
        (
            weight().min(1),
            (0_u64..30).prop_map(|secs| Step::Away(Duration::from_secs(secs))).boxed(),
        ),
        (slow * weight().min(1), network().boxed()),
    ];
    // A union takes no weight of zero.
    kinds.retain(|(weight, _)| *weight > 0);
    Union::new_weighted(kinds)
}

/// Mostly publishing, which is what makes others lag.
fn burst() -> impl Strategy<Value = Step> {
    let id = Id::None;
    let publish = (room(), any::<u8>()).prop_map(move |(room, size)| Frame::Publish {
        id,
        room,
        letters: letters(size),
    });
    let frame = prop_oneof![4 => publish, 1 => frame()];
    (0..CLIENTS, frame, 1_u8..40).prop_map(|(client, frame, times)| Step::Burst {
        client,
        frame,
        times,
    })
}

fn passing() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => Just(Step::Sleep),
        32 => (0_u64..3000).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        4 => (0_u64..200).prop_map(|secs| Step::Wait(Duration::from_secs(secs))),
        10 => decision().prop_map(Step::Decide),
        1 => (0_u64..40).prop_map(|secs| Step::Drain { within: Duration::from_secs(secs) }),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    let client = || 0..CLIENTS;
    prop_oneof![
        3 => (room(), 0_u8..5).prop_map(|(room, behind)| Decision::Remove { room, behind }),
        1 => client().prop_map(|client| Decision::RevokeUser { client }),
        1 => client().prop_map(|client| Decision::RevokeToken { client }),
        2 => (client(), prop::option::weighted(0.8, room()))
            .prop_map(|(client, room)| Decision::Kick { client, room }),
        5 => (client(), room(), 0_u64..300).prop_map(|(client, room, secs)| Decision::Ban {
            client,
            room,
            span: Duration::from_secs(secs),
        }),
    ]
}

/// What the network and the machine room may do to a client.
fn network() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    prop_oneof![
        8 => (client(), 0_u64..4000).prop_map(|(client, ms)| Step::Link {
            client,
            latency: Duration::from_millis(ms),
        }),
        4 => client().prop_map(|client| Step::Vanish { client }),
        1 => Just(Step::Restart),
        2 => Just(Step::CarryOver),
    ]
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        1 => Just(Reading::Prompt),
        1 => Just(Reading::Mute),
        1 => (100_u32..3000).prop_map(|bytes_per_second| Reading::Slow { bytes_per_second }),
        3 => Just(Reading::Stopped)
    ]
}

/// Any of a few addresses, or none.
pub fn from() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![3 => Just(None), 1 => (0..ADDRESSES).prop_map(Some)]
}

/// Any wishes of somebody who connects.
pub fn greeting() -> impl Strategy<Value = Greeting> {
    let name = prop::option::of(prop::sample::select(&NAMES[..]));
    let framing = prop_oneof![3 => Just(Framing::Lenient), 1 => Just(Framing::Strict)];
    (name, 0_u8..6, framing).prop_map(|(name, room, framing)| Greeting {
        name: name.map(valid),
        room: room_choice(room),
        framing,
    })
}

/// Any text of a client.
pub fn frame() -> impl Strategy<Value = Frame> {
    let acked = || prop_oneof![3 => Just(Id::Number), 1 => Just(Id::Text)];
    let id = || prop_oneof![1 => Just(Id::None), 4 => acked()];
    let name = prop::sample::select(&NAMES[..]);
    prop_oneof![
        1 => (id(), name).prop_map(|(id, name)| Frame::Hello { id, name }),
        3 => (id(), whose(), stands())
            .prop_map(|(id, whose, stands)| Frame::Resume { id, whose, stands }),
        6 => (id(), room(), prop::option::of(since()), prop::option::of(any::<bool>()))
            .prop_map(|(id, room, since, echo)| Frame::Join { id, room, since, echo }),
        2 => (id(), room()).prop_map(|(id, room)| Frame::Leave { id, room }),
        20 => (id(), room(), any::<u8>())
            .prop_map(|(id, room, size)| Frame::Publish { id, room, letters: letters(size) }),
        4 => (id(), room(), 0_u8..3, 0_usize..3)
            .prop_map(|(id, room, key, letters)| Frame::Keyed { id, room, key, letters }),
        3 => (id(), room(), any::<u8>())
            .prop_map(|(id, room, size)| Frame::Signal { id, room, letters: letters(size) }),
        3 => (id(), room(), prop::option::of(since()), prop::option::of(0_u16..400))
            .prop_map(|(id, room, before, limit)| Frame::History { id, room, before, limit }),
        2 => (id(), room()).prop_map(|(id, room)| Frame::Presence { id, room }),
        3 => (acked(), decision()).prop_map(|(id, decision)| Frame::Moderate { id, decision }),
        3 => (id(), prop::sample::select(&[ShownBy::Hello, ShownBy::Auth, ShownBy::Resume][..]))
            .prop_map(|(id, by)| Frame::Show { id, by }),
        2 => id().prop_map(|id| Frame::Ping { id }),
        1 => Just(Frame::Bye),
        4 => any::<u8>().prop_map(|size| Frame::Plain { letters: letters(size) }),
        3 => prop::sample::select(&ODD[..]).prop_map(Frame::Odd),
    ]
}

fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![3 => Just(Whose::Own), 1 => (0..CLIENTS).prop_map(Whose::Of)]
}

fn stands() -> impl Strategy<Value = Stands> {
    prop_oneof![4 => Just(Stands::Seen), 1 => Just(Stands::Nowhere), 1 => Just(Stands::Untold)]
}

fn room() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => Just(ROOMS[0]),
        4 => prop::sample::select(&ROOMS[1..3]),
        1 => prop::sample::select(&ROOMS[..])
    ]
}

fn since() -> impl Strategy<Value = Since> {
    let epoch = prop_oneof![
        5 => Just(EpochChoice::Last),
        1 => Just(EpochChoice::Before),
        1 => Just(EpochChoice::Foreign)
    ];
    let seq = prop_oneof![
        1 => Just(SeqChoice::Zero),
        4 => (0_u8..30).prop_map(SeqChoice::Behind),
        1 => (1_u8..5).prop_map(SeqChoice::Ahead)
    ];
    let seen = Since { epoch: EpochChoice::Seen, seq: SeqChoice::Seen };
    prop_oneof![
        3 => (epoch, seq).prop_map(|(epoch, seq)| Since { epoch, seq }),
        2 => Just(seen)
    ]
}
