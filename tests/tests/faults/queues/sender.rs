//! A sender: numbers what it sends, and sends again what has no receipt.

use std::{collections::VecDeque, ops::RangeInclusive, time::Duration};

use anyhow::{Result, bail};
use inkwire_protocol::stomp::{Command, Frame};
use inkwire_test_support::Link;
use inkwire_tests::StompClient;
use tokio::task::JoinHandle;

use super::{count::Count, stage::Stage};

/// How many are sent at a time, and how often.
const AT_ONCE: usize = 16;
const PACE: Duration = Duration::from_millis(20);
/// Without a receipt for so long it connects anew.
const SILENCE: Duration = Duration::from_secs(3);

pub(super) struct Sender {
    pub(super) link: Link,
    task: JoinHandle<()>,
}

impl Sender {
    pub(super) fn start(stage: &Stage, count: &Count, numbers: RangeInclusive<u32>) -> Self {
        assert!(*numbers.end() <= count.messages());
        let link = stage.link(*numbers.start() as usize);
        let task = tokio::spawn(send(link.address(), numbers.collect()));
        Self { link, task }
    }

    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    pub(super) async fn end(&mut self) {
        (&mut self.task).await.unwrap();
    }
}

async fn send(address: String, mut waiting: VecDeque<u32>) {
    let client = uuid::Uuid::new_v4().to_string();
    while !waiting.is_empty() {
        let _ended: Result<()> = session(&address, &client, &mut waiting).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn session(address: &str, client: &str, waiting: &mut VecDeque<u32>) -> Result<()> {
    let mut session = StompClient::connect(address).await?;
    while !waiting.is_empty() {
        let batch: Vec<_> = waiting.iter().take(AT_ONCE).copied().collect();
        let frames: Vec<_> = batch.iter().map(|number| frame(client, *number)).collect();
        session.send(&frames).await?;
        for number in batch {
            let answer = tokio::time::timeout(SILENCE, session.next()).await??;
            let receipt = answer.headers.get("receipt-id");
            if answer.command != Command::Receipt || receipt != Some(&number.to_string()) {
                bail!("no receipt: {answer:?}");
            }
            waiting.pop_front();
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

fn frame(client: &str, number: u32) -> Frame {
    let number = number.to_string();
    Frame::new(Command::Send)
        .with("destination", "/queue/jobs")
        .with("client-id", client)
        .with("client-seq", &number)
        .with("receipt", &number)
        .with_body(number)
}
