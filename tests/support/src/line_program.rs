//! A program that is told lines and says lines, such as one over a client library of another language.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::{nursery, program};

const COMPLAINT_CHARS_MAX: usize = 4_000;
/// How long it may take to end once its input has ended.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// A child process with its lines; it dies with its value.
#[derive(Debug)]
pub struct LineProgram {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    said: Arc<Said>,
    hearing: Option<JoinHandle<()>>,
    directory: TempDir,
}

#[derive(Debug, Default)]
struct Said {
    // Held for as long as the lines are looked at.
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    said: Vec<String>,
    has_ended: bool,
}

impl LineProgram {
    /// Starts a program; `name` is for messages of failure.
    pub fn start(
        name: impl Into<String>,
        program_path: PathBuf,
        args: &[String],
        env: &[(&str, String)],
    ) -> Result<Self> {
        let name = name.into();
        let directory = tempfile::Builder::new()
            .prefix("inkwire-program-")
            .tempdir()?;
        let complaints = File::create(directory.path().join("stderr"))?;
        let mut command = Command::new(program("setpriv")?);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program_path)
            .args(args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints);
        let mut child = nursery::spawn(command).with_context(|| format!("cannot start {name}"))?;
        let output = child.stdout.take().context("no output")?;
        let said = Arc::<Said>::default();
        let hearing = thread::spawn({
            let said = said.clone();
            move || {
                for line in BufReader::new(output).lines() {
                    match line {
                        Ok(line) => said.lock().said.push(line),
                        Err(_) => break,
                    }
                    said.more.notify_all();
                }
                said.lock().has_ended = true;
                said.more.notify_all();
            }
        });
        Ok(Self {
            name,
            input: child.stdin.take(),
            child,
            said,
            hearing: Some(hearing),
            directory,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes lines to its input from a thread of their own, then ends the input.
    pub fn tell_all(&mut self, lines: Vec<Vec<u8>>) -> Result<JoinHandle<std::io::Result<()>>> {
        let mut input = self.input.take().context("its input has ended")?;
        Ok(thread::spawn(move || {
            for line in lines {
                input.write_all(&line)?;
                input.write_all(b"\n")?;
            }
            Ok(())
        }))
    }

    /// Waits until what it has said so far satisfies `is_enough`.
    pub fn wait(
        &self,
        what: &str,
        timeout: Duration,
        mut is_enough: impl FnMut(&[String]) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut lines = self.said.lock();
        loop {
            if is_enough(&lines.said) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.has_ended || left.is_zero() {
                let last = lines.said.last().cloned().unwrap_or_default();
                let count = lines.said.len();
                let how = match lines.has_ended {
                    true => "ended before",
                    false => "was waited for in vain:",
                };
                drop(lines);
                bail!(
                    "{} {how} {what}; it said {count} lines, the last {last:?}; {}",
                    self.name,
                    self.complaints()
                );
            }
            let waited = self.said.more.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().said.clone()
    }

    /// Ends its input and waits for its end.
    pub fn finish(mut self) -> Result<(ExitStatus, Vec<String>)> {
        drop(self.input.take());
        let deadline = Instant::now() + END_TIMEOUT;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                bail!("{} does not end; {}", self.name, self.complaints());
            }
            thread::sleep(Duration::from_millis(10));
        };
        if let Some(hearing) = self.hearing.take() {
            let _ended = hearing.join();
        }
        Ok((status, self.said()))
    }

    /// What it wrote to its standard error.
    pub fn complaints(&self) -> String {
        let text = fs::read(self.directory.path().join("stderr")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let from = text.len().saturating_sub(COMPLAINT_CHARS_MAX);
        let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
        from.map_or_else(String::new, |from| text[from..].to_owned())
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LineProgram {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
