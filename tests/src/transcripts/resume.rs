//! Sessions that outlive their connections.

use std::time::Duration;

use expect_test::expect;

use super::world::{check, check_with, small};

#[test]
fn who_comes_back_reads_on_where_it_stood() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s ann: one
        2s ann vanishes
        3s bob: two
        4s ann connects room= name=
        5s ann: {"type":"hello","id":1,"resume":"TICKET1","since":{"lobby":{"epoch":"EPOCH","seq":1}}}
        6s ann: three
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
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann, bob
            2.000s   ann vanishes
            3.000s   bob: two
                       message room=lobby seq=2 data="two" from=bob -> bob
            4.000s   ann connects room= name=
                       welcome max_bytes=32768 session=S3 user=guest-8h37my v=1 -> ann
            5.000s   ann: {"type":"hello","id":1,"resume":"TICKET1","since":{"lob
                       welcome id=1 max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=2 history=[2 "two"] members=1:2[ann, bob] more=true recovered=true -> ann
            6.000s   ann: three
                       message room=lobby seq=3 data="three" from=ann -> bob, ann
        "#]],
    );
}

#[test]
fn what_was_on_its_way_is_given_again_to_who_says_where_it_stands() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s bob: one
        1s bob: two
        2s ann vanishes
        3s bob: three
        4s ann connects room= name=
        4s ann: {"type":"hello","resume":"TICKET1","since":{" lobby":{"epoch":"EPOCH","seq":0}}}
        5s ann vanishes
        6s bob: four
        7s ann connects room= name=
        7s ann: {"type":"hello","resume":"TICKET1"}
        8s ann vanishes
        9s ann connects room= name=
        9s ann: {"type":"hello","resume":"TICKET1","since":{}}
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
            1.000s   bob: one
                       message room=lobby seq=1 data="one" from=bob -> ann, bob
            1.000s   bob: two
                       message room=lobby seq=2 data="two" from=bob -> ann, bob
            2.000s   ann vanishes
            3.000s   bob: three
                       message room=lobby seq=3 data="three" from=bob -> bob
            4.000s   ann connects room= name=
                       welcome max_bytes=32768 session=S3 user=guest-8h37my v=1 -> ann
            4.000s   ann: {"type":"hello","resume":"TICKET1","since":{" lobby":{"
                       welcome max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=3 history=[1 "one", 2 "two", 3 "three"] members=1:2[ann, bob] more=false recovered=true -> ann
            5.000s   ann vanishes
            6.000s   bob: four
                       message room=lobby seq=4 data="four" from=bob -> bob
            7.000s   ann connects room= name=
                       welcome max_bytes=32768 session=S4 user=guest-hkcz2y v=1 -> ann
            7.000s   ann: {"type":"hello","resume":"TICKET1"}
                       welcome max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=4 history=[4 "four"] members=1:2[ann, bob] more=true recovered=true -> ann
            8.000s   ann vanishes
            9.000s   ann connects room= name=
                       welcome max_bytes=32768 session=S5 user=guest-4kyhq5 v=1 -> ann
            9.000s   ann: {"type":"hello","resume":"TICKET1","since":{}}
                       welcome max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=4 history=[1 "one", 2 "two", 3 "three", 4 "four"] members=1:2[ann, bob] more=false recovered=false -> ann
        "#]],
    );
}

#[test]
fn a_session_waits_for_so_long_and_keeps_its_name_for_less() {
    check_with(
        |config| config.resume_window = Duration::from_secs(20),
        r#"
        0s ann connects
        1s ann vanishes
        2s bob connects name=ann
        15.999s dan connects name=ann
        16s eve connects name=ann
        20.999s ann connects room= name=
        20.999s ann: {"type":"hello","resume":"TICKET1"}
        21s ann vanishes
        41s ann connects room= name=
        41s ann: {"type":"hello","resume":"TICKET1"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann vanishes
            2.000s   bob connects name=ann
                       welcome max_bytes=32768 session=S2 user=ann-2 v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[ann, ann-2] more=false recovered=false -> bob
            2.500s   tick
                       presence room=lobby join=[ann-2] leave=[] v=2 -> bob
            15.999s  dan connects name=ann
                       welcome max_bytes=32768 session=S3 user=ann-3 v=1 -> dan
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:3[ann, ann-2, ann-3] more=false recovered=false -> dan
            16.000s  eve connects name=ann
                       welcome max_bytes=32768 session=S4 user=ann v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:3[ann, ann-2, ann-3] more=false recovered=false -> eve
            16.499s  tick
                       presence room=lobby join=[ann, ann-3] leave=[] v=3 -> bob, dan, eve
            20.999s  ann connects room= name=
                       welcome max_bytes=32768 session=S5 user=guest-4kyhq5 v=1 -> ann
            20.999s  ann: {"type":"hello","resume":"TICKET1"}
                       welcome max_bytes=32768 resumed=true session=S1 user=ann-4 v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=3:4[ann, ann-2, ann-3, ann-4] more=false recovered=true -> ann
            21.000s  ann vanishes
            21.499s  tick
                       presence room=lobby join=[ann-4] leave=[] v=4 -> bob, dan, eve
            24.895s  tick
                       ping bob
            36.500s  tick
                       presence room=lobby join=[] leave=[ann-4] v=5 -> bob, dan, eve
            38.961s  tick
                       ping eve
            41.000s  ann connects room= name=
                       welcome max_bytes=32768 session=S6 user=guest-wtx5p7 v=1 -> ann
            41.000s  ann: {"type":"hello","resume":"TICKET1"}
                       welcome max_bytes=32768 session=S6 user=guest-wtx5p7 v=1 -> ann
        "#]],
    );
}

#[test]
fn a_name_that_is_free_is_had_again() {
    check(
        r#"
        0s ann connects
        1s ann vanishes
        20s ann connects room= name=
        20s ann: {"type":"hello","resume":"TICKET1"}
        21s bob connects name=ann
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann vanishes
            20.000s  ann connects room= name=
                       welcome max_bytes=32768 session=S2 user=guest-xzh17z v=1 -> ann
            20.000s  ann: {"type":"hello","resume":"TICKET1"}
                       welcome max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:1[ann] more=false recovered=true -> ann
            20.500s  tick
                       presence room=lobby join=[ann] leave=[] v=3 -> ann
            21.000s  bob connects name=ann
                       welcome max_bytes=32768 session=S3 user=ann-2 v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=3:2[ann, ann-2] more=false recovered=false -> bob
        "#]],
    );
}

#[test]
fn a_second_connection_takes_the_session_over() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s eve connects room= name=
        1s eve: {"type":"hello","id":1,"resume":"TICKET1"}
        2s bob: hello
        3s eve: mine
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
            1.000s   eve connects room= name=
                       welcome max_bytes=32768 session=S3 user=guest-8h37my v=1 -> eve
            1.000s   eve: {"type":"hello","id":1,"resume":"TICKET1"}
                       bye code=4503 reason=session_taken -> ann
                       close ann 4503 session_taken
                       welcome id=1 max_bytes=32768 resumed=true session=S1 user=ann v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[ann, bob] more=false recovered=true -> eve
            2.000s   bob: hello
                       message room=lobby seq=1 data="hello" from=bob -> bob, eve
            3.000s   eve: mine
                       message room=lobby seq=2 data="mine" from=ann -> bob, eve
        "#]],
    );
}

