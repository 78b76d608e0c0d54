//! The viewer over the router itself: what is served, and what may not be.

use super::{Source, router};
use crate::engine::preview::{Bad, Previewed, Previews};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt;

async fn get(router: &axum::Router, path: &str) -> (StatusCode, String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let policy = response.headers().get("content-security-policy");
    let policy = policy.map_or(String::new(), |p| p.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, policy, String::from_utf8(body.to_vec()).unwrap())
}

fn source(made: Arc<AtomicUsize>) -> Source {
    Arc::new(move || {
        let n = made.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if n == 2 {
                return Err("templates/dormant.html.hbs:3:1: <unclosed>".to_owned());
            }
            let mails = vec![Previewed {
                campaign: "wake_dormant".into(),
                step: "miss-you".into(),
                locale: "ko".into(),
                subject: "<script>alert(1)</script>".into(),
                html: format!("<p>mail {n}</p><script>alert(1)</script>"),
                text: "</pre><b>".into(),
                headers: vec![("To".into(), "\"><img src=x>".into())],
                ..Previewed::default()
            }];
            let bad = match n {
                1 => vec![Bad {
                    campaign: Some("spring".into()),
                    problems: vec!["spring.toml:3:1: <unknown> key".into()],
                }],
                _ => Vec::new(),
            };
            Ok(Previews { mails, bad })
        })
    })
}

#[tokio::test]
async fn each_mail_is_sandboxed_and_nothing_of_it_reaches_the_page_around_it() {
    let viewer = router(source(Arc::default()), "secret");
    let (status, policy, page) = get(&viewer, "/secret/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(!policy.contains("script-src") && policy.contains("default-src 'none'"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for raw in ["<script", "<img src=x", "</pre><b>"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert_eq!(page.matches("<iframe sandbox=\"\"").count(), 2, "{page}");

    let (_, policy, mail) = get(&viewer, "/secret/mail/0").await;
    assert!(mail.starts_with("<p>mail 0</p>"));
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );
    assert!(policy.contains("img-src data:;"), "{policy}");
    let (_, policy, _) = get(&viewer, "/secret/mail/0?pictures=1").await;
    assert!(policy.starts_with("sandbox;") && policy.contains("https:"));
}

#[tokio::test]
async fn without_the_token_there_is_nothing_and_a_reload_shows_the_files_as_they_are_now() {
    let viewer = router(source(Arc::default()), "secret");
    get(&viewer, "/secret/").await;
    for path in ["/", "/wrong/", "/wrong/mail/0", "/secret/mail/1", "/mail/0"] {
        let (status, _, body) = get(&viewer, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!body.contains("mail 0"));
    }
    // A campaign whose files are bad is told above the mails of the others.
    let (_, _, page) = get(&viewer, "/secret/").await;
    assert!(
        page.contains("<h2>spring</h2>") && page.contains("spring.toml:3:1: &lt;unknown&gt; key"),
        "{page}"
    );
    let (_, _, mail) = get(&viewer, "/secret/mail/0").await;
    assert!(mail.contains("mail 1"), "{mail}");
    let (_, _, page) = get(&viewer, "/secret/").await;
    assert!(
        page.contains("dormant.html.hbs:3:1: &lt;unclosed&gt;"),
        "{page}"
    );
}
