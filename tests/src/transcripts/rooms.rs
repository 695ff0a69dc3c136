//! Rooms, logs and the table of `since`.

use core::time::Duration;

use expect_test::expect;

use super::world::{check, check_with};

#[test]
fn two_people_chat() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s ann: hello
        2s bob: {"type":"publish","id":7,"room":"lobby","data":{"text":"hi ann"}}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> ann, bob
            1.000s   ann: hello
                       message room=lobby seq=1 data="hello" from=ann -> ann, bob
            2.000s   bob: {"type":"publish","id":7,"room":"lobby","data":{"text":
                       ack id=7 room=lobby epoch=E1 seq=2 -> bob
                       message room=lobby seq=2 data={"text":"hi ann"} from=bob -> ann, bob
        "#]],
    );
}

#[test]
fn a_newcomer_is_given_the_recent_entries() {
    check_with(
        |config| {
            config.recent = 2;
        },
        r#"
        0s ann connects
        1s ann: one
        1s ann: two
        1s ann: three
        2s bob connects
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann
            1.000s   ann: two
                       message room=lobby seq=2 data="two" from=ann -> ann
            1.000s   ann: three
                       message room=lobby seq=3 data="three" from=ann -> ann
            2.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=3 history=[2 "two", 3 "three"] members=1:2[ann, bob] more=true recovered=false -> bob
        "#]],
    );
}