#[test]
fn what_is_no_session_of_ones_own_is_not_resumed() {
    check(
        r#"
        0s ann connects room=
        1s ann: {"type":"hello","id":1,"resume":"TICKET1"}
        2s ann: {"type":"hello","id":2,"resume":"s_0000000zzzzzzzzzzzzzzzzzzzzzzzzzz"}
        3s ann: {"type":"hello","id":3,"resume":"nonsense","name":"anna"}
        4s ann: {"type":"hello","id":4,"resume":7}
        5s ann: {"type":"hello","id":5,"resume":"s","since":{"lobby":["k",4]}}
        6s ann: {"type":"hello","id":6,"resume":"s","since":[1]}
        7s bob connects
        8s ann: {"type":"join","room":"lobby"}
        9s ann: {"type":"hello","id":7,"resume":"TICKET2"}
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            1.000s   ann: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 max_bytes=32768 session=S1 user=ann v=1 -> ann
            2.000s   ann: {"type":"hello","id":2,"resume":"s_0000000zzzzzzzzzzzzz
                       welcome id=2 max_bytes=32768 session=S1 user=ann v=1 -> ann
            3.000s   ann: {"type":"hello","id":3,"resume":"nonsense","name":"anna
                       welcome id=3 max_bytes=32768 session=S1 user=anna v=1 -> ann
            4.000s   ann: {"type":"hello","id":4,"resume":7}
                       error id=4 code=bad_field message="`resume` must be a string" retry=never -> ann
            5.000s   ann: {"type":"hello","id":5,"resume":"s","since":{"lobby":["
                       error id=5 code=bad_field message="`since` must be {\"epoch\": string, \"seq\": integer}" retry=never -> ann
            6.000s   ann: {"type":"hello","id":6,"resume":"s","since":[1]}
                       error id=6 code=bad_field message="`since` must be {room: {\"epoch\": string, \"seq\": integer}, …}" retry=never -> ann
            7.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            7.500s   tick
                       presence room=lobby join=[bob] leave=[] v=1 -> bob
            8.000s   ann: {"type":"join","room":"lobby"}
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[anna, bob] more=false recovered=false -> ann
            8.500s   tick
                       presence room=lobby join=[anna] leave=[] v=2 -> bob, ann
            9.000s   ann: {"type":"hello","id":7,"resume":"TICKET2"}
                       error id=7 code=bad_type message="`resume` comes before the first `join`; connect with `?room=`" retry=never -> ann
        "#]],
    );
}

#[test]
fn bye_ends_a_session_and_so_does_a_client_in_no_room() {
    check(
        r#"
        0s ann connects
        1s ann: {"type":"bye"}
        2s bob connects room=
        3s bob vanishes
        4s bob connects room=
        5s bob: {"type":"hello","id":1,"resume":"TICKET1"}
        6s bob: {"type":"hello","id":2,"resume":"TICKET2"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"bye"}
                       bye code=1000 reason=normal -> ann
                       close ann 1000 normal
            2.000s   bob connects room=
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
            3.000s   bob vanishes
            4.000s   bob connects room=
                       welcome max_bytes=32768 session=S3 user=bob v=1 -> bob
            5.000s   bob: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 max_bytes=32768 session=S3 user=bob v=1 -> bob
            6.000s   bob: {"type":"hello","id":2,"resume":"TICKET2"}
                       welcome id=2 max_bytes=32768 session=S3 user=bob v=1 -> bob
        "#]],
    );
}

#[test]
fn without_a_window_nobody_comes_back() {
    check_with(
        |config| config.resume_window = Duration::ZERO,
        r#"
        0s ann connects
        1s ann vanishes
        2s ann connects room=
        2s ann: {"type":"hello","id":1,"resume":"TICKET1"}
        3s bob connects
        4s ann: {"type":"hello","id":2,"resume":"TICKET3"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann vanishes
            2.000s   ann connects room=
                       welcome max_bytes=32768 session=S2 user=ann v=1 -> ann
            2.000s   ann: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 max_bytes=32768 session=S2 user=ann v=1 -> ann
            3.000s   bob connects
                       welcome max_bytes=32768 session=S3 user=bob v=1 -> bob
                       joined room=lobby epoch=E2 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            3.500s   tick
                       presence room=lobby join=[bob] leave=[] v=1 -> bob
            4.000s   ann: {"type":"hello","id":2,"resume":"TICKET3"}
                       welcome id=2 max_bytes=32768 session=S2 user=ann v=1 -> ann
        "#]],
    );
}

#[test]
fn who_was_silent_or_slow_may_come_back() {
    check_with(
        small,
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s ann: 4 PAD
        20s ann is heard
        21s bob connects room= name=
        21s bob: {"type":"hello","id":1,"resume":"TICKET2","since":{"lobby":{"epoch":"EPOCH","seq":2}}}
        70s wait
        71s ann connects room= name=
        71s ann: {"type":"hello","id":1,"resume":"TICKET1"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=4096 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=4096 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> ann, bob
            1.000s   bob stalls
            1.000s   ann: 1 PAD
                       message room=lobby seq=1 data="1 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob
            2.000s   ann: 2 PAD
                       message room=lobby seq=2 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob
            3.000s   ann: 3 PAD
                       message room=lobby seq=3 data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob
            4.000s   ann: 4 PAD
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            11.000s  tick
                       bye code=4001 reason=slow_consumer -> bob
                       close bob 4001 slow_consumer, dropping
            20.000s  ann is heard
            21.000s  bob connects room= name=
                       welcome max_bytes=4096 session=S3 user=guest-8h37my v=1 -> bob
            21.000s  bob: {"type":"hello","id":1,"resume":"TICKET2","since":{"lob
                       welcome id=1 max_bytes=4096 resumed=true session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=3 history=[3 "3 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=1:2[ann, bob] more=true recovered=true -> bob
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
            43.361s  tick
                       ping ann
            48.449s  tick
                       ping bob
            63.361s  tick
                       bye code=4000 reason=ping_timeout -> ann
                       close ann 4000 ping_timeout
            68.449s  tick
                       bye code=4000 reason=ping_timeout -> bob
                       close bob 4000 ping_timeout
            71.000s  ann connects room= name=
                       welcome max_bytes=4096 session=S4 user=guest-hkcz2y v=1 -> ann
            71.000s  ann: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 max_bytes=4096 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=4 history=[] members=1:2[ann, bob] more=true recovered=true -> ann
        "#]],
    );
}

#[test]
fn the_longest_lost_makes_room_for_who_is_there() {
    check_with(
        |config| config.max_sessions = 2,
        r#"
        0s ann connects
        0s bob connects
        1s ann vanishes
        2s bob vanishes
        3s eve connects
        4s dan connects room= name=
        4s dan: {"type":"hello","id":1,"resume":"TICKET1"}
        5s fay connects
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
            1.000s   ann vanishes
            2.000s   bob vanishes
            3.000s   eve connects
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[bob, eve] more=false recovered=false -> eve
            3.500s   tick
                       presence room=lobby join=[eve] leave=[ann] v=2 -> eve
            4.000s   dan connects room= name=
                       welcome max_bytes=32768 session=S4 user=guest-hkcz2y v=1 -> dan
            4.000s   dan: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 max_bytes=32768 session=S4 user=guest-hkcz2y v=1 -> dan
            4.500s   tick
                       presence room=lobby join=[] leave=[bob] v=3 -> eve
            5.000s   fay connects
                       bye code=1013 reason=try_later -> fay
                       close fay 1013 try_later
        "#]],
    );
}

#[test]
fn a_drain_waits_for_nobody() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s ann vanishes
        2s eve connects room=
        3s drain 30s
        3.001s eve: {"type":"hello","id":1,"resume":"TICKET2"}
        3.002s bob vanishes
        10s wait
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
            1.000s   ann vanishes
            2.000s   eve connects room=
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
            3.000s   drain 30s
            3.001s   eve: {"type":"hello","id":1,"resume":"TICKET2"}
                       error id=1 code=draining message="the server stops" retry=later -> eve
            3.002s   bob vanishes
            3.010s   tick
                       bye code=4002 after_ms=152 reason=drain -> eve
            3.030s   tick
                       close eve 4002 drain
                       drained
        "#]],
    );
}

#[test]
fn the_hubs_own_absence_is_no_time_to_come_back_in() {
    check(
        r#"
        0s ann connects
        1s ann vanishes
        600s after an absence
        601s ann connects room= name=
        601s ann: {"type":"hello","id":1,"resume":"TICKET1"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann vanishes
            600.000s after an absence
            601.000s ann connects room= name=
                       welcome max_bytes=32768 session=S2 user=guest-xzh17z v=1 -> ann
            601.000s ann: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:1[ann] more=false recovered=true -> ann
        "#]],
    );
}

#[test]
fn ones_own_words_of_before_are_ones_own() {
    check_with(
        |config| {
            small(config);
            config.page_bytes = 5000;
        },
        r#"
        0s ann connects room=
        0s ann: {"type":"join","room":"lobby","echo":false}
        0s bob connects
        1s ann: {"type":"publish","room":"lobby","data":"mine"}
        2s ann vanishes
        3s bob: 1 PAD
        4s bob: 2 PAD
        5s ann connects room= name=
        5s ann: {"type":"hello","id":1,"resume":"TICKET1","since":{"lobby":{"epoch":"EPOCH","seq":1}}}
        6s ann: {"type":"publish","id":2,"room":"lobby","data":"mine, too"}
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome max_bytes=4096 session=S1 user=ann v=1 -> ann
            0.000s   ann: {"type":"join","room":"lobby","echo":false}
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=4096 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> ann, bob
            1.000s   ann: {"type":"publish","room":"lobby","data":"mine"}
                       message room=lobby seq=1 data="mine" from=ann -> bob
            2.000s   ann vanishes
            3.000s   bob: 1 PAD
                       message room=lobby seq=2 data="1 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> bob
            4.000s   bob: 2 PAD
                       message room=lobby seq=3 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> bob
            5.000s   ann connects room= name=
                       welcome max_bytes=4096 session=S3 user=guest-8h37my v=1 -> ann
            5.000s   ann: {"type":"hello","id":1,"resume":"TICKET1","since":{"lob
                       welcome id=1 max_bytes=4096 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=2 history=[2 "1 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=1:2[ann, bob] more=true recovered=true -> ann
                       message room=lobby seq=3 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> ann
            6.000s   ann: {"type":"publish","id":2,"room":"lobby","data":"mine, t
                       ack id=2 room=lobby epoch=E1 seq=4 -> ann
                       message room=lobby seq=4 data="mine, too" from=ann -> bob
        "#]],
    );
}
