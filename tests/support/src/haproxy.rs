//! HAProxy with the configuration of `deploy/`.

use anyhow::Result;
use rustix::process::Signal;

use crate::{
    checkout,
    gateway::Gateway,
    http::http_request,
    port::Port,
    process::{End, Launch, Process},
    program,
    wait::{START_TIMEOUT, wait_until},
};

/// HAProxy in front of some replicas.
#[derive(Debug)]
pub struct Haproxy {
    listen: Port,
    health: Port,
    process: Process,
}

impl Haproxy {
    /// Starts it and waits until it passes requests on to a replica that is up.
    pub fn start(replicas: &[Gateway]) -> Result<Self> {
        Self::start_as(replicas, "-db", End::Kill, &[])
    }

    /// One that sends each request to the next replica in turn: nothing sticks.
    pub fn start_in_turn(replicas: &[Gateway]) -> Result<Self> {
        let in_turn = [("INKWIRE_BALANCE", "roundrobin")];
        Self::start_as(replicas, "-db", End::Kill, &in_turn)
    }

    /// The same as a master and its worker, as `systemctl reload` needs it: see [`Self::reload`].
    pub fn start_reloadable(replicas: &[Gateway]) -> Result<Self> {
        Self::start_as(replicas, "-W", End::Terminate, &[])
    }

    fn start_as(replicas: &[Gateway], mode: &str, end: End, more: &[(&str, &str)]) -> Result<Self> {
        let listen = Port::reserve()?;
        let health = Port::reserve()?;
        let mut process = Process::prepare("haproxy", |_| {
            let configuration = checkout().join("deploy/haproxy/haproxy.cfg");
            let mut env = vec![
                ("INKWIRE_LISTEN".to_owned(), listen.address()),
                ("INKWIRE_HEALTH".to_owned(), health.address()),
            ];
            env.extend(
                more.iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
            );
            for (index, replica) in replicas.iter().enumerate() {
                let number = index + 1;
                env.push((format!("INKWIRE_REPLICA_{number}"), replica.address()));
                env.push((
                    format!("INKWIRE_REPLICA_{number}_ADMIN"),
                    replica.admin_port().to_string(),
                ));
            }
            Ok(Launch {
                program: program("haproxy")?,
                args: vec![
                    mode.to_owned(),
                    "-f".to_owned(),
                    configuration.display().to_string(),
                ],
                env,
                end,
            })
        })?;
        process.start()?;
        let mut haproxy = Self {
            listen,
            health,
            process,
        };
        haproxy.wait_healthy()?;
        Ok(haproxy)
    }

    fn wait_healthy(&mut self) -> Result<()> {
        let health = self.health.address();
        let is_healthy = || http_request(&health, "/", &[]).is_ok_and(|reply| reply.status == 200);
        self.process
            .wait_ready("a replica that is up", START_TIMEOUT, is_healthy)
    }

    /// SIGKILL: every connection through it ends.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same ports, and waits until it passes requests on.
    pub fn start_again(&mut self) -> Result<()> {
        self.process.start()?;
        self.wait_healthy()
    }

    /// Another worker takes over; the former one keeps its connections until they end.
    pub fn reload(&mut self) -> Result<()> {
        // The master says so for each worker.
        let workers = |log: String| log.matches("forked").count();
        let before = workers(self.process.log());
        self.process.signal(Signal::USR2)?;
        let process = &self.process;
        wait_until("another worker", START_TIMEOUT, || {
            workers(process.log()) > before
        })?;
        self.wait_healthy()
    }

    /// `ws://127.0.0.1:<port>/ws`
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.listen.address())
    }

    pub fn address(&self) -> String {
        self.listen.address()
    }

    /// Whether any replica is up, in HAProxy's eyes.
    pub fn is_healthy(&self) -> bool {
        http_request(&self.health.address(), "/", &[]).is_ok_and(|reply| reply.status == 200)
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}
