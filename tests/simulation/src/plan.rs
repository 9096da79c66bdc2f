//! `Plan`: what kind of world a seed makes: how many take part, how much they hold, and what goes
//! wrong how often.

use crate::{
    agenda::{MS, Micros, SECOND},
    rng::Rng,
};

/// What an acknowledgement means (C3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Accepted,
    Replicated,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Nothing fails; only everything takes its time.
    pub(crate) calm: bool,
    pub(crate) replicas: usize,
    pub(crate) clients: usize,
    pub(crate) level: Level,
    /// Announcements out of a thousand.
    pub(crate) drop: u64,
    pub(crate) repeat: u64,
    pub(crate) delay: u64,
    pub(crate) lag: u64,
    /// Between two faults, on the average.
    pub(crate) fault_every: Micros,
    /// Replies out of a thousand that are lost.
    pub(crate) reply_lost: u64,
    /// Calls out of a thousand that land after their outcome was given up.
    pub(crate) late: u64,
    pub(crate) faults_until: Micros,
    /// The longest that a subscription may take.
    pub(crate) confirm_max: Micros,
    /// The longest that a read may take.
    pub(crate) read_max: Micros,
    pub(crate) retained_bytes_max: usize,
    pub(crate) transforms: bool,
    pub(crate) write_only: Vec<bool>,
    /// Clients that never write.
    pub(crate) quiet: Vec<bool>,
    /// The longest that an announcement may take.
    pub(crate) announce_max: Micros,
    pub(crate) small_outbox: bool,
    pub(crate) small_pages: bool,
    pub(crate) appends_max: u64,
    pub(crate) append_every: Micros,
    pub(crate) revokes: bool,
    pub(crate) empties: bool,
    pub(crate) expires: bool,
    pub(crate) changes_user: bool,
    /// Pages keep an old memory of their client over a reload.
    pub(crate) remembers: bool,
}

/// Acknowledged entries of a few bytes that this holds: none, three, all.
const RETAINED: [usize; 4] = [0, 480, RETAINS_ALL, RETAINS_ALL];

/// More than any page of a world writes.
pub(crate) const RETAINS_ALL: usize = 4 << 20;

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let calm = rng.chance(200);
        let clients = usize::try_from(rng.between(3, 5)).unwrap_or(3);
        let level = rng.pick(&[Level::Accepted, Level::Accepted, Level::Replicated]);
        let mut write_only = vec![false; clients];
        write_only[1] = rng.chance(300);
        if rng.chance(100) {
            write_only.fill(true);
        }
        let revokes = rng.chance(250);
        let plan = Self {
            calm,
            replicas: usize::try_from(rng.between(2, 3)).unwrap_or(2),
            clients,
            level,
            drop: rng.pick(&[0, 20, 100, 250]),
            repeat: rng.pick(&[0, 0, 30, 100]),
            delay: rng.pick(&[0, 0, 50, 150]),
            lag: rng.pick(&[0, 10, 50]),
            fault_every: rng.pick(&[300 * MS, 800 * MS, 2 * SECOND]),
            reply_lost: rng.pick(&[0, 10, 50]),
            late: rng.pick(&[0, 10, 50]),
            faults_until: rng.between(6, 30) * SECOND,
            confirm_max: rng.pick(&[5 * MS, 5 * MS, 3 * SECOND, 8 * SECOND]),
            read_max: rng.pick(&[800, 800, 200 * MS]),
            retained_bytes_max: match level {
                // What every replica has needs no healing, and the others are the harder case.
                Level::Replicated => 0,
                Level::Accepted => rng.pick(&RETAINED),
            },
            transforms: rng.chance(300),
            write_only,
            quiet: (0..clients).map(|_| rng.chance(250)).collect(),
            announce_max: rng.pick(&[900, 900, 250 * MS]),
            small_outbox: rng.chance(300),
            small_pages: rng.chance(500),
            appends_max: rng.between(10, 40),
            append_every: rng.pick(&[100 * MS, 400 * MS, 900 * MS]),
            revokes,
            empties: level == Level::Accepted && !revokes && rng.chance(150),
            expires: rng.chance(250),
            changes_user: rng.chance(300),
            remembers: rng.chance(150),
        };
        match (calm, plan.remembers) {
            (true, _) => plan.calmed(),
            // What the former page sent may land after the next one has looked at the log.
            (false, true) => Self {
                late: 250,
                appends_max: 150,
                fault_every: 500 * MS,
                quiet: vec![false; clients],
                ..plan
            },
            (false, false) => plan,
        }
    }

    fn calmed(self) -> Self {
        Self {
            drop: 0,
            repeat: 0,
            delay: 0,
            // Or three entries a read would be too few for a busy document.
            read_max: if self.small_pages { 800 } else { self.read_max },
            append_every: 3 * self.append_every,
            announce_max: 900,
            // A lag is repaired at once.
            lag: 3 * self.lag,
            reply_lost: 0,
            late: 0,
            small_outbox: false,
            empties: false,
            expires: false,
            changes_user: false,
            remembers: false,
            ..self
        }
    }
}
