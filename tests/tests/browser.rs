//! The demo page in a real Chromium, on a real gateway.

use std::process::Command;

use inkwire_test_support::{Gateway, checkout, program};

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
