//! Liveness: pings, pongs, and the hub's own absence.

use expect_test::expect;

use super::world::{check, check_with};

#[test]
fn silence_leads_to_a_ping_and_then_to_the_end() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s ann: hello
        40s ann: still here
        60s wait
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
            22.895s  tick
                       ping bob
            24.361s  tick
                       ping ann
            40.000s  ann: still here
                       message room=lobby seq=2 data="still here" from=ann -> ann, bob
            42.895s  tick
                       bye code=4000 reason=ping_timeout -> bob
                       close bob 4000 ping_timeout
            58.395s  tick
                       presence room=lobby join=[] leave=[bob] v=2 -> ann
        "#]],
    );
}

#[test]
fn any_byte_is_an_answer() {
    check(
        r#"
        0s ann connects
        30s ann is heard
        70s wait
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            23.361s  tick
                       ping ann
            30.000s  ann is heard
            55.649s  tick
                       ping ann
        "#]],
    );
}

#[test]
fn a_full_hub_turns_newcomers_away() {
    check_with(
        |config| {
            config.max_sessions = 1;
        },
        r#"
        0s ann connects
        1s bob connects
        2s ann vanishes
        3s bob connects
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   bob connects
                       bye code=1013 reason=try_later -> bob
                       close bob 1013 try_later
            2.000s   ann vanishes
            3.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E2 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
        "#]],
    );
}

#[test]
fn the_hubs_own_absence_is_not_the_peers_silence() {
    check(
        r#"
        0s ann connects
        30s after an absence
        40s wait
        100s after an absence
        100s ann is heard
        119s wait
        200s after an absence
        219s wait
        221s wait
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            30.000s  after an absence
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            100.000s after an absence
                       ping ann
            100.000s ann is heard
            200.000s after an absence
            205.649s tick
                       ping ann
        "#]],
    );
}
