//! Open transactions: what they gather stays here, within limits, until COMMIT hands it on.

use std::collections::HashMap;

use inkwire_model::Code;

use super::{Acknowledgement, ConversationLimits, Refusal, SendFrame};

#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: HashMap<String, Gathered>,
    /// Of all of them together.
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) sends: Vec<SendFrame>,
    pub(super) acknowledgements: Vec<Acknowledgement>,
    bytes: usize,
}

impl Transactions {
    pub(super) fn begin(&mut self, id: &str, limits: &ConversationLimits) -> Result<(), Refusal> {
        if self.open.contains_key(id) {
            let detail = format!("the transaction {id} is open already");
            return Err(Refusal::new(Code::DuplicateId, detail));
        }
        if self.open.len() == limits.transactions_max {
            let detail = format!("at most {} are open at once", limits.transactions_max);
            return Err(Refusal::new(Code::TransactionTooLarge, detail));
        }
        self.open.insert(id.to_owned(), Gathered::default());
        Ok(())
    }

    pub(super) fn add_send(
        &mut self,
        id: &str,
        send: SendFrame,
        limits: &ConversationLimits,
    ) -> Result<(), Refusal> {
        let bytes = send.body.len() + send.headers.bytes() + send.destination.len();
        let gathered = self.charge(id, bytes, limits)?;
        if gathered.sends.len() == limits.transaction_sends_max {
            let max = limits.transaction_sends_max;
            let detail = format!("a transaction has at most {max} SENDs");
            return Err(Refusal::new(Code::TransactionTooLarge, detail));
        }
        gathered.sends.push(send);
        Ok(())
    }

    pub(super) fn add_acknowledgement(
        &mut self,
        id: &str,
        acknowledgement: Acknowledgement,
        limits: &ConversationLimits,
    ) -> Result<(), Refusal> {
        let subscription = acknowledgement.subscription.as_ref().map_or(0, String::len);
        let bytes = size_of::<Acknowledgement>() + acknowledgement.token.len() + subscription;
        let gathered = self.charge(id, bytes, limits)?;
        gathered.acknowledgements.push(acknowledgement);
        Ok(())
    }

    /// Ends it and hands out what it gathered.
    pub(super) fn end(&mut self, id: &str) -> Result<Gathered, Refusal> {
        let gathered = self.open.remove(id).ok_or_else(|| unknown(id))?;
        self.bytes -= gathered.bytes;
        Ok(gathered)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn charge(
        &mut self,
        id: &str,
        bytes: usize,
        limits: &ConversationLimits,
    ) -> Result<&mut Gathered, Refusal> {
        let gathered = self.open.get_mut(id).ok_or_else(|| unknown(id))?;
        if self.bytes + bytes > limits.gathered_bytes_max {
            let max = limits.gathered_bytes_max;
            let detail = format!("open transactions hold together at most {max} bytes");
            return Err(Refusal::new(Code::TransactionTooLarge, detail));
        }
        self.bytes += bytes;
        gathered.bytes += bytes;
        Ok(gathered)
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::new(
        Code::UnknownTransaction,
        format!("no transaction {id} is open"),
    )
}
