//! Mails in a browser: a server on this machine, for as long as somebody looks.

use super::{Arguments, bad, mails};
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::http::viewer::{Source, router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

pub(super) async fn run(
    arguments: Arguments,
    address: SocketAddr,
    context: &Context,
) -> Result<(), Failure> {
    // What is wrong is said here, not only in the browser.
    let screen = context.screen;
    let made = mails(&arguments, context).await?;
    bad::tell(&made.bad, screen);
    if made.mails.is_empty() {
        return Err(Failure::BadFiles);
    }
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|e| Failure::failed(format!("cannot listen at {address}: {e}")))?;
    let here = listener.local_addr().unwrap_or(address);
    let mut secret = [0u8; 16];
    (SystemRandom::new().fill(&mut secret))
        .map_err(|_| Failure::failed("the system gave no random bytes"))?;
    let token = URL_SAFE_NO_PAD.encode(secret);
    let config = context.config.clone();
    let source: Source = Arc::new(move || {
        let (arguments, config) = (arguments.clone(), config.clone());
        Box::pin(async move {
            let context = Context { config, screen };
            let made = mails(&arguments, &context).await;
            made.map_err(|failure| failure.to_string())
        })
    });
    screen.say(&format!("http://{here}/{token}/"))?;
    if !here.ip().is_loopback() {
        screen.complain("whoever on the network has this address may look, until you end it");
    }
    screen.complain("Ctrl-C ends it; reload the page after an edit");
    let ended = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let served = axum::serve(listener, router(source, &token)).with_graceful_shutdown(ended);
    served
        .await
        .map_err(|e| Failure::failed(format!("the pages are served no longer: {e}")))
}
