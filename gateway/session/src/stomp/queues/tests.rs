//! Transcripts: frames in; frames and commands to queues out. The hub is played by the tests.

use std::{sync::Arc, time::Instant};

use inkwire_hub::{
    MessageId, NewMessage, Outbox, OutboxLimits, QueueCommand, QueueDelivery, QueueMessage,
    QueueReach, Receive, Request, SendGroup, Sent,
};
use inkwire_model::{Code, ContentType, QueueName, Role, Subject};

use crate::{
    AuthenticationError, Authenticator, Framing, Grant, Presented, Roles, SessionContext,
    stomp::{StompSession, farewell},
    testing::Socket,
};

/// Lets everybody in as alice, with this role.
struct Usher(Role);

impl Authenticator for Usher {
    fn authenticate(&self, _: Option<&str>, _: u64) -> Result<Grant, AuthenticationError> {
        Ok(Grant {
            subject: Subject::parse("alice").unwrap(),
            roles: Roles::Everywhere(self.0),
            expires_at_ms: None,
        })
    }
}

struct Transcript {
    session: StompSession<Socket>,
    outbox: Arc<Outbox<Socket>>,
    now: Instant,
}

impl Transcript {
    fn of(version: &str, role: Role) -> Self {
        let context = Arc::new(SessionContext::new(Arc::new(Usher(role)), "r".into()));
        let goodbye = farewell(Framing::Stream);
        let outbox = Outbox::new(Socket::default(), OutboxLimits::default(), goodbye);
        let (outbox, now) = (Arc::new(outbox), Instant::now());
        let presented = Presented::default();
        let way_out = Arc::clone(&outbox);
        let session = StompSession::open(context, Framing::Stream, way_out, presented, now);
        let mut transcript = Self {
            session,
            outbox,
            now,
        };
        transcript.say(&format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0"));
        assert!(transcript.heard().starts_with("CONNECTED"));
        transcript
    }

    fn say(&mut self, text: &str) -> Vec<QueueCommand> {
        self.session.receive(text.as_bytes(), self.now, 1_000);
        self.commands()
    }

    fn commands(&mut self) -> Vec<QueueCommand> {
        self.session.flush();
        let requests = self.session.take_commands().into_iter();
        let of_queue = |request| match request {
            Request::Queue(queue, command) => {
                assert_eq!(queue, jobs());
                Some(command)
            }
            Request::Document(..) => None,
        };
        requests.filter_map(of_queue).collect()
    }

    /// What was written since the last look.
    fn heard(&mut self) -> String {
        self.session.handle_deadline(self.now, 1_000);
        self.session.flush();
        self.outbox.flush();
        let bytes = self.outbox.wire().take();
        String::from_utf8(bytes).unwrap()
    }

    fn subscribe(&mut self, headers: &str) -> Receive {
        let frame = format!("SUBSCRIBE\nid:s\ndestination:/queue/jobs\n{headers}\n\0");
        match self.say(&frame).pop() {
            Some(QueueCommand::Receive(receive)) => receive,
            _ => panic!("no receiver: {}", self.heard()),
        }
    }
}

fn jobs() -> QueueName {
    QueueName::parse("jobs").unwrap()
}

fn id(number: u64) -> MessageId {
    MessageId { at_ms: 17, number }
}

fn deliver(receive: &Receive, number: u64, attempt: u32) {
    let content = NewMessage {
        sender: Subject::parse("bob").unwrap(),
        content_type: ContentType::parse("text/plain").unwrap(),
        headers: vec![("colour".to_owned(), "blue".to_owned())],
        payload: format!("m{number}").into(),
        traceparent: None,
    };
    let message = QueueMessage {
        id: id(number),
        content: Arc::new(content),
        attempt,
        parked: None,
    };
    let delivery = QueueDelivery::Message(receive.receiver, &message);
    receive.subscriber.deliver(&jobs(), &delivery);
}

fn settled(command: Option<QueueCommand>) -> (Vec<MessageId>, Vec<MessageId>) {
    match command {
        Some(QueueCommand::Settle { acks, nacks, .. }) => (acks, nacks),
        _ => panic!("nothing is settled"),
    }
}

fn sent(command: Option<QueueCommand>) -> (SendGroup, QueueReach) {
    match command {
        Some(QueueCommand::Send { group, sender, .. }) => (group, sender),
        _ => panic!("nothing is sent"),
    }
}

#[test]
fn a_message_says_what_a_receiver_needs() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let receive = transcript.subscribe("ack:client-individual\nprefetch-count:5\nreceipt:r1\n");
    assert_eq!((receive.window, receive.is_auto), (5, false));
    assert_eq!(transcript.heard(), "");
    let begins = QueueDelivery::Receiving(receive.receiver);
    receive.subscriber.deliver(&jobs(), &begins);
    assert_eq!(transcript.heard(), "RECEIPT\nreceipt-id:r1\n\n\0");
    deliver(&receive, 1, 2);
    assert_eq!(
        transcript.heard(),
        "MESSAGE\nsubscription:s\ndestination:/queue/jobs\nack:1@17-1\nmessage-id:jobs@17-1\n\
         redelivered:true\ndelivery-attempt:2\nauthor:bob\ncolour:blue\n\
         content-type:text/plain\ncontent-length:2\n\nm1\0"
    );
}

