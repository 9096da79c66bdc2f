//! The test server of SockJS conformance suites, on the very code of the gateway: its customary base paths
//! echo or close, and every page may connect.
//!
//! ```text
//! cargo run --release --example sockjs_echo -- --listen 127.0.0.1:8081
//! cargo run --release --example sockjs_echo -- --listen 127.0.0.1:8082 --redis redis://127.0.0.1:6379
//! ```
//!
//! Several of them with one Redis serve each session together, whoever gets which request.

use std::{collections::HashMap, io::ErrorKind};

use anyhow::Context as _;
use inkwire_server::{
    config::{Config, Given},
    origin::OriginPolicy,
    serve::serve,
    sockjs::mount::Mount,
    transport::Inside,
};

/// What a suite can fill within a moment.
const RESPONSE_BYTES_MAX: usize = 4_096;

/// Keys that may be given, as the gateway has them.
const FLAGS: [(&str, &str); 5] = [
    ("--listen", "listen"),
    ("--admin", "admin"),
    ("--redis", "redis"),
    ("--redis-prefix", "redis_prefix"),
    ("--log-format", "log_format"),
];

fn main() -> anyhow::Result<()> {
    let mut flags = HashMap::from([
        ("listen", vec!["127.0.0.1:8081".to_owned()]),
        ("admin", vec!["127.0.0.1:0".to_owned()]),
        // Nothing here is anybody's.
        ("allow_anonymous_anywhere", vec!["true".to_owned()]),
    ]);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let known = FLAGS.iter().find(|(flag, _)| *flag == argument);
        let (_, key) = known.with_context(|| {
            let known = FLAGS.map(|(flag, _)| flag).join(", ");
            format!("{argument} is none of {known}")
        })?;
        let value = arguments
            .next()
            .with_context(|| format!("{argument} needs a value"))?;
        flags.insert(key, vec![value]);
    }
    let mut config = Config::load(Given {
        flags,
        config_file: None,
        variable: &|_| None,
        read_file: &|_| Err(ErrorKind::NotFound.into()),
    })?;
    config.admission.origins = OriginPolicy::open();
    config.sockjs.mounts = mounts()?;
    let _log = config.log.install().context("cannot start logging")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(config))?;
    Ok(())
}

fn mounts() -> anyhow::Result<Vec<Mount>> {
    let mount = |base: &str, inside| {
        let mount = Mount::parse(base, RESPONSE_BYTES_MAX)?;
        anyhow::Ok(Mount { inside, ..mount })
    };
    Ok(vec![
        mount("/echo", Inside::Echo)?,
        mount("/close", Inside::Close)?,
        Mount {
            has_websocket: false,
            ..mount("/disabled_websocket_echo", Inside::Echo)?
        },
        Mount {
            needs_cookie: true,
            ..mount("/cookie_needed_echo", Inside::Echo)?
        },
    ])
}
