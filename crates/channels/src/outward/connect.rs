//! From a target to an open connection: looks its name up, judges the addresses, connects to one of those, and
//! encrypts. What goes over it is in `exchange.rs`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Host;

use super::reach::{Forbidden, Reach};
use super::target::Target;
use crate::wire::tls_connector;

/// Addresses of a name that are tried, at most: a name with more is hardly meant well.
const MAX_ADDRESSES: usize = 8;

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For looking up, connecting and encrypting together.
    pub connect: Duration,
    /// From the first byte of the request to the last of the answer.
    pub answer: Duration,
    /// Most octets of an answer's head, at least 8,192.
    pub head_octets: usize,
    /// Most octets of an answer's body that are read; the rest is not waited for.
    pub body_octets: usize,
}

impl Default for Limits {
    /// Standard Webhooks names 15 to 30 s for an answer.
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(20),
            head_octets: 16 * 1024,
            body_octets: 16 * 1024,
        }
    }
}

/// Gives the addresses of a name.
pub type Lookup = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Who knows the addresses of a name.
#[derive(Clone, Default)]
pub enum Names {
    /// The system.
    #[default]
    System,
    /// Somebody else: a test that lies.
    Given(Lookup),
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Names::System => "System",
            Names::Given(_) => "Given",
        })
    }
}

/// Why the way out could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutwardError {
    /// The trusted certificates cannot be read.
    #[error("the trusted certificates cannot be read: {reason}")]
    TrustedPem {
        /// What is wrong with them.
        reason: String,
    },
}

/// Why there is no connection. Nothing of the request went out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Its name leads nowhere it may.
    #[error("{host} leads where nothing may be sent: {forbidden}")]
    Forbidden {
        /// The host.
        host: String,
        /// The first address that was refused.
        forbidden: Forbidden,
    },
    /// Its name has no address.
    #[error("the name {host} is not known")]
    UnknownName {
        /// The host.
        host: String,
    },
    /// Nobody listens there, or the network is down.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// The last thing that broke.
        reason: String,
    },
    /// Not who it should be, or no encryption in common.
    #[error("{host} cannot be spoken to encrypted: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What broke.
        reason: String,
    },
    /// It took too long.
    #[error("{host} did not take the connection in time")]
    TooSlow {
        /// The host.
        host: String,
    },
}

/// The way out. Cheap to share; holds no connections.
pub struct Outward {
    reach: Reach,
    names: Names,
    tls: TlsConnector,
    limits: Limits,
}

impl Outward {
    /// A way out with the usual bounds. `trusted_pem`: certificates trusted beside Mozilla's roots, a company's own
    /// authority.
    pub fn new(reach: Reach, trusted_pem: Option<&str>) -> Result<Outward, OutwardError> {
        let tls = tls_connector(trusted_pem).map_err(|reason| OutwardError::TrustedPem { reason })?;
        Ok(Outward { reach, names: Names::System, tls, limits: Limits::default() })
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Outward {
        Outward { limits, ..self }
    }

    /// The same with somebody else who knows the addresses of names.
    #[must_use]
    pub fn with_names(self, names: Names) -> Outward {
        Outward { names, ..self }
    }

    /// What may be reached.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Connects to an address of the target that may be reached. Errors: nothing went out.
    pub async fn connect(&self, target: &Target) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + self.limits.connect;
        let host = target.to_string();
        let connecting = async {
            let addresses = self.permitted(target).await?;
            let tcp = reach_one(&host, &addresses, deadline).await?;
            // Small requests go out at once; if that cannot be set, they go a little later.
            let _ = tcp.set_nodelay(true);
            let stream = if target.is_encrypted {
                Stream::Tls(Box::new(self.encrypt(target, tcp).await?))
            } else {
                Stream::Plain(tcp)
            };
            Ok(Connection { stream, target: target.clone(), limits: self.limits })
        };
        timeout_at(deadline, connecting).await.unwrap_or(Err(ConnectError::TooSlow { host: target.to_string() }))
    }

    /// Looks the name up and judges what it leads to, once: these addresses are what is connected to.
    async fn permitted(&self, target: &Target) -> Result<Vec<SocketAddr>, ConnectError> {
        let name = target.name();
        let found: Vec<IpAddr> = match (target.address(), name, &self.names) {
            (Some(address), _, _) => vec![address],
            (None, Some(name), Names::Given(known)) => known(name),
            (None, Some(name), Names::System) => match tokio::net::lookup_host((name, target.port)).await {
                Ok(found) => found.map(|address| address.ip()).collect(),
                Err(_) => Vec::new(),
            },
            (None, None, _) => Vec::new(),
        };
        let mut forbidden = None;
        let mut permitted = Vec::new();
        for address in found.into_iter().take(MAX_ADDRESSES) {
            match self.reach.judge(name, address) {
                Ok(()) => permitted.push(SocketAddr::new(address, target.port)),
                Err(refused) => forbidden = forbidden.or(Some(refused)),
            }
        }
        match forbidden {
            _ if !permitted.is_empty() => Ok(permitted),
            Some(forbidden) => Err(ConnectError::Forbidden { host: target.to_string(), forbidden }),
            None => Err(ConnectError::UnknownName { host: target.to_string() }),
        }
    }

    async fn encrypt(&self, target: &Target, tcp: TcpStream) -> Result<TlsStream<TcpStream>, ConnectError> {
        let failed = |reason: String| ConnectError::Tls { host: target.to_string(), reason };
        let name = match &target.host {
            Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(*address).into()),
            Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(*address).into()),
            Host::Domain(_) => ServerName::try_from(target.name().unwrap_or_default().to_owned())
                .map_err(|_| failed("its name cannot stand in a certificate".to_owned()))?,
        };
        self.tls.connect(name, tcp).await.map_err(|error| failed(error.to_string()))
    }
}

impl fmt::Debug for Outward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outward").field("reach", &self.reach).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Tries addresses in their order, each with its share of the time that is left.
async fn reach_one(host: &str, addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ConnectError> {
    let mut last = ConnectError::UnknownName { host: host.to_owned() };
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(1);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        last = match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => ConnectError::Unreachable { host: host.to_owned(), reason: error.kind().to_string() },
            Err(_) => ConnectError::TooSlow { host: host.to_owned() },
        };
    }
    Err(last)
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// An open connection to a permitted address, for one request.
pub struct Connection {
    pub(super) stream: Stream,
    pub(super) target: Target,
    pub(super) limits: Limits,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({:?})", self.target)
    }
}
