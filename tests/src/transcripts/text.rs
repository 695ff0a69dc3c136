//! What texts are taken for, and what is refused.

use expect_test::expect;

use super::world::{check, check_with};

#[test]
fn plain_text_goes_to_the_room_joined_last() {
    check(
        r#"
        0s ann connects room=a
        1s ann: {"type":"join","room":"b"}
        2s ann: in b, with "quotes" and a \\
        3s ann: {"type":"leave","room":"b"}
        4s ann:   in a
        5s ann: {"type":"leave","room":"a"}
        6s ann: nowhere
        "#,
        &expect![[r#"
            0.000s   ann connects room=a
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=a epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=a join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"join","room":"b"}
                       joined room=b epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            1.500s   tick
                       presence room=b join=[ann] leave=[] v=1 -> ann
            2.000s   ann: in b, with "quotes" and a \\
                       message room=b seq=1 data="in b, with \"quotes\" and a \\\\" from=ann -> ann
            3.000s   ann: {"type":"leave","room":"b"}
                       left room=b -> ann
            4.000s   ann:   in a
                       message room=a seq=1 data="  in a" from=ann -> ann
            5.000s   ann: {"type":"leave","room":"a"}
                       left room=a -> ann
            6.000s   ann: nowhere
                       error code=not_joined message="join a room first" retry=never -> ann
        "#]],
    );
}

#[test]
fn strict_clients_send_objects_only() {
    check(
        r#"
        0s ann connects strict
        1s ann: hello
        3s ann: [1]
        5s ann: "x"
        "#,
        &expect![[r#"
            0.000s   ann connects strict
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: hello
                       error code=bad_json message="a frame is a JSON object" retry=never -> ann
            3.000s   ann: [1]
                       error code=bad_json message="a frame is a JSON object" retry=never -> ann
            5.000s   ann: "x"
                       error code=bad_json message="a frame is a JSON object" retry=never -> ann
        "#]],
    );
}

#[test]
fn without_plain_text_everybody_is_strict() {
    check_with(
        |config| {
            config.plain_text = roundtable::PlainText::Refuse;
        },
        r#"
        0s ann connects
        1s ann: hello
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: hello
                       error code=bad_json message="a frame is a JSON object" retry=never -> ann
        "#]],
    );
}

#[test]
fn bad_frames_are_refused_and_the_connection_stays() {
    check(
        r#"
        0s ann connects
        1s ann: {"type":"publish"
        3s ann: {"type":"fly","id":1}
        5s ann: {"id":2}
        7s ann: {"type":"publish","id":3,"room":"lobby"}
        9s ann: {"type":"publish","id":4,"data":1}
        11s ann: {"type":"publish","id":{},"room":"lobby","data":1}
        13s ann: {"type":"publish","id":"0123456789012345678901234567890123456789012345678901234567890123","room":"lobby","data":1}
        15s ann: {"type":"publish","id":"01234567890123456789012345678901234567890123456789012345678901234","room":"lobby","data":1}
        17s ann: {"type":"publish","id":1.5,"room":"lobby","data":1}
        19s ann: {"type":"publish","id":5,"id":6,"room":"lobby","data":1}
        21s ann: {"type":"join","id":7,"room":""}
        23s ann: {"type":"join","id":8,"room":"lobby","since":{"epoch":"E","seq":-1}}
        25s ann: {"type":"history","id":9,"room":"lobby","limit":0}
        27s ann: {"type":"publish","id":10,"room":"lobby","data":null,"more":"is ignored"}
        29s ann: {"type":"join","id":11,"room":"x","echo":"no"}
        31s ann: {"type":"publish","id":"nested","room":"lobby","data":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"publish"
                       error code=bad_json message="not a frame: EOF while parsing an object at line 1 column 17" retry=never -> ann
            3.000s   ann: {"type":"fly","id":1}
                       error id=1 code=bad_type message="no such type: fly" retry=never -> ann
            5.000s   ann: {"id":2}
                       error id=2 code=bad_field message="`type` is missing" retry=never -> ann
            7.000s   ann: {"type":"publish","id":3,"room":"lobby"}
                       error id=3 code=bad_field message="`data` is missing" retry=never -> ann
            9.000s   ann: {"type":"publish","id":4,"data":1}
                       error id=4 code=bad_field message="`room` is missing" retry=never -> ann
            11.000s  ann: {"type":"publish","id":{},"room":"lobby","data":1}
                       error code=bad_field message="`id` must be a string of at most 64 bytes or an integer of 64 bits" retry=never -> ann
            13.000s  ann: {"type":"publish","id":"0123456789012345678901234567890
                       ack id=0123456789012345678901234567890123456789012345678901234567890123 room=lobby epoch=E1 seq=1 -> ann
                       message room=lobby seq=1 data=1 from=ann -> ann
            15.000s  ann: {"type":"publish","id":"0123456789012345678901234567890
                       error code=bad_field message="`id` must be a string of at most 64 bytes or an integer of 64 bits" retry=never -> ann
            17.000s  ann: {"type":"publish","id":1.5,"room":"lobby","data":1}
                       error code=bad_field message="`id` must be a string of at most 64 bytes or an integer of 64 bits" retry=never -> ann
            19.000s  ann: {"type":"publish","id":5,"id":6,"room":"lobby","data":1
                       error code=bad_field message="not a frame: duplicate field `id` at line 1 column 29" retry=never -> ann
            21.000s  ann: {"type":"join","id":7,"room":""}
                       error id=7 code=bad_field message="`room`: a name needs at least one visible character" retry=never -> ann
            23.000s  ann: {"type":"join","id":8,"room":"lobby","since":{"epoch":"
                       error id=8 code=bad_field message="`since` must be {\"epoch\": string, \"seq\": integer}" retry=never -> ann
            25.000s  ann: {"type":"history","id":9,"room":"lobby","limit":0}
                       error id=9 code=bad_field message="`limit` must be an integer from 1" retry=never -> ann
            27.000s  ann: {"type":"publish","id":10,"room":"lobby","data":null,"m
                       ack id=10 room=lobby epoch=E1 seq=2 -> ann
                       message room=lobby seq=2 data=null from=ann -> ann
            29.000s  ann: {"type":"join","id":11,"room":"x","echo":"no"}
                       error id=11 code=bad_field message="`echo` must be true or false" retry=never -> ann
            31.000s  ann: {"type":"publish","id":"nested","room":"lobby","data":[
                       error code=bad_json message="the JSON is nested 33 deep, at most 32 is taken" retry=never -> ann
        "#]],
    );
}

#[test]
fn what_is_not_done_is_refused_not_ignored() {
    check(
        r#"
        0s ann connects room=
        1s ann: {"type":"auth","id":1,"token":"x"}
        2s ann: {"type":"signal","id":2,"room":"lobby","key":"typing"}
        3s ann: {"type":"presence","id":3,"room":"lobby"}
        4s ann: {"type":"hello","id":4,"token":"x"}
        5s ann: {"type":"hello","id":5,"resume":"s"}
        6s ann: {"type":"publish","id":6,"room":"lobby","data":1,"key":"k"}
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            1.000s   ann: {"type":"auth","id":1,"token":"x"}
                       error id=1 code=unsupported message="this server does not do `auth`" retry=never -> ann
            2.000s   ann: {"type":"signal","id":2,"room":"lobby","key":"typing"}
                       error id=2 code=bad_field message="`data` is missing" retry=never -> ann
            3.000s   ann: {"type":"presence","id":3,"room":"lobby"}
                       error id=3 code=not_joined message="join the room first" retry=never -> ann
            4.000s   ann: {"type":"hello","id":4,"token":"x"}
                       error id=4 code=unsupported message="this server does not do `token`" retry=never -> ann
            5.000s   ann: {"type":"hello","id":5,"resume":"s"}
                       welcome id=5 max_bytes=32768 session=S1 user=ann v=1 -> ann
            6.000s   ann: {"type":"publish","id":6,"room":"lobby","data":1,"key":
                       error id=6 code=not_joined message="join the room first" retry=never -> ann
        "#]],
    );
}

#[test]
fn hello_names_before_the_first_join() {
    check(
        r#"
        0s ann connects room=
        0s bob connects
        1s ann: {"type":"hello","id":1,"name":" Anna "}
        2s ann: {"type":"hello","id":2,"name":"bob"}
        3s ann: {"type":"hello","id":3}
        4s ann: {"type":"join","room":"lobby"}
        5s ann: {"type":"hello","id":4,"name":"late"}
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[bob] leave=[] v=1 -> bob
            1.000s   ann: {"type":"hello","id":1,"name":" Anna "}
                       welcome id=1 max_bytes=32768 session=S1 user=Anna v=1 -> ann
            2.000s   ann: {"type":"hello","id":2,"name":"bob"}
                       error id=2 code=bad_field message="`name`: bob is taken" retry=never -> ann
            3.000s   ann: {"type":"hello","id":3}
                       welcome id=3 max_bytes=32768 session=S1 user=Anna v=1 -> ann
            4.000s   ann: {"type":"join","room":"lobby"}
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[Anna, bob] more=false recovered=false -> ann
            4.500s   tick
                       presence room=lobby join=[Anna] leave=[] v=2 -> bob, ann
            5.000s   ann: {"type":"hello","id":4,"name":"late"}
                       error id=4 code=bad_type message="`hello` comes before the first `join`; connect with `?room=`" retry=never -> ann
        "#]],
    );
}

#[test]
fn names_are_unique() {
    check(
        r#"
        0s ann connects
        0s ann-2 connects
        0s third connects name=ann
        0s fourth connects name=
        1s fourth: who am I?
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   ann-2 connects
                       welcome max_bytes=32768 session=S2 user=ann-2 v=1 -> ann-2
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, ann-2] more=false recovered=false -> ann-2
            0.000s   third connects name=ann
                       welcome max_bytes=32768 session=S3 user=ann-3 v=1 -> third
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:3[ann, ann-2, ann-3] more=false recovered=false -> third
            0.000s   fourth connects name=
                       welcome max_bytes=32768 session=S4 user=guest-hkcz2y v=1 -> fourth
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:4[ann, ann-2, ann-3, guest-hkcz2y] more=false recovered=false -> fourth
            0.500s   tick
                       presence room=lobby join=[ann, ann-2, ann-3, guest-hkcz2y] leave=[] v=1 -> ann, ann-2, third, fourth
            1.000s   fourth: who am I?
                       message room=lobby seq=1 data="who am I?" from=guest-hkcz2y -> ann, ann-2, third, fourth
        "#]],
    );
}

#[test]
fn ping_and_bye() {
    check(
        r#"
        0s ann connects
        1s ann: {"type":"ping","id":"p"}
        2s ann: {"type":"bye"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"ping","id":"p"}
                       pong id=p -> ann
            2.000s   ann: {"type":"bye"}
                       bye code=1000 reason=normal -> ann
                       close ann 1000 normal
        "#]],
    );
}

#[test]
fn binary_closes() {
    check(
        r#"
        0s ann connects
        1s ann binary
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann binary
                       bye code=1003 reason=no_binary -> ann
                       close ann 1003 no_binary
        "#]],
    );
}

#[test]
fn too_long_closes_and_what_grows_too_long_is_refused() {
    check_with(
        |config| {
            config.max_message_bytes = 256;
        },
        r#"
        0s ann connects
        1s ann: QUOTES
        2s ann: TOOLONG
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=256 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: QUOTES
                       error code=too_large message="the text takes 402 bytes as JSON, at most 256 are taken" retry=never -> ann
            2.000s   ann: TOOLONG
                       bye code=1009 reason=too_big -> ann
                       close ann 1009 too_big
        "#]],
    );
}

#[test]
fn an_empty_line_says_nothing() {
    check(
        r#"
        0s ann connects
        1s ann: BREAK
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: BREAK
        "#]],
    );
}

#[test]
fn refusals_without_id_are_told_once_a_second() {
    check(
        r#"
        0s ann connects
        1s ann: {"type":"fly"}
        1.5s ann: {"type":"fly"}
        1.5s ann: {"type":"fly","id":1}
        2s ann: {"type":"fly"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"fly"}
                       error code=bad_type message="no such type: fly" retry=never -> ann
            1.500s   ann: {"type":"fly"}
            1.500s   ann: {"type":"fly","id":1}
                       error id=1 code=bad_type message="no such type: fly" retry=never -> ann
            2.000s   ann: {"type":"fly"}
                       error code=bad_type message="no such type: fly" retry=never -> ann
        "#]],
    );
}

#[test]
fn rates_are_limited_and_who_goes_on_is_closed() {
    check_with(
        |config| {
            config.message_burst = 2;
            config.messages_per_second = 1;
            config.rate_limit_strikes = 2;
        },
        r#"
        0s ann connects
        1s ann: one
        1s ann: two
        1s ann: {"type":"publish","id":3,"room":"lobby","data":"three"}
        1.5s ann: four
        2s ann: five
        2s ann: six
        2s ann: seven
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
            1.000s   ann: {"type":"publish","id":3,"room":"lobby","data":"three"}
                       error id=3 code=rate_limited message="2 messages at once, then 1 a second; 65536 bytes at once, then 65536 a second" retry=later retry_after_ms=1000 -> ann
            1.500s   ann: four
                       error code=rate_limited message="2 messages at once, then 1 a second; 65536 bytes at once, then 65536 a second" retry=later retry_after_ms=500 -> ann
            2.000s   ann: five
                       message room=lobby seq=3 data="five" from=ann -> ann
            2.000s   ann: six
            2.000s   ann: seven
                       bye code=4029 reason=rate_limited -> ann
                       close ann 4029 rate_limited
        "#]],
    );
}

#[test]
fn bytes_are_limited_too() {
    check_with(
        |config| {
            config.byte_burst = 32768;
            config.bytes_per_second = 1000;
        },
        r#"
        0s ann connects
        1s ann: LONG
        2s ann: LONG
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
                       error code=rate_limited message="20 messages at once, then 10 a second; 32768 bytes at once, then 1000 a second" retry=later retry_after_ms=30232 -> ann
        "#]],
    );
}
