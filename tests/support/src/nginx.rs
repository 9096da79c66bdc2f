//! nginx with the configuration of `deploy/`.

use std::{fs, path::Path};

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
    tls: Port,
    process: Process,
}

impl Nginx {
    /// Starts it and waits until it answers.
    pub fn start(replicas: &[Gateway]) -> Result<Self> {
        Self::start_as(replicas, None, &|given| given)
    }

    /// One that ends TLS with this PEM file (certificate and key), with the configuration as `edit` leaves it.
    pub fn start_secured(
        replicas: &[Gateway],
        certificate: &Path,
        edit: &dyn Fn(String) -> String,
    ) -> Result<Self> {
        Self::start_as(replicas, Some(certificate), edit)
    }

    fn start_as(
        replicas: &[Gateway],
        certificate: Option<&Path>,
        edit: &dyn Fn(String) -> String,
    ) -> Result<Self> {
        let listen = Port::reserve()?;
        let tls = Port::reserve()?;
        let mut process = Process::prepare("nginx", |directory| {
            let configuration = checkout().join("deploy/nginx/nginx.conf");
            let given = fs::read_to_string(&configuration)
                .with_context(|| format!("cannot read {configuration:?}"))?;
            write(&directory.join("nginx.conf"), &edit(given))?;
            // What an installation writes itself, see the comments in nginx.conf.
            let mut listening = format!("listen {};\n", listen.address());
            if let Some(certificate) = certificate {
                listening.push_str(&format!(
                    "listen {} ssl http2;\nssl_certificate {file};\nssl_certificate_key {file};\n",
                    tls.address(),
                    file = certificate.display(),
                ));
            }
            write(&directory.join("listen.conf"), &listening)?;
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
        Ok(Self {
            listen,
            tls,
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

    /// Where it speaks TLS, if it does.
    pub fn tls_address(&self) -> String {
        self.tls.address()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}
