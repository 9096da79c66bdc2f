use inkwire_hub::{Submission, Subscriber};
use inkwire_model::{ContentType, Kind, Position, Role};

use super::*;
use crate::Roles;

const WALL_MS: UnixMillis = 1_800_000_000_000;

struct Nobody;

impl Subscriber for Nobody {
    fn deliver(&self, _: &DocumentId, _: &Delivery<'_>) -> bool {
        false
    }

    fn flush(&self) {}

    fn has_room(&self) -> bool {
        true
    }
}

/// Posts in simulated time, and a hub that says what the test says.
struct Rig {
    posts: Posts<&'static str>,
    now: Instant,
    grant: Grant,
    member: Option<MemberKey>,
}

fn client() -> ClientId {
    ClientId::parse("0b6e3c1a-5a57-4a0c-9d5c-6d1f6c0c2f11").unwrap()
}

fn position(seq: u64) -> Position {
    format!("{seq}-00000000000000aa").parse().unwrap()
}

impl Rig {
    fn new(role: Role) -> Self {
        Self {
            posts: Posts::new(
                PostLimits::default(),
                SessionLimits::default(),
                Arc::default(),
                Arc::default(),
            ),
            now: Instant::now(),
            grant: Grant {
                subject: Subject::parse("alice").unwrap(),
                roles: Roles::Everywhere(role),
                expires_at_ms: None,
            },
            member: None,
        }
    }

    fn post(&mut self, name: &'static str, numbers: &[ClientSeq]) {
        self.post_kind(name, numbers, "edit");
    }

    fn post_kind(&mut self, name: &'static str, numbers: &[ClientSeq], kind: &str) {
        let entries = numbers.iter().map(|number| Posting {
            client_seq: *number,
            kind: Kind::parse(kind).unwrap(),
            content_type: ContentType::default(),
            payload: r#"{"text":"1"}"#.into(),
            traceparent: None,
        });
        let post = Post {
            document: DocumentId::parse("essay").unwrap(),
            client: client(),
            entries: entries.collect(),
        };
        let grant = self.grant.clone();
        let at = (self.now, WALL_MS);
        self.posts
            .append(&grant, post, name, at, |_| Arc::new(Nobody));
    }

    fn signal(&mut self, kind: &str, payload: &'static str) -> Result<(), Outcome> {
        let signal = Signal {
            author: self.grant.subject.clone(),
            client: None,
            kind: Kind::parse(kind).unwrap(),
            content_type: ContentType::default(),
            payload: payload.into(),
            position: None,
        };
        let (grant, document) = (self.grant.clone(), DocumentId::parse("essay").unwrap());
        self.posts
            .signal(&grant, document, signal, self.now, |_, _| Arc::new(Nobody))
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.posts.look(self.now, &|_, _, _, _| Arc::new(Nobody));
    }

    fn hear(&mut self, news: PostNews) {
        let member = self.member.expect("somebody joined");
        self.posts.hear(member, news, self.now);
    }

    fn join(&mut self, last: ClientSeq) {
        assert_eq!(self.asked(), ["join"]);
        self.hear(PostNews::Joined { last });
    }

    fn ack(&mut self, client_seq: ClientSeq) {
        self.hear(PostNews::Ack {
            client_seq,
            position: position(client_seq),
            duplicate: false,
        });
    }

    fn nack(&mut self, client_seq: ClientSeq, nack: Nack) {
        let client_seq = Some(client_seq);
        self.hear(PostNews::Nack { client_seq, nack });
    }

