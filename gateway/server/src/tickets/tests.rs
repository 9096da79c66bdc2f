use std::net::Ipv4Addr;

use inkwire_bus::MemoryTickets;
use inkwire_model::{DocumentId, Role, Subject};
use inkwire_session::Roles;

use super::*;

const NOW_MS: UnixMillis = 1_800_000_000_000;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PAGE: Option<&str> = Some("https://app.example.org");

fn tickets() -> OneTimeTickets {
    let config = TicketConfig {
        lifetime: Duration::from_secs(30),
        rate: Rate {
            per_second: 1,
            burst: 3,
        },
    };
    OneTimeTickets::new(Arc::new(MemoryTickets::default()), config)
}

fn grant(subject: &str) -> Grant {
    let document = DocumentId::parse("team/essay").unwrap();
    Grant {
        subject: Subject::parse(subject).unwrap(),
        roles: Roles::Documents([(document, Role::Reviewer)].into()),
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
