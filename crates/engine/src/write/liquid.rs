//! Reads Liquid into a tree. How the tree runs is in `evaluate.rs`, what filters do in `filters.rs`.
//!
//! Our own, because the `liquid` crate (0.26) would have left us its grammar alone, and that has no `{% liquid %}`,
//! no `${first_name}` and no `abort_message('…')`. Its loops have no budget, its filters make texts without bound and
//! its arithmetic panics on overflow in our release build, so every tag and filter would have been replaced anyway.

use super::filters;
use std::sync::Arc;

/// Blocks within blocks, and brackets within brackets. Marketers' templates stay below ten; the
/// number keeps the recursion of reader and evaluator far from the end of the stack.
const DEPTH_LIMIT: usize = 50;

/// A template that was read.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) nodes: Vec<Node>,
}

/// A tag, an output or the text between them.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: NodeKind,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Text(Arc<str>),
    Print(Chain),
    Assign { name: Arc<str>, chain: Chain },
    Capture { name: Arc<str>, body: Vec<Node> },
    If { branches: Vec<(Expr, Vec<Node>)>, otherwise: Vec<Node> },
    Case { subject: Expr, whens: Vec<(Vec<Expr>, Vec<Node>)>, otherwise: Vec<Node> },
    For(Box<Loop>),
    Cycle { group: Option<Expr>, values: Vec<Expr>, key: Arc<str> },
    Increment(Arc<str>),
    Decrement(Arc<str>),
    Break,
    Continue,
    Abort(Arc<str>),
}

#[derive(Debug)]
pub(super) struct Loop {
    pub(super) variable: Arc<str>,
    pub(super) collection: Expr,
    /// The collection as written: what `offset: continue` remembers.
    pub(super) key: Arc<str>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Offset>,
    pub(super) reversed: bool,
    /// For `tablerow`: its columns (none: all in one row).
    pub(super) table: Option<Option<Expr>>,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

#[derive(Debug)]
pub(super) enum Offset {
    Continue,
    At(Expr),
}

/// A value and the filters it passes through.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) base: Expr,
    pub(super) filters: Vec<FilterCall>,
}

#[derive(Debug)]
pub(super) struct FilterCall {
    pub(super) name: Arc<str>,
    pub(super) args: Vec<Expr>,
    pub(super) named: Vec<(Arc<str>, Expr)>,
}

#[derive(Debug)]
pub(super) enum Expr {
    Nil,
    Empty,
    Blank,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Path(Path),
    Range(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

/// `customer.tags[0]`.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) root: Arc<str>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    Key(Arc<str>),
    Index(Expr),
}

impl Path {
    fn of(keys: &[&str]) -> Path {
        Path { root: keys[0].into(), steps: keys[1..].iter().map(|key| Step::Key((*key).into())).collect() }
    }

