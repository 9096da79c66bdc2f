//! A port that no other test has, on this machine, for as long as its value lives.
//!
//! Ports come from below the range that the kernel gives to outgoing connections: a port from that
//! range may be taken by somebody's connection while the process that listens there is restarted,
//! and a client that tries it meanwhile can even connect to itself.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _},
    net::TcpListener,
};

use anyhow::{Context as _, Result, bail};

const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;
const ATTEMPTS: u32 = 1_000;

/// A loopback port, reserved for this process by a lock on a file.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Locked while open, so that tests that run beside this one choose others.
    _lock: File,
}

impl Port {
    pub fn reserve() -> Result<Self> {
        let directory = std::env::temp_dir().join("inkwire-test-ports");
        fs::create_dir_all(&directory).with_context(|| format!("cannot create {directory:?}"))?;
        for _ in 0..ATTEMPTS {
            let draw = RandomState::new().build_hasher().finish() % u64::from(COUNT);
            let number = FIRST + u16::try_from(draw).unwrap_or_default();
            let lock = File::create(directory.join(number.to_string()))
                .context("cannot reserve a port")?;
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Ok(Self {
                    number,
                    _lock: lock,
                });
            }
        }
        bail!("no port is free between {FIRST} and {}", FIRST + COUNT)
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:<number>`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}