#[test]
fn an_ack_is_cumulative_or_of_one_message_and_its_receipt_comes_when_it_is_settled() {
    for (mode, acks) in [
        ("client", vec![id(1), id(2)]),
        ("client-individual", vec![id(2)]),
    ] {
        let mut transcript = Transcript::of("1.2", Role::Writer);
        let receive = transcript.subscribe(&format!("ack:{mode}\n"));
        (1..=3).for_each(|number| deliver(&receive, number, 1));
        transcript.heard();
        let commands = transcript.say("ACK\nid:1@17-2\nreceipt:r2\n\n\0").pop();
        assert_eq!(settled(commands), (acks.clone(), vec![]));
        assert_eq!(transcript.heard(), "");
        let done = QueueDelivery::Settled {
            receiver: receive.receiver,
            acks: &acks,
            nacks: &[],
            lost: &[],
        };
        receive.subscriber.deliver(&jobs(), &done);
        assert_eq!(transcript.heard(), "RECEIPT\nreceipt-id:r2\n\n\0");
        // A refusal is of one message in every mode.
        let commands = transcript.say("NACK\nid:1@17-3\n\n\0").pop();
        assert_eq!(settled(commands), (vec![], vec![id(3)]));
        transcript.say("ACK\nid:1@17-2\n\n\0");
        assert!(transcript.heard().contains("code:unknown_ack"), "{mode}");
    }
}

#[test]
fn before_1_2_messages_are_acknowledged_by_their_id() {
    let mut transcript = Transcript::of("1.1", Role::Writer);
    let receive = transcript.subscribe("ack:client-individual\n");
    deliver(&receive, 1, 1);
    assert!(!transcript.heard().contains("\nack:"));
    let commands = transcript.say("ACK\nsubscription:s\nmessage-id:jobs@17-1\n\n\0");
    let mut commands = commands;
    assert_eq!(settled(commands.pop()), (vec![id(1)], vec![]));
}

#[test]
fn a_receipt_of_a_send_means_stored_and_a_refusal_is_told() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    transcript.say("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\n\n\0");
    let frame = "SEND\ndestination:/queue/jobs\ncolour:blue\nreceipt:r1\n\nhello\0";
    let (group, sender) = sent(transcript.say(frame).pop());
    let message = &group.messages[0];
    assert_eq!(&message.payload[..], b"hello");
    assert_eq!(message.headers, [("colour".to_owned(), "blue".to_owned())]);
    assert_eq!(transcript.heard(), "");
    let answer = |group: &SendGroup, sender: &QueueReach, sent: &Sent| {
        let (ticket, result) = (group.number, Ok(sent));
        sender.deliver(&jobs(), &QueueDelivery::Sent { ticket, result });
    };
    answer(&group, &sender, &Sent::Stored(vec![id(4)]));
    assert_eq!(
        transcript.heard(),
        "RECEIPT\nreceipt-id:r1\nmessage-id:jobs@17-4\n\n\0"
    );
    let (again, sender) = sent(transcript.say(frame).pop());
    assert!(again.number > group.number);
    answer(&again, &sender, &Sent::Full);
    let told = transcript.heard();
    assert!(
        told.contains("code:queue_full") && told.contains("receipt-id:r1"),
        "{told}"
    );
}

