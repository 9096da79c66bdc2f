//! One subscriber connection's life: connect, subscribe all that is wanted, dispatch, and begin again
//! when it is lost, silent or deaf.
//!
//! Silent: no answer to anything within `deaf_after_ms`. Deaf: it answers, but a probe that Redis had
//! published before our PING did not come before the PONG, or the subscription to the probes was not
//! confirmed before that, though it was asked for first.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use inkwire_bus::{BusEvent, Listener, Suspicion};
use inkwire_model::DocumentId;
use redis_protocol::resp3::types::BytesFrame;
use tokio_util::sync::CancellationToken;

use super::{
    subscriptions::{Answer, Changes, Subscriptions},
    wire::{Said, Wire, text_of},
    wishes::Wishes,
};
use crate::{
    config::Checked, link::Link, mail::Mailbox, presence, record::RecordReader, signal_message,
};

/// Channels in one command: cheap for Redis, and no long pause for others.
const CHANNELS_AT_ONCE: usize = 500;
/// Pauses between attempts to connect: the first and the longest, doubling.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

pub(super) struct Conversation {
    checked: Checked,
    /// Whose letters come over this connection.
    mailbox: Option<Arc<Mailbox>>,
    prober: Client,
    link: Arc<Link>,
    listener: Arc<dyn Listener>,
    wishes: Arc<Wishes>,
    subscriptions: Subscriptions,
    records: RecordReader,
    probe_channel: String,
}

/// The probes of one connection.
struct Probes {
    /// Redis confirmed the subscription to them: one published earlier may be missed, rightly.
    are_subscribed: bool,
    sent: u64,
    heard: u64,
    heard_anything_at: Instant,
    /// The publication under way: its number if Redis took it.
    publishing: Option<BoxFuture<'static, Option<u64>>>,
}

impl Conversation {
    pub(super) fn new(
        checked: Checked,
        mailbox: Option<Arc<Mailbox>>,
        prober: Client,
        link: Arc<Link>,
        listener: Arc<dyn Listener>,
        wishes: Arc<Wishes>,
    ) -> Self {
        Self {
            checked,
            mailbox,
            prober,
            link,
            listener,
            wishes,
            subscriptions: Subscriptions::default(),
            records: RecordReader::default(),
            probe_channel: String::new(),
        }
    }

