//! The arguments of the queues' functions and their replies: `lua/queues.lua` says what stands where.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use fred::types::Value;
use inkwire_bus::{
    MessageId, QueueLimits, QueueMessage, ReceiverTurned, SendGroup, Sent, Turn, Turned,
};
use inkwire_model::{ClientKey, QueueName};

use super::content;
use crate::{functions::LIBRARY, keys::Keys};

pub(super) fn send(
    keys: &Keys,
    queue: &QueueName,
    groups: &[SendGroup],
    limits: &QueueLimits,
) -> Vec<Value> {
    let mut args: Vec<Value> = vec![
        LIBRARY.queue_send.as_str().into(),
        3.into(),
        keys.queue_state(queue).into(),
        keys.queue_nodes(queue).into(),
        keys.queue_log(queue).into(),
        keys.queue_live(queue).into(),
        head(&[
            limits.messages_max,
            millis(limits.repeat_window),
            count(groups.len()),
        ]),
    ];
    for group in groups {
        let ClientKey { subject, client } = &group.sender;
        args.push(format!("{client}:{}:{subject}", group.number).into());
        args.push(i64::from(count(group.messages.len())).into());
        let contents = group.messages.iter().map(|message| content::pack(message));
        args.extend(contents.map(Value::Bytes));
    }
    args
}

pub(super) fn sent(reply: Value) -> Option<Vec<Sent>> {
    let Value::Array(groups) = reply else {
        return None;
    };
    let of_group = |group: &Value| {
        let text = group.as_bytes()?;
        match text {
            [] => Some(Sent::Full),
            text => ids(text).map(Sent::Stored),
        }
    };
    groups.iter().map(of_group).collect()
}

pub(super) fn turn(
    keys: &Keys,
    queue: &QueueName,
    turn: &Turn,
    limits: &QueueLimits,
) -> Vec<Value> {
    let parked = queue.parked();
    let mut names = vec![
        keys.queue_state(queue),
        keys.queue_nodes(queue),
        keys.queue_log(queue),
    ];
    names.extend(parked.as_ref().map(|parked| keys.queue_log(parked)));
    let mut args: Vec<Value> = vec![
        LIBRARY.queue_turn.as_str().into(),
        i64::from(count(names.len())).into(),
    ];
    args.extend(names.into_iter().map(Value::from));
    args.push(keys.queue_live(queue).into());
    args.push(
        parked
            .map_or_else(String::new, |parked| keys.queue_live(&parked))
            .into(),
    );
    args.push(format!("{:016x}", turn.lease.0).into());
    args.push(head(&[
        millis(limits.lease),
        limits.attempts_max,
        limits.messages_max,
        turn.receivers_count,
        turn.begins.into(),
        count(turn.receivers.len()),
    ]));
    for part in &turn.receivers {
        args.push(part.receiver.0.to_string().into());
        args.push(head(&[
            part.leaves.into(),
            part.recovers.into(),
            part.wants,
            count(part.acks.len()),
            count(part.nacks.len()),
        ]));
        let ids = part.acks.iter().chain(&part.nacks);
        args.extend(ids.map(|id| Value::from(id.to_string())));
    }
    args
}

pub(super) fn turned(reply: Value) -> Option<Turned> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let [ends, more, depth, parked, receivers @ ..] = parts.as_slice() else {
        return None;
    };
    let ends_ms = u64::try_from(ends.as_i64()?).ok();
    Some(Turned {
        receivers: receivers.iter().map(of_receiver).collect::<Option<_>>()?,
        more: more.as_i64()? != 0,
        lease_ends_in: ends_ms.map(Duration::from_millis),
        depth: depth.as_u64()?,
        parked: u32::try_from(parked.as_i64()?).ok()?,
    })
}

fn of_receiver(part: &Value) -> Option<ReceiverTurned> {
    let Value::Array(parts) = part else {
        return None;
    };
    let (lost, messages) = parts.split_first()?;
    let (messages, rest) = messages.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let message = |[id, attempt, parked, packed]: &[Value; 4]| {
        Some(QueueMessage {
            id: id_of(id.as_bytes()?)?,
            content: Arc::new(content::read(&bytes_of(packed)?)?),
            attempt: u32::try_from(attempt.as_i64()?).ok()?,
            parked: match parked.as_bytes()? {
                [] => None,
                id => Some(id_of(id)?),
            },
        })
    };
    Some(ReceiverTurned {
        lost: ids(lost.as_bytes()?)?,
        messages: messages.iter().map(message).collect::<Option<_>>()?,
    })
}

fn bytes_of(value: &Value) -> Option<Bytes> {
    match value {
        Value::Bytes(bytes) => Some(bytes.clone()),
        other => other.as_bytes().map(Bytes::copy_from_slice),
    }
}

fn ids(text: &[u8]) -> Option<Vec<MessageId>> {
    let texts = text.split(|byte| *byte == b' ');
    texts.filter(|text| !text.is_empty()).map(id_of).collect()
}

fn id_of(text: &[u8]) -> Option<MessageId> {
    MessageId::parse(std::str::from_utf8(text).ok()?).ok()
}

/// Numbers of 4 bytes each, big endian.
fn head(numbers: &[u32]) -> Value {
    let mut bytes = BytesMut::with_capacity(numbers.len() * 4);
    numbers.iter().for_each(|number| bytes.put_u32(*number));
    Value::Bytes(bytes.freeze())
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
