//! `Page`: an application with the client library in it, and a record of all that it was told.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use inkwire_checker::Name;
use inkwire_client::{
    JoinOptions, Memory, Now, WriterLimits,
    core::{AppendId, Draft, Session, SessionOptions, Transform},
};
use inkwire_model::{Code, Seq, Subject};
use inkwire_protocol::native::Encoding;

use crate::{
    agenda::{Alarm, MS, Micros},
    link::LinkKey,
    plan::Plan,
    world::Excuses,
};

/// The same person's browser tab, with one page after another in it.
pub(crate) struct Client {
    pub(crate) n: usize,
    pub(crate) subject: Subject,
    /// How many users this tab has had.
    pub(crate) users: u32,
    pub(crate) page: Page,
    /// What the pages that are gone wrote.
    pub(crate) written: u64,
    /// Its wall clock is ahead by so much: the machine slept.
    pub(crate) slept_ms: u64,
    pub(crate) write_only: bool,
    /// It connects to nothing.
    pub(crate) is_asleep: bool,
}

pub(crate) struct Page {
    pub(crate) n: u32,
    pub(crate) core: Session,
    pub(crate) encoding: Encoding,
    pub(crate) link: Option<LinkKey>,
    pub(crate) alarm: Alarm,
    pub(crate) rewordings: Rewordings,
    pub(crate) record: Record,
}

/// What a page was told.
#[derive(Debug)]
pub(crate) struct Record {
    /// Begins everything that the page writes.
    pub(crate) name: Name,
    /// What it is called as a writer: another user is another one.
    pub(crate) writer: Name,
    /// As whom it was welcomed last.
    pub(crate) author: Option<Subject>,
    pub(crate) appends: u64,
    /// Acknowledged or refused.
    pub(crate) answered: BTreeSet<AppendId>,
    pub(crate) excuses: Excuses,
    /// What the application made of what it was shown.
    pub(crate) text: String,
    /// Up to where the application shows it.
    pub(crate) shown: Seq,
    pub(crate) ended: Option<Code>,
    pub(crate) live_since: Option<Micros>,
}

/// What the application made of entries that were lost, before they were sent again.
pub(crate) type Rewordings = Arc<Mutex<Vec<(AppendId, Draft)>>>;

impl Client {
    pub(crate) fn now(&self, at: Micros) -> Now {
        let elapsed_ms = at / MS;
        Now {
            elapsed_ms,
            unix_ms: crate::world::START_MS + elapsed_ms + self.slept_ms,
        }
    }

    /// The credentials: the simulation's authenticator reads subject and role.
    pub(crate) fn token(&self) -> String {
        let role = if self.n == 0 { "owner" } else { "writer" };
        format!("{} {role}", self.subject)
    }
}

impl Page {
    pub(crate) fn open(of: Opening<'_>) -> Self {
        let Opening {
            client,
            n,
            seed,
            plan,
            encoding,
            memory,
            now,
        } = of;
        let options = SessionOptions {
            seed: Some(seed),
            encoding,
            ..SessionOptions::default()
        };
        let mut core = Session::new(options);
        let rewordings = Rewordings::default();
        let limits = WriterLimits {
            retained_bytes_max: plan.retained_bytes_max,
            transform: plan.transforms.then(|| reword_into(rewordings.clone())),
            ..WriterLimits::default()
        };
        let old_memory = memory.is_some();
        let options = JoinOptions {
            write_only: plan.write_only[client],
            limits,
            memory,
            ..JoinOptions::default()
        };
        let opened = core.open_document(crate::world::document(), options, now);
        debug_assert!(opened.is_some());
        Self {
            n,
            core,
            encoding,
            link: None,
            alarm: Alarm::default(),
            rewordings,
            record: Record {
                name: format!("c{client}.{n}").into(),
                writer: format!("c{client}.{n}").into(),
                author: None,
                appends: 0,
                answered: BTreeSet::new(),
                excuses: Excuses {
                    old_memory,
                    ..Excuses::default()
                },
                text: String::new(),
                shown: 0,
                ended: None,
                live_since: None,
            },
        }
    }
}

/// How a page is opened.
pub(crate) struct Opening<'a> {
    pub(crate) client: usize,
    pub(crate) n: u32,
    pub(crate) seed: u64,
    pub(crate) plan: &'a Plan,
    pub(crate) encoding: Encoding,
    /// What the page before it kept.
    pub(crate) memory: Option<Memory>,
    pub(crate) now: Now,
}

impl Record {
    /// The text of the next append.
    pub(crate) fn next_draft(&self) -> Draft {
        let n = self.appends + 1;
        Draft::edit(format!("[\"{}#{n}\"]", self.name))
    }
}

fn reword_into(rewordings: Rewordings) -> Transform {
    Arc::new(move |append, draft| {
        let reworded = reworded(draft)?;
        let mut rewordings = rewordings.lock().unwrap_or_else(PoisonError::into_inner);
        rewordings.push((append, reworded.clone()));
        Some(reworded)
    })
}

/// Two rewordings at the most, so that an entry's size stays bounded; each stays recognizable.
fn reworded(draft: &Draft) -> Option<Draft> {
    let text = std::str::from_utf8(&draft.payload).ok()?;
    let body = text.strip_suffix("\"]")?;
    (!body.ends_with("''")).then(|| Draft::edit(format!("{body}'\"]")))
}