    pub(super) async fn run(mut self, closing: CancellationToken) {
        let mut pause = RETRY_MIN;
        loop {
            let ended = tokio::select! {
                () = closing.cancelled() => return,
                ended = self.converse(&mut pause) => ended,
            };
            self.link.tally.reconnects.add(1);
            if let Some(mailbox) = &self.mailbox {
                mailbox.set_reachable(false);
            }
            let lost = self.subscriptions.lose_all();
            if let Err(why) = ended {
                self.link.note_absence(&why);
                tracing::debug!(%why, subscriptions = lost.len(), "a subscriber connection ended");
            }
            if !lost.is_empty() {
                tracing::warn!(subscriptions = lost.len(), "subscriptions were lost");
                self.listener.hear(BusEvent::Suspect(Suspicion::Lost(lost)));
            }
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// One connection, from its handshake to its end.
    async fn converse(&mut self, pause: &mut Duration) -> io::Result<()> {
        let mut wire = Wire::open(&self.checked).await?;
        self.probe_channel = self.new_probe_channel()?;
        wire.say(&["SSUBSCRIBE", &self.probe_channel]);
        if let Some(mailbox) = &self.mailbox {
            wire.say(&["SSUBSCRIBE", &mailbox.channel]);
        }
        let wishes = self.wishes.take();
        let changes = self.subscriptions.wish(wishes);
        self.apply(&mut wire, changes);
        let changes = self.subscriptions.restore();
        self.apply(&mut wire, changes);

        let mut probes = Probes {
            are_subscribed: false,
            sent: 0,
            heard: 0,
            heard_anything_at: Instant::now(),
            publishing: None,
        };
        let interval = Duration::from_millis(self.checked.config.probe_interval_ms.into());
        let deaf_after = Duration::from_millis(self.checked.config.deaf_after_ms.into());
        let mut probe_due = tokio::time::interval(interval);
        let mut check_due = tokio::time::interval(deaf_after / 8);
        loop {
            // What arrived is read before the clock is looked at: our own delay is not its silence.
            tokio::select! {
                biased;
                turned = wire.turn() => {
                    turned?;
                    while let Some(said) = wire.hear()? {
                        probes.heard_anything_at = Instant::now();
                        self.take(&mut wire, &mut probes, said)?;
                    }
                }
                () = self.wishes.arrived() => {
                    let wishes = self.wishes.take();
                    let changes = self.subscriptions.wish(wishes);
                    self.apply(&mut wire, changes);
                }
                published = probes.publication() => {
                    if let Some(number) = published {
                        wire.say(&["PING", &number.to_string()]);
                    }
                }
                _ = probe_due.tick() => {
                    wire.say(&["PING", "0"]);
                    let is_free = probes.are_subscribed && probes.publishing.is_none();
                    if is_free && self.link.is_available() {
                        probes.sent += 1;
                        probes.publishing = Some(self.publish_probe(probes.sent));
                    }
                }
                _ = check_due.tick() => {
                    if probes.heard_anything_at.elapsed() > deaf_after {
                        return Err(io::Error::other("the connection is silent"));
                    }
                    if probes.heard > 0 {
                        // A handshake proves little: what it is for may still be refused.
                        *pause = RETRY_MIN;
                    }
                }
            }
        }
    }

    fn take(&mut self, wire: &mut Wire, probes: &mut Probes, said: Said) -> io::Result<()> {
        match said {
            Said::Push(parts) => {
                let [kind, channel, content, ..] = parts.as_slice() else {
                    return Ok(());
                };
                let (Some(kind), Some(channel)) = (text_of(kind), text_of(channel)) else {
                    return Ok(());
                };
                match kind.as_ref() {
                    b"smessage" => self.take_message(probes, channel, content),
                    b"ssubscribe" if channel == self.probe_channel.as_bytes() => {
                        probes.are_subscribed = true;
                    }
                    b"ssubscribe" | b"sunsubscribe" if self.is_mail(channel) => {
                        return self.take_mail_answer(kind);
                    }
                    b"ssubscribe" => self.take_answer(wire, channel, true),
                    b"sunsubscribe" => self.take_answer(wire, channel, false),
                    _ => {}
                }
                Ok(())
            }
            Said::Pong(number) => {
                let number = std::str::from_utf8(&number)
                    .ok()
                    .and_then(|text| text.parse().ok());
                let is_missed = number.is_some_and(|number: u64| probes.heard < number);
                match is_missed || !probes.are_subscribed {
                    true => Err(io::Error::other("the connection is deaf")),
                    false => Ok(()),
                }
            }
            // A refused subscription would stay deaf: everything is asked for again.
            Said::Error(why) => {
                tracing::warn!(%why, "Redis refused what its subscriber connection asked for");
                Err(io::Error::other(why))
            }
            Said::Other => Ok(()),
        }
    }

    fn take_message(&mut self, probes: &mut Probes, channel: &[u8], content: &BytesFrame) {
        let Some(message) = text_of(content) else {
            return;
        };
        if channel == self.probe_channel.as_bytes() {
            let number = std::str::from_utf8(message)
                .ok()
                .and_then(|text| text.parse().ok());
            probes.heard = number.unwrap_or(0).max(probes.heard);
            return;
        }
        if let Some(mailbox) = &self.mailbox
            && mailbox.channel.as_bytes() == channel
        {
            return mailbox.take(message);
        }
        let named = self.checked.keys.document_of_live(channel);
        let Some(document) = named
            .and_then(|named| self.subscriptions.follows(named))
            .cloned()
        else {
            return;
        };
        if signal_message::is_signal(message) {
            if let Some(signal) = signal_message::read(message) {
                let signal = Arc::new(signal);
                self.listener.hear(BusEvent::Signal { document, signal });
            }
            return;
        }
        if presence::is_presence(message) {
            if let Some(announcement) = presence::read_announcement(message) {
                let announcement = Arc::new(announcement);
                self.listener.hear(BusEvent::Presence {
                    document,
                    announcement,
                });
            }
            return;
        }
        match self.records.read_all(message) {
            Ok(entries) => self.listener.hear(BusEvent::Heard { document, entries }),
            Err(why) => {
                tracing::error!(%document, %why, "an announcement was not understood");
                let lagged = Suspicion::Lagged(Some(vec![document]));
                self.listener.hear(BusEvent::Suspect(lagged));
            }
        }
    }

    fn is_mail(&self, channel: &[u8]) -> bool {
        let mailbox = self.mailbox.as_ref();
        mailbox.is_some_and(|mailbox| mailbox.channel.as_bytes() == channel)
    }

    fn take_mail_answer(&self, kind: &[u8]) -> io::Result<()> {
        if kind != b"ssubscribe" {
            // As it does when a slot moves. A new connection asks for it again.
            return Err(io::Error::other("Redis ended the subscription to letters"));
        }
        if let Some(mailbox) = &self.mailbox {
            mailbox.set_reachable(true);
        }
        Ok(())
    }

    fn take_answer(&mut self, wire: &mut Wire, channel: &[u8], is_subscribed: bool) {
        let Some(named) = self.checked.keys.document_of_live(channel) else {
            return;
        };
        match self.subscriptions.answered(named, is_subscribed) {
            Answer::Nothing => {}
            Answer::Confirmed(document) => self.listener.hear(BusEvent::Subscribed(document)),
            Answer::Taken(document) => {
                self.listener
                    .hear(BusEvent::Suspect(Suspicion::Lost(vec![document])));
                let changes = self.subscriptions.restore();
                self.apply(wire, changes);
            }
        }
    }

    fn apply(&mut self, wire: &mut Wire, changes: Changes) {
        let Changes {
            subscribe,
            unsubscribe,
            confirmed,
        } = changes;
        self.say_of(wire, "SSUBSCRIBE", &subscribe);
        self.say_of(wire, "SUNSUBSCRIBE", &unsubscribe);
        for document in confirmed {
            self.listener.hear(BusEvent::Subscribed(document));
        }
    }

    fn say_of(&self, wire: &mut Wire, command: &str, documents: &[DocumentId]) {
        for some in documents.chunks(CHANNELS_AT_ONCE) {
            let mut words = Vec::with_capacity(some.len() + 1);
            words.push(command.to_owned());
            words.extend(some.iter().map(|document| self.checked.keys.live(document)));
            wire.say(&words);
        }
    }

    fn publish_probe(&self, number: u64) -> BoxFuture<'static, Option<u64>> {
        let (prober, channel) = (self.prober.clone(), self.probe_channel.clone());
        async move {
            let command = CustomCommand::new_static("SPUBLISH", ClusterHash::Random, false);
            let published: Result<i64, _> = prober
                .custom(command, vec![channel, number.to_string()])
                .await;
            published.ok().map(|_| number)
        }
        .boxed()
    }

    /// New for each connection, so that no probe of an earlier one counts.
    fn new_probe_channel(&self) -> io::Result<String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{:016x}", u64::from_be_bytes(random));
        Ok(self.checked.keys.probe(&name))
    }
}

impl Probes {
    /// Ends with the publication under way; never, if there is none.
    async fn publication(&mut self) -> Option<u64> {
        match &mut self.publishing {
            Some(publishing) => {
                let published = publishing.await;
                self.publishing = None;
                published
            }
            None => std::future::pending().await,
        }
    }
}
