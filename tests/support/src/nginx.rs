//! nginx with the configuration of `deploy/`.

use std::fs;

use anyhow::{Context as _, Result};

use crate::{
    checkout,
    gateway::Gateway,
    http::http_request,
    port::Port,
    process::{End, Launch, Process, write},
    program,
    wait::START_TIMEOUT,
};

/// nginx in front of some replicas.
#[derive(Debug)]
pub struct Nginx {
    listen: Port,
    process: Process,
}

impl Nginx {
    /// Starts it and waits until it answers.
    pub fn start(replicas: &[Gateway]) -> Result<Self> {
        let listen = Port::reserve()?;
        let mut process = Process::prepare("nginx", |directory| {
            let configuration = checkout().join("deploy/nginx/nginx.conf");
            fs::copy(&configuration, directory.join("nginx.conf"))
                .with_context(|| format!("cannot copy {configuration:?}"))?;
            // What an installation writes itself, see the comments in nginx.conf.
            write(
                &directory.join("listen.conf"),
                &format!("listen {};\n", listen.address()),
            )?;
            let servers: String = replicas
                .iter()
                .map(|replica| format!("server {} max_fails=0;\n", replica.address()))
                .collect();
            write(&directory.join("replicas.conf"), &servers)?;
            let directory = directory.display().to_string();
            Ok(Launch {
                program: program("nginx")?,
                args: [
                    "-e",
                    "stderr",
                    "-p",
                    &directory,
                    "-c",
                    "nginx.conf",
                    "-g",
                    "daemon off;",
                ]
                .map(str::to_owned)
                .into(),
                env: Vec::new(),
                end: End::Terminate,
            })
        })?;
        process.start()?;
        let address = listen.address();
        process.wait_ready("an answer", START_TIMEOUT, || {
            http_request(&address, "/", &[]).is_ok()
        })?;
        Ok(Self { listen, process })
    }

    /// `ws://127.0.0.1:<port>/ws`
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.listen.address())
    }

    pub fn address(&self) -> String {
        self.listen.address()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}
