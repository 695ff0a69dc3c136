//! A small soak of both runtimes, and what its checker finds in lines that tell of a fault.

use std::thread;
use std::time::Duration;

use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::settings;
use roundtable_tests::soak::book::Deed;
use roundtable_tests::soak::check::Checker;
use roundtable_tests::soak::{Plan, check};

#[test]
fn a_crowd_on_faulty_networks_is_given_everything_once_in_one_order() {
    thread::scope(|scope| {
        for (name, start) in RUNTIMES {
            let play = move || {
                let mut settings = settings();
                (settings.hub.history_entries, settings.hub.recent) = (32, 16);
                let server = start(&settings, None);
                let folder = tempfile::tempdir().expect("a folder");
                let plan = Plan {
                    clients: 50,
                    span: Duration::from_secs(4),
                    pace: Duration::from_millis(400),
                    stay: Duration::from_secs(2),
                    seed: roundtable_tests::proxy::seed(),
                };
                plan.run(server.addr, folder.path()).expect("a folder to write into");
                let counts = check(folder.path()).expect("everything is as promised");
                assert!(counts.joins > 60 && counts.deliveries > 1000, "{name}: {counts:?}");
                server.shut();
            };
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, play).expect("it");
        }
    });
}

/// Two clients in a room, of whom each says something and hears both.
fn right() -> Vec<(u32, Deed)> {
    let joined = |seq, given| Deed::Joined {
        room: 0,
        epoch: "e".to_owned(),
        since: None,
        gap: None,
        given,
        seq,
    };
    vec![
        (0, joined(0, vec![])),
        (0, Deed::Said(1)),
        (0, Deed::Acked(1, 1)),
        (0, Deed::Got(1, (0, 1))),
        (1, joined(1, vec![(1, (0, 1))])),
        (1, Deed::Said(1)),
        (1, Deed::Acked(1, 2)),
        (1, Deed::Got(2, (1, 1))),
        (0, Deed::Got(2, (1, 1))),
        (0, Deed::Done),
        (1, Deed::Done),
    ]
}

fn judge(lines: Vec<(u32, Deed)>) -> Result<u64, String> {
    let mut checker = Checker::default();
    for (who, deed) in lines {
        checker.take(who, deed)?;
    }
    checker.end().map(|counts| counts.deliveries)
}

#[test]
fn the_checker_tells_each_planted_fault() {
    assert_eq!(judge(right()), Ok(4));
    let planted = |plant: fn(&mut Vec<(u32, Deed)>)| {
        let mut lines = right();
        plant(&mut lines);
        judge(lines).expect_err("a fault")
    };
    for (fault, why) in [
        (planted(|lines| drop(lines.remove(8))), "client 0 was given up to 1 of 2"),
        (planted(|lines| drop(lines.remove(3))), "client 0: 2 comes behind 0: lost"),
        (planted(|lines| lines.insert(4, lines[3].clone())), "1 comes behind 1: given twice"),
        (planted(|lines| lines.swap(3, 8)), "client 0: 2 comes behind 0: lost"),
        (planted(|lines| lines[8].1 = Deed::Got(2, (0, 2))), "2 is (0, 2), and (1, 1) to others"),
        (planted(|lines| lines[8].1 = Deed::Gap(3, 3)), "a gap from 3 to 3 behind 1"),
        (planted(|lines| lines[6].1 = Deed::Acked(1, 9)), "acknowledged at 9, and is at 2"),
        (planted(|lines| lines.insert(9, (0, Deed::Got(3, (0, 1))))), "stands at 1 and at 3"),
        (planted(|lines| drop(lines.drain(7..9))), "is acknowledged, and was given to nobody"),
        (planted(|lines| drop(lines.pop())), "client 1 has not come to the end"),
        (planted(|lines| lines.push((1, Deed::Refused("x".to_owned())))), "refused: x"),
    ] {
        assert!(fault.contains(why), "{fault}, not {why}");
    }
}
