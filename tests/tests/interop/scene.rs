//! Three replicas on one Redis. HTTP goes through HAProxy, each request to the next replica; STOMP over
//! TCP goes to the replicas in turn.

use inkwire_test_support::{Gateway, Haproxy, Link, Port, Redis};

const REPLICAS: usize = 3;

/// The origin of the pages in the browser, which is none of the gateway's own.
pub(crate) const ORIGIN: &str = "http://editor.example";

/// From where pages may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// From where they connect to. Libraries outside of browsers (stomp.py, Spring) say that they are
    /// such a page: where a list stands, they are refused unless it names the gateway's own address.
    Own,
    /// From [`ORIGIN`] alone.
    Others,
}

pub(crate) struct Scene {
    // Dropped in this order: whoever needs another goes first.
    pub(crate) haproxy: Haproxy,
    _replicas: Vec<Gateway>,
    stomp: Vec<Port>,
    _redis: Redis,
}

impl Scene {
    pub(crate) fn start(pages: Pages) -> Self {
        let redis = Redis::start().unwrap();
        let stomp: Vec<Port> = (0..REPLICAS).map(|_| Port::reserve().unwrap()).collect();
        let replicas: Vec<Gateway> = stomp
            .iter()
            .map(|port| {
                let address = port.address();
                let args = [
                    // The balancer speaks for its clients; without a secret nobody there has a name.
                    "--allow-anonymous-anywhere",
                    "--stomp-listen",
                    &address,
                    "--appends-per-second",
                    "1000000",
                    "--appends-burst",
                    "1000000",
                    "--sse-retry-ms",
                    "50",
                ];
                let mut replica = Gateway::options().redis(redis.url()).args(args);
                if pages == Pages::Others {
                    replica = replica.args(["--allow-origin", ORIGIN]);
                }
                replica.start().unwrap()
            })
            .collect();
        Self {
            haproxy: Haproxy::start_in_turn(&replicas).unwrap(),
            _replicas: replicas,
            stomp,
            _redis: redis,
        }
    }

    /// A way to the replicas that can be cut, for one client.
    pub(crate) fn link(&self, transport: &str) -> Way {
        let targets = match transport {
            "tcp" => self.stomp.iter().map(Port::address).collect(),
            _ => vec![self.haproxy.address()],
        };
        let link = Link::to(targets).unwrap();
        let address = link.address();
        let url = match transport.split(':').next() {
            Some("tcp") => format!("tcp://{address}"),
            Some("sockjs") => format!("http://{address}/sockjs"),
            Some("sse") => format!("http://{address}"),
            Some("native") => format!("ws://{address}/ws"),
            _ => format!("ws://{address}/stomp"),
        };
        Way { link, url }
    }
}

/// One client's link, and the address that it is given.
pub(crate) struct Way {
    pub(crate) link: Link,
    pub(crate) url: String,
}
