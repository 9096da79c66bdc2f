//! One child process with its directory and its log; it dies with its value.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{nursery, program};

const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const LOG_LINES_SHOWN: usize = 40;

/// What to run; kept, so that the same process can be started again.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) end: End,
}

/// How a process is ended when nobody needs it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    /// One with workers of its own, which would outlive its SIGKILL.
    Terminate,
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub log: String,
}

/// A child process.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    launch: Launch,
    directory: TempDir,
    child: Option<Child>,
}

impl Process {
    /// Prepares a process; `files` writes what it needs into its directory.
    pub(crate) fn prepare(
        name: &'static str,
        files: impl FnOnce(&Path) -> Result<Launch>,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(&format!("inkwire-{name}-"))
            .tempdir()
            .context("cannot create a temporary directory")?;
        let launch = files(directory.path())?;
        Ok(Self {
            name,
            launch,
            directory,
            child: None,
        })
    }

    /// Starts it; output is appended to the log.
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("{} is running already", self.name);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        // The kernel kills the child if this process dies before it could.
        let mut command = Command::new(program("setpriv")?);
        command
            .args(["--pdeathsig", self.launch.end.signal_name(), "--"])
            .arg(&self.launch.program)
            .args(&self.launch.args)
            .envs(self.launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child =
            nursery::spawn(command).with_context(|| format!("cannot start {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until `ready` holds; an early exit is an error with the log's end.
    pub(crate) fn wait_ready(
        &mut self,
        what: &str,
        timeout: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            if ready() {
                return Ok(());
            }
            if !self.is_running() {
                bail!("{} ended before {what}; {}", self.name, self.log_end());
            }
            if Instant::now() >= deadline {
                bail!(
                    "{}: waited {timeout:?} in vain for {what}; {}",
                    self.name,
                    self.log_end()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn is_running(&mut self) -> bool {
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => true,
            Some(_) => {
                self.child = None;
                false
            }
            None => false,
        }
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Where it runs; removed with this value.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that it has written to its standard output and error.
    pub fn log(&self) -> String {
        fs::read(self.log_path()).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// SIGKILL, and reaped.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<Exit> {
        self.signal(Signal::TERM)?;
        self.wait_exit(STOP_TIMEOUT)
    }

    /// SIGSTOP: it holds its connections and does nothing. This is no partition: what is sent to it
    /// waits in socket buffers.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits for it to end by itself.
    pub fn wait_exit(&mut self, timeout: Duration) -> Result<Exit> {
        let deadline = Instant::now() + timeout;
        loop {
            let child = self
                .child
                .as_mut()
                .with_context(|| format!("{} does not run", self.name))?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(Exit {
                    status,
                    log: self.log(),
                });
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} did not end within {timeout:?}; {}",
                    self.name,
                    self.log_end()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last lines of its log, for a failure's text.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines
            .get(lines.len().saturating_sub(LOG_LINES_SHOWN)..)
            .unwrap_or_default();
        format!(
            "the end of {}'s log is:\n  {}",
            self.name,
            shown.join("\n  ")
        )
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self
            .pid()
            .and_then(|pid| Pid::from_raw(pid.try_into().ok()?))
            .with_context(|| format!("{} does not run", self.name))?;
        Ok(kill_process(pid, signal)?)
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut ended = Ok(());
        if self.launch.end == End::Terminate && self.is_running() {
            ended = self.stop().map(drop);
        }
        let ended = ended.and(self.kill());
        if let Err(error) = ended {
            eprintln!("{} could not be ended: {error:#}", self.name);
        }
        if thread::panicking() {
            eprintln!("{}", self.log_end());
        }
    }
}

impl End {
    fn signal_name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
        }
    }
}

impl Exit {
    /// The exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

/// Writes a file of a process into its directory.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut file = File::create(path).with_context(|| format!("cannot write {path:?}"))?;
    Ok(file.write_all(text.as_bytes())?)
}
