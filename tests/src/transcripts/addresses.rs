//! Limits by address: how many at a time, how many new ones, and what is told to the others.

use expect_test::expect;
use roundtable::Auth;

use super::world::check_with;

#[test]
fn an_address_has_so_many_connections_at_a_time() {
    check_with(
        |config| config.address_connections = 2,
        r#"
        0s ann connects room= from=1
        0s bob connects room= from=1
        0s carl connects room= from=1
        0s dan connects room= from=2
        0s eve connects room=
        1s ann vanishes
        1s carl connects room= from=1
        1s ann connects room= from=1
        2s bob: {"type":"bye"}
        2s ann connects room= from=1
        "#,
        &expect![[r#"
            0.000s   ann connects room= from=1
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   bob connects room= from=1
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
            0.000s   carl connects room= from=1
                       refuse carl TooManyConnections, retry after 10s
            0.000s   dan connects room= from=2
                       welcome max_bytes=32768 session=S3 user=dan v=1 -> dan
            0.000s   eve connects room=
                       welcome max_bytes=32768 session=S4 user=eve v=1 -> eve
            1.000s   ann vanishes
            1.000s   carl connects room= from=1
                       welcome max_bytes=32768 session=S5 user=carl v=1 -> carl
            1.000s   ann connects room= from=1
                       refuse ann TooManyConnections, retry after 10s
            2.000s   bob: {"type":"bye"}
                       bye code=1000 reason=normal -> bob
                       close bob 1000 normal
            2.000s   ann connects room= from=1
                       welcome max_bytes=32768 session=S6 user=ann v=1 -> ann
        "#]],
    );
}

#[test]
fn an_address_begins_so_many_connections_and_then_goes_by_the_rate() {
    check_with(
        |config| {
            config.address_burst = 2;
            config.address_per_minute = 6;
        },
        r#"
        0s ann connects room= from=1
        0s ann vanishes
        0s ann connects room= from=1
        0s ann vanishes
        0s ann connects room= from=1
        9.999s ann connects room= from=1
        10s ann connects room= from=1
        10s bob connects room= from=1
        30s ann vanishes
        30s ann connects room= from=1
        30s bob connects room= from=1
        30s carl connects room= from=1
        "#,
        &expect![[r#"
            0.000s   ann connects room= from=1
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   ann vanishes
            0.000s   ann connects room= from=1
                       welcome max_bytes=32768 session=S2 user=ann v=1 -> ann
            0.000s   ann vanishes
            0.000s   ann connects room= from=1
                       refuse ann TooFast, retry after 10s
            9.999s   ann connects room= from=1
                       refuse ann TooFast, retry after 1ms
            10.000s  ann connects room= from=1
                       welcome max_bytes=32768 session=S3 user=ann v=1 -> ann
            10.000s  bob connects room= from=1
                       refuse bob TooFast, retry after 10s
            30.000s  ann vanishes
            30.000s  ann connects room= from=1
                       welcome max_bytes=32768 session=S4 user=ann v=1 -> ann
            30.000s  bob connects room= from=1
                       welcome max_bytes=32768 session=S5 user=bob v=1 -> bob
            30.000s  carl connects room= from=1
                       refuse carl TooFast, retry after 10s
        "#]],
    );
}

#[test]
fn who_comes_back_to_a_session_takes_the_count_along() {
    check_with(
        |config| config.address_connections = 1,
        r#"
        0s ann connects from=1
        1s bob connects room= from=2
        1s bob: {"type":"hello","resume":"TICKET1"}
        2s carl connects room= from=1
        2s dan connects room= from=2
        "#,
        &expect![[r#"
            0.000s   ann connects from=1
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
                       joined room=lobby epoch=E1 seq=0 history=[] members=0:1[ann] more=false recovered=false -> ann
            0.500s   tick
                       presence room=lobby join=[ann] leave=[] v=1 -> ann
            1.000s   bob connects room= from=2
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
            1.000s   bob: {"type":"hello","resume":"TICKET1"}
                       bye code=4503 reason=session_taken -> ann
                       close ann 4503 session_taken
                       welcome max_bytes=32768 resumed=true session=S1 user=ann v=1 -> bob
                       joined room=lobby epoch=E1 seq=0 history=[] members=1:1[ann] more=false recovered=true -> bob
            2.000s   carl connects room= from=1
                       welcome max_bytes=32768 session=S3 user=carl v=1 -> carl
            2.000s   dan connects room= from=2
                       refuse dan TooManyConnections, retry after 10s
        "#]],
    );
}

#[test]
fn addresses_without_connections_give_way() {
    check_with(
        |config| config.max_addresses = 2,
        r#"
        0s ann connects room= from=1
        0s bob connects room= from=2
        0s carl connects room= from=3
        0s ann vanishes
        0s carl connects room= from=3
        0s ann connects room= from=1
        "#,
        &expect![[r#"
            0.000s   ann connects room= from=1
                       welcome max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   bob connects room= from=2
                       welcome max_bytes=32768 session=S2 user=bob v=1 -> bob
            0.000s   carl connects room= from=3
                       refuse carl TooManyAddresses, retry after 10s
            0.000s   ann vanishes
            0.000s   carl connects room= from=3
                       welcome max_bytes=32768 session=S3 user=carl v=1 -> carl
            0.000s   ann connects room= from=1
                       refuse ann TooManyAddresses, retry after 10s
        "#]],
    );
}

#[test]
fn connections_without_a_token_are_counted_apart() {
    check_with(
        |config| {
            config.auth = Auth::Optional;
            config.max_unverified = 1;
        },
        r#"
        0s ann connects room=
        0s bob connects room=
        0s carl connects room= as=carl
        1s ann vanishes
        1s bob connects room=
        "#,
        &expect![[r#"
            0.000s   ann connects room=
                       welcome auth=optional max_bytes=32768 session=S1 user=ann v=1 -> ann
            0.000s   bob connects room=
                       refuse bob TooManyUnverified, retry after 10s
            0.000s   carl connects room= as=carl
                       welcome auth=optional max_bytes=32768 session=S2 user=carl v=1 -> carl
            1.000s   ann vanishes
            1.000s   bob connects room=
                       welcome auth=optional max_bytes=32768 session=S3 user=bob v=1 -> bob
        "#]],
    );
}