#[test]
fn a_transaction_sends_to_one_queue_and_settles_at_its_commit() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let receive = transcript.subscribe("ack:client-individual\n");
    deliver(&receive, 1, 1);
    let begun = "BEGIN\ntransaction:t\n\n\0ACK\nid:1@17-1\ntransaction:t\n\n\0";
    assert!(transcript.say(begun).is_empty());
    let send = "SEND\ndestination:/queue/jobs\ntransaction:t\n\na\0";
    assert!(transcript.say(&send.repeat(2)).is_empty());
    let mut commands = transcript.say("COMMIT\ntransaction:t\nreceipt:r\n\n\0");
    let (group, sender) = sent(commands.pop());
    assert_eq!(group.messages.len(), 2);
    assert!(
        commands.is_empty(),
        "what was received is not done with before"
    );
    let (ticket, stored) = (group.number, Sent::Stored(vec![id(4), id(5)]));
    let result = Ok(&stored);
    sender.deliver(&jobs(), &QueueDelivery::Sent { ticket, result });
    assert!(transcript.heard().contains("receipt-id:r"));
    assert_eq!(settled(transcript.say("\n").pop()), (vec![id(1)], vec![]));

    transcript.say("BEGIN\ntransaction:u\n\n\0");
    transcript.say("SEND\ndestination:/queue/jobs\ntransaction:u\n\na\0");
    transcript.say("SEND\ndestination:/topic/x\ntransaction:u\n\na\0");
    assert!(
        transcript
            .say("COMMIT\ntransaction:u\n\n\0")
            .iter()
            .all(|command| { matches!(command, QueueCommand::Leave(_)) })
    );
    assert!(transcript.heard().contains("ERROR"));
}

#[test]
fn whoever_ends_gives_back() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let receive = transcript.subscribe("ack:client\n");
    let commands = transcript.say("UNSUBSCRIBE\nid:s\n\n\0");
    assert!(matches!(commands[..], [QueueCommand::Leave(left)] if left == receive.receiver));
    deliver(&receive, 1, 1);
    assert_eq!(transcript.heard(), "", "nothing follows");
}

#[test]
fn a_lost_lease_leaves_the_session_open_and_late_acks_are_told() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let receive = transcript.subscribe("ack:client-individual\n");
    for number in 1..=3 {
        deliver(&receive, number, 1);
    }
    let taken_back = QueueDelivery::TakenBack(receive.receiver);
    receive.subscriber.deliver(&jobs(), &taken_back);
    transcript.heard();

    // Nobody asked to be told.
    let commands = transcript.say("ACK\nid:1@17-1\n\n\0");
    assert_eq!(settled_all(commands), []);
    assert_eq!(transcript.heard(), "");

    // One of them comes again, and is acknowledged as usual.
    deliver(&receive, 3, 2);
    assert!(transcript.heard().contains("redelivered:true"));
    let mut commands = transcript.say("ACK\nid:1@17-3\nreceipt:a\n\n\0");
    assert_eq!(settled(commands.pop()), (vec![id(3)], vec![]));

    transcript.say("SUBSCRIBE\nid:e\ndestination:/user/queue/errors\n\n\0");
    transcript.heard();
    let commands = transcript.say("ACK\nid:1@17-2\nreceipt:b\n\n\0");
    assert_eq!(settled_all(commands), []);
    let told = transcript.heard();
    for word in [
        "code:lease_lost",
        "refused-message-id:jobs@17-2",
        "receipt-id:b",
    ] {
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(transcript.outbox.closing(), None);
}

