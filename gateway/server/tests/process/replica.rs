//! A replica of a test, on ports that the kernel chose, killed when its value is dropped.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Log lines that may wait for a test to look at them.
const LINES_MAX: usize = 10_000;

pub(crate) struct Replica {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
    /// Where STOMP is spoken without a WebSocket, if it is.
    pub(crate) stomp: Option<SocketAddr>,
    pub(crate) stomp_tls: Option<SocketAddr>,
    /// Where HTTP is spoken within TLS, if it is.
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) admin: SocketAddr,
}

/// The binary, with none of the environment's own settings.
pub(crate) fn inkwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inkwire"));
    for (name, _) in std::env::vars() {
        if name.starts_with("INKWIRE_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

impl Replica {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut command = inkwire();
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ]);
        Self::start_command(command.args(flags))
    }

    /// One that checks HS256 tokens with this secret.
    pub(crate) fn start_with_secret(secret: &str, flags: &[&str]) -> Self {
        let mut command = inkwire();
        command.env("INKWIRE_TOKEN_SECRET", secret).args([
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ]);
        Self::start_command(command.args(flags))
    }

    /// Ends it, and gives every line that it logged and nobody looked at yet.
    pub(crate) fn end_and_read_log(mut self) -> Vec<String> {
        self.terminate();
        self.wait_exit();
        // Ends with the pipe.
        self.lines.iter().collect()
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = sync_channel(LINES_MAX);
        // Ends with the process, whose end of the pipe it reads.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                let _nobody_listens = sender.try_send(line);
            }
        });
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut replica = Self {
            child,
            lines,
            address: unknown,
            stomp: None,
            stomp_tls: None,
            tls: None,
            admin: unknown,
        };
        loop {
            let line = replica.next_line("where it listens");
            let address = line["address"].as_str().and_then(|text| text.parse().ok());
            match (line["message"].as_str(), address) {
                (Some("listening"), Some(address)) => replica.address = address,
                (Some("listening over TLS"), address) => replica.tls = address,
                (Some("listening for STOMP"), address) => replica.stomp = address,
                (Some("listening for STOMP over TLS"), address) => replica.stomp_tls = address,
                (Some("admin port open"), Some(address)) => {
                    replica.admin = address;
                    return replica;
                }
                _ => {}
            }
        }
    }

    /// The next line with this message.
    pub(crate) fn wait_for_log(&self, message: &str) -> Value {
        loop {
            let line = self.next_line(message);
            if line["message"] == message {
                return line;
            }
        }
    }

    fn next_line(&self, awaited: &str) -> Value {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => serde_json::from_str(&line).unwrap_or_default(),
            Err(RecvTimeoutError::Timeout) => panic!("no log says {awaited:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("it ended before saying {awaited:?}"),
        }
    }

    /// What was counted under a heading of `/counts`, such as `limits`, by this name.
    pub(crate) fn count(&self, heading: &str, name: &str) -> u64 {
        let counts = get(self.admin, "/counts").json();
        counts[heading][name].as_u64().unwrap_or(0)
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args([signal, &pid])
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        wait_until("it ends", || {
            self.child.try_wait().expect("it is our child")
        })
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Looks until there is something.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a request as it stands and reads the answer to the connection's end.
pub(crate) fn exchange(address: SocketAddr, request: &str) -> String {
    use std::io::Write;
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .expect("it answers and closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A GET with these further header lines; the connection closes after the answer.
pub(crate) fn request(address: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    Answer::parse(&exchange(address, &request))
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, path, &["Connection: close"])
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no HTTP answer: {text:?}")),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Asserts that this is the problem `code`.
    pub(crate) fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.head.contains("content-type: application/problem+json"),
            "{self:?}"
        );
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], status, "{self:?}");
    }
}
