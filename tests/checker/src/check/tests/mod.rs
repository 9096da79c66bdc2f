//! Histories that are right, and histories with one fault each, which is named and nothing else.

mod large;
mod reading;
mod stage;
mod writing;
