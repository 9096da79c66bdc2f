//! HAProxy with the configuration of `deploy/`.

use anyhow::Result;

use crate::{
    checkout,
    gateway::Gateway,
    http::http_request,
    port::Port,
    process::{End, Launch, Process},
    program,
    wait::START_TIMEOUT,
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
        let listen = Port::reserve()?;
        let health = Port::reserve()?;
        let mut process = Process::prepare("haproxy", |_| {
            let configuration = checkout().join("deploy/haproxy/haproxy.cfg");
            let mut env = vec![
                ("INKWIRE_LISTEN".to_owned(), listen.address()),
                ("INKWIRE_HEALTH".to_owned(), health.address()),
            ];
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
                    "-db".to_owned(),
                    "-f".to_owned(),
                    configuration.display().to_string(),
                ],
                env,
                end: End::Kill,
            })
        })?;
        process.start()?;
        let health_address = health.address();
        process.wait_ready("a replica that is up", START_TIMEOUT, || {
            http_request(&health_address, "/", &[]).is_ok_and(|reply| reply.status == 200)
        })?;
        Ok(Self {
            listen,
            health,
            process,
        })
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