    /// What the hub was asked since the last look.
    fn asked(&mut self) -> Vec<String> {
        let mut asked = Vec::new();
        for request in self.posts.take_commands() {
            match request {
                Request::Document(_, Command::Join(join)) => {
                    self.member = Some(join.member);
                    asked.push("join".to_owned());
                }
                Request::Document(_, Command::Leave(_)) => asked.push("leave".to_owned()),
                Request::Document(_, Command::Submit(member, submissions)) => {
                    assert_eq!(Some(member), self.member);
                    let number = |one: &Submission| one.client_seq.to_string();
                    asked.extend(submissions.iter().map(number));
                }
                Request::Document(_, Command::Signal(member, signal)) => {
                    assert_eq!(Some(member), self.member);
                    let payload = String::from_utf8_lossy(&signal.payload);
                    asked.push(format!("{} {payload}", signal.kind));
                }
                _ => panic!("posts ask for nothing else"),
            }
        }
        asked
    }

    fn answers(&mut self) -> Vec<(&'static str, Vec<Outcome>)> {
        self.posts.take_answers()
    }
}

fn appended(seq: u64) -> Outcome {
    Outcome::Appended {
        position: position(seq),
        duplicate: false,
    }
}

fn gap(expected: ClientSeq) -> Outcome {
    Outcome::Refused(Nack::Gap {
        expected,
        row: None,
    })
}

#[test]
fn the_latest_signal_of_a_kind_goes_once_the_membership_is_there() {
    let mut rig = Rig::new(Role::Reviewer);
    rig.signal("cursor", "1").unwrap();
    rig.signal("typing", "2").unwrap();
    rig.signal("cursor", "3").unwrap();
    rig.join(0);
    assert_eq!(rig.asked(), ["typing 2", "cursor 3"]);
    rig.signal("cursor", "4").unwrap();
    assert_eq!(rig.asked(), ["cursor 4"]);
    rig.pass(PostLimits::default().idle + LOOK_EVERY);
    rig.pass(PostLimits::default().idle + LOOK_EVERY);
    assert_eq!(rig.asked(), ["leave"]);
}

#[test]
fn viewers_signal_nothing() {
    let mut rig = Rig::new(Role::Viewer);
    let need = Role::Reviewer;
    let forbidden = Outcome::Refused(Nack::Forbidden { need });
    assert_eq!(rig.signal("cursor", "1"), Err(forbidden));
    assert!(rig.asked().is_empty());
}

#[test]
fn numbers_out_of_order_go_in_order() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("b", &[2, 3]);
    rig.join(0);
    assert!(rig.asked().is_empty());
    rig.post("d", &[4]);
    rig.post("a", &[1]);
    assert_eq!(rig.asked(), ["1", "2", "3", "4"]);
    for number in 1..=4 {
        rig.ack(number);
    }
    let mut answers = rig.answers();
    answers.sort_by_key(|(name, _)| *name);
    assert_eq!(
        answers,
        [
            ("a", vec![appended(1)]),
            ("b", vec![appended(2), appended(3)]),
            ("d", vec![appended(4)]),
        ]
    );
}

#[test]
fn what_came_through_another_replica_counts() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("c", &[3]);
    rig.join(1);
    assert!(rig.asked().is_empty());
    rig.hear(PostNews::Own(2));
    assert_eq!(rig.asked(), ["3"]);
}

#[test]
fn a_number_waits_two_seconds_and_the_log_says_what_it_misses() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("c", &[3]);
    rig.join(1);
    rig.pass(Duration::from_millis(1_900));
    assert!(rig.asked().is_empty());
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.asked(), ["3"]);
    rig.nack(
        3,
        Nack::Gap {
            expected: 2,
            row: None,
        },
    );
    assert_eq!(rig.answers(), [("c", vec![gap(2)])]);
    // The gate of that membership is shut: the next post has another.
    assert_eq!(rig.asked(), ["leave"]);
    rig.post("b", &[2]);
    rig.join(1);
    assert_eq!(rig.asked(), ["2"]);
}

