//! `inkwire`: reads what it is asked to do, does it, and says by its exit code how that went.

use std::{collections::HashMap, path::Path, process::ExitCode};

use anyhow::Context as _;
use inkwire_server::{
    bus::BusFault,
    check::{CheckFault, check},
    cli::{Action, CommandLine, TokenTexts},
    clock,
    config::{Config, Faults, Given},
    serve::{ServeError, serve},
    tokens::{self, TokenContent},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Something failed that was not asked for wrongly.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong.
const MISCONFIGURED: u8 = 2;
/// Redis cannot be used as it is, or, for `check`, cannot be reached.
const REDIS_UNFIT: u8 = 3;

fn main() -> ExitCode {
    let line = match CommandLine::parse(std::env::args_os()) {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    match run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("inkwire: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn run(line: CommandLine) -> anyhow::Result<()> {
    let CommandLine {
        action,
        flags,
        config_file,
    } = line;
    let config_file = config_file.as_deref();
    match action {
        Action::Serve => {
            let config = load(flags, config_file)?;
            // Dropped last: then what was logged has been written, if anybody reads it.
            let _log = config.log.install().context("cannot start logging")?;
            runtime()?.block_on(serve(config))?;
        }
        Action::Check => {
            let config = load(flags, config_file)?;
            for line in runtime()?.block_on(check(&config))? {
                println!("{line}");
            }
        }
        Action::Token(texts) => println!("{}", token(&texts, flags, config_file)?),
    }
    Ok(())
}

fn load(
    flags: HashMap<&'static str, Vec<String>>,
    config_file: Option<&Path>,
) -> Result<Config, Faults> {
    Config::load(given(flags, config_file))
}

fn token(
    texts: &TokenTexts,
    flags: HashMap<&'static str, Vec<String>>,
    config_file: Option<&Path>,
) -> anyhow::Result<String> {
    let request = texts.judge();
    let faults = request.as_ref().err().cloned().unwrap_or_default();
    let (secret, rules) = Config::load_for_tokens(given(flags, config_file), faults)?;
    let request = request.map_err(Faults)?;
    let content = TokenContent {
        subject: &request.subject,
        roles: &request.roles,
        destinations: &request.destinations,
        lifetime: request.lifetime,
        issuer: rules.issuers.first().map(String::as_str),
        audience: rules.audiences.first().map(String::as_str),
    };
    tokens::issue(&secret, &content, clock::now_ms()).context("cannot sign")
}

fn given<'a>(
    flags: HashMap<&'static str, Vec<String>>,
    config_file: Option<&'a Path>,
) -> Given<'a> {
    Given {
        flags,
        config_file,
        variable: &|name| std::env::var(name).ok(),
        read_file: &|path| std::fs::read_to_string(path),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.context("cannot start the runtime")
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let fault = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ServeError::Bus(fault)), _) | (_, Some(CheckFault::Bus(fault))) => Some(fault),
        _ => None,
    };
    match fault {
        Some(BusFault::Unfit(_) | BusFault::Check(_)) => REDIS_UNFIT,
        _ if error.is::<Faults>() => MISCONFIGURED,
        _ => FAILED,
    }
}
