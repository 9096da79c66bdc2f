//! As much of the Redis protocol as a test needs: one command, one reply as text.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends `words` on a connection of their own. Arrays come back with one line per element.
pub(crate) fn command(port: u16, words: &[&str]) -> Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).context("cannot connect to Redis")?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    (&stream).write_all(request.as_bytes())?;
    reply(&mut BufReader::new(&stream))
}

fn reply(stream: &mut BufReader<&TcpStream>) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else {
        bail!("Redis closed the connection");
    };
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => bail!("Redis refused: {rest}"),
        "$" => {
            let Ok(length) = rest.parse::<usize>() else {
                return Ok(String::new());
            };
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" => {
            let count = rest.parse::<usize>().unwrap_or(0);
            let parts: Result<Vec<_>> = (0..count).map(|_| reply(stream)).collect();
            Ok(parts?.join("\n"))
        }
        _ => bail!("Redis answered something unknown: {line}"),
    }
}
