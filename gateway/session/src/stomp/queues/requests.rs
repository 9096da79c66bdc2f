//! What a session asks of queues, checked against its grant and its limits.

use std::sync::Arc;

use inkwire_hub::{MessageId, NewMessage, QueueCommand, Receive, SendGroup, Wire};
use inkwire_model::{Capability, ClientId, ClientKey, Code, QueueName};
use inkwire_protocol::{
    native::parse_traceparent,
    stomp::{AckMode, Headers, SendFrame, Subscribe, Verdict},
};

use super::{QueueReading, QueueSender, receiving::Plan, sending::UnderWay};
use crate::{
    now::Now,
    refusal::Refusal,
    stomp::{
        answers::{About, Fatal, Refused},
        content,
        given::Settles,
        inbox::QueueNews,
        requests::Requests,
        user_headers,
    },
};

/// Most messages that a subscription holds, unless it says otherwise, and the most that it may say.
const WINDOW_DEFAULT: u32 = 32;
const WINDOW_MAX: u32 = 4_096;
/// SENDs to queues that may wait for their answers.
const UNDER_WAY_MAX: usize = 4_096;

/// SENDs of one transaction, checked.
pub(in crate::stomp) struct WholeOfQueue {
    queue: QueueName,
    destination: String,
    /// What the first SEND says of its number stands for all.
    number: Option<(ClientId, u64)>,
    messages: Vec<Arc<NewMessage>>,
}

impl<W: Wire> Requests<W> {
    pub(in crate::stomp) fn receive_queue(
        &mut self,
        queue: QueueName,
        subscribe: Subscribe,
        number: u64,
        now: Now,
    ) -> Result<(), Refused> {
        self.rates.request(now.instant).map_err(Refusal::from)?;
        self.role_at(&queue)?;
        let window = window(&subscribe.headers)?;
        if self.queueing.readings.len() >= self.limits.documents_max {
            return Err(Refusal::plain(Code::TooManyDocuments).into());
        }
        let plan = Plan {
            id: &subscribe.id,
            destination: &subscribe.destination,
            queue: queue.clone(),
            mode: subscribe.ack_mode,
            number,
            receipt: subscribe.receipt,
        };
        let inbox = Arc::clone(&self.inbox);
        let reading = Arc::new(QueueReading::new(plan, self.connection.clone(), inbox));
        let receive = Receive {
            receiver: reading.receiver(),
            window,
            is_auto: subscribe.ack_mode == AckMode::Auto,
            subscriber: Arc::clone(&reading) as _,
        };
        self.queueing.readings.insert(subscribe.id, reading);
        self.queueing
            .commands
            .push((queue, QueueCommand::Receive(receive)));
        Ok(())
    }

    /// Ends a subscription to a queue, if this is one.
    pub(in crate::stomp) fn leave_queue(&mut self, id: &str) {
        if let Some(reading) = self.queueing.readings.remove(id) {
            reading.end();
            let leave = QueueCommand::Leave(reading.receiver());
            self.queueing
                .commands
                .push((reading.queue().clone(), leave));
            // It was not received yet, and its receipt is due all the same: it is processed.
            self.answers.receipt(reading.take_receipt());
        }
    }

    /// An ACK or a NACK of a queue's message, whose receipt comes once it is settled there. False if no
    /// subscription to a queue holds it.
    pub(in crate::stomp) fn settle_queue(
        &mut self,
        subscription: Option<&str>,
        token: &str,
        verdict: Verdict,
        receipt: Option<String>,
    ) -> bool {
        let Some((of, id)) = token.rsplit_once('@') else {
            return false;
        };
        let Ok(id) = MessageId::parse(id) else {
            return false;
        };
        let mut meant = self.queueing.readings.iter().filter(|(name, reading)| {
            subscription.is_none_or(|named| named == name.as_str()) && reading.is_meant(of)
        });
        let settled = meant.find_map(|(_, reading)| {
            let settled = reading.settle(id, verdict, receipt.clone())?;
            Some((Arc::clone(reading), settled))
        });
        let Some((reading, settled)) = settled else {
            return false;
        };
        let (acks, nacks) = match verdict {
            Verdict::Processed => (settled, Vec::new()),
            Verdict::Refused => (Vec::new(), settled),
        };
        let settle = QueueCommand::Settle {
            receiver: reading.receiver(),
            acks,
            nacks,
        };
        self.queueing
            .commands
            .push((reading.queue().clone(), settle));
        true
    }

    /// A SEND; its receipt comes when it is stored.
    pub(in crate::stomp) fn send_to_queue(
        &mut self,
        queue: QueueName,
        destination: &str,
        send: SendFrame,
        receipt: Option<String>,
        now: Now,
    ) -> Result<(), Refused> {
        self.role_at(&queue)?;
        if self.under_way() >= UNDER_WAY_MAX {
            return Err(too_many());
        }
        let number = content::given_number(&send.headers)?;
        let message = self.message(send)?;
        self.rates
            .append(&message.payload, now.instant)
            .map_err(Refusal::from)?;
        let under_way = UnderWay {
            destination: destination.to_owned(),
            receipt,
            is_whole: false,
            messages: 1,
            settles: Vec::new(),
        };
        self.store(queue, number, vec![message], under_way);
        Ok(())
    }