    /// The path as a person writes it; computed indices as `[…]`.
    pub(super) fn written(&self) -> String {
        let mut text = self.root.to_string();
        for step in &self.steps {
            match step {
                Step::Key(key) => text.extend([".", key]),
                Step::Index(Expr::Text(key)) => text.extend([".", key]),
                Step::Index(Expr::Int(index)) => text.push_str(&format!("[{index}]")),
                Step::Index(_) => text.push_str("[…]"),
            }
        }
        text
    }
}

/// Reads a template. Errors name the line.
pub(super) fn parse(source: &str) -> Result<Program, String> {
    let pieces = split(source)?;
    let mut reader = Reader { pieces, at: 0, depth: 0 };
    let (nodes, end) = reader.block(&[])?;
    match end {
        None => Ok(Program { nodes }),
        Some(tag) => Err(at_line(tag.line, format!("`{}` without a beginning", tag.name))),
    }
}

fn at_line(line: usize, message: impl std::fmt::Display) -> String {
    format!("line {line}: {message}")
}

// The source as text, outputs and tags.

#[derive(Debug)]
struct Piece {
    line: usize,
    kind: PieceKind,
}

#[derive(Debug)]
enum PieceKind {
    Text(String),
    Output(String),
    Tag { name: String, rest: String },
}

#[derive(Clone)]
struct Tag {
    line: usize,
    name: String,
    rest: String,
}

fn split(source: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = source;
    let mut line = 1;
    let mut trim_next = false;
    while !rest.is_empty() {
        let begin = find_opening(rest).unwrap_or(rest.len());
        let (text, markup) = rest.split_at(begin);
        let mut shown = if trim_next { text.trim_start() } else { text };
        if markup.as_bytes().get(2) == Some(&b'-') {
            shown = shown.trim_end();
        }
        if !shown.is_empty() {
            pieces.push(Piece { line, kind: PieceKind::Text(shown.to_owned()) });
        }
        line += newlines(text);
        if markup.is_empty() {
            break;
        }
        let is_output = markup.starts_with("{{");
        let closing = if is_output { "}}" } else { "%}" };
        let Some(length) = find_closing(&markup[2..], closing) else {
            return Err(at_line(line, format!("`{}` without `{closing}`", &markup[..2])));
        };
        let inner = &markup[2..2 + length];
        rest = &markup[2 + length + 2..];
        let inner_begin = inner.strip_prefix('-').unwrap_or(inner);
        trim_next = inner_begin.ends_with('-');
        let content = inner_begin.strip_suffix('-').unwrap_or(inner_begin).trim();
        let begun = line;
        line += newlines(inner);
        if is_output {
            pieces.push(Piece { line: begun, kind: PieceKind::Output(content.to_owned()) });
            continue;
        }
        let (name, arguments) = tag_name(content);
        match name {
            "" => {}
            "raw" | "comment" => {
                let end = if name == "raw" { "endraw" } else { "endcomment" };
                let Some(found) = find_end_tag(rest, end) else {
                    return Err(at_line(begun, format!("`{name}` without `{end}`")));
                };
                let skipped = &rest[..found.begin];
                if name == "raw" {
                    let mut shown = if trim_next { skipped.trim_start() } else { skipped };
                    if found.trims_before {
                        shown = shown.trim_end();
                    }
                    pieces.push(Piece { line, kind: PieceKind::Text(shown.to_owned()) });
                }
                line += newlines(&rest[..found.end]);
                trim_next = found.trims_after;
                rest = &rest[found.end..];
            }
            "liquid" => split_lines(arguments, begun, &mut pieces)?,
            _ => pieces.push(tag_piece(begun, name, arguments)),
        }
    }
    Ok(pieces)
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn tag_piece(line: usize, name: &str, rest: &str) -> Piece {
    Piece { line, kind: PieceKind::Tag { name: name.to_owned(), rest: rest.to_owned() } }
}

/// The lines of `{% liquid … %}`, each of them a tag.
fn split_lines(lines: &str, first_line: usize, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let mut in_comment = false;
    for (number, content) in lines.lines().enumerate() {
        let (name, arguments) = tag_name(content.trim());
        match name {
            "endcomment" => in_comment = false,
            "comment" => in_comment = true,
            "" => {}
            _ if in_comment => {}
            "liquid" | "raw" => {
                return Err(at_line(first_line + number, format!("`{name}` cannot stand inside `liquid`")));
            }
            _ => pieces.push(tag_piece(first_line + number, name, arguments)),
        }
    }
    if in_comment { Err(at_line(first_line, "`comment` without `endcomment`")) } else { Ok(()) }
}

/// The tag's name and the rest; an inline comment `# …` has no name.
fn tag_name(content: &str) -> (&str, &str) {
    if content.starts_with('#') {
        return ("", "");
    }
    let end = content.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(content.len());
    if end == 0 {
        // Not a name at all: kept, so that the reader can refuse it by what is written.
        return if content.is_empty() { ("", "") } else { (content, "") };
    }
    (&content[..end], &content[end..])
}

fn find_opening(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len().saturating_sub(1)).find(|at| bytes[*at] == b'{' && matches!(bytes[at + 1], b'{' | b'%'))
}

/// Where the closing mark stands, outside of strings and of `${…}`. In remarks (`{% # don't %}`) and in
/// `{% liquid %}`, whose lines may be remarks, an apostrophe opens no string.
fn find_closing(text: &str, closing: &str) -> Option<usize> {
    let content = text.strip_prefix('-').unwrap_or(text).trim_start();
    if closing == "%}" && (content.starts_with('#') || content.starts_with("liquid")) {
        return text.find(closing);
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        let end_of_quoted = match bytes[at] {
            quote @ (b'\'' | b'"') => text[at + 1..].find(char::from(quote)).map(|length| at + length + 2),
            b'$' if bytes[at + 1] == b'{' => text[at..].find('}').map(|length| at + length + 1),
            _ if bytes[at..].starts_with(closing.as_bytes()) => return Some(at),
            _ => Some(at + 1),
        };
        match end_of_quoted {
            Some(end) => at = end,
            // A quote that never ends: the nearest mark gives the better error.
            None => break,
        }
    }
    text.find(closing)
}

struct EndTag {
    begin: usize,
    end: usize,
    trims_before: bool,
    trims_after: bool,
}

fn find_end_tag(text: &str, name: &str) -> Option<EndTag> {
    let mut from = 0;
    while let Some(found) = text[from..].find("{%") {
        let begin = from + found;
        let inner = &text[begin + 2..];
        let trims_before = inner.starts_with('-');
        let body = inner.strip_prefix('-').unwrap_or(inner).trim_start();
        if let Some(after) = body.strip_prefix(name) {
            let tail = after.trim_start();
            let trims_after = tail.starts_with('-');
            let tail = tail.strip_prefix('-').unwrap_or(tail);
            if let Some(remaining) = tail.strip_prefix("%}") {
                return Some(EndTag { begin, end: text.len() - remaining.len(), trims_before, trims_after });
            }
        }
        from = begin + 2;
    }
    None
}

// Blocks.

struct Reader {
    pieces: Vec<Piece>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn next(&mut self) -> Option<(usize, PieceKind)> {
        let piece = self.pieces.get_mut(self.at)?;
        self.at += 1;
        let kind = std::mem::replace(&mut piece.kind, PieceKind::Text(String::new()));
        Some((piece.line, kind))
    }

