//! `inkwire check`: the configuration and the Redis it names, without serving anybody.

use crate::{
    bus::{self, BusFault},
    config::Config,
};

/// What was found, a line for each thing.
pub async fn check(config: &Config) -> Result<Vec<String>, BusFault> {
    let mut found = vec!["configuration: valid".to_owned()];
    match bus::examine(config.redis.clone()).await? {
        None => found.push("bus: embedded; logs end with the process".to_owned()),
        Some(fitness) => {
            found.push(format!(
                "redis: fit, version {}, {} replicas",
                fitness.version, fitness.replicas
            ));
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
