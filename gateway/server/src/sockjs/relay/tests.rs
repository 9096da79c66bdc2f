//! Relayed requests over a network that loses, repeats, delays and reorders, in simulated time: every
//! message comes once and in order, or the session ends; never anything else.
//!
//! One client polls (or streams) and sends, each request at a random one of two replicas, none of them the
//! owner. The session here is a model: messages out, a queue of messages in, one receiver.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    inflow::{Ended, Inflow, Intake},
    outflow::{Flow, Outflow},
    parcel::{Ask, Content, Item, Parcel, Refused, RequestId, Sender, Wish},
    recent::Recent,
    sending::{Progress, Sending},
    terms::{ATTACH_MAX, SILENCE_MAX, WINDOW_BYTES},
};

const MESSAGES: u32 = 60;

/// What is wrong with a schedule.
#[derive(Debug, Clone, Copy)]
struct Weather {
    loss: f64,
    repeat: f64,
    delay_max_ms: u64,
    /// All letters of one direction are lost in this span, in ms from the start.
    to_owner_dark: (u64, u64),
    from_owner_dark: (u64, u64),
    /// A replica that carries requests dies at this time, with what it carries.
    death_ms: u64,
    /// How long the client takes to read a response's frame.
    slow_ms: u64,
    is_streaming: bool,
}

impl Weather {
    fn draw(random: &mut StdRng) -> Self {
        let dark = |random: &mut StdRng| {
            let begins = random.random_range(0..3_000);
            match random.random_bool(0.3) {
                true => (begins, begins + random.random_range(100..8_000)),
                false => (0, 0),
            }
        };
        let is_rough = random.random_bool(0.7);
        Self {
            loss: if is_rough {
                random.random_range(0.0..0.4)
            } else {
                0.0
            },
            repeat: if is_rough {
                random.random_range(0.0..0.3)
            } else {
                0.0
            },
            delay_max_ms: random.random_range(2..400),
            to_owner_dark: dark(random),
            from_owner_dark: dark(random),
            death_ms: match random.random_bool(0.15) {
                true => random.random_range(0..4_000),
                false => u64::MAX,
            },
            slow_ms: random.random_range(0..200),
            is_streaming: random.random_bool(0.5),
        }
    }

    fn is_mild(&self) -> bool {
        let is_dark = |(from, to): (u64, u64)| to > from;
        self.loss < 0.05
            && !is_dark(self.to_owner_dark)
            && !is_dark(self.from_owner_dark)
            && self.death_ms == u64::MAX
    }
}

#[derive(Debug)]
enum Event {
    ToOwner(Parcel),
    ToAsker(Parcel),
    /// The client read what was written to this response.
    Read(RequestId),
    Look,
    Message,
    Death,
}

/// A request that the client waits for.
struct Receiving {
    inflow: Inflow,
    replica: usize,
    unread: VecDeque<Item>,
    is_reading: bool,
}