    /// Nodes up to one of the `ends`, which is returned, or to the end of the source.
    fn block(&mut self, ends: &[&str]) -> Result<(Vec<Node>, Option<Tag>), String> {
        self.depth += 1;
        let mut nodes = Vec::new();
        while let Some((line, kind)) = self.next() {
            if self.depth > DEPTH_LIMIT {
                return Err(at_line(line, format!("more than {DEPTH_LIMIT} blocks inside each other")));
            }
            let kind = match kind {
                PieceKind::Text(text) => NodeKind::Text(text.into()),
                PieceKind::Output(content) if content.is_empty() => continue,
                PieceKind::Output(content) => {
                    NodeKind::Print(chain_of(&content).map_err(|error| at_line(line, error))?)
                }
                PieceKind::Tag { name, rest } => {
                    if ends.contains(&name.as_str()) || is_end(&name) {
                        self.depth -= 1;
                        return Ok((nodes, Some(Tag { line, name, rest })));
                    }
                    self.tag(&Tag { line, name, rest })?
                }
            };
            nodes.push(Node { line, kind });
        }
        self.depth -= 1;
        Ok((nodes, None))
    }

    /// A block that must end with `end`; other tags of `ends` are handed to the caller.
    fn closed(&mut self, opened: &Tag, ends: &[&str]) -> Result<(Vec<Node>, Tag), String> {
        let (nodes, end) = self.block(ends)?;
        let expected = ends[ends.len() - 1];
        match end {
            Some(tag) if ends.contains(&tag.name.as_str()) => Ok((nodes, tag)),
            Some(tag) => Err(at_line(
                tag.line,
                format!("`{}` where `{expected}` of line {} was expected", tag.name, opened.line),
            )),
            None => Err(at_line(opened.line, format!("`{}` without `{expected}`", opened.name))),
        }
    }

