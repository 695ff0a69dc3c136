//! What a comparison consists of, without measuring anything.

use super::*;

const INSTALLED: &str =
    "gorilla: gorilla/websocket 1.5.0\ngorilla-joined: the same\naxum: axum 0.8\n";

fn names(programs: &[Program]) -> Vec<&'static str> {
    programs.iter().map(|program| program.name).collect()
}

#[test]
fn peers_that_are_not_installed_are_left_out() {
    let greeting = root().join("target/benchmarks/raw/greeting");
    let programs = servers::programs(Path::new("/somewhere"), &greeting, INSTALLED);
    let floors = ["floor", "floor-batched", "floor-batched-long", "floor-greeting"];
    assert_eq!(names(&programs)[..4], floors);
    assert_eq!(
        names(&programs)[4..],
        ["runtime-smol", "runtime-std", "gorilla", "gorilla-joined", "axum"]
    );
    let commands: Vec<String> = programs.iter().map(Program::command).collect();
    assert_eq!(commands[1], "target/release/bench floor --batched");
    assert_eq!(commands[3], "target/release/bench floor --greet target/benchmarks/raw/greeting");
    assert_eq!(commands[7], "bench/peers/target/gorilla -join");
    assert_eq!(programs[6].versions, "gorilla/websocket 1.5.0");
}

#[test]
fn each_work_has_the_servers_that_its_target_names() {
    let programs = servers::programs(Path::new(""), Path::new("greeting"), INSTALLED);
    let done_by = |name: &str| {
        let work = WORKS.iter().find(|work| work.name == name).expect("a work");
        let able = programs.iter().filter(|program| work.is_done_by(program));
        able.map(|program| program.name).collect::<Vec<_>>()
    };
    assert_eq!(done_by("shards-2"), ["runtime-smol"]);
    assert_eq!(done_by("storm")[..2], ["floor-greeting", "runtime-smol"]);
    let floors = ["floor", "floor-batched", "floor-batched-long"];
    assert_eq!(done_by("room-1000-saturated")[..3], floors);
    assert_eq!(done_by("idle-19000")[..3], ["floor", "runtime-smol", "runtime-std"]);
}

#[test]
fn what_is_unknown_is_said() {
    let choose = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let works = chosen(&names, WORKS.iter().collect(), |work| work.name)?;
        Ok::<usize, String>(works.len())
    };
    assert_eq!(choose(&[]), Ok(WORKS.len()));
    assert_eq!(choose(&["storm", "shards-1"]), Ok(2));
    assert!(
        choose(&["strom"]).is_err_and(|error| error.starts_with("strom: must be one of room-"))
    );
}
