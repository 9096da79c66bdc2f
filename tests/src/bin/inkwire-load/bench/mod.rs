//! `inkwire-load bench`: cheap clients, so that the gateway is what is measured. They count
//! messages and look for one time stamp in each, and check nothing else: `replay` does.

mod idle;
mod kind;
mod load;
mod process;
mod protocols;
mod traffic;
mod wire;

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Joined connections that do nothing; held until stdin closes or --hold-s is over
    Idle(idle::Idle),
    /// One document with many readers
    Fanout(load::Fanout),
    /// Many documents, each with a writer and a few readers
    Pairs(load::Pairs),
    /// What a delivery costs in each protocol, by turns
    Protocols(protocols::Protocols),
}

/// What every bench takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Common {
    /// A gateway process whose CPU time and memory are to be told; repeat it for more
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    #[arg(long, env = "INKWIRE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// json or msgpack
    #[arg(long, default_value = "json", value_parser = super::replay::parse_encoding)]
    encoding: inkwire_client::Encoding,
    /// Threads of this process
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Idle(idle) => idle.run(),
            What::Fanout(fanout) => fanout.run(),
            What::Pairs(pairs) => pairs.run(),
            What::Protocols(protocols) => protocols.run(),
        }
    }
}

impl Common {
    fn runtime(&self) -> std::io::Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads.max(1))
            .enable_all()
            .build()
    }
}