#[test]
fn after_a_refusal_the_rest_of_the_post_is_a_gap_and_other_posts_go_again() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("a", &[1, 2]);
    rig.post("b", &[3]);
    rig.join(0);
    assert_eq!(rig.asked(), ["1", "2", "3"]);
    rig.nack(1, Nack::LogFull);
    let refused = vec![Outcome::Refused(Nack::LogFull), gap(1)];
    assert_eq!(rig.answers(), [("a", refused)]);
    rig.pass(Duration::ZERO);
    assert_eq!(rig.asked(), ["leave", "join"]);
    rig.hear(PostNews::Joined { last: 0 });
    assert!(rig.asked().is_empty(), "3 waits for 1 and 2");
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.asked(), ["3"]);
}

#[test]
fn what_was_not_sent_is_unavailable_and_what_was_is_unknown() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("a", &[1]);
    assert_eq!(rig.asked(), ["join"]);
    rig.hear(PostNews::Waiting { after_ms: 700 });
    let unavailable = Outcome::Refused(Nack::Unavailable { after_ms: 700 });
    assert_eq!(rig.answers(), [("a", vec![unavailable.clone()])]);
    assert_eq!(rig.asked(), ["leave"]);

    rig.post("b", &[1, 3]);
    rig.join(0);
    assert_eq!(rig.asked(), ["1"]);
    rig.nack(1, Nack::Unavailable { after_ms: 500 });
    let unknown = Outcome::Unknown { after_ms: 500 };
    assert_eq!(rig.answers(), [("b", vec![unknown, gap(1)])]);

    rig.asked();
    rig.post("c", &[1]);
    rig.join(0);
    rig.post("d", &[5]);
    assert_eq!(rig.asked(), ["1"]);
    rig.pass(Duration::from_secs(1));
    rig.pass(Duration::from_secs(11));
    let answers = rig.answers();
    assert!(matches!(answers[0], ("c", ref all) if matches!(all[0], Outcome::Unknown { .. })));
    assert!(
        matches!(answers[1], ("d", ref all) if all[0] == Outcome::Refused(Nack::Unavailable { after_ms: RETRY_MS }))
    );
}

#[test]
fn what_is_refused_here_never_reaches_the_hub() {
    let mut rig = Rig::new(Role::Reviewer);
    rig.post("a", &[1, 2]);
    let forbidden = Outcome::Refused(Nack::Forbidden { need: Role::Writer });
    assert_eq!(rig.answers(), [("a", vec![forbidden, gap(1)])]);
    rig.post_kind("b", &[1], "access.grant");
    assert!(matches!(
        rig.answers()[0].1[0],
        Outcome::Refused(Nack::Invalid { .. })
    ));
    assert!(rig.asked().is_empty());
    rig.post_kind("c", &[1], "comment.create");
    assert_eq!(rig.asked(), ["join"]);
}

#[test]
fn an_idle_membership_ends_and_a_revoked_one_answers_all() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("a", &[1]);
    rig.join(0);
    rig.ack(1);
    rig.pass(Duration::from_millis(100));
    rig.asked();
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.asked(), ["leave"]);
    rig.pass(Duration::from_secs(6));
    assert!(rig.posts.next_deadline().is_none());

    rig.answers();
    rig.post("b", &[2]);
    rig.join(1);
    rig.hear(PostNews::Ended(Code::Revoked));
    assert_eq!(
        rig.answers(),
        [("b", vec![Outcome::Refused(Nack::Revoked)])]
    );
}

#[test]
fn a_repair_sends_what_is_not_answered_again() {
    let mut rig = Rig::new(Role::Writer);
    rig.post("a", &[1]);
    rig.join(0);
    assert_eq!(rig.asked(), ["1"]);
    rig.hear(PostNews::Joined { last: 0 });
    assert_eq!(rig.asked(), ["1"]);
    rig.hear(PostNews::Reset);
    rig.pass(Duration::ZERO);
    assert_eq!(rig.asked(), ["leave", "join"]);
    rig.hear(PostNews::Joined { last: 1 });
    assert_eq!(rig.asked(), ["1"]);
    rig.ack(1);
    assert_eq!(rig.answers(), [("a", vec![appended(1)])]);
}
