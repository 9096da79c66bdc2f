//! Queues while sessions and replicas end: nothing is lost, and what was acknowledged stays so.

mod count;
mod receiver;
mod sender;
mod stage;

use std::time::{Duration, Instant};

use inkwire_protocol::stomp::{Command, Frame};
use inkwire_tests::StompClient;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use self::{
    count::Count,
    receiver::{number_in, subscribe},
    sender::Sender,
    stage::{LEASE, Stage},
};
use crate::{
    redis_scene::{PATIENCE, until},
    row::Row,
};

const SEED: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_and_replicas_killed_at_random() {
    let mut stage = Stage::three();
    let mut random = StdRng::seed_from_u64(SEED);
    let play = stage.play(10_000, 4, SEED);
    let (mut cuts, mut kills, mut freezes) = (0, 0, 0);
    let began = Instant::now();
    let mut event = 0;
    while !play.is_sent() || kills < 2 || freezes < 1 {
        tokio::time::sleep(Duration::from_millis(random.random_range(300..900))).await;
        event += 1;
        let replica = random.random_range(0..stage.replicas.len());
        match event % 4 {
            1 | 3 => cuts += play.cut(&mut random),
            2 if event % 8 == 6 => {
                freezes += 1;
                stage.replicas[replica].freeze().unwrap();
                tokio::time::sleep(LEASE + Duration::from_millis(700)).await;
                stage.replicas[replica].thaw().unwrap();
            }
            _ => {
                kills += 1;
                tokio::task::block_in_place(|| {
                    stage.replicas[replica].kill().unwrap();
                    stage.replicas[replica].start_again().unwrap();
                });
            }
        }
    }
    let lasted = began.elapsed();
    until("the queue is empty", PATIENCE, || stage.left() == 0).await;
    until("all are settled", PATIENCE, || play.count.is_settled()).await;
    let recovered = began.elapsed();
    let count = play.end().await;
    assert_eq!((stage.left(), stage.held()), (0, 0));
    assert!(cuts > 2, "{cuts} cuts");
    println!(
        "{}, {kills} replicas killed, {freezes} stopped, {cuts} connections cut",
        count.told()
    );
    let fault = "a queue, 4 receivers: replicas killed and stopped, connections cut";
    row(fault, &count, lasted, recovered).print();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_with_sessions_cut() {
    let stage = Stage::embedded();
    let mut random = StdRng::seed_from_u64(SEED + 1);
    let play = stage.play(2_000, 4, SEED + 1);
    let began = Instant::now();
    let mut cuts = 0;
    while !play.is_sent() {
        tokio::time::sleep(Duration::from_millis(random.random_range(50..200))).await;
        cuts += play.cut(&mut random);
    }
    let lasted = began.elapsed();
    until("all are settled", PATIENCE, || play.count.is_settled()).await;
    let recovered = began.elapsed();
    let count = play.end().await;
    assert!(cuts > 2, "{cuts} cuts");
    // Whatever was left would come before this.
    let mut last = StompClient::connect(&stage.address(0)).await.unwrap();
    let marker = Frame::new(Command::Send).with("destination", "/queue/jobs");
    let marker = marker.with_body("4000000");
    last.send(&[marker, subscribe(1)]).await.unwrap();
    assert_eq!(number_in(&next(&mut last).await), 4_000_000);
    println!("{}, {cuts} connections cut", count.told());
    let fault = "a queue on the embedded bus, 4 receivers: connections cut";
    row(fault, &count, lasted, recovered).print();
}

/// Each session goes on where the one before it stopped, on another replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_receiver_has_them_in_order() {
    const MESSAGES: u32 = 600;
    let stage = Stage::three();
    let count = Count::of(MESSAGES);
    let mut sender = Sender::start(&stage, &count, 1..=MESSAGES);
    until("all are sent", PATIENCE, || sender.is_over()).await;
    let mut random = StdRng::seed_from_u64(SEED + 2);
    let (mut expected, mut replica) = (1, 0);
    while expected <= MESSAGES {
        replica = (replica + 1) % stage.replicas.len();
        let mut session = StompClient::connect(&stage.address(replica)).await.unwrap();
        session.send(&[subscribe(16)]).await.unwrap();
        let acks = random.random_range(20..60).min(MESSAGES + 1 - expected);
        let (mut got, mut settled) = (0, 0);
        while settled < acks {
            let frame = next(&mut session).await;
            if frame.command == Command::Receipt {
                settled += 1;
                continue;
            }
            assert_eq!(number_in(&frame), expected + got);
            got += 1;
            // What it holds besides at its end comes again.
            if got <= acks {
                session.send(&[ack(&frame)]).await.unwrap();
            }
        }
        expected += acks;
        drop(session);
        until("what it held is given back", PATIENCE, || {
            stage.held_by_someone() == 0
        })
        .await;
    }
    assert_eq!((stage.left(), stage.held()), (0, 0));
    sender.end().await;
}

