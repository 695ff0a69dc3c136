//! The house's rules that no compiler and no lint knows, held by a test.

use std::fs;
use std::path::{Path, PathBuf};

/// A file's lines may be read in one sitting; tests are not counted.
const MOST_LINES: usize = 500;

/// One text file of the repository.
struct File {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }

    /// The lines that are no comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The text before the module of unit tests.
    fn without_tests(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    /// Whether the file belongs to tests, not to what is shipped.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/")
    }
}

/// Every text file of the repository that people wrote.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a readable folder") {
            let entry = entry.expect("a readable folder");
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            let path = folder.join(&name);
            let hidden = name.starts_with('.') && name != ".ci" && name != ".gitignore";
            let made = matches!(&*name, "target" | "node_modules" | "corpus" | "artifacts");
            let by_tools =
                name.ends_with("-regressions") || path.extension() == Some("patch".as_ref());
            if hidden || made || by_tools || name == "Cargo.lock" {
                continue;
            }
            if entry.file_type().expect("a file or a folder").is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(root.join(&path)) {
                let path = path.to_str().expect("a name in UTF-8").replace('\\', "/");
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "the repository has more files than {}", files.len());
    files
}

/// Fails with everything that was found, one line each.
fn nothing(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Whether `word` stands in `line` as a word of its own.
fn names(line: &str, word: &str) -> bool {
    let is_word = |found: char| found.is_alphanumeric() || found == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn lines_that_name(files: &[&File], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.code() {
            for word in words.iter().filter(|word| names(line, word)) {
                found.push(format!("{}:{number} names `{word}`", file.path));
            }
        }
    }
    found
}

#[test]
fn nobody_waits_for_a_lock() {
    let files = files();
    let sources: Vec<&File> = files.iter().filter(|file| file.is(&[".rs"])).collect();
    nothing(&lines_that_name(&sources, &[concat!("Mu", "tex"), concat!("Rw", "Lock")]));
}

#[test]
fn nothing_is_left_undone() {
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    let calls = [concat!("to", "do!"), concat!("unimplemen", "ted!"), concat!("db", "g!(")];
    let mut found = Vec::new();
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            let marks = marks.iter().filter(|mark| names(line, mark));
            let calls = calls.iter().filter(|call| line.contains(**call));
            for mark in marks.chain(calls) {
                found.push(format!("{}:{} says {mark}", file.path, index + 1));
            }
        }
    }
    nothing(&found);
}

#[test]
fn tests_wait_for_events_and_not_for_time() {
    let mut found = Vec::new();
    // The proxy's delays are the faults that it plays, and nobody waits for them.
    let files: Vec<File> =
        files().into_iter().filter(|file| file.path != "tests/src/proxy.rs").collect();
    for file in files.iter().filter(|file| file.is(&[".rs"])) {
        let tests_from = if file.is_test() { 0 } else { file.without_tests().lines().count() };
        for (number, line) in file.code().skip_while(|(number, _)| *number <= tests_from) {
            let sleeps = line.contains(concat!("sle", "ep("));
            let timer = line.contains(concat!("Timer::", "after"));
            if sleeps || (timer && !line.contains("BACKSTOP")) {
                found.push(format!("{}:{number} sleeps", file.path));
            }
        }
    }
    nothing(&found);
}

#[test]
fn the_core_names_nothing_that_is_outside_of_it() {
    let files = files();
    let mut core: Vec<File> = files
        .into_iter()
        .filter(|file| file.path.starts_with("core/src/") && file.is(&[".rs"]))
        .collect();
    let root = core.iter().find(|file| file.path == "core/src/lib.rs").expect("the crate's root");
    assert!(root.text.contains("#![no_std]"), "core/src/lib.rs is not `no_std`");
    for file in &mut core {
        file.text = file.without_tests().to_owned();
    }
    let core: Vec<&File> = core.iter().collect();
    assert!(core.len() > 10, "only {} files in core/src", core.len());
    nothing(&lines_that_name(
        &core,
        &["std", "Instant", "SystemTime", "HashMap", "HashSet", "f32", "f64", "rand", "tracing"],
    ));
}

#[test]
fn a_file_is_read_in_one_sitting() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is(&[".rs", ".js", ".css"])) {
        let lines = file.without_tests().lines().count();
        let is_told = file.path.starts_with("tests/src/transcripts/");
        let is_test = is_told || file.is_test() && !file.path.starts_with("tests/src/");
        if lines > MOST_LINES && !is_test {
            found.push(format!("{} has {lines} lines, at most {MOST_LINES} are read", file.path));
        }
    }
    nothing(&found);
}

