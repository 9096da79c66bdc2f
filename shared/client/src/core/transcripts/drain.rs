//! Make before break (C15): the present session goes on until the next one stands, and then nothing
//! was missed, nothing came twice, and nobody was told of a loss of connection.

use inkwire_model::{AccessAction, ClientId, Code, Nack, ResetCause, Role, Seq, Subject};
use inkwire_protocol::native::{ClientPacket, ServerPacket};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::core::{Event, JoinOptions, Output, State};

use super::stage::{NONE, Stage, document, draft};

const OTHER: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";

/// A client between two sessions of one log.
struct Crossing {
    stage: Stage,
    /// What was sent to the next session.
    next: Vec<ClientPacket>,
    opened: usize,
    dropped: usize,
    has_crossed: bool,
}

impl Crossing {
    fn live() -> Self {
        Self {
            stage: Stage::live(JoinOptions::default()),
            next: Vec::new(),
            opened: 0,
            dropped: 0,
            has_crossed: false,
        }
    }

    /// … that was told to move, and whose next session has said welcome.
    fn welcomed() -> Self {
        let mut it = Self::live();
        it.told(100);
        it.wait_ms(100);
        it.open();
        it
    }

    /// Looks at what the core wanted.
    fn look(&mut self) {
        for output in std::mem::take(&mut self.stage.others) {
            match output {
                Output::OpenNext => self.opened += 1,
                Output::SendNext(packet) => self.next.push(packet),
                Output::DropNext { .. } => self.dropped += 1,
                Output::GoOver { .. } => self.has_crossed = true,
                _ => {}
            }
        }
    }

    fn told(&mut self, after_ms: u64) {
        self.stage.hear(ServerPacket::Drain { after_ms });
        self.look();
    }

    fn wait_ms(&mut self, ms: u64) {
        self.stage.wait_ms(ms);
        self.look();
    }

    fn open(&mut self) {
        assert_eq!(self.opened, 1, "a connection was asked for");
        self.opened = 0;
        self.connect_next();
        self.welcome_next();
    }

    fn connect_next(&mut self) {
        self.stage.session.next_opened(None, self.stage.now);
        self.stage.drain();
        self.look();
        assert_eq!(self.next, [ClientPacket::Hello { token: None }]);
        self.next.clear();
    }

    fn welcome_next(&mut self) {
        self.hear_next(ServerPacket::Welcome {
            session: "s2".into(),
            replica: "r2".into(),
            subject: self.stage.log.subject.clone(),
            heartbeat_ms: 30_000,
            payload_bytes_max: 1_000,
            message_bytes_max: 2 << 20,
            landing_ms: 11_000,
        });
    }

    fn hear_next(&mut self, packet: ServerPacket) {
        self.stage.session.receive_next(packet, self.stage.now);
        self.stage.drain();
        self.look();
    }

    fn change_access(&mut self, action: AccessAction) -> bool {
        let (session, now) = (&mut self.stage.session, self.stage.now);
        let has_asked = session.change_access(&document(), eve(), action, now);
        self.stage.drain();
        has_asked
    }

    fn access_changed(&mut self, action: AccessAction) {
        self.stage.hear(ServerPacket::AccessChanged {
            document: document(),
            subject: eve(),
            action,
            position: self.stage.log.head(),
        });
        self.look();
    }

    fn error(&mut self, code: Code, after_ms: Option<u64>) {
        self.stage.hear(ServerPacket::Error {
            code,
            document: Some(document()),
            detail: "no".into(),
            after_ms,
            need: None,
        });
        self.look();
    }

