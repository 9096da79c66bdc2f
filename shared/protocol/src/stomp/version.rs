//! The versions differ in escapes, line ends and in what a frame must carry, and in nothing else.

/// A version of STOMP; a later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V1_0,
    V1_1,
    V1_2,
}

/// The WebSocket sub-protocols, the preferred one first. They say that STOMP is spoken; the version is
/// what CONNECT settles.
pub const SUB_PROTOCOLS: [&str; 3] = ["v12.stomp", "v11.stomp", "v10.stomp"];

impl Version {
    pub const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The highest that both sides speak. A CONNECT without the header is of 1.0, which had none.
    pub fn negotiate(accept_version: Option<&str>) -> Option<Self> {
        let Some(list) = accept_version else {
            return Some(Self::V1_0);
        };
        list.split(',').filter_map(|v| Self::parse(v.trim())).max()
    }

    /// Whether a line may end in CR LF; otherwise the CR belongs to the line.
    pub(super) fn has_crlf(self) -> bool {
        self == Self::V1_2
    }
}
