//! The application's own count of messages: each is done when its ACK was answered, and that happens
//! once.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

#[derive(Clone)]
pub(crate) struct Count(Arc<Mutex<Counted>>);

struct Counted {
    messages: Vec<OfMessage>,
    deliveries: u64,
    redeliveries: u64,
    late: u64,
    sessions: u64,
    last_answer: Instant,
    longest_silence: Duration,
}

#[derive(Default, Clone)]
struct OfMessage {
    /// The ids under which it came.
    ids: HashSet<String>,
    /// Deliveries that said that nobody had seen it.
    fresh: u32,
    /// Answered ACKs.
    answered: u32,
    /// An ACK was sent, and the session ended before the answer.
    is_unknown: bool,
}

impl Count {
    /// Of messages 1, 2, 3 and so on.
    pub(crate) fn of(messages: u32) -> Self {
        Self(Arc::new(Mutex::new(Counted {
            messages: vec![OfMessage::default(); messages as usize],
            deliveries: 0,
            redeliveries: 0,
            late: 0,
            sessions: 0,
            last_answer: Instant::now(),
            longest_silence: Duration::ZERO,
        })))
    }

    pub(crate) fn session(&self) {
        self.lock().sessions += 1;
    }

    pub(crate) fn delivered(&self, number: u32, id: &str, is_redelivered: bool) {
        let mut counted = self.lock();
        counted.deliveries += 1;
        counted.redeliveries += u64::from(is_redelivered);
        let message = &mut counted.messages[number as usize - 1];
        message.ids.insert(id.to_owned());
        message.fresh += u32::from(!is_redelivered);
        assert!(message.fresh <= 1, "{number} was new twice");
    }

    pub(crate) fn acknowledged(&self, number: u32) {
        let mut counted = self.lock();
        let silence = counted.last_answer.elapsed();
        counted.longest_silence = counted.longest_silence.max(silence);
        counted.last_answer = Instant::now();
        let message = &mut counted.messages[number as usize - 1];
        message.answered += 1;
        assert_eq!(message.answered, 1, "{number} was acknowledged twice");
    }

    pub(crate) fn unknown(&self, number: u32) {
        self.lock().messages[number as usize - 1].is_unknown = true;
    }

    /// An ACK was refused: somebody else has it.
    pub(crate) fn late(&self) {
        self.lock().late += 1;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.missing() == 0
    }

    /// Messages that nobody is done with.
    pub(crate) fn missing(&self) -> u64 {
        let counted = self.lock();
        let missing = |message: &&OfMessage| message.answered == 0 && !message.is_unknown;
        counted.messages.iter().filter(missing).count() as u64
    }

    pub(crate) fn answered(&self) -> u64 {
        let counted = self.lock();
        let answered = |message: &&OfMessage| message.answered == 1;
        counted.messages.iter().filter(answered).count() as u64
    }

    pub(crate) fn stored_twice(&self) -> u64 {
        let counted = self.lock();
        let twice = |message: &&OfMessage| message.ids.len() > 1;
        counted.messages.iter().filter(twice).count() as u64
    }

    pub(crate) fn messages(&self) -> u32 {
        u32::try_from(self.lock().messages.len()).unwrap()
    }

    pub(crate) fn longest_silence(&self) -> Duration {
        self.lock().longest_silence
    }

    pub(crate) fn told(&self) -> String {
        let (messages, answered) = (self.messages(), self.answered());
        let counted = self.lock();
        format!(
            "{messages} messages, {} deliveries, {} redeliveries, {answered} ACKs answered, {} whose \
             answer was lost, {} too late, {} sessions, longest silence {:.2} s",
            counted.deliveries,
            counted.redeliveries,
            u64::from(messages) - answered,
            counted.late,
            counted.sessions,
            counted.longest_silence.as_secs_f64(),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
