//! Transcripts: what happens on the bus, and what each member is told.

mod joining;
mod notes;
mod order;
mod rig;
mod schedules;
mod writing;
