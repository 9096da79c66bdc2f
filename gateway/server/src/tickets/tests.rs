use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};

use inkwire_bus::{MemoryTickets, TicketFuture};
use inkwire_model::{DocumentId, Role, Subject};
use inkwire_session::{DestinationPattern, Roles};

use super::*;

const NOW_MS: UnixMillis = 1_800_000_000_000;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// More than there are redemptions at once.
const REFUSED_BURST: u64 = 300;
const PAGE: Option<&str> = Some("https://app.example.org");

fn tickets() -> OneTimeTickets {
    tickets_in(Arc::new(MemoryTickets::default()))
}

fn tickets_in(kept: Arc<dyn Tickets>) -> OneTimeTickets {
    let config = TicketConfig {
        lifetime: Duration::from_secs(30),
        rate: Rate {
            per_second: 1,
            burst: 3,
        },
        refused_rate: Rate {
            per_second: 1,
            burst: REFUSED_BURST,
        },
    };
    OneTimeTickets::new(kept, config)
}

fn pattern(text: &str) -> DestinationPattern {
    DestinationPattern::parse(text).unwrap()
}

fn grant(subject: &str) -> Grant {
    let document = DocumentId::parse("team/essay").unwrap();
    Grant {
        subject: Subject::parse(subject).unwrap(),
        roles: Roles::Listed {
            documents: [(document, Role::Reviewer)].into(),
            destinations: [(pattern("topic/*"), Role::Viewer)].into_iter().collect(),
        },
        expires_at_ms: Some(NOW_MS + 60_000),
    }
}

#[tokio::test]
async fn a_ticket_is_worth_what_the_token_was() {
    let tickets = tickets();
    for grant in [
        grant("zoë"),
        Grant {
            roles: Roles::Everywhere(Role::Owner),
            expires_at_ms: None,
            ..grant("alice")
        },
    ] {
        let issued = tickets.issue(&grant, PAGE, NOW_MS).await.unwrap();
        assert_eq!(issued.ticket.len(), 43);
        assert_eq!(issued.expires_in, Duration::from_secs(30));
        let redeemed = tickets.redeem(&issued.ticket, PAGE, PEER).await.unwrap();
        assert_eq!(redeemed, grant);
    }
}

#[test]
fn replicas_of_two_versions_read_one_anothers_tickets() {
    // As the version before destinations wrote it.
    let old = br#"{"version":1,"subject":"alice","roles":{"documents":{"team/essay":"reviewer"}},"expires_at_ms":null,"origin":null}"#;
    let kept = Content::unpack(old).unwrap().grant_for(None).unwrap();
    let document = DocumentId::parse("team/essay").unwrap();
    assert_eq!(kept.role_in(&document), Some(Role::Reviewer));
    let topic = DocumentId::topic("news").unwrap();
    assert_eq!(kept.role_in(&topic), None);
    // What that version does not know stands beside what it reads.
    let packed = Content::of(&grant("alice"), None).pack();
    let packed: serde_json::Value = serde_json::from_slice(&packed).unwrap();
    assert_eq!(packed["version"], 1);
    assert_eq!(packed["roles"]["documents"]["team/essay"], "reviewer");
    assert_eq!(packed["destinations"]["topic/*"], "viewer");
    for bad in [r#"{"news":"viewer"}"#, r#"{"topic/news":"god"}"#] {
        let text = format!(
            r#"{{"version":1,"subject":"a","roles":{{"documents":{{}}}},"destinations":{bad},"expires_at_ms":null,"origin":null}}"#
        );
        let content = Content::unpack(text.as_bytes()).unwrap();
        assert!(content.grant_for(None).is_none(), "{bad}");
    }
}

#[tokio::test]
async fn once_and_again_only_from_the_same_place() {
    let tickets = tickets();
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let ticket = tickets.issue(&grant("alice"), PAGE, NOW_MS).await.unwrap();
    let redeem = async |origin, peer| tickets.redeem(&ticket.ticket, origin, peer).await;
    assert!(redeem(PAGE, PEER).await.is_ok());
    assert!(redeem(PAGE, PEER).await.is_ok(), "a proxy sent it twice");
    assert_eq!(redeem(PAGE, elsewhere).await, Err(TicketError::Refused));
    assert_eq!(redeem(None, PEER).await, Err(TicketError::Refused));
}

#[tokio::test]
async fn bound_to_the_page_that_asked() {
    let tickets = tickets();
    for other in [None, Some("https://evil.example"), Some("null")] {
        let tickets = self::tickets();
        let issued = tickets.issue(&grant("alice"), PAGE, NOW_MS).await.unwrap();
        let stolen = tickets.redeem(&issued.ticket, other, PEER).await;
        assert_eq!(stolen, Err(TicketError::Refused));
        let spent = tickets.redeem(&issued.ticket, PAGE, PEER).await;
        assert_eq!(spent, Err(TicketError::Refused), "it has leaked");
    }
    // Who asked without a page may hand it to one.
    let issued = tickets.issue(&grant("alice"), None, NOW_MS).await.unwrap();
    assert!(tickets.redeem(&issued.ticket, PAGE, PEER).await.is_ok());
}