#[test]
fn a_late_ack_ends_a_session_that_asks_for_a_receipt_and_hears_no_errors() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let receive = transcript.subscribe("ack:client-individual\n");
    deliver(&receive, 1, 1);
    let taken_back = QueueDelivery::TakenBack(receive.receiver);
    receive.subscriber.deliver(&jobs(), &taken_back);
    transcript.say("ACK\nid:1@17-1\nreceipt:r\n\n\0");
    let told = transcript.heard();
    assert!(
        told.contains("ERROR") && told.contains("lease_lost"),
        "{told}"
    );
    assert_eq!(transcript.outbox.closing(), Some(Code::LeaseLost));
}

#[test]
fn a_numbered_send_keeps_its_number() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let client = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
    let frame = format!(
        "SEND\ndestination:/queue/jobs\nclient-id:{client}\nclient-seq:7\nreceipt:r\n\na\0"
    );
    let (first, sender) = sent(transcript.say(&frame).pop());
    assert_eq!(
        (first.sender.client.to_string().as_str(), first.number),
        (client, 7)
    );
    // The answer is told apart by the session's own count.
    let stored = Sent::Stored(vec![id(1)]);
    let answer = QueueDelivery::Sent {
        ticket: 1,
        result: Ok(&stored),
    };
    sender.deliver(&jobs(), &answer);
    assert!(transcript.heard().contains("receipt-id:r"));
    let (again, _) = sent(transcript.say(&frame).pop());
    assert_eq!((&again.sender, again.number), (&first.sender, 7));
}

/// All that these commands settle.
fn settled_all(commands: Vec<QueueCommand>) -> Vec<MessageId> {
    let settled = commands.into_iter().map(|command| settled(Some(command)));
    settled
        .flat_map(|(acks, nacks)| [acks, nacks].concat())
        .collect()
}

#[test]
fn both_directions_need_a_writer() {
    for frame in [
        "SUBSCRIBE\nid:s\ndestination:/queue/jobs\nreceipt:r\n\n\0",
        "SEND\ndestination:/queue/jobs\nreceipt:r\n\na\0",
    ] {
        let mut transcript = Transcript::of("1.2", Role::Reviewer);
        assert!(transcript.say(frame).is_empty());
        assert!(transcript.heard().contains("code:forbidden"), "{frame}");
    }
}

#[test]
fn a_transaction_that_is_not_stored_gives_back_what_was_received() {
    for is_full in [true, false] {
        let mut transcript = Transcript::of("1.2", Role::Writer);
        let receive = transcript.subscribe("ack:client-individual\n");
        deliver(&receive, 1, 1);
        transcript.say("BEGIN\ntransaction:t\n\n\0ACK\nid:1@17-1\ntransaction:t\n\n\0");
        let unknown = "ACK\nid:1@17-9\ntransaction:t\n\n\0";
        if !is_full {
            transcript.say(unknown);
        }
        transcript.say("SEND\ndestination:/queue/jobs\ntransaction:t\n\na\0");
        let mut commands = transcript.say("COMMIT\ntransaction:t\nreceipt:r\n\n\0");
        if is_full {
            let (group, sender) = sent(commands.pop());
            let number = group.number;
            let result = Ok(&Sent::Full);
            sender.deliver(
                &jobs(),
                &QueueDelivery::Sent {
                    ticket: number,
                    result,
                },
            );
            commands = transcript.say("\n");
        }
        assert!(matches!(commands.as_slice(), [QueueCommand::Leave(_)]));
        assert!(transcript.heard().contains("ERROR"));
    }
}

#[test]
fn an_ack_is_answered_after_the_end_of_its_subscription() {
    let mut transcript = Transcript::of("1.2", Role::Writer);
    let receive = transcript.subscribe("ack:client-individual\n");
    deliver(&receive, 1, 1);
    transcript.heard();
    transcript.say("ACK\nid:1@17-1\nreceipt:a\n\n\0UNSUBSCRIBE\nid:s\n\n\0");
    let delivery = QueueDelivery::Settled {
        receiver: receive.receiver,
        acks: &[id(1)],
        nacks: &[],
        lost: &[],
    };
    receive.subscriber.deliver(&jobs(), &delivery);
    assert!(transcript.heard().contains("receipt-id:a"));
}
