//! The way through Redis: appends gather while a call is on its way, for half a millisecond at most,
//! and leave in one write; what is published is heard on a connection of its own.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, bail};
use mio::{Interest, Registry, Token, net::TcpStream, unix::SourceFd};
use rustix::{
    fd::OwnedFd,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};

pub(crate) const COMMANDS: Token = Token(usize::MAX - 1);
pub(crate) const SUBSCRIBER: Token = Token(usize::MAX - 2);
pub(crate) const TIMER: Token = Token(usize::MAX - 3);

const SCRIPT: &str = "local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('XADD', KEYS[2], seq .. '-0', 'e', ARGV[1])
redis.call('SPUBLISH', KEYS[3], seq .. ' ' .. ARGV[1])
return seq";

/// An entry on its way into the log.
pub(crate) struct Append {
    pub(crate) index: usize,
    pub(crate) document: String,
    pub(crate) client_seq: u64,
    pub(crate) body: String,
}

/// What Redis said.
pub(crate) enum Heard {
    Appended(Append, u64),
    Entry {
        document: String,
        seq: u64,
        body: String,
    },
    Subscribed(String),
}

pub(crate) struct Relay {
    commands: Link,
    subscriber: Link,
    script: String,
    gather_ns: i64,
    timer: OwnedFd,
    is_timer_set: bool,
    may_send: bool,
    gathered: Vec<Append>,
    on_the_way: VecDeque<Append>,
}

impl Relay {
    pub(crate) fn connect(address: SocketAddr, gather_us: u32) -> anyhow::Result<Self> {
        Ok(Self {
            commands: Link::connect(address)?,
            subscriber: Link::connect(address)?,
            script: load_script(address)?,
            gather_ns: i64::from(gather_us) * 1_000,
            timer: timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?,
            is_timer_set: false,
            may_send: false,
            gathered: Vec::new(),
            on_the_way: VecDeque::new(),
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.commands.stream, COMMANDS, both)?;
        registry.register(&mut self.subscriber.stream, SUBSCRIBER, both)?;
        let timer = self.timer.as_raw_fd();
        registry.register(&mut SourceFd(&timer), TIMER, Interest::READABLE)
    }

    pub(crate) fn append(&mut self, append: Append) {
        self.gathered.push(append);
    }

    pub(crate) fn subscribe(&mut self, document: &str) {
        self.subscriber
            .command(&["SSUBSCRIBE", &format!("{{{document}}}")]);
    }

    /// Sends what gathered if nothing is on its way or its time has come, else sets the timer.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            if self.on_the_way.is_empty() || self.may_send || self.gather_ns == 0 {
                self.is_timer_set = false;
                for append in self.gathered.drain(..) {
                    let document = &append.document;
                    self.commands.command(&[
                        "EVALSHA",
                        &self.script,
                        "3",
                        &format!("{{{document}}}:head"),
                        &format!("{{{document}}}:log"),
                        &format!("{{{document}}}"),
                        &append.body,
                    ]);
                    self.on_the_way.push_back(append);
                }
            } else if !self.is_timer_set {
                self.is_timer_set = true;
                let zero = Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                timerfd_settime(
                    &self.timer,
                    TimerfdTimerFlags::empty(),
                    &Itimerspec {
                        it_interval: zero,
                        it_value: Timespec {
                            tv_sec: 0,
                            tv_nsec: self.gather_ns,
                        },
                    },
                )?;
            }
        }
        self.may_send = false;
        self.commands.flush()?;
        self.subscriber.flush()
    }

    /// Reads what came.
    pub(crate) fn hear(&mut self, token: Token, scratch: &mut [u8]) -> anyhow::Result<Vec<Heard>> {
        match token {
            TIMER => {
                let mut expirations = [0; 8];
                // It may have been set anew meanwhile; then there is nothing to read.
                let _ = rustix::io::read(&self.timer, &mut expirations);
                self.may_send = self.is_timer_set;
                Ok(Vec::new())
            }
            COMMANDS => self.hear_replies(scratch),
            _ => self.hear_messages(scratch),
        }
    }

    fn hear_replies(&mut self, scratch: &mut [u8]) -> anyhow::Result<Vec<Heard>> {
        self.commands.read(scratch)?;
        let mut heard = Vec::new();
        while let Some(reply) = self.commands.next()? {
            let (Reply::Number(seq), Some(append)) = (reply, self.on_the_way.pop_front()) else {
                bail!("Redis answered what was not asked");
            };
            heard.push(Heard::Appended(append, u64::try_from(seq)?));
        }
        Ok(heard)
    }

    fn hear_messages(&mut self, scratch: &mut [u8]) -> anyhow::Result<Vec<Heard>> {
        self.subscriber.read(scratch)?;
        let mut heard = Vec::new();
        while let Some(reply) = self.subscriber.next()? {
            let Reply::List(parts) = reply else {
                bail!("Redis answered what was not asked");
            };
            let mut parts = parts.into_iter();
            let (Some(Reply::Text(kind)), Some(Reply::Text(channel))) =
                (parts.next(), parts.next())
            else {
                bail!("Redis published what is no message");
            };
            let document = channel.trim_matches(['{', '}']).to_owned();
            match (kind.as_str(), parts.next()) {
                ("smessage", Some(Reply::Text(message))) => {
                    let (seq, body) = message.split_once(' ').context("no entry")?;
                    heard.push(Heard::Entry {
                        document,
                        seq: seq.parse()?,
                        body: body.to_owned(),
                    });
                }
                _ => heard.push(Heard::Subscribed(document)),
            }
        }
        Ok(heard)
    }
}

