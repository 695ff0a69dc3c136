//! What `docs/architecture.md` promises of the code's shape, and that the tests which it and
//! `SECURITY.md` name exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below a folder, with its path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder") {
            let entry = entry.expect("a readable folder");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let path = format!("{folder}/{name}");
            if entry.path().is_dir() && name != "target" {
                folders.push(path);
            } else if Path::new(&name).extension().is_some_and(|end| end == "rs") {
                found.push((path.clone(), read(&path)));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// What stands between backquotes in the paragraphs of invariants.
fn named_by_invariants() -> Vec<String> {
    let document = read("docs/architecture.md");
    let invariants =
        document.split("\n\n").filter(|part| part.starts_with("**Architecture invariant:**"));
    let held: Vec<&str> = invariants
        .map(|invariant| invariant.split_once("Held").expect("a test holds it").1)
        .collect();
    assert!(held.len() > 10, "only {} invariants were found", held.len());
    let quoted = held.iter().flat_map(|held| held.split('`').skip(1).step_by(2));
    quoted.map(str::to_owned).collect()
}

/// Those of the names that are neither a test's nor a file's.
fn missing(named: &[String]) -> Vec<&String> {
    let folders = ["core", "server", "runtime-smol", "runtime-std", "tests"];
    let sources: Vec<_> = folders.into_iter().flat_map(sources).collect();
    let is_there = |name: &str| {
        let is_path = name.contains('/') || name.contains('.');
        let holds = |text: &String| text.contains(&format!("fn {name}("));
        if is_path {
            root().join(name).exists() || root().join("tests/tests").join(name).exists()
        } else {
            sources.iter().any(|(_, text)| holds(text))
        }
    };
    named.iter().filter(|name| !is_there(name)).collect()
}

#[test]
fn the_invariants_name_tests_that_exist() {
    let named = named_by_invariants();
    let missing = missing(&named);
    assert!(missing.is_empty(), "docs/architecture.md names what is not there: {missing:?}");
}

#[test]
fn the_threat_model_names_tests_that_exist() {
    let document = read("SECURITY.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20, "only {} threats were found", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, _, _, tests] = cells[..] else { panic!("{row} has no four cells") };
        let named: Vec<String> = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(!named.is_empty(), "no test answers: {row}");
        let missing = missing(&named);
        assert!(missing.is_empty(), "SECURITY.md names what is not there: {missing:?}");
    }
}

#[test]
fn the_code_map_names_files_that_exist() {
    let (document, mut folder, mut checked) = (read("docs/architecture.md"), "", 0);
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            folder = heading.split("/`").next().unwrap_or_default();
        }
        let cells = line.strip_prefix("| `").map(|row| format!("`{row}"));
        let Some(cells) = cells.filter(|_| line.contains('/')) else { continue };
        let files = cells.split('`').skip(1).step_by(2).filter(|name| name.contains('/'));
        for file in files.take_while(|file| !file.contains(' ')) {
            let found = ["", folder, "runtime-std"].map(|at| root().join(at).join(file));
            assert!(found.iter().any(|path| path.exists()), "{folder}: there is no {file}");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} files were found in the code map");
}

#[test]
fn each_package_knows_only_those_below_it() {
    let may_know: [(&str, &[&str]); 4] = [
        ("core", &[]),
        ("server", &["roundtable"]),
        ("runtime-smol", &["roundtable", "roundtable-server"]),
        ("runtime-std", &["roundtable", "roundtable-server"]),
    ];
    for (folder, may_know) in may_know {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).expect("dependencies");
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let names = dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let ours =
            names.filter(|name| name.starts_with("roundtable") || name.starts_with("runtime"));
        for name in ours {
            assert!(may_know.contains(&name), "{folder} knows {name}");
        }
    }
}

#[test]
fn what_servers_share_does_no_io() {
    let words =
        ["TcpStream", "TcpListener", "UdpSocket", "std::thread", "smol::", "mio::", "Instant"];
    for (path, text) in sources("server/src") {
        for word in words {
            assert!(!text.contains(word), "{path} names {word}");
        }
    }
}

#[test]
fn time_is_read_in_one_place() {
    for runtime in ["runtime-smol", "runtime-std"] {
        let clocks: Vec<String> = sources(&format!("{runtime}/src"))
            .into_iter()
            .filter(|(_, text)| text.contains("Instant::now") || text.contains("SystemTime"))
            .map(|(path, _)| path)
            .collect();
        assert_eq!(clocks, [format!("{runtime}/src/clock.rs")]);
    }
}
