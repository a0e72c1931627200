//! Runs a template over a customer's data, within a budget. Data is looked up and printed, never read as a template.

use super::WriteError;
use super::filters;
use super::liquid::{Chain, Comparison, Expr, Loop, Node, NodeKind, Offset, Path, Program, Step};
use domain::money::Currency;
use domain::time::{Timestamp, Zone};
use serde_json::Value;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Bytes of a part of a message. Gmail cuts mails at 102 KB; five times that is no letter any more.
pub(super) const OUTPUT_LIMIT: usize = 512 * 1024;
/// Items of a list or range. A mail of ten thousand lines has other problems; the number bounds sorting and copying.
pub(super) const LIST_LIMIT: usize = 10_000;
/// Work of one part: a byte made or looked at is 1, a tag 32. Enough for half a million tags; it ends a loop
/// without end after some tens of milliseconds.
const WORK_LIMIT: usize = 16 * 1024 * 1024;
const WORK_OF_A_NODE: usize = 32;
const WORK_OF_AN_EXPRESSION: usize = 4;

/// A stretch of output: what the author wrote is markup, what came from data never is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Piece {
    /// The template's own text.
    Author(Arc<str>),
    /// A printed value, to be escaped for the place where it stands.
    Value(Arc<str>),
}

impl Piece {
    pub(super) fn text(&self) -> &str {
        match self {
            Piece::Author(text) | Piece::Value(text) => text,
        }
    }
}

/// A value while the template runs.
#[derive(Clone, Debug)]
pub(super) enum Val<'d> {
    /// Not there, null, or `""`: fine in a condition and before `default`, but not printed.
    Missing(Arc<Missing>),
    Nil,
    Empty,
    Blank,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// What `capture` caught: author's text and values, kept apart.
    Markup(Arc<[Piece]>),
    /// An object or array of the data.
    Json(&'d Value),
    List(Arc<[Val<'d>]>),
    Range(i64, i64),
    Map(Arc<[(&'static str, Val<'d>)]>),
    /// An instant that was given a zone.
    Instant(Timestamp, Zone),
}

#[derive(Debug)]
pub(super) struct Missing {
    pub(super) path: String,
    /// It is there, but empty: `== ''` and truthy, as in every Liquid.
    pub(super) is_empty_text: bool,
}

/// Data and circumstances of a run.
pub(super) struct Scene<'d> {
    /// What the template's first words mean: `customer`, `event`, …
    pub(super) roots: Vec<(&'d str, &'d Value)>,
    pub(super) now: Timestamp,
    pub(super) zone: &'d Zone,
    pub(super) currency: Currency,
    pub(super) writing: Writing,
    /// Where values are noted that are missing and printed as nothing; none: the first one ends the run.
    pub(super) gaps: Option<&'d Gaps>,
}

/// Paths of values that were missing where they were to be printed.
pub type Gaps = RefCell<BTreeSet<String>>;

/// What the output is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writing {
    /// HTML, or Markdown on its way there: every value is escaped later, so `escape` has nothing left to do.
    Html,
    /// Subject or text part: nothing is escaped unless the author does.
    Text,
}

/// Runs a program to its output.
pub(super) fn run<'d>(program: &Program, scene: &Scene<'d>) -> Result<Vec<Piece>, WriteError> {
    let mut run = Run {
        scene,
        variables: HashMap::new(),
        counters: HashMap::new(),
        cycles: HashMap::new(),
        continued: HashMap::new(),
        output: Output::default(),
        work: 0,
    };
    run.nodes(&program.nodes)?;
    Ok(run.output.pieces)
}

#[derive(Default)]
struct Output {
    pieces: Vec<Piece>,
    bytes: usize,
}

#[derive(Clone)]
struct Variable<'d> {
    value: Val<'d>,
    /// Where in the data it stands, for items of a loop.
    origin: Option<Arc<str>>,
}

/// An item of a loop, and where in the data it stands.
type Item<'d> = (Val<'d>, Option<Arc<str>>);

