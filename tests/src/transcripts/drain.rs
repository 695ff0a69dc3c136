//! The graceful stop.

use expect_test::expect;

use super::world::{check, check_with, small};

#[test]
fn a_drain_gives_notice_and_then_closes() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s drain 30s
        1.005s ann: {"type":"publish","id":1,"room":"lobby","data":"too late"}
        1.006s bob: {"type":"join","id":2,"room":"other"}
        1.007s eve connects
        2s wait
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
            1.000s   drain 30s
            1.000s   tick
                       bye code=4002 after_ms=949 reason=drain -> ann
            1.005s   ann: {"type":"publish","id":1,"room":"lobby","data":"too lat
                       error id=1 code=draining message="the server stops" retry=later -> ann
            1.006s   bob: {"type":"join","id":2,"room":"other"}
                       error id=2 code=draining message="the server stops" retry=later -> bob
            1.007s   eve connects
                       bye code=4002 after_ms=135 reason=drain -> eve
                       close eve 4002 drain
            1.010s   tick
                       bye code=4002 after_ms=271 reason=drain -> bob
            1.020s   tick
                       close ann 4002 drain
            1.030s   tick
                       close bob 4002 drain
                       drained
        "#]],
    );
}

#[test]
fn a_drain_with_nobody_is_over_at_once() {
    check(
        r#"
        1s drain 30s
        "#,
        &expect![[r#"
            1.000s   drain 30s
                       drained
        "#]],
    );
}

#[test]
fn a_drain_within_nothing_closes_at_once() {
    check(
        r#"
        0s ann connects
        1s drain 0s
        1s wait
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   drain 0s
            1.000s   tick
                       bye code=4002 after_ms=909 reason=drain -> ann
                       close ann 4002 drain
                       drained
        "#]],
    );
}

#[test]
fn who_lags_is_given_the_rest_before_its_close() {
    check_with(
        |config| {
            small(config);
        },
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s ann: 4 PAD
        5s drain 30s
        6s wait
        7s bob takes 9000
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
            5.000s   drain 30s
            5.000s   tick
                       bye code=4002 after_ms=949 reason=drain -> ann
            5.010s   tick
                       bye code=4002 after_ms=271 reason=drain -> bob
            5.020s   tick
                       close ann 4002 drain
            7.000s   bob takes 9000
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
                       presence room=lobby count=1 list=[bob] v=2 -> bob
                       close bob 4002 drain
                       drained
        "#]],
    );
}

#[test]
fn a_drain_ends_in_time() {
    check_with(
        |config| {
            small(config);
            config.write_timeout = core::time::Duration::from_mins(1);
        },
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s ann: 4 PAD
        5s drain 3s
        9s wait
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
            5.000s   drain 3s
            5.000s   tick
                       bye code=4002 after_ms=949 reason=drain -> ann
            5.010s   tick
                       bye code=4002 after_ms=271 reason=drain -> bob
            5.020s   tick
                       close ann 4002 drain
            8.000s   tick
                       close bob 4002 drain
                       drained
        "#]],
    );
}

#[test]
fn the_last_one_to_leave_ends_the_drain() {
    check(
        r#"
        0s ann connects
        1s drain 30s
        1s ann vanishes
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   drain 30s
            1.000s   tick
                       bye code=4002 after_ms=929 reason=drain -> ann
            1.000s   ann vanishes
                       drained
        "#]],
    );
}
