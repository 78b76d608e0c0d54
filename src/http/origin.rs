//! The network address that a request came from. Behind a reverse proxy on this machine or in a private network the
//! proxy's word is taken for it (the last entry of `X-Forwarded-For`, which the proxy itself wrote); anybody else's is not.

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use std::net::{IpAddr, SocketAddr};

pub fn address(extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
    let told = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?;
        let last = last.to_str().ok()?.rsplit(',').next()?.trim();
        last.parse::<IpAddr>().ok()
    };
    let address = match is_near(peer) {
        true => told().unwrap_or(peer),
        false => peer,
    };
    Some(address.to_canonical())
}

fn is_near(peer: IpAddr) -> bool {
    match peer.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::address;
    use axum::extract::ConnectInfo;
    use axum::http::{Extensions, HeaderMap, HeaderValue};
    use std::net::SocketAddr;

    #[test]
    fn only_a_proxy_nearby_is_believed() {
        let from = |peer: &str, forwarded: Option<&'static str>| {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            let mut headers = HeaderMap::new();
            if let Some(text) = forwarded {
                headers.insert("x-forwarded-for", HeaderValue::from_static(text));
            }
            address(&extensions, &headers).unwrap().to_string()
        };
        let told = Some("6.6.6.6, 203.0.113.9");
        assert_eq!(from("127.0.0.1:9", told), "203.0.113.9");
        assert_eq!(from("[::1]:9", told), "203.0.113.9");
        assert_eq!(from("198.51.100.7:9", told), "198.51.100.7");
        assert_eq!(from("10.0.0.2:9", Some("<script>")), "10.0.0.2");
        assert_eq!(from("[::ffff:198.51.100.7]:9", None), "198.51.100.7");
        assert_eq!(address(&Extensions::new(), &HeaderMap::new()), None);
    }
}
