//! Which addresses may be reached: judged by what they are, however they were written and whoever named them.
//! The ranges are those of the IANA registries of special-purpose addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// Entries that the owner may list: a bound for a file that was made by mistake.
const MAX_ENTRIES: usize = 1_000;

/// Networks of IPv4 that are nobody else's public service, with a word for each.
const SPECIAL_V4: [(Ipv4Addr, u8, &str); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "stands for no host"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "belongs to a private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "belongs to a provider's own network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "is this machine"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "is link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "belongs to a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "is kept for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "is kept for documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "is kept for protocols"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "is kept for protocols"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "belongs to a private network"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "is kept for measurements"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "is kept for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "is kept for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "means many hosts"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "is reserved"),
];

/// Of IPv6 only `2000::/3` is public at all; of that, these are not.
const SPECIAL_V6: [(Ipv6Addr, u8, &str); 4] = [
    // Teredo, which hides an IPv4 address, benchmarks and the like.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "is kept for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "is kept for documentation"),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, "is kept for protocols"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "is kept for documentation"),
];

const PUBLIC_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const LINK_LOCAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
const UNIQUE_LOCAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);
/// IPv4 behind a translator, RFC 6052.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// IPv4 behind a relay, RFC 3056.
const SIX_TO_FOUR: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Where providers of machines tell them their passwords. A name never opens these; only the address itself does.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// An address that may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} {what}; if it is meant, list it in `outward.allow` of the configuration")]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// Why: a few words that go on from the address.
    pub what: &'static str,
}

/// An entry of the configuration that is neither a host nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// It cannot be read.
    #[error("`{entry}` is no host, address or network; write `erp.internal`, `10.1.2.3` or `10.1.0.0/16`")]
    Entry {
        /// As configured.
        entry: String,
    },
    /// There are too many.
    #[error("more than {MAX_ENTRIES} hosts and networks are listed")]
    Many,
}

/// What may be reached beyond public addresses, and what without encryption. Nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    allowed: Places,
    plain_http: Places,
}

impl Reach {
    /// Reads the owner's lists. An entry is a host name, an address, or a network such as `10.1.0.0/16`.
    ///
    /// `allow`: reached although not public. `plain_http`: hosts that may be spoken to without encryption; a network
    /// counts for URLs that hold an address.
    pub fn new(allow: &[String], plain_http: &[String]) -> Result<Reach, ReachError> {
        Ok(Reach { allowed: Places::read(allow)?, plain_http: Places::read(plain_http)? })
    }

    /// Asks whether an address may be reached. `host`: the name that led to it, in the form of `bare_name`.
    pub fn judge(&self, host: Option<&str>, address: IpAddr) -> Result<(), Forbidden> {
        let meant = meant_by(address);
        let Some(what) = special(meant) else { return Ok(()) };
        let by_address = self.allowed.hold_address(meant) || self.allowed.hold_address(address);
        let opens_by_name = !METADATA.contains(&meant) && !is_link_local(meant);
        let by_name = opens_by_name && host.is_some_and(|host| self.allowed.names.iter().any(|name| name == host));
        if by_address || by_name { Ok(()) } else { Err(Forbidden { address, what }) }
    }

    /// Asks whether the owner listed a host, so that more may be done there than with a stranger's.
    pub(super) fn is_listed(&self, host: &Host<String>) -> bool {
        match host {
            Host::Domain(name) => self.allowed.names.iter().any(|known| *known == bare_name(name)),
            Host::Ipv4(address) => self.allowed.hold_address(IpAddr::V4(*address)),
            Host::Ipv6(address) => self.allowed.hold_address(meant_by(IpAddr::V6(*address))),
        }
    }

    /// Asks whether a host may be spoken to without encryption.
    pub(super) fn may_go_plain(&self, host: &Host<String>) -> bool {
        match host {
            Host::Domain(name) => self.plain_http.names.iter().any(|known| *known == bare_name(name)),
            Host::Ipv4(address) => self.plain_http.hold_address(IpAddr::V4(*address)),
            Host::Ipv6(address) => self.plain_http.hold_address(meant_by(IpAddr::V6(*address))),
        }
    }
}

/// A host name as names are compared: without the dot that may end it. `url` has made its letters small already.
pub(super) fn bare_name(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[derive(Debug, Clone, Default)]
struct Places {
    names: Vec<String>,
    networks: Vec<(IpAddr, u8)>,
}

impl Places {
    fn read(entries: &[String]) -> Result<Places, ReachError> {
        if entries.len() > MAX_ENTRIES {
            return Err(ReachError::Many);
        }
        let mut places = Places::default();
        for entry in entries {
            match read_entry(entry).ok_or_else(|| ReachError::Entry { entry: entry.clone() })? {
                Entry::Name(name) => places.names.push(name),
                Entry::Network(network) => places.networks.push(network),
            }
        }
        Ok(places)
    }

    fn hold_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|(network, bits)| is_in(address, *network, *bits))
    }
}

