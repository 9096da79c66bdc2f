//! `bench protocols`: what a delivery costs the gateway in each protocol. The kinds take turns, several
//! times over, on the same process, so that whatever else the machine does falls on all of them.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::{
    Common,
    kind::Kind,
    load::{Load, Played, Traffic},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Protocols {
    /// Where the native protocol is; the others are looked for beside it
    #[arg(long)]
    url: String,
    #[arg(long, default_value_t = 1_000)]
    readers: usize,
    /// How often each kind has its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// native, stomp, sockjs or sse; repeat it (default: each)
    #[arg(long)]
    kind: Vec<Kind>,
    #[command(flatten)]
    traffic: Traffic,
    #[command(flatten)]
    common: Common,
}

/// What one kind cost, over all its turns.
#[derive(Debug, Serialize)]
struct Cost {
    kind: Kind,
    cpu_us: u64,
    deliveries: u64,
    cpu_us_per_delivery: f64,
    /// To that of the first kind.
    ratio: f64,
}

impl Protocols {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(self.common.pid.len() == 1, "give the gateway's --pid");
        let kinds = match self.kind.is_empty() {
            true => Kind::ALL.to_vec(),
            false => self.kind.clone(),
        };
        let runtime = self.common.runtime()?;
        runtime.block_on(self.measure(kinds))
    }

    async fn measure(&self, kinds: Vec<Kind>) -> anyhow::Result<ExitCode> {
        let mut totals: Vec<(Kind, u64, u64)> = kinds.iter().map(|kind| (*kind, 0, 0)).collect();
        let (mut well, mut nacks, mut skipped) = (true, 0, 0);
        for _ in 0..self.rounds {
            for (kind, cpu_us, deliveries) in &mut totals {
                let played: Played = self.load(*kind).play().await?;
                for fault in played.faults.iter().take(5) {
                    eprintln!("{kind:?}: {fault}");
                }
                well &= played.is_well();
                nacks += played.nacks();
                skipped += played.skipped();
                *cpu_us += played.cpu_us();
                *deliveries += played.deliveries();
            }
        }
        let per_delivery = |cpu_us: u64, deliveries: u64| cpu_us as f64 / deliveries.max(1) as f64;
        let first = totals
            .first()
            .map_or(0.0, |(_, us, n)| per_delivery(*us, *n));
        let cost = |(kind, cpu_us, deliveries): (Kind, u64, u64)| {
            let cpu_us_per_delivery = per_delivery(cpu_us, deliveries);
            Cost {
                kind,
                cpu_us,
                deliveries,
                cpu_us_per_delivery,
                ratio: cpu_us_per_delivery / first.max(f64::MIN_POSITIVE),
            }
        };
        let costs: Vec<Cost> = totals.into_iter().map(cost).collect();
        let report = json!({
            "bench": "protocols",
            "readers": self.readers,
            "nacks": nacks,
            "skipped": skipped,
            "kinds": costs,
        });
        println!("{report}");
        Ok(if well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn load(&self, kind: Kind) -> Load {
        Load {
            name: "protocols",
            write: self.url.clone(),
            read: vec![self.url.clone()],
            kind,
            documents: 1,
            readers_each: self.readers,
            traffic: self.traffic.clone(),
            common: self.common.clone(),
        }
    }
}
