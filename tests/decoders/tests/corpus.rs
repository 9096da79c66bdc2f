//! The corpus of each fuzz target, and every input that once failed, through the target's check.

use std::{fs, path::PathBuf};

use inkwire_decoders::TARGETS;

#[test]
fn every_input_of_every_corpus_holds() {
    let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut inputs = 0;
    for (target, check) in TARGETS {
        let mut of_target = 0;
        for folder in ["corpus", "regressions"] {
            let Ok(files) = fs::read_dir(fuzz.join(folder).join(target)) else {
                continue;
            };
            for file in files {
                check(&fs::read(file.unwrap().path()).unwrap());
                of_target += 1;
            }
        }
        assert!(of_target > 0, "{target} has no corpus");
        inputs += of_target;
    }
    println!("{inputs} inputs");
}

#[test]
fn every_check_has_a_fuzz_target_and_the_other_way_round() {
    let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut targets: Vec<String> = fs::read_dir(fuzz)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, TARGETS.map(|(name, _)| name));
}
