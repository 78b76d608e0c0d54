//! Whose network a request came from, and what it says of itself.

use crate::domain::engagement::Network;
use axum::http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};

/// Whether the request was made ahead of anybody's asking (Sec-Purpose, and the headers before it).
pub(super) fn is_ahead(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("prefetch") || value.contains("preview") || value.contains("prerender")
        })
}

/// Ranges that their owners publish or that registries name: first address, length of the prefix, whose.
const RANGES: [(Ipv4Addr, u32, Network); 12] = [
    (Ipv4Addr::new(17, 0, 0, 0), 8, Network::Apple),
    (Ipv4Addr::new(104, 28, 0, 0), 16, Network::Apple),
    (Ipv4Addr::new(66, 249, 64, 0), 19, Network::Google),
    (Ipv4Addr::new(66, 102, 0, 0), 20, Network::Google),
    (Ipv4Addr::new(64, 233, 160, 0), 19, Network::Google),
    (Ipv4Addr::new(72, 14, 192, 0), 18, Network::Google),
    (Ipv4Addr::new(74, 125, 0, 0), 16, Network::Google),
    (Ipv4Addr::new(209, 85, 128, 0), 17, Network::Google),
    (Ipv4Addr::new(40, 92, 0, 0), 15, Network::Microsoft),
    (Ipv4Addr::new(40, 107, 0, 0), 16, Network::Microsoft),
    (Ipv4Addr::new(52, 100, 0, 0), 14, Network::Microsoft),
    (Ipv4Addr::new(104, 47, 0, 0), 17, Network::Microsoft),
];

pub(super) fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            if address.is_private() || address.is_loopback() || address.is_link_local() {
                return Network::Private;
            }
            let within = |(first, length, _): &&(Ipv4Addr, u32, Network)| {
                (first.to_bits() ^ address.to_bits()) >> (32 - length) == 0
            };
            (RANGES.iter().find(within)).map_or(Network::Other, |(_, _, network)| *network)
        }
        IpAddr::V6(address) if address.is_loopback() || address.is_unique_local() => {
            Network::Private
        }
        IpAddr::V6(_) => Network::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_ahead, network};
    use crate::domain::engagement::Network;
    use axum::http::{HeaderMap, HeaderValue};
    use std::net::IpAddr;

    #[test]
    fn known_ranges_are_told_from_others() {
        for (text, whose) in [
            ("17.58.1.2", Network::Apple),
            ("104.28.99.1", Network::Apple),
            ("66.249.84.12", Network::Google),
            ("40.93.1.1", Network::Microsoft),
            ("10.1.2.3", Network::Private),
            ("::1", Network::Private),
            ("::ffff:17.58.1.2", Network::Apple),
            ("203.0.113.7", Network::Other),
            ("18.0.0.1", Network::Other),
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(network(address), whose, "{text}");
        }
    }

    #[test]
    fn what_is_fetched_ahead_says_so() {
        let says = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            is_ahead(&headers)
        };
        assert!(says("sec-purpose", "prefetch;prerender") && says("x-moz", "prefetch"));
        assert!(!says("accept", "prefetch") && !says("purpose", "reading"));
    }
}
