//! What is told to whom who may not know everything.

use expect_test::expect;
use roundtable::{Auth, Config};

use super::world::check_with;

fn optional(config: &mut Config) {
    config.auth = Auth::Optional;
}

#[test]
fn a_second_join_does_not_tell_of_a_past_that_nobody_may_read() {
    check_with(
        optional,
        r#"
        0s bob connects as=bob
        0s bob: one
        1s ann connects as=ann can=*:join,publish
        2s ann: {"type":"join","id":1,"room":"lobby"}
        "#,
        &expect![[r#"
            0.000s   bob connects as=bob
                       welcome auth=optional max_bytes=32768 session=S1 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.000s   bob: one
                       message room=lobby seq=1 data="one" from=bob -> bob
            0.500s   tick
                       presence room=lobby join=[bob] leave=[] v=1 -> bob
            1.000s   ann connects as=ann can=*:join,publish
                       welcome auth=optional max_bytes=32768 session=S2 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=1 history=[] more=false recovered=false -> ann
            1.500s   tick
                       presence room=lobby join=[ann] leave=[] v=2 -> bob
            2.000s   ann: {"type":"join","id":1,"room":"lobby"}
                       joined id=1 room=lobby epoch=E1 seq=1 history=[] more=false recovered=false -> ann
        "#]],
    );
}

#[test]
fn a_name_is_free_when_the_server_stops_and_its_user_is_away() {
    check_with(
        optional,
        r#"
        0s eve connects room= name=
        0s bob connects
        0s ann connects as=ann
        1s ann vanishes
        2s drain 30s
        2s eve: {"type":"hello","id":1,"name":"ann"}
        "#,
        &expect![[r#"
            0.000s   eve connects room= name=
                       welcome auth=optional max_bytes=32768 session=S1 user=guest-530t8k v=1 -> eve
            0.000s   bob connects
                       welcome auth=optional max_bytes=32768 session=S2 user=bob v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[bob] more=false recovered=false -> bob
            0.000s   ann connects as=ann
                       welcome auth=optional max_bytes=32768 session=S3 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:2[ann, bob] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann, bob] leave=[] v=1 -> bob, ann
            1.000s   ann vanishes
            2.000s   drain 30s
            2.000s   tick
                       bye code=4002 after_ms=969 reason=drain -> eve
            2.000s   eve: {"type":"hello","id":1,"name":"ann"}
                       welcome id=1 auth=optional max_bytes=32768 session=S1 user=ann v=1 -> eve
        "#]],
    );
}
