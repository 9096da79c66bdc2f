//! What every bus promises.

use super::fixture::RedisFixture;

inkwire_bus::bus_contract_tests!(RedisFixture::start());