    fn tag(&mut self, tag: &Tag) -> Result<NodeKind, String> {
        let here = |error: String| at_line(tag.line, error);
        match tag.name.as_str() {
            "echo" => chain_of(&tag.rest).map(NodeKind::Print).map_err(here),
            "assign" => assign(&tag.rest).map_err(here),
            "capture" => {
                let name = single_name(&tag.rest).map_err(here)?;
                let (body, _) = self.closed(tag, &["endcapture"])?;
                Ok(NodeKind::Capture { name, body })
            }
            "if" | "unless" => self.condition(tag),
            "case" => self.case(tag),
            "for" | "tablerow" => self.repeat(tag),
            "cycle" => cycle(&tag.rest).map_err(here),
            "increment" => single_name(&tag.rest).map(NodeKind::Increment).map_err(here),
            "decrement" => single_name(&tag.rest).map(NodeKind::Decrement).map_err(here),
            "break" => Ok(NodeKind::Break),
            "continue" => Ok(NodeKind::Continue),
            // Braze and Customer.io write their own links and their way out as tags.
            "abort_message" => Ok(NodeKind::Abort(abort_reason(&tag.rest).into())),
            "unsubscribe_url" => Ok(NodeKind::Print(Chain::path(&["links", "unsubscribe"]))),
            "view_in_browser_url" => Ok(NodeKind::Print(Chain::path(&["links", "view"]))),
            "manage_subscription_preferences_url" => Ok(NodeKind::Print(Chain::path(&["links", "preferences"]))),
            "include" | "render" | "layout" | "block" | "section" => Err(at_line(
                tag.line,
                format!(
                    "`{}` needs another template, and templates cannot include others: write its text here",
                    tag.name
                ),
            )),
            "connected_content" => Err(at_line(
                tag.line,
                "`connected_content` fetches from the network, which templates cannot do: send the value as a trait or property",
            )),
            other => Err(at_line(tag.line, format!("unknown tag `{}`", other.chars().take(40).collect::<String>()))),
        }
    }

    fn condition(&mut self, tag: &Tag) -> Result<NodeKind, String> {
        let is_unless = tag.name == "unless";
        let end = if is_unless { "endunless" } else { "endif" };
        let ends = ["elsif", "elseif", "else", end];
        let first = expression_of(&tag.rest).map_err(|error| at_line(tag.line, error))?;
        let mut condition = if is_unless { Expr::Not(Box::new(first)) } else { first };
        let mut branches = Vec::new();
        loop {
            let (body, next) = self.closed(tag, &ends)?;
            branches.push((condition, body));
            match next.name.as_str() {
                "elsif" | "elseif" => {
                    condition = expression_of(&next.rest).map_err(|error| at_line(next.line, error))?;
                }
                "else" => {
                    let (otherwise, _) = self.closed(tag, &[end])?;
                    return Ok(NodeKind::If { branches, otherwise });
                }
                _ => {
                    return Ok(NodeKind::If { branches, otherwise: Vec::new() });
                }
            }
        }
    }

    fn case(&mut self, tag: &Tag) -> Result<NodeKind, String> {
        let subject = expression_of(&tag.rest).map_err(|error| at_line(tag.line, error))?;
        // What stands before the first `when` is never shown.
        let (_, mut next) = self.closed(tag, &["when", "else", "endcase"])?;
        let mut whens = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            match next.name.as_str() {
                "when" => {
                    let values = when_values(&next.rest).map_err(|error| at_line(next.line, error))?;
                    let (body, following) = self.closed(tag, &["when", "else", "endcase"])?;
                    whens.push((values, body));
                    next = following;
                }
                "else" => {
                    let (body, following) = self.closed(tag, &["when", "else", "endcase"])?;
                    otherwise = body;
                    next = following;
                }
                _ => {
                    return Ok(NodeKind::Case { subject, whens, otherwise });
                }
            }
        }
    }

