//! A replica's end in simulated time.

use std::{collections::HashSet, sync::Arc};

use rand::{SeedableRng as _, rngs::StdRng};

use super::*;

const CONFIG: DrainConfig = DrainConfig {
    delay: Duration::from_secs(3),
    window: Duration::from_secs(60),
    after: Duration::from_secs(5),
    sessions_per_second: 100,
    stop_timeout: Duration::from_secs(90),
};

/// A drain and its clock.
struct Life {
    drain: Drain,
    began_at: Instant,
    now: Instant,
}

impl Life {
    fn new(config: DrainConfig) -> Self {
        let now = Instant::now();
        Self {
            drain: Drain::new(config),
            began_at: now,
            now,
        }
    }

    fn asked(&mut self, ask: Ask) -> Vec<Step> {
        self.drain.asked(ask, self.now);
        self.steps()
    }

    fn steps(&mut self) -> Vec<Step> {
        std::iter::from_fn(|| self.drain.poll_step()).collect()
    }

    /// Lets the time pass until the next deadline; says when that was, in seconds from the start.
    fn meet_deadline(&mut self) -> (u64, Vec<Step>) {
        self.now = self.drain.next_deadline().expect("a deadline");
        self.drain.handle_deadline(self.now);
        ((self.now - self.began_at).as_secs(), self.steps())
    }

    fn after_s(&self, seconds: u64) -> Instant {
        self.began_at + Duration::from_secs(seconds)
    }
}

const END: Step = Step::End { at_once: false };
const CUT: Step = Step::End { at_once: true };

#[test]
fn a_drain_step_by_step() {
    let mut life = Life::new(CONFIG);
    assert_eq!(life.drain.next_deadline(), None);
    assert_eq!(life.asked(Ask::Drain), [Step::Unready]);
    assert_eq!(life.meet_deadline(), (3, vec![Step::Move]));
    let over_at = life.after_s(40);
    life.drain.moving_until(over_at);
    assert_eq!(life.meet_deadline(), (40, vec![END]));
    assert_eq!(life.drain.next_deadline(), None);
}

#[test]
fn it_is_over_when_nobody_is_left() {
    let mut life = Life::new(CONFIG);
    life.asked(Ask::Drain);
    life.drain.all_left();
    assert_eq!(life.steps(), [], "newcomers are still taken in");
    life.meet_deadline();
    life.drain.all_left();
    assert_eq!(life.steps(), [END]);
}

#[test]
fn without_a_delay_sessions_are_told_at_once() {
    let mut life = Life::new(DrainConfig {
        delay: Duration::ZERO,
        ..CONFIG
    });
    assert_eq!(life.asked(Ask::Drain), [Step::Unready, Step::Move]);
}

#[test]
fn without_a_window_nobody_is_told() {
    let mut life = Life::new(DrainConfig {
        window: Duration::ZERO,
        ..CONFIG
    });
    assert_eq!(life.asked(Ask::Drain), [Step::Unready]);
    assert_eq!(life.meet_deadline(), (3, vec![END]));
}

#[test]
fn an_interrupt_ends_it_without_a_drain() {
    let mut life = Life::new(CONFIG);
    assert_eq!(life.asked(Ask::End), [Step::Unready, END]);
    assert_eq!(life.asked(Ask::End), []);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for second in [Ask::Drain, Ask::End] {
        let mut life = Life::new(CONFIG);
        life.asked(Ask::Drain);
        assert_eq!(life.asked(second), [CUT]);

        let mut life = Life::new(CONFIG);
        life.asked(Ask::Drain);
        life.meet_deadline();
        assert_eq!(life.asked(second), [CUT]);
        assert_eq!(life.asked(second), []);
    }
}

#[test]
fn nothing_keeps_it_longer_than_a_stop_may_take() {
    let mut life = Life::new(CONFIG);
    life.asked(Ask::Drain);
    life.meet_deadline();
    let too_late = life.after_s(1_000);
    life.drain.moving_until(too_late);
    assert_eq!(life.meet_deadline(), (90, vec![CUT]));
}

fn paced(
    sessions: usize,
    config: &DrainConfig,
    seed: u64,
) -> (Instant, Pace, Vec<inkwire_session::Notice>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let begin = Instant::now();
    let pace = Pace::new(sessions, config, begin, Arc::default(), &mut rng);
    let notices = (0..sessions).map(|_| pace.next(&mut rng)).collect();
    (begin, pace, notices)
}

#[test]
fn sessions_are_told_one_after_the_other_in_a_random_order() {
    let (begin, _, notices) = paced(300, &CONFIG, 1);
    let asked: Vec<_> = notices.iter().map(|n| n.tell_at - begin).collect();
    let mut told = asked.clone();
    told.sort_unstable();
    for (turn, told_at) in told.iter().enumerate() {
        assert_eq!(told_at.as_millis(), 10 * turn as u128, "100 in a second");
    }
    assert_ne!(asked, told);
    let (again, _, other) = paced(300, &CONFIG, 2);
    let other: Vec<_> = other.iter().map(|n| n.tell_at - again).collect();
    assert_ne!(asked, other);
}

#[test]
fn many_sessions_are_told_faster_so_that_all_have_their_time() {
    let (begin, pace, notices) = paced(50_000, &CONFIG, 3);
    let end = begin + CONFIG.window;
    assert!(notices.iter().all(|notice| notice.cut_at <= end));
    let last = notices.iter().map(|n| n.tell_at).max().unwrap();
    assert!(last > begin + Duration::from_secs(49), "{:?}", last - begin);
    assert!(pace.over_at() <= end + PARTING_MAX);
}

#[test]
fn the_times_to_move_are_spread() {
    let (_, _, notices) = paced(300, &CONFIG, 4);
    let spread: HashSet<_> = notices.iter().map(|notice| notice.after_ms).collect();
    assert!(spread.len() > 200, "{}", spread.len());
    assert!(
        spread
            .iter()
            .all(|after_ms| (2_500..=5_000).contains(after_ms))
    );
    for notice in notices {
        assert!(notice.cut_at - notice.tell_at >= Duration::from_millis(2 * notice.after_ms));
    }
}

#[test]
fn a_short_window_shortens_the_times_to_move() {
    let config = DrainConfig {
        window: Duration::from_secs(4),
        ..CONFIG
    };
    let (begin, _, notices) = paced(1_000, &config, 5);
    assert!(notices.iter().all(|notice| notice.after_ms <= 1_000));
    assert!(
        notices
            .iter()
            .all(|notice| notice.cut_at <= begin + config.window)
    );
}

#[test]
fn who_was_not_counted_is_told_too() {
    let mut rng = StdRng::seed_from_u64(6);
    for counted in [0, 1, 10] {
        let begin = Instant::now();
        let pace = Pace::new(counted, &CONFIG, begin, Arc::default(), &mut rng);
        for _ in 0..counted + 5 {
            let notice = pace.next(&mut rng);
            assert!(notice.cut_at <= pace.over_at());
        }
    }
}
