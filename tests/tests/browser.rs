//! The demo page in a real Chromium: on one gateway of its own, and on three replicas behind HAProxy and
//! behind nginx, where each request goes to the next replica.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::process::Command;

use inkwire_test_support::{
    Gateway, Haproxy, Nginx, Port, Redis, checkout, gateway_binary, program,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn the_demo_page_works_in_chromium() {
    let gateway = Gateway::start().unwrap();
    run(&gateway.address(), &[]);
}

/// The writer comes in through one load balancer and the reviewer through the other.
#[test]
fn the_review_works_through_haproxy_and_nginx() {
    let redis = Redis::start().unwrap();
    let replicas: Vec<Gateway> = (0..3)
        .map(|_| {
            let options = Gateway::options().redis(redis.url());
            options.token_secret(SECRET).start().unwrap()
        })
        .collect();
    let haproxy = Haproxy::start_in_turn(&replicas).unwrap();
    let nginx = Nginx::start(&replicas).unwrap();
    let ways = [
        ("haproxy-nginx", haproxy.address(), nginx.address()),
        ("nginx-haproxy", nginx.address(), haproxy.address()),
    ];
    for (document, writers, reviewers) in ways {
        let urls = format!("http://{writers} http://{reviewers}");
        let own = [
            ("INKWIRE_URLS", urls),
            ("INKWIRE_DOCUMENT", document.to_owned()),
            (
                "INKWIRE_SCREENSHOTS",
                format!("build/screenshots/{document}"),
            ),
            // Other people in each, so that nobody has notifications of before.
            ("INKWIRE_WRITER_TOKEN", token(document, document, "writer")),
            ("INKWIRE_REVIEWER_TOKEN", token("ben", document, "reviewer")),
        ];
        run(&writers, &own);
    }
}

fn run(address: &str, own: &[(&str, String)]) {
    let web = checkout().join("gateway/server/web");
    assert!(
        web.join("node_modules").is_dir(),
        "run `npm ci` in {} first; the README's test command does",
        web.display()
    );
    let status = Command::new(program("npm").unwrap())
        .args(["run", "--silent", "test:browser"])
        .current_dir(web)
        .env("INKWIRE_URL", format!("http://{address}"))
        .env("INKWIRE_CHROMIUM", program("chromium").unwrap())
        .envs(own.iter().map(|(name, value)| (name, value)))
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

/// A token as `inkwire token` prints it.
fn token(subject: &str, document: &str, role: &str) -> String {
    let output = Command::new(gateway_binary().unwrap())
        .env("INKWIRE_TOKEN_SECRET", SECRET)
        .args(["token", "--subject", subject])
        .args(["--document", document, "--role", role])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
