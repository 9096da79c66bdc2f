//! The functions against the model, one call at a time.

use std::time::Duration;

use fred::types::Value;
use inkwire_bus::{
    AppendOutcome, PageLimit, Read, ReadFrom, Refusal, Ticket,
    contract::{Fixture as _, Replica, WIDE, Writer, document},
};
use inkwire_model::{ClientRow, Position};

use super::fixture::{NEVER, RedisFixture};
use crate::{functions, read_call, row};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chain_and_row_are_those_of_the_model() {
    let fixture = RedisFixture::start().await;
    let essay = document("essay");
    let mut writer = Writer::new("zoë");
    let entries = writer.write_many(150);
    let outcomes = fixture
        .raw
        .append(&essay, entries.clone(), NEVER, "nobody")
        .await;

    let read = Read {
        ticket: Ticket(0),
        document: essay.clone(),
        from: ReadFrom::Start,
        limit: WIDE,
        askers: vec![writer.asker()],
    };
    let args = read_call::args(&fixture.raw.checked.keys, &read);
    let page = read_call::page(&read, fixture.raw.say("FCALL", args).await).unwrap();
    let mut position = page.after;
    assert_eq!(position, "0-0707070707070707".parse().unwrap());
    let mut expected: Option<ClientRow> = None;
    for (at, entry) in entries.iter().enumerate() {
        let digest = entry.digest();
        position = position.next(&digest);
        assert_eq!(outcomes[at], AppendOutcome::Appended(position));
        assert_eq!(*page.entries[at], entry.clone().at(position));
        match &mut expected {
            Some(row) => row.record(position, &digest),
            None => expected = Some(ClientRow::first(position, &digest)),
        }
    }
    assert_eq!(page.head, position);
    assert_eq!(page.standings[0].row, expected);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_deadline_a_call_does_nothing() {
    let fixture = RedisFixture::start().await;
    let essay = document("essay");
    let late = vec![Writer::new("alice").write("late")];
    let past = Duration::from_secs(1_700_000_000);
    let outcomes = fixture.raw.append(&essay, late, past, "nobody").await;
    assert_eq!(outcomes, [AppendOutcome::Refused(Refusal::Expired)]);
    let keys = fixture.raw.say("KEYS", vec!["*".into()]).await;
    assert_eq!(keys.into_array().len(), 0);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_are_gone_are_loaded_again() {
    let fixture = RedisFixture::start().await;
    let replica = Replica::attach(&fixture).await;
    let essay = document("essay");
    let mut writer = Writer::new("alice");
    replica.position(&essay, writer.write("one")).await;
    fixture.raw.say("FUNCTION", vec!["FLUSH".into()]).await;
    let position = replica.position(&essay, writer.write("two")).await;
    assert_eq!(position.seq, 2);
    fixture.raw.say("FUNCTION", vec!["FLUSH".into()]).await;
    assert_eq!(replica.head(&essay).await, Some(position));
    let limit = PageLimit {
        entries: 1,
        bytes: 1,
    };
    assert_eq!(
        replica
            .read(&essay, ReadFrom::Start, limit)
            .await
            .entries
            .len(),
        1
    );
    functions::load(&fixture.raw.client).await.unwrap();
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unused_rows_are_pruned_and_access_rows_never() {
    let fixture = RedisFixture::start().await;
    let essay = document("essay");
    let state = fixture.raw.checked.keys.state(&essay);
    let rows = async || {
        let fields = fixture
            .raw
            .say("HKEYS", vec![state.as_str().into()])
            .await
            .into_array();
        let count = |prefix: &str| {
            let has = |field: &&Value| field.as_str().is_some_and(|text| text.starts_with(prefix));
            fields.iter().filter(has).count()
        };
        (count("client:"), count("access:"))
    };
    let revoke = vec![Writer::of_access_to("mallory").write("revoke")];
    fixture.raw.append(&essay, revoke, NEVER, "nobody").await;
    let old = Writer::new("old");
    fixture
        .raw
        .append(&essay, vec![old.numbered(1, "old")], NEVER, "nobody")
        .await;
    // As if both had been used long ago.
    let (time, rest) = ("1600000000", 10);
    for field in [
        row::field_of(&old.numbered(1, "").key()),
        "access:mallory".to_owned(),
    ] {
        let args = vec![state.as_str().into(), field.as_str().into()];
        let row = fixture.raw.say("HGET", args).await;
        let aged = [time.as_bytes(), &row.as_bytes().unwrap()[rest..]].concat();
        let aged = Value::Bytes(aged.into());
        fixture
            .raw
            .say("HSET", vec![state.as_str().into(), field.into(), aged])
            .await;
    }
    for n in 1..50 {
        let (new, before) = (vec![Writer::new("new").write("new")], rows().await);
        fixture.raw.append(&essay, new, NEVER, "nobody").await;
        if before.0 == rows().await.0 {
            // One came and the old one went.
            assert_eq!(rows().await, (n, 1));
            fixture.stop().await;
            return;
        }
    }
    panic!("the old row is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_its_state_is_damage_and_is_not_written_to() {
    let fixture = RedisFixture::start().await;
    let replica = Replica::attach(&fixture).await;
    let essay = document("essay");
    let mut writer = Writer::new("alice");
    let _: Position = replica.position(&essay, writer.write("one")).await;
    let state = fixture.raw.checked.keys.state(&essay);
    fixture.raw.say("DEL", vec![state.into()]).await;
    assert!(
        replica
            .append(&essay, vec![writer.write("two")])
            .await
            .is_err()
    );
    assert_eq!(replica.head(&essay).await, None);
    fixture.stop().await;
}

/// C16: what stands in the log can be read while Redis takes no writes, by a replica that starts then
/// too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_refuses_writes_is_read() {
    let fixture = RedisFixture::start().await;
    let essay = document("essay");
    let mut writer = Writer::new("alice");
    let before = Replica::following(&fixture, &essay).await;
    let position = before.position(&essay, writer.write("one")).await;
    for (option, value) in [("min-replicas-to-write", "1"), ("maxmemory", "1")] {
        let set = |value: &str| {
            let set = fixture.redis().command(&["CONFIG", "SET", option, value]);
            set.unwrap();
        };
        set(value);
        let after = Replica::following(&fixture, &essay).await;
        for replica in [&before, &after] {
            let page = replica.log(&essay).await;
            assert_eq!((page.head, page.entries.len()), (position, 1), "{option}");
            let refused = replica.append(&essay, vec![writer.numbered(2, "two")]);
            assert!(refused.await.is_err(), "{option} refuses nothing");
            let new = replica.begin_read(&document("new"), ReadFrom::Start, WIDE, Vec::new());
            assert!(replica.page(new).await.is_err(), "{option} refuses nothing");
        }
        set("0");
    }
    assert_eq!(before.log(&document("new")).await.head.seq, 0);
    assert_eq!(before.position(&essay, writer.write("two")).await.seq, 2);
    fixture.stop().await;
}
