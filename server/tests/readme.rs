//! The README says what the code says: its table of settings, its example, its version of Rust.
//! `UPDATE_EXPECT=1` writes the table.

use roundtable_server::Settings;

const README: &str = include_str!("../../README.md");
const CORE: &str = include_str!("../../core/README.md");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

const FROM: &str = "<!-- settings -->\n";
const TO: &str = "<!-- /settings -->\n";

#[test]
fn the_table_of_settings_is_the_codes() {
    let (before, rest) = README.split_once(FROM).expect("the table begins");
    let (table, after) = rest.split_once(TO).expect("the table ends");
    let expected = Settings::table_markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let readme = format!("{before}{FROM}{expected}{TO}{after}");
        std::fs::write(PATH, readme).expect("the README can be written");
        return;
    }
    assert!(expected.lines().count() > 40, "the table has every setting");
    assert_eq!(table, expected, "UPDATE_EXPECT=1 writes the table");
}

#[test]
fn the_embedding_is_the_one_that_is_run() {
    let (_, rest) = README.split_once("```rust\n").expect("an example in Rust");
    let (example, rest) = rest.split_once("```\n").expect("the example ends");
    assert!(CORE.contains(example), "core/README.md, which is compiled, has another example");
    assert!(!rest.contains("```rust"), "an example that is not compiled");
}

#[test]
fn the_version_of_rust_is_the_manifests() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(README.contains(&format!("Rust {version} or newer")), "the manifest says {version}");
}
