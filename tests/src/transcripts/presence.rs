//! Who is there, as the members of a room are told.

use core::time::Duration;

use expect_test::expect;
use roundtable::{Auth, Config};

use super::world::{check, check_with, small};

#[test]
fn who_comes_and_goes_is_told_together() {
    check(
        r#"
        0s ann connects
        5s bob connects
        5.2s eve connects
        5.4s eve: {"type":"bye"}
        6s dan connects
        7s bob: {"type":"leave","id":1,"room":"lobby"}
        7.1s bob: {"type":"join","id":2,"room":"lobby"}
        8s wait
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            5.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:2[ann, bob] more=false recovered=false -> bob
            5.200s   eve connects
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:3[ann, bob, eve] more=false recovered=false -> eve
            5.400s   eve: {"type":"bye"}
                       bye code=1000 reason=normal -> eve
                       close eve 1000 normal
            5.500s   tick
                       presence room=lobby join=[bob] leave=[eve] v=2 -> ann, bob
            6.000s   dan connects
                       welcome max_bytes=32768 session=S4 user=dan v=1 -> dan
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:3[ann, bob, dan] more=false recovered=false -> dan
            6.500s   tick
                       presence room=lobby join=[dan] leave=[] v=3 -> ann, bob, dan
            7.000s   bob: {"type":"leave","id":1,"room":"lobby"}
                       left id=1 room=lobby -> bob
            7.100s   bob: {"type":"join","id":2,"room":"lobby"}
                       joined id=2 room=lobby epoch=E1 seq=0 history=[] members=3:3[ann, bob, dan] more=false recovered=false -> bob
            7.500s   tick
                       presence room=lobby join=[bob] leave=[] v=4 -> ann, dan, bob
        "#]],
    );
}

#[test]
fn who_loses_the_connection_is_there_for_a_while() {
    check(
        r#"
        0s ann connects
        0s bob connects
        0s eve connects
        10s bob vanishes
        10s eve vanishes
        24.9s bob2 connects room=
        24.9s bob2: {"type":"hello","id":1,"resume":"TICKET2"}
        26s wait
        30s eve2 connects room=
        30s eve2: {"type":"hello","id":1,"resume":"TICKET3"}
        31s wait
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> bob
            0.000s   eve connects
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:3[ann, bob, eve] more=false recovered=false -> eve
            0.500s   tick
                       presence room=lobby join=[ann, bob, eve] leave=[] v=1 -> ann, bob, eve
            10.000s  bob vanishes
            10.000s  eve vanishes
            23.361s  tick
                       ping ann
            24.900s  bob2 connects room=
                       welcome max_bytes=32768 session=S4 user=bob2 v=1 -> bob2
            24.900s  bob2: {"type":"hello","id":1,"resume":"TICKET2"}
                       welcome id=1 max_bytes=32768 resumed=true session=S2 user=bob v=1 -> bob2
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:3[ann, bob, eve] more=false recovered=true -> bob2
            25.500s  tick
                       presence room=lobby join=[] leave=[eve] v=2 -> ann, bob2
            30.000s  eve2 connects room=
                       welcome max_bytes=32768 session=S5 user=eve2 v=1 -> eve2
            30.000s  eve2: {"type":"hello","id":1,"resume":"TICKET3"}
                       welcome id=1 max_bytes=32768 resumed=true session=S3 user=eve v=1 -> eve2
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:3[ann, bob, eve] more=false recovered=true -> eve2
            30.500s  tick
                       presence room=lobby join=[eve] leave=[] v=3 -> ann, bob2, eve2
        "#]],
    );
}

