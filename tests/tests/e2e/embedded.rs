//! One replica without Redis.

use inkwire_test_support::{Gateway, http_request};

use crate::{history::histories, raw, replay::Replay};

#[test]
fn it_relays_on_the_embedded_bus() {
    let gateway = Gateway::options()
        .args([
            "--appends-per-second",
            "1000000",
            "--appends-burst",
            "1000000",
        ])
        .start()
        .unwrap();
    let history = &histories()[0];
    let readers = [gateway.url(), gateway.url()];
    let document = raw::document("embedded");
    let run = Replay::start(
        history,
        &document,
        &gateway.url(),
        &readers,
        &["--cut-every", "2000"],
    );
    run.finish().assert_identical(readers.len());
}

#[test]
fn it_serves_the_demo_page_and_stops_on_sigterm() {
    let mut gateway = Gateway::start().unwrap();
    let page = http_request(&gateway.address(), "/", &[]).unwrap();
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<html"), "{}", page.body);
    let exit = gateway.stop().unwrap();
    assert_eq!(exit.code(), Some(0), "{}", exit.log);
}
