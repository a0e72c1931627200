//! The places of the pages and how their addresses are written. Ids are anybody's text, so each is percent-encoded.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

/// A page one can go to. Views name places, not addresses, so that no text from outside becomes a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// What matters now.
    Home,
    /// The list of customers, searched for a text (empty: all).
    Customers(String),
    /// One customer, by internal id.
    Customer(String),
    /// The list of segments.
    Segments,
    /// One segment, by name.
    Segment(String),
    /// Ready segments.
    Gallery,
    /// Ready campaigns.
    Plays,
    /// Why a customer (by internal id) is in a segment (by name) or not; in every segment.
    Why(String, Option<String>),
    /// The list of campaigns.
    Campaigns,
    /// One campaign, by name.
    Campaign(String),
    /// The list of templates.
    Templates,
    /// One template, by name.
    Template(String),
    /// The editor for a new template.
    NewTemplate,
    /// The editor of a template, by name.
    EditTemplate(String),
    /// The outbox; the word is an outcome or empty.
    Messages(String),
    /// One message, by id.
    Message(String),
    /// What people are asked to do.
    Tasks,
    /// What other systems were told.
    Webhooks,
    /// Pools of vouchers.
    Vouchers,
    /// Where data comes from.
    Sources,
    /// Questions in SQL.
    Query,
    /// The editor for a new segment.
    NewSegment,
    /// The editor for a new campaign.
    NewCampaign,
    /// The editor of a segment, by name.
    EditSegment(String),
    /// The editor of a campaign, by name.
    EditCampaign(String),
    /// The editor with a copy of a campaign.
    CopyCampaign(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Home => f.write_str("/"),
            Place::Customers(query) if query.is_empty() => f.write_str("/customers"),
            Place::Customers(query) => write!(f, "/customers?q={}", encoded(query)),
            Place::Customer(id) => write!(f, "/customers/{}", encoded(id)),
            Place::Segments => f.write_str("/segments"),
            Place::Segment(name) => write!(f, "/segments/{}", encoded(name)),
            Place::Gallery => f.write_str("/gallery"),
            Place::Plays => f.write_str("/gallery/campaigns"),
            Place::Why(id, None) => write!(f, "/customers/{}/why", encoded(id)),
            Place::Why(id, Some(name)) => write!(f, "/customers/{}/why?segment={}", encoded(id), encoded(name)),
            Place::Campaigns => f.write_str("/campaigns"),
            Place::Campaign(name) => write!(f, "/campaigns/{}", encoded(name)),
            Place::Templates => f.write_str("/templates"),
            Place::Template(name) => write!(f, "/templates/{}", encoded(name)),
            Place::NewTemplate => f.write_str("/edit/template"),
            Place::EditTemplate(name) => write!(f, "/edit/template?name={}", encoded(name)),
            Place::Messages(outcome) if outcome.is_empty() => f.write_str("/messages"),
            Place::Messages(outcome) => write!(f, "/messages?outcome={}", encoded(outcome)),
            Place::Message(id) => write!(f, "/messages/{}", encoded(id)),
            Place::Tasks => f.write_str("/tasks"),
            Place::Webhooks => f.write_str("/webhooks"),
            Place::Vouchers => f.write_str("/vouchers"),
            Place::Sources => f.write_str("/sources"),
            Place::Query => f.write_str("/query"),
            Place::NewSegment => f.write_str("/edit/segment"),
            Place::NewCampaign => f.write_str("/edit/campaign"),
            Place::EditSegment(name) => write!(f, "/edit/segment?name={}", encoded(name)),
            Place::CopyCampaign(name) => write!(f, "/edit/campaign?copy={}", encoded(name)),
            Place::EditCampaign(name) => write!(f, "/edit/campaign?name={}", encoded(name)),
        }
    }
}

impl HtmlSafe for Place {}

/// Words that lead to a place.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<a href="{{ to }}"><bdi>{{ text }}</bdi></a>"#)]
pub struct Link {
    /// What is written.
    pub text: String,
    /// Where it leads.
    pub to: Place,
}

impl HtmlSafe for Link {}

impl Link {
    /// A customer by internal id and name.
    pub fn customer(id: &str, name: &str) -> Link {
        Link::new(name, Place::Customer(id.to_owned()))
    }

    /// A segment by name and title.
    pub fn segment(name: &str, title: &str) -> Link {
        Link::new(title, Place::Segment(name.to_owned()))
    }

    /// A campaign by name and title.
    pub fn campaign(name: &str, title: &str) -> Link {
        Link::new(title, Place::Campaign(name.to_owned()))
    }

    /// A message by id and subject.
    pub fn message(id: &str, subject: &str) -> Link {
        Link::new(subject, Place::Message(id.to_owned()))
    }

    /// Any words to any place. Words that nobody can see (none, or blanks) become "(no name)".
    pub fn new(text: &str, to: Place) -> Link {
        let text = if text.trim().is_empty() { "(no name)" } else { text };
        Link { text: text.to_owned(), to }
    }
}

/// A text as one piece of a path or a query value: all but unreserved ASCII is percent-encoded.
pub fn encoded(text: &str) -> String {
    let mut address = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => address.push(char::from(byte)),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}
