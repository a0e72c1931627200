//! The builder of segments and campaigns: a definition as a form of words and back, and as text beside it.
//!
//! Pure: a form that was sent in, what was seen in the workspace, out comes the form as it is next. Whether a definition
//! can be used is said by `domain` and the engine; nothing here decides that.

pub mod buttons;
mod campaign;
mod choices;
pub mod form;
pub mod seen;
mod tree;
pub mod words;

#[cfg(test)]
mod campaign_tests;
#[cfg(test)]
mod tests;

pub use seen::{Seen, SeenName, SeenTemplate, SeenThing};
pub use tree::{Numbers, Tree, in_lines};

use crate::views::yaml;
use buttons::Press;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A segment, alone in its text.
    Segment,
    /// A campaign; definitions that belong to it, such as its templates, may stand beside it.
    Campaign,
}

impl Subject {
    /// What a definition is of: a campaign has steps or a name as such.
    pub(super) fn of(tree: &Tree) -> Subject {
        if own(tree).has("campaign") || own(tree).has("steps") { Subject::Campaign } else { Subject::Segment }
    }
}

/// The definition that is built, among those that stand beside it.
pub(super) fn own(tree: &Tree) -> &Tree {
    tree.items().iter().find(|one| one.has("campaign")).unwrap_or(tree)
}

/// The number of the definition that is built, as the form names it.
pub fn root_of(tree: &Tree) -> u32 {
    own(tree).id().unwrap_or(0)
}

/// A form as it was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The definition as the form was drawn from it; none if there was no form.
    pub definition: Option<Value>,
    /// What stands in the fields.
    pub fields: Vec<(String, String)>,
    /// What stands in the text.
    pub text: String,
    /// The mark of the text as it was shown.
    pub shown: String,
}

/// What the form is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish<'a> {
    /// Whatever was changed, the form or the text, counts.
    Go,
    /// The text counts.
    Text,
    /// The form counts.
    Form,
    /// The form counts, and then this button.
    Press(Press<'a>),
}

impl<'a> Wish<'a> {
    /// Reads the word of a button.
    pub fn read(word: &'a str) -> Wish<'a> {
        match word {
            "text" => Wish::Text,
            "form" => Wish::Form,
            word => Press::read(word).map_or(Wish::Go, Wish::Press),
        }
    }
}

/// The form and the text as they are next.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The definition that the form shows; none: it can be read as text only.
    pub definition: Option<Value>,
    /// The text.
    pub text: String,
    /// The mark of the text that agrees with the definition.
    pub shown: String,
    /// Why the text could not be taken, or what else stands in the way.
    pub hindrance: Option<String>,
    /// The number of the condition that was just added or moved.
    pub new: Option<u32>,
}

impl Bench {
    /// Begins with a text.
    pub fn open(subject: Subject, text: &str) -> Bench {
        let text = in_lines(text);
        match read(subject, &text) {
            Ok(definition) => Bench { definition, shown: mark(&text), text, hindrance: None, new: None },
            Err(message) => Bench { definition: None, shown: mark(&text), text, hindrance: Some(message), new: None },
        }
    }

    /// Begins with a definition.
    pub fn of(definition: Value) -> Bench {
        let text = written(&definition);
        Bench { definition: Some(definition), shown: mark(&text), text, hindrance: None, new: None }
    }

    /// The form after what was sent. Nothing that was written is lost: where form and text were both changed, both stay.
    pub fn turn(subject: Subject, sent: Sent, wish: Wish<'_>, seen: &Seen) -> Bench {
        let text = in_lines(&sent.text);
        let is_text_new = mark(&text) != sent.shown;
        let Some(before) = sent.definition else { return Bench::open(subject, &text) };
        let mut tree = Tree::of(&before, &mut Numbers::default());
        tree::write_fields(&mut tree, &sent.fields);
        choices::choose(&mut tree, &sent.fields, seen);
        let is_form_new = tree.value() != before;
        let stay = |definition: Value, hindrance: String| Bench {
            definition: Some(definition),
            text: text.clone(),
            shown: sent.shown.clone(),
            hindrance: Some(hindrance),
            new: None,
        };
        match wish {
            Wish::Form => Bench::of(tree.value()),
            Wish::Text | Wish::Go | Wish::Press(_) if is_text_new || wish == Wish::Text => {
                if is_form_new && wish != Wish::Text {
                    let words = "both the form and the text were changed: say which of them counts, with the buttons below the text";
                    return stay(tree.value(), words.to_owned());
                }
                match read(subject, &text) {
                    Ok(definition) => {
                        let hindrance = matches!(wish, Wish::Press(_)).then(|| {
                            "the text was read first, since it had been changed: press the button again".to_owned()
                        });
                        Bench { definition, shown: mark(&text), text, hindrance, new: None }
                    }
                    Err(message) => stay(tree.value(), message),
                }
            }
            Wish::Press(step) => {
                buttons::take(&mut tree, step, seen);
                // What was added, else what was moved; the nearest condition around it is where one goes on.
                let way = tree.way_to(buttons::NEW).or_else(|| tree.way_to(step.id()));
                let mut bench = Bench::of(tree.value());
                let next = bench.definition.as_ref().map(tree_of);
                bench.new = next.zip(way).and_then(|(tree, way)| {
                    let around = (0..=way.len()).rev().filter_map(|length| tree.at(&way[..length]));
                    around.filter(|tree| form::has_focus(tree)).find_map(Tree::id)
                });
                bench
            }
            // What a person wrote by hand stays as it looks.
            _ if !is_form_new => {
                Bench { definition: Some(before), shown: sent.shown, text, hindrance: None, new: None }
            }
            _ => Bench::of(tree.value()),
        }
    }

    /// The definition with numbers, as the form names it.
    pub fn tree(&self) -> Option<Tree> {
        self.definition.as_ref().map(|value| Tree::of(value, &mut Numbers::default()))
    }

    /// The text that counts if it is saved now.
    pub fn counts(&self) -> &str {
        &self.text
    }
}

/// The definition of a text, or a campaign with those beside it as a list. `Ok(None)`: a form cannot show it.
fn read(subject: Subject, text: &str) -> Result<Option<Value>, String> {
    let documents = domain::definition::read_yaml(text).map_err(|error| error.to_string())?;
    let mut definitions: Vec<Value> = documents
        .into_iter()
        .flat_map(|document| match document {
            Value::Array(items) => items,
            one => vec![one],
        })
        .filter(|definition| !definition.is_null())
        .collect();
    let of_other = |one: &Value| match subject {
        Subject::Segment => one.get("campaign").is_some(),
        Subject::Campaign => one.get("campaign").is_none() && one.get("segment").is_some(),
    };
    Ok(match definitions.as_slice() {
        [one] if one.is_object() && !of_other(one) => definitions.pop(),
        [_, _, ..] if subject == Subject::Campaign => {
            let campaigns = definitions.iter().filter(|one| one.get("campaign").is_some()).count();
            let is_clear = campaigns == 1 && definitions.iter().all(Value::is_object);
            is_clear.then_some(Value::Array(definitions))
        }
        _ => None,
    })
}

/// A definition, or several, as text.
fn written(value: &Value) -> String {
    match value {
        Value::Array(several) => yaml::write_all(several),
        one => yaml::write(one),
    }
}

/// A mark by which a text is known again.
fn mark(text: &str) -> String {
    Sha256::digest(text.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A definition with numbers, as a form names it.
pub fn tree_of(definition: &Value) -> Tree {
    Tree::of(definition, &mut Numbers::default())
}
