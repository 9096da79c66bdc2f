//! `Row`: what one fault did, as the table shows it.

use std::{
    fmt, fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// All rows of this run, in the order in which the faults were played.
static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

const HEAD: &str = "\
| fault | sent | acknowledged | lost | repeated | resets | longest silence | it lasted | recovered |
|---|---|---|---|---|---|---|---|---|
";

/// One fault.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Not in the log at the end, whoever was told of it.
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    /// That readers were told.
    pub(crate) resets: u64,
    /// Of any reader, while edits were being sent.
    pub(crate) longest_silence: Duration,
    /// From the fault's beginning to its end: zero where it is a moment.
    pub(crate) lasted: Duration,
    /// From the fault's beginning until every reader had its writer's newest acknowledged entry, one
    /// that was submitted after that beginning.
    pub(crate) recovered: Duration,
}

impl Row {
    /// Puts it into the table.
    pub(crate) fn print(self) {
        let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
        println!("{HEAD}{self}");
        rows.push(self);
        let table: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.md");
        fs::write(path, format!("{HEAD}{table}")).unwrap();
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fault,
            sent,
            acknowledged,
            lost,
            repeated,
            resets,
            longest_silence,
            lasted,
            recovered,
        } = self;
        write!(
            f,
            "| {fault} | {sent} | {acknowledged} | {lost} | {repeated} | {resets} | {:.2} s | {:.2} s \
             | {:.2} s |",
            longest_silence.as_secs_f64(),
            lasted.as_secs_f64(),
            recovered.as_secs_f64()
        )
    }
}
