//! What a log of the latest entries takes of Redis: the contract tells what is read of it, and not what is
//! still there.

use inkwire_bus::{
    Retention,
    contract::{Fixture as _, Replica, Writer, document},
};

use super::fixture::RedisFixture;

const LATEST: u32 = 16;
/// An eighth more.
const HELD_MAX: u64 = 18;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_trimmed_is_gone_from_the_stream() {
    let fixture = RedisFixture::start().await;
    let replica = Replica::attach(&fixture).await;
    let (essay, mut alice) = (document("essay"), Writer::new("alice"));
    for batch in [1, 15, 1, 7, 40, 3] {
        let kept = Retention::Latest(LATEST);
        let ticket = replica.begin_append_as(&essay, alice.write_many(batch), kept, false);
        assert_eq!(replica.appended(ticket).await.unwrap().len(), batch);
    }
    let key = fixture.redis().command(&["KEYS", "*}:log"]).unwrap();
    let held = fixture.redis().command(&["XLEN", key.trim()]).unwrap();
    let held: u64 = held.trim().parse().unwrap();
    assert!((LATEST.into()..=HELD_MAX).contains(&held), "{held}");
    drop(replica);
    fixture.stop().await;
}
