//! Listening on TCP: HTTP/1 with limits on everything that a caller could draw out (RFC 9112 leaves them to us).
//!
//! A connection beyond the limit waits in the system's queue, where it costs next to nothing. One that is slow with its
//! headers or its body is cut off, and none lives for ever, so that callers who read slowly hold nothing for long either.
//! What is served is for [`super::faces`] to say.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Sleep;
use tower::ServiceExt;

/// Connections that the system keeps for us until we accept them.
const BACKLOG: u32 = 1_024;

/// What callers are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At once on each listener.
    pub connections: usize,
    /// For the headers of a request, from the first moment of the connection or the end of the request before.
    pub header_time: Duration,
    /// For the body of a request.
    pub body_time: Duration,
    /// For a connection, whatever it does.
    pub life: Duration,
    /// How many headers a request may have.
    pub headers: usize,
    /// How long they may be altogether, the request's line included.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 512,
            header_time: Duration::from_secs(30),
            body_time: Duration::from_secs(15),
            life: Duration::from_secs(600),
            headers: 64,
            header_bytes: 16 << 10,
        }
    }
}

/// A port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct ListenError {
    pub address: SocketAddr,
    pub error: io::Error,
}

/// Opens a port; nobody is answered yet. SO_REUSEADDR: connections of the daemon before us don't keep us from starting.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let opened = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    opened().map_err(|error| ListenError { address, error })
}

/// The listeners at work.
pub struct Server {
    stopping: watch::Sender<bool>,
    listening: Vec<JoinHandle<()>>,
}

impl Server {
    /// Begins to answer.
    pub fn start(faces: Vec<(TcpListener, Router)>, limits: Limits) -> Server {
        let (stopping, stops) = watch::channel(false);
        let listening = faces
            .into_iter()
            .map(|(listener, router)| tokio::spawn(listen(listener, router, limits, stops.clone())))
            .collect();
        Server {
            stopping,
            listening,
        }
    }

    /// Closes the ports, lets requests under way end for so long, then drops them.
    pub async fn stop(self, within: Duration) {
        self.stopping.send_replace(true);
        let deadline = tokio::time::Instant::now() + within;
        for mut task in self.listening {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
    }
}

async fn listen(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stops: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    // Dropped with this task: its connections end with it.
    let mut open = JoinSet::new();
    loop {
        let connected = async {
            // Never closed: there is always a permit some time.
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            _ = stops.wait_for(|stop| *stop) => break,
            connected = connected => connected,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let serving = serve((stream, peer), router.clone(), limits, stops.clone());
                open.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Most likely no more files may be open: some will be closed soon.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn serve(
    (stream, peer): (TcpStream, SocketAddr),
    router: Router,
    limits: Limits,
    mut stops: watch::Receiver<bool>,
) {
    // Answers are small and whole: they need not wait for company.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        // For the ledger of consents and for telling machines from people; never for the log.
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(InTime::new(body, limits.body_time)),
        })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What goes wrong on a connection is the caller's affair; what we answered is in the access log.
        _ = connection.as_mut() => return,
        _ = stops.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(limits.life) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.body_time, connection).await;
}

/// A body that must come to its end in time.
struct InTime {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

impl InTime {
    fn new(body: Incoming, within: Duration) -> InTime {
        InTime {
            body,
            deadline: Box::pin(tokio::time::sleep(within)),
        }
    }
}

/// A body that did not come in time; found behind axum's error by [`is_late`].
#[derive(Debug, thiserror::Error)]
#[error("the body of the request did not come in time")]
pub struct Late;

/// Whether a body could not be read because it came too slowly.
pub fn is_late(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<Late>() {
            return true;
        }
        at = error.source();
    }
    false
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Box::new(Late))));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map_err(|error| Box::new(error) as Self::Error)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a body of at most so many bytes. What is too long is read to its end all the same, as far as that is bearable,
/// so that the caller, who writes first and reads then, sees the answer.
pub async fn read_body(body: Body, most: usize) -> Result<Vec<u8>, Unread> {
    read_body_while(body, most, |length| length.is_some()).await
}

/// As [`read_body`]; nothing more is kept once `room` says of a length that there is none for it. It is asked of `None`
/// once the body is too long: nothing of it will be kept either.
pub async fn read_body_while(
    mut body: Body,
    most: usize,
    mut room: impl FnMut(Option<usize>) -> bool,
) -> Result<Vec<u8>, Unread> {
    let bearable = most.saturating_mul(8);
    let mut bytes = Vec::new();
    let mut length = 0usize;
    let mut roomy = true;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match is_late(&error) {
            true => Unread::Late,
            false => Unread::Broken,
        })?;
        if let Ok(data) = frame.into_data() {
            length = length.saturating_add(data.len());
            roomy = roomy && room(Some(length).filter(|length| *length <= most));
            if roomy {
                bytes.extend_from_slice(&data);
            } else {
                bytes = Vec::new();
            }
            if length > bearable {
                break;
            }
        }
    }
    match (length > most, roomy) {
        (true, _) => Err(Unread::TooLong),
        (false, false) => Err(Unread::NoRoom),
        (false, true) => Ok(bytes),
    }
}

/// Reads a body and keeps nothing of it, for a caller who is refused whatever it holds.
pub async fn pass_over(body: Body, most: usize) {
    let _ = read_body_while(body, most, |_| false).await;
}

/// Why a body was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    Late,
    TooLong,
    /// Too much else is in work.
    NoRoom,
    /// The caller hung up.
    Broken,
}