struct World {
    random: StdRng,
    weather: Weather,
    start: Instant,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    drawn: u64,
    // The owner.
    outbox: VecDeque<u32>,
    produced: u32,
    queued: Vec<u32>,
    is_ended: bool,
    outflows: HashMap<RequestId, Outflow>,
    /// The one that takes frames, and how many bytes it still takes.
    current: Option<(RequestId, usize)>,
    at_owner: Recent<Option<Result<(), Refused>>>,
    // The registry: nobody finds the session any more.
    is_barred: bool,
    // The replicas where requests arrive.
    receiving: HashMap<RequestId, Receiving>,
    sending: Option<(RequestId, Sending, u32, usize)>,
    at_askers: Recent<Ended>,
    dead: Option<usize>,
    // The client.
    read: Vec<u32>,
    confirmed_sends: Vec<u32>,
    next_send: u32,
    client_is_over: bool,
    another_open: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (weather, start) = (Weather::draw(&mut random), Instant::now());
        let mut world = Self {
            random,
            weather,
            start,
            now: start,
            events: BTreeMap::new(),
            drawn: 0,
            outbox: VecDeque::new(),
            produced: 0,
            queued: Vec::new(),
            is_ended: false,
            outflows: HashMap::new(),
            current: None,
            at_owner: Recent::default(),
            is_barred: false,
            receiving: HashMap::new(),
            sending: None,
            at_askers: Recent::default(),
            dead: None,
            read: Vec::new(),
            confirmed_sends: Vec::new(),
            next_send: 0,
            client_is_over: false,
            another_open: false,
        };
        world.after(0, Event::Message);
        world.after(0, Event::Look);
        if weather.death_ms < u64::MAX {
            world.after(weather.death_ms, Event::Death);
        }
        world
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.drawn += 1;
        let at = self.now + Duration::from_millis(ms);
        self.events.insert((at, self.drawn), event);
    }

    fn request(&mut self) -> RequestId {
        self.drawn += 1;
        RequestId(0, self.drawn)
    }

    fn post(&mut self, request: RequestId, content: Content, is_to_owner: bool) {
        let weather = self.weather;
        let since = u64::try_from((self.now - self.start).as_millis()).unwrap();
        let dark = match is_to_owner {
            true => weather.to_owner_dark,
            false => weather.from_owner_dark,
        };
        if (dark.0..dark.1).contains(&since) {
            return;
        }
        let copies = 1 + u32::from(self.random.random_bool(weather.repeat));
        for _ in 0..copies {
            if self.random.random_bool(weather.loss) {
                continue;
            }
            let parcel = Parcel {
                request,
                content: content.clone(),
            };
            let late = self.random.random_bool(0.02);
            let most = if late { 4_000 } else { weather.delay_max_ms };
            let delay = self.random.random_range(0..=most);
            self.after(
                delay,
                match is_to_owner {
                    true => Event::ToOwner(parcel),
                    false => Event::ToAsker(parcel),
                },
            );
        }
    }

    fn run(&mut self) {
        let end = self.start + Duration::from_secs(120);
        let mut done_at = None;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                return;
            }
            self.now = at;
            // What comes late may still do harm; then nothing comes any more.
            let is_done = self.is_whole() || self.client_is_over || self.is_barred;
            if is_done && *done_at.get_or_insert(at) + Duration::from_secs(15) < at {
                return;
            }
            match event {
                Event::ToOwner(parcel) => self.owner_hears(parcel),
                Event::ToAsker(parcel) => self.asker_hears(parcel),
                Event::Read(request) => self.read_one(request),
                Event::Message if self.produced < MESSAGES => {
                    self.outbox.push_back(self.produced);
                    self.produced += 1;
                    let pause = self.random.random_range(0..100);
                    self.after(pause, Event::Message);
                }
                Event::Message => {}
                Event::Death => self.die(),
                Event::Look => self.after(25, Event::Look),
            }
            self.client();
            self.timers();
            self.owner_flows();
        }
    }

    // The client, and where its requests arrive.

    fn replica(&mut self) -> usize {
        match self.dead {
            Some(dead) => 1 - dead,
            None => self.random.random_range(0..2),
        }
    }

    fn client(&mut self) {
        if self.client_is_over {
            return;
        }
        if self.receiving.is_empty() {
            if self.is_barred {
                self.client_is_over = true;
                return;
            }
            let (request, replica) = (self.request(), self.replica());
            let budget_bytes = if self.weather.is_streaming { 300 } else { 1 };
            let wish = Wish::Attach {
                budget_bytes,
                overhead_bytes: 0,
            };
            let receiving = Receiving {
                inflow: Inflow::new(ask(wish), self.now),
                replica,
                unread: VecDeque::new(),
                is_reading: false,
            };
            self.receiving.insert(request, receiving);
            self.asker_flows(request);
        }
        if self.sending.is_none() && self.next_send < MESSAGES && self.random.random_bool(0.3) {
            if self.is_barred {
                self.client_is_over = true;
                return;
            }
            let (request, replica) = (self.request(), self.replica());
            let messages = vec![self.next_send.to_string()];
            let sending = Sending::new(ask(Wish::Send { messages }), self.now);
            self.sending = Some((request, sending, self.next_send, replica));
            self.next_send += 1;
            self.sending_goes_on();
        }
    }

    fn sending_goes_on(&mut self) {
        while let Some((request, sending, message, _)) = &mut self.sending {
            let (request, message) = (*request, *message);
            match sending.poll() {
                None => return,
                Some(Progress::Tell(content)) => self.post(request, content, true),
                Some(Progress::Answered(Ok(()))) => {
                    self.confirmed_sends.push(message);
                    self.sending = None;
                }
                Some(Progress::Answered(Err(_))) => {
                    self.client_is_over = true;
                    self.sending = None;
                }
                Some(Progress::Unconfirmed) => {
                    // The client is told only when nobody finds the session any more, and goes on.
                    self.is_barred = true;
                    self.post(request, Content::Ask(ask(Wish::End)), true);
                    self.sending = None;
                }
            }
        }
    }

    fn asker_hears(&mut self, parcel: Parcel) {
        let Parcel { request, content } = parcel;
        if let Some((of, sending, ..)) = &mut self.sending
            && *of == request
        {
            sending.hear(&content, self.now);
            return self.sending_goes_on();
        }
        if let Some(receiving) = self.receiving.get_mut(&request) {
            receiving.inflow.hear(content, self.now);
            return self.asker_flows(request);
        }
        if matches!(content, Content::Frames { .. }) {
            let known = self.at_askers.of(request);
            let answer = known.map_or(Content::Fail, |ended| ended.content());
            self.post(request, answer, true);
        }
    }

    fn asker_flows(&mut self, request: RequestId) {
        while let Some(receiving) = self.receiving.get_mut(&request) {
            match receiving.inflow.poll() {
                None => break,
                Some(Intake::Tell(content)) => self.post(request, content, true),
                Some(Intake::Opened) => {}
                Some(Intake::Write(item)) => {
                    receiving.unread.push_back(item);
                    let waiting: usize = receiving.unread.iter().map(|item| item.frame.len()).sum();
                    assert!(waiting < 2 * WINDOW_BYTES, "without bound");
                }
                Some(Intake::Refused(_) | Intake::Lost) => self.client_is_over = true,
            }
        }
        let Some(receiving) = self.receiving.get_mut(&request) else {
            return;
        };
        if !receiving.unread.is_empty() && !receiving.is_reading {
            receiving.is_reading = true;
            let slow = self.random.random_range(0..=self.weather.slow_ms);
            self.after(slow, Event::Read(request));
        }
        if let Some(receiving) = self.receiving.get(&request)
            && let Some(ended) = receiving.inflow.ended()
        {
            self.at_askers.end(request, ended, self.now);
            self.receiving.remove(&request);
        }
    }

    fn read_one(&mut self, request: RequestId) {
        let Some(receiving) = self.receiving.get_mut(&request) else {
            return;
        };
        receiving.is_reading = false;
        if let Some(item) = receiving.unread.pop_front() {
            let text = std::str::from_utf8(&item.frame).unwrap();
            self.read
                .extend(text.split_whitespace().map(|n| n.parse::<u32>().unwrap()));
            receiving.inflow.written(1);
        }
        self.asker_flows(request);
    }

    fn die(&mut self) {
        let dead = self.random.random_range(0..2);
        self.dead = Some(dead);
        let held = self.receiving.len();
        self.receiving
            .retain(|_, receiving| receiving.replica != dead);
        let is_sending_there = matches!(&self.sending, Some((.., replica)) if *replica == dead);
        // A broken request ends the session for its client.
        if self.receiving.len() < held || is_sending_there {
            self.client_is_over = true;
            self.sending = None;
        }
    }

    fn timers(&mut self) {
        let now = self.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some((_, sending, ..)) = &mut self.sending
            && is_due(sending.next_deadline())
        {
            sending.handle_deadline(now);
            self.sending_goes_on();
        }
        let requests: Vec<_> = self.receiving.keys().copied().collect();
        for request in requests {
            if let Some(receiving) = self.receiving.get_mut(&request)
                && is_due(receiving.inflow.next_deadline())
            {
                receiving.inflow.handle_deadline(now);
                self.asker_flows(request);
            }
        }
        for outflow in self.outflows.values_mut() {
            if is_due(outflow.next_deadline()) {
                outflow.handle_deadline(now);
            }
        }
    }

    // The owner.

    fn owner_hears(&mut self, parcel: Parcel) {
        let Parcel { request, content } = parcel;
        if let Some(outflow) = self.outflows.get_mut(&request) {
            return outflow.hear(&content, self.now);
        }
        let asked = match content {
            Content::Ask(asked) => Some(asked),
            Content::Still => None,
            _ => return,
        };
        match self.at_owner.of(request) {
            Some(Some(answer)) => return self.post(request, Content::Answer(*answer), false),
            Some(None) => return self.post(request, Content::Wait, false),
            None => {}
        }
        let Some(asked) = asked else {
            return;
        };
        assert!(self.at_owner.begin(request, None, self.now));
        match asked.wish {
            Wish::End => self.is_ended = true,
            Wish::Send { messages } if !self.is_ended => {
                let numbers = messages.iter().map(|text| text.parse::<u32>().unwrap());
                self.queued.extend(numbers);
                self.answer(request, Ok(()));
            }
            Wish::Send { .. } => self.answer(request, Err(Refused::Closed)),
            Wish::Attach { .. } if self.is_ended => self.answer(request, Err(Refused::Unknown)),
            Wish::Attach { .. } if self.current.is_some() => {
                self.another_open = true;
                self.answer(request, Err(Refused::Closed));
            }
            Wish::Attach { budget_bytes, .. } => {
                let budget = usize::try_from(budget_bytes).unwrap();
                self.current = Some((request, budget));
                self.outflows.insert(request, Outflow::new(self.now));
            }
        }
    }

    fn answer(&mut self, request: RequestId, answer: Result<(), Refused>) {
        self.at_owner.end(request, Some(answer), self.now);
        self.post(request, Content::Answer(answer), false);
    }

    fn owner_flows(&mut self) {
        while let Some((request, left)) = self.current
            && let Some(outflow) = self.outflows.get_mut(&request)
            && outflow.has_room()
            && !self.outbox.is_empty()
            && !self.is_ended
        {
            let count = if left == 1 { self.outbox.len() } else { 1 };
            let texts: Vec<_> = self.outbox.drain(..count).map(|n| n.to_string()).collect();
            let frame = Bytes::from(texts.join(" ") + &" ".repeat(20));
            let left = left.saturating_sub(frame.len());
            // As the session does: with its last frame a request is not the receiver any more.
            self.current = (left > 0).then_some((request, left));
            let is_last = left == 0;
            outflow.push(Item { frame, is_last }, self.now);
        }
        let requests: Vec<_> = self.outflows.keys().copied().collect();
        for request in requests {
            while let Some(flow) = self.outflows.get_mut(&request).and_then(Outflow::poll) {
                match flow {
                    Flow::Tell(content) => self.post(request, content, false),
                    Flow::Leave => {}
                    Flow::Complete | Flow::Failed(_) => {
                        self.is_ended |= matches!(flow, Flow::Failed(_));
                        let over = Some(Err(Refused::Unknown));
                        self.at_owner.end(request, over, self.now);
                        self.outflows.remove(&request);
                    }
                }
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.read.len() == MESSAGES as usize && self.confirmed_sends.len() == MESSAGES as usize
    }

    /// Whether it went well to the end.
    fn judge(&self, seed: u64) -> bool {
        let context = format!("seed {seed}: {:?}", self.weather);
        let in_order = |numbers: &[u32]| numbers.iter().zip(0..).all(|(a, b)| *a == b);
        assert!(in_order(&self.read), "{context}: read {:?}", self.read);
        assert!(
            in_order(&self.queued),
            "{context}: queued {:?}",
            self.queued
        );
        assert!(
            self.confirmed_sends.iter().all(|n| self.queued.contains(n)),
            "{context}: {:?} confirmed, {:?} queued",
            self.confirmed_sends,
            self.queued
        );
        assert!(
            !self.another_open,
            "{context}: another connection still open"
        );
        let (is_whole, is_ended) = (self.is_whole(), self.client_is_over || self.is_barred);
        assert!(
            is_whole || is_ended,
            "{context}: it hangs, read {:?}, {} sent",
            self.read,
            self.confirmed_sends.len()
        );
        assert!(
            !self.weather.is_mild() || !is_ended,
            "{context}: ended in mild weather"
        );
        is_whole
    }
}

fn ask(wish: Wish) -> Ask {
    Ask {
        session: "/sockjs/abc".to_owned(),
        from: Sender::Nobody,
        wish,
    }
}

#[test]
fn every_message_once_and_in_order_or_the_session_ends() {
    let count = std::env::var("INKWIRE_RELAY_SCHEDULES");
    let count: u64 = count.map_or(1_500, |count| count.parse().expect("a number"));
    let mut whole = 0;
    for seed in 0..count {
        let mut world = World::new(seed);
        world.run();
        whole += u64::from(world.judge(seed));
    }
    println!("{whole} of {count} schedules went well to the end, the others ended the session");
    assert!(whole > count / 4 && whole < count, "both happen: {whole}");
}

#[test]
fn a_silent_end_is_given_up_by_both() {
    let start = Instant::now();
    let mut outflow = Outflow::new(start);
    let mut inflow = Inflow::new(
        ask(Wish::Attach {
            budget_bytes: 1,
            overhead_bytes: 0,
        }),
        start,
    );
    while let Some(at) = outflow.next_deadline() {
        outflow.handle_deadline(at);
        assert!(at <= start + SILENCE_MAX);
    }
    while let Some(at) = inflow.next_deadline() {
        inflow.handle_deadline(at);
        assert!(at <= start + ATTACH_MAX);
    }
    let mut told = 0;
    while let Some(intake) = inflow.poll() {
        match intake {
            Intake::Tell(_) => told += 1,
            Intake::Refused(why) => assert_eq!(why, Refused::Unreachable),
            other => panic!("{other:?}"),
        }
    }
    assert!((4..=14).contains(&told), "asked {told} times");
}

#[test]
fn no_more_than_the_window_is_on_its_way() {
    let now = Instant::now();
    let mut outflow = Outflow::new(now);
    let frame = Bytes::from(vec![b'x'; WINDOW_BYTES / 4]);
    let mut count = 0;
    while outflow.has_room() {
        let item = Item {
            frame: frame.clone(),
            is_last: false,
        };
        outflow.push(item, now);
        count += 1;
    }
    assert_eq!(count, 4);
    outflow.hear(
        &Content::Confirm {
            received: 4,
            written: 0,
        },
        now,
    );
    assert!(!outflow.has_room(), "they wait for a slow client");
    outflow.hear(
        &Content::Confirm {
            received: 4,
            written: 1,
        },
        now,
    );
    assert!(outflow.has_room());
    outflow.hear(
        &Content::Confirm {
            received: 9,
            written: 9,
        },
        now,
    );
    assert!(outflow.has_room(), "nobody can have what was not sent");
}
