//! Where a DICOM peer listens, as engineers write it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// HOST:PORT, or `tls://HOST:PORT` for a peer that is called over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub tls: bool,
    /// IPv6 addresses in brackets.
    host: String,
    port: u16,
}

impl Address {
    pub fn of(socket: SocketAddr, tls: bool) -> Self {
        let host = match socket.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { tls, host, port: socket.port() }
    }

    /// As certificates name it.
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    pub async fn look_up(&self) -> io::Result<SocketAddr> {
        let mut found = tokio::net::lookup_host((self.host(), self.port)).await?;
        found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT or tls://HOST:PORT")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (tls, rest) = text.strip_prefix("tls://").map_or((false, text), |rest| (true, rest));
        let (host, port) = rest.rsplit_once(':').ok_or(NotAnAddress)?;
        let port: u16 = port.parse().map_err(|_| NotAnAddress)?;
        let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let odd = |c: char| c.is_whitespace() || c == '/' || (c == ':' && !bracketed);
        if host.is_empty() || host.contains(odd) || port == 0 {
            return Err(NotAnAddress);
        }
        Ok(Self { tls, host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", if self.tls { "tls://" } else { "" }, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_with_tls_or_without() {
        for (text, tls, host) in [
            ("10.1.2.3:104", false, "10.1.2.3"),
            ("ws1.county.cn:11112", false, "ws1.county.cn"),
            ("[fd00::7]:104", false, "fd00::7"),
            ("tls://ws1.county.cn:2762", true, "ws1.county.cn"),
            ("tls://[fd00::7]:2762", true, "fd00::7"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.tls, address.host()), (tls, host));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!("fd00::7:104".parse::<Address>().unwrap().to_string(), "[fd00::7]:104");
        for bad in ["10.1.2.3", ":104", "host:0", "host:65536", "a b:104", "http://a:104", "a:b:104", "tls://a"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