#[test]
fn a_user_is_there_as_often_as_it_has_sessions() {
    check_with(
        |config| config.auth = Auth::Optional,
        r#"
        0s one connects as=ann
        1s two connects as=ann
        2s two: {"type":"bye"}
        3s two connects as=ann
        4s one vanishes
        5s two: {"type":"bye"}
        25s bob connects
        "#,
        &expect![[r#"
            0.000s   one connects as=ann
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> one
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> one
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> one
            1.000s   two connects as=ann
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> two
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:1[ann*2] more=false recovered=false -> two
            1.500s   tick
                       presence room=lobby join=[ann*2] leave=[] v=2 -> one, two
            2.000s   two: {"type":"bye"}
                       bye code=1000 reason=normal -> two
                       close two 1000 normal
            2.500s   tick
                       presence room=lobby join=[ann] leave=[] v=3 -> one
            3.000s   two connects as=ann
                       welcome auth=optional max_bytes=32768 session=S3 user=ann v=1 -> two
                       joined room=lobby epoch=E1 seq=0 history=[] members=3:1[ann*2] more=false recovered=false -> two
            3.500s   tick
                       presence room=lobby join=[ann*2] leave=[] v=4 -> one, two
            4.000s   one vanishes
            5.000s   two: {"type":"bye"}
                       bye code=1000 reason=normal -> two
                       close two 1000 normal
            25.000s  bob connects
                       welcome auth=optional max_bytes=32768 session=S4 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=6:1[bob] more=false recovered=false -> bob
        "#]],
    );
}

#[test]
fn of_many_only_the_number_is_told() {
    check_with(
        |config| config.presence_list = 2,
        r#"
        0s ann connects
        0s bob connects
        1s eve connects
        2s dan connects
        3s dan: {"type":"presence","id":1,"room":"lobby"}
        4s dan: {"type":"bye"}
        5s eve: {"type":"bye"}
        5.1s fay connects
        5.2s fay: {"type":"bye"}
        6s gus connects
        6.1s gus: {"type":"bye"}
        6.2s hal connects
        6.3s hal: {"type":"bye"}
        7s wait
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
            1.000s   eve connects
                       welcome max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:3 more=false recovered=false -> eve
            1.500s   tick
                       presence room=lobby count=3 v=2 -> ann, bob, eve
            2.000s   dan connects
                       welcome max_bytes=32768 session=S4 user=dan v=1 -> dan
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:4 more=false recovered=false -> dan
            2.500s   tick
                       presence room=lobby count=4 v=3 -> ann, bob, eve, dan
            3.000s   dan: {"type":"presence","id":1,"room":"lobby"}
                       presence id=1 room=lobby count=4 v=3 -> dan
            4.000s   dan: {"type":"bye"}
                       bye code=1000 reason=normal -> dan
                       close dan 1000 normal
            4.500s   tick
                       presence room=lobby count=3 v=4 -> ann, bob, eve
            5.000s   eve: {"type":"bye"}
                       bye code=1000 reason=normal -> eve
                       close eve 1000 normal
            5.100s   fay connects
                       welcome max_bytes=32768 session=S5 user=fay v=1 -> fay
                       joined room=lobby epoch=E1 seq=0 history=[] members=4:3 more=false recovered=false -> fay
            5.200s   fay: {"type":"bye"}
                       bye code=1000 reason=normal -> fay
                       close fay 1000 normal
            5.500s   tick
                       presence room=lobby count=2 list=[ann, bob] v=5 -> ann, bob
            6.000s   gus connects
                       welcome max_bytes=32768 session=S6 user=gus v=1 -> gus
                       joined room=lobby epoch=E1 seq=0 history=[] members=5:3 more=false recovered=false -> gus
            6.100s   gus: {"type":"bye"}
                       bye code=1000 reason=normal -> gus
                       close gus 1000 normal
            6.200s   hal connects
                       welcome max_bytes=32768 session=S7 user=hal v=1 -> hal
                       joined room=lobby epoch=E1 seq=0 history=[] members=5:3 more=false recovered=false -> hal
            6.300s   hal: {"type":"bye"}
                       bye code=1000 reason=normal -> hal
                       close hal 1000 normal
            6.500s   tick
                       presence room=lobby count=2 list=[ann, bob] v=6 -> ann, bob
        "#]],
    );
}

#[test]
fn who_asks_is_given_everybody() {
    check(
        r#"
        0s ann connects
        0s bob connects room=tea
        1s ann: {"type":"presence","id":1,"room":"lobby"}
        1s ann: {"type":"presence","room":" lobby "}
        1s ann: {"type":"presence","id":2,"room":"tea"}
        1s ann: {"type":"presence","id":3}
        "#,
        &expect![[r#"
            0.000s   ann connects
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.000s   bob connects room=tea
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=tea epoch=E2 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
                       presence room=tea join=[bob] leave=[] v=1 -> bob
            1.000s   ann: {"type":"presence","id":1,"room":"lobby"}
                       presence id=1 room=lobby count=1 list=[ann] v=1 -> ann
            1.000s   ann: {"type":"presence","room":" lobby "}
                       presence room=lobby count=1 list=[ann] v=1 -> ann
            1.000s   ann: {"type":"presence","id":2,"room":"tea"}
                       error id=2 code=not_joined message="join the room first" retry=never -> ann
            1.000s   ann: {"type":"presence","id":3}
                       error id=3 code=bad_field message="`room` is missing" retry=never -> ann
        "#]],
    );
}

#[test]
fn who_lags_is_given_one_list_and_no_differences() {
    check_with(
        small,
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s eve connects
        5s dan connects
        6s eve: {"type":"bye"}
        7s bob reads
        8s fay connects
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
            4.000s   eve connects
                       welcome max_bytes=4096 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=3 history=[3 "3 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=1:3[ann, bob, eve] more=true recovered=false -> eve
            4.500s   tick
                       presence room=lobby join=[eve] leave=[] v=2 -> ann, bob, eve
            5.000s   dan connects
                       welcome max_bytes=4096 session=S4 user=dan v=1 -> dan
                       joined room=lobby epoch=E1 seq=3 history=[3 "3 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=2:4[ann, bob, dan, eve] more=true recovered=false -> dan
            5.500s   tick
                       presence room=lobby join=[dan] leave=[] v=3 -> ann, bob, eve, dan
            6.000s   eve: {"type":"bye"}
                       bye code=1000 reason=normal -> eve
                       close eve 1000 normal
            6.500s   tick
                       presence room=lobby join=[] leave=[eve] v=4 -> ann, dan
            7.000s   bob reads
                       presence room=lobby count=3 list=[ann, bob, dan] v=4 -> bob
            8.000s   fay connects
                       welcome max_bytes=4096 session=S5 user=fay v=1 -> fay
                       joined room=lobby epoch=E1 seq=3 history=[3 "3 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=4:4[ann, bob, dan, fay] more=true recovered=false -> fay
            8.500s   tick
                       presence room=lobby join=[fay] leave=[] v=5 -> ann, dan, bob, fay
        "#]],
    );
}

#[test]
fn a_difference_without_room_is_made_up_for_by_a_list() {
    check_with(
        patient,
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s bob: {"type":"ping","id":"IDID"}
        4s bob: {"type":"ping","id":"IDID"}
        5s eve connects
        6s dan connects
        7s bob reads
        8s wait
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
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            4.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            5.000s   eve connects
                       welcome max_bytes=4096 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=3 history=[3 "3 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=1:3[ann, bob, eve] more=true recovered=false -> eve
            5.500s   tick
                       presence room=lobby join=[eve] leave=[] v=2 -> ann, eve
            6.000s   dan connects
                       welcome max_bytes=4096 session=S4 user=dan v=1 -> dan
                       joined room=lobby epoch=E1 seq=3 history=[3 "3 xxxxxxxxxxxxxxxxxx… (3508 bytes) members=2:4[ann, bob, dan, eve] more=true recovered=false -> dan
            6.500s   tick
                       presence room=lobby join=[dan] leave=[] v=3 -> ann, eve, dan
            7.000s   bob reads
                       presence room=lobby count=4 list=[ann, bob, dan, eve] v=3 -> bob
        "#]],
    );
}

#[test]
fn where_there_is_no_room_for_a_list_it_follows() {
    check_with(
        patient,
        r#"
        0s ann connects
        0s bob connects
        1s bob stalls
        1s ann: 1 PAD
        2s ann: 2 PAD
        3s ann: 3 PAD
        4s bob: {"type":"join","id":1,"room":"tea"}
        5s bob: {"type":"join","id":2,"room":"lobby"}
        5s bob: {"type":"presence","id":3,"room":"lobby"}
        6s bob: {"type":"ping","id":"IDID"}
        6s bob: {"type":"ping","id":"IDID"}
        6s bob: {"type":"presence","id":4,"room":"lobby"}
        7s bob reads
        8s wait
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
            4.000s   bob: {"type":"join","id":1,"room":"tea"}
                       joined id=1 room=tea epoch=E2 seq=0 history=[] members=0:1 more=false recovered=false -> bob
            5.000s   bob: {"type":"join","id":2,"room":"lobby"}
                       joined id=2 room=lobby epoch=E1 seq=3 history=[] members=1:2 more=true recovered=false -> bob
            5.000s   bob: {"type":"presence","id":3,"room":"lobby"}
                       error id=3 code=overloaded message="the connection reads too slowly for a list" retry=later -> bob
            6.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            6.000s   bob: {"type":"ping","id":"IDID"}
                       pong id=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii -> bob
            6.000s   bob: {"type":"presence","id":4,"room":"lobby"}
                       error id=4 code=overloaded message="the connection reads too slowly for a list" retry=later -> bob
            7.000s   bob reads
                       presence room=lobby count=2 list=[ann, bob] v=1 -> bob
                       presence room=tea count=1 list=[bob] v=1 -> bob
        "#]],
    );
}

/// Windows that a few texts fill, and time for who does not read.
fn patient(config: &mut Config) {
    small(config);
    config.write_timeout = Duration::from_mins(1);
}

#[test]
fn who_may_not_know_is_not_told_until_it_may() {
    check_with(
        |config| config.auth = Auth::Optional,
        r#"
        0s bob connects
        0s ann connects room=
        0s ann: {"type":"hello","id":1,"token":"t"}
        0s ann is verified as ann can=lobby:join,publish
        1s ann: {"type":"join","id":2,"room":"lobby"}
        2s ann: {"type":"presence","id":3,"room":"lobby"}
        3s eve connects
        4s ann: {"type":"auth","id":4,"token":"u"}
        4s ann is verified as ann can=lobby:join,presence
        5s eve: {"type":"bye"}
        6s ann: {"type":"auth","id":5,"token":"v"}
        6s ann is verified as ann can=lobby:join
        7s bob: {"type":"bye"}
        8s wait
        "#,
        &expect![[r#"
            0.000s   bob connects
                       welcome auth=optional max_bytes=32768 session=S1 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.000s   ann connects room=
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
            0.000s   ann: {"type":"hello","id":1,"token":"t"}
                       verify t of ann
            0.000s   ann is verified as ann can=lobby:join,publish
                       welcome id=1 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
            0.500s   tick
                       presence room=lobby join=[bob] leave=[] v=1 -> bob
            1.000s   ann: {"type":"join","id":2,"room":"lobby"}
                       joined id=2 room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> ann
            1.500s   tick
                       presence room=lobby join=[ann] leave=[] v=2 -> bob
            2.000s   ann: {"type":"presence","id":3,"room":"lobby"}
                       error id=3 code=forbidden message="this is not allowed in the room" retry=never -> ann
            3.000s   eve connects
                       welcome auth=optional max_bytes=32768 session=S3 user=eve v=1 -> eve
                       joined room=lobby epoch=E1 seq=0 history=[] members=2:3[ann, bob, eve] more=false recovered=false -> eve
            3.500s   tick
                       presence room=lobby join=[eve] leave=[] v=3 -> bob, eve
            4.000s   ann: {"type":"auth","id":4,"token":"u"}
                       verify u of ann
            4.000s   ann is verified as ann can=lobby:join,presence
                       welcome id=4 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       presence room=lobby count=3 list=[ann, bob, eve] v=3 -> ann
            5.000s   eve: {"type":"bye"}
                       bye code=1000 reason=normal -> eve
                       close eve 1000 normal
            5.500s   tick
                       presence room=lobby join=[] leave=[eve] v=4 -> bob, ann
            6.000s   ann: {"type":"auth","id":5,"token":"v"}
                       verify v of ann
            6.000s   ann is verified as ann can=lobby:join
                       welcome id=5 auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
            7.000s   bob: {"type":"bye"}
                       bye code=1000 reason=normal -> bob
                       close bob 1000 normal
        "#]],
    );
}

#[test]
fn who_is_shown_out_by_a_fresh_token_is_owed_nothing() {
    check_with(
        |config| config.auth = Auth::Optional,
        r#"
        0s ann connects room=
        0s ann: {"type":"hello","id":1,"token":"t"}
        0s ann is verified as ann can=lobby:join
        0s ann: {"type":"join","id":2,"room":"lobby"}
        1s ann: {"type":"auth","id":3,"token":"u"}
        1s ann is verified as ann can=lobby:presence
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   ann: {"type":"hello","id":1,"token":"t"}
                       verify t of ann
            0.000s   ann is verified as ann can=lobby:join
                       welcome id=1 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   ann: {"type":"join","id":2,"room":"lobby"}
                       joined id=2 room=lobby epoch=E1 seq=0 history=[] more=false recovered=false -> ann
            1.000s   ann: {"type":"auth","id":3,"token":"u"}
                       verify u of ann
            1.000s   ann is verified as ann can=lobby:presence
                       welcome id=3 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
                       left room=lobby reason=forbidden -> ann
        "#]],
    );
}

#[test]
fn whose_name_is_anothers_is_gone() {
    check_with(
        |config| config.auth = Auth::Optional,
        r#"
        0s bob connects
        0s ann connects
        1s ann vanishes
        2s verified connects room= as=ann
        3s verified: {"type":"join","id":1,"room":"lobby"}
        4s back connects room=
        4s back: {"type":"hello","id":1,"resume":"TICKET2"}
        5s wait
        "#,
        &expect![[r#"
            0.000s   bob connects
                       welcome auth=optional max_bytes=32768 session=S1 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.000s   ann connects
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> bob, ann
            1.000s   ann vanishes
            2.000s   verified connects room= as=ann
                       welcome auth=optional max_bytes=32768 session=S3 user=ann v=1 -> verified
            2.500s   tick
                       presence room=lobby join=[] leave=[ann] v=2 -> bob
            3.000s   verified: {"type":"join","id":1,"room":"lobby"}
                       joined id=1 room=lobby epoch=E1 seq=0 history=[] members=2:2[ann, bob] more=false recovered=false -> verified
            3.500s   tick
                       presence room=lobby join=[ann] leave=[] v=3 -> bob, verified
            4.000s   back connects room=
                       welcome auth=optional max_bytes=32768 session=S4 user=back v=1 -> back
            4.000s   back: {"type":"hello","id":1,"resume":"TICKET2"}
                       welcome id=1 auth=optional max_bytes=32768 resumed=true session=S2 user=ann-2 v=1 -> back
                       joined room=lobby epoch=E1 seq=0 history=[] members=3:3[ann, ann-2, bob] more=false recovered=true -> back
            4.500s   tick
                       presence room=lobby join=[ann-2] leave=[] v=4 -> bob, verified, back
        "#]],
    );
}
