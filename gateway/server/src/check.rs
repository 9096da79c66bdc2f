//! `inkwire check`: the configuration, and the Redis and the issuer it names, without serving anybody.

use crate::{
    bus::{self, BusFault},
    config::Config,
    tokens::{KeyReader, ReadError, TrustError},
};

/// Why a replica with this configuration would not work as it is meant to.
#[derive(Debug, thiserror::Error)]
pub enum CheckFault {
    #[error(transparent)]
    Bus(#[from] BusFault),
    #[error("jwks_url cannot be asked: {0}")]
    Trust(#[from] TrustError),
    #[error("the keys of tokens cannot be read from {from}: {error}")]
    Keys { from: String, error: ReadError },
}

/// What was found, a line for each thing.
pub async fn check(config: &Config) -> Result<Vec<String>, CheckFault> {
    let mut found = vec!["configuration: valid".to_owned()];
    if let Some(source) = &config.admission.tokens.source {
        let reader = KeyReader::new(source)?;
        let from = reader.to_string();
        match reader.examine().await {
            Ok(count) => found.push(format!("keys: {count} from {from}")),
            Err(error) => return Err(CheckFault::Keys { from, error }),
        }
    }
    match bus::examine(config.redis.clone()).await? {
        None => found.push("bus: embedded; logs end with the process".to_owned()),
        Some(fitness) => {
            found.push(format!(
                "redis: fit, version {}, {} replicas",
                fitness.version, fitness.replicas
            ));
            let needed = config.redis.as_ref().map_or(0, |redis| redis.replicas);
            if fitness.replicas < u64::from(needed) {
                found.push(format!(
                    "warning: replicas_min is {needed}, and {} are connected: what waits for them \
                     is not acknowledged",
                    fitness.replicas
                ));
            }
            found.extend(
                fitness
                    .warnings
                    .iter()
                    .map(|warning| format!("warning: {warning}")),
            );
        }
    }
    Ok(found)
}
