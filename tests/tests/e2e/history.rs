//! The histories to replay: real people's keystrokes where they stand beside the checkout, else one
//! that `inkwire-load` generates.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use inkwire_test_support::checkout;

const GENERATED_EDITS: &str = "20000";

/// The histories, in the order of their names.
pub(crate) fn histories() -> &'static [PathBuf] {
    static HISTORIES: OnceLock<Vec<PathBuf>> = OnceLock::new();
    HISTORIES.get_or_init(|| {
        let traces = traces();
        if traces.is_empty() {
            vec![generated()]
        } else {
            traces
        }
    })
}

fn traces() -> Vec<PathBuf> {
    let folder = checkout().join("../shared/traces");
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut traces: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".json.gz"))
        .collect();
    traces.sort();
    traces
}

fn generated() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated.json.gz");
    let status = Command::new(env!("CARGO_BIN_EXE_inkwire-load"))
        .arg("generate")
        .arg(&path)
        .args(["--edits", GENERATED_EDITS, "--seed", "1"])
        .status()
        .unwrap();
    assert!(status.success(), "inkwire-load generate failed");
    path
}
