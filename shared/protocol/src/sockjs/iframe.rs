//! The page that a client of another origin loads, to speak from within this one.

use bytes::Bytes;

/// The page and what tells its versions apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IframePage {
    pub body: Bytes,
    /// With its quotes. The same on every replica with the same settings.
    pub etag: String,
}

impl IframePage {
    /// `client_url` is where the page finds the SockJS client.
    pub fn new(client_url: &str) -> Self {
        let mut url = String::new();
        for character in client_url.chars() {
            match character {
                '&' => url.push_str("&amp;"),
                '"' => url.push_str("&quot;"),
                '<' => url.push_str("&lt;"),
                '>' => url.push_str("&gt;"),
                other => url.push(other),
            }
        }
        let body = format!(
            "<!DOCTYPE html>
<html>
<head>
  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />
  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />
  <script src=\"{url}\"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"
        );
        Self {
            etag: format!("\"{:016x}\"", fnv_1a(body.as_bytes())),
            body: body.into(),
        }
    }
}

/// Tells settings apart and need not withstand anybody.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
