//! The base address greets, and nothing else is there.

use super::ECHO;
use crate::{Servers, http::get};

pub(crate) fn greeting(servers: &Servers) {
    for path in [ECHO.to_owned(), format!("{ECHO}/")] {
        let answer = get(path).ask(servers).is(200, "Welcome to SockJS!\n");
        answer.plain_text().has_no_cookie();
    }
}

pub(crate) fn nothing_elsewhere(servers: &Servers) {
    for suffix in ["/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/"] {
        let answer = get(format!("{ECHO}{suffix}")).ask(servers);
        assert_eq!(answer.status, 404, "{suffix}");
        answer.has_no_cookie();
    }
}
