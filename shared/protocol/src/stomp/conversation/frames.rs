//! What each frame of a client needs to have, and what it asks for.

use std::time::{Duration, Instant};

use inkwire_model::Code;

use super::{
    super::{Command, Frame, Headers, Version},
    AckMode, Acknowledgement, Committed, Conversation, Output, Phase, Refusal, SendFrame,
    Subscribe, Transactions, Verdict,
    heartbeats::{self, Heartbeats},
};

impl Conversation {
    pub(super) fn receive_frame(&mut self, frame: Frame, now: Instant) {
        let receipt = frame.headers.get("receipt").map(str::to_owned);
        let is_connect = matches!(frame.command, Command::Connect | Command::Stomp);
        let result = match self.phase {
            Phase::AwaitingConnect { .. } if is_connect => self.receive_connect(frame, now),
            Phase::AwaitingConnect { .. } => Err(Refusal::new(
                Code::UnexpectedFrame,
                "the first frame is to be CONNECT or STOMP",
            )),
            _ => self.receive_open(frame, receipt.clone(), now),
        };
        if let Err(Refusal { code, detail }) = result {
            self.close(code, detail, receipt);
        }
    }

    fn receive_connect(&mut self, frame: Frame, now: Instant) -> Result<(), Refusal> {
        let headers = frame.headers;
        let version = Version::negotiate(headers.get("accept-version")).ok_or_else(|| {
            let detail = "none of the versions in accept-version is spoken here";
            Refusal::new(Code::UnsupportedVersion, detail)
        })?;
        // 1.0 knows no heart-beats.
        if let Some(beats) = headers.get("heart-beat")
            && version > Version::V1_0
        {
            let agreed = heartbeats::parse(beats).ok_or_else(|| {
                Refusal::new(Code::Malformed, "heart-beat is two numbers of milliseconds")
            })?;
            self.heartbeats = Heartbeats::agreed(agreed, &self.times, now);
        }
        self.version = version;
        self.decoder.set_version(version);
        self.phase = Phase::Open;
        let value = |name: &str| {
            let value = headers.get(name)?;
            // The examples of 1.0 have a space behind the colon, later ones mean it.
            let is_trimmed = version == Version::V1_0;
            Some(
                if is_trimmed {
                    value.trim_ascii()
                } else {
                    value
                }
                .to_owned(),
            )
        };
        self.outputs.push_back(Output::Connect {
            version,
            host: value("host"),
            login: value("login"),
            passcode: value("passcode"),
            headers,
        });
        Ok(())
    }

    fn receive_open(
        &mut self,
        frame: Frame,
        receipt: Option<String>,
        now: Instant,
    ) -> Result<(), Refusal> {
        match frame.command {
            Command::Connect | Command::Stomp => Err(Refusal::new(
                Code::UnexpectedFrame,
                "CONNECT came a second time",
            )),
            Command::Send => self.receive_send(frame, receipt),
            Command::Subscribe => self.receive_subscribe(frame, receipt),
            Command::Unsubscribe => self.receive_unsubscribe(&frame.headers, receipt),
            Command::Ack => self.receive_verdict(Verdict::Processed, &frame, receipt),
            Command::Nack if self.version > Version::V1_0 => {
                self.receive_verdict(Verdict::Refused, &frame, receipt)
            }
            Command::Begin => {
                let id = required(&frame, "transaction")?;
                self.transactions.begin(id, &self.limits)?;
                self.answer(receipt);
                Ok(())
            }
            Command::Abort => {
                self.transactions.end(required(&frame, "transaction")?)?;
                self.answer(receipt);
                Ok(())
            }
            Command::Commit => self.receive_commit(&frame, receipt),
            Command::Disconnect => {
                self.receive_disconnect(receipt, now);
                Ok(())
            }
            Command::Nack
            | Command::Connected
            | Command::Message
            | Command::Receipt
            | Command::Error => Err(Refusal::new(
                Code::UnknownCommand,
                format!(
                    "{} is no command of a client in {}",
                    frame.command.as_str(),
                    self.version.as_str()
                ),
            )),
        }
    }

    fn receive_send(&mut self, frame: Frame, receipt: Option<String>) -> Result<(), Refusal> {
        let destination = required(&frame, "destination")?.to_owned();
        let transaction = frame.headers.get("transaction").map(str::to_owned);
        let mut send = SendFrame {
            destination,
            headers: frame.headers,
            body: frame.body,
            receipt: None,
        };
        match transaction {
            Some(id) => {
                self.transactions.add_send(&id, send, &self.limits)?;
                self.answer(receipt);
            }
            None => {
                send.receipt = receipt;
                self.outputs.push_back(Output::Send(send));
            }
        }
        Ok(())
    }

