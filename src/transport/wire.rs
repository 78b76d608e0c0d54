//! The line to a server: a stream that we own, in clear text or under TLS, with a deadline around each exchange and the
//! bytes that arrived but were not yet read in plain sight. That last is why this is not lettre's connection: there the
//! buffer is hidden, so a connection that is out of step cannot be seen, and what a server (or somebody between) sends
//! before the TLS handshake is taken for part of the encrypted conversation after it.

use super::reply::Reply;
use super::verdict::Break;
use futures_util::FutureExt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Clear(s) => s.read(into).await,
            Stream::Tls(s) => s.read(into).await,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Clear(s) => s.write(bytes).await,
            Stream::Tls(s) => s.write(bytes).await,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Clear(s) => s.flush().await,
            Stream::Tls(s) => s.flush().await,
        }
    }
}

pub(crate) struct Wire {
    stream: Stream,
    unread: Vec<u8>,
}

/// `work`, or [`Break::Late`] once `deadline` has passed.
pub(crate) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, Break>>,
) -> Result<T, Break> {
    match tokio::time::timeout(deadline, work).await {
        Ok(done) => done,
        Err(_) => Err(Break::Late(deadline)),
    }
}

fn broke(e: io::Error) -> Break {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => Break::Closed,
        _ => Break::Failed(e.to_string()),
    }
}

impl Wire {
    /// Connects to the first address of `host` that answers. TCP_NODELAY is set: without it a message costs some 40 ms.
    pub async fn connect(host: &str, port: u16, deadline: Duration) -> Result<Wire, Break> {
        within(deadline, async {
            let addresses: Vec<_> = lookup_host((host, port))
                .await
                .map_err(|e| Break::Failed(format!("{host} cannot be looked up: {e}")))?
                .collect();
            let mut last = Break::Failed(format!("{host} has no address"));
            for (i, address) in addresses.iter().enumerate() {
                // One dead address must not use up the time of those behind it.
                let share = deadline / (addresses.len() - i) as u32;
                match within(share, async {
                    TcpStream::connect(address).await.map_err(broke)
                })
                .await
                {
                    Ok(stream) => {
                        stream.set_nodelay(true).map_err(broke)?;
                        return Ok(Wire {
                            stream: Stream::Clear(stream),
                            unread: Vec::new(),
                        });
                    }
                    Err(e) => last = Break::Failed(format!("{host} at {address}: {e}")),
                }
            }
            Err(last)
        })
        .await
    }

    /// Goes over to TLS. Bytes that came before the handshake and are still unread were not protected by it, so they
    /// are a fault (RFC 3207 §4.2 wants them forgotten; nobody honest sends any).
    pub async fn start_tls(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        deadline: Duration,
    ) -> Result<Wire, Break> {
        if !self.unread.is_empty() {
            return Err(Break::Nonsense(
                "it sent more in clear text before the TLS handshake".into(),
            ));
        }
        let Stream::Clear(stream) = self.stream else {
            return Err(Break::Failed("the connection is encrypted already".into()));
        };
        within(deadline, async {
            let stream = TlsConnector::from(config)
                .connect(name, stream)
                .await
                .map_err(broke)?;
            Ok(Wire {
                stream: Stream::Tls(Box::new(stream)),
                unread: Vec::new(),
            })
        })
        .await
    }

    /// The next reply.
    pub async fn reply(&mut self, deadline: Duration) -> Result<Reply, Break> {
        within(deadline, self.next_reply()).await
    }

    async fn next_reply(&mut self) -> Result<Reply, Break> {
        loop {
            if let Some((reply, taken)) = Reply::read(&self.unread).map_err(Break::Nonsense)? {
                self.unread.drain(..taken);
                return Ok(reply);
            }
            let mut chunk = [0; 2_048];
            match self.stream.read(&mut chunk).await.map_err(broke)? {
                0 => return Err(Break::Closed),
                n => self.unread.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// Sends a command (with its line end) and reads the reply to it.
    pub async fn ask(&mut self, command: &str, deadline: Duration) -> Result<Reply, Break> {
        within(deadline, async {
            let mut sent = 0;
            self.write_counting(command.as_bytes(), &mut sent).await?;
            self.next_reply().await
        })
        .await
    }

    /// Writes all of `bytes`. `sent` counts those that left our hands, and is true also when this fails or is dropped
    /// half way: only if it stayed below `bytes.len()` is it sure that the server cannot have the last byte.
    pub async fn write_counting(&mut self, bytes: &[u8], sent: &mut usize) -> Result<(), Break> {
        while *sent < bytes.len() {
            match self.stream.write(&bytes[*sent..]).await.map_err(broke)? {
                0 => return Err(Break::Closed),
                n => *sent += n,
            }
        }
        self.stream.flush().await.map_err(broke)
    }

    /// Nothing waits to be read and the server has not hung up, as far as can be seen without waiting. Between two
    /// messages anything else means that the connection is out of step or dead.
    pub fn is_quiet(&mut self) -> bool {
        let mut byte = [0; 1];
        self.unread.is_empty() && self.stream.read(&mut byte).now_or_never().is_none()
    }
}
