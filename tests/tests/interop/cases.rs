//! What users of each library rely on, case by case, over each transport that it has.

use std::time::Duration;

use crate::{
    program::Library,
    scene::{Pages, Scene},
};

const PATIENCE: Duration = Duration::from_secs(120);

fn all_cases(library: Library, transports: &[&str]) {
    let scene = Scene::start(Pages::Own);
    let mut failed = Vec::new();
    for transport in transports {
        let way = scene.link(transport);
        let document = format!("cases-{}", transport.replace(':', "-"));
        let program = library.start("cases", transport, &way.url, &document);
        let name = program.name().to_owned();
        // It ends by itself.
        let _at_the_end = program.wait("its end", PATIENCE, |_| false);
        let complaints = program.complaints();
        let (status, said) = program.finish().unwrap();
        for line in &said {
            println!("{name}: {line}");
        }
        if !status.success() || said.iter().any(|line| !line.starts_with("ok ")) {
            failed.push(format!("{name}: {said:#?}\n{complaints}"));
        }
        assert!(
            said.len() > 3,
            "{name} says too little: {said:?}\n{complaints}"
        );
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn stompjs_over_websocket_tcp_and_sockjs() {
    let sockjs = [
        "sockjs:websocket",
        "sockjs:xhr-streaming",
        "sockjs:xhr-polling",
    ];
    let transports = [&["websocket", "tcp"][..], &sockjs].concat();
    all_cases(Library::Node, &transports);
}

#[test]
fn stomp_py_over_tcp_and_websocket() {
    all_cases(Library::Python, &["tcp", "websocket"]);
}

#[test]
fn spring_over_websocket_tcp_and_sockjs() {
    all_cases(
        Library::Spring,
        &["websocket", "tcp", "sockjs:websocket", "sockjs:xhr"],
    );
}
