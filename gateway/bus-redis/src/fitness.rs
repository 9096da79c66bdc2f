//! Whether a Redis can hold logs without losing them silently (C16).

use std::collections::HashMap;

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, Value},
};

use crate::{
    config::{AckLevel, RedisConfig},
    connection,
    functions::{self, LIBRARY},
    keys::Keys,
};

/// How long the writers' side keeps what was acknowledged (C4): a master that was cut off has to stop
/// taking writes within this time.
const HOLD_S: u64 = 60;

/// Why a Redis that answers cannot be used. It does not mend by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("Redis {0} is too old: 7.0 or newer is needed, for functions and sharded pub/sub")]
    Version(String),
    #[error("Redis may evict logs: maxmemory-policy is `{0}`; set `maxmemory-policy noeviction`")]
    Eviction(String),
    #[error("Redis refuses functions: {0}")]
    Functions(String),
    #[error("Redis refuses the credentials: {0}")]
    Credentials(String),
    #[error(
        "TLS with Redis fails: {0}; redis_ca_file names who signs its certificate, redis_cert_file ours"
    )]
    Certificate(String),
    #[error("the Redis user may not: {}; docs/redis.md has the rule that it needs", .0.join(", "))]
    Permissions(Vec<String>),
    #[error("this server is a replica; give the URL of its master")]
    Replica,
    #[error("this server belongs to a Cluster, which is not supported yet")]
    Cluster,
    #[error(
        "Redis has replicas, but a master that was cut off would go on taking writes: \
         set `min-replicas-to-write` to 1 or more and `min-replicas-max-lag` below {HOLD_S}"
    )]
    UnguardedReplicas,
}

/// What was found on a Redis that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitness {
    pub version: String,
    /// Replicas that are connected now.
    pub replicas: u64,
    /// What an operator should mend, although it works.
    pub warnings: Vec<String>,
}

/// What an examination can end with besides fitness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("Redis cannot be reached: {0}")]
    Away(String),
    #[error(transparent)]
    Config(#[from] crate::config::InvalidConfig),
}

/// Examines the server behind `client` and makes sure that it has the functions.
pub(crate) async fn examine(
    client: &Client,
    keys: &Keys,
    config: &RedisConfig,
) -> Result<Fitness, CheckError> {
    let info = Info::read(client).await?;
    if info.of("loading") == "1" {
        return Err(CheckError::Away("it is still loading its data".to_owned()));
    }
    let version = info.of("redis_version").to_owned();
    let major = version
        .split('.')
        .next()
        .and_then(|part| part.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        return Err(Unfit::Version(version).into());
    }
    if info.of("cluster_enabled") == "1" {
        return Err(Unfit::Cluster.into());
    }
    if info.of("role") != "master" {
        return Err(Unfit::Replica.into());
    }
    let policy = info.of("maxmemory_policy");
    if policy != "noeviction" {
        return Err(Unfit::Eviction(policy.to_owned()).into());
    }

    let replicas: u64 = info.of("connected_slaves").parse().unwrap_or(0);
    let mut warnings = Vec::new();
    if (replicas > 0 || config.replicas > 0) && !is_guarded(client, &info).await {
        match config.level {
            AckLevel::Accepted => warnings.push(Unfit::UnguardedReplicas.to_string()),
            AckLevel::Replicated => return Err(Unfit::UnguardedReplicas.into()),
        }
    }
    functions::load(client)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::IO | ErrorKind::Timeout | ErrorKind::Canceled => away(&error),
            _ if is_passing(&error) => away(&error),
            _ => Unfit::Functions(error.details().to_owned()).into(),
        })?;
    permissions(client, keys, config).await?;
    Ok(Fitness {
        version,
        replicas,
        warnings,
    })
}

/// Whether the user may do all that will be asked of it: a refusal that comes with the first entry, or
/// the first one who joins, comes too late.
async fn permissions(client: &Client, keys: &Keys, config: &RedisConfig) -> Result<(), CheckError> {
    // No document has this id: it has too many characters.
    let nobody = "permissions-".repeat(17);
    let [state, log, live] = keys.of_nobody(&nobody);
    let args = vec![
        LIBRARY.permits.clone(),
        "2".to_owned(),
        state,
        log,
        live,
        keys.probe("permissions"),
        config.replicas.to_string(),
    ];
    let missing: Result<Vec<String>, Error> = client.custom(functions::fcall(), args).await;
    match missing {
        Ok(missing) if missing.is_empty() => Ok(()),
        Ok(missing) => Err(Unfit::Permissions(missing).into()),
        Err(error) => match connection::refusal(&error) {
            Some(Unfit::Permissions(_)) => {
                let text = format!("FCALL on {}*: {}", keys.root(), error.details());
                Err(Unfit::Permissions(vec![text]).into())
            }
            Some(unfit) => Err(unfit.into()),
            None => Err(away(&error)),
        },
    }
}

/// Whether a master without replicas stops taking writes before writers forget them.
async fn is_guarded(client: &Client, info: &Info) -> bool {
    // It stands in INFO where both options are set.
    if info.of("min_slaves_good_slaves").is_empty() {
        return false;
    }
    let option = CustomCommand::new_static("CONFIG", ClusterHash::Random, false);
    let args = vec!["GET", "min-replicas-max-lag"];
    match client.custom::<Vec<String>, _>(option, args).await {
        Ok(pair) => pair
            .last()
            .and_then(|lag| lag.parse::<u64>().ok())
            .is_some_and(|lag| lag < HOLD_S),
        // Not permitted to ask: it is set, and its default is 10 s.
        Err(_) => true,
    }
}

pub(crate) fn away(error: &Error) -> CheckError {
    CheckError::Away(error.details().to_owned())
}

/// Whether an error of the server ends by itself.
fn is_passing(error: &Error) -> bool {
    let details = error.details();
    [
        "LOADING",
        "BUSY",
        "MASTERDOWN",
        "OOM",
        "MISCONF",
        "NOREPLICAS",
        "READONLY",
        "TRYAGAIN",
    ]
    .iter()
    .any(|prefix| details.starts_with(prefix))
}

/// The fields of INFO.
struct Info(HashMap<String, String>);

impl Info {
    async fn read(client: &Client) -> Result<Self, CheckError> {
        let command = CustomCommand::new_static("INFO", ClusterHash::Random, false);
        let reply: Result<Value, Error> = client.custom(command, Vec::<Value>::new()).await;
        let text = match reply {
            Ok(value) => value.into_string().unwrap_or_default(),
            Err(error) => {
                return Err(match connection::refusal(&error) {
                    Some(unfit) => unfit.into(),
                    None => away(&error),
                });
            }
        };
        let pair = |line: &str| {
            let (name, value) = line.trim_end().split_once(':')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Ok(Self(text.lines().filter_map(pair).collect()))
    }

    fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}