#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// A run under way.
pub(super) struct Run<'a, 'd> {
    pub(super) scene: &'a Scene<'d>,
    variables: HashMap<Arc<str>, Variable<'d>>,
    counters: HashMap<Arc<str>, i64>,
    cycles: HashMap<String, usize>,
    continued: HashMap<Arc<str>, usize>,
    output: Output,
    work: usize,
}

impl<'d> Run<'_, 'd> {
    /// Counts work, and ends the run when there was too much.
    pub(super) fn spend(&mut self, work: usize) -> Result<(), WriteError> {
        self.work = self.work.saturating_add(work);
        if self.work > WORK_LIMIT { Err(WriteError::TooSlow) } else { Ok(()) }
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<Flow, WriteError> {
        for node in nodes {
            self.spend(WORK_OF_A_NODE)?;
            let flow = self.node(node).map_err(|error| error.at_line(node.line))?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node) -> Result<Flow, WriteError> {
        match &node.kind {
            NodeKind::Text(text) => self.write(Piece::Author(text.clone()))?,
            NodeKind::Print(chain) => self.print(chain)?,
            NodeKind::Assign { name, chain } => {
                let value = self.chain(chain)?;
                self.bind(name, value, None);
            }
            NodeKind::Capture { name, body } => return self.capture(name, body),
            NodeKind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.expression(condition)?.is_true() {
                        return self.nodes(body);
                    }
                }
                return self.nodes(otherwise);
            }
            NodeKind::Case { subject, whens, otherwise } => return self.case(subject, whens, otherwise),
            NodeKind::For(head) => return self.repeat(head),
            NodeKind::Cycle { group, values, key } => self.cycle(group.as_ref(), values, key)?,
            NodeKind::Increment(name) => {
                let counter = self.counters.entry(name.clone()).or_insert(0);
                let shown = *counter;
                *counter = counter.saturating_add(1);
                self.write(Piece::Value(shown.to_string().into()))?;
            }
            NodeKind::Decrement(name) => {
                let counter = self.counters.entry(name.clone()).or_insert(0);
                *counter = counter.saturating_sub(1);
                let shown = *counter;
                self.write(Piece::Value(shown.to_string().into()))?;
            }
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
            NodeKind::Abort(reason) => {
                return Err(WriteError::Aborted { reason: reason.to_string() });
            }
        }
        Ok(Flow::Next)
    }

    fn bind(&mut self, name: &Arc<str>, value: Val<'d>, origin: Option<Arc<str>>) {
        self.variables.insert(name.clone(), Variable { value, origin });
    }

    fn write(&mut self, piece: Piece) -> Result<(), WriteError> {
        let length = piece.text().len();
        self.output.bytes = self.output.bytes.saturating_add(length);
        if self.output.bytes > OUTPUT_LIMIT {
            return Err(WriteError::TooLong { part: "output".to_owned(), limit: OUTPUT_LIMIT });
        }
        if length > 0 {
            self.output.pieces.push(piece);
        }
        Ok(())
    }

    fn print(&mut self, chain: &Chain) -> Result<(), WriteError> {
        match self.chain(chain)? {
            Val::Missing(missing) => self.lacks(&missing.path),
            Val::Markup(pieces) => {
                self.spend(pieces.len() * WORK_OF_A_NODE)?;
                pieces.iter().try_for_each(|piece| self.write(piece.clone()))
            }
            value => {
                let text = self.text(&value)?;
                if text.is_empty()
                    && let Some(path) = self.lost_at(chain)
                {
                    return self.lacks(&path);
                }
                self.write(Piece::Value(text))
            }
        }
    }

    /// A value is to be printed and is not there.
    fn lacks(&self, path: &str) -> Result<(), WriteError> {
        let Some(gaps) = self.scene.gaps else { return Err(WriteError::Missing { path: path.to_owned() }) };
        gaps.borrow_mut().insert(path.to_owned());
        Ok(())
    }

    /// Where a value came from that prints as nothing, if it is the data's and the author foresaw no `default`.
    fn lost_at(&self, chain: &Chain) -> Option<String> {
        let Expr::Path(path) = &chain.base else {
            return None;
        };
        let has_default = chain.filters.iter().any(|call| call.name.as_ref() == "default");
        if has_default { None } else { self.place_of(path) }
    }

    fn capture(&mut self, name: &Arc<str>, body: &[Node]) -> Result<Flow, WriteError> {
        let outer = std::mem::take(&mut self.output);
        let flow = self.nodes(body)?;
        let caught = std::mem::replace(&mut self.output, outer);
        self.bind(name, Val::Markup(caught.pieces.into()), None);
        Ok(flow)
    }

    fn case(
        &mut self,
        subject: &Expr,
        whens: &[(Vec<Expr>, Vec<Node>)],
        otherwise: &[Node],
    ) -> Result<Flow, WriteError> {
        let subject = self.expression(subject)?;
        for (values, body) in whens {
            for value in values {
                let value = self.expression(value)?;
                if self.equal(&subject, &value)? {
                    return self.nodes(body);
                }
            }
        }
        self.nodes(otherwise)
    }

    fn cycle(&mut self, group: Option<&Expr>, values: &[Expr], key: &Arc<str>) -> Result<(), WriteError> {
        let key = match group {
            Some(group) => {
                let value = self.expression(group)?;
                format!("group {}", self.text(&value)?)
            }
            None => key.to_string(),
        };
        let turn = self.cycles.entry(key).or_insert(0);
        let index = *turn % values.len();
        *turn = index + 1;
        let value = self.expression(&values[index])?;
        if let Val::Missing(missing) = &value {
            return self.lacks(&missing.path);
        }
        let text = self.text(&value)?;
        self.write(Piece::Value(text))
    }

    // Loops.

    fn repeat(&mut self, head: &Loop) -> Result<Flow, WriteError> {
        let items = self.loop_items(head)?;
        if items.is_empty() {
            return self.nodes(&head.otherwise);
        }
        // What the names meant outside comes back after the loop.
        let forloop: Arc<str> = if head.table.is_some() { "tablerowloop".into() } else { "forloop".into() };
        let outer = [&head.variable, &forloop].map(|name| (name.clone(), self.variables.get(name).cloned()));
        let columns = match &head.table {
            Some(Some(columns)) => self.count(columns)?.filter(|columns| *columns > 0).unwrap_or(items.len()),
            _ => items.len(),
        };
        let length = items.len();
        for (index, (item, origin)) in items.into_iter().enumerate() {
            self.spend(WORK_OF_A_NODE)?;
            self.bind(&head.variable, item, origin);
            let state = loop_state(index, length, columns, outer[1].1.as_ref().map(|variable| variable.value.clone()));
            self.bind(&forloop, state, None);
            if head.table.is_some() {
                self.open_cell(index, columns)?;
            }
            let flow = self.nodes(&head.body)?;
            if head.table.is_some() {
                let closing =
                    if (index + 1).is_multiple_of(columns) || index + 1 == length { "</td></tr>" } else { "</td>" };
                self.write(Piece::Author(closing.into()))?;
            }
            if flow == Flow::Break {
                break;
            }
        }
        for (name, variable) in outer {
            match variable {
                Some(variable) => self.variables.insert(name, variable),
                None => self.variables.remove(&name),
            };
        }
        Ok(Flow::Next)
    }

    fn open_cell(&mut self, index: usize, columns: usize) -> Result<(), WriteError> {
        if index.is_multiple_of(columns) {
            self.write(Piece::Author(format!("<tr class=\"row{}\">", index / columns + 1).into()))?;
        }
        self.write(Piece::Author(format!("<td class=\"col{}\">", index % columns + 1).into()))
    }

    /// The items to go through, each with its place in the data.
    fn loop_items(&mut self, head: &Loop) -> Result<Vec<Item<'d>>, WriteError> {
        let collection = self.expression(&head.collection)?;
        let origin = match &head.collection {
            Expr::Path(path) => self.place_of(path),
            _ => None,
        };
        let items = match &collection {
            Val::Json(Value::Object(map)) => map
                .iter()
                .map(|(key, value)| Val::List(vec![Val::Text(key.as_str().into()), Val::of_json(value)].into()))
                .collect(),
            _ => self.items(&collection)?,
        };
        let offset = match &head.offset {
            None => 0,
            Some(Offset::Continue) => self.continued.get(&head.key).copied().unwrap_or(0),
            Some(Offset::At(expression)) => self.count(expression)?.unwrap_or(0),
        };
        let limit = match &head.limit {
            None => usize::MAX,
            Some(expression) => self.count(expression)?.unwrap_or(usize::MAX),
        };
        let is_list = matches!(collection, Val::Json(Value::Array(_)));
        let mut chosen: Vec<_> = items
            .into_iter()
            .enumerate()
            .skip(offset)
            .take(limit)
            .map(|(index, item)| {
                let place: Option<Arc<str>> =
                    origin.as_ref().filter(|_| is_list).map(|place| format!("{place}[{index}]").into());
                // An item that is null or "" in the data is as missing as a key would be.
                match (&place, item.emptiness()) {
                    (Some(path), Some(is_empty_text)) => (Val::missing(path.to_string(), is_empty_text), place),
                    _ => (item, place),
                }
            })
            .collect();
        self.continued.insert(head.key.clone(), offset.saturating_add(chosen.len()));
        if head.reversed {
            chosen.reverse();
        }
        Ok(chosen)
    }

    fn count(&mut self, expression: &Expr) -> Result<Option<usize>, WriteError> {
        Ok(match self.expression(expression)? {
            Val::Int(number) => Some(usize::try_from(number).unwrap_or(0)),
            Val::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// The items of a list; a text or object is a list of itself, what is not there has none.
    pub(super) fn items(&mut self, value: &Val<'d>) -> Result<Vec<Val<'d>>, WriteError> {
        let count =
            match value {
                Val::Json(Value::Array(items)) => items.len(),
                Val::List(items) => items.len(),
                Val::Range(from, to) => usize::try_from(i128::from(*to) - i128::from(*from) + 1)
                    .unwrap_or(if to < from { 0 } else { usize::MAX }),
                Val::Text(text) => usize::from(!text.is_empty()),
                _ => 1,
            };
        if count > LIST_LIMIT {
            return Err(WriteError::broken(format!("a list of {count} items, at most {LIST_LIMIT} are allowed")));
        }
        self.spend(count)?;
        match value {
            Val::Missing(_) | Val::Nil | Val::Empty | Val::Blank => Ok(Vec::new()),
            Val::Json(Value::Array(items)) => {
                let items: Vec<_> = items.iter().map(Val::of_json).collect();
                let bytes = items.iter().map(|item| if let Val::Text(text) = item { text.len() } else { 0 }).sum();
                self.spend(bytes)?;
                Ok(items)
            }
            Val::List(items) => Ok(items.to_vec()),
            Val::Range(from, to) => Ok((*from..=*to).map(Val::Int).collect()),
            Val::Text(text) if text.is_empty() => Ok(Vec::new()),
            other => Ok(vec![other.clone()]),
        }
    }

    // Values.

    /// A value through its filters. What is missing, or has become empty without `default`, comes out as missing.
    fn chain(&mut self, chain: &Chain) -> Result<Val<'d>, WriteError> {
        let mut value = self.expression(&chain.base)?;
        let mut has_default = false;
        for call in &chain.filters {
            self.spend(WORK_OF_A_NODE)?;
            has_default |= call.name.as_ref() == "default";
            let mut args = Vec::with_capacity(call.args.len());
            for arg in &call.args {
                args.push(self.expression(arg)?);
            }
            let mut named = Vec::with_capacity(call.named.len());
            for (name, arg) in &call.named {
                named.push((name.as_ref(), self.expression(arg)?));
            }
            value = filters::apply(self, &call.name, value, &args, &named)?;
        }
        if has_default || chain.filters.is_empty() {
            return Ok(value);
        }
        let Expr::Path(path) = &chain.base else {
            return Ok(value);
        };
        let is_lost = match value.emptiness() {
            Some(true) => self.place_of(path).is_some(),
            Some(false) => true,
            None => false,
        };
        if is_lost { Ok(Val::missing(path.written(), value.emptiness() == Some(true))) } else { Ok(value) }
    }

    fn expression(&mut self, expression: &Expr) -> Result<Val<'d>, WriteError> {
        self.spend(WORK_OF_AN_EXPRESSION)?;
        Ok(match expression {
            Expr::Nil => Val::Nil,
            Expr::Empty => Val::Empty,
            Expr::Blank => Val::Blank,
            Expr::Bool(is_true) => Val::Bool(*is_true),
            Expr::Int(number) => Val::Int(*number),
            Expr::Float(number) => Val::Float(*number),
            Expr::Text(text) => Val::Text(text.clone()),
            Expr::Path(path) => self.look_up(path)?,
            Expr::Range(from, to) => {
                let (from, to) = (self.expression(from)?, self.expression(to)?);
                Val::Range(from.bound(), to.bound())
            }
            Expr::Not(inner) => Val::Bool(!self.expression(inner)?.is_true()),
            Expr::And(left, right) => Val::Bool(self.expression(left)?.is_true() && self.expression(right)?.is_true()),
            Expr::Or(left, right) => Val::Bool(self.expression(left)?.is_true() || self.expression(right)?.is_true()),
            Expr::Compare(comparison, left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                Val::Bool(self.compare(*comparison, &left, &right)?)
            }
        })
    }

    /// Where in the data a path begins, written out; none for what the author made.
    fn place_of(&self, path: &Path) -> Option<String> {
        let written = path.written();
        match self.variables.get(&path.root) {
            None => Some(written),
            Some(Variable { origin: Some(origin), .. }) => Some(format!("{origin}{}", &written[path.root.len()..])),
            Some(Variable { value: Val::Json(_) | Val::Missing(_), .. }) => Some(written),
            Some(_) => None,
        }
    }

    fn look_up(&mut self, path: &Path) -> Result<Val<'d>, WriteError> {
        let mut value = match self.variables.get(&path.root) {
            Some(variable) => variable.value.clone(),
            None => match self.scene.roots.iter().find(|(name, _)| *name == path.root.as_ref()) {
                Some((_, value)) => self.of_data(value, path),
                None => match self.counters.get(&path.root) {
                    Some(counter) => Val::Int(*counter),
                    None => self.missing(path),
                },
            },
        };
        for step in &path.steps {
            self.spend(WORK_OF_AN_EXPRESSION)?;
            let index = match step {
                Step::Key(key) => Val::Text(key.clone()),
                Step::Index(expression) => self.expression(expression)?,
            };
            value = self.step(&value, &index, path)?;
        }
        if let Val::Text(text) = &value {
            self.spend(text.len())?;
        }
        Ok(value)
    }

    fn missing(&self, path: &Path) -> Val<'d> {
        Val::missing(self.place_of(path).unwrap_or_else(|| path.written()), false)
    }

    /// A value of the data as the template sees it: null and `""` are missing.
    fn of_data(&self, value: &'d Value, path: &Path) -> Val<'d> {
        match value {
            Value::Null => self.missing(path),
            Value::String(text) if text.is_empty() => {
                Val::missing(self.place_of(path).unwrap_or_else(|| path.written()), true)
            }
            other => Val::of_json(other),
        }
    }

    fn step(&mut self, value: &Val<'d>, index: &Val<'d>, path: &Path) -> Result<Val<'d>, WriteError> {
        let key = match index {
            Val::Text(key) => Some(key.as_ref()),
            _ => None,
        };
        let found = match value {
            // A step beyond what is missing keeps the place where it was lost.
            Val::Missing(missing) if missing.is_empty_text && key == Some("size") => Some(Val::Int(0)),
            Val::Json(Value::Object(map)) => match key {
                Some(key) => match map.get(key) {
                    Some(found) => Some(self.of_data(found, path)),
                    None if key == "size" => Some(Val::count(map.len())),
                    None => None,
                },
                None => {
                    let name = self.text(index)?;
                    map.get(name.as_ref()).map(|found| self.of_data(found, path))
                }
            },
            Val::Json(Value::Array(items)) => match position(index, key, items.len()) {
                Place::At(at) => items.get(at).map(|found| self.of_data(found, path)),
                Place::Size => Some(Val::count(items.len())),
                Place::None => None,
            },
            Val::List(items) => match position(index, key, items.len()) {
                Place::At(at) => items.get(at).cloned(),
                Place::Size => Some(Val::count(items.len())),
                Place::None => None,
            },
            Val::Map(entries) => entries.iter().find(|(name, _)| Some(*name) == key).map(|(_, value)| value.clone()),
            Val::Text(text) if key == Some("size") => Some(Val::count(text.chars().count())),
            _ => None,
        };
        Ok(found.unwrap_or_else(|| self.missing(path)))
    }

    // Comparing.

    fn compare(&mut self, comparison: Comparison, left: &Val<'d>, right: &Val<'d>) -> Result<bool, WriteError> {
        Ok(match comparison {
            Comparison::Equal => self.equal(left, right)?,
            Comparison::Unequal => !self.equal(left, right)?,
            Comparison::Contains => self.contains(left, right)?,
            Comparison::Less => self.order(left, right)? == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(self.order(left, right)?, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => self.order(left, right)? == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(self.order(left, right)?, Some(Ordering::Greater | Ordering::Equal)),
        })
    }

    pub(super) fn equal(&mut self, left: &Val<'d>, right: &Val<'d>) -> Result<bool, WriteError> {
        Ok(match (left, right) {
            (Val::Empty, other) | (other, Val::Empty) => other.is_empty(),
            (Val::Blank, other) | (other, Val::Blank) => other.is_blank(),
            (left, right) if left.is_nil() || right.is_nil() => left.is_nil() && right.is_nil(),
            (Val::Bool(left), Val::Bool(right)) => left == right,
            (Val::Int(left), Val::Int(right)) => left == right,
            (Val::Json(left), Val::Json(right)) => {
                self.spend(weight(left))?;
                left == right
            }
            (Val::Json(Value::Array(_)) | Val::List(_), Val::Json(Value::Array(_)) | Val::List(_)) => {
                let (left, right) = (self.items(left)?, self.items(right)?);
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (left, right) in left.iter().zip(&right) {
                    if !self.equal(left, right)? {
                        return Ok(false);
                    }
                }
                true
            }
            (left, right) => match (left.as_float(), right.as_float()) {
                (Some(left), Some(right)) => left == right,
                (None, None) if left.is_textual() && right.is_textual() => self.text(left)? == self.text(right)?,
                _ => false,
            },
        })
    }

    fn contains(&mut self, whole: &Val<'d>, part: &Val<'d>) -> Result<bool, WriteError> {
        if part.is_nil() {
            return Ok(false);
        }
        match whole {
            Val::Json(Value::Array(_)) | Val::List(_) | Val::Range(..) => {
                for item in self.items(whole)? {
                    if self.equal(&item, part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Val::Json(Value::Object(map)) => {
                let key = self.text(part)?;
                Ok(map.contains_key(key.as_ref()))
            }
            Val::Text(_) | Val::Markup(_) => {
                let (whole, part) = (self.text(whole)?, self.text(part)?);
                Ok(whole.contains(part.as_ref()))
            }
            _ => Ok(false),
        }
    }

    /// Numbers by size, also those written as text beside a number; texts by their letters.
    fn order(&mut self, left: &Val<'d>, right: &Val<'d>) -> Result<Option<Ordering>, WriteError> {
        if left.is_nil() || right.is_nil() {
            return Ok(None);
        }
        if let (Val::Int(left), Val::Int(right)) = (left, right) {
            return Ok(Some(left.cmp(right)));
        }
        if left.is_textual() && right.is_textual() {
            return Ok(Some(self.text(left)?.cmp(&self.text(right)?)));
        }
        Ok(match (left.as_number(), right.as_number()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => None,
        })
    }

    // Texts.

    /// The value as it is printed.
    pub(super) fn text(&mut self, value: &Val<'d>) -> Result<Arc<str>, WriteError> {
        let text: Arc<str> = match value {
            Val::Text(text) => text.clone(),
            Val::Missing(_) | Val::Nil | Val::Empty | Val::Blank => "".into(),
            Val::Bool(is_true) => if *is_true { "true" } else { "false" }.into(),
            Val::Int(number) => number.to_string().into(),
            Val::Float(number) => float_text(*number).into(),
            Val::Instant(at, zone) => super::dates::rfc3339(*at, zone).into(),
            Val::Markup(pieces) => {
                self.spend(pieces.len())?;
                pieces.iter().map(Piece::text).collect::<String>().into()
            }
            Val::Json(Value::Array(_)) | Val::List(_) | Val::Range(..) => {
                let mut text = String::new();
                for item in self.items(value)? {
                    text.push_str(&self.text(&item)?);
                    self.check_length(text.len())?;
                }
                text.into()
            }
            Val::Json(_) | Val::Map(_) => self.json(value)?.into(),
        };
        self.spend(text.len())?;
        Ok(text)
    }

    /// The value as JSON.
    pub(super) fn json(&mut self, value: &Val<'d>) -> Result<String, WriteError> {
        let json = match value {
            Val::Json(value) => value.to_string(),
            Val::List(_) | Val::Range(..) => {
                let mut json = "[".to_owned();
                for item in self.items(value)? {
                    if json.len() > 1 {
                        json.push(',');
                    }
                    json.push_str(&self.json(&item)?);
                    self.check_length(json.len())?;
                }
                json + "]"
            }
            Val::Map(entries) => {
                let mut json = "{".to_owned();
                for (key, item) in entries.iter() {
                    if json.len() > 1 {
                        json.push(',');
                    }
                    json.push_str(&format!("\"{key}\":{}", self.json(item)?));
                    self.check_length(json.len())?;
                }
                json + "}"
            }
            Val::Missing(missing) if missing.is_empty_text => "\"\"".to_owned(),
            Val::Missing(_) | Val::Nil | Val::Empty | Val::Blank => "null".to_owned(),
            Val::Bool(_) | Val::Int(_) | Val::Float(_) => self.text(value)?.to_string(),
            Val::Text(_) | Val::Markup(_) | Val::Instant(..) => Value::from(self.text(value)?.as_ref()).to_string(),
        };
        self.spend(json.len())?;
        Ok(json)
    }

    pub(super) fn check_length(&self, bytes: usize) -> Result<(), WriteError> {
        if bytes > OUTPUT_LIMIT {
            return Err(WriteError::TooLong { part: "a value".to_owned(), limit: OUTPUT_LIMIT });
        }
        Ok(())
    }

    /// A new text, within bounds.
    pub(super) fn made(&mut self, text: impl Into<Arc<str>>) -> Result<Val<'d>, WriteError> {
        let text = text.into();
        self.check_length(text.len())?;
        self.spend(text.len())?;
        Ok(Val::Text(text))
    }

    /// A new list, within bounds.
    pub(super) fn made_list(&mut self, items: Vec<Val<'d>>) -> Result<Val<'d>, WriteError> {
        if items.len() > LIST_LIMIT {
            return Err(WriteError::broken(format!(
                "a list of {} items, at most {LIST_LIMIT} are allowed",
                items.len()
            )));
        }
        self.spend(items.len())?;
        Ok(Val::List(items.into()))
    }
}

fn loop_state<'d>(index: usize, length: usize, columns: usize, parent: Option<Val<'d>>) -> Val<'d> {
    let column = index % columns;
    Val::Map(Arc::new([
        ("index", Val::count(index + 1)),
        ("index0", Val::count(index)),
        ("rindex", Val::count(length - index)),
        ("rindex0", Val::count(length - index - 1)),
        ("first", Val::Bool(index == 0)),
        ("last", Val::Bool(index + 1 == length)),
        ("length", Val::count(length)),
        ("col", Val::count(column + 1)),
        ("col0", Val::count(column)),
        ("col_first", Val::Bool(column == 0)),
        ("col_last", Val::Bool(column + 1 == columns)),
        ("row", Val::count(index / columns + 1)),
        ("parentloop", parent.unwrap_or(Val::Nil)),
    ]))
}

enum Place {
    At(usize),
    Size,
    None,
}

/// Which item of a list an index, `first`, `last` or a negative number means.
fn position(index: &Val<'_>, key: Option<&str>, length: usize) -> Place {
    match (index, key) {
        (Val::Int(number), _) => {
            let from_start = if *number < 0 { i128::from(*number) + length as i128 } else { i128::from(*number) };
            usize::try_from(from_start).map_or(Place::None, Place::At)
        }
        (_, Some("first")) => Place::At(0),
        (_, Some("last")) => length.checked_sub(1).map_or(Place::None, Place::At),
        (_, Some("size")) => Place::Size,
        (_, Some(digits)) => digits.parse().map_or(Place::None, Place::At),
        _ => Place::None,
    }
}

/// Cost of walking a value of the data once.
fn weight(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => 1 + map.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>(),
        Value::String(text) => 1 + text.len(),
        _ => 1,
    }
}

