//! What may be said twice, and what is said once and not kept.

use std::time::Duration;

use expect_test::expect;

use super::world::{check, check_with, small};

#[test]
fn a_key_gives_one_entry() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s ann: {"type":"publish","id":1,"room":"lobby","data":"one","key":"k"}
        2s ann: {"type":"publish","id":2,"room":"lobby","data":"two"}
        3s ann: {"type":"publish","id":3,"room":"lobby","data":"one","key":"k"}
        4s ann: {"type":"publish","room":"lobby","data":"one","key":"k"}
        5s ann: {"type":"publish","id":4,"room":"lobby","data":"three","key":"k"}
        6s bob: {"type":"publish","id":5,"room":"lobby","data":"one","key":"k"}
        7s ann: {"type":"join","room":"tea"}
        7s ann: {"type":"publish","id":6,"room":"tea","data":"other","key":"k"}
        8s ann: {"type":"publish","id":7,"room":"lobby","data":"one","key":""}
        8s ann: {"type":"publish","id":8,"room":"lobby","data":"one","key":7}
        8s ann: {"type":"publish","id":9,"room":"lobby","data":"one","key":"IDIDx"}
        8s ann: {"type":"publish","id":10,"room":"lobby","data":"one","key":"IDID"}
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
            1.000s   ann: {"type":"publish","id":1,"room":"lobby","data":"one","k
                       ack id=1 room=lobby epoch=E1 seq=1 -> ann
                       message room=lobby seq=1 data="one" from=ann -> ann, bob
            2.000s   ann: {"type":"publish","id":2,"room":"lobby","data":"two"}
                       ack id=2 room=lobby epoch=E1 seq=2 -> ann
                       message room=lobby seq=2 data="two" from=ann -> ann, bob
            3.000s   ann: {"type":"publish","id":3,"room":"lobby","data":"one","k
                       ack id=3 room=lobby epoch=E1 seq=1 duplicate=true -> ann
            4.000s   ann: {"type":"publish","room":"lobby","data":"one","key":"k"
            5.000s   ann: {"type":"publish","id":4,"room":"lobby","data":"three",
                       error id=4 code=key_conflict message="the `key` stands for other data" retry=never -> ann
            6.000s   bob: {"type":"publish","id":5,"room":"lobby","data":"one","k
                       ack id=5 room=lobby epoch=E1 seq=3 -> bob
                       message room=lobby seq=3 data="one" from=bob -> ann, bob
            7.000s   ann: {"type":"join","room":"tea"}
                       joined room=tea epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            7.000s   ann: {"type":"publish","id":6,"room":"tea","data":"other","k
                       ack id=6 room=tea epoch=E2 seq=1 -> ann
                       message room=tea seq=1 data="other" from=ann -> ann
            7.500s   tick
                       presence room=tea join=[ann] leave=[] v=1 -> ann
            8.000s   ann: {"type":"publish","id":7,"room":"lobby","data":"one","k
                       error id=7 code=bad_field message="`key` must be a string of 1 to 64 bytes" retry=never -> ann
            8.000s   ann: {"type":"publish","id":8,"room":"lobby","data":"one","k
                       error id=8 code=bad_field message="`key` must be a string" retry=never -> ann
            8.000s   ann: {"type":"publish","id":9,"room":"lobby","data":"one","k
                       error id=9 code=bad_field message="`key` must be a string of 1 to 64 bytes" retry=never -> ann
            8.000s   ann: {"type":"publish","id":10,"room":"lobby","data":"one","
                       ack id=10 room=lobby epoch=E1 seq=4 -> ann
                       message room=lobby seq=4 data="one" from=ann -> ann, bob
        "#]],
    );
}

#[test]
fn a_key_outlives_the_connection_and_the_entry_and_grows_old() {
    check_with(
        |config| {
            config.history_entries = 1;
            config.recent = 1;
            config.key_age = Duration::from_secs(10);
        },
        r#"
        0s ann connects
        0s bob connects
        1s ann: {"type":"publish","room":"lobby","data":"one","key":"k"}
        2s ann vanishes
        3s bob: two
        4s ann connects room= name=
        4s ann: {"type":"hello","resume":"TICKET1","since":{"lobby":{"epoch":"EPOCH","seq":0}}}
        5s ann: {"type":"publish","id":1,"room":"lobby","data":"one","key":"k"}
        10.999s ann: {"type":"publish","id":2,"room":"lobby","data":"one","key":"k"}
        11s ann: {"type":"publish","id":3,"room":"lobby","data":"other","key":"k"}
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
            1.000s   ann: {"type":"publish","room":"lobby","data":"one","key":"k"
                       message room=lobby seq=1 data="one" from=ann -> ann, bob
            2.000s   ann vanishes
            3.000s   bob: two
                       message room=lobby seq=2 data="two" from=bob -> bob
            4.000s   ann connects room= name=
                       welcome max_bytes=32768 session=S3 user=guest-8h37my v=1 -> ann
            4.000s   ann: {"type":"hello","resume":"TICKET1","since":{"lobby":{"e
                       welcome max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=2 gap={"from":1,"to":1} history=[2 "two"] members=1:2[ann, bob] more=false reason=trimmed recovered=false -> ann
            5.000s   ann: {"type":"publish","id":1,"room":"lobby","data":"one","k
                       ack id=1 room=lobby epoch=E1 seq=1 duplicate=true -> ann
            10.999s  ann: {"type":"publish","id":2,"room":"lobby","data":"one","k
                       ack id=2 room=lobby epoch=E1 seq=1 duplicate=true -> ann
            11.000s  ann: {"type":"publish","id":3,"room":"lobby","data":"other",
                       ack id=3 room=lobby epoch=E1 seq=3 -> ann
                       message room=lobby seq=3 data="other" from=ann -> bob, ann
        "#]],
    );
}

#[test]
fn many_keys_push_the_oldest_out() {
    check_with(
        |config| config.max_keys = 2,
        r#"
        0s ann connects
        1s ann: {"type":"publish","id":1,"room":"lobby","data":1,"key":"a"}
        1s ann: {"type":"publish","id":2,"room":"lobby","data":2,"key":"b"}
        1s ann: {"type":"publish","id":3,"room":"lobby","data":3,"key":"c"}
        2s ann: {"type":"publish","id":4,"room":"lobby","data":2,"key":"b"}
        2s ann: {"type":"publish","id":5,"room":"lobby","data":1,"key":"a"}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: {"type":"publish","id":1,"room":"lobby","data":1,"key":
                       ack id=1 room=lobby epoch=E1 seq=1 -> ann
                       message room=lobby seq=1 data=1 from=ann -> ann
            1.000s   ann: {"type":"publish","id":2,"room":"lobby","data":2,"key":
                       ack id=2 room=lobby epoch=E1 seq=2 -> ann
                       message room=lobby seq=2 data=2 from=ann -> ann
            1.000s   ann: {"type":"publish","id":3,"room":"lobby","data":3,"key":
                       ack id=3 room=lobby epoch=E1 seq=3 -> ann
                       message room=lobby seq=3 data=3 from=ann -> ann
            2.000s   ann: {"type":"publish","id":4,"room":"lobby","data":2,"key":
                       ack id=4 room=lobby epoch=E1 seq=2 duplicate=true -> ann
            2.000s   ann: {"type":"publish","id":5,"room":"lobby","data":1,"key":
                       ack id=5 room=lobby epoch=E1 seq=4 -> ann
                       message room=lobby seq=4 data=1 from=ann -> ann
        "#]],
    );
}

#[test]
fn a_signal_goes_to_the_others_and_is_not_kept() {
    check_with(
        |config| config.signal_bytes = 10,
        r#"
        0s ann connects
        0s bob connects
        0s eve connects room=tea
        1s ann: {"type":"signal","id":1,"room":"lobby","key":"typing","data":true}
        2s ann: {"type":"signal","room":"lobby","key":"\"cursor\"","data":[1.50,null]}
        3s eve: {"type":"signal","id":2,"room":"lobby","key":"typing","data":true}
        3s eve: {"type":"signal","id":3,"room":"tea","key":"typing","data":true}
        4s bob: {"type":"signal","id":4,"room":"lobby","key":"","data":true}
        4s bob: {"type":"signal","id":5,"room":"lobby","data":true}
        4s bob: {"type":"signal","id":6,"room":"lobby","key":"k"}
        5s bob: {"type":"signal","id":7,"room":"lobby","key":"k","data":"12345678"}
        5s bob: {"type":"signal","id":8,"room":"lobby","key":"k","data":"123456789"}
        6s dan connects
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.000s   eve connects room=tea
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=tea epoch=E2 seq=0 history=[] members=0:1[eve] more=false recovered=false -> eve
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> ann, bob
                       presence room=tea join=[eve] leave=[] v=1 -> eve
            1.000s   ann: {"type":"signal","id":1,"room":"lobby","key":"typing","
                       signal room=lobby data=true from=ann key=typing ttl_ms=5000 -> bob
                       ack id=1 room=lobby -> ann
            2.000s   ann: {"type":"signal","room":"lobby","key":"\"cursor\"","dat
                       error code=too_large message="`data` has 11 bytes, a signal at most 10" retry=never -> ann
            3.000s   eve: {"type":"signal","id":2,"room":"lobby","key":"typing","
                       error id=2 code=not_joined message="join the room first" retry=never -> eve
            3.000s   eve: {"type":"signal","id":3,"room":"tea","key":"typing","da
                       ack id=3 room=tea -> eve
            4.000s   bob: {"type":"signal","id":4,"room":"lobby","key":"","data":
                       error id=4 code=bad_field message="`key` must be a string of 1 to 64 bytes" retry=never -> bob
            4.000s   bob: {"type":"signal","id":5,"room":"lobby","data":true}
                       error id=5 code=bad_field message="`key` is missing" retry=never -> bob
            4.000s   bob: {"type":"signal","id":6,"room":"lobby","key":"k"}
                       error id=6 code=bad_field message="`data` is missing" retry=never -> bob
            5.000s   bob: {"type":"signal","id":7,"room":"lobby","key":"k","data"
                       signal room=lobby data="12345678" from=bob key=k ttl_ms=5000 -> ann
                       ack id=7 room=lobby -> bob
            5.000s   bob: {"type":"signal","id":8,"room":"lobby","key":"k","data"
                       error id=8 code=too_large message="`data` has 11 bytes, a signal at most 10" retry=never -> bob
            6.000s   dan connects
                       welcome max_bytes=32768 session=S4 user=dan v=1 -> dan
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:3[ann, bob, dan] more=false recovered=false -> dan
        "#]],
    );
}

#[test]
fn a_signal_makes_nobody_lag_and_is_not_for_who_lags() {
    check_with(
        |config| {
            small(config);
            config.signal_bytes = 4000;
        },
        r#"
        0s ann connects
        0s bob connects
        0s eve connects
        1s bob stalls
        1s ann: 1 PAD
        1s ann: 2 PAD
        2s ann: {"type":"signal","room":"lobby","key":"k","data":"3 PAD"}
        3s ann: {"type":"signal","room":"lobby","key":"k","data":"4 PAD"}
        4s ann: {"type":"publish","room":"lobby","data":"five"}
        5s ann: 6 PAD
        6s ann: {"type":"signal","room":"lobby","key":"k","data":7}
        7s bob reads
        8s ann: {"type":"signal","room":"lobby","key":"k","data":8}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=4096 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=4096 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.000s   eve connects
                       welcome max_bytes=4096 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:3[ann, bob, eve] more=false recovered=false -> eve
            0.500s   tick
                       presence room=lobby join=[ann, bob, eve] leave=[] v=1 -> ann, bob, eve
            1.000s   bob stalls
            1.000s   ann: 1 PAD
                       message room=lobby seq=1 data="1 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob, eve
            1.000s   ann: 2 PAD
                       message room=lobby seq=2 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob, eve
            2.000s   ann: {"type":"signal","room":"lobby","key":"k","data":"3 PAD
                       signal room=lobby data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann key=k ttl_ms=5000 -> bob, eve
            3.000s   ann: {"type":"signal","room":"lobby","key":"k","data":"4 PAD
                       signal room=lobby data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann key=k ttl_ms=5000 -> eve
            4.000s   ann: {"type":"publish","room":"lobby","data":"five"}
                       message room=lobby seq=3 data="five" from=ann -> ann, bob, eve
            5.000s   ann: 6 PAD
                       message room=lobby seq=4 data="6 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, eve
            6.000s   ann: {"type":"signal","room":"lobby","key":"k","data":7}
                       signal room=lobby data=7 from=ann key=k ttl_ms=5000 -> eve
            7.000s   bob reads
                       message room=lobby seq=4 data="6 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
            8.000s   ann: {"type":"signal","room":"lobby","key":"k","data":8}
                       signal room=lobby data=8 from=ann key=k ttl_ms=5000 -> eve, bob
        "#]],
    );
}
