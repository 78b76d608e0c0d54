//! The two ways to the engine: the running daemon's socket, or the same routes in this process over the store itself.

use super::failure::Failure;
use super::{Context, screen::Screen};
use crate::config::Config;
use crate::daemon::house::{House, How, Purpose};
use crate::http::admin::{self, Admin};
use crate::store::embedded::Progress;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode, header};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tower::ServiceExt;

/// What a command is going to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Read only: the store is opened without repair.
    Look,
    Change,
    /// Send a mail of its own beside: by the transports, made here where no daemon has them.
    Send,
}

pub struct Way(Kind);

enum Kind {
    Daemon(SendRequest<Body>),
    Here { router: Router, house: House },
}

impl Way {
    /// The daemon if one answers, else the store.
    pub async fn open(context: &Context, need: Need) -> Result<(Way, Config), Failure> {
        let config = context.load()?;
        let way = match connect(&config.admin.socket).await? {
            Some(daemon) => Way(Kind::Daemon(daemon)),
            None => Way::here(&config, need, context.screen).await?,
        };
        Ok((way, config))
    }

    /// The daemon; an error if none answers.
    pub async fn daemon(context: &Context) -> Result<Way, Failure> {
        let config = context.load()?;
        match connect(&config.admin.socket).await? {
            Some(daemon) => Ok(Way(Kind::Daemon(daemon))),
            None => Err(Failure::NotFound {
                what: format!("no daemon answers at {}", config.admin.socket.display()),
                hint: "`reveille run` starts one".into(),
            }),
        }
    }

    async fn here(config: &Config, need: Need, screen: Screen) -> Result<Way, Failure> {
        let purpose = match need {
            Need::Look => Purpose::Look,
            Need::Change => Purpose::Change,
            Need::Send => Purpose::Send,
        };
        let how = How {
            progress: Some(opening(screen)),
            ..How::new(purpose)
        };
        let house = House::open(config, how).await?;
        let router = admin::router(Admin {
            core: Arc::clone(&house.core),
            store: Arc::clone(&house.store),
            wake: Arc::new(Notify::new()),
            reload: None,
        });
        Ok(Way(Kind::Here { router, house }))
    }

    /// Sends a request; an answer that is no success is a failure with the daemon's own words.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let response = match &mut self.0 {
            Kind::Daemon(sender) => {
                // Of several requests each waits until the one before is over.
                sender
                    .ready()
                    .await
                    .map_err(|e| broke_off(&e.to_string()))?;
                let sent = sender.send_request(request).await;
                sent.map_err(|e| broke_off(&e.to_string()))?.map(Body::new)
            }
            Kind::Here { router, .. } => match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = all(response.into_body()).await?;
        let told: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let what = match text("error") {
            error if error.is_empty() => {
                let body = String::from_utf8_lossy(&body).into_owned();
                format!("the daemon answered {status}: {body}")
            }
            error => error,
        };
        Err(refused(status, what, text("hint")))
    }

    /// Asks for JSON.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let response = self.send(request(method, path, body)).await?;
        let bytes = all(response.into_body()).await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Failure::failed(format!("the daemon's answer was not understood: {e}")))
    }

    pub async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Closes the store, if it was opened here.
    pub async fn close(self) -> Result<(), Failure> {
        match self.0 {
            Kind::Daemon(_) => Ok(()),
            Kind::Here { router, house } => {
                drop(router);
                Ok(house.close().await?)
            }
        }
    }
}

/// Runs `work` on the way, and closes it whatever came of it.
pub async fn through<T>(
    context: &Context,
    need: Need,
    work: impl AsyncFnOnce(&mut Way) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (mut way, _) = Way::open(context, need).await?;
    let done = work(&mut way).await;
    let closed = way.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// A request; `body` as JSON.
pub fn request(method: Method, path: &str, body: Option<&Value>) -> Request<Body> {
    let mut request = Request::new(match body {
        Some(body) => Body::from(body.to_string()),
        None => Body::empty(),
    });
    *request.method_mut() = method;
    // Paths are our own, their queries encoded by `query`; should one not parse, the daemon says that it knows none such.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::HOST, header::HeaderValue::from_static("reveille"));
    if body.is_some() {
        let json = header::HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    request
}

/// `path?name=value&..` of those values that are there, percent-encoded (RFC 3986 §2.1).
pub fn query(path: &str, values: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let mut mark = '?';
    for (name, value) in values {
        let Some(value) = value else { continue };
        out.push(mark);
        mark = '&';
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    out.push(char::from(byte));
                }
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    out
}

/// All of a body.
pub async fn all(body: Body) -> Result<Bytes, Failure> {
    let collected = body.collect().await;
    Ok(collected.map_err(|e| broke_off(&e.to_string()))?.to_bytes())
}

/// Hands each line of a body to `take`, as it comes.
pub async fn each_line(
    body: Body,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut stream = body.into_data_stream();
    let mut pending: Vec<u8> = Vec::new();
    while let Some(bytes) = stream.next().await {
        pending.extend_from_slice(&bytes.map_err(|e| broke_off(&e.to_string()))?);
        let mut from = 0;
        while let Some(end) = pending[from..].iter().position(|b| *b == b'\n') {
            take(&pending[from..from + end])?;
            from += end + 1;
        }
        pending.drain(..from);
    }
    Ok(())
}

/// What was told at the end of an answer that had begun: `{"stopped": "why", "hint": "..", "status": 400}`.
pub fn stopped(told: &Value) -> Failure {
    let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    let status = told["status"].as_u64().and_then(|s| u16::try_from(s).ok());
    let status = status.and_then(|s| StatusCode::from_u16(s).ok());
    refused(
        status.unwrap_or(StatusCode::BAD_REQUEST),
        text("stopped"),
        text("hint"),
    )
}

fn broke_off(why: &str) -> Failure {
    Failure::Store {
        what: format!("the daemon broke the conversation off: {why}"),
        hint: "its log says why; what was acknowledged is kept".into(),
    }
}

fn refused(status: StatusCode, what: String, hint: String) -> Failure {
    match status {
        StatusCode::NOT_FOUND => Failure::NotFound { what, hint },
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => {
            Failure::Store { what, hint }
        }
        _ => Failure::Failed { what, hint },
    }
}

async fn connect(socket: &Path) -> Result<Option<SendRequest<Body>>, Failure> {
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => {
                    Ok(None)
                }
                ErrorKind::PermissionDenied => Err(Failure::Store {
                    what: format!("you may not use {}", socket.display()),
                    hint: "run the command as the user that the daemon runs as (sudo -u reveille)"
                        .into(),
                }),
                // A path too long for a socket: no daemon can be there.
                ErrorKind::InvalidInput => Ok(None),
                _ => Err(Failure::Store {
                    what: format!("{} cannot be reached: {error}", socket.display()),
                    hint: String::new(),
                }),
            };
        }
    };
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|e| broke_off(&e.to_string()))?;
    tokio::spawn(connection);
    Ok(Some(sender))
}

/// Tells of an opening that takes long.
pub fn opening(screen: Screen) -> Progress {
    let bar = screen.progress(0, "opening the store");
    Arc::new(move |what: &str, done: u64, of: u64| {
        bar.set_message(what.to_owned());
        bar.set_length(of);
        bar.set_position(done);
        if done >= of {
            bar.finish_and_clear();
        }
    })
}

/// Who gives an order, for the log: the user's name as the system knows it.
pub fn who() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    name.ok()
        .filter(|n| !n.trim().is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