#[test]
fn since_gives_exactly_what_was_missed() {
    check(
        r#"
        0s ann connects
        1s ann: one
        1s ann: two
        1s ann: three
        2s bob connects room=
        3s bob: {"type":"join","id":1,"room":"lobby","since":{"epoch":"EPOCH","seq":1}}
        4s bob: {"type":"leave","id":2,"room":"lobby"}
        5s bob: {"type":"join","id":3,"room":"lobby","since":{"epoch":"EPOCH","seq":3}}
        6s bob: {"type":"leave","id":4,"room":"lobby"}
        7s bob: {"type":"join","id":5,"room":"lobby","since":{"epoch":"EPOCH","seq":0}}
        8s bob: {"type":"leave","id":6,"room":"lobby"}
        9s bob: {"type":"join","id":7,"room":"lobby","since":{"epoch":"EPOCH","seq":4}}
        10s bob: {"type":"leave","id":8,"room":"lobby"}
        11s bob: {"type":"join","id":9,"room":"lobby","since":{"epoch":"another","seq":1}}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann
            1.000s   ann: two
                       message room=lobby seq=2 data="two" from=ann -> ann
            1.000s   ann: three
                       message room=lobby seq=3 data="three" from=ann -> ann
            2.000s   bob connects room=
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
            3.000s   bob: {"type":"join","id":1,"room":"lobby","since":{"epoch":"
                       joined id=1 room=lobby epoch=E1 seq=3 history=[2 "two", 3 "three"] members=1:2[ann, bob] more=true recovered=true -> bob
            3.500s   tick
                       presence room=lobby join=[bob] leave=[] v=2 -> ann, bob
            4.000s   bob: {"type":"leave","id":2,"room":"lobby"}
                       left id=2 room=lobby -> bob
            4.500s   tick
                       presence room=lobby join=[] leave=[bob] v=3 -> ann
            5.000s   bob: {"type":"join","id":3,"room":"lobby","since":{"epoch":"
                       joined id=3 room=lobby epoch=E1 seq=3 history=[] members=3:2[ann, bob] more=true recovered=true -> bob
            5.500s   tick
                       presence room=lobby join=[bob] leave=[] v=4 -> ann, bob
            6.000s   bob: {"type":"leave","id":4,"room":"lobby"}
                       left id=4 room=lobby -> bob
            6.500s   tick
                       presence room=lobby join=[] leave=[bob] v=5 -> ann
            7.000s   bob: {"type":"join","id":5,"room":"lobby","since":{"epoch":"
                       joined id=5 room=lobby epoch=E1 seq=3 history=[1 "one", 2 "two", 3 "three"] members=5:2[ann, bob] more=false recovered=true -> bob
            7.500s   tick
                       presence room=lobby join=[bob] leave=[] v=6 -> ann, bob
            8.000s   bob: {"type":"leave","id":6,"room":"lobby"}
                       left id=6 room=lobby -> bob
            8.500s   tick
                       presence room=lobby join=[] leave=[bob] v=7 -> ann
            9.000s   bob: {"type":"join","id":7,"room":"lobby","since":{"epoch":"
                       joined id=7 room=lobby epoch=E1 seq=3 history=[1 "one", 2 "two", 3 "three"] members=7:2[ann, bob] more=false reason=ahead recovered=false -> bob
            9.500s   tick
                       presence room=lobby join=[bob] leave=[] v=8 -> ann, bob
            10.000s  bob: {"type":"leave","id":8,"room":"lobby"}
                       left id=8 room=lobby -> bob
            10.500s  tick
                       presence room=lobby join=[] leave=[bob] v=9 -> ann
            11.000s  bob: {"type":"join","id":9,"room":"lobby","since":{"epoch":"
                       joined id=9 room=lobby epoch=E1 seq=3 history=[1 "one", 2 "two", 3 "three"] members=9:2[ann, bob] more=false reason=epoch_changed recovered=false -> bob
        "#]],
    );
}

#[test]
fn since_before_the_tail_is_told_as_a_gap() {
    check_with(
        |config| {
            config.history_entries = 3;
            config.recent = 3;
        },
        r#"
        0s ann connects
        1s ann: one
        1s ann: two
        1s ann: three
        1s ann: four
        1s ann: five
        2s bob connects room=
        3s bob: {"type":"join","id":1,"room":"lobby","since":{"epoch":"EPOCH","seq":0}}
        4s bob: {"type":"leave","id":2,"room":"lobby"}
        5s bob: {"type":"join","id":3,"room":"lobby","since":{"epoch":"EPOCH","seq":1}}
        6s bob: {"type":"leave","id":4,"room":"lobby"}
        7s bob: {"type":"join","id":5,"room":"lobby","since":{"epoch":"EPOCH","seq":2}}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann
            1.000s   ann: two
                       message room=lobby seq=2 data="two" from=ann -> ann
            1.000s   ann: three
                       message room=lobby seq=3 data="three" from=ann -> ann
            1.000s   ann: four
                       message room=lobby seq=4 data="four" from=ann -> ann
            1.000s   ann: five
                       message room=lobby seq=5 data="five" from=ann -> ann
            2.000s   bob connects room=
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
            3.000s   bob: {"type":"join","id":1,"room":"lobby","since":{"epoch":"
                       joined id=1 room=lobby epoch=E1 seq=5 gap={"from":1,"to":2} history=[3 "three", 4 "four", 5 "five"] members=1:2[ann, bob] more=false reason=trimmed recovered=false -> bob
            3.500s   tick
                       presence room=lobby join=[bob] leave=[] v=2 -> ann, bob
            4.000s   bob: {"type":"leave","id":2,"room":"lobby"}
                       left id=2 room=lobby -> bob
            4.500s   tick
                       presence room=lobby join=[] leave=[bob] v=3 -> ann
            5.000s   bob: {"type":"join","id":3,"room":"lobby","since":{"epoch":"
                       joined id=3 room=lobby epoch=E1 seq=5 gap={"from":2,"to":2} history=[3 "three", 4 "four", 5 "five"] members=3:2[ann, bob] more=false reason=trimmed recovered=false -> bob
            5.500s   tick
                       presence room=lobby join=[bob] leave=[] v=4 -> ann, bob
            6.000s   bob: {"type":"leave","id":4,"room":"lobby"}
                       left id=4 room=lobby -> bob
            6.500s   tick
                       presence room=lobby join=[] leave=[bob] v=5 -> ann
            7.000s   bob: {"type":"join","id":5,"room":"lobby","since":{"epoch":"
                       joined id=5 room=lobby epoch=E1 seq=5 history=[3 "three", 4 "four", 5 "five"] members=5:2[ann, bob] more=false recovered=true -> bob
        "#]],
    );
}

#[test]
fn joining_again_moves_nothing() {
    check(
        r#"
        0s ann connects
        1s ann: one
        2s ann: {"type":"join","id":1,"room":"lobby"}
        3s ann: two
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann
            2.000s   ann: {"type":"join","id":1,"room":"lobby"}
                       joined id=1 room=lobby epoch=E1 seq=1 history=[] members=1:1[ann] more=true recovered=false -> ann
            3.000s   ann: two
                       message room=lobby seq=2 data="two" from=ann -> ann
        "#]],
    );
}

#[test]
fn nothing_follows_left() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s bob: {"type":"leave","id":1,"room":"lobby"}
        2s ann: are you there?
        3s bob: {"type":"publish","id":2,"room":"lobby","data":1}
        4s bob: {"type":"leave","id":3,"room":"lobby"}
        5s bob: {"type":"history","id":4,"room":"lobby"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> ann, bob
            1.000s   bob: {"type":"leave","id":1,"room":"lobby"}
                       left id=1 room=lobby -> bob
            1.500s   tick
                       presence room=lobby join=[] leave=[bob] v=2 -> ann
            2.000s   ann: are you there?
                       message room=lobby seq=1 data="are you there?" from=ann -> ann
            3.000s   bob: {"type":"publish","id":2,"room":"lobby","data":1}
                       error id=2 code=not_joined message="join the room first" retry=never -> bob
            4.000s   bob: {"type":"leave","id":3,"room":"lobby"}
                       error id=3 code=not_joined message="join the room first" retry=never -> bob
            5.000s   bob: {"type":"history","id":4,"room":"lobby"}
                       error id=4 code=not_joined message="join the room first" retry=never -> bob
        "#]],
    );
}

#[test]
fn history_is_read_by_the_page() {
    check(
        r#"
        0s ann connects
        1s ann: one
        1s ann: two
        1s ann: three
        2s ann: {"type":"history","id":1,"room":"lobby","limit":2}
        3s ann: {"type":"history","id":2,"room":"lobby","before":{"epoch":"EPOCH","seq":2},"limit":2}
        4s ann: {"type":"history","id":3,"room":"lobby","before":{"epoch":"EPOCH","seq":1}}
        5s ann: {"type":"history","id":4,"room":"lobby","before":{"epoch":"another","seq":3}}
        6s ann: {"type":"history","id":5,"room":"lobby","before":{"epoch":"EPOCH","seq":99},"limit":99999}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann
            1.000s   ann: two
                       message room=lobby seq=2 data="two" from=ann -> ann
            1.000s   ann: three
                       message room=lobby seq=3 data="three" from=ann -> ann
            2.000s   ann: {"type":"history","id":1,"room":"lobby","limit":2}
                       history id=1 room=lobby epoch=E1 items=[2 "two", 3 "three"] more=true -> ann
            3.000s   ann: {"type":"history","id":2,"room":"lobby","before":{"epoc
                       history id=2 room=lobby epoch=E1 items=[1 "one"] more=false -> ann
            4.000s   ann: {"type":"history","id":3,"room":"lobby","before":{"epoc
                       history id=3 room=lobby epoch=E1 items=[] more=false -> ann
            5.000s   ann: {"type":"history","id":4,"room":"lobby","before":{"epoc
                       history id=4 room=lobby epoch=E1 items=[] more=false -> ann
            6.000s   ann: {"type":"history","id":5,"room":"lobby","before":{"epoc
                       history id=5 room=lobby epoch=E1 items=[1 "one", 2 "two", 3 "three"] more=false -> ann
        "#]],
    );
}

#[test]
fn a_sender_may_do_without_its_echo() {
    check(
        r#"
        0s ann connects room=
        0s bob connects
        1s ann: {"type":"join","id":1,"room":"lobby","echo":false}
        2s ann: {"type":"publish","id":2,"room":"lobby","data":"mine"}
        3s bob: yours
        4s ann: {"type":"join","id":3,"room":"lobby","echo":true}
        5s ann: mine again
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[bob] leave=[] v=1 -> bob
            1.000s   ann: {"type":"join","id":1,"room":"lobby","echo":false}
                       joined id=1 room=lobby epoch=E1 seq=0 history=[] members=1:2[ann, bob] more=false recovered=false -> ann
            1.500s   tick
                       presence room=lobby join=[ann] leave=[] v=2 -> bob, ann
            2.000s   ann: {"type":"publish","id":2,"room":"lobby","data":"mine"}
                       ack id=2 room=lobby epoch=E1 seq=1 -> ann
                       message room=lobby seq=1 data="mine" from=ann -> bob
            3.000s   bob: yours
                       message room=lobby seq=2 data="yours" from=bob -> bob, ann
            4.000s   ann: {"type":"join","id":3,"room":"lobby","echo":true}
                       joined id=3 room=lobby epoch=E1 seq=2 history=[] members=2:2[ann, bob] more=true recovered=false -> ann
            5.000s   ann: mine again
                       message room=lobby seq=3 data="mine again" from=ann -> bob, ann
        "#]],
    );
}

#[test]
fn entries_are_let_go_by_age() {
    check_with(
        |config| {
            config.ping_after = Duration::from_hours(1);
        },
        r#"
        0s ann connects room=quiet
        1s ann: early
        300s ann: later
        601s ann: {"type":"history","id":1,"room":"quiet"}
        899s ann: {"type":"history","id":2,"room":"quiet"}
        900s ann: {"type":"history","id":3,"room":"quiet"}
        "#,
        &expect![[r#"
            0.000s   ann connects room=quiet
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=quiet epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=quiet join=[ann] leave=[] v=1 -> ann
            1.000s   ann: early
                       message room=quiet seq=1 data="early" from=ann -> ann
            300.000s ann: later
                       message room=quiet seq=2 data="later" from=ann -> ann
            601.000s ann: {"type":"history","id":1,"room":"quiet"}
                       history id=1 room=quiet epoch=E1 items=[2 "later"] more=false -> ann
            899.000s ann: {"type":"history","id":2,"room":"quiet"}
                       history id=2 room=quiet epoch=E1 items=[2 "later"] more=false -> ann
            900.000s ann: {"type":"history","id":3,"room":"quiet"}
                       history id=3 room=quiet epoch=E1 items=[] more=false -> ann
        "#]],
    );
}

#[test]
fn entries_are_let_go_by_bytes() {
    check_with(
        |config| {
            config.history_bytes = config.window_bytes;
            config.byte_burst = 1 << 30;
            config.message_burst = 100;
        },
        r#"
        0s ann connects
        1s ann: LONG
        2s ann: LONG
        3s ann: LONG
        4s ann: LONG
        5s ann: LONG
        6s ann: LONG
        7s ann: LONG
        8s ann: LONG
        9s ann: LONG
        10s ann: {"type":"history","id":1,"room":"lobby","limit":1}
        11s ann: {"type":"history","id":2,"room":"lobby","before":{"epoch":"EPOCH","seq":3}}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: LONG
                       message room=lobby seq=1 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            2.000s   ann: LONG
                       message room=lobby seq=2 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            3.000s   ann: LONG
                       message room=lobby seq=3 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            4.000s   ann: LONG
                       message room=lobby seq=4 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            5.000s   ann: LONG
                       message room=lobby seq=5 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            6.000s   ann: LONG
                       message room=lobby seq=6 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            7.000s   ann: LONG
                       message room=lobby seq=7 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            8.000s   ann: LONG
                       message room=lobby seq=8 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            9.000s   ann: LONG
                       message room=lobby seq=9 data="xxxxxxxxxxxxxxxxxxxxxxx… (32002 bytes) from=ann -> ann
            10.000s  ann: {"type":"history","id":1,"room":"lobby","limit":1}
                       history id=1 room=lobby epoch=E1 items=[9 "xxxxxxxxxxxxxxxxxxxx… (32006 bytes) more=true -> ann
            11.000s  ann: {"type":"history","id":2,"room":"lobby","before":{"epoc
                       history id=2 room=lobby epoch=E1 items=[2 "xxxxxxxxxxxxxxxxxxxx… (32006 bytes) more=false -> ann
        "#]],
    );
}

#[test]
fn an_empty_room_lives_as_long_as_its_entries() {
    check(
        r#"
        0s ann connects room=once
        1s ann: remember
        2s ann vanishes
        3s bob connects room=once
        4s bob vanishes
        601s eve connects room=once
        602s eve: fresh
        603s eve vanishes
        "#,
        &expect![[r#"
            0.000s   ann connects room=once
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=once epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=once join=[ann] leave=[] v=1 -> ann
            1.000s   ann: remember
                       message room=once seq=1 data="remember" from=ann -> ann
            2.000s   ann vanishes
            3.000s   bob connects room=once
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=once epoch=E1 seq=1 history=[1 "remember"] members=1:2[ann, bob] more=false recovered=false -> bob
            3.500s   tick
                       presence room=once join=[bob] leave=[] v=2 -> bob
            4.000s   bob vanishes
            601.000s eve connects room=once
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=once epoch=E2 seq=0 history=[] members=0:1[eve] more=false recovered=false -> eve
            601.500s tick
                       presence room=once join=[eve] leave=[] v=1 -> eve
            602.000s eve: fresh
                       message room=once seq=1 data="fresh" from=eve -> eve
            603.000s eve vanishes
        "#]],
    );
}

#[test]
fn a_room_where_nothing_was_said_is_gone_with_its_last_member() {
    check(
        r#"
        0s ann connects room=silent
        1s ann vanishes
        2s ann connects room=silent
        "#,
        &expect![[r#"
            0.000s   ann connects room=silent
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=silent epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=silent join=[ann] leave=[] v=1 -> ann
            1.000s   ann vanishes
            2.000s   ann connects room=silent
                       welcome max_bytes=32768 session=S2 user=ann-2 v=1 -> ann
                       joined room=silent epoch=E1 seq=0 history=[] members=1:2[ann, ann-2] more=false recovered=false -> ann
        "#]],
    );
}

#[test]
fn rooms_and_members_are_limited() {
    check_with(
        |config| {
            config.rooms_per_session = 2;
            config.members_per_room = 1;
            config.max_rooms = 3;
        },
        r#"
        0s ann connects room=a
        1s ann: {"type":"join","id":1,"room":"b"}
        2s ann: {"type":"join","id":2,"room":"c"}
        3s bob connects room=a
        4s bob: {"type":"join","id":3,"room":"c"}
        5s bob: {"type":"join","id":4,"room":"d"}
        "#,
        &expect![[r#"
            0.000s   ann connects room=a
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=a epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=a join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"join","id":1,"room":"b"}
                       joined id=1 room=b epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            1.500s   tick
                       presence room=b join=[ann] leave=[] v=1 -> ann
            2.000s   ann: {"type":"join","id":2,"room":"c"}
                       error id=2 code=room_limit message="a session is in at most 2 rooms" retry=later -> ann
            3.000s   bob connects room=a
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       error code=room_full message="a room has at most 1 members" retry=later -> bob
            4.000s   bob: {"type":"join","id":3,"room":"c"}
                       joined id=3 room=c epoch=E3 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            4.500s   tick
                       presence room=c join=[bob] leave=[] v=1 -> bob
            5.000s   bob: {"type":"join","id":4,"room":"d"}
                       error id=4 code=room_limit message="there are at most 3 rooms" retry=later -> bob
        "#]],
    );
}
