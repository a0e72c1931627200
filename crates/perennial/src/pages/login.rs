//! The pages around logging in: how to get a link, the button that uses it, who is logged in. And pages that say why not.

use askama::Template;

use super::frame::Frame;
use super::session::OpenSession;

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage {
    /// What went wrong, if something did.
    pub(super) trouble: Option<String>,
}

#[derive(Template)]
#[template(path = "link.html")]
pub(super) struct LinkPage {
    /// The one-time token, for the form.
    pub(super) token: String,
}

#[derive(Template)]
#[template(path = "sessions.html")]
pub(super) struct SessionsPage {
    pub(super) frame: Frame,
    pub(super) sessions: Vec<OpenSession>,
}

/// A page that says what could not be done, with the frame around it where there is one.
#[derive(Template)]
#[template(path = "trouble.html")]
pub(super) struct TroublePage {
    pub(super) frame: Frame,
    pub(super) trouble: Trouble,
}

/// The same without a frame, for those who are not logged in or where even the frame could not be made.
#[derive(Template)]
#[template(path = "bare_trouble.html")]
pub(super) struct BareTroublePage {
    pub(super) trouble: Trouble,
}

/// What could not be done.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) title: String,
    pub(super) text: String,
}

impl Trouble {
    pub(super) fn new(title: &str, text: impl Into<String>) -> Trouble {
        Trouble { title: title.to_owned(), text: text.into() }
    }
}
