//! One connection: a thread per direction. Requests are counted, and what is published is meddled with;
//! all else passes as it came, in its order.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::{
    frame,
    meddling::Meddling,
    shared::{Connection, Direction, Hearing, Shared, Verdict},
};

const CHUNK_BYTES: usize = 64 << 10;
/// Little, so that what a frozen subscriber does not take fills the server's own buffer.
const SERVER_RECEIVE_BYTES: usize = 64 << 10;
/// What the HELLO of a subscriber connection contains.
const SUBSCRIBER_MARK: &[u8] = b"-subscriber";

/// Serves a connection to its end.
pub(super) fn serve(shared: &Shared, id: u64, mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let is_closing = shared.order(|state| {
        state.seen.connections += 1;
        let connection = Connection {
            sockets: client.try_clone().into_iter().collect(),
            is_subscriber: false,
            hearing: Hearing::All,
            is_raw: false,
        };
        state.connections.insert(id, connection);
        state.is_closing
    });
    if is_closing {
        return Ok(());
    }
    let mut first = vec![0; CHUNK_BYTES];
    let n = client.read(&mut first)?;
    first.truncate(n);
    let is_subscriber = contains(&first, SUBSCRIBER_MARK);
    shared.order(|state| {
        state.seen.subscribers += u64::from(is_subscriber);
        if let Some(connection) = state.connections.get_mut(&id) {
            connection.is_subscriber = is_subscriber;
        }
    });
    if first.is_empty() || !shared.is_open(id, Direction::ToServer) {
        return Ok(());
    }

    let port = {
        let state = shared.lock();
        if is_subscriber {
            state.subscribers_to
        } else {
            state.commands_to
        }
    };
    let server = TcpStream::connect(("127.0.0.1", port))?;
    server.set_nodelay(true)?;
    set_socket_recv_buffer_size(&server, SERVER_RECEIVE_BYTES)?;
    let is_wanted = shared.order(|state| match state.connections.get_mut(&id) {
        Some(connection) => {
            connection.sockets.extend(server.try_clone());
            true
        }
        None => false,
    });
    if !is_wanted {
        return Ok(());
    }
    let (up_from, up_to) = (client.try_clone()?, server.try_clone()?);
    thread::scope(|scope| {
        scope.spawn(move || {
            // Whatever ended it: the connection is over.
            let _ = pump_up(shared, id, up_from, up_to, first);
            shared.cut(|other, _| other == id);
        });
        let _ = pump_down(shared, id, server, client);
        shared.cut(|other, _| other == id);
    });
    Ok(())
}

fn pump_up(
    shared: &Shared,
    id: u64,
    mut client: TcpStream,
    mut server: TcpStream,
    first: Vec<u8>,
) -> io::Result<()> {
    let mut unparsed = Vec::new();
    let mut chunk = first;
    loop {
        if !is_raw(shared, id) {
            unparsed.extend_from_slice(&chunk);
            each_frame(&mut unparsed, frame::request_length, |request| {
                let words = frame::words(request, 2);
                shared.order(|state| state.see_request(id, &words));
            })?;
        }
        thread::sleep(delay(shared, id));
        if !shared.is_open(id, Direction::ToServer) {
            return Ok(());
        }
        server.write_all(&chunk)?;
        chunk.resize(CHUNK_BYTES, 0);
        let n = client.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        chunk.truncate(n);
    }
}

fn pump_down(
    shared: &Shared,
    id: u64,
    mut server: TcpStream,
    mut client: TcpStream,
) -> io::Result<()> {
    let (mut unparsed, mut outgoing) = (Vec::new(), Vec::new());
    let mut chunk = vec![0; CHUNK_BYTES];
    // Messages that come later: at a time, or after the next one of their channel.
    let mut delayed: Vec<(Instant, Vec<u8>)> = Vec::new();
    let mut swapped: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    loop {
        let due = delayed.iter().map(|(at, _)| *at).min();
        let patience = due.map(|at| at.saturating_duration_since(Instant::now()));
        server.set_read_timeout(patience.map(|time| time.max(Duration::from_millis(1))))?;
        if !shared.is_open(id, Direction::ToClient) {
            return Ok(());
        }
        let n = match server.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if is_time_out(&error) => 0,
            Err(error) => return Err(error),
        };
        if !shared.is_open(id, Direction::ToClient) {
            return Ok(());
        }
        unparsed.extend_from_slice(chunk.get(..n).unwrap_or_default());
        if is_raw(shared, id) {
            outgoing.append(&mut unparsed);
        }
        each_frame(&mut unparsed, frame::length, |frame| {
            let words = frame::strings(frame, 2);
            let verdict = {
                let mut state = shared.lock();
                let hearing = state
                    .connections
                    .get(&id)
                    .map(|connection| connection.hearing);
                state.judge(hearing.unwrap_or(Hearing::Nothing), &words, frame)
            };
            match verdict {
                Verdict::Pass => outgoing.extend_from_slice(frame),
                Verdict::PassMessage => {
                    outgoing.extend_from_slice(frame);
                    let channel = words.get(1).copied().unwrap_or_default();
                    for (_, message) in swapped.extract_if(.., |(of, _)| of == channel) {
                        outgoing.extend(message);
                    }
                }
                Verdict::Meddle(Meddling::Drop) => {}
                Verdict::Meddle(Meddling::Repeat) => {
                    outgoing.extend_from_slice(frame);
                    outgoing.extend_from_slice(frame);
                }
                Verdict::Meddle(Meddling::Delay(time)) => {
                    delayed.push((Instant::now() + time, frame.to_vec()));
                }
                Verdict::Meddle(Meddling::Swap) => {
                    let channel = words.get(1).copied().unwrap_or_default();
                    swapped.push((channel.to_vec(), frame.to_vec()));
                }
            }
        })?;
        let now = Instant::now();
        for (_, message) in delayed.extract_if(.., |(at, _)| *at <= now) {
            outgoing.extend(message);
        }
        client.write_all(&outgoing)?;
        outgoing.clear();
    }
}

/// Takes whole frames off the front of `bytes`.
fn each_frame(
    bytes: &mut Vec<u8>,
    length: impl Fn(&[u8]) -> Result<Option<usize>, frame::Malformed>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = length(rest)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "this is no RESP"))?;
        let Some(frame) = length.and_then(|length| rest.get(..length)) else {
            break;
        };
        take(frame);
        at += frame.len();
    }
    bytes.drain(..at);
    Ok(())
}

fn is_raw(shared: &Shared, id: u64) -> bool {
    let state = shared.lock();
    state
        .connections
        .get(&id)
        .is_some_and(|connection| connection.is_raw)
}

fn delay(shared: &Shared, id: u64) -> Duration {
    let state = shared.lock();
    match state.connections.get(&id) {
        Some(connection) if connection.is_subscriber => state.subscribers_delay,
        _ => Duration::ZERO,
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}
