//! Who somebody is with a token, what it allows, and how it ends.

use std::time::Duration;

use expect_test::expect;
use roundtable::{Auth, Config};

use super::world::check_with;

fn optional(config: &mut Config) {
    config.auth = Auth::Optional;
}

fn required(config: &mut Config) {
    config.auth = Auth::Required;
}

#[test]
fn a_token_decides_the_name_and_what_comes_behind_it_waits() {
    check_with(
        optional,
        r#"
        0s ann connects room= name=
        1s ann: {"type":"hello","id":1,"name":"bob","token":"T"}
        1s ann: {"type":"join","id":2,"room":"lobby"}
        1s ann: {"type":"publish","id":3,"room":"lobby","data":1}
        2s ann is verified as ann
        3s two connects room= name=ann
        4s two: {"type":"hello","id":4,"token":"T"}
        5s two is verified as ann
        6s two: {"type":"hello","id":5,"name":"eve"}
        "#,
        &expect![[r#"
            0.000s   ann connects room= name=
                       welcome auth=optional max_bytes=32768 session=S1 user=guest-530t8k v=1 -> ann
            1.000s   ann: {"type":"hello","id":1,"name":"bob","token":"T"}
                       verify T of ann
            1.000s   ann: {"type":"join","id":2,"room":"lobby"}
            1.000s   ann: {"type":"publish","id":3,"room":"lobby","data":1}
            2.000s   ann is verified as ann
                       welcome id=1 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined id=2 room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
                       ack id=3 room=lobby epoch=E1 seq=1 -> ann
                       message room=lobby seq=1 data=1 from=ann -> ann
            2.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            3.000s   two connects room= name=ann
                       welcome auth=optional max_bytes=32768 session=S2 user=ann-2 v=1 -> two
            4.000s   two: {"type":"hello","id":4,"token":"T"}
                       verify T of two
            5.000s   two is verified as ann
                       welcome id=4 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
            6.000s   two: {"type":"hello","id":5,"name":"eve"}
                       welcome id=5 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
        "#]],
    );
}

#[test]
fn a_token_that_is_not_believed_changes_nothing() {
    check_with(
        optional,
        r#"
        0s ann connects room= name=
        1s ann: {"type":"hello","id":1,"token":"T"}
        2s ann is invalid
        3s ann: {"type":"auth","id":2,"token":"T"}
        4s ann is expired
        5s ann: {"type":"auth","id":3,"token":"T"}
        6s ann is verified as ann until=6s
        7s ann: {"type":"join","id":4,"room":"lobby"}
        8s ann: {"type":"auth","id":5,"token":"T"}
        9s ann is invalid
        "#,
        &expect![[r#"
            0.000s   ann connects room= name=
                       welcome auth=optional max_bytes=32768 session=S1 user=guest-530t8k v=1 -> ann
            1.000s   ann: {"type":"hello","id":1,"token":"T"}
                       verify T of ann
            2.000s   ann is invalid
                       error id=1 code=unauthorized message="the token is not valid" retry=never -> ann
            3.000s   ann: {"type":"auth","id":2,"token":"T"}
                       verify T of ann
            4.000s   ann is expired
                       error id=2 code=token_expired message="the token has expired" retry=never -> ann
            5.000s   ann: {"type":"auth","id":3,"token":"T"}
                       verify T of ann
            6.000s   ann is verified as ann until=6s
                       error id=3 code=token_expired message="the token has expired" retry=never -> ann
            7.000s   ann: {"type":"join","id":4,"room":"lobby"}
                       joined id=4 room=lobby epoch=E1 seq=0 history=[] members=0:1[guest-530t8k] more=false recovered=false -> ann
            7.500s   tick
                       presence room=lobby join=[guest-530t8k] leave=[] v=1 -> ann
            8.000s   ann: {"type":"auth","id":5,"token":"T"}
                       error id=5 code=bad_type message="the first token comes before the first `join`; connect with `?room=`" retry=never -> ann
            9.000s   ann is invalid
        "#]],
    );
}

#[test]
fn where_a_token_is_needed_nothing_is_done_without_one() {
    check_with(
        required,
        r#"
        0s ann connects
        1s ann: {"type":"join","id":1,"room":"lobby"}
        1s ann: {"type":"hello","id":2,"name":"ann"}
        1s ann: plain
        1s ann: {"type":"ping","id":3}
        2s ann: {"type":"auth","id":4,"token":"T"}
        2s ann is verified as ann
        3s ann: {"type":"join","id":5,"room":"lobby"}
        3s bob connects
        4s bob: {"type":"auth","id":6,"token":"T"}
        4s bob is invalid
        5s eve connects
        16s wait
        17s dan connects as=dan
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome auth=required max_bytes=32768 session=S1 user=ann v=1 -> ann
            1.000s   ann: {"type":"join","id":1,"room":"lobby"}
                       error id=1 code=unauthorized message="show a token first" retry=never -> ann
            1.000s   ann: {"type":"hello","id":2,"name":"ann"}
                       error id=2 code=unauthorized message="show a token first" retry=never -> ann
            1.000s   ann: plain
                       error code=unauthorized message="show a token first" retry=never -> ann
            1.000s   ann: {"type":"ping","id":3}
                       pong id=3 -> ann
            2.000s   ann: {"type":"auth","id":4,"token":"T"}
                       verify T of ann
            2.000s   ann is verified as ann
                       welcome id=4 auth=required max_bytes=32768 session=S1 user=ann v=1 -> ann
            3.000s   ann: {"type":"join","id":5,"room":"lobby"}
                       joined id=5 room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            3.000s   bob connects
                       welcome auth=required max_bytes=32768 session=S2 user=bob v=1 -> bob
            3.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            4.000s   bob: {"type":"auth","id":6,"token":"T"}
                       verify T of bob
            4.000s   bob is invalid
                       error id=6 code=unauthorized message="the token is not valid" retry=never -> bob
                       bye code=4501 reason=unauthorized -> bob
                       close bob 4501 unauthorized
            5.000s   eve connects
                       welcome auth=required max_bytes=32768 session=S3 user=eve v=1 -> eve
            15.000s  tick
                       bye code=4502 reason=hello_timeout -> eve
                       close eve 4502 hello_timeout
            17.000s  dan connects as=dan
                       welcome auth=required max_bytes=32768 session=S4 user=dan v=1 -> dan
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[ann, dan] more=false recovered=false -> dan
        "#]],
    );
}

#[test]
fn what_is_not_allowed_is_forbidden() {
    check_with(
        optional,
        r#"
        0s bob connects room=team-1
        0s bob: one
        1s ann connects room= as=ann
        1s ann: {"type":"auth","id":1,"token":"T"}
        1s ann is verified as ann can=team-*:join,signal can=den:join,publish
        2s ann: {"type":"join","id":2,"room":"lobby"}
        2s ann: {"type":"join","id":3,"room":"team-1","since":{"epoch":"EPOCH","seq":0}}
        3s ann: {"type":"publish","id":4,"room":"team-1","data":1}
        3s ann: {"type":"history","id":5,"room":"team-1"}
        3s ann: {"type":"signal","id":6,"room":"team-1","key":"k","data":1}
        4s bob: two
        5s ann: {"type":"join","id":7,"room":"den"}
        5s ann: {"type":"signal","id":8,"room":"den","key":"k","data":1}
        5s ann: {"type":"publish","id":9,"room":"den","data":1}
        6s ann: {"type":"auth","id":10,"token":"T"}
        6s ann is verified as ann can=den:join
        7s bob: three
        8s ann: {"type":"auth","id":11,"token":"T"}
        8s ann is verified as eve
        "#,
        &expect![[r#"
            0.000s   bob connects room=team-1
                       welcome auth=optional max_bytes=32768 session=S1 user=bob v=1 -> bob
                       joined room=team-1 epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.000s   bob: one
                       message room=team-1 seq=1 data="one" from=bob -> bob
            0.500s   tick
                       presence room=team-1 join=[bob] leave=[] v=1 -> bob
            1.000s   ann connects room= as=ann
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
            1.000s   ann: {"type":"auth","id":1,"token":"T"}
                       verify T of ann
            1.000s   ann is verified as ann can=team-*:join,signal can=den:join,p
                       welcome id=1 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
            2.000s   ann: {"type":"join","id":2,"room":"lobby"}
                       error id=2 code=forbidden message="this is not allowed in the room" retry=never -> ann
            2.000s   ann: {"type":"join","id":3,"room":"team-1","since":{"epoch":
                       joined id=3 room=team-1 epoch=E1 seq=1 history=[] more=false reason=forbidden recovered=false -> ann
            2.500s   tick
                       presence room=team-1 join=[ann] leave=[] v=2 -> bob
            3.000s   ann: {"type":"publish","id":4,"room":"team-1","data":1}
                       error id=4 code=forbidden message="this is not allowed in the room" retry=never -> ann
            3.000s   ann: {"type":"history","id":5,"room":"team-1"}
                       error id=5 code=forbidden message="this is not allowed in the room" retry=never -> ann
            3.000s   ann: {"type":"signal","id":6,"room":"team-1","key":"k","data
                       signal room=team-1 data=1 from=ann key=k ttl_ms=5000 -> bob
                       ack id=6 room=team-1 -> ann
            4.000s   bob: two
                       message room=team-1 seq=2 data="two" from=bob -> bob, ann
            5.000s   ann: {"type":"join","id":7,"room":"den"}
                       joined id=7 room=den epoch=E2 seq=0 history=[] more=false recovered=false -> ann
            5.000s   ann: {"type":"signal","id":8,"room":"den","key":"k","data":1
                       error id=8 code=forbidden message="this is not allowed in the room" retry=never -> ann
            5.000s   ann: {"type":"publish","id":9,"room":"den","data":1}
                       ack id=9 room=den epoch=E2 seq=1 -> ann
                       message room=den seq=1 data=1 from=ann -> ann
            6.000s   ann: {"type":"auth","id":10,"token":"T"}
                       verify T of ann
            6.000s   ann is verified as ann can=den:join
                       welcome id=10 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       left room=team-1 reason=forbidden -> ann
            6.500s   tick
                       presence room=team-1 join=[] leave=[ann] v=3 -> bob
            7.000s   bob: three
                       message room=team-1 seq=3 data="three" from=bob -> bob
            8.000s   ann: {"type":"auth","id":11,"token":"T"}
                       verify T of ann
            8.000s   ann is verified as eve
                       error id=11 code=unauthorized message="the token is not valid" retry=never -> ann
        "#]],
    );
}

#[test]
fn a_token_ends_after_a_grace_unless_a_fresh_one_comes() {
    check_with(
        optional,
        r#"
        0s ann connects as=ann
        0s bob connects as=bob
        0s ann: {"type":"auth","id":1,"token":"T"}
        0s ann is verified as ann until=10s
        0s bob: {"type":"auth","id":1,"token":"T"}
        0s bob is verified as bob until=10s
        20s ann: {"type":"auth","id":2,"token":"T"}
        20s ann is verified as ann until=60s
        20s ann: still here
        40s ann: alone
        "#,
        &expect![[r#"
            0.000s   ann connects as=ann
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects as=bob
                       welcome auth=optional max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.000s   ann: {"type":"auth","id":1,"token":"T"}
                       verify T of ann
            0.000s   ann is verified as ann until=10s
                       welcome id=1 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   bob: {"type":"auth","id":1,"token":"T"}
                       verify T of bob
            0.000s   bob is verified as bob until=10s
                       welcome id=1 auth=optional max_bytes=32768 session=S2 user=bob v=1 -> bob
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> ann, bob
            10.000s  tick
                       error code=token_expired message="the token has expired: send `auth` with a fresh one" retry=never -> ann
                       error code=token_expired message="the token has expired: send `auth` with a fresh one" retry=never -> bob
            20.000s  ann: {"type":"auth","id":2,"token":"T"}
                       verify T of ann
            20.000s  ann is verified as ann until=60s
                       welcome id=2 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
            20.000s  ann: still here
                       message room=lobby seq=1 data="still here" from=ann -> ann, bob
            22.895s  tick
                       ping bob
            35.000s  tick
                       bye code=4010 reason=auth_expired -> bob
                       close bob 4010 auth_expired
            40.000s  ann: alone
                       message room=lobby seq=2 data="alone" from=ann -> ann
        "#]],
    );
}

#[test]
fn who_made_up_the_name_of_a_user_loses_it() {
    check_with(
        optional,
        r#"
        0s ann connects
        1s two connects room= as=ann
        2s ann connects
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   two connects room= as=ann
                       bye code=4011 reason=auth_revoked -> ann
                       close ann 4011 auth_revoked
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
            2.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S3 user=ann-2 v=1 -> ann
                       joined room=lobby epoch=E2 seq=0 history=[] members=0:1[ann-2] more=false recovered=false -> ann
        "#]],
    );
}

#[test]
fn a_session_with_a_token_is_for_its_user_alone() {
    check_with(
        |config| {
            config.auth = Auth::Optional;
            config.auth_grace = Duration::from_secs(5);
        },
        r#"
        0s ann connects as=ann
        0s ann: {"type":"auth","token":"T"}
        0s ann is verified as ann until=10s
        1s ann vanishes
        2s eve connects room= as=eve
        2s eve: {"type":"hello","id":1,"resume":"TICKET1"}
        3s ann connects room= name=
        3s ann: {"type":"hello","id":2,"resume":"TICKET1"}
        4s ann vanishes
        16s ann connects room= name=
        16s ann: {"type":"hello","id":3,"resume":"TICKET1"}
        17s ann: {"type":"hello","id":4,"resume":"TICKET1","token":"T"}
        17s ann is verified as ann
        18s ann: again
        "#,
        &expect![[r#"
            0.000s   ann connects as=ann
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   ann: {"type":"auth","token":"T"}
                       verify T of ann
            0.000s   ann is verified as ann until=10s
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   ann vanishes
            2.000s   eve connects room= as=eve
                       welcome auth=optional max_bytes=32768 session=S2 user=eve v=1 -> eve
            2.000s   eve: {"type":"hello","id":1,"resume":"TICKET1"}
                       welcome id=1 auth=optional max_bytes=32768 session=S2 user=eve v=1 -> eve
            3.000s   ann connects room= name=
                       welcome auth=optional max_bytes=32768 session=S3 user=guest-8h37my v=1 -> ann
            3.000s   ann: {"type":"hello","id":2,"resume":"TICKET1"}
                       welcome id=2 auth=optional max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:1[ann] more=false recovered=true -> ann
            4.000s   ann vanishes
            16.000s  ann connects room= name=
                       welcome auth=optional max_bytes=32768 session=S4 user=guest-hkcz2y v=1 -> ann
            16.000s  ann: {"type":"hello","id":3,"resume":"TICKET1"}
                       welcome id=3 auth=optional max_bytes=32768 session=S4 user=guest-hkcz2y v=1 -> ann
            17.000s  ann: {"type":"hello","id":4,"resume":"TICKET1","token":"T"}
                       verify T of ann
            17.000s  ann is verified as ann
                       welcome id=4 auth=optional max_bytes=32768 resumed=true session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:1[ann] more=false recovered=true -> ann
            18.000s  ann: again
                       message room=lobby seq=1 data="again" from=ann -> ann
        "#]],
    );
}

#[test]
fn a_user_has_so_many_sessions_and_lost_ones_give_way() {
    check_with(
        |config| {
            config.auth = Auth::Optional;
            config.sessions_per_user = 2;
        },
        r#"
        0s one connects as=ann
        0s two connects as=ann
        1s three connects as=ann
        2s four connects room= name=
        2s four: {"type":"hello","id":1,"token":"T"}
        2s four is verified as ann
        3s one vanishes
        4s four: {"type":"hello","id":2,"token":"T"}
        4s four is verified as ann
        "#,
        &expect![[r#"
            0.000s   one connects as=ann
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> one
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> one
            0.000s   two connects as=ann
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann*2] more=false recovered=false -> two
            0.500s   tick
                       presence room=lobby join=[ann*2] leave=[] v=1 -> one, two
            1.000s   three connects as=ann
                       bye code=1013 reason=try_later -> three
                       close three 1013 try_later
            2.000s   four connects room= name=
                       welcome auth=optional max_bytes=32768 session=S3 user=guest-hkcz2y v=1 -> four
            2.000s   four: {"type":"hello","id":1,"token":"T"}
                       verify T of four
            2.000s   four is verified as ann
                       error id=1 code=session_limit message="a user has at most 2 sessions" retry=later -> four
            3.000s   one vanishes
            4.000s   four: {"type":"hello","id":2,"token":"T"}
                       verify T of four
            4.000s   four is verified as ann
                       welcome id=2 auth=optional max_bytes=32768 session=S3 user=ann v=1 -> four
        "#]],
    );
}

#[test]
fn who_is_revoked_is_out() {
    check_with(
        optional,
        r#"
        0s one connects as=ann
        0s two connects room= name=
        0s two: {"type":"auth","token":"T"}
        0s two is verified as ann id=7f
        0s bob connects as=bob
        1s the operator revokes token 7f
        2s the operator revokes user ann
        3s bob: alone
        "#,
        &expect![[r#"
            0.000s   one connects as=ann
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> one
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> one
            0.000s   two connects room= name=
                       welcome auth=optional max_bytes=32768 session=S2 user=guest-xzh17z v=1 -> two
            0.000s   two: {"type":"auth","token":"T"}
                       verify T of two
            0.000s   two is verified as ann id=7f
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
            0.000s   bob connects as=bob
                       welcome auth=optional max_bytes=32768 session=S3 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> one, bob
            1.000s   the operator revokes token 7f
                       bye code=4011 reason=auth_revoked -> two
                       close two 4011 auth_revoked
            2.000s   the operator revokes user ann
                       bye code=4011 reason=auth_revoked -> one
                       close one 4011 auth_revoked
            2.500s   tick
                       presence room=lobby join=[] leave=[ann] v=2 -> bob
            3.000s   bob: alone
                       message room=lobby seq=1 data="alone" from=bob -> bob
        "#]],
    );
}

#[test]
fn so_much_waits_for_a_verdict_and_no_more() {
    check_with(
        |config| {
            config.auth = Auth::Optional;
            config.waiting_frames = 2;
            config.waiting_bytes = 60;
        },
        r#"
        0s ann connects room= name=
        0s ann: {"type":"hello","id":1,"token":"T"}
        0s ann: {"type":"ping","id":2}
        0s ann: {"type":"ping","id":3}
        0s ann: {"type":"ping","id":4}
        0s ann is verified as ann
        1s ann: {"type":"auth","id":5,"token":"T"}
        1s ann: {"type":"ping","id":6,"unknown":"a long one"}
        1s ann: {"type":"ping","id":7,"unknown":"b"}
        1s ann: {"type":"ping","id":8}
        1s ann is verified as ann
        "#,
        &expect![[r#"
            0.000s   ann connects room= name=
                       welcome auth=optional max_bytes=32768 session=S1 user=guest-530t8k v=1 -> ann
            0.000s   ann: {"type":"hello","id":1,"token":"T"}
                       verify T of ann
            0.000s   ann: {"type":"ping","id":2}
            0.000s   ann: {"type":"ping","id":3}
            0.000s   ann: {"type":"ping","id":4}
                       error id=4 code=overloaded message="wait for the answer to the token" retry=later -> ann
            0.000s   ann is verified as ann
                       welcome id=1 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       pong id=2 -> ann
                       pong id=3 -> ann
            1.000s   ann: {"type":"auth","id":5,"token":"T"}
                       verify T of ann
            1.000s   ann: {"type":"ping","id":6,"unknown":"a long one"}
            1.000s   ann: {"type":"ping","id":7,"unknown":"b"}
                       error id=7 code=overloaded message="wait for the answer to the token" retry=later -> ann
            1.000s   ann: {"type":"ping","id":8}
                       error id=8 code=overloaded message="wait for the answer to the token" retry=later -> ann
            1.000s   ann is verified as ann
                       welcome id=5 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       pong id=6 -> ann
        "#]],
    );
}

#[test]
fn a_key_is_the_users_whatever_the_session() {
    check_with(
        optional,
        r#"
        0s one connects as=ann
        0s two connects as=ann
        0s bob connects
        1s one: {"type":"publish","id":1,"room":"lobby","key":"k","data":1}
        2s two: {"type":"publish","id":2,"room":"lobby","key":"k","data":1}
        2s two: {"type":"publish","id":3,"room":"lobby","key":"k","data":2}
        3s bob: {"type":"publish","id":4,"room":"lobby","key":"k","data":2}
        "#,
        &expect![[r#"
            0.000s   one connects as=ann
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> one
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> one
            0.000s   two connects as=ann
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann*2] more=false recovered=false -> two
            0.000s   bob connects
                       welcome auth=optional max_bytes=32768 session=S3 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann*2, bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann*2, bob] leave=[] v=1 -> one, two, bob
            1.000s   one: {"type":"publish","id":1,"room":"lobby","key":"k","data
                       ack id=1 room=lobby epoch=E1 seq=1 -> one
                       message room=lobby seq=1 data=1 from=ann -> one, two, bob
            2.000s   two: {"type":"publish","id":2,"room":"lobby","key":"k","data
                       ack id=2 room=lobby epoch=E1 seq=1 duplicate=true -> two
            2.000s   two: {"type":"publish","id":3,"room":"lobby","key":"k","data
                       error id=3 code=key_conflict message="the `key` stands for other data" retry=never -> two
            3.000s   bob: {"type":"publish","id":4,"room":"lobby","key":"k","data
                       ack id=4 room=lobby epoch=E1 seq=2 -> bob
                       message room=lobby seq=2 data=2 from=bob -> one, two, bob
        "#]],
    );
}
