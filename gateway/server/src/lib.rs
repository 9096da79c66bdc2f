//! The gateway as a process: configuration, admission, routes, transports, and a clean end.
//!
//! Everything here is about sockets, requests and the process itself; what a session says and what a
//! document holds is decided elsewhere.

pub mod admin;
pub mod admission;
pub mod bus;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod counters;
pub mod demo;
pub mod drain;
pub mod events;
pub mod handover;
pub mod health;
pub mod in_flight;
pub mod listener;
pub mod memory;
pub mod open_files;
pub mod origin;
pub mod page;
pub mod peer;
pub mod posts;
pub mod problem;
pub mod replica;
pub mod rest;
pub mod routes;
pub mod serve;
pub mod socket;
pub mod sockjs;
pub mod stomp_port;
pub mod stop;
pub mod stream_reset;
pub mod telemetry;
pub mod tickets;
pub mod tls;
pub mod tokens;
pub mod transport;
