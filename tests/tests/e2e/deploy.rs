//! What stands in `deploy/` is valid, and starts.

use std::{path::Path, process::Command};

use inkwire_test_support::{checkout, http_request, program};

const REPLICA: &str = "127.0.0.1:8011";

#[test]
fn haproxy_accepts_the_configuration_with_one_replica_and_with_three() {
    let configuration = checkout().join("deploy/haproxy/haproxy.cfg");
    for (replicas, has_stomp) in [(1, false), (3, false), (1, true), (3, true)] {
        let mut command = Command::new(program("haproxy").unwrap());
        command.arg("-c").arg("-f").arg(&configuration);
        for number in 1..=replicas {
            command.env(format!("INKWIRE_REPLICA_{number}"), REPLICA);
            command.env(format!("INKWIRE_REPLICA_{number}_ADMIN"), "8021");
        }
        if has_stomp {
            command.env("INKWIRE_STOMP_LISTEN", "127.0.0.1:61613");
            for number in 1..=replicas {
                command.env(format!("INKWIRE_REPLICA_{number}_STOMP"), "127.0.0.1:8031");
            }
        }
        let said = run(&mut command);
        assert!(!said.to_lowercase().contains("warning"), "{said}");
    }
}

#[test]
fn nginx_accepts_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let configuration = checkout().join("deploy/nginx/nginx.conf");
    std::fs::copy(configuration, directory.path().join("nginx.conf")).unwrap();
    std::fs::write(
        directory.path().join("listen.conf"),
        "listen 127.0.0.1:8001;\n",
    )
    .unwrap();
    let servers = format!("server {REPLICA} max_fails=0;\n");
    std::fs::write(directory.path().join("replicas.conf"), servers).unwrap();
    let said = run(Command::new(program("nginx").unwrap())
        .args(["-t", "-e", "stderr", "-c", "nginx.conf", "-p"])
        .arg(directory.path()));
    assert!(!said.contains("[warn]"), "{said}");
}

#[test]
fn one_command_starts_a_cluster_and_one_stops_it() {
    let run_directory = tempfile::tempdir().unwrap();
    // Above the ports that the other tests draw from, and below those of outgoing connections.
    let port_base = 31_000 + rand::random_range(0..1_600);
    let cluster = LocalCluster {
        run_directory: run_directory.path(),
        port_base,
    };
    let said = cluster.run("start");
    for offset in [0, 1, 11, 12, 13] {
        let port = port_base + offset;
        let address = format!("127.0.0.1:{port}");
        assert!(said.contains(&address), "{said}");
        assert_eq!(
            http_request(&address, "/", &[]).unwrap().status,
            200,
            "{address}"
        );
    }
    // Nobody has to move, and HAProxy is given time to see it.
    let said = run(cluster.command("restart").arg("2"));
    assert!(said.contains("replica-2 restarted"), "{said}");
    let refused = cluster.command("restart").arg("4").output().unwrap();
    assert!(!refused.status.success());
    let said = cluster.run("status");
    assert_eq!(said.matches(" runs (").count(), 6, "{said}");
    cluster.run("stop");
    for offset in [0, 1, 2, 11, 12, 13] {
        let port = port_base + offset;
        assert!(
            http_request(&format!("127.0.0.1:{port}"), "/", &[]).is_err(),
            "{port}"
        );
    }
}

/// Stops what it started also when the test fails.
struct LocalCluster<'a> {
    run_directory: &'a Path,
    port_base: u16,
}

impl LocalCluster<'_> {
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(checkout().join("deploy/local/cluster"));
        command
            .arg(verb)
            .env("INKWIRE_RUN_DIR", self.run_directory)
            .env("INKWIRE_PORT_BASE", self.port_base.to_string())
            .env(
                "INKWIRE_BIN",
                inkwire_test_support::gateway_binary().unwrap(),
            );
        command
    }

    fn run(&self, verb: &str) -> String {
        run(&mut self.command(verb))
    }
}

impl Drop for LocalCluster<'_> {
    fn drop(&mut self) {
        let _ = self.command("stop").output();
    }
}

/// What a command says; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    said
}
