//! What the editors have in common, and the editor of a template: its text, how it reads, what is wrong with it and where.

use askama::Template;

use super::frame::Frame;
use super::links::{Link, Place};
use super::notification::NotificationView;
use super::text::{Count, Prose};

/// What one can write on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// A segment.
    Segment,
    /// A campaign.
    Campaign,
    /// A template.
    Template,
}

impl Definition {
    /// The word, in addresses too.
    pub fn word(&self) -> &'static str {
        match self {
            Definition::Segment => "segment",
            Definition::Campaign => "campaign",
            Definition::Template => "template",
        }
    }

    /// Whether it is a segment.
    pub fn is_segment(&self) -> bool {
        *self == Definition::Segment
    }

    /// The page of a definition.
    pub fn place(&self, name: &str) -> Place {
        match self {
            Definition::Segment => Place::Segment(name.to_owned()),
            Definition::Campaign => Place::Campaign(name.to_owned()),
            Definition::Template => Place::Template(name.to_owned()),
        }
    }

    /// The page that lists its kind.
    pub fn list(&self) -> Place {
        match self {
            Definition::Segment => Place::Segments,
            Definition::Campaign => Place::Campaigns,
            Definition::Template => Place::Templates,
        }
    }
}

/// What an editor starts with.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The name of what is edited; none for a new one.
    pub name: Option<String>,
    /// The version that the edit starts from; none for a new one. It comes back with the save, so that nobody
    /// overwrites what somebody else has saved meanwhile.
    pub version: Option<u64>,
    /// The text as last written; for a new one a small example.
    pub yaml: String,
}

/// What a definition would do if it were saved now.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The definition in one plain sentence.
    pub sentence: String,
    /// "412 customers now, 30 enter, 4 leave", with numbers strong.
    pub effect: Prose,
    /// Whom it would touch, a handful.
    pub sample: Vec<Link>,
    /// Of a campaign with people inside: what becomes of them.
    pub inside: Option<Inside>,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
    /// Of a template: how a customer would read it.
    pub text: Option<String>,
    /// Of a template for notifications: how a browser would show it, in the place of the text.
    pub notification: Option<NotificationView>,
}

/// People inside a campaign that is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// How many.
    pub people: Count,
    /// They go on with the new steps; else they finish those they began with.
    pub moves: bool,
}

/// Something wrong in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `where.all[1].within`; empty for the whole.
    pub path: String,
    /// The line in the text, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what one can write instead.
    pub message: String,
}

/// A check of a text: what it would do, or what is wrong; never empty-handed.
pub type Check = Result<Preview, Vec<Problem>>;

#[derive(Template)]
#[template(path = "edit.html")]
pub(super) struct EditPage {
    pub(super) frame: Frame,
    pub(super) draft: Draft,
    pub(super) check: Option<Check>,
}

impl EditPage {
    fn back(&self) -> Place {
        self.draft.name.as_deref().map_or(Place::Templates, |name| Place::Template(name.to_owned()))
    }

    fn preview(&self) -> PreviewPart<'_> {
        PreviewPart { check: self.check.as_ref() }
    }

    /// A text area of the right height: short definitions without a hole, long ones without a scroll in a scroll.
    fn rows(&self) -> Count {
        Count::from((self.draft.yaml.lines().count() + 2).clamp(16, 40))
    }
}

/// The part beside the text; htmx fetches it alone while one types.
#[derive(Template)]
#[template(path = "preview.html")]
pub(super) struct PreviewPart<'a> {
    pub(super) check: Option<&'a Check>,
}

impl askama::filters::HtmlSafe for PreviewPart<'_> {}
