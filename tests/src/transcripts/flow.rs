//! Flow control: windows, lagging readers, gaps, and the global budget.

use expect_test::expect;

use super::world::{check, check_with, small};

#[test]
fn a_slow_reader_costs_nobody_and_reads_on() {
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
        5s ann: 5 PAD
        6s ann: 6 PAD
        7s bob takes 9000
        8s ann: 7
        9s bob reads
        10s ann: 8
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
            5.000s   ann: 5 PAD
                       message room=lobby seq=5 data="5 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            6.000s   ann: 6 PAD
                       message room=lobby seq=6 data="6 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            7.000s   bob takes 9000
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
                       message room=lobby seq=5 data="5 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
            8.000s   ann: 7
                       message room=lobby seq=7 data="7" from=ann -> ann
            9.000s   bob reads
                       message room=lobby seq=6 data="6 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
                       message room=lobby seq=7 data="7" from=ann -> bob
            10.000s  ann: 8
                       message room=lobby seq=8 data="8" from=ann -> ann, bob
        "#]],
    );
}

#[test]
fn a_reader_that_fell_off_the_tail_is_told_of_the_gap() {
    check_with(
        |config| {
            small(config);
            config.history_entries = 3;
            config.recent = 3;
        },
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s ann: 4 PAD
        5s ann: 5 PAD
        6s ann: 6 PAD
        7s ann: 7 PAD
        8s ann: 8 PAD
        9s bob reads
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
            5.000s   ann: 5 PAD
                       message room=lobby seq=5 data="5 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            6.000s   ann: 6 PAD
                       message room=lobby seq=6 data="6 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            7.000s   ann: 7 PAD
                       message room=lobby seq=7 data="7 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            8.000s   ann: 8 PAD
                       message room=lobby seq=8 data="8 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            9.000s   bob reads
                       gap room=lobby epoch=E1 from=4 reason=trimmed to=5 -> bob
                       message room=lobby seq=6 data="6 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
                       message room=lobby seq=7 data="7 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
                       message room=lobby seq=8 data="8 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
        "#]],
    );
}

#[test]
fn control_messages_use_the_reserve_and_then_close() {
    check_with(
        |config| {
            small(config);
            config.message_burst = 100;
        },
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        3s bob: {"type":"publish","id":0,"room":"lobby","data":"while stalled"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
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
            3.000s   bob: {"type":"publish","id":0,"room":"lobby","data":"while s
                       ack id=0 room=lobby epoch=E1 seq=4 -> bob
                       message room=lobby seq=4 data="while stalled" from=bob -> ann, bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       close bob 4001 slow_consumer, dropping
        "#]],
    );
}

#[test]
fn a_history_without_room_is_overloaded() {
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
        4s bob: {"type":"history","id":1,"room":"lobby"}
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
            4.000s   bob: {"type":"history","id":1,"room":"lobby"}
                       error id=1 code=overloaded message="the connection reads too slowly for a page" retry=later -> bob
        "#]],
    );
}

#[test]
fn no_progress_for_write_timeout_closes() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: one
        8s bob takes 10
        9s ann: two
        17.999s wait
        18s ann: bob is gone
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
            1.000s   bob stalls
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> ann, bob
            8.000s   bob takes 10
            9.000s   ann: two
                       message room=lobby seq=2 data="two" from=ann -> ann, bob
            18.000s  tick
                       bye code=4001 reason=slow_consumer -> bob
                       close bob 4001 slow_consumer, dropping
            18.000s  ann: bob is gone
                       message room=lobby seq=3 data="bob is gone" from=ann -> ann
        "#]],
    );
}

