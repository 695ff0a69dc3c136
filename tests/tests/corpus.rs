//! What the fuzzer has found worth keeping, replayed without it: the corpus covers every edge of the
//! hub that it has reached so far.

use std::fs;
use std::path::Path;

use roundtable_tests::check;
use roundtable_tests::decode::decode;

#[test]
fn the_corpus_of_the_hub_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/hub");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is committed")
        .map(|file| file.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 100, "only {} files in {}", files.len(), folder.display());
    for file in files {
        // The name of the file that fails is what one needs to know.
        println!("{}", file.display());
        check(&decode(&fs::read(&file).expect("a readable file")));
    }
}
