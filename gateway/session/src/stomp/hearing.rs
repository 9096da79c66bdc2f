//! What the hub's tasks noted for the connection's task: answers to what was sent, and ends.

use inkwire_hub::{MemberKey, Wire};
use inkwire_model::{ClientRow, Code, Nack, ResetCause};
use inkwire_writer::{Event, Jitter, LossCause};

use super::{
    answers::{About, Fatal, Refused},
    inbox::{News, Note},
    own::{Outcome, Own},
    requests::{Requests, Way},
    writing::Numbering,
};
use crate::now::Now;

impl<W: Wire> Requests<W> {
    /// Hears all notes. The ids of subscriptions that the hub ended.
    pub(super) fn hear(&mut self, now: Now) -> Result<Vec<String>, Fatal> {
        for news in self.inbox.take_of_queues() {
            self.hear_of_queue(news)?;
        }
        let mut ended = Vec::new();
        let mut touched: Vec<Way> = Vec::new();
        for Note { member, news } in self.inbox.take() {
            let Some(way) = self.ways.get(&member).cloned() else {
                match news {
                    News::Full => self.left_full(member, now),
                    News::Ended { code, had_joined } => {
                        ended.extend(self.subscription_ended(member, code, had_joined)?);
                    }
                    // Of a membership that was left meanwhile.
                    _ => {}
                }
                continue;
            };
            match news {
                News::Ended { code, .. } => self.writing_ended(&way, member, code)?,
                news => self.hear_of(&way, news, now)?,
            }
            if !touched.contains(&way) {
                touched.push(way);
            }
        }
        for way in touched {
            self.pump(&way, now);
        }
        Ok(ended)
    }

    /// Sends what has waited long enough, and leaves what was long idle.
    pub(super) fn tick(&mut self, now: Now) {
        if self.resume_at.is_some_and(|at| at <= now.instant) {
            self.resume(now);
        }
        let written = self.written(now);
        let mut due = Vec::new();
        for (way, writing) in &mut self.writings {
            if let (true, Numbering::Own(own)) = (writing.is_live, &mut writing.numbering) {
                own.writer.tick(written);
                due.push(way.clone());
            }
        }
        for way in due {
            self.pump(&way, now);
        }
        self.release_idle(now);
    }

    /// Whether all that was sent is answered for good.
    pub(super) fn is_settled(&self) -> bool {
        self.writings
            .values()
            .all(super::writing::Writing::is_settled)
            && self.queueing.is_settled()
    }

    fn hear_of(&mut self, way: &Way, news: News, now: Now) -> Result<(), Fatal> {
        match (way.1.is_some(), news) {
            (_, News::Joined { row }) => self.joined(way, row.as_ref(), now),
            (true, News::Reset { cause, row }) => {
                self.given_reset(way, cause, row.as_ref());
                Ok(())
            }
            (false, News::Reset { cause, row }) => {
                if let Some(writing) = self.writings.get_mut(way) {
                    writing.is_live = false;
                }
                let written = self.written(now);
                self.write(way, None, |own, _, _| {
                    if cause == ResetCause::Deleted {
                        own.writer.discard_acknowledged();
                    }
                    own.writer.rewind(row.as_ref(), written);
                })
            }
            (
                false,
                News::Ack {
                    client_seq,
                    position,
                },
            ) => {
                let written = self.written(now);
                self.write(way, None, |own, _, events| {
                    own.writer.acked(client_seq, position, written, events);
                })
            }
            (
                true,
                News::Ack {
                    client_seq,
                    position,
                },
            ) => {
                let Some(Numbering::Given(given)) =
                    self.writings.get_mut(way).map(|w| &mut w.numbering)
                else {
                    return Ok(());
                };
                for sent in given.acknowledged(client_seq) {
                    self.queueing.settle(sent.settles);
                    if let Some(receipt) = &sent.receipt {
                        self.answers.in_log(receipt, position, sent.last);
                    }
                }
                Ok(())
            }
            (false, News::Nack { client_seq, nack }) => {
                let written = self.written(now);
                self.write(way, None, |own, jitter, events| {
                    own.writer.nacked(client_seq, nack, written, jitter, events);
                })
            }
            (true, News::Nack { client_seq, nack }) => self.given_nack(way, client_seq, &nack),
            (_, News::Full | News::Ended { .. }) => Ok(()),
        }
    }

    fn joined(&mut self, way: &Way, row: Option<&ClientRow>, now: Now) -> Result<(), Fatal> {
        let written = self.written(now);
        let Some(writing) = self.writings.get_mut(way) else {
            return Ok(());
        };
        writing.is_live = true;
        let member = writing.member;
        if let Numbering::Given(given) = &mut writing.numbering {
            for run in given.take_waiting() {
                self.submit(&way.0, member, run);
            }
            return Ok(());
        }
        let mut is_renewed = false;
        self.write(way, None, |own, jitter, events| {
            let asked = own.asked;
            own.writer.rewind(row, written);
            own.writer
                .settle_renewal(row, asked, written, jitter, events);
            is_renewed = own.joined_as != *own.writer.client();
            if !is_renewed {
                own.writer.confirm_last();
            }
        })?;
        // Another client than the one that joined: joined again under the new one.
        if is_renewed {
            self.rejoin(way, now);
        }
        Ok(())
    }

