//! The loop: everything that is ready is read, then every connection that something is due to gets
//! one write.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::SocketAddr,
};

use anyhow::Context as _;
use bytes::Bytes;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;

use crate::{
    connection::Connection,
    frame,
    redis::{self, Append, Heard, Relay},
    words::{self, Said},
};

const LISTENER: Token = Token(usize::MAX);
const SCRATCH_BYTES: usize = 65_536;
const EVENTS: usize = 1_024;

/// A document's readers.
#[derive(Default)]
struct Document {
    seq: u64,
    readers: Vec<usize>,
    /// Those whose `joined` waits until Redis has confirmed the subscription.
    joining: Vec<usize>,
    is_subscribed: bool,
}

pub(crate) struct Node {
    poll: Poll,
    listener: TcpListener,
    relay: Option<Relay>,
    connections: Slab<Connection>,
    documents: HashMap<String, Document>,
    /// Connections that something is due to since the last write.
    dirty: Vec<usize>,
}

impl Node {
    pub(crate) fn bind(address: SocketAddr, mut relay: Option<Relay>) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut listener =
            TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        if let Some(relay) = &mut relay {
            relay.register(poll.registry())?;
        }
        Ok(Self {
            poll,
            listener,
            relay,
            connections: Slab::new(),
            documents: HashMap::new(),
            dirty: Vec::new(),
        })
    }

    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut scratch = vec![0; SCRATCH_BYTES];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    redis::COMMANDS | redis::SUBSCRIBER | redis::TIMER => {
                        self.hear_redis(event.token(), &mut scratch)?;
                    }
                    Token(index) => {
                        if self.read(index, &mut scratch).is_err() {
                            self.forget(index);
                        } else if event.is_writable() {
                            self.mark_if_full(index);
                        }
                    }
                }
            }
            if let Some(relay) = &mut self.relay {
                relay.send()?;
            }
            for index in std::mem::take(&mut self.dirty) {
                if self.flush(index).is_err() {
                    self.forget(index);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn admit(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let index = self.connections.insert(Connection::new(stream));
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        self.poll.registry().register(
            connection.stream(),
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    /// Reads what came, and does what it says; an error ends the connection.
    fn read(&mut self, index: usize, scratch: &mut [u8]) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(index) else {
            return Ok(());
        };
        let mut buffer = std::mem::take(&mut connection.unread);
        let is_open = connection.read(&mut buffer, scratch)?;
        let mut start = 0;
        if !connection.is_upgraded {
            let Some(bytes) = connection.upgrade(&buffer) else {
                connection.unread = buffer;
                return if is_open {
                    Ok(())
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            };
            start = bytes;
            self.mark(index);
        }
        while let Some(frame) = buffer.get_mut(start..).and_then(frame::first) {
            start += frame.bytes;
            self.receive(index, frame.head, frame.payload)?;
        }
        if let Some(connection) = self.connections.get_mut(index)
            && start < buffer.len()
        {
            buffer.drain(..start);
            connection.unread = buffer;
        }
        if is_open {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    fn receive(&mut self, index: usize, head: u8, payload: &[u8]) -> io::Result<()> {
        match head {
            frame::TEXT => {}
            frame::PING => {
                self.push(index, frame::of(frame::PONG, payload).into());
                return Ok(());
            }
            frame::CLOSE => return Err(ErrorKind::ConnectionAborted.into()),
            _ => return Ok(()),
        }
        let text = std::str::from_utf8(payload).map_err(|_| ErrorKind::InvalidData)?;
        match words::parse(text) {
            Said::Hello => self.push(index, words::welcome().into()),
            Said::Join {
                document,
                client,
                receive,
            } => self.join(index, document, client, receive),
            Said::Append {
                document,
                client_seq,
                rest,
            } => self.append(index, document, client_seq, rest),
            Said::Ping { id } => self.push(index, words::pong(id).into()),
            Said::Other => {}
        }
        Ok(())
    }

    fn join(&mut self, index: usize, name: &str, client: Option<&str>, receive: bool) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.client = client.map(str::to_owned);
        }
        let document = self.documents.entry(name.to_owned()).or_default();
        if receive {
            document.readers.push(index);
        }
        match &mut self.relay {
            Some(relay) if !document.is_subscribed => {
                if document.joining.is_empty() {
                    relay.subscribe(name);
                }
                document.joining.push(index);
            }
            _ => {
                let joined = words::joined(name, document.seq);
                self.push(index, joined.into());
            }
        }
    }

    fn append(&mut self, index: usize, name: &str, client_seq: u64, rest: &str) {
        let client = self
            .connections
            .get(index)
            .and_then(|connection| connection.client.as_deref());
        let body = words::entry_body(client.unwrap_or_default(), client_seq, rest);
        if let Some(relay) = &mut self.relay {
            relay.append(Append {
                index,
                document: name.to_owned(),
                client_seq,
                body,
            });
            return;
        }
        let seq = self.documents.get(name).map_or(0, |document| document.seq) + 1;
        self.fan_out(name, seq, &body);
        self.push(index, words::ack(name, client_seq, seq).into());
    }

    fn hear_redis(&mut self, token: Token, scratch: &mut [u8]) -> anyhow::Result<()> {
        let Some(relay) = &mut self.relay else {
            return Ok(());
        };
        for heard in relay.hear(token, scratch)? {
            match heard {
                Heard::Appended(append, seq) => {
                    let ack = words::ack(&append.document, append.client_seq, seq);
                    self.push(append.index, ack.into());
                }
                Heard::Entry {
                    document,
                    seq,
                    body,
                } => self.fan_out(&document, seq, &body),
                Heard::Subscribed(name) => {
                    let Some(document) = self.documents.get_mut(&name) else {
                        continue;
                    };
                    document.is_subscribed = true;
                    let seq = document.seq;
                    for index in std::mem::take(&mut document.joining) {
                        self.push(index, words::joined(&name, seq).into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Encodes once, and queues for each reader.
    fn fan_out(&mut self, name: &str, seq: u64, body: &str) {
        let Some(document) = self.documents.get_mut(name) else {
            return;
        };
        document.seq = seq;
        let entry = Bytes::from(words::entry(name, seq, body));
        for &index in &document.readers {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.push(entry.clone());
                if !connection.is_dirty {
                    connection.is_dirty = true;
                    self.dirty.push(index);
                }
            }
        }
    }

    fn push(&mut self, index: usize, bytes: Bytes) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.push(bytes);
            self.mark(index);
        }
    }

    fn mark(&mut self, index: usize) {
        if let Some(connection) = self.connections.get_mut(index)
            && !connection.is_dirty
        {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
    }

    /// What could not be written goes out with this batch, now that there is room.
    fn mark_if_full(&mut self, index: usize) {
        if self
            .connections
            .get(index)
            .is_some_and(|connection| connection.is_full)
        {
            self.mark(index);
        }
    }

    fn flush(&mut self, index: usize) -> io::Result<()> {
        match self.connections.get_mut(index) {
            Some(connection) => {
                connection.is_dirty = false;
                connection.flush()
            }
            None => Ok(()),
        }
    }

    fn forget(&mut self, index: usize) {
        let Some(mut connection) = self.connections.try_remove(index) else {
            return;
        };
        // Closing the socket deregisters it; this is for mio's own books.
        let _ = self.poll.registry().deregister(connection.stream());
        self.documents.retain(|_, document| {
            document.readers.retain(|&reader| reader != index);
            document.joining.retain(|&reader| reader != index);
            true
        });
    }
}
