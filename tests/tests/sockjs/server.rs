//! The example server: one process of it, or three on one Redis.

use std::{env, path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use inkwire_test_support::{LineProgram, Link, Port, Redis, http_post, wait_until};

use crate::http::session;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Where the cases connect.
pub(crate) struct Servers {
    address: String,
}

/// What is started once for all cases of a setting, and dies with this process.
struct Running {
    address: String,
    _all: (Vec<Server>, Option<Link>, Option<Redis>),
}

struct Server {
    port: Port,
    _program: LineProgram,
}

impl Servers {
    pub(crate) fn one() -> Self {
        static ONE: OnceLock<Running> = OnceLock::new();
        let running = ONE.get_or_init(|| {
            let server = Server::start(None);
            Running {
                address: server.port.address(),
                _all: (vec![server], None, None),
            }
        });
        Self::of(running)
    }

    pub(crate) fn three_in_turn() -> Self {
        static THREE: OnceLock<Running> = OnceLock::new();
        let running = THREE.get_or_init(|| {
            let redis = Redis::start().unwrap();
            let servers: Vec<Server> = (0..3).map(|_| Server::start(Some(&redis))).collect();
            let targets = servers.iter().map(|server| server.port.address()).collect();
            let link = Link::to(targets).unwrap();
            Running {
                address: link.address(),
                _all: (servers, Some(link), Some(redis)),
            }
        });
        Self::of(running)
    }

    fn of(running: &Running) -> Self {
        Self {
            address: running.address.clone(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Server {
    fn start(redis: Option<&Redis>) -> Self {
        let port = Port::reserve().unwrap();
        let mut args = vec!["--listen".to_owned(), port.address()];
        if let Some(redis) = redis {
            args.extend(["--redis".to_owned(), redis.url()]);
        }
        let program = LineProgram::start("sockjs_echo", binary(), &args, &[]).unwrap();
        let address = port.address();
        // Open for sessions, which it is not before it has reached Redis.
        let is_up = || {
            let path = format!("{}/xhr", session("/echo"));
            http_post(&address, &path, &[]).is_ok_and(|reply| reply.status == 200)
        };
        wait_until("the example server", START_TIMEOUT, is_up)
            .unwrap_or_else(|error| panic!("{error}; {}", program.complaints()));
        Self {
            port,
            _program: program,
        }
    }
}

/// The example: `INKWIRE_SOCKJS_ECHO`, or built by cargo now.
fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let found = BINARY.get_or_init(|| {
        if let Some(path) = env::var_os("INKWIRE_SOCKJS_ECHO") {
            return path.into();
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "-p", "inkwire-server"])
            .args(["--example", "sockjs_echo"])
            .status()
            .unwrap();
        assert!(status.success(), "the example server could not be built");
        let test = env::current_exe().unwrap();
        // target/<profile>/deps/<test>
        test.ancestors()
            .nth(2)
            .unwrap()
            .join("examples/sockjs_echo")
    });
    found.clone()
}