    fn repeat(&mut self, tag: &Tag) -> Result<NodeKind, String> {
        let is_table = tag.name == "tablerow";
        let mut head = loop_head(&tag.rest, is_table).map_err(|error| at_line(tag.line, error))?;
        let end = if is_table { "endtablerow" } else { "endfor" };
        let (body, next) = self.closed(tag, &["else", end])?;
        head.body = body;
        if next.name == "else" {
            (head.otherwise, _) = self.closed(tag, &[end])?;
        }
        Ok(NodeKind::For(Box::new(head)))
    }
}

fn is_end(name: &str) -> bool {
    matches!(name, "else" | "elsif" | "elseif" | "when") || name.starts_with("end")
}

/// What stands in `abort_message('…')`.
fn abort_reason(rest: &str) -> String {
    let inner = rest.trim().trim_start_matches('(').trim_end_matches(')').trim();
    inner.trim_matches(['\'', '"']).chars().filter(|c| !c.is_control()).take(200).collect()
}

// Inside a tag.

impl Chain {
    fn path(keys: &[&str]) -> Chain {
        Chain { base: Expr::Path(Path::of(keys)), filters: Vec::new() }
    }
}

fn chain_of(text: &str) -> Result<Chain, String> {
    let mut words = Words::of(text)?;
    let chain = words.chain()?;
    words.finish()?;
    Ok(chain)
}

fn expression_of(text: &str) -> Result<Expr, String> {
    let mut words = Words::of(text)?;
    let expression = words.expression()?;
    words.finish()?;
    Ok(expression)
}

fn single_name(text: &str) -> Result<Arc<str>, String> {
    let mut words = Words::of(text)?;
    let name = match words.next() {
        Some(Word::Name(name)) => name.into(),
        // `{% capture 'name' %}` is old, and still written.
        Some(Word::Text(name)) if !name.is_empty() => name.into(),
        _ => return Err("a name is missing".to_owned()),
    };
    words.finish()?;
    Ok(name)
}

fn assign(text: &str) -> Result<NodeKind, String> {
    let mut words = Words::of(text)?;
    let Some(Word::Name(name)) = words.next() else {
        return Err("write `assign name = value`".to_owned());
    };
    if words.next() != Some(Word::Assign) {
        return Err(format!("write `assign {name} = value`"));
    }
    let chain = words.chain()?;
    words.finish()?;
    Ok(NodeKind::Assign { name: name.into(), chain })
}

fn when_values(text: &str) -> Result<Vec<Expr>, String> {
    let mut words = Words::of(text)?;
    let mut values = vec![words.operand()?];
    loop {
        match words.next() {
            None => return Ok(values),
            Some(Word::Comma) => values.push(words.operand()?),
            Some(Word::Name(or)) if or == "or" => values.push(words.operand()?),
            Some(other) => return Err(format!("unexpected {other} in `when`")),
        }
    }
}

fn cycle(text: &str) -> Result<NodeKind, String> {
    let mut words = Words::of(text)?;
    let first = words.operand()?;
    let (group, mut values) = if words.take(&Word::Colon) {
        let second = words.operand()?;
        (Some(first), vec![second])
    } else {
        (None, vec![first])
    };
    while words.take(&Word::Comma) {
        values.push(words.operand()?);
    }
    words.finish()?;
    Ok(NodeKind::Cycle { group, values, key: text.trim().into() })
}