#[test]
fn every_module_says_what_it_is() {
    let files = files();
    let sources = files.iter().filter(|file| file.is(&[".rs"]));
    let silent = sources.filter(|file| {
        let begins = file.text.lines().find(|line| !line.starts_with("#!["));
        let included = file.text.contains("#![doc = include_str!");
        !included && !begins.is_some_and(|line| line.starts_with("//! "))
    });
    nothing(
        &silent.map(|file| format!("{} does not begin with `//!`", file.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn no_merge_is_left_half_done() {
    // Put together, so that this file is not found.
    let marks = ["<", ">"].map(|mark| mark.repeat(7) + " ");
    let mut found = Vec::new();
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            if marks.iter().any(|mark| line.starts_with(mark)) {
                found.push(format!("{}:{}: {line}", file.path, index + 1));
            }
        }
    }
    nothing(&found);
}

#[test]
fn text_has_no_tabs_and_no_spaces_at_the_ends_of_lines() {
    let mut found = Vec::new();
    for file in files() {
        for (index, line) in file.text.split('\n').enumerate() {
            // Go's own formatter indents with tabs.
            let tab = line.contains('\t') && !file.is(&[".go"]);
            if tab || line.contains('\r') || line.ends_with(' ') {
                found.push(format!("{}:{} has a tab or a space too many", file.path, index + 1));
            }
        }
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            found.push(format!("{} does not end with one line break", file.path));
        }
    }
    nothing(&found);
}

#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut found = Vec::new();
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                found.push(format!("{}:{} names a folder: {line}", file.path, index + 1));
            }
        }
    }
    nothing(&found);
}

/// The value of a manifest's line `key = "value"`.
fn value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    let line = manifest.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
    line.strip_suffix('"')
}

#[test]
fn every_place_names_the_same_rust() {
    let files = files();
    let workspace = files.iter().find(|file| file.path == "Cargo.toml").expect("the workspace");
    let version = value(&workspace.text, "rust-version").expect("a minimum Rust version");
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is(&["/Cargo.toml", ".md", "/run"])) {
        if let Some(other) = value(&file.text, "rust-version").filter(|other| *other != version) {
            found.push(format!("{} says Rust {other}, the workspace {version}", file.path));
        }
        for (start, _) in file.text.match_indices("Rust 1.") {
            let number = file.text[start + 5..].split(|c: char| !c.is_ascii_digit() && c != '.');
            let number = number.map(|number| number.trim_end_matches('.')).next();
            if number != Some(version) {
                found.push(format!("{} says Rust {number:?}, not {version}", file.path));
            }
        }
    }
    let fuzz = files.iter().find(|file| file.path == "fuzz/Cargo.toml").expect("the fuzz targets");
    for key in ["edition", "version", "license"] {
        if value(&fuzz.text, key) != value(&workspace.text, key) {
            found.push(format!("fuzz/Cargo.toml has another {key} than the workspace"));
        }
    }
    nothing(&found);
}

#[test]
fn every_dependency_has_its_reason() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is(&["/Cargo.toml"])) {
        let (mut inside, mut reason) = (false, false);
        for (index, line) in file.text.lines().enumerate() {
            if line.starts_with('[') {
                inside = line.contains("dependencies]");
                reason = false;
            } else if line.starts_with('#') {
                reason = true;
            } else if line.is_empty() {
                reason = false;
            } else if line.starts_with("roundtable") || line.starts_with("runtime-") {
                // The workspace's own say themselves what they are.
            } else if inside && !reason {
                found.push(format!("{}:{} gives no reason: {line}", file.path, index + 1));
            }
        }
    }
    nothing(&found);
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let files = files();
    let manifests = files.iter().filter(|file| file.is(&["/Cargo.toml"]));
    // A manifest with a workspace of its own has no other one to take them from.
    let packages = manifests.filter(|file| !file.text.contains("\n[workspace]\n"));
    let without = packages.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    nothing(&without.map(|file| format!("{} has lints of its own", file.path)).collect::<Vec<_>>());
}

#[test]
fn operators_are_told_what_each_line_of_the_log_means() {
    let files = files();
    let told = files.iter().find(|file| file.path == "docs/operations.md").expect("the document");
    let (_, table) = told.text.split_once("<!-- log -->").expect("the table begins");
    let (table, _) = table.split_once("<!-- /log -->").expect("the table ends");
    let (mut found, mut count) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.path.contains("/src/") && file.is(&[".rs"])) {
        for (level, call) in [("info", "info!("), ("warn", "warn!("), ("error", "error!(")] {
            for (start, _) in file.without_tests().match_indices(call) {
                // What stands in the line for values is not in the table.
                let message = file.text[start..].split('"').nth(1).expect("a message");
                let words = message.split(['{', '}']).step_by(2).max_by_key(|part| part.len());
                let (row, words) = (format!("| {level} |"), words.unwrap_or_default().trim());
                if !table.lines().any(|line| line.starts_with(&row) && line.contains(words)) {
                    found.push(format!("{}: {level} `{message}` is not told", file.path));
                }
                count += 1;
            }
        }
    }
    assert!(count > 25, "there are more lines than {count}");
    nothing(&found);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is(&[".md"])) {
        let folder = root.join(&file.path).parent().expect("a file is in a folder").to_owned();
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            // What rustdoc resolves, rustdoc checks.
            let is_item = target.contains("::");
            let outside = target.contains("://") || target.is_empty();
            if !is_item && !outside && !folder.join(target).exists() {
                found.push(format!("{} links to {link}", file.path));
            }
        }
    }
    nothing(&found);
}