    /// Takes another SEND of a transaction into what is to be stored together.
    pub(in crate::stomp) fn gather_for_queue(
        &mut self,
        whole: &mut Option<WholeOfQueue>,
        queue: QueueName,
        destination: &str,
        send: SendFrame,
    ) -> Result<(), Refused> {
        self.role_at(&queue)?;
        let number = content::given_number(&send.headers)?;
        let message = self.message(send)?;
        let whole = whole.get_or_insert_with(|| WholeOfQueue {
            queue: queue.clone(),
            destination: destination.to_owned(),
            number,
            messages: Vec::new(),
        });
        if whole.queue != queue {
            let detail = "a transaction sends to one destination";
            return Err(Refused::new(Code::Invalid, detail));
        }
        whole.messages.push(message);
        Ok(())
    }

    /// Stores all of them, and then settles what was received.
    pub(in crate::stomp) fn store_whole(
        &mut self,
        whole: WholeOfQueue,
        receipt: Option<String>,
        settles: Settles,
        now: Now,
    ) -> Result<(), Refused> {
        if self.under_way() + whole.messages.len() > UNDER_WAY_MAX {
            return Err(too_many());
        }
        let sizes = whole.messages.iter().map(|message| message.payload.len());
        self.rates
            .append_all(sizes, now.instant)
            .map_err(Refusal::from)?;
        let under_way = UnderWay {
            destination: whole.destination,
            receipt,
            is_whole: true,
            messages: whole.messages.len(),
            settles,
        };
        self.store(whole.queue, whole.number, whole.messages, under_way);
        Ok(())
    }

    pub(in crate::stomp) fn hear_of_queue(&mut self, news: QueueNews) -> Result<(), Fatal> {
        match news {
            QueueNews::Stored { settles } => {
                self.queueing.settle(settles);
                Ok(())
            }
            QueueNews::Lost {
                destination,
                message,
                receipt,
            } => {
                let about = About {
                    destination: &destination,
                    client_seq: None,
                    receipt,
                };
                let refused = Refused::new(Code::LeaseLost, Code::LeaseLost.row().sentence);
                let refused = refused.with("refused-message-id", message);
                self.answers.refuse(refused, about)
            }
            QueueNews::Refused {
                code,
                receipt,
                is_whole: true,
                ..
            } => Err(Fatal::new(code, code.row().sentence, receipt)),
            QueueNews::Refused {
                code,
                destination,
                receipt,
                is_whole: false,
            } => {
                let about = About {
                    destination: &destination,
                    client_seq: None,
                    receipt,
                };
                self.answers
                    .refuse(Refused::new(code, code.row().sentence), about)
            }
        }
    }

    fn under_way(&self) -> usize {
        let sender = self.queueing.sender.as_ref();
        sender.map_or(0, |sender| sender.under_way())
    }

    fn store(
        &mut self,
        queue: QueueName,
        number: Option<(ClientId, u64)>,
        messages: Vec<Arc<NewMessage>>,
        under_way: UnderWay,
    ) {
        let (connection, inbox) = (&self.connection, &self.inbox);
        let sender = self.queueing.sender.get_or_insert_with(|| {
            Arc::new(QueueSender::new(connection.clone(), Arc::clone(inbox)))
        });
        self.queueing.last_number += 1;
        let ticket = self.queueing.last_number;
        sender.expect(ticket, under_way);
        let (client, number) = number.unwrap_or_else(|| (self.queueing.client.clone(), ticket));
        let group = SendGroup {
            sender: ClientKey {
                subject: self.grant.subject.clone(),
                client,
            },
            number,
            messages,
        };
        let sender = Arc::clone(sender) as _;
        self.queueing.commands.push((
            queue,
            QueueCommand::Send {
                ticket,
                group,
                sender,
            },
        ));
    }

    fn message(&self, send: SendFrame) -> Result<Arc<NewMessage>, Refused> {
        let SendFrame { headers, body, .. } = send;
        let (content_type, payload) = content::content(&headers, body)?;
        let max_bytes = self.limits.payload_bytes_max;
        if payload.len() > max_bytes {
            let detail = format!("the body of a message has at most {max_bytes} bytes");
            return Err(Refused::new(Code::TooLarge, detail).with("max-bytes", max_bytes));
        }
        let traceparent = headers.get("traceparent").map(parse_traceparent);
        let traceparent = traceparent
            .transpose()
            .map_err(|why| Refused::new(Code::Invalid, why))?;
        Ok(Arc::new(NewMessage {
            sender: self.grant.subject.clone(),
            content_type,
            headers: user_headers::carried(&headers)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            // A slice of what was read would keep all of it.
            payload: payload.to_vec().into(),
            traceparent: traceparent.map(|text| text.as_ref().to_owned()),
        }))
    }

    /// Whoever sends to a queue or receives from it needs to be a writer there.
    fn role_at(&self, queue: &QueueName) -> Result<(), Refused> {
        let role = self.grant.roles.role_in_queue(queue.as_str());
        match role.is_some_and(|role| role.may(Capability::Edit)) {
            true => Ok(()),
            false => {
                let refused = Refused::from(Refusal::forbidden(Capability::Edit));
                Err(refused.with("need", Capability::Edit.needs()))
            }
        }
    }
}

fn too_many() -> Refused {
    let detail = "too many messages of this session wait to be stored";
    Refused::new(Code::Throttled, detail)
}

fn window(headers: &Headers) -> Result<u32, Refused> {
    let text = headers
        .get("window")
        .or_else(|| headers.get("prefetch-count"));
    let Some(text) = text else {
        return Ok(WINDOW_DEFAULT);
    };
    let window = text.parse().ok();
    let window = window.filter(|window| (1..=WINDOW_MAX).contains(window));
    window.ok_or_else(|| {
        let detail = format!("window (or prefetch-count) is 1 to {WINDOW_MAX} messages");
        Refused::new(Code::Invalid, detail)
    })
}
