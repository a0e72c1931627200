//! A notification about as it looks on a screen. Pictures from elsewhere are not fetched: their place is shown.

use askama::Template;
use askama::filters::HtmlSafe;

/// What a browser shows.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "notification.html")]
pub struct NotificationView {
    /// Its first line.
    pub title: String,
    /// What is to be read.
    pub body: String,
    /// Where a click leads, as the author wrote it.
    pub leads_to: Option<String>,
    /// The address of the picture beside it.
    pub icon: Option<String>,
}

impl HtmlSafe for NotificationView {}
