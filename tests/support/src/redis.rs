//! A Redis of one test.

use std::time::Duration;

use anyhow::Result;

use crate::{
    port::Port,
    process::{End, Launch, Process},
    program, resp,
    wait::START_TIMEOUT,
};

/// How a Redis is started.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    appendonly: bool,
    args: Vec<String>,
}

/// A Redis on a port of its own, with `maxmemory-policy noeviction` and no snapshots.
#[derive(Debug)]
pub struct Redis {
    port: Port,
    process: Process,
}

impl RedisOptions {
    /// Every write is on disk before its reply, so that a kill loses nothing.
    pub fn appendonly(mut self) -> Self {
        self.appendonly = true;
        self
    }

    /// More arguments, like `["--maxmemory-policy", "allkeys-lru"]`.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Reserves the port and the directory, and starts nothing yet.
    pub fn prepare(self) -> Result<Redis> {
        let port = Port::reserve()?;
        let process = Process::prepare("redis", |directory| {
            let mut args: Vec<String> = [
                "--port",
                &port.number().to_string(),
                "--bind",
                "127.0.0.1",
                "--dir",
                &directory.display().to_string(),
                "--save",
                "",
                "--daemonize",
                "no",
                "--enable-debug-command",
                "yes",
            ]
            .map(str::to_owned)
            .into();
            if self.appendonly {
                args.extend(["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned));
            }
            args.extend(self.args);
            Ok(Launch {
                program: program("redis-server")?,
                args,
                env: Vec::new(),
                end: End::Kill,
            })
        })?;
        Ok(Redis { port, process })
    }

    pub fn start(self) -> Result<Redis> {
        let mut redis = self.prepare()?;
        redis.start_again()?;
        Ok(redis)
    }
}

impl Redis {
    /// A Redis that keeps its data in memory alone.
    pub fn start() -> Result<Self> {
        RedisOptions::default().start()
    }

    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// `redis://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("redis://{}", self.port.address())
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Starts it on the same port and directory after `prepare`, `stop` or `kill`; data is there
    /// again only with `appendonly`.
    pub fn start_again(&mut self) -> Result<()> {
        self.process.start()?;
        let port = self.port.number();
        self.process
            .wait_ready("it answered PING", START_TIMEOUT, || {
                resp::command(port, &["PING"]).is_ok_and(|reply| reply == "PONG")
            })
    }

    /// Stops it and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGSTOP: connections stay open and nothing answers. No partition: writes wait in buffers.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// One command on a connection of its own; arrays come back with one line per element.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        resp::command(self.port.number(), words)
    }

    /// Cuts every connection of one kind: `normal`, `pubsub` or `replica`. Says how many.
    pub fn client_kill(&self, kind: &str) -> Result<usize> {
        Ok(self.command(&["CLIENT", "KILL", "TYPE", kind])?.parse()?)
    }

    /// Stops all commands for a while; pub/sub connections stay open.
    pub fn pause(&self, time: Duration) -> Result<()> {
        self.command(&["CLIENT", "PAUSE", &time.as_millis().to_string(), "ALL"])
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_outlives_a_kill_with_appendonly() {
        let mut redis = Redis::options().appendonly().start().unwrap();
        redis.command(&["SET", "key", "value"]).unwrap();
        redis.kill().unwrap();
        assert!(redis.command(&["PING"]).is_err());
        redis.start_again().unwrap();
        assert_eq!(redis.command(&["GET", "key"]).unwrap(), "value");
        redis.restart().unwrap();
        assert_eq!(redis.command(&["GET", "key"]).unwrap(), "value");
        assert_eq!(redis.client_kill("pubsub").unwrap(), 0);
    }

    #[test]
    fn an_early_end_is_told_with_the_log() {
        let error = Redis::options()
            .args(["--maxmemory-policy", "no-such-policy"])
            .start()
            .unwrap_err()
            .to_string();
        assert!(error.contains("maxmemory-policy"), "{error}");
    }
}
