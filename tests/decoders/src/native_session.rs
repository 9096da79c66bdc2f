//! A whole native session: any run of messages, with time that passes and a hub that answers.

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    sync::Arc,
    time::{Duration, Instant},
};

use inkwire_hub::{
    Command, Delivery, JoinFrom, MemberKey, Outbox, OutboxLimits, Reach, Request, Wire,
};
use inkwire_model::{DocumentId, Position, Role, Subject, UnixMillis};
use inkwire_protocol::native::Encoding;
use inkwire_session::{
    AuthenticationError, Authenticator, Framing, Grant, Presented, Roles, SessionContext,
    native::{NativeSession, farewell},
};

use crate::messages::messages;

const WALL_MS: UnixMillis = 1_700_000_000_000;
const MESSAGES_MAX: usize = 64;

/// A socket that takes everything and keeps nothing.
struct Drain;

impl Wire for Drain {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

/// Everybody is a writer, or who the token says.
struct Doorkeeper;

impl Authenticator for Doorkeeper {
    fn authenticate(
        &self,
        token: Option<&str>,
        now_ms: UnixMillis,
    ) -> Result<Grant, AuthenticationError> {
        let subject = Subject::parse(token.unwrap_or("anybody"));
        Ok(Grant {
            subject: subject.map_err(|e| AuthenticationError::Unauthenticated(e.to_string()))?,
            roles: Roles::Everywhere(Role::Owner),
            expires_at_ms: token.map(|_| now_ms + 60_000),
        })
    }
}

/// The first byte chooses the encoding; the first byte of each message, how much time passes.
pub fn check(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    let encoding = match choice % 2 {
        0 => Encoding::Json,
        _ => Encoding::MessagePack,
    };
    let mut now = Instant::now();
    let mut wall_ms = WALL_MS;
    let outbox = Arc::new(Outbox::new(
        Drain,
        OutboxLimits::default(),
        farewell(encoding, Framing::WebSocket),
    ));
    let context = SessionContext::new(Arc::new(Doorkeeper), "replica".into());
    let mut session = NativeSession::open(
        Arc::new(context),
        encoding,
        Framing::WebSocket,
        Arc::clone(&outbox),
        Presented::Nothing,
        now,
    );
    let mut members: HashMap<MemberKey, (DocumentId, Reach)> = HashMap::new();
    for message in messages(rest).into_iter().take(MESSAGES_MAX) {
        let (pause, message) = message.split_first().unwrap_or((&0, &[]));
        let ms = u64::from(*pause) * 10;
        (now, wall_ms) = (now + Duration::from_millis(ms), wall_ms + ms);
        if session
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            session.handle_deadline(now, wall_ms);
        }
        session.receive(message, now, wall_ms);
        for request in session.take_commands() {
            answer(request, &mut members);
        }
        session.flush();
        assert!(session.is_closing() == outbox.closing().is_some());
    }
    session.leave_all();
    for request in session.take_commands() {
        answer(request, &mut members);
    }
    assert!(members.is_empty(), "a member was left behind");
}

fn answer(request: Request, members: &mut HashMap<MemberKey, (DocumentId, Reach)>) {
    let Request::Document(document, command) = request else {
        panic!("the native protocol has no queues");
    };
    let head: Position = "0-0123456789abcdef".parse().expect("a position");
    match command {
        Command::Join(join) => {
            let joined = Delivery::Joined {
                position: match join.from {
                    JoinFrom::After(position) => position,
                    JoinFrom::Start | JoinFrom::Head => head,
                },
                row: None,
            };
            join.subscriber.deliver(&document, &joined);
            members.insert(join.member, (document, join.subscriber));
        }
        Command::WatchPresence(member)
        | Command::UnwatchPresence(member)
        | Command::WatchRow(member)
        | Command::ChangeAttendance(member, _) => {
            assert!(members.contains_key(&member), "a member that joined");
        }
        Command::Leave(member) => {
            members.remove(&member).expect("a member that joined");
        }
        Command::Submit(member, submissions) | Command::SubmitWhole(member, submissions) => {
            let (document, reach) = &members[&member];
            for submission in submissions {
                let delivery = match &submission.entry {
                    Ok(entry) => {
                        assert_eq!(entry.client_seq, submission.client_seq);
                        Delivery::Ack {
                            client_seq: submission.client_seq,
                            position: head.next(&entry.digest()),
                            duplicate: false,
                        }
                    }
                    Err(nack) => Delivery::Nack {
                        client_seq: Some(submission.client_seq),
                        nack,
                    },
                };
                reach.deliver(document, &delivery);
            }
        }
        Command::Signal(member, _) => assert!(members.contains_key(&member)),
        Command::ChangeAccess {
            member,
            subject,
            action,
            ..
        } => {
            let (document, reach) = &members[&member];
            let result = Ok(head);
            reach.deliver(
                document,
                &Delivery::AccessChanged {
                    subject: &subject,
                    action,
                    result,
                },
            );
        }
    }
}
