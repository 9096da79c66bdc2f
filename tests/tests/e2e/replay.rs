//! One run of `inkwire-load replay`, and its verdict.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

pub(crate) struct Replay(Child);

/// The line of JSON at the end.
#[derive(Debug)]
pub(crate) struct Verdict(Value);

impl Replay {
    pub(crate) fn start(
        history: &Path,
        document: &str,
        writer: &str,
        readers: &[String],
        more: &[&str],
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inkwire-load"));
        command
            .arg("replay")
            .arg(history)
            .args(["--json", "--document", document]);
        command.args(["--write", writer]);
        for reader in readers {
            command.args(["--read", reader]);
        }
        command
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    pub(crate) fn finish(self) -> Verdict {
        let output = self.0.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let verdict = stdout
            .lines()
            .next_back()
            .and_then(|line| serde_json::from_str(line).ok())
            .unwrap_or_else(|| panic!("no verdict; stdout: {stdout}\nstderr: {stderr}"));
        println!("{verdict}");
        assert!(output.status.success(), "{verdict}\n{stderr}");
        Verdict(verdict)
    }
}

impl Verdict {
    /// Every reader has the text of the history's end; nothing was lost, repeated or skipped.
    pub(crate) fn assert_identical(&self, readers: usize) {
        let verdict = &self.0;
        assert_eq!(verdict["identical"], true, "{verdict}");
        assert_eq!(verdict["lost"], 0, "{verdict}");
        assert_eq!(verdict["repeated"], 0, "{verdict}");
        assert_eq!(verdict["acknowledged"], verdict["edits"], "{verdict}");
        let heard = verdict["readers"].as_array().unwrap();
        assert_eq!(heard.len(), readers, "{verdict}");
        for reader in heard {
            assert_eq!(reader["entries"], verdict["edits"], "{verdict}");
            assert_eq!(reader["gaps"], 0, "{verdict}");
            assert_eq!(reader["resets"], 0, "{verdict}");
        }
    }
}