#[test]
fn progress_is_life() {
    check(
        r#"
        0s bob connects
        0s ann connects
        1s bob stalls
        1s ann: PAD
        9s bob takes 100
        18s bob takes 100
        27s bob takes 100
        36s bob takes 100
        45s bob takes 100
        54s bob takes 100
        "#,
        &expect![[r#"
            0.000s   bob connects
                       welcome max_bytes=32768 session=S1 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.000s   ann connects
                       welcome max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> bob, ann
            1.000s   bob stalls
            1.000s   ann: PAD
                       message room=lobby seq=1 data="xxxxxxxxxxxxxxxxxxxxxxx… (3502 bytes) from=ann -> bob, ann
            9.000s   bob takes 100
            18.000s  bob takes 100
            23.895s  tick
                       ping ann
            27.000s  bob takes 100
            36.000s  bob takes 100
            43.895s  tick
                       bye code=4000 reason=ping_timeout -> ann
                       close ann 4000 ping_timeout
            45.000s  bob takes 100
            54.000s  bob takes 100
        "#]],
    );
}

#[test]
fn the_global_budget_makes_readers_lag() {
    check_with(
        |config| {
            small(config);
            config.budget_bytes = config.window_bytes + 20000;
        },
        r#"
        0s ann connects
        0s bob connects
        0s eve connects
        1s bob stalls
        1s eve stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s ann: 4 PAD
        5s bob reads
        6s eve reads
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
            1.000s   eve stalls
            1.000s   ann: 1 PAD
                       message room=lobby seq=1 data="1 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob, eve
            2.000s   ann: 2 PAD
                       message room=lobby seq=2 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob, eve
            3.000s   ann: 3 PAD
                       message room=lobby seq=3 data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann, bob, eve
            4.000s   ann: 4 PAD
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            5.000s   bob reads
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
            6.000s   eve reads
                       message room=lobby seq=4 data="4 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> eve
        "#]],
    );
}

#[test]
fn a_newcomer_with_a_small_window_reads_the_rest_as_messages() {
    check_with(
        |config| {
            small(config);
            config.page_bytes = 6000;
            config.max_message_bytes = 4096;
        },
        r#"
        0s ann connects
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s bob connects room=
        5s bob: {"type":"join","id":1,"room":"lobby","since":{"epoch":"EPOCH","seq":0}}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=4096 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann: 1 PAD
                       message room=lobby seq=1 data="1 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            2.000s   ann: 2 PAD
                       message room=lobby seq=2 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            3.000s   ann: 3 PAD
                       message room=lobby seq=3 data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> ann
            4.000s   bob connects room=
                       welcome max_bytes=4096 session=S2 user=bob v=1 -> bob
            5.000s   bob: {"type":"join","id":1,"room":"lobby","since":{"epoch":"
                       joined id=1 room=lobby epoch=E1 seq=1 history=[1 "1 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=1:2[ann, bob] more=false recovered=true -> bob
                       message room=lobby seq=2 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
                       message room=lobby seq=3 data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=ann -> bob
        "#]],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "small control messages fill the budget slowly")]
fn past_the_budget_the_largest_backlog_is_closed() {
    check_with(
        |config| {
            small(config);
            config.budget_bytes = config.window_bytes;
            config.message_burst = 100;
        },
        r#"
        0s ann connects
        0s bob connects
        1s ann stalls
        1s bob: 1 PAD
        2s bob: 2 PAD
        3s bob: 3 PAD
        4s bob stalls
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
        5s bob: {"type":"ping","id":"IDID"}
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
            1.000s   ann stalls
            1.000s   bob: 1 PAD
                       message room=lobby seq=1 data="1 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> ann, bob
            2.000s   bob: 2 PAD
                       message room=lobby seq=2 data="2 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> ann, bob
            3.000s   bob: 3 PAD
                       message room=lobby seq=3 data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> ann
            4.000s   bob stalls
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
                       bye code=4003 reason=memory_pressure -> ann
                       close ann 4003 memory_pressure, dropping
                       message room=lobby seq=3 data="3 xxxxxxxxxxxxxxxxxxxxx… (3504 bytes) from=bob -> bob
            5.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
        "#]],
    );
}