    /// What the application heard of its requests about access.
    fn outcomes(&mut self) -> Vec<&'static str> {
        let events = std::mem::take(&mut self.stage.events);
        let outcomes = events.iter().filter_map(|event| match event {
            Event::AccessChanged { .. } => Some("changed"),
            Event::Error { detail, .. } if detail.contains("is not known") => Some("unknown"),
            Event::Error { .. } => Some("failed"),
            _ => None,
        });
        outcomes.collect()
    }

    fn renew_token(&mut self) {
        let fresh = "fresh".to_owned();
        self.stage.session.renew_token(fresh, self.stage.now);
        self.stage.drain();
        self.look();
    }

    fn failed(&mut self) {
        self.stage.session.next_failed(self.stage.now);
        self.stage.drain();
        self.look();
    }

    /// Where the next session was asked to begin, if it was.
    fn join(&mut self) -> Option<Seq> {
        match std::mem::take(&mut self.next).as_slice() {
            [] => None,
            [ClientPacket::Join { since, client, .. }] => {
                assert_eq!(client.as_ref(), Some(&self.stage.client()));
                Some(since.map_or(0, |since| since.seq))
            }
            other => panic!("no single join: {other:?}"),
        }
    }

    /// Shows entries of the log in the next session.
    fn show_next(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        for seq in seqs {
            let entry = self.stage.log.entries[seq as usize - 1].clone();
            let document = document();
            self.hear_next(ServerPacket::Entry { document, entry });
        }
    }

    fn show(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        for seq in seqs {
            let entry = self.stage.log.entries[seq as usize - 1].clone();
            self.stage.entry(&entry);
            self.look();
        }
    }

    /// The next session's join ends at `seq`, with the row of now.
    fn joined_next(&mut self, seq: Seq) {
        let row = self.stage.log.row(&self.stage.client());
        let position = match seq.checked_sub(1) {
            Some(index) => self.stage.log.entries[index as usize].position,
            None => self.stage.log.start,
        };
        self.hear_next(ServerPacket::Joined {
            document: document(),
            position,
            role: Role::Writer,
            subject: self.stage.log.subject.clone(),
            row,
        });
    }

    /// Somebody else writes.
    fn others_write(&mut self, count: u64) {
        let other = ClientId::parse(OTHER).unwrap();
        let row = self.stage.log.row(&other);
        let last = row.map_or(0, |row| row.client_seq);
        for n in last + 1..=last + count {
            self.stage.log.append(&other, n, &draft(n));
        }
    }

    /// The numbers of the entries that were shown to the application.
    fn shown(&self) -> Vec<Seq> {
        let events = self.stage.events.iter();
        let entries = events.filter_map(|event| match event {
            Event::Entry(entry) => Some(entry.position.seq),
            _ => None,
        });
        entries.collect()
    }

    fn assert_nothing_was_noticed(&self) {
        for event in &self.stage.events {
            let is_noise = matches!(
                event,
                Event::State(State::Detached | State::Joining | State::Ended(_))
                    | Event::Reset { .. }
                    | Event::Lost { .. }
                    | Event::Renewed { .. }
                    | Event::Broken(_)
            );
            assert!(!is_noise, "{event:?}");
        }
        let shown = self.shown();
        let expected: Vec<_> = (1..=shown.len() as Seq).collect();
        assert_eq!(shown, expected, "each once, in order");
        // Each session has sent each entry once.
        let document = self.stage.session.document(&document()).unwrap();
        assert_eq!(document.counts().repeats_dropped, 0);
    }
}

fn eve() -> Subject {
    Subject::parse("eve").unwrap()
}

#[test]
fn it_goes_over_when_the_next_session_stands_and_not_before() {
    let mut it = Crossing::welcomed();
    assert_eq!(it.join(), Some(0));
    assert!(!it.has_crossed);
    it.joined_next(0);
    assert!(it.has_crossed);
    it.stage.append(1);
    assert_eq!(it.stage.take_numbers(), [1], "in the next session");
    it.assert_nothing_was_noticed();
}

#[test]
fn it_waits_a_random_part_of_the_time_and_asks_once() {
    let mut moments = std::collections::HashSet::new();
    for after_ms in (100..2_000).step_by(100) {
        let mut it = Crossing::live();
        it.told(after_ms);
        it.told(after_ms);
        let before = it.stage.now.elapsed_ms;
        while it.opened == 0 {
            it.wait_ms(10);
        }
        let waited = it.stage.now.elapsed_ms - before;
        assert!(waited <= after_ms + 10, "{waited} of {after_ms}");
        moments.insert(waited * 100 / after_ms);
        it.wait_ms(5_000);
        assert_eq!(it.opened, 1);
    }
    assert!(moments.len() > 3, "{moments:?}");
}

#[test]
fn during_pipelined_appends_it_lets_them_be_acknowledged_first() {
    let mut it = Crossing::live();
    it.told(100);
    for n in 1..=5 {
        it.stage.append(n);
    }
    it.wait_ms(100);
    it.open();
    assert_eq!(it.join(), None, "five are on their way");
    it.stage.append(6);
    let sent = std::mem::take(&mut it.stage.sent);
    assert_eq!(
        sent.len(),
        5,
        "nothing new is sent to a session that is left"
    );
    it.stage.sent = sent;
    it.stage.take_all();
    it.look();
    assert_eq!(it.join(), Some(5));
    it.joined_next(5);
    assert!(it.has_crossed);
    assert_eq!(it.stage.take_numbers(), [6], "nothing is sent twice");
    assert_eq!(it.stage.acked().len(), 5);
    it.assert_nothing_was_noticed();
}

