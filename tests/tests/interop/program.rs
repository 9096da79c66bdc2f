//! The programs over foreign libraries, and what they say.

use std::{path::PathBuf, sync::OnceLock};

use inkwire_test_support::{LineProgram, checkout, program};

use crate::scene::ORIGIN;

/// A library that users have, and what runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// stompjs, over WebSocket, TCP or sockjs-client, in node.
    Node,
    /// The same in a page of Chromium; `SameOrigin`: the gateway's own page.
    Chromium,
    SameOrigin,
    /// stomp.py.
    Python,
    /// Spring's clients.
    Spring,
}

impl Library {
    /// Starts `role` (`reader`, `writer`, `cases`) over `transport`.
    pub(crate) fn start(
        self,
        role: &str,
        transport: &str,
        url: &str,
        document: &str,
    ) -> LineProgram {
        let folder = checkout().join("tests/interop");
        let text = |path: PathBuf| path.display().to_string();
        let (path, mut args) = match self {
            Self::Node => (program("node"), vec![text(folder.join("node/main.mjs"))]),
            Self::Chromium | Self::SameOrigin => {
                (program("node"), vec![text(folder.join("node/browser.mjs"))])
            }
            Self::Python => (
                Ok(built("INKWIRE_INTEROP_PYTHON", "interop-python/bin/python")),
                vec![text(folder.join("python/main.py"))],
            ),
            Self::Spring => {
                let classes = built("INKWIRE_INTEROP_SPRING", "interop-spring");
                let path = format!("{0}/classes:{0}/lib/*", classes.display());
                let args = [
                    "-Xshare:auto",
                    "-XX:+UseSerialGC",
                    "-cp",
                    &path,
                    "inkwire.interop.Main",
                ];
                (program("java"), args.map(str::to_owned).to_vec())
            }
        };
        args.extend([role, transport, url, document].map(str::to_owned));
        let mut env = vec![("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
        match self {
            Self::Chromium => args.push(ORIGIN.to_owned()),
            Self::SameOrigin => {
                let authority = url.split('/').nth(2).unwrap_or_default();
                args.push(format!("http://{authority}"));
            }
            _ => {}
        }
        if matches!(self, Self::Chromium | Self::SameOrigin) {
            let chromium = program("chromium").unwrap();
            env.push(("INKWIRE_CHROMIUM", chromium.display().to_string()));
        }
        let name = format!("{self:?} {role} {transport}");
        LineProgram::start(name, path.unwrap(), &args, &env).unwrap()
    }
}

/// What the README's test command made, beside cargo's own folder or where the environment says.
fn built(variable: &str, place: &str) -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        // <target>/tmp
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        tmp.parent().map_or(tmp.clone(), PathBuf::from)
    });
    let path = std::env::var_os(variable).map_or_else(|| target.join(place), PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing: the README's test command makes it",
        path.display()
    );
    path
}

/// One line of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Entry {
        position: &'a str,
        body: &'a str,
    },
    Acked(u64),
    Joined,
    Reset,
    Cut,
    Done,
    /// Whatever else: an error, an exception.
    Trouble(&'a str),
}

impl<'a> Line<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("entry"), Some(position), Some(_author), body) => Self::Entry {
                position,
                body: body.unwrap_or_default(),
            },
            (Some("acked"), Some(number), ..) => match number.parse() {
                Ok(number) => Self::Acked(number),
                Err(_) => Self::Trouble(line),
            },
            (Some("joined"), ..) => Self::Joined,
            (Some("reset"), ..) => Self::Reset,
            (Some("cut"), ..) => Self::Cut,
            (Some("done"), ..) => Self::Done,
            _ => Self::Trouble(line),
        }
    }
}
