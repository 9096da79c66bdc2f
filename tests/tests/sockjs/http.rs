//! Requests as octets, and answers as they come: with their chunks, and before their end.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(15);
const MOMENT: Duration = Duration::from_millis(20);

pub(crate) const ORIGIN: &str = "http://writers.example";

/// A request in the making.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// The path of a new session under `mount`.
pub(crate) fn session(mount: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{mount}/000/{}-{number}", std::process::id())
}

pub(crate) fn get(path: impl Into<String>) -> Request {
    Request::new("GET", path)
}

pub(crate) fn post(path: impl Into<String>, body: &str) -> Request {
    let mut request = Request::new("POST", path);
    request.body = Some(body.as_bytes().to_vec());
    request
}

pub(crate) fn options(path: impl Into<String>) -> Request {
    Request::new("OPTIONS", path)
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn over_http_1_0(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Asks on a connection of its own, which is closed behind the answer.
    pub(crate) fn ask(self, servers: &crate::Servers) -> Answer {
        self.open(servers).whole()
    }

    /// Asks, and reads no more than the head.
    pub(crate) fn open(self, servers: &crate::Servers) -> Opened {
        Connection::to(servers).ask(self.with("Connection", "close"))
    }

    fn octets(&self, host: &str) -> Vec<u8> {
        let Self {
            method,
            path,
            version,
            ..
        } = self;
        let mut head = format!("{method} {path} {version}\r\nHost: {host}\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut octets = head.into_bytes();
        octets.extend(self.body.iter().flatten());
        octets
    }
}

/// One connection, for one request after the other.
pub(crate) struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn to(servers: &crate::Servers) -> Self {
        let stream = TcpStream::connect(servers.address()).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self {
            host: servers.address().to_owned(),
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn ask(mut self, request: Request) -> Opened {
        let octets = request.octets(&self.host);
        self.stream.get_mut().write_all(&octets).unwrap();
        Opened::read(self, request.method)
    }

    /// Asks, and reads nothing.
    pub(crate) fn send_only(mut self, request: Request) -> Self {
        let octets = request.octets(&self.host);
        self.stream.get_mut().write_all(&octets).unwrap();
        self
    }

    /// Whether an answer to what was asked has begun to come; waits for a moment.
    pub(crate) fn is_answered(&mut self) -> bool {
        let socket = self.stream.get_ref();
        socket.set_read_timeout(Some(MOMENT)).unwrap();
        let is_answered = self
            .stream
            .fill_buf()
            .is_ok_and(|octets| !octets.is_empty());
        self.stream
            .get_ref()
            .set_read_timeout(Some(TIMEOUT))
            .unwrap();
        is_answered
    }

    /// The answer to what was asked by a POST.
    pub(crate) fn answer(self) -> Answer {
        Opened::read(self, "POST").whole()
    }

    pub(crate) fn into_stream(self) -> BufReader<TcpStream> {
        self.stream
    }
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Octets(usize),
    Chunked,
    UntilClose,
}

/// An answer whose head was read.
pub(crate) struct Opened {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    length: Length,
    connection: Connection,
    /// What was read of the body and not taken.
    kept: Vec<u8>,
    is_whole: bool,
}

impl Opened {
    fn read(mut connection: Connection, method: &str) -> Self {
        let status_line = line(&mut connection.stream);
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let header = line(&mut connection.stream);
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let find = |name: &str| {
            headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
        };
        let length = if method == "HEAD" || matches!(status, 101 | 204 | 304) {
            Length::Octets(0)
        } else if find("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            Length::Chunked
        } else {
            match find("content-length") {
                Some(length) => Length::Octets(length.parse().unwrap()),
                None => Length::UntilClose,
            }
        };
        Self {
            status,
            headers,
            length,
            connection,
            kept: Vec::new(),
            is_whole: length == Length::Octets(0),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.length == Length::Chunked
    }

    /// The next chunk, as it came; `None` at the end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        assert_eq!(self.length, Length::Chunked, "the answer has no chunks");
        if self.is_whole {
            return None;
        }
        let size = line(&mut self.connection.stream);
        let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
        let mut chunk = vec![0; size];
        self.connection.stream.read_exact(&mut chunk).unwrap();
        assert_eq!(line(&mut self.connection.stream), "");
        self.is_whole = size == 0;
        (size > 0).then_some(chunk)
    }

    /// Exactly the next octets of the body.
    pub(crate) fn expect(&mut self, expected: &str) {
        while self.kept.len() < expected.len() && self.read_more() {}
        let end = expected.len().min(self.kept.len());
        let got: Vec<u8> = self.kept.drain(..end).collect();
        assert_eq!(String::from_utf8_lossy(&got), expected);
    }

    /// The next line of the body, with its end.
    pub(crate) fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.kept.iter().position(|octet| *octet == b'\n') {
                break at + 1;
            }
            assert!(self.read_more(), "the body ended in {:?}", self.kept);
        };
        String::from_utf8(self.kept.drain(..end).collect()).unwrap()
    }

    /// Whether the body ends here.
    pub(crate) fn expect_end(&mut self) {
        while self.read_more() {}
        assert_eq!(String::from_utf8_lossy(&self.kept), "");
    }

    /// The rest of the answer.
    pub(crate) fn whole(mut self) -> Answer {
        while self.read_more() {}
        Answer {
            status: self.status,
            headers: self.headers,
            body: String::from_utf8(self.kept).unwrap(),
        }
    }

    /// The rest of the answer, and its connection for another request.
    pub(crate) fn whole_kept(mut self) -> (Answer, Connection) {
        assert_ne!(self.length, Length::UntilClose);
        while self.read_more() {}
        let answer = Answer {
            status: self.status,
            headers: self.headers,
            body: String::from_utf8(self.kept).unwrap(),
        };
        (answer, self.connection)
    }

    fn read_more(&mut self) -> bool {
        if self.is_whole {
            return false;
        }
        match self.length {
            Length::Chunked => match self.chunk() {
                Some(chunk) => self.kept.extend(chunk),
                None => return false,
            },
            Length::Octets(length) => {
                let mut body = vec![0; length];
                self.connection.stream.read_exact(&mut body).unwrap();
                self.kept = body;
                self.is_whole = true;
            }
            Length::UntilClose => {
                let mut some = [0; 4_096];
                let read = self.connection.stream.read(&mut some).unwrap();
                self.kept.extend(&some[..read]);
                self.is_whole = read == 0;
            }
        }
        true
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.ends_with("\r\n"), "no whole line: {line:?}");
    line.truncate(line.len() - 2);
    line
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Status and body at once.
    pub(crate) fn is(self, status: u16, body: &str) -> Self {
        assert_eq!(
            (self.status, self.body.as_str()),
            (status, body),
            "{self:?}"
        );
        self
    }

    pub(crate) fn plain_text(self) -> Self {
        assert_eq!(
            self.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
        self
    }

    pub(crate) fn has_no_cookie(self) -> Self {
        assert_eq!(self.header("set-cookie"), None);
        self
    }

    pub(crate) fn never_cached(self) -> Self {
        check_not_cached(self.header("cache-control"));
        assert_eq!(self.header("expires"), None);
        assert_eq!(self.header("last-modified"), None);
        self
    }

    /// What a page of another origin needs to read it.
    pub(crate) fn readable_by(self, origin: Option<&str>) -> Self {
        let allowed = self.header("access-control-allow-origin");
        let credentials = self.header("access-control-allow-credentials");
        match origin {
            Some(origin) => {
                assert_eq!((allowed, credentials), (Some(origin), Some("true")));
            }
            None => assert_eq!((allowed, credentials), (Some("*"), None)),
        }
        self
    }
}

pub(crate) fn check_not_cached(cache_control: Option<&str>) {
    let expected = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    assert_eq!(cache_control, Some(expected));
}

/// A preflight is answered for a year.
pub(crate) fn check_preflight(servers: &crate::Servers, path: &str, methods: &str) {
    for origin in ["null", ORIGIN] {
        let answer = options(path)
            .with("Origin", origin)
            .with("Access-Control-Request-Headers", "a, b, c")
            .ask(servers)
            .is(204, "")
            .readable_by(Some(origin));
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods));
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("a, b, c")
        );
        assert_eq!(
            answer.header("cache-control"),
            Some("public, max-age=31536000")
        );
        let max_age = answer.header("access-control-max-age").unwrap();
        assert!(max_age.parse::<u64>().unwrap() > 1_000_000, "{max_age}");
        assert!(answer.header("expires").is_some());
    }
}
