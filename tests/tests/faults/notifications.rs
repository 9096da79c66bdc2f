//! Notifications while replicas die between an append and what it tells people: each of them has each
//! notification once.

use std::{
    collections::BTreeSet,
    sync::MutexGuard,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use inkwire_client::{
    ConnectOptions, Connection, Document, Draft, Event, Events, JoinOptions, constant_token,
};
use inkwire_model::{ContentType, DocumentId, Kind};
use inkwire_test_support::{Gateway, Redis};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use crate::{
    redis_scene::{PATIENCE, until},
    row::Row,
    scene::{REPLICAS, turn},
};

const SEED: u64 = 12;
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RECIPIENTS: [&str; 3] = ["bob", "carol", "dave"];
/// Appended at once, so that bringing what they tell takes its time.
const BURST: usize = 30;
/// Fewer comments than a log of notifications keeps.
const ROUNDS_MAX: usize = 30;
const KILLS_MIN: usize = 8;

struct Stage {
    // Dropped in this order: whoever needs another goes first.
    replicas: Vec<Gateway>,
    redis: Redis,
    _turn: MutexGuard<'static, ()>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_killed_before_outboxes_are_drained() {
    let mut stage = Stage::start();
    let mut random = StdRng::seed_from_u64(SEED);
    let (connection, document, mut events) = stage.writer().await;
    let began = Instant::now();
    let (mut rounds, mut kills, mut left_behind) = (0, 0, 0);
    let mut longest_silence = Duration::ZERO;
    while kills < KILLS_MIN || left_behind == 0 {
        assert!(rounds < ROUNDS_MAX, "nothing is ever left in an outbox");
        rounds += 1;
        let sent = Instant::now();
        for n in 0..BURST {
            document.append(comment(rounds, n)).await.unwrap();
        }
        until("there is something to bring", PATIENCE, || {
            stage.waiting() > 0 || stage.comments().len() == rounds * BURST
        })
        .await;
        // With nobody alive, what is left is seen; else another one may bring it meanwhile.
        let dying = match rounds % 2 {
            0 => 0..REPLICAS,
            _ => {
                let one = random.random_range(0..REPLICAS);
                one..one + 1
            }
        };
        tokio::task::block_in_place(|| {
            for replica in &mut stage.replicas[dying.clone()] {
                replica.kill().unwrap();
            }
            kills += dying.len();
            if dying.len() == REPLICAS {
                left_behind += stage.waiting();
            }
            for replica in &mut stage.replicas[dying] {
                replica.start_again().unwrap();
            }
        });
        acknowledged(&mut events, BURST).await;
        longest_silence = longest_silence.max(sent.elapsed());
    }
    let lasted = began.elapsed();
    until("every outbox is empty", PATIENCE, || stage.waiting() == 0).await;
    let recovered = began.elapsed();
    connection.close().await;

    let comments: BTreeSet<_> = stage.comments().into_iter().collect();
    let sent = rounds * BURST;
    assert_eq!(comments.len(), sent);
    let (mut lost, mut repeated) = (0, 0);
    for recipient in RECIPIENTS {
        let told = stage.told(recipient);
        let once: BTreeSet<_> = told.iter().cloned().collect();
        lost += comments.difference(&once).count() + once.difference(&comments).count();
        repeated += told.len() - once.len();
    }
    assert_eq!((lost, repeated), (0, 0));
    println!("{kills} replicas killed, {left_behind} comments in outboxes with nobody alive");
    let number = |n: usize| u64::try_from(n).unwrap();
    let row = Row {
        fault: "comments that name three people: replicas killed before these are told".to_owned(),
        sent: number(sent),
        acknowledged: number(sent),
        lost: number(lost),
        repeated: number(repeated),
        resets: 0,
        longest_silence,
        lasted,
        recovered,
    };
    row.print();
}

impl Stage {
    fn start() -> Self {
        let turn = turn();
        let redis = Redis::start().unwrap();
        let start = |_| {
            let replica = Gateway::options().redis(redis.url()).token_secret(SECRET);
            let rates = [
                "--appends-per-second",
                "1000000",
                "--appends-burst",
                "1000000",
            ];
            replica.args(rates).start().unwrap()
        };
        Self {
            replicas: (0..REPLICAS).map(start).collect(),
            redis,
            _turn: turn,
        }
    }

    /// Somebody who goes to any replica.
    async fn writer(&self) -> (Connection, Document, Events) {
        let mut urls = self.replicas.iter().map(Gateway::url);
        let mut options = ConnectOptions::new(urls.next().unwrap());
        for url in urls {
            options = options.or(url);
        }
        options.backoff_max_ms = 500;
        let connection = Connection::open(options.token(constant_token(token()))).unwrap();
        let join = JoinOptions {
            write_only: true,
            ..JoinOptions::default()
        };
        let essay = DocumentId::parse("essay").unwrap();
        let (document, events) = connection.document(essay, join).await.unwrap();
        (connection, document, events)
    }

    /// How many comments people are still to be told of; one field is there always.
    fn waiting(&self) -> usize {
        let fields = self.redis.command(&["HLEN", "inkwire:1:{essay}:outbox"]);
        let fields: usize = fields.unwrap().parse().unwrap();
        fields.saturating_sub(1)
    }

    /// The ids of all comments.
    fn comments(&self) -> Vec<String> {
        let fields = self.redis.command(&["HKEYS", "inkwire:1:{essay}:comments"]);
        let fields = fields.unwrap();
        let ids = fields.lines().filter(|id| id.len() == 33);
        ids.map(str::to_owned).collect()
    }

    /// The comments that somebody was told of.
    fn told(&self, recipient: &str) -> Vec<String> {
        let script = format!(
            "local told = {{}}
            for _, entry in ipairs(redis.call('XRANGE', 'inkwire:1:{{$user/{recipient}/notifications}}:log', '-', '+')) do
              told[#told + 1] = string.match(entry[2][2], '\"comment\":\"(c%x+)\"') or '?'
            end
            return told"
        );
        let told = self.redis.command(&["EVAL", &script, "0"]).unwrap();
        told.lines().map(str::to_owned).collect()
    }
}

fn comment(round: usize, n: usize) -> Draft {
    let payload = json!({ "text": format!("{round}.{n}"), "mentions": RECIPIENTS });
    Draft {
        kind: Kind::parse("comment.create").unwrap(),
        content_type: ContentType::parse("application/json").unwrap(),
        payload: payload.to_string().into(),
        traceparent: None,
    }
}

async fn acknowledged(events: &mut Events, count: usize) {
    let hearing = async {
        let mut acked = 0;
        while acked < count {
            match events.next().await.unwrap() {
                Event::Acked { .. } => acked += 1,
                bad @ (Event::Nack { .. } | Event::Lost { .. } | Event::Broken(_)) => {
                    panic!("{bad:?}")
                }
                _ => {}
            }
        }
    };
    let heard = tokio::time::timeout(PATIENCE, hearing).await;
    assert!(heard.is_ok(), "{count} comments are not acknowledged");
}

fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = json!({
        "sub": "alice",
        "documents": { "essay": "reviewer" },
        "exp": now.as_secs() + 600,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}
