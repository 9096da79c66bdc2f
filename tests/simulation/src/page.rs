//! `Page`: an application with the client library in it, and a record of all that it was told.

use std::sync::Arc;

use inkwire_client::{
    JoinOptions, LossCause, Now, WriterLimits,
    core::{AppendId, Draft, Session, SessionOptions},
};
use inkwire_model::{Code, Entry, Position, Subject};
use inkwire_protocol::native::Encoding;

use crate::{
    agenda::{MS, Micros},
    link::LinkKey,
    plan::Plan,
};

/// The same person's browser tab, with one page after another in it.
pub(crate) struct Client {
    pub(crate) n: usize,
    pub(crate) subject: Subject,
    /// How many users this tab has had.
    pub(crate) users: u32,
    pub(crate) page: Page,
    /// Pages that are gone, with what they held.
    pub(crate) gone: Vec<Record>,
    /// Its wall clock is ahead by so much: the machine slept.
    pub(crate) slept_ms: u64,
    pub(crate) write_only: bool,
}

pub(crate) struct Page {
    pub(crate) n: u32,
    pub(crate) core: Session,
    pub(crate) encoding: Encoding,
    pub(crate) link: Option<LinkKey>,
    pub(crate) due: Option<Micros>,
    pub(crate) record: Record,
}

/// What a page was told.
#[derive(Debug)]
pub(crate) struct Record {
    /// Begins everything that the page writes.
    pub(crate) name: String,
    pub(crate) appends: Vec<Written>,
    /// What the application shows, above `base`.
    pub(crate) view: Vec<Arc<Entry>>,
    pub(crate) base: Option<Position>,
    pub(crate) ended: Option<Code>,
    pub(crate) live_since: Option<Micros>,
}

/// One append of a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) acked: bool,
    pub(crate) refused: bool,
    pub(crate) lost: Option<LossCause>,
    /// Acknowledged under a client that was given up since: nobody heals it any more.
    pub(crate) former: bool,
}

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
    pub(crate) fn open(client: usize, n: u32, seed: u64, plan: &Plan, encoding: Encoding) -> Self {
        let options = SessionOptions {
            seed: Some(seed),
            encoding,
            ..SessionOptions::default()
        };
        Self {
            n,
            core: Session::new(options),
            encoding,
            link: None,
            due: None,
            record: Record {
                name: format!("c{client}.{n}"),
                appends: Vec::new(),
                view: Vec::new(),
                base: None,
                ended: None,
                live_since: None,
            },
        }
        .with_document(plan.write_only[client], plan)
    }

    fn with_document(mut self, write_only: bool, plan: &Plan) -> Self {
        let reword = |_: AppendId, draft: &Draft| reworded(draft);
        let limits = WriterLimits {
            retained_bytes_max: plan.retained_bytes_max,
            transform: plan.transforms.then(|| Arc::new(reword) as _),
            ..WriterLimits::default()
        };
        let options = JoinOptions {
            write_only,
            limits,
            ..JoinOptions::default()
        };
        let opened = self
            .core
            .open_document(crate::world::document(), options, Now::default());
        debug_assert!(opened.is_some());
        self
    }
}

impl Record {
    /// The text of the next append.
    pub(crate) fn next_draft(&self) -> Draft {
        let n = self.appends.len() + 1;
        Draft::edit(format!("[\"{}#{n}\"]", self.name))
    }

    pub(crate) fn written(&mut self, append: AppendId) -> Option<&mut Written> {
        let index = usize::try_from(append.0).ok()?.checked_sub(1)?;
        self.appends.get_mut(index)
    }
}

/// Two rewordings at the most, so that an entry's size stays bounded; each stays recognizable.
fn reworded(draft: &Draft) -> Option<Draft> {
    let text = std::str::from_utf8(&draft.payload).ok()?;
    let body = text.strip_suffix("\"]")?;
    (!body.ends_with("''")).then(|| Draft::edit(format!("{body}'\"]")))
}

/// Which page wrote an entry, and as which of its appends.
pub(crate) fn origin(entry: &Entry) -> Option<(&str, u64)> {
    let text = std::str::from_utf8(&entry.payload).ok()?;
    let text = text.strip_prefix("[\"")?.strip_suffix("\"]")?;
    let (name, n) = text.trim_end_matches('\'').split_once('#')?;
    Some((name, n.parse().ok()?))
}
