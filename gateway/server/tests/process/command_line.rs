//! What an operator sees: faults all at once, exit codes, tokens.

use std::process::Output;

use super::{
    issuer::{EC, ED, jwks},
    replica::inkwire,
};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = inkwire();
    command.args(arguments).envs(environment.iter().copied());
    command.output().expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn faults_come_all_at_once_and_exit_with_2() {
    for action in ["serve", "check"] {
        let arguments = [action, "--listen", "nowhere", "--admin", "127.0.0.1"];
        let output = run(&arguments, &[("INKWIRE_LOG_FORMAT", "xml")]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        for part in [
            "3 faults",
            "listen (flag --listen)",
            "admin (flag --admin)",
            "log_format (environment INKWIRE_LOG_FORMAT)",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert_eq!(run(&["--no-such-flag"], &[]).status.code(), Some(2));
    assert_eq!(run(&["--version"], &[]).status.code(), Some(0));
}

#[test]
fn a_missing_file_is_a_fault() {
    let output = run(&["check", "--config", "no-such-file.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("config (file no-such-file.toml): cannot be read"));
}

#[test]
fn check_says_what_is_good() {
    let output = run(&["check"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("configuration: valid") && text.contains("embedded"),
        "{text}"
    );
}

#[test]
fn check_names_a_redis_that_is_away() {
    // Reserved and given back: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = run(
        &["check", "--redis", &format!("redis://127.0.0.1:{port}")],
        &[],
    );
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        stderr(&output).contains("Redis cannot be reached"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_address_in_use_exits_with_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address, "--admin", "127.0.0.1:0"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("cannot listen on {address}")));
}

#[test]
fn tokens_need_a_secret() {
    let arguments = [
        "token",
        "--subject",
        "alice",
        "--document",
        "a",
        "--role",
        "writer",
    ];
    let output = run(&arguments, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("token_secret_file"));
    let secret = "0123456789abcdef0123456789abcdef";
    let output = run(&arguments, &[("INKWIRE_TOKEN_SECRET", secret)]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).matches('.').count(),
        2
    );
}

#[test]
fn all_that_is_wrong_with_a_token_is_said_at_once() {
    let arguments = [
        "token",
        "--subject",
        "inkwire",
        "--document",
        "a b",
        "--role",
        "god",
        "--role",
        "writer",
        "--expires-in",
        "soon",
    ];
    let output = run(&arguments, &[("INKWIRE_TOKEN_SECRET", "short")]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for part in [
        "6 faults",
        "subject (flag --subject)",
        "document (flag --document)",
        "role (flag --role): \"god\"",
        "role (flag --role): 2 for 1 documents",
        "expires-in (flag --expires-in)",
        "token_secret (environment INKWIRE_TOKEN_SECRET)",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn check_asks_for_the_keys_of_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jwks.json");
    std::fs::write(&path, jwks(&[&EC, &ED])).unwrap();
    let output = run(&["check", "--jwks-file", path.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("keys: 2 from"));

    // Reserved and given back: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks?key=hunter2", port.local_addr().unwrap());
    drop(port);
    let output = run(&["check", "--jwks-url", &url], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(
        text.contains("the keys of tokens cannot be read from http://127.0.0.1"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}
