//! A receiver: acknowledges message by message, asks for a receipt each time, and connects again.

use std::{collections::HashSet, time::Duration};

use anyhow::{Result, bail};
use inkwire_protocol::stomp::{Command, Frame};
use inkwire_tests::StompClient;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use super::count::Count;

const WINDOW: u32 = 32;
/// What is kept back is acknowledged when nothing came for so long.
const REST: Duration = Duration::from_millis(50);
/// Of 1,000 messages, how many are refused, and how many are kept back for a while.
const REFUSED_OF_1000: u32 = 5;
const KEPT_OF_1000: u32 = 400;

pub(super) fn subscribe(window: u32) -> Frame {
    Frame::new(Command::Subscribe)
        .with("id", "jobs")
        .with("destination", "/queue/jobs")
        .with("ack", "client-individual")
        .with("window", &window.to_string())
}

pub(super) fn number_in(message: &Frame) -> u32 {
    assert_eq!(message.command, Command::Message, "{message:?}");
    std::str::from_utf8(&message.body).unwrap().parse().unwrap()
}

pub(super) async fn receive(address: String, count: Count, seed: u64, stop: CancellationToken) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        let mut asked = HashSet::new();
        let session = session(&address, &count, &mut random, &mut asked);
        tokio::select! {
            () = stop.cancelled() => {}
            ended = session => drop(ended),
        }
        asked.into_iter().for_each(|number| count.unknown(number));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn session(
    address: &str,
    count: &Count,
    random: &mut StdRng,
    asked: &mut HashSet<u32>,
) -> Result<()> {
    let mut client = StompClient::connect(address).await?;
    count.session();
    let errors = Frame::new(Command::Subscribe)
        .with("id", "errors")
        .with("destination", "/user/queue/errors");
    client.send(&[errors, subscribe(WINDOW)]).await?;
    let mut kept: Vec<(u32, Frame)> = Vec::new();
    loop {
        let Ok(frame) = tokio::time::timeout(REST, client.next()).await else {
            acknowledge(&mut client, &mut kept, asked).await?;
            continue;
        };
        let frame = frame?;
        match frame.command {
            Command::Message if frame.headers.get("subscription") == Some("jobs") => {
                let number = number_in(&frame);
                let is_redelivered = frame.headers.get("redelivered") == Some("true");
                let id = frame.headers.get("message-id").unwrap();
                count.delivered(number, id, is_redelivered);
                let token = frame.headers.get("ack").unwrap();
                let die = random.random_range(0..1000);
                if die < REFUSED_OF_1000 {
                    let nack = Frame::new(Command::Nack).with("id", token);
                    client.send(&[nack]).await?;
                    continue;
                }
                // One that came again to the same receiver is acknowledged once.
                kept.retain(|(of, _)| *of != number);
                let receipt = number.to_string();
                let ack = Frame::new(Command::Ack).with("id", token);
                kept.push((number, ack.with("receipt", &receipt)));
                if die >= KEPT_OF_1000 || kept.len() > WINDOW as usize / 2 {
                    acknowledge(&mut client, &mut kept, asked).await?;
                }
            }
            Command::Message => {
                assert_eq!(frame.headers.get("code"), Some("lease_lost"), "{frame:?}");
                if let Some(receipt) = frame.headers.get("receipt-id") {
                    asked.remove(&receipt.parse().unwrap());
                }
                count.late();
            }
            Command::Receipt => {
                let number = frame.headers.get("receipt-id").unwrap().parse().unwrap();
                asked.remove(&number);
                count.acknowledged(number);
            }
            _ => {
                let code = frame.headers.get("code");
                assert_eq!(code, Some("going_away"), "{frame:?}");
                bail!("it ended");
            }
        }
    }
}

async fn acknowledge(
    client: &mut StompClient,
    kept: &mut Vec<(u32, Frame)>,
    asked: &mut HashSet<u32>,
) -> Result<()> {
    let (numbers, acks): (Vec<_>, Vec<_>) = kept.drain(..).rev().unzip();
    asked.extend(numbers);
    client.send(&acks).await
}