    fn receive_subscribe(&mut self, frame: Frame, receipt: Option<String>) -> Result<(), Refusal> {
        let destination = required(&frame, "destination")?.to_owned();
        let id = match frame.headers.get("id") {
            Some(id) => id.to_owned(),
            None if self.version == Version::V1_0 => destination.clone(),
            None => return Err(missing(frame.command, "id")),
        };
        let ack_mode = match frame.headers.get("ack") {
            None => AckMode::Auto,
            Some(text) => AckMode::parse(text).ok_or_else(|| {
                let detail = "ack is auto, client or client-individual";
                Refusal::new(Code::Malformed, detail)
            })?,
        };
        self.subscriptions.add(&id, &destination, &self.limits)?;
        self.outputs.push_back(Output::Subscribe(Subscribe {
            id,
            destination,
            ack_mode,
            headers: frame.headers,
            receipt,
        }));
        Ok(())
    }

    /// Of what does not stand, or no longer: nothing is to be done. The gateway may have ended it
    /// while the frame was on its way.
    fn receive_unsubscribe(
        &mut self,
        headers: &Headers,
        receipt: Option<String>,
    ) -> Result<(), Refusal> {
        let by_destination = match headers.get("destination") {
            Some(destination) if self.version == Version::V1_0 => {
                Some(self.subscriptions.of_destination(destination))
            }
            _ => None,
        };
        let id = match (headers.get("id"), by_destination) {
            (Some(id), _) => Some(id.to_owned()),
            (None, Some(found)) => found,
            (None, None) => return Err(missing(Command::Unsubscribe, "id")),
        };
        match id {
            Some(id) if self.subscriptions.remove(&id) => {
                self.outputs.push_back(Output::Unsubscribe { id, receipt });
            }
            _ => self.answer(receipt),
        }
        Ok(())
    }

    fn receive_verdict(
        &mut self,
        verdict: Verdict,
        frame: &Frame,
        receipt: Option<String>,
    ) -> Result<(), Refusal> {
        let (token, subscription) = match self.version {
            Version::V1_0 => (
                required(frame, "message-id")?,
                frame.headers.get("subscription"),
            ),
            Version::V1_1 => (
                required(frame, "message-id")?,
                Some(required(frame, "subscription")?),
            ),
            Version::V1_2 => (required(frame, "id")?, None),
        };
        let mut acknowledgement = Acknowledgement {
            verdict,
            subscription: subscription.map(str::to_owned),
            token: token.to_owned(),
            receipt: None,
        };
        match frame.headers.get("transaction") {
            Some(id) => {
                self.transactions
                    .add_acknowledgement(id, acknowledgement, &self.limits)?;
                self.answer(receipt);
            }
            None => {
                acknowledgement.receipt = receipt;
                self.outputs.push_back(Output::Acknowledge(acknowledgement));
            }
        }
        Ok(())
    }

    fn receive_commit(&mut self, frame: &Frame, receipt: Option<String>) -> Result<(), Refusal> {
        let transaction = required(frame, "transaction")?.to_owned();
        let gathered = self.transactions.end(&transaction)?;
        self.outputs.push_back(Output::Commit(Committed {
            transaction,
            sends: gathered.sends,
            acknowledgements: gathered.acknowledgements,
            receipt,
        }));
        Ok(())
    }

    /// Open transactions are aborted. Who asked for a receipt closes when it has it, who did not has
    /// gone already.
    fn receive_disconnect(&mut self, receipt: Option<String>, now: Instant) {
        self.transactions = Transactions::default();
        let lingers = receipt.is_some();
        self.outputs.push_back(Output::Disconnect { receipt });
        if lingers {
            self.phase = Phase::Lingering {
                deadline: now + Duration::from_millis(self.times.linger_ms),
            };
        } else {
            self.end();
        }
    }

    fn answer(&mut self, receipt: Option<String>) {
        if let Some(id) = receipt {
            self.outputs.push_back(Output::Answer(Frame::receipt(&id)));
        }
    }
}

fn required<'f>(frame: &'f Frame, name: &str) -> Result<&'f str, Refusal> {
    frame
        .headers
        .get(name)
        .ok_or_else(|| missing(frame.command, name))
}

fn missing(command: Command, name: &str) -> Refusal {
    let detail = format!("{} needs the header {name}", command.as_str());
    Refusal::new(Code::MissingHeader, detail)
}
