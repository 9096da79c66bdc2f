//! The demo page in a real Chromium, on a real gateway.

use std::process::Command;

use inkwire_test_support::{Gateway, Port, checkout, program};
use rcgen::{CertifiedKey, generate_simple_self_signed};

#[test]
fn the_demo_page_works_in_chromium() {
    let web = checkout().join("gateway/server/web");
    assert!(
        web.join("node_modules").is_dir(),
        "run `npm ci` in {} first; the README's test command does",
        web.display()
    );
    let gateway = Gateway::start().unwrap();
    let status = Command::new(program("npm").unwrap())
        .args(["run", "--silent", "test:browser"])
        .current_dir(web)
        .env("INKWIRE_URL", format!("http://{}", gateway.address()))
        .env("INKWIRE_CHROMIUM", program("chromium").unwrap())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn thirty_event_streams_of_one_page_over_http2() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Held until the end: it is nobody else's meanwhile.
    let port = Port::reserve().unwrap();
    let _gateway = Gateway::options()
        .args(["--tls-listen", &port.address()])
        .args(["--tls-certificate", &file("certificate.pem", cert.pem())])
        .args(["--tls-key", &file("key.pem", signing_key.serialize_pem())])
        .start()
        .unwrap();
    let status = Command::new(program("node").unwrap())
        .arg(checkout().join("tests/tests/many_streams.mjs"))
        .arg(format!("https://localhost:{}", port.number()))
        .arg(program("chromium").unwrap())
        .arg(checkout().join("gateway/server/web/package.json"))
        .status()
        .unwrap();
    assert!(status.success());
}