/// Whole numbers without a fraction, others in the shortest form that reads back the same, as JavaScript prints them.
fn float_text(number: f64) -> String {
    // Minus zero is zero to everyone who reads mail.
    let number = if number == 0.0 { 0.0 } else { number };
    number.to_string()
}

impl<'d> Val<'d> {
    pub(super) fn of_json(value: &'d Value) -> Val<'d> {
        match value {
            Value::Null => Val::Nil,
            Value::Bool(is_true) => Val::Bool(*is_true),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Val::Int(whole),
                (None, Some(float)) => Val::Float(float),
                (None, None) => Val::Text(number.to_string().into()),
            },
            Value::String(text) => Val::Text(text.as_str().into()),
            container => Val::Json(container),
        }
    }

    pub(super) fn missing(path: String, is_empty_text: bool) -> Val<'d> {
        Val::Missing(Arc::new(Missing { path, is_empty_text }))
    }

    pub(super) fn count(count: usize) -> Val<'d> {
        Val::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// `Some(true)` for an empty text, `Some(false)` for nothing at all, none for everything else.
    fn emptiness(&self) -> Option<bool> {
        match self {
            Val::Text(text) if text.is_empty() => Some(true),
            Val::Nil => Some(false),
            _ => None,
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        match self {
            Val::Nil => true,
            Val::Missing(missing) => !missing.is_empty_text,
            _ => false,
        }
    }

    /// Everything but false and what is not there: `0` and `""` are true in Liquid.
    pub(super) fn is_true(&self) -> bool {
        !self.is_nil() && !matches!(self, Val::Bool(false))
    }

    fn is_textual(&self) -> bool {
        match self {
            Val::Text(_) | Val::Markup(_) | Val::Instant(..) => true,
            Val::Missing(missing) => missing.is_empty_text,
            _ => false,
        }
    }

    /// Equal to `empty`: a text, list or object without anything in it.
    fn is_empty(&self) -> bool {
        match self {
            Val::Missing(missing) => missing.is_empty_text,
            Val::Text(text) => text.is_empty(),
            Val::Markup(pieces) => pieces.is_empty(),
            Val::List(items) => items.is_empty(),
            Val::Json(Value::Array(items)) => items.is_empty(),
            Val::Json(Value::Object(map)) => map.is_empty(),
            Val::Empty => true,
            _ => false,
        }
    }

    /// Equal to `blank`: empty, white space, nothing or false.
    fn is_blank(&self) -> bool {
        match self {
            Val::Missing(_) | Val::Nil | Val::Blank | Val::Bool(false) => true,
            Val::Text(text) => text.trim().is_empty(),
            Val::Markup(pieces) => pieces.iter().all(|piece| piece.text().trim().is_empty()),
            other => other.is_empty(),
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            // Only for comparing and for what has become a fraction: beyond 2^53 the nearest float will do.
            Val::Int(number) => Some(*number as f64),
            Val::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Also a number that is written as text.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Val::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            other => other.as_float(),
        }
    }

    /// An end of a range.
    fn bound(&self) -> i64 {
        match self {
            Val::Int(number) => *number,
            // `as` holds floats at the ends of the range, which the limit then refuses.
            other => other.as_number().map_or(0, |number| number as i64),
        }
    }
}
