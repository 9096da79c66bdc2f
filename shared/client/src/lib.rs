//! The Rust client of Inkwire: what is appended here reaches the log once, and what is in the log
//! surfaces here once, in order, whatever happens to connections, replicas and Redis in between.
//!
//! [`core`] decides everything and does no I/O: packets and `now` go in, packets and events come
//! out. The driver around it owns the socket and the timers and decides nothing.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use inkwire_client::{ConnectOptions, Connection, Draft, Event, JoinOptions};
//!
//! let connection = Connection::open(ConnectOptions::new("ws://127.0.0.1:8080/ws"))?;
//! let id = inkwire_model::DocumentId::parse("essay-42")?;
//! let (document, mut events) = connection.document(id, JoinOptions::default()).await?;
//! document.append(Draft::edit(r#"[[0,0,"h"]]"#)).await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Entry(entry) = event {
//!         println!("{}: {:?}", entry.position, entry.payload);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod connection;
pub mod core;
mod driver;
mod options;
mod token;

pub use crate::core::{
    AppendError, AppendId, Counts, Draft, Event, Fault, JoinOptions, LossCause, Memory, Now, State,
    WriterLimits,
};
pub use connection::{Connection, Document, DocumentError, Events, Link, OpenError};
pub use inkwire_protocol::native::Encoding;
pub use options::ConnectOptions;
pub use token::{Token, TokenFuture, TokenSource, constant_token};
