//! HAProxy with the configuration of `deploy/`.

use std::{fs, path::Path};

use anyhow::Result;
use rustix::process::Signal;

use crate::{
    checkout,
    gateway::Gateway,
    http::http_request,
    port::Port,
    process::{End, Launch, Process, write},
    program,
    wait::{START_TIMEOUT, wait_until},
};

/// HAProxy in front of some replicas.
#[derive(Debug)]
pub struct Haproxy {
    listen: Port,
    tls: Port,
    health: Port,
    process: Process,
}

/// How it is started.
struct Start<'a> {
    mode: &'a str,
    end: End,
    more: &'a [(&'a str, &'a str)],
    /// A PEM file for its port within TLS.
    certificate: Option<&'a Path>,
    edit: &'a dyn Fn(String) -> String,
}

impl Haproxy {
    /// Starts it and waits until it passes requests on to a replica that is up.
    pub fn start(replicas: &[Gateway]) -> Result<Self> {
        Self::start_as(replicas, Start::plainly("-db", End::Kill, &[]))
    }

    /// One that sends each request to the next replica in turn: nothing sticks.
    pub fn start_in_turn(replicas: &[Gateway]) -> Result<Self> {
        let in_turn = [("INKWIRE_BALANCE", "roundrobin")];
        Self::start_as(replicas, Start::plainly("-db", End::Kill, &in_turn))
    }

    /// The same as a master and its worker, as `systemctl reload` needs it: see [`Self::reload`].
    pub fn start_reloadable(replicas: &[Gateway]) -> Result<Self> {
        Self::start_as(replicas, Start::plainly("-W", End::Terminate, &[]))
    }

    /// One that ends TLS with this PEM file (certificate and key), with the configuration as `edit` leaves it.
    pub fn start_secured(
        replicas: &[Gateway],
        certificate: &Path,
        edit: &dyn Fn(String) -> String,
    ) -> Result<Self> {
        let start = Start {
            certificate: Some(certificate),
            edit,
            ..Start::plainly("-db", End::Kill, &[])
        };
        Self::start_as(replicas, start)
    }

    fn start_as(replicas: &[Gateway], start: Start<'_>) -> Result<Self> {
        let Start {
            mode,
            end,
            more,
            certificate,
            edit,
        } = start;
        let tls = Port::reserve()?;
        let listen = Port::reserve()?;
        let health = Port::reserve()?;
        let mut process = Process::prepare("haproxy", |directory| {
            let given = fs::read_to_string(checkout().join("deploy/haproxy/haproxy.cfg"))?;
            let configuration = directory.join("haproxy.cfg");
            write(&configuration, &edit(given))?;
            let mut env = vec![
                ("INKWIRE_LISTEN".to_owned(), listen.address()),
                ("INKWIRE_HEALTH".to_owned(), health.address()),
            ];
            if let Some(certificate) = certificate {
                env.push(("INKWIRE_TLS_LISTEN".to_owned(), tls.address()));
                let file = certificate.display().to_string();
                env.push(("INKWIRE_TLS_CERTIFICATE".to_owned(), file));
            }
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
            tls,
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

    /// Where it speaks TLS, if it does.
    pub fn tls_address(&self) -> String {
        self.tls.address()
    }

    /// Whether any replica is up, in HAProxy's eyes.
    pub fn is_healthy(&self) -> bool {
        http_request(&self.health.address(), "/", &[]).is_ok_and(|reply| reply.status == 200)
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl<'a> Start<'a> {
    fn plainly(mode: &'a str, end: End, more: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            mode,
            end,
            more,
            certificate: None,
            edit: &|given| given,
        }
    }
}