enum Entry {
    Name(String),
    Network((IpAddr, u8)),
}

fn read_entry(entry: &str) -> Option<Entry> {
    let entry = entry.trim();
    if let Some((address, bits)) = entry.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        return (bits <= width(address)).then_some(Entry::Network((address, bits)));
    }
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Some(Entry::Network((address, width(address))));
    }
    match Host::parse(entry).ok()? {
        Host::Domain(name) if !bare_name(&name).is_empty() => Some(Entry::Name(bare_name(&name).to_owned())),
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(Entry::Network((IpAddr::V4(address), 32))),
        Host::Ipv6(address) => Some(Entry::Network((IpAddr::V6(address), 128))),
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            address.to_bits() & kept == network.to_bits() & kept
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            address.to_bits() & kept == network.to_bits() & kept
        }
        _ => false,
    }
}

/// The address that is reached in the end: IPv4 that travels inside IPv6 is judged as IPv4.
fn meant_by(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let within = |(network, bits): (Ipv6Addr, u8)| is_in(address, IpAddr::V6(network), bits);
    let [.., a, b] = v6.segments();
    let octets = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match v6.to_ipv4_mapped() {
        Some(v4) => IpAddr::V4(v4),
        None if within(NAT64) => octets(a, b),
        None if within(SIX_TO_FOUR) => {
            let [_, a, b, ..] = v6.segments();
            octets(a, b)
        }
        None => address,
    }
}

/// What an address is instead of public; none: it is public.
fn special(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("tells machines their secrets");
    }
    match address {
        IpAddr::V4(_) => {
            let found = SPECIAL_V4.iter().find(|(network, bits, _)| is_in(address, IpAddr::V4(*network), *bits));
            found.map(|(_, _, what)| *what)
        }
        IpAddr::V6(v6) => {
            let within = |(network, bits): (Ipv6Addr, u8)| is_in(address, IpAddr::V6(network), bits);
            match () {
                () if v6.is_loopback() => Some("is this machine"),
                () if v6.is_unspecified() => Some("stands for no host"),
                () if v6.is_multicast() => Some("means many hosts"),
                () if within(LINK_LOCAL_V6) => Some("is link-local"),
                () if within(UNIQUE_LOCAL_V6) => Some("belongs to a private network"),
                () if !within(PUBLIC_V6) => Some("is reserved"),
                () => SPECIAL_V6.iter().find(|(network, bits, _)| within((*network, *bits))).map(|(_, _, what)| *what),
            }
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(_) => is_in(address, IpAddr::V6(LINK_LOCAL_V6.0), LINK_LOCAL_V6.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(reach: &Reach, host: Option<&str>, address: &str) -> bool {
        reach.judge(host, address.parse().unwrap()).is_ok()
    }

    #[test]
    fn what_is_not_public_is_forbidden_and_its_neighbours_are_not() {
        let reach = Reach::default();
        for forbidden in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::5",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:0:7f00:1::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!judge(&reach, None, forbidden), "{forbidden} must not be reached");
            assert!(!judge(&reach, Some("erp.example"), forbidden), "{forbidden} must not be reached by a name");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(judge(&reach, None, public), "{public} is public");
        }
    }

    #[test]
    fn the_owner_opens_a_network_an_address_or_a_name_and_no_more() {
        let list = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        let reach = Reach::new(&list(&["10.1.0.0/16", "::1", "ERP.internal.", "0x7f.1"]), &[]).unwrap();
        assert!(judge(&reach, None, "10.1.255.1"));
        assert!(judge(&reach, None, "::ffff:10.1.0.9"), "the same address in other words");
        assert!(judge(&reach, None, "127.0.0.1"), "0x7f.1 is 127.0.0.1 here as in a URL");
        assert!(judge(&reach, None, "::1"));
        assert!(!judge(&reach, None, "10.2.0.1"));
        assert!(!judge(&reach, None, "127.0.0.2"));
        assert!(judge(&reach, Some("erp.internal"), "192.168.7.7"));
        assert!(!judge(&reach, Some("erp.internal.evil.example"), "192.168.7.7"));
        assert!(!judge(&reach, Some("erp.internal"), "169.254.169.254"), "a name opens no metadata");
        assert!(!judge(&reach, Some("erp.internal"), "fe80::1"), "nor what is link-local");
        let metadata = Reach::new(&list(&["169.254.169.254"]), &[]).unwrap();
        assert!(judge(&metadata, None, "169.254.169.254"), "whoever writes the address means it");
        for wrong in ["10.0.0.0/33", "10.0.0.0/", "/8", "http://erp", "a b", "", ".", "::1/129"] {
            assert!(Reach::new(&list(&[wrong]), &[]).is_err(), "{wrong}");
        }
        assert!(judge(&Reach::new(&list(&["0.0.0.0/0", "::/0"]), &[]).unwrap(), None, "127.0.0.1"));
    }
}