#[tokio::test]
async fn a_ticket_does_not_outlive_its_token() {
    let tickets = tickets();
    let mut grant = grant("alice");
    grant.expires_at_ms = Some(NOW_MS + 1_500);
    let issued = tickets.issue(&grant, PAGE, NOW_MS).await.unwrap();
    assert_eq!(issued.expires_in, Duration::from_millis(1_500));
}

#[tokio::test]
async fn what_is_no_ticket_is_refused() {
    let tickets = tickets();
    let unknown = URL_SAFE_NO_PAD.encode([7; TICKET_BYTES]);
    for text in [
        "",
        "abc",
        "é",
        &unknown,
        &unknown[1..],
        &"a".repeat(100_000),
    ] {
        let refused = tickets.redeem(text, PAGE, PEER).await;
        assert_eq!(refused, Err(TicketError::Refused));
    }
}

#[tokio::test]
async fn a_subject_has_its_rate() {
    let tickets = tickets();
    for _ in 0..3 {
        assert!(tickets.issue(&grant("alice"), None, NOW_MS).await.is_ok());
    }
    let refused = tickets.issue(&grant("alice"), None, NOW_MS).await.err();
    assert!(
        matches!(refused, Some(TicketError::Throttled { after }) if after <= Duration::from_secs(1)),
        "{refused:?}"
    );
}

/// Knows no ticket, and counts who asks; `hangs` never answers.
#[derive(Default)]
struct Nothing {
    asked: AtomicUsize,
    hangs: bool,
}

impl Tickets for Nothing {
    fn keep(&self, _: TicketHash, _: Vec<u8>, _: Duration) -> TicketFuture<()> {
        Box::pin(async { Ok(()) })
    }

    fn redeem(&self, _: Redemption) -> TicketFuture<Option<Vec<u8>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let hangs = self.hangs;
        Box::pin(async move {
            match hangs {
                true => std::future::pending().await,
                false => Ok(None),
            }
        })
    }
}

fn guess(n: u64) -> String {
    let mut secret = [0; TICKET_BYTES];
    secret[..8].copy_from_slice(&n.to_be_bytes());
    URL_SAFE_NO_PAD.encode(secret)
}

#[tokio::test]
async fn who_guesses_is_stopped_before_the_bus_is_asked() {
    let kept = Arc::new(Nothing::default());
    let tickets = tickets_in(kept.clone());
    // What is no ticket at all asks nobody, and costs nothing.
    for _ in 0..2 * REFUSED_BURST {
        let refused = tickets.redeem("abc", PAGE, PEER).await;
        assert_eq!(refused, Err(TicketError::Refused));
    }
    let mut stopped = 0;
    for n in 0..2 * REFUSED_BURST {
        match tickets.redeem(&guess(n), PAGE, PEER).await {
            Err(TicketError::Refused) => {}
            Err(TicketError::TooManyRefused { after }) => {
                assert!(after <= Duration::from_secs(1), "{after:?}");
                stopped += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let asked = kept.asked.load(Ordering::Relaxed);
    assert!(stopped > 0, "{asked} calls");
    assert_eq!(asked as u64 + stopped, 2 * REFUSED_BURST);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let refused = tickets.redeem(&guess(0), PAGE, elsewhere).await;
    assert_eq!(refused, Err(TicketError::Refused), "others are not stopped");
}

#[tokio::test]
async fn tickets_that_count_are_not_limited_by_address() {
    let tickets = tickets();
    let issued = tickets.issue(&grant("alice"), PAGE, NOW_MS).await.unwrap();
    for _ in 0..2 * REFUSED_BURST {
        let redeemed = tickets.redeem(&issued.ticket, PAGE, PEER).await;
        assert!(redeemed.is_ok(), "{redeemed:?}");
    }
}

#[tokio::test]
async fn only_so_many_ask_the_bus_at_once() {
    let kept = Arc::new(Nothing {
        hangs: true,
        ..Nothing::default()
    });
    let tickets = Arc::new(tickets_in(kept.clone()));
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..REDEMPTIONS_MAX as u64 {
        let tickets = tickets.clone();
        tries.spawn(async move { tickets.redeem(&guess(n), PAGE, PEER).await });
    }
    while kept.asked.load(Ordering::Relaxed) < REDEMPTIONS_MAX {
        tokio::task::yield_now().await;
    }
    let one_more = timeout(5 * TURN_TIMEOUT, tickets.redeem(&guess(0), PAGE, PEER)).await;
    assert_eq!(one_more, Ok(Err(TicketError::Unavailable)));
    assert_eq!(kept.asked.load(Ordering::Relaxed), REDEMPTIONS_MAX);
    // Places of those who went are free again.
    tries.shutdown().await;
    let again = timeout(
        Duration::from_secs(1),
        tickets.redeem(&guess(0), PAGE, PEER),
    )
    .await;
    assert!(again.is_err(), "it hangs at the bus, too");
    assert_eq!(kept.asked.load(Ordering::Relaxed), REDEMPTIONS_MAX + 1);
}
