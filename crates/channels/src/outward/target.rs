//! Where a request goes: a URL, read once and for all by the same rules as in browsers, so that whatever way an
//! address is written in it, it is the address that is judged.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use url::{Host, Url};

use super::reach::{Forbidden, Reach, bare_name};

/// Longest URL, in octets.
const MAX_URL: usize = 2_048;
/// The port of https.
const HTTPS: u16 = 443;

/// Why a URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It cannot be read.
    #[error("is no URL ({reason}); write it whole, such as https://erp.example/hooks")]
    NoUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// Neither http nor https.
    #[error("begins with `{scheme}:`; only https is used, and http where `outward.plain_http` allows it")]
    Scheme {
        /// Its scheme.
        scheme: String,
    },
    /// A name or password stands in it.
    #[error("holds a user or password before the `@`; take them out of the URL")]
    UserInfo,
    /// It would travel readable.
    #[error("would be sent unencrypted; use https, or list `{host}` in `outward.plain_http` of the configuration")]
    Plain {
        /// Its host.
        host: String,
    },
    /// It holds an address that may not be reached.
    #[error("leads where nothing may be sent: {0}")]
    Forbidden(#[from] Forbidden),
}

/// A URL that may be asked, as far as that can be known before its name is looked up.
#[derive(Clone)]
pub struct Target {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) is_encrypted: bool,
    /// Path and query.
    pub(super) path: Uri,
    /// The value of the header `host`.
    pub(super) host_header: String,
}

impl Target {
    /// Reads a URL and judges what stands in it.
    pub fn read(url: &str, reach: &Reach) -> Result<Target, TargetError> {
        let target = Target::read_even_plain(url, reach)?;
        if !target.is_encrypted && !reach.may_go_plain(&target.host) {
            return Err(TargetError::Plain { host: target.host.to_string() });
        }
        Ok(target)
    }

    /// As `read`, but takes plain http: for a question that holds nothing of ours.
    pub fn read_even_plain(url: &str, reach: &Reach) -> Result<Target, TargetError> {
        let no_url = |reason: &str| TargetError::NoUrl { reason: reason.to_owned() };
        if url.len() > MAX_URL {
            return Err(no_url("it is longer than 2,048 characters"));
        }
        let url = Url::parse(url).map_err(|error| no_url(&error.to_string()))?;
        let is_encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(TargetError::Scheme { scheme: other.to_owned() }),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(no_url("it names no host"));
        };
        let host = host.to_owned();
        if let Some(address) = address_of(&host) {
            reach.judge(None, address)?;
        }
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].parse::<Uri>();
        let path = path.map_err(|_| no_url("its path has characters that must be percent-encoded"))?;
        let host_header = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Ok(Target { host, port, is_encrypted, path, host_header })
    }

    /// The name in it, as names are compared; none if it holds an address.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(bare_name(name)),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// Asks whether a stranger may have named it: at the port of https, or at a host that the owner listed.
    pub fn may_be_named_by_strangers(&self, reach: &Reach) -> bool {
        (self.is_encrypted && self.port == HTTPS) || reach.is_listed(&self.host)
    }

    /// Scheme, host and port: by which browsers and push services tell one site from another.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_encrypted { "https" } else { "http" }, self.host_header)
    }

    /// The address in it; none if it holds a name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        address_of(&self.host)
    }
}

fn address_of(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
    }
}