/// Its session stays open, and is told that what it acknowledges belongs to somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_replica_settles_nothing_afterwards() {
    const MESSAGES: u32 = 16;
    let stage = Stage::three();
    let count = Count::of(MESSAGES + 1);
    let mut sleeper = StompClient::connect(&stage.address(0)).await.unwrap();
    let errors = Frame::new(Command::Subscribe)
        .with("id", "errors")
        .with("destination", "/user/queue/errors");
    sleeper.send(&[errors, subscribe(MESSAGES)]).await.unwrap();
    Sender::start(&stage, &count, 1..=MESSAGES).end().await;
    let mut acks = Vec::new();
    for number in 1..=MESSAGES {
        let message = next(&mut sleeper).await;
        assert_eq!(number_in(&message), number);
        acks.push(ack(&message));
    }

    stage.replicas[0].freeze().unwrap();
    let mut other = StompClient::connect(&stage.address(1)).await.unwrap();
    other.send(&[subscribe(MESSAGES)]).await.unwrap();
    let mut again = Vec::new();
    for number in 1..=MESSAGES {
        let message = next(&mut other).await;
        assert_eq!(number_in(&message), number);
        assert_eq!(message.headers.get("redelivered"), Some("true"));
        again.push(ack(&message));
    }
    other.send(&again).await.unwrap();
    for _ in 1..=MESSAGES {
        assert_eq!(next(&mut other).await.command, Command::Receipt);
    }
    assert_eq!(stage.left(), 0);
    drop(other);

    stage.replicas[0].thaw().unwrap();
    sleeper.send(&acks).await.unwrap();
    for _ in 1..=MESSAGES {
        let told = next(&mut sleeper).await;
        assert_eq!(told.headers.get("code"), Some("lease_lost"), "{told:?}");
    }
    let mut sender = Sender::start(&stage, &count, MESSAGES + 1..=MESSAGES + 1);
    let message = next(&mut sleeper).await;
    assert_eq!(number_in(&message), MESSAGES + 1);
    sleeper.send(&[ack(&message)]).await.unwrap();
    assert_eq!(next(&mut sleeper).await.command, Command::Receipt);
    assert_eq!((stage.left(), stage.held()), (0, 0));
    sender.end().await;
}

async fn next(session: &mut StompClient) -> Frame {
    let frame = tokio::time::timeout(PATIENCE, session.next()).await;
    frame.unwrap().unwrap()
}

fn ack(message: &Frame) -> Frame {
    let token = message.headers.get("ack").unwrap();
    Frame::new(Command::Ack)
        .with("id", token)
        .with("receipt", "a")
}

fn row(fault: &str, count: &Count, lasted: Duration, recovered: Duration) -> Row {
    let row = Row {
        fault: fault.to_owned(),
        sent: count.messages().into(),
        acknowledged: count.answered(),
        lost: count.missing(),
        repeated: count.stored_twice(),
        resets: 0,
        longest_silence: count.longest_silence(),
        lasted,
        recovered,
    };
    assert_eq!((row.lost, row.repeated), (0, 0), "{fault}");
    row
}
