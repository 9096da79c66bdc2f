//! What stands in Redis and comes over its channels: another version's bytes, or a damaged copy.

pub fn check(bytes: &[u8]) {
    inkwire_bus_redis::fuzzing::check(bytes);
}