/// A connection to Redis.
struct Link {
    stream: TcpStream,
    unread: Vec<u8>,
    read_to: usize,
    unsent: Vec<u8>,
}

enum Reply {
    Number(i64),
    Text(String),
    List(Vec<Reply>),
}

impl Link {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(address)
            .with_context(|| format!("cannot connect to Redis at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            unread: Vec::new(),
            read_to: 0,
            unsent: Vec::new(),
        })
    }

    fn command(&mut self, words: &[&str]) {
        write_command(&mut self.unsent, words);
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, scratch: &mut [u8]) -> anyhow::Result<()> {
        self.unread.drain(..self.read_to);
        self.read_to = 0;
        loop {
            match self.stream.read(scratch) {
                Ok(0) => bail!("Redis closed the connection"),
                Ok(count) => {
                    self.unread
                        .extend_from_slice(scratch.get(..count).unwrap_or_default());
                    if count < scratch.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next whole reply.
    fn next(&mut self) -> anyhow::Result<Option<Reply>> {
        let unread = self.unread.get(self.read_to..).unwrap_or_default();
        let Some((reply, bytes)) = parse(unread)? else {
            return Ok(None);
        };
        self.read_to += bytes;
        Ok(Some(reply))
    }
}

/// The first reply in `bytes` and its length.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<(Reply, usize)>> {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        return Ok(None);
    };
    let line = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?.trim_end();
    let (kind, rest) = line.split_at_checked(1).context("an empty reply")?;
    let mut at = end + 1;
    match kind {
        ":" => Ok(Some((Reply::Number(rest.parse()?), at))),
        "$" => {
            let length: usize = rest.parse()?;
            let Some(text) = bytes.get(at..at + length + 2) else {
                return Ok(None);
            };
            let text = std::str::from_utf8(text.get(..length).unwrap_or_default())?;
            Ok(Some((Reply::Text(text.to_owned()), at + length + 2)))
        }
        "*" => {
            let mut parts = Vec::new();
            for _ in 0..rest.parse::<usize>()? {
                let Some((part, length)) = parse(bytes.get(at..).unwrap_or_default())? else {
                    return Ok(None);
                };
                parts.push(part);
                at += length;
            }
            Ok(Some((Reply::List(parts), at)))
        }
        _ => bail!("Redis answered {line}"),
    }
}

fn write_command(buffer: &mut Vec<u8>, words: &[&str]) {
    // Writing into memory does not fail.
    let _ = write!(buffer, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(buffer, "${}\r\n{word}\r\n", word.len());
    }
}

/// The name under which Redis keeps the script.
fn load_script(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)
        .with_context(|| format!("cannot connect to Redis at {address}"))?;
    let mut command = Vec::new();
    write_command(&mut command, &["SCRIPT", "LOAD", SCRIPT]);
    stream.write_all(&command)?;
    let mut lines = BufReader::new(stream).lines();
    let length = lines.next().context("Redis closed the connection")??;
    let sha = lines
        .next()
        .with_context(|| format!("Redis answered {length}"))??;
    Ok(sha)
}