    fn given_reset(&mut self, way: &Way, cause: ResetCause, row: Option<&ClientRow>) {
        let number = row.map_or(0, |row| row.client_seq).to_string();
        let client = way.1.as_ref().map(ToString::to_string).unwrap_or_default();
        let destination = self.writings.get(way).map(|w| w.destination.clone());
        let headers = [
            ("event", "reset"),
            ("cause", cause.as_str()),
            (
                "refused-destination",
                destination.as_deref().unwrap_or_default(),
            ),
            ("client-id", &client),
            ("client-seq", &number),
        ];
        self.answers.tell(
            &headers,
            "the log knows this client up to client-seq; send again from there",
        );
    }

    fn given_nack(&mut self, way: &Way, client_seq: Option<u64>, nack: &Nack) -> Result<(), Fatal> {
        let Some(writing) = self.writings.get_mut(way) else {
            return Ok(());
        };
        let Numbering::Given(given) = &mut writing.numbering else {
            return Ok(());
        };
        let mut dropped = client_seq.map_or(Vec::new(), |number| given.refused(number));
        let first = (!dropped.is_empty()).then(|| dropped.remove(0));
        let first = first.unwrap_or_default();
        let refused = Refused::of(nack);
        if first.is_whole {
            return Err(Fatal::new(refused.code, refused.detail, first.receipt));
        }
        let destination = writing.destination.as_str();
        let about = About {
            destination,
            client_seq,
            receipt: first.receipt,
        };
        self.answers.refuse(refused, about)?;
        let expected = match nack {
            Nack::Gap { expected, .. } => Some(*expected),
            _ => client_seq,
        };
        let gap = Nack::Gap {
            expected: expected.unwrap_or_default(),
            row: None,
        };
        for sent in dropped {
            let refused = Refused::of(&gap);
            if sent.is_whole {
                return Err(Fatal::new(refused.code, refused.detail, sent.receipt));
            }
            // Of what nobody waits for, the refusal in front of it tells.
            if sent.receipt.is_some() {
                let about = About {
                    destination,
                    client_seq: Some(sent.last),
                    receipt: sent.receipt,
                };
                self.answers.refuse(refused, about)?;
            }
        }
        Ok(())
    }

    fn writing_ended(&mut self, way: &Way, member: MemberKey, code: Code) -> Result<(), Fatal> {
        let ended = self.write(way, Some(code), |own, _, events| {
            own.writer.forfeit(LossCause::Ended, events);
        });
        self.ways.remove(&member);
        if let Some(writing) = self.writings.remove(way)
            && let Numbering::Given(mut given) = writing.numbering
        {
            for sent in given.acknowledged(u64::MAX) {
                let refused = Refused::new(code, code.row().sentence);
                if sent.is_whole {
                    return Err(Fatal::new(refused.code, refused.detail, sent.receipt));
                }
                if sent.receipt.is_none() {
                    continue;
                }
                let about = About {
                    destination: &writing.destination,
                    client_seq: Some(sent.last),
                    receipt: sent.receipt,
                };
                self.answers.refuse(refused, about)?;
            }
        }
        ended
    }

    /// Lets the writer act, and tells the application what comes of it; why the membership ended, if it did.
    fn write(
        &mut self,
        way: &Way,
        ended: Option<Code>,
        act: impl FnOnce(&mut Own, &mut Jitter, &mut Vec<Event>),
    ) -> Result<(), Fatal> {
        let Some(writing) = self.writings.get_mut(way) else {
            return Ok(());
        };
        let Numbering::Own(own) = &mut writing.numbering else {
            return Ok(());
        };
        let jitter = self.jitter.get_or_insert_with(|| Jitter::new(None));
        let mut events = Vec::new();
        act(own, jitter, &mut events);
        let destination = &writing.destination;
        for outcome in own.outcomes(events) {
            match outcome {
                Outcome::InLog {
                    receipt,
                    position,
                    client_seq,
                } => self.answers.in_log(&receipt, position, client_seq),
                Outcome::Refused { receipt, nack } => {
                    let about = About {
                        destination,
                        client_seq: None,
                        receipt,
                    };
                    self.answers.refuse(Refused::of(&nack), about)?;
                }
                Outcome::Settled(settles) => self.queueing.settle(settles),
                Outcome::RefusedWhole { receipt, nack } => {
                    let refused = Refused::of(&nack);
                    return Err(Fatal::new(refused.code, refused.detail, receipt));
                }
                Outcome::Lost { receipts, entries } => {
                    let lost = entries.to_string();
                    let code = ended.unwrap_or(Code::Unavailable);
                    let headers = [
                        ("event", "lost"),
                        ("code", code.as_str()),
                        ("refused-destination", destination.as_str()),
                        ("entries", &lost),
                    ];
                    self.answers.tell(&headers, "whether these are in the log is not known, and they cannot be sent again here");
                    for receipt in receipts {
                        let about = About {
                            destination,
                            client_seq: None,
                            receipt: Some(receipt),
                        };
                        self.answers
                            .refuse(Refused::new(code, code.row().sentence), about)?;
                    }
                }
            }
        }
        Ok(())
    }
}
