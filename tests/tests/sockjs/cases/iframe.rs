//! The page for hidden frames: always the same, and kept for a year.

use super::ECHO;
use crate::{Servers, http::get};

const HEAD: &str = r#"<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src=""#;
const TAIL: &str = r#""></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>"#;

pub(crate) fn body(servers: &Servers) {
    let names = [
        "iframe.html",
        "iframe-a.html",
        "iframe-.html",
        "iframe-0.1.2.html",
        "iframe-0.1.2abc-dirty.2144.html",
        "iframe-a.html?t=1234",
        "iframe-a.html?t=123414",
        "iframe-0.1.2.html?t=qweqweq123",
    ];
    for name in names {
        let answer = get(format!("{ECHO}/{name}")).ask(servers).has_no_cookie();
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=UTF-8")
        );
        let script = answer
            .body
            .strip_prefix(HEAD)
            .and_then(|rest| rest.strip_suffix(TAIL));
        let script = script.unwrap_or_else(|| panic!("{}", answer.body));
        assert!(!script.is_empty() && !script.contains('"'), "{script}");
        let kept = answer.header("cache-control").unwrap();
        assert!(kept.contains("public"), "{kept}");
        assert!(kept.contains("max-age=31536000"), "{kept}");
        assert!(answer.header("expires").is_some());
        assert!(answer.header("etag").is_some());
        assert_eq!(answer.header("last-modified"), None);
    }
}

pub(crate) fn caching(servers: &Servers) {
    let tag = |name: &str| {
        let answer = get(format!("{ECHO}/{name}")).ask(servers);
        answer.header("etag").unwrap().to_owned()
    };
    let first = tag("iframe-a.html");
    assert_eq!(tag("iframe-b.html"), first);
    let again = get(format!("{ECHO}/iframe.html"))
        .with("If-None-Match", &first)
        .ask(servers)
        .is(304, "");
    assert_eq!(again.header("content-type"), None);
}

pub(crate) fn invalid_names(servers: &Servers) {
    let names = [
        "iframe.htm",
        "iframe",
        "IFRAME.HTML",
        "IFRAME",
        "iframe.HTML",
        "iframe.xml",
        "iframe-/.html",
    ];
    for name in names {
        let answer = get(format!("{ECHO}/{name}")).ask(servers);
        assert_eq!(answer.status, 404, "{name}");
    }
}