#[test]
fn what_is_not_acknowledged_in_time_is_sent_again() {
    let mut it = Crossing::live();
    it.told(100);
    it.stage.append(1);
    it.stage.append(2);
    it.wait_ms(100);
    it.open();
    assert_eq!(it.join(), None);
    it.wait_ms(1_000);
    assert_eq!(it.join(), Some(0));
    // The first had landed; it goes out once more all the same, since only an ack is a promise (C3).
    let client = it.stage.client();
    it.stage.log.append(&client, 1, &draft(1));
    it.stage.clear();
    it.show_next([1]);
    it.joined_next(1);
    assert!(it.has_crossed);
    assert_eq!(it.stage.take_numbers(), [1, 2]);
    it.assert_nothing_was_noticed();
}

#[test]
fn entries_that_come_on_both_are_shown_once() {
    let mut it = Crossing::welcomed();
    assert_eq!(it.join(), Some(0));
    it.others_write(6);
    it.show([1, 2, 3]);
    it.show_next([1, 2, 3, 4]);
    it.joined_next(4);
    assert!(it.has_crossed);
    it.show_next([]);
    // The former session's last words are nobody's.
    it.stage.entry(&it.stage.log.entries[4].clone());
    it.stage.entry(&it.stage.log.entries[5].clone());
    it.assert_nothing_was_noticed();
    assert_eq!(it.shown(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_next_session_that_lags_is_waited_for_unless_it_is_close() {
    let mut it = Crossing::welcomed();
    it.join();
    it.others_write(300);
    it.show_next([1]);
    it.show(1..=300);
    it.joined_next(1);
    assert!(!it.has_crossed, "what it brings could not be compared");
    it.show_next(2..=44);
    assert!(!it.has_crossed);
    it.show_next([45]);
    assert!(it.has_crossed, "256 before what was shown: it is known");
    for seq in 46..=300 {
        let entry = it.stage.log.entries[seq - 1].clone();
        it.stage.entry(&entry);
    }
    it.assert_nothing_was_noticed();
    assert_eq!(it.shown().len(), 300);
}

#[test]
fn much_that_was_shown_meanwhile_is_not_shown_again() {
    let mut it = Crossing::welcomed();
    it.join();
    it.others_write(1_000);
    it.show(1..=900);
    it.show_next(1..=1_000);
    it.joined_next(1_000);
    assert!(it.has_crossed);
    it.assert_nothing_was_noticed();
    assert_eq!(it.shown().len(), 1_000);
}

#[test]
fn another_history_there_is_noticed_as_at_any_join() {
    let mut it = Crossing::welcomed();
    it.join();
    it.others_write(2);
    it.show([1, 2]);
    let mut fork = it.stage.log.clone();
    fork.entries.truncate(1);
    it.stage.log = fork;
    let other = ClientId::parse(OTHER).unwrap();
    it.stage.log.append(&other, 2, &draft(99));
    it.show_next([1, 2]);
    it.joined_next(2);
    assert!(it.has_crossed);
    assert!(it.stage.has_left(), "to join again from what was shown");
    let is_broken = |event: &Event| matches!(event, Event::Broken(_));
    assert!(it.stage.events.iter().any(is_broken));
}

#[test]
fn a_reset_there_is_a_reset() {
    let mut it = Crossing::welcomed();
    it.join();
    it.others_write(3);
    let position = it.stage.log.entries[1].position;
    it.hear_next(ServerPacket::Reset {
        document: document(),
        cause: ResetCause::Trimmed,
        position,
        row: None,
        snapshot: None,
    });
    it.show_next([3]);
    assert!(!it.has_crossed);
    it.joined_next(3);
    assert!(it.has_crossed);
    assert_eq!(it.shown(), [3]);
}

#[test]
fn during_a_join_the_next_session_joins_as_well() {
    let mut it = Crossing::live();
    it.stage.disconnect();
    it.stage.clear();
    it.stage.connect();
    it.told(100);
    it.wait_ms(100);
    it.open();
    assert_eq!(it.join(), None, "the present join may end soon");
    it.wait_ms(1_000);
    assert_eq!(it.join(), Some(0));
    it.stage.clear();
    it.joined_next(0);
    assert!(it.has_crossed);
    it.stage.append(1);
    assert_eq!(it.stage.take_numbers(), [1]);
    it.assert_nothing_was_noticed();
}

#[test]
fn a_refused_connection_costs_nothing_and_is_tried_again() {
    let mut it = Crossing::live();
    it.told(100);
    for attempt in 0..5 {
        while it.opened == 0 {
            it.wait_ms(50);
        }
        it.opened = 0;
        it.failed();
        it.stage.append(attempt);
        it.stage.take_all();
    }
    assert!(!it.has_crossed);
    assert_eq!(it.stage.acked().len(), 5);
    while it.opened == 0 {
        it.wait_ms(50);
    }
    it.open();
    assert_eq!(it.join(), Some(5));
    it.joined_next(5);
    assert!(it.has_crossed);
    it.assert_nothing_was_noticed();
}

#[test]
fn a_next_session_that_fails_in_the_middle_leaves_the_present_one_as_it_was() {
    let mut it = Crossing::welcomed();
    it.join();
    it.others_write(4);
    it.show_next([1, 2]);
    it.stage.append(1);
    assert_eq!(it.stage.take_numbers(), NONE);
    it.failed();
    assert_eq!(
        it.stage.take_numbers(),
        [1],
        "the present one takes it again"
    );
    it.show(1..=4);
    it.assert_nothing_was_noticed();
    assert_eq!(it.shown(), [1, 2, 3, 4]);
}

#[test]
fn a_next_session_that_does_not_join_in_time_is_dropped() {
    let mut it = Crossing::welcomed();
    it.join();
    it.stage.append(1);
    assert_eq!(it.stage.take_numbers(), NONE);
    it.wait_ms(5_000);
    assert_eq!(it.dropped, 1);
    assert_eq!(it.stage.take_numbers(), [1]);
}

#[test]
fn a_welcome_that_does_not_come_is_not_waited_for() {
    let mut it = Crossing::live();
    it.told(0);
    it.wait_ms(10);
    it.stage.session.next_opened(None, it.stage.now);
    for _ in 0..4 {
        it.wait_ms(3_000);
        it.stage.hear(ServerPacket::Pong { id: 0 });
    }
    assert_eq!(it.dropped, 1);
}

#[test]
fn a_session_that_ends_first_is_an_ordinary_loss() {
    let mut it = Crossing::welcomed();
    it.join();
    it.stage.append(1);
    it.stage.disconnect();
    it.look();
    assert_eq!(it.dropped, 1);
    assert!(it.stage.events.contains(&Event::State(State::Detached)));
    it.stage.clear();
    it.stage.connect();
    it.stage.joined();
    assert_eq!(it.stage.take_numbers(), [1]);
}

#[test]
fn a_drain_of_the_next_session_moves_it_again() {
    let mut it = Crossing::welcomed();
    it.join();
    it.joined_next(0);
    for _ in 0..3 {
        assert!(std::mem::take(&mut it.has_crossed));
        it.stage.append(1);
        it.stage.take_all();
        it.told(100);
        it.wait_ms(100);
        it.open();
        let head = it.stage.log.head().seq;
        assert_eq!(it.join(), Some(head));
        it.joined_next(head);
    }
    it.assert_nothing_was_noticed();
    assert_eq!(it.shown(), [1, 2, 3]);
}

#[test]
fn a_renewed_token_goes_to_both() {
    let mut it = Crossing::welcomed();
    it.join();
    it.stage.clear();
    it.renew_token();
    let auth = ClientPacket::Auth {
        token: "fresh".into(),
    };
    assert_eq!([it.stage.sent, it.next].concat(), [auth.clone(), auth]);
}

#[test]
fn a_token_renewed_after_the_hello_follows_the_welcome() {
    let mut it = Crossing::live();
    it.told(100);
    it.wait_ms(100);
    it.connect_next();
    it.renew_token();
    assert_eq!(it.next, [], "nothing but the hello may come before it");
    it.welcome_next();
    let auth = ClientPacket::Auth {
        token: "fresh".into(),
    };
    assert_eq!(it.next.remove(0), auth);
    assert_eq!(it.join(), Some(0));
}

#[test]
fn a_drain_of_the_next_session_before_it_is_reached_is_remembered() {
    let mut it = Crossing::welcomed();
    it.join();
    let drain = ServerPacket::Drain { after_ms: 500 };
    it.hear_next(drain.clone());
    it.hear_next(drain);
    it.wait_ms(400);
    assert_eq!(it.opened, 0, "one after the other");
    it.joined_next(0);
    assert!(std::mem::take(&mut it.has_crossed));
    it.wait_ms(100);
    it.open();
    it.stage.append(1);
    assert_eq!(it.join(), Some(0));
    it.joined_next(0);
    assert!(it.has_crossed);
    assert_eq!(it.stage.take_numbers(), [1]);
    it.assert_nothing_was_noticed();
}

#[test]
fn a_drain_of_a_next_session_that_fails_is_forgotten() {
    let mut it = Crossing::welcomed();
    it.join();
    it.hear_next(ServerPacket::Drain { after_ms: 0 });
    it.failed();
    while it.opened == 0 {
        it.wait_ms(10);
    }
    it.open();
    it.join();
    it.joined_next(0);
    it.wait_ms(5_000);
    assert!(it.has_crossed);
    assert_eq!(it.opened, 0);
}

#[test]
fn a_request_about_access_is_answered_before_it_goes_over() {
    for action in [AccessAction::Revoke, AccessAction::Grant] {
        let mut it = Crossing::live();
        it.told(100);
        assert!(it.change_access(action));
        it.wait_ms(100);
        it.open();
        assert_eq!(it.join(), None, "its answer comes here alone");
        it.access_changed(action);
        assert_eq!(it.join(), Some(0));
        it.joined_next(0);
        assert!(it.has_crossed);
        assert_eq!(it.outcomes(), ["changed"]);
    }
}

#[test]
fn a_request_about_access_in_the_last_moment_is_waited_for() {
    let mut it = Crossing::welcomed();
    assert_eq!(it.join(), Some(0));
    assert!(it.change_access(AccessAction::Revoke));
    it.joined_next(0);
    assert!(!it.has_crossed);
    it.access_changed(AccessAction::Revoke);
    assert!(it.has_crossed);
    assert_eq!(it.outcomes(), ["changed"]);
}

#[test]
fn the_outcome_of_a_request_about_access_is_told_if_only_as_not_known() {
    // Not answered in time.
    let mut it = Crossing::welcomed();
    it.join();
    assert!(it.change_access(AccessAction::Revoke));
    assert!(it.change_access(AccessAction::Grant));
    it.joined_next(0);
    it.wait_ms(1_000);
    assert!(it.has_crossed);
    assert_eq!(it.outcomes(), ["unknown", "unknown"]);
    it.stage.disconnect();
    assert_eq!(it.outcomes(), [""; 0], "once");
    // The session was lost.
    let mut it = Crossing::live();
    assert!(it.change_access(AccessAction::Revoke));
    it.stage.disconnect();
    assert_eq!(it.outcomes(), ["unknown"]);
    assert!(!it.change_access(AccessAction::Revoke), "nobody is asked");
    // The membership ended.
    let mut it = Crossing::live();
    assert!(it.change_access(AccessAction::Revoke));
    it.stage.left();
    assert_eq!(it.outcomes(), ["unknown"]);
}

#[test]
fn an_error_is_an_answer_about_access_unless_it_speaks_of_something_else() {
    for (code, after_ms, is_answer) in [
        (Code::Unavailable, None, true),
        (Code::Forbidden, None, true),
        (Code::Throttled, Some(50), true),
        (Code::Unavailable, Some(50), false),
        (Code::TooLarge, None, false),
    ] {
        let mut it = Crossing::welcomed();
        it.join();
        assert!(it.change_access(AccessAction::Revoke));
        it.joined_next(0);
        it.error(code, after_ms);
        assert_eq!(it.has_crossed, is_answer, "{code:?}");
    }
}

#[test]
fn credentials_that_are_refused_there_end_nothing_here() {
    let mut it = Crossing::welcomed();
    it.join();
    it.hear_next(ServerPacket::Error {
        code: Code::Unauthenticated,
        document: None,
        detail: "no".into(),
        after_ms: None,
        need: None,
    });
    assert_eq!(it.dropped, 1);
    it.stage.append(1);
    assert_eq!(it.stage.take_numbers(), [1]);
    it.assert_nothing_was_noticed();
}

#[test]
fn a_document_that_is_closed_meanwhile_begins_the_move_again() {
    let mut it = Crossing::welcomed();
    it.join();
    it.stage
        .session
        .close_document(&document(), it.stage.now)
        .unwrap();
    it.stage.drain();
    it.look();
    assert_eq!(it.dropped, 1);
    while it.opened == 0 {
        it.wait_ms(50);
    }
}

#[test]
fn a_refusal_on_the_way_is_settled_before_the_client_goes_over() {
    let mut it = Crossing::live();
    it.told(100);
    it.stage.append(1);
    it.stage.append(2);
    it.wait_ms(100);
    it.open();
    it.stage.nack(1, Nack::Throttled { after_ms: 50 });
    it.look();
    assert_eq!(it.join(), Some(0), "nothing is on its way any more");
    it.stage.clear();
    it.joined_next(0);
    assert!(it.has_crossed);
    it.wait_ms(1_000);
    assert_eq!(it.stage.take_numbers(), [1, 2]);
}

/// One log, two sessions that lag behind it differently, and a client that writes all the while.
#[test]
fn whatever_the_order_nothing_is_missed_and_nothing_comes_twice() {
    let crossed = (0..300).filter(|seed| cross(*seed)).count();
    // A schedule in which nobody goes over shows little.
    assert!(crossed > 30, "{crossed}");
}

/// Whether the client went over.
fn cross(seed: u64) -> bool {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut it = Crossing::live();
    let mut appended = 0;
    // What each session has shown; of the next one, once it was asked to join.
    let (mut here, mut there): (Seq, Option<Seq>) = (0, None);
    let (mut is_told, mut is_joined) = (false, false);
    for _ in 0..400 {
        let head = it.stage.log.head().seq;
        match rng.random_range(0..10) {
            0 => {
                appended += 1;
                it.stage.append(appended);
            }
            1 => it.others_write(1),
            2 if !is_told => {
                is_told = true;
                it.told(20);
            }
            3 => it.wait_ms(rng.random_range(1..40)),
            4 if it.opened > 0 => it.open(),
            5 if !it.has_crossed => take_some(&mut it, &mut rng),
            6 if here < head && !it.has_crossed => {
                here += 1;
                it.show([here]);
            }
            7 if there.is_some_and(|there| there < head) && !it.has_crossed => {
                let next = there.unwrap() + 1;
                there = Some(next);
                it.show_next([next]);
            }
            8 if there == Some(head) && !is_joined => {
                is_joined = true;
                it.joined_next(head);
            }
            9 if it.opened > 0 && rng.random_bool(0.2) => {
                it.opened = 0;
                it.failed();
            }
            _ => {}
        }
        if there.is_none() && !it.next.is_empty() {
            there = it.join();
        }
        if it.has_crossed {
            break;
        }
    }
    // The rest in the session that it is in.
    let mut shown = if it.has_crossed { there.unwrap() } else { here };
    for _ in 0..200 {
        take_some(&mut it, &mut rng);
        while shown < it.stage.log.head().seq {
            shown += 1;
            let entry = it.stage.log.entries[shown as usize - 1].clone();
            it.stage.entry(&entry);
        }
        it.look();
        if !it.has_crossed && it.stage.acked().len() as u64 == appended {
            break;
        }
    }
    it.assert_nothing_was_noticed();
    assert_eq!(it.shown().len() as Seq, it.stage.log.head().seq, "{seed}");
    let mine = it.stage.log.entries.iter();
    let client = it.stage.client();
    let mine = mine.filter(|entry| entry.client == client).count();
    if it.has_crossed {
        assert_eq!(mine as u64, appended, "{seed}: none is lost, none is twice");
        assert_eq!(it.stage.acked().len() as u64, appended, "{seed}");
    }
    it.has_crossed
}

/// The log takes what was sent to the session that the client is in; what it has already is a repeat.
fn take_some(it: &mut Crossing, rng: &mut StdRng) {
    let sent = std::mem::take(&mut it.stage.sent);
    let client = it.stage.client();
    for packet in sent {
        let ClientPacket::Append { client_seq, .. } = &packet else {
            continue;
        };
        let row = it.stage.log.row(&client);
        if *client_seq > row.map_or(0, |row| row.client_seq) {
            it.stage.log.take(&client, &packet);
        }
        // Some acknowledgements are late; a later one covers them.
        if rng.random_bool(0.8) {
            it.stage.ack(*client_seq);
            it.look();
        } else {
            it.stage.sent.push(packet);
        }
    }
}