fn loop_head(text: &str, is_table: bool) -> Result<Loop, String> {
    let mut words = Words::of(text)?;
    let (Some(Word::Name(variable)), Some(Word::Name(within))) = (words.next(), words.next()) else {
        return Err("write `for item in items`".to_owned());
    };
    if within != "in" {
        return Err("write `for item in items`".to_owned());
    }
    let collection = words.operand()?;
    let mut head = Loop {
        key: format!("{variable}-{}", text.split_once(" in ").map_or(text, |(_, rest)| rest).trim()).into(),
        variable: variable.into(),
        collection,
        limit: None,
        offset: None,
        reversed: false,
        table: is_table.then_some(None),
        body: Vec::new(),
        otherwise: Vec::new(),
    };
    if let Expr::Path(path) = &head.collection {
        head.key = format!("{}-{}", head.variable, path.written()).into();
    }
    loop {
        words.take(&Word::Comma);
        match words.next() {
            None => return Ok(head),
            Some(Word::Name(option)) if option == "reversed" => head.reversed = true,
            Some(Word::Name(option)) if words.take(&Word::Colon) => match option.as_str() {
                "limit" => head.limit = Some(words.operand()?),
                "offset" if words.take(&Word::Name("continue".to_owned())) => head.offset = Some(Offset::Continue),
                "offset" => head.offset = Some(Offset::At(words.operand()?)),
                "cols" if is_table => head.table = Some(Some(words.operand()?)),
                other => return Err(format!("unknown option `{other}` of a loop")),
            },
            Some(other) => return Err(format!("unexpected {other} in a loop")),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Word {
    Name(String),
    /// `${first_name}`, Braze's way to name an attribute.
    Dollar(String),
    Text(String),
    Int(i64),
    Float(f64),
    Compare(&'static str),
    Assign,
    Dot,
    DotDot,
    Comma,
    Colon,
    Pipe,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self {
            Word::Name(name) => return write!(f, "`{name}`"),
            Word::Dollar(name) => return write!(f, "`${{{name}}}`"),
            Word::Text(text) => return write!(f, "'{text}'"),
            Word::Int(number) => return write!(f, "`{number}`"),
            Word::Float(number) => return write!(f, "`{number}`"),
            Word::Compare(sign) => sign,
            Word::Assign => "=",
            Word::Dot => ".",
            Word::DotDot => "..",
            Word::Comma => ",",
            Word::Colon => ":",
            Word::Pipe => "|",
            Word::Open => "(",
            Word::Close => ")",
            Word::OpenBracket => "[",
            Word::CloseBracket => "]",
        };
        write!(f, "`{sign}`")
    }
}

struct Words {
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

impl Words {
    fn of(text: &str) -> Result<Words, String> {
        Ok(Words { words: lex(text)?, at: 0, depth: 0 })
    }

    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn next(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).cloned();
        self.at += usize::from(word.is_some());
        word
    }

    fn take(&mut self, word: &Word) -> bool {
        let is_next = self.peek() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, word: &Word) -> Result<(), String> {
        if self.take(word) {
            return Ok(());
        }
        match self.peek() {
            Some(found) => Err(format!("expected {word}, found {found}")),
            None => Err(format!("expected {word}")),
        }
    }

    fn finish(&self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(format!("unexpected {word}")),
        }
    }

    fn chain(&mut self) -> Result<Chain, String> {
        let base = self.expression()?;
        let mut calls = Vec::new();
        while self.take(&Word::Pipe) {
            calls.push(self.filter()?);
        }
        Ok(Chain { base, filters: calls })
    }

    fn filter(&mut self) -> Result<FilterCall, String> {
        let Some(Word::Name(name)) = self.next() else {
            return Err("a filter's name is missing after `|`".to_owned());
        };
        filters::check_name(&name)?;
        let mut call = FilterCall { name: name.into(), args: Vec::new(), named: Vec::new() };
        if !self.take(&Word::Colon) {
            return Ok(call);
        }
        loop {
            let named = match (self.peek(), self.words.get(self.at + 1)) {
                (Some(Word::Name(key)), Some(Word::Colon)) => Some(key.clone()),
                _ => None,
            };
            if let Some(key) = named {
                self.at += 2;
                call.named.push((key.into(), self.operand()?));
            } else {
                call.args.push(self.operand()?);
            }
            if !self.take(&Word::Comma) {
                return Ok(call);
            }
        }
    }

    /// `and` and `or` bind alike and from the right, as everywhere in Liquid.
    fn expression(&mut self) -> Result<Expr, String> {
        self.deeper()?;
        let left = self.comparison()?;
        let is_and = match self.peek() {
            Some(Word::Name(name)) if name == "and" => true,
            Some(Word::Name(name)) if name == "or" => false,
            _ => {
                self.depth -= 1;
                return Ok(left);
            }
        };
        self.at += 1;
        let (left, right) = (Box::new(left), Box::new(self.expression()?));
        self.depth -= 1;
        Ok(if is_and { Expr::And(left, right) } else { Expr::Or(left, right) })
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        if self.take(&Word::Name("not".to_owned())) {
            self.deeper()?;
            let inner = self.comparison()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        let left = self.operand()?;
        let comparison = match self.peek() {
            Some(Word::Compare("==")) => Comparison::Equal,
            Some(Word::Compare("!=")) => Comparison::Unequal,
            Some(Word::Compare("<")) => Comparison::Less,
            Some(Word::Compare("<=")) => Comparison::LessOrEqual,
            Some(Word::Compare(">")) => Comparison::Greater,
            Some(Word::Compare(">=")) => Comparison::GreaterOrEqual,
            Some(Word::Name(name)) if name == "contains" => Comparison::Contains,
            Some(Word::Assign) => {
                return Err("unexpected `=`: comparing is written `==`".to_owned());
            }
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Expr::Compare(comparison, Box::new(left), Box::new(self.operand()?)))
    }

    fn operand(&mut self) -> Result<Expr, String> {
        match self.next() {
            Some(Word::Text(text)) => Ok(Expr::Text(text.into())),
            Some(Word::Int(number)) => Ok(Expr::Int(number)),
            Some(Word::Float(number)) => Ok(Expr::Float(number)),
            Some(Word::Open) => {
                self.deeper()?;
                let from = self.operand()?;
                self.expect(&Word::DotDot)?;
                let to = self.operand()?;
                self.expect(&Word::Close)?;
                self.depth -= 1;
                Ok(Expr::Range(Box::new(from), Box::new(to)))
            }
            Some(Word::Dollar(name)) => self.path("customer".into(), vec![Step::Key(name.into())]),
            Some(Word::Name(name)) => match (name.as_str(), self.peek()) {
                ("content_blocks", Some(Word::Dot)) => Err(content_block(self.words.get(self.at + 1))),
                (_, Some(Word::Dot | Word::OpenBracket)) => self.path(name.into(), Vec::new()),
                ("nil" | "null", _) => Ok(Expr::Nil),
                ("true", _) => Ok(Expr::Bool(true)),
                ("false", _) => Ok(Expr::Bool(false)),
                ("empty", _) => Ok(Expr::Empty),
                ("blank", _) => Ok(Expr::Blank),
                _ => Ok(Expr::Path(Path { root: name.into(), steps: Vec::new() })),
            },
            Some(other) => Err(format!("expected a value, found {other}")),
            None => Err("a value is missing".to_owned()),
        }
    }

    fn path(&mut self, root: Arc<str>, mut steps: Vec<Step>) -> Result<Expr, String> {
        let mut is_braze = false;
        loop {
            if self.take(&Word::Dot) {
                match self.next() {
                    Some(Word::Name(key)) => steps.push(Step::Key(key.into())),
                    Some(Word::Dollar(key)) => {
                        is_braze = true;
                        steps.push(Step::Key(key.into()));
                    }
                    Some(Word::Int(index)) => steps.push(Step::Index(Expr::Int(index))),
                    Some(other) => return Err(format!("expected a name after `.`, found {other}")),
                    None => return Err("a name is missing after `.`".to_owned()),
                }
            } else if self.take(&Word::OpenBracket) {
                self.deeper()?;
                let index = self.operand()?;
                self.expect(&Word::CloseBracket)?;
                self.depth -= 1;
                steps.push(Step::Index(index));
            } else {
                break;
            }
        }
        // Braze's names for what we call customer and event.
        let root = match root.as_ref() {
            "custom_attribute" if is_braze => "customer".into(),
            "event_properties" | "api_trigger_properties" | "canvas_entry_properties" if is_braze => "event".into(),
            _ => root,
        };
        Ok(Expr::Path(Path { root, steps }))
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(format!("more than {DEPTH_LIMIT} brackets or conditions inside each other"));
        }
        Ok(())
    }
}

fn content_block(name: Option<&Word>) -> String {
    let name = match name {
        Some(Word::Name(name) | Word::Dollar(name)) => name.as_str(),
        _ => "",
    };
    format!("unknown content block `{name}`: write its text into the template")
}

fn lex(text: &str) -> Result<Vec<Word>, String> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        let next = bytes.get(at + 1).copied();
        at += 1;
        let word = match bytes[begin] {
            byte if byte.is_ascii_whitespace() => continue,
            quote @ (b'\'' | b'"') => {
                let Some(end) = text[at..].find(char::from(quote)) else {
                    return Err(format!("a text without its closing {}", char::from(quote)));
                };
                let inner = &text[at..at + end];
                at += end + 1;
                Word::Text(inner.to_owned())
            }
            b'$' if next == Some(b'{') => {
                let Some(end) = text[begin..].find('}') else {
                    return Err("`${` without `}`".to_owned());
                };
                let inner = text[begin + 2..begin + end].trim().to_owned();
                at = begin + end + 1;
                Word::Dollar(inner)
            }
            byte if byte.is_ascii_digit() || (byte == b'-' && next.is_some_and(|b| b.is_ascii_digit())) => {
                let (word, end) = number(text, begin, words.last() == Some(&Word::Dot))?;
                at = end;
                word
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii() => {
                let end = text[begin..]
                    .find(|c: char| c.is_ascii() && !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '?')))
                    .map_or(bytes.len(), |length| begin + length);
                at = end;
                Word::Name(text[begin..end].to_owned())
            }
            b'.' if next == Some(b'.') => {
                at += 1;
                Word::DotDot
            }
            b'=' if next == Some(b'=') => {
                at += 1;
                Word::Compare("==")
            }
            b'!' if next == Some(b'=') => {
                at += 1;
                Word::Compare("!=")
            }
            b'<' if next == Some(b'>') => {
                at += 1;
                Word::Compare("!=")
            }
            b'<' if next == Some(b'=') => {
                at += 1;
                Word::Compare("<=")
            }
            b'>' if next == Some(b'=') => {
                at += 1;
                Word::Compare(">=")
            }
            b'<' => Word::Compare("<"),
            b'>' => Word::Compare(">"),
            b'=' => Word::Assign,
            b'.' => Word::Dot,
            b',' => Word::Comma,
            b':' => Word::Colon,
            b'|' => Word::Pipe,
            b'(' => Word::Open,
            b')' => Word::Close,
            b'[' => Word::OpenBracket,
            b']' => Word::CloseBracket,
            other => return Err(format!("unexpected `{}`", char::from(other))),
        };
        words.push(word);
    }
    Ok(words)
}

/// A number from `begin` on and where it ends. After a dot (`items.0.name`) only whole ones.
fn number(text: &str, begin: usize, after_dot: bool) -> Result<(Word, usize), String> {
    let bytes = text.as_bytes();
    let digits_end =
        |from: usize| bytes[from..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| from + n);
    let mut end = digits_end(begin + 1);
    let has_fraction =
        !after_dot && bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
    if has_fraction {
        end = digits_end(end + 1);
    }
    let written = &text[begin..end];
    let whole = if has_fraction { None } else { written.parse().ok() };
    match (whole, written.parse::<f64>()) {
        (Some(number), _) => Ok((Word::Int(number), end)),
        (None, Ok(number)) => Ok((Word::Float(number), end)),
        (None, Err(_)) => Err(format!("`{written}` is no number")),
    }
}
