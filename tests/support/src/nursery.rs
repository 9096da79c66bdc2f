//! The thread that starts every child, and lives as long as this process.
//!
//! The kernel kills a child with a death signal when the *thread* that started it ends, and a test
//! or a blocking task runs on a thread that may end early.

use std::{
    io,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use anyhow::{Context as _, Result};

struct Order {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

static ORDERS: OnceLock<SyncSender<Order>> = OnceLock::new();

/// Starts `command` from the nursery's thread.
pub(crate) fn spawn(command: Command) -> Result<Child> {
    let orders = ORDERS.get_or_init(|| {
        let (sender, orders) = sync_channel::<Order>(1);
        thread::spawn(move || {
            for mut order in orders {
                // The one who asked may be gone; then the child dies with this process.
                let _ = order.reply.send(order.command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = sync_channel(1);
    orders
        .send(Order { command, reply })
        .ok()
        .context("the thread that starts processes is gone")?;
    Ok(answer
        .recv()
        .context("the thread that starts processes is gone")??)
}
