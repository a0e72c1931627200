//! Private keys as files hold them: PEM, RFC 7468.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A private key (PKCS#8) as text, in lines of 64 characters.
pub(crate) fn of_private_key(der: &[u8]) -> String {
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}
