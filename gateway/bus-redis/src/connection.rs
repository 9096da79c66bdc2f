//! Connections for commands, through fred: no command is ever sent twice, nothing waits for ever, and
//! a connection that broke is made again, for ever.

use std::time::Duration;

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::{ClientLike, EventInterface as _},
    types::{
        Builder, RespVersion,
        config::{
            Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig,
            TcpConfig, TlsConfig, TlsConnector, TlsHostMapping, UnresponsiveConfig,
        },
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{Checked, InvalidConfig},
    fitness::Unfit,
    tls,
};

/// Pauses between attempts to connect: the first and the longest, doubling.
const RECONNECT_MIN_MS: u32 = 20;
const RECONNECT_MAX_MS: u32 = 1_000;
/// Pause after fred itself has given up, which it does when credentials are refused.
const GIVEN_UP_PAUSE: Duration = Duration::from_millis(500);
/// How long a parting connection may take.
const QUIT_PATIENCE: Duration = Duration::from_millis(200);
/// Commands that fred may hold for one connection.
const COMMANDS_MAX: usize = 32_768;

/// A client that `serve` has to keep connected.
pub(crate) fn client(checked: &Checked) -> Result<Client, InvalidConfig> {
    let config = Config {
        // The first contact may come late: it keeps trying, as it does later.
        fail_fast: false,
        username: checked.username.as_deref().map(inline_word),
        password: checked.password.as_deref().map(inline_word),
        server: ServerConfig::Centralized {
            server: Server::new(checked.host.clone(), checked.port),
        },
        version: RespVersion::RESP3,
        tls: checked.tls.as_ref().map(|tls| TlsConfig {
            connector: TlsConnector::Rustls(tls.config.clone().into()),
            hostnames: TlsHostMapping::None,
        }),
        ..Config::default()
    };
    let timeout = checked.command_timeout();
    let mut policy = ReconnectPolicy::new_exponential(0, RECONNECT_MIN_MS, RECONNECT_MAX_MS, 2);
    policy.set_jitter(RECONNECT_MIN_MS);
    Builder::from_config(config)
        .set_policy(policy)
        .with_connection_config(|connection: &mut ConnectionConfig| {
            connection.connection_timeout = checked.connect_timeout();
            connection.internal_command_timeout = checked.connect_timeout();
            // What was cut is of unknown outcome, and C2 settles it. fred would send it again.
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = COMMANDS_MAX;
            // Longer than any command may take, so that only a dead connection is given up.
            connection.unresponsive = UnresponsiveConfig {
                max_timeout: Some(timeout + timeout / 2),
                interval: timeout / 4,
            };
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .with_performance_config(|performance: &mut PerformanceConfig| {
            performance.default_command_timeout = timeout;
        })
        .build()
        .map_err(|error| InvalidConfig::Url(error.details().to_owned()))
}

/// Keeps a client connected until `closing`; `refused` hears why Redis does not let it in.
pub(crate) fn serve(
    client: &Client,
    tasks: &TaskTracker,
    closing: &CancellationToken,
    refused: impl Fn(Unfit) + Send + Sync + 'static,
) {
    let (client, closing) = (client.clone(), closing.clone());
    tasks.spawn(async move {
        let mut errors = client.error_rx();
        loop {
            let mut connection = client.connect();
            loop {
                tokio::select! {
                    () = closing.cancelled() => {
                        // A timeout, since a dead peer answers no QUIT.
                        let _ = tokio::time::timeout(QUIT_PATIENCE, client.quit()).await;
                        connection.abort();
                        let _ = connection.await;
                        return;
                    }
                    error = errors.recv() => {
                        if let Ok((error, _)) = error
                            && let Some(unfit) = refusal(&error)
                        {
                            refused(unfit);
                        }
                    }
                    _ = &mut connection => break,
                }
            }
            tokio::select! {
                () = closing.cancelled() => return,
                () = tokio::time::sleep(GIVEN_UP_PAUSE) => {}
            }
        }
    });
}

/// A word as it has to stand in a line: fred says HELLO as a line of words, not as RESP, so that a
/// password with a space in it would be two of them.
fn inline_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if word.bytes().all(is_plain) && !word.is_empty() {
        return word.to_owned();
    }
    let mut quoted = String::with_capacity(word.len() * 4 + 2);
    quoted.push('"');
    for byte in word.bytes() {
        if is_plain(byte) {
            quoted.push(byte.into());
        } else {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

/// Why Redis does not let us in, if that is what the error says.
pub(crate) fn refusal(error: &Error) -> Option<Unfit> {
    let details = error.details();
    refusal_in(details).or_else(|| {
        (*error.kind() == ErrorKind::Auth).then(|| Unfit::Credentials(details.to_owned()))
    })
}

/// Why Redis does not let us in, in an error's text.
pub(crate) fn refusal_in(text: &str) -> Option<Unfit> {
    if text.starts_with("WRONGPASS") || text.starts_with("NOAUTH") {
        Some(Unfit::Credentials(text.to_owned()))
    } else if text.starts_with("NOPERM") {
        Some(Unfit::Permissions(vec![text.to_owned()]))
    } else if tls::is_refusal(text) {
        Some(Unfit::Certificate(text.to_owned()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_more_than_letters_are_quoted() {
        assert_eq!(inline_word("s3cret#>!~"), "s3cret#>!~");
        assert_eq!(inline_word("two words"), r#""two\x20words""#);
        assert_eq!(inline_word("a\"b'\\"), r#""a\x22b\x27\x5c""#);
        assert_eq!(inline_word("line\r\nFLUSHALL"), r#""line\x0d\x0aFLUSHALL""#);
        assert_eq!(inline_word("ä"), r#""\xc3\xa4""#);
        assert_eq!(inline_word(""), r#""""#);
    }
}
