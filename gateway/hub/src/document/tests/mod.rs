//! Transcripts: what happens on the bus, and what each member is told.

mod joining;
mod logs;
mod notes;
mod order;
mod rig;
mod schedules;
mod whole;
mod writing;
