//! A replica of the gateway.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    http::http_request,
    port::Port,
    process::{End, Exit, Launch, Process, write},
    wait::START_TIMEOUT,
};

/// How a replica is started.
#[derive(Debug, Clone, Default)]
pub struct GatewayOptions {
    redis: Option<String>,
    token_secret: Option<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// A replica on ports of its own.
#[derive(Debug)]
pub struct Gateway {
    listen: Port,
    admin: Port,
    process: Process,
}

impl GatewayOptions {
    /// Without this, the embedded bus.
    pub fn redis(mut self, url: impl Into<String>) -> Self {
        self.redis = Some(url.into());
        self
    }

    /// Sessions need a token signed with this; without it they are anonymous.
    pub fn token_secret(mut self, secret: impl Into<String>) -> Self {
        self.token_secret = Some(secret.into());
        self
    }

    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts it and waits until it is live and ready.
    pub fn start(self) -> Result<Gateway> {
        let mut gateway = self.start_unready()?;
        gateway.wait_ready()?;
        Ok(gateway)
    }

    /// Starts it and waits for nothing: for one that is to exit.
    pub fn launch(self) -> Result<Gateway> {
        let listen = Port::reserve()?;
        let admin = Port::reserve()?;
        let process = Process::prepare("gateway", |directory| {
            let mut args = vec![
                "serve".to_owned(),
                "--listen".to_owned(),
                listen.address(),
                "--admin".to_owned(),
                admin.address(),
            ];
            if let Some(url) = self.redis {
                args.extend(["--redis".to_owned(), url]);
            }
            if let Some(secret) = self.token_secret {
                let path = directory.join("token-secret");
                write(&path, &secret)?;
                args.extend(["--token-secret-file".to_owned(), path.display().to_string()]);
            }
            args.extend(self.args);
            Ok(Launch {
                program: gateway_binary()?,
                args,
                env: self.env,
                end: End::Kill,
            })
        })?;
        let mut gateway = Gateway {
            listen,
            admin,
            process,
        };
        gateway.process.start()?;
        Ok(gateway)
    }

    /// Starts it and waits until it is live: for one whose Redis is away.
    pub fn start_unready(self) -> Result<Gateway> {
        let mut gateway = self.launch()?;
        gateway.wait_live()?;
        Ok(gateway)
    }
}

impl Gateway {
    /// A replica on the embedded bus, with anonymous sessions.
    pub fn start() -> Result<Self> {
        GatewayOptions::default().start()
    }

    pub fn options() -> GatewayOptions {
        GatewayOptions::default()
    }

    /// Where its WebSocket is: `ws://127.0.0.1:<port>/ws`
    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address())
    }

    /// `127.0.0.1:<port>`
    pub fn address(&self) -> String {
        self.listen.address()
    }

    pub fn admin_address(&self) -> String {
        self.admin.address()
    }

    pub fn admin_port(&self) -> u16 {
        self.admin.number()
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Whether `/livez` says yes.
    pub fn is_live(&self) -> bool {
        self.admin_says_ok("/livez")
    }

    /// Whether `/readyz` says yes.
    pub fn is_ready(&self) -> bool {
        self.admin_says_ok("/readyz")
    }

    pub fn wait_live(&mut self) -> Result<()> {
        let admin = self.admin_address();
        self.process.wait_ready("/livez", START_TIMEOUT, || {
            http_request(&admin, "/livez", &[]).is_ok_and(|reply| reply.status == 200)
        })
    }

    pub fn wait_ready(&mut self) -> Result<()> {
        let admin = self.admin_address();
        self.process.wait_ready("/readyz", START_TIMEOUT, || {
            http_request(&admin, "/readyz", &[]).is_ok_and(|reply| reply.status == 200)
        })
    }

    /// `kill -9`
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGSTOP: it holds its connections and does nothing.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<Exit> {
        self.process.stop()
    }

    pub fn wait_exit(&mut self, timeout: Duration) -> Result<Exit> {
        self.process.wait_exit(timeout)
    }

    /// Starts it again on the same ports, and waits until it is ready.
    pub fn start_again(&mut self) -> Result<()> {
        self.process.start()?;
        self.wait_ready()
    }

    fn admin_says_ok(&self, path: &str) -> bool {
        http_request(&self.admin_address(), path, &[]).is_ok_and(|reply| reply.status == 200)
    }
}

/// The gateway's release binary: `INKWIRE_BIN`, or the one in the target directory of this test.
pub fn gateway_binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("INKWIRE_BIN") {
        return Ok(path.into());
    }
    let test = env::current_exe().context("where this test runs from is not known")?;
    // target/<profile>/deps/<test>
    let target = test.ancestors().nth(3).unwrap_or(Path::new("target"));
    let path = target.join("release/inkwire");
    if !path.is_file() {
        bail!(
            "the gateway is not built: run `cargo build --release` first, or name it in INKWIRE_BIN"
        );
    }
    Ok(path)
}
