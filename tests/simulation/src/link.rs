//! `Link`: one connection between a page and a replica, each end of which may know less than it
//! thinks.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use inkwire_hub::{Outbox, Wire};
use inkwire_protocol::native::{Encoding, ServerPacket};
use inkwire_session::native::NativeSession;

use crate::agenda::{Alarm, Micros};

/// Names a link; counted up.
pub(crate) type LinkKey = usize;

pub(crate) struct Link {
    pub(crate) client: usize,
    /// Which page of that client it belongs to.
    pub(crate) page: u32,
    pub(crate) replica: usize,
    pub(crate) incarnation: u32,
    pub(crate) session: NativeSession<Pipe>,
    pub(crate) outbox: Arc<Outbox<Pipe>>,
    pub(crate) encoding: Encoding,
    /// From the page, on its way.
    pub(crate) up: VecDeque<Up>,
    /// When the last of it arrives.
    pub(crate) up_at: Micros,
    pub(crate) page_open: bool,
    pub(crate) replica_open: bool,
    /// What is sent still arrives.
    pub(crate) carries_up: bool,
    pub(crate) carries_down: bool,
    /// The page reads nothing until then.
    pub(crate) slow_until: Micros,
    /// Bytes that came and are no whole frame yet.
    pub(crate) partial: Vec<u8>,
    pub(crate) read_scheduled: bool,
    pub(crate) alarm: Alarm,
}

/// Something from a page.
pub(crate) enum Up {
    Packet(Bytes),
    Pong,
    /// The page closed.
    End,
}

/// The kernel's buffer between an outbox and a page.
pub(crate) struct Pipe {
    bytes: Mutex<Vec<u8>>,
    capacity: usize,
}

impl Pipe {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: Mutex::default(),
            capacity,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire for Pipe {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.lock();
        let mut room = self.capacity.saturating_sub(bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = bytes.len();
        for slice in slices {
            let taken = slice.len().min(room);
            bytes.extend_from_slice(&slice[..taken]);
            room -= taken;
        }
        Ok(bytes.len() - before)
    }
}

/// What a page finds in a stream.
pub(crate) enum Down {
    Packet(Box<ServerPacket>),
    Ping,
    /// The close code.
    Close(u16),
}

/// Takes the next whole frame off the front of `bytes`.
pub(crate) fn next_frame(bytes: &mut Vec<u8>, encoding: Encoding) -> Option<Down> {
    let (length, header) = match *bytes.get(1)? {
        126 => (
            usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
            4,
        ),
        127 => {
            let wide: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
            (usize::try_from(u64::from_be_bytes(wide)).ok()?, 10)
        }
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(header..header + length)?;
    let down = match bytes[0] {
        0x88 => Down::Close(u16::from_be_bytes([payload[0], payload[1]])),
        0x89 => Down::Ping,
        _ => Down::Packet(Box::new(encoding.decode_server(payload).unwrap())),
    };
    bytes.drain(..header + length);
    Some(down)
}
