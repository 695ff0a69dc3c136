//! What moderators and operators do to others, and what everybody sees of it.

use expect_test::expect;
use roundtable::{Auth, Config};

use super::world::{check, check_with};

/// Tokens are taken, nothing is told of who comes and goes, and nobody is asked for a pong.
fn moderated(config: &mut Config) {
    let hour = core::time::Duration::from_hours(1);
    (config.auth, config.presence_tick, config.ping_after) = (Auth::Optional, hour, hour);
}

#[test]
fn who_is_kicked_is_out_and_may_come_back() {
    check_with(
        moderated,
        r#"
        0s mod connects as=mod can=*:join,history,moderate
        0s ann connects
        0s ann: {"type":"join","id":1,"room":"tea"}
        1s mod: {"type":"kick","id":1,"room":"lobby","user":"ann"}
        2s ann: hello tea
        2s ann: {"type":"publish","id":2,"room":"lobby","data":1}
        3s mod: {"type":"kick","id":2,"room":"lobby","user":"ann"}
        3s mod: {"type":"kick","id":3,"room":"nowhere","user":"ann"}
        4s ann: {"type":"join","id":3,"room":"lobby"}
        5s mod: {"type":"kick","id":4,"room":"lobby","user":"mod"}
        5s mod: {"type":"kick","id":5,"room":"lobby"}
        "#,
        &expect![[r#"
            0.000s   mod connects as=mod can=*:join,history,moderate
                       welcome auth=optional max_bytes=32768 session=S1 user=mod v=1 -> mod
                       joined room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> mod
            0.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            0.000s   ann: {"type":"join","id":1,"room":"tea"}
                       joined id=1 room=tea epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            1.000s   mod: {"type":"kick","id":1,"room":"lobby","user":"ann"}
                       ack id=1 room=lobby -> mod
                       left room=lobby reason=kicked -> ann
            2.000s   ann: hello tea
                       message room=tea seq=1 data="hello tea" from=ann -> ann
            2.000s   ann: {"type":"publish","id":2,"room":"lobby","data":1}
                       error id=2 code=not_joined message="join the room first" retry=never -> ann
            3.000s   mod: {"type":"kick","id":2,"room":"lobby","user":"ann"}
                       error id=2 code=not_found message="ann is not in the room" retry=never -> mod
            3.000s   mod: {"type":"kick","id":3,"room":"nowhere","user":"ann"}
                       error id=3 code=not_found message="ann is not in the room" retry=never -> mod
            4.000s   ann: {"type":"join","id":3,"room":"lobby"}
                       joined id=3 room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            5.000s   mod: {"type":"kick","id":4,"room":"lobby","user":"mod"}
                       ack id=4 room=lobby -> mod
                       left room=lobby reason=kicked -> mod
            5.000s   mod: {"type":"kick","id":5,"room":"lobby"}
                       error id=5 code=bad_field message="`user` is missing" retry=never -> mod
        "#]],
    );
}

#[test]
fn who_is_banned_may_not_come_back_until_it_ends_or_is_lifted() {
    check_with(
        moderated,
        r#"
        0s mod connects as=mod can=lobby:join,moderate
        0s ann connects
        1s mod: {"type":"ban","id":1,"room":"lobby","user":"ann","for_ms":60000}
        2s ann: {"type":"join","id":1,"room":"lobby"}
        2s ann: {"type":"join","id":2,"room":"tea"}
        60.999s ann: {"type":"join","id":3,"room":"lobby"}
        61s ann: {"type":"join","id":4,"room":"lobby"}
        62s mod: {"type":"ban","id":2,"room":"lobby","user":"ann","for_ms":60000}
        63s mod: {"type":"ban","id":3,"room":"lobby","user":"ann","for_ms":0}
        64s ann: {"type":"join","id":5,"room":"lobby"}
        65s mod: {"type":"ban","id":4,"room":"tea","user":"ann","for_ms":1}
        65s mod: {"type":"ban","id":5,"room":"lobby","user":"ann","for_ms":8640000001}
        65s mod: {"type":"ban","id":6,"room":"lobby","user":"ann"}
        "#,
        &expect![[r#"
            0.000s   mod connects as=mod can=lobby:join,moderate
                       welcome auth=optional max_bytes=32768 session=S1 user=mod v=1 -> mod
                       joined room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> mod
            0.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            1.000s   mod: {"type":"ban","id":1,"room":"lobby","user":"ann","for_m
                       ack id=1 room=lobby -> mod
                       left room=lobby reason=banned -> ann
            2.000s   ann: {"type":"join","id":1,"room":"lobby"}
                       error id=1 code=banned message="you may not join the room for a while" retry=later retry_after_ms=59000 -> ann
            2.000s   ann: {"type":"join","id":2,"room":"tea"}
                       joined id=2 room=tea epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            60.999s  ann: {"type":"join","id":3,"room":"lobby"}
                       error id=3 code=banned message="you may not join the room for a while" retry=later retry_after_ms=1 -> ann
            61.000s  ann: {"type":"join","id":4,"room":"lobby"}
                       joined id=4 room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            62.000s  mod: {"type":"ban","id":2,"room":"lobby","user":"ann","for_m
                       ack id=2 room=lobby -> mod
                       left room=lobby reason=banned -> ann
            63.000s  mod: {"type":"ban","id":3,"room":"lobby","user":"ann","for_m
                       ack id=3 room=lobby -> mod
            64.000s  ann: {"type":"join","id":5,"room":"lobby"}
                       joined id=5 room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            65.000s  mod: {"type":"ban","id":4,"room":"tea","user":"ann","for_ms"
                       error id=4 code=forbidden message="this is not allowed in the room" retry=never -> mod
            65.000s  mod: {"type":"ban","id":5,"room":"lobby","user":"ann","for_m
                       error id=5 code=bad_field message="`for_ms` must be an integer from 0 to 8640000000" retry=never -> mod
            65.000s  mod: {"type":"ban","id":6,"room":"lobby","user":"ann"}
                       error id=6 code=bad_field message="`for_ms` is missing" retry=never -> mod
        "#]],
    );
}

#[test]
fn a_session_without_a_connection_is_sent_away_too() {
    check_with(
        moderated,
        r#"
        0s mod connects as=mod can=*:join,moderate
        0s ann connects
        0s ann: {"type":"join","id":1,"room":"tea"}
        0s bob connects
        1s ann vanishes
        1s bob vanishes
        2s mod: {"type":"ban","id":1,"room":"lobby","user":"ann","for_ms":60000}
        2s mod: {"type":"kick","id":2,"room":"lobby","user":"bob"}
        3s back connects room=
        3s back: {"type":"hello","id":2,"resume":"TICKET2"}
        4s gone connects room=
        4s gone: {"type":"hello","id":3,"resume":"TICKET3"}
        "#,
        &expect![[r#"
            0.000s   mod connects as=mod can=*:join,moderate
                       welcome auth=optional max_bytes=32768 session=S1 user=mod v=1 -> mod
                       joined room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> mod
            0.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            0.000s   ann: {"type":"join","id":1,"room":"tea"}
                       joined id=1 room=tea epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome auth=optional max_bytes=32768 session=S3 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:3[ann, bob, mod] more=false recovered=false -> bob
            1.000s   ann vanishes
            1.000s   bob vanishes
            2.000s   mod: {"type":"ban","id":1,"room":"lobby","user":"ann","for_m
                       ack id=1 room=lobby -> mod
            2.000s   mod: {"type":"kick","id":2,"room":"lobby","user":"bob"}
                       ack id=2 room=lobby -> mod
            3.000s   back connects room=
                       welcome auth=optional max_bytes=32768 session=S4 user=back v=1 -> back
            3.000s   back: {"type":"hello","id":2,"resume":"TICKET2"}
                       welcome id=2 auth=optional max_bytes=32768 resumed=true session=S2 user=ann v=1 -> back
                       joined room=tea epoch=E2 seq=0 history=[] members=0:1[ann] more=false recovered=true -> back
            4.000s   gone connects room=
                       welcome auth=optional max_bytes=32768 session=S5 user=gone v=1 -> gone
            4.000s   gone: {"type":"hello","id":3,"resume":"TICKET3"}
                       welcome id=3 auth=optional max_bytes=32768 session=S5 user=gone v=1 -> gone
        "#]],
    );
}

#[test]
fn what_is_removed_keeps_its_place_and_loses_its_data() {
    check_with(
        moderated,
        r#"
        0s mod connects as=mod can=*:join,publish,history,moderate
        0s ann connects
        1s ann: one
        1s ann: {"type":"publish","room":"lobby","data":{"a":",\"ts\":1","ts":[1]}}
        2s ann vanishes
        3s mod: {"type":"remove","id":1,"room":"lobby","seq":2}
        4s mod: {"type":"remove","id":2,"room":"lobby","seq":2}
        4s mod: {"type":"remove","id":3,"room":"lobby","seq":3}
        4s mod: {"type":"remove","id":4,"room":"lobby","seq":4}
        4s mod: {"type":"remove","id":5,"room":"tea","seq":1}
        5s back connects room=
        5s back: {"type":"hello","id":1,"resume":"TICKET2"}
        5s mod: {"type":"history","id":6,"room":"lobby"}
        6s eve connects
        6s eve: {"type":"remove","id":1,"room":"lobby","seq":1}
        "#,
        &expect![[r#"
            0.000s   mod connects as=mod can=*:join,publish,history,moderate
                       welcome auth=optional max_bytes=32768 session=S1 user=mod v=1 -> mod
                       joined room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> mod
            0.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, mod] more=false recovered=false -> ann
            1.000s   ann: one
                       message room=lobby seq=1 data="one" from=ann -> mod, ann
            1.000s   ann: {"type":"publish","room":"lobby","data":{"a":",\"ts\":1
                       message room=lobby seq=2 data={"a":",\"ts\":1","ts":[1]} from=ann -> mod, ann
            2.000s   ann vanishes
            3.000s   mod: {"type":"remove","id":1,"room":"lobby","seq":2}
                       ack id=1 room=lobby epoch=E1 seq=3 -> mod
                       removed room=lobby seq=3 from=mod removes=2 -> mod
            4.000s   mod: {"type":"remove","id":2,"room":"lobby","seq":2}
                       error id=2 code=not_found message="the room keeps no message 2" retry=never -> mod
            4.000s   mod: {"type":"remove","id":3,"room":"lobby","seq":3}
                       error id=3 code=not_found message="the room keeps no message 3" retry=never -> mod
            4.000s   mod: {"type":"remove","id":4,"room":"lobby","seq":4}
                       error id=4 code=not_found message="the room keeps no message 4" retry=never -> mod
            4.000s   mod: {"type":"remove","id":5,"room":"tea","seq":1}
                       error id=5 code=not_found message="the room keeps no message 1" retry=never -> mod
            5.000s   back connects room=
                       welcome auth=optional max_bytes=32768 session=S3 user=back v=1 -> back
            5.000s   back: {"type":"hello","id":1,"resume":"TICKET2"}
                       welcome id=1 auth=optional max_bytes=32768 resumed=true session=S2 user=ann v=1 -> back
                       joined room=lobby epoch=E1 seq=3 history=[3 removes 2] members=0:2[ann, mod] more=true recovered=true -> back
            5.000s   mod: {"type":"history","id":6,"room":"lobby"}
                       history id=6 room=lobby epoch=E1 items=[1 "one", 2 removed, 3 removes 2] more=false -> mod
            6.000s   eve connects
                       welcome auth=optional max_bytes=32768 session=S4 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=3 history=[1 "one", 2 removed, 3 removes 2] members=0:3[ann, eve, mod] more=false recovered=false -> eve
            6.000s   eve: {"type":"remove","id":1,"room":"lobby","seq":1}
                       error id=1 code=forbidden message="this is not allowed in the room" retry=never -> eve
        "#]],
    );
}

#[test]
fn without_a_token_nobody_moderates_and_operators_do() {
    check(
        r#"
        0s ann connects
        0s bob connects
        1s ann: {"type":"kick","id":1,"room":"lobby","user":"bob"}
        1s ann: {"type":"ban","id":2,"room":"lobby","user":"bob","for_ms":1000}
        1s ann: {"type":"publish","id":3,"room":"lobby","data":"x"}
        1s ann: {"type":"remove","id":4,"room":"lobby","seq":1}
        2s the operator removes 1 from lobby
        2s the operator removes 1 from lobby
        3s the operator kicks bob from lobby
        3s the operator bans ann from lobby for 60s
        4s ann: {"type":"join","id":5,"room":"lobby"}
        5s the operator kicks bob
        6s the operator bans ann from lobby for 0s
        6s ann: {"type":"join","id":6,"room":"lobby"}
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
            1.000s   ann: {"type":"kick","id":1,"room":"lobby","user":"bob"}
                       error id=1 code=forbidden message="this is not allowed in the room" retry=never -> ann
            1.000s   ann: {"type":"ban","id":2,"room":"lobby","user":"bob","for_m
                       error id=2 code=forbidden message="this is not allowed in the room" retry=never -> ann
            1.000s   ann: {"type":"publish","id":3,"room":"lobby","data":"x"}
                       ack id=3 room=lobby epoch=E1 seq=1 -> ann
                       message room=lobby seq=1 data="x" from=ann -> ann, bob
            1.000s   ann: {"type":"remove","id":4,"room":"lobby","seq":1}
                       error id=4 code=forbidden message="this is not allowed in the room" retry=never -> ann
            2.000s   the operator removes 1 from lobby
                       removed room=lobby seq=2 removes=1 -> ann, bob
            2.000s   the operator removes 1 from lobby
            3.000s   the operator kicks bob from lobby
                       left room=lobby reason=kicked -> bob
            3.000s   the operator bans ann from lobby for 60s
                       left room=lobby reason=banned -> ann
            4.000s   ann: {"type":"join","id":5,"room":"lobby"}
                       error id=5 code=banned message="you may not join the room for a while" retry=later retry_after_ms=59000 -> ann
            5.000s   the operator kicks bob
                       bye code=4504 reason=kicked -> bob
                       close bob 4504 kicked
            6.000s   the operator bans ann from lobby for 0s
            6.000s   ann: {"type":"join","id":6,"room":"lobby"}
                       joined id=6 room=lobby epoch=E1 seq=2 history=[1 removed, 2 removes 1] members=2:1[ann] more=false recovered=false -> ann
        "#]],
    );
}

#[test]
fn there_are_as_many_bans_as_may_be() {
    check_with(
        |config| {
            moderated(config);
            config.max_bans = 1;
        },
        r#"
        0s mod connects as=mod can=*:join,moderate
        1s mod: {"type":"ban","id":1,"room":"lobby","user":"ann","for_ms":1000}
        1s mod: {"type":"ban","id":2,"room":"lobby","user":"bob","for_ms":1000}
        1s mod: {"type":"ban","id":3,"room":"lobby","user":"ann","for_ms":2000}
        1s mod: {"type":"ban","id":4,"room":"lobby","user":"bob","for_ms":0}
        3s mod: {"type":"ban","id":5,"room":"lobby","user":"bob","for_ms":1000}
        4s the operator bans eve from lobby for 60s
        4s the operator bans fay from lobby for 60s
        5s eve connects
        "#,
        &expect![[r#"
            0.000s   mod connects as=mod can=*:join,moderate
                       welcome auth=optional max_bytes=32768 session=S1 user=mod v=1 -> mod
                       joined room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> mod
            1.000s   mod: {"type":"ban","id":1,"room":"lobby","user":"ann","for_m
                       ack id=1 room=lobby -> mod
            1.000s   mod: {"type":"ban","id":2,"room":"lobby","user":"bob","for_m
                       error id=2 code=ban_limit message="there are at most 1 bans" retry=later -> mod
            1.000s   mod: {"type":"ban","id":3,"room":"lobby","user":"ann","for_m
                       ack id=3 room=lobby -> mod
            1.000s   mod: {"type":"ban","id":4,"room":"lobby","user":"bob","for_m
                       ack id=4 room=lobby -> mod
            3.000s   mod: {"type":"ban","id":5,"room":"lobby","user":"bob","for_m
                       ack id=5 room=lobby -> mod
            4.000s   the operator bans eve from lobby for 60s
            4.000s   the operator bans fay from lobby for 60s
            5.000s   eve connects
                       welcome auth=optional max_bytes=32768 session=S2 user=eve v=1 -> eve
                       error code=banned message="you may not join the room for a while" retry=later retry_after_ms=59000 -> eve
        "#]],
    );
}
