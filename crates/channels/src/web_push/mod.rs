//! Notifications of browsers by web push (RFC 8030): encrypted for one browser (RFC 8188 and 8291), signed with the shop's
//! own key (RFC 8292), and handed to whichever push service that browser chose.
//!
//! The mathematics is ring's. What has to be fresh for each message is made in one place ([`Fresh`]), so that the RFCs' own
//! numbers can take its place.

mod browser;
mod curve;
mod key_file;
mod payload;
mod seal;
mod send;
mod vapid;

pub use browser::{Browser, BrowserError, BrowserKeys};
pub use payload::{Notification, Urgency};
pub use seal::{Fresh, NoFresh, PLAIN_OCTETS, seal};
pub use send::{Pushed, WebPush};
pub use vapid::{SubjectError, VapidKey, VapidKeyError};
