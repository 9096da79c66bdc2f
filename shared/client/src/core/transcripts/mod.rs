//! The rules of C2 to C8 as conversations: what the gateway says, what the client does.

mod drain;
mod heal;
mod log;
mod random;
mod read;
mod refuse;
mod renew;
mod session;
mod stage;