/// Host and port: paths and queries of such URLs hold secrets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_header)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self}/***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Target, TargetError> {
        Target::read(url, &Reach::default())
    }

    #[test]
    fn an_address_is_judged_however_it_is_written_t46() {
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://017700000001/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://0/",
            "https://0.0.0.0/",
            "https://10.0.0.5:8443/x",
            "https://169.254.169.254/latest/meta-data",
            "https://2852039166/",
            "https://0xA9FEA9FE/",
            "https://0251.0376.0251.0376/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:ffff:169.254.169.254]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[2002:7f00:1::]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://１２７.０.０.１/",
            "https://127。0。0。1/",
            "https://①②⑦.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https:\\\\127.0.0.1\\x",
            "https:127.0.0.1",
            "https:///127.0.0.1/",
            "https://\t127.0.0.1/",
            " https://127.0.0.1 ",
        ] {
            assert!(matches!(read(url), Err(TargetError::Forbidden(_))), "{url}: {:?}", read(url));
        }
        for url in ["https://[fe80::1%eth0]/", "https://[fe80::1%25eth0]/", "https://1.2.3.4.5/", "https://256.0.0.1/"]
        {
            assert!(matches!(read(url), Err(TargetError::NoUrl { .. })), "{url}: {:?}", read(url));
        }
        for url in ["https://erp.example@127.0.0.1/", "https://127.0.0.1@erp.example/", "https://:x@erp.example/"] {
            assert!(matches!(read(url), Err(TargetError::UserInfo)), "{url}: {:?}", read(url));
        }
        for url in ["ftp://erp.example/", "file:///etc/passwd", "gopher://erp.example/", "javascript:alert(1)"] {
            assert!(matches!(read(url), Err(TargetError::Scheme { .. })), "{url}: {:?}", read(url));
        }
        assert!(matches!(read("http://erp.example/"), Err(TargetError::Plain { .. })));
        assert!(matches!(read("erp.example/hooks"), Err(TargetError::NoUrl { .. })));
        assert!(matches!(read(&format!("https://erp.example/{}", "x".repeat(3_000))), Err(TargetError::NoUrl { .. })));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_a_target_outside_or_an_error(
            scheme in "(https|HTTPS|http|ftp|)", slashes in "[/\\\\]{0,4}", host in ".{0,40}", rest in ".{0,40}",
        ) {
            let reach = Reach::default();
            for url in [format!("{scheme}:{slashes}{host}/{rest}"), host, rest] {
                let Ok(target) = Target::read(&url, &reach) else { continue };
                proptest::prop_assert!(target.is_encrypted);
                proptest::prop_assert!(target.host_header.is_ascii() && !target.host_header.contains(char::is_control));
                if let Some(address) = target.address() {
                    proptest::prop_assert!(reach.judge(None, address).is_ok());
                }
            }
        }

        #[test]
        fn every_address_is_judged_alike_however_it_travels(bits in proptest::num::u32::ANY) {
            let (reach, v4) = (Reach::default(), std::net::Ipv4Addr::from_bits(bits));
            let [a, b] = [bits >> 16, bits & 0xffff];
            let is_public = reach.judge(None, IpAddr::V4(v4)).is_ok();
            for written in [
                format!("https://{v4}/"),
                format!("https://{bits}/"),
                format!("https://{bits:#x}/"),
                format!("https://0{bits:o}/"),
                format!("https://[::ffff:{v4}]/"),
                format!("https://[::ffff:{a:x}:{b:x}]/"),
                format!("https://[64:ff9b::{a:x}:{b:x}]/"),
                format!("https://[2002:{a:x}:{b:x}::1]/"),
            ] {
                proptest::prop_assert_eq!(read(&written).is_ok(), is_public, "{}", written);
            }
        }
    }

    #[test]
    fn a_name_is_kept_in_its_ascii_form_and_the_path_stays_out_of_logs() {
        let target = read("https://ÉRP.Example:8443/hooks/s3cret?key=abc#part").unwrap();
        assert_eq!(target.name(), Some("xn--rp-9ia.example"));
        assert_eq!(target.host_header, "xn--rp-9ia.example:8443");
        assert_eq!(target.path.to_string(), "/hooks/s3cret?key=abc");
        assert_eq!(format!("{target:?}"), "Target(xn--rp-9ia.example:8443/***)");
        assert_eq!(read("https://localhost./").unwrap().name(), Some("localhost"), "judged when it is looked up");
    }

    #[test]
    fn without_encryption_only_where_the_owner_says_so() {
        let reach = Reach::new(&["127.0.0.0/8".to_owned()], &["127.0.0.1".to_owned(), "erp.internal".to_owned()]);
        let reach = reach.unwrap();
        assert!(Target::read("http://127.0.0.1:9/", &reach).is_ok());
        assert!(Target::read("http://erp.internal./", &reach).is_ok());
        assert!(matches!(Target::read("http://127.0.0.2/", &reach), Err(TargetError::Plain { .. })));
    }
}
