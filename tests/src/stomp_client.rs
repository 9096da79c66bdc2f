//! `StompClient`: one STOMP 1.2 session over TCP, frame by frame, and nothing done by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use inkwire_protocol::stomp::{Command, Decoder, DecoderLimits, Frame, Version, encode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long a session may take to begin.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

pub struct StompClient {
    stream: TcpStream,
    bytes: BytesMut,
    decoder: Decoder,
}

impl StompClient {
    /// A session without heart-beats.
    pub async fn connect(address: &str) -> Result<Self> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut client = Self {
                stream,
                bytes: BytesMut::new(),
                decoder: Decoder::new(DecoderLimits::default()),
            };
            let connect = Frame::new(Command::Connect)
                .with("accept-version", "1.2")
                .with("host", "localhost")
                .with("heart-beat", "0,0");
            client.send(&[connect]).await?;
            let answer = client.next().await?;
            if answer.command != Command::Connected {
                bail!("refused: {answer:?}");
            }
            client.decoder.set_version(Version::V1_2);
            Ok(client)
        };
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .context("no session in time")?
    }

    /// Writes these in one go.
    pub async fn send(&mut self, frames: &[Frame]) -> Result<()> {
        let mut out = BytesMut::new();
        for frame in frames {
            out.extend_from_slice(&encode(frame, Version::V1_2));
        }
        self.stream.write_all(&out).await?;
        Ok(())
    }

    /// The next frame. May be dropped half way: nothing is lost.
    pub async fn next(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.bytes)? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                bail!("the connection ended");
            }
        }
    }
}
