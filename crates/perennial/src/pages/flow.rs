//! The steps of a campaign as a drawing: what follows what, which ways part, and how many customers stand where.

use askama::Template;
use askama::filters::HtmlSafe;

use super::campaign::StepLine;
use super::text::Count;

/// A column, a box in it, and the way from one box to the next, in pixels.
const COLUMN: u32 = 216;
const BOX_WIDTH: u32 = 188;
const BOX_HEIGHT: u32 = 50;
const PITCH: u32 = 82;
/// Characters in a line of a box, and lines.
const LINE: usize = 27;
const LINES: usize = 2;
/// What the last way of a branch is called that takes all others.
const OTHERWISE: &str = "otherwise";
/// Room above the first box for its count.
const TOP: u32 = 20;
/// More columns than this are no picture any more; the list says the same.
const COLUMNS: u32 = 12;

/// The drawing.
#[derive(Template)]
#[template(path = "chart/flow.html")]
pub struct Flow {
    boxes: Vec<Drawn>,
    paths: Vec<String>,
    width: u32,
    height: u32,
    label: String,
}

impl HtmlSafe for Flow {}

/// A box with words in it.
struct Drawn {
    x: u32,
    y: u32,
    class: &'static str,
    /// Where it leads; empty: nowhere.
    opens: String,
    lines: Vec<(u32, String)>,
    /// All of the words.
    title: String,
    count: Option<Count>,
}

/// Steps one after the other.
#[derive(Default)]
struct Sequence<'a>(Vec<Item<'a>>);

enum Item<'a> {
    Step(Line<'a>),
    Branch(Line<'a>, Vec<(&'a str, Sequence<'a>)>),
}

/// A step, and where it leads.
#[derive(Clone, Copy)]
struct Line<'a> {
    step: &'a StepLine,
    opens: &'a str,
}

impl<'a> Sequence<'a> {
    /// Reads the lines at this depth and below it, from `at` on.
    fn read(lines: &[Line<'a>], at: &mut usize, depth: u32) -> Sequence<'a> {
        let mut items = Vec::new();
        while let Some(line) = lines.get(*at).filter(|line| line.step.depth >= depth && !line.step.step.is_empty()) {
            let line = *line;
            *at += 1;
            let mut ways = Vec::new();
            let is_way = |way: &&Line<'a>| way.step.step.is_empty() && way.step.depth > line.step.depth;
            while let Some(way) = lines.get(*at).filter(is_way) {
                *at += 1;
                ways.push((way.step.words.as_str(), Sequence::read(lines, at, way.step.depth + 1)));
            }
            // Whoever fits none of them goes on.
            if !ways.is_empty() && ways.last().is_none_or(|(words, _)| *words != OTHERWISE) {
                ways.push((OTHERWISE, Sequence::default()));
            }
            items.push(if ways.is_empty() { Item::Step(line) } else { Item::Branch(line, ways) });
        }
        Sequence(items)
    }

    /// Columns that it takes.
    fn columns(&self) -> u32 {
        let of_item = |item: &Item<'_>| match item {
            Item::Step(_) => 1,
            Item::Branch(_, ways) => ways.iter().map(|(_, way)| way.columns()).sum(),
        };
        self.0.iter().map(of_item).max().unwrap_or(1).max(1)
    }
}

impl Flow {
    /// Draws the steps. None where there is nothing to draw, or more than fits a picture.
    pub fn of(steps: &[StepLine], entered: Count) -> Option<Flow> {
        Flow::leading(steps, entered, &[])
    }

    /// As `of`, with addresses to which the boxes lead, one for each line; empty: nowhere.
    pub fn leading(steps: &[StepLine], entered: Count, opens: &[String]) -> Option<Flow> {
        let mut at = 0;
        let opens = opens.iter().map(String::as_str).chain(std::iter::repeat(""));
        let lines: Vec<Line<'_>> = steps.iter().zip(opens).map(|(step, opens)| Line { step, opens }).collect();
        let sequence = Sequence::read(&lines, &mut at, 0);
        let columns = sequence.columns();
        if sequence.0.is_empty() || at != steps.len() || columns > COLUMNS {
            return None;
        }
        let label = format!(
            "The way through the campaign in {}; the list below says the same",
            Count::from(steps.len()).of("step", "steps")
        );
        let width = columns * COLUMN;
        let mut flow = Flow { boxes: Vec::new(), paths: Vec::new(), width, height: 0, label };
        let start = flow.put(width / 2, TOP, "start", "enter", Some(entered), "");
        let ends = flow.place(&sequence, 0, columns, TOP + PITCH, vec![start]);
        let bottom = ends.iter().map(|(_, y)| *y).max().unwrap_or(0);
        let end = (width / 2, bottom + PITCH - BOX_HEIGHT);
        flow.lead(&ends, end);
        flow.put(end.0, end.1, "end", "end", None, "");
        flow.height = end.1 + BOX_HEIGHT;
        Some(flow)
    }

    /// Places a sequence from `y` on, in `columns` columns from `left` on; gives where its loose ends are.
    fn place(
        &mut self,
        sequence: &Sequence<'_>,
        left: u32,
        columns: u32,
        mut y: u32,
        mut ends: Vec<(u32, u32)>,
    ) -> Vec<(u32, u32)> {
        let centre = left * COLUMN + columns * COLUMN / 2;
        for item in &sequence.0 {
            let (line, class) = match item {
                Item::Step(line) => (line, "step"),
                Item::Branch(line, _) => (line, "fork"),
            };
            self.lead(&ends, (centre, y));
            ends = vec![self.put(centre, y, class, &line.step.words, Some(line.step.here), line.opens)];
            y += PITCH;
            let Item::Branch(_, ways) = item else { continue };
            let own: u32 = ways.iter().map(|(_, way)| way.columns()).sum();
            let mut column = left + columns.saturating_sub(own) / 2;
            let (from, mut loose, mut bottom) = (ends.clone(), Vec::new(), y);
            for (way, inner) in ways {
                let wide = inner.columns();
                let middle = column * COLUMN + wide * COLUMN / 2;
                self.lead(&from, (middle, y));
                let start = self.put(middle, y, "way", way, None, "");
                let ended = self.place(inner, column, wide, y + PITCH, vec![start]);
                bottom = ended.iter().map(|(_, y)| *y).chain([bottom]).max().unwrap_or(bottom);
                loose.extend(ended);
                column += wide;
            }
            ends = loose;
            y = bottom + PITCH - BOX_HEIGHT;
        }
        ends
    }

    /// Puts a box with its top at `y`; gives the middle of its lower edge.
    fn put(
        &mut self,
        centre: u32,
        y: u32,
        class: &'static str,
        words: &str,
        count: Option<Count>,
        opens: &str,
    ) -> (u32, u32) {
        let lines = broken(words);
        let first = y + BOX_HEIGHT / 2 + 4 - 8 * u32::from(lines.len() > 1);
        self.boxes.push(Drawn {
            x: centre - BOX_WIDTH / 2,
            y,
            class,
            opens: opens.to_owned(),
            lines: (0..).zip(lines).map(|(line, text)| (first + 16 * line, text)).collect(),
            title: words.to_owned(),
            count: count.filter(|count| !count.is_zero()),
        });
        (centre, y + BOX_HEIGHT)
    }

    /// Leads from loose ends to the upper edge of a box.
    fn lead(&mut self, ends: &[(u32, u32)], (x, y): (u32, u32)) {
        for (from, bottom) in ends {
            let turn = y.saturating_sub(16).max(*bottom);
            self.paths.push(format!("M{from} {bottom}V{turn}H{x}V{y}"));
        }
    }

    fn middle(&self, drawn: &Drawn) -> u32 {
        drawn.x + BOX_WIDTH / 2
    }

    fn right(&self, drawn: &Drawn) -> u32 {
        drawn.x + BOX_WIDTH
    }

    /// It may be drawn smaller where there is little room, and its words can still be read.
    fn is_narrow(&self) -> bool {
        self.width <= 2 * COLUMN
    }

    fn box_width(&self) -> u32 {
        BOX_WIDTH
    }

    fn box_height(&self) -> u32 {
        BOX_HEIGHT
    }
}

/// Words in lines; what is too long ends with `…`.
fn broken(words: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in words.split_whitespace() {
        let last = lines.last_mut().expect("there is one");
        let length = last.chars().count();
        if length == 0 {
            last.push_str(word);
        } else if length + 1 + word.chars().count() <= LINE {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    let is_cut = lines.len() > LINES;
    lines.truncate(LINES);
    let last = lines.len() - 1;
    for (at, line) in lines.iter_mut().enumerate() {
        if line.chars().count() > LINE || (is_cut && at == last) {
            *line = line.chars().take(LINE - 1).chain(['…']).collect();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(depth: u32, step: &str, words: &str, here: u64) -> StepLine {
        StepLine { depth, step: step.to_owned(), words: words.to_owned(), here: Count(here) }
    }

    #[test]
    fn ways_stand_beside_each_other_and_meet_again() {
        let steps = [
            line(0, "first", "write “hello”", 3),
            line(0, "2", "take the first way that fits", 0),
            line(1, "", "if opened", 0),
            line(2, "a", "write “more”", 5),
            line(2, "b", "wait 3 days", 0),
            line(1, "", "otherwise", 0),
            line(0, "last", "write “bye”", 0),
        ];
        let flow = Flow::of(&steps, Count(9)).unwrap();
        let at = |words: &str| {
            let found = flow.boxes.iter().find(|drawn| drawn.title == words).unwrap_or_else(|| panic!("{words}"));
            (flow.middle(found), found.y)
        };
        assert_eq!(flow.width, 2 * COLUMN);
        assert_eq!(flow.boxes.len(), steps.len() + 2, "with enter and end");
        assert_eq!(at("if opened").1, at("otherwise").1, "beside each other");
        assert_eq!(at("otherwise").0 - at("if opened").0, COLUMN);
        assert!(at("write “more”").1 < at("wait 3 days").1 && at("wait 3 days").1 < at("write “bye”").1);
        assert_eq!(at("write “bye”").0, COLUMN, "in the middle again");
        let into_last = format!("H{}V{}", at("write “bye”").0, at("write “bye”").1);
        assert_eq!(flow.paths.iter().filter(|path| path.ends_with(&into_last)).count(), 2, "both ways lead there");
        let text = flow.render().unwrap();
        assert!(text.contains("hello") && text.contains(">9<"), "{text}");
    }

    #[test]
    fn whoever_fits_no_way_is_seen_to_go_on() {
        let steps = [line(0, "1", "take the first way that fits", 0), line(1, "", "if so", 0), line(2, "a", "wait", 0)];
        let flow = Flow::of(&steps, Count(1)).unwrap();
        assert!(flow.boxes.iter().any(|drawn| drawn.title == OTHERWISE));
        let end = flow.boxes.last().unwrap();
        let into_end = format!("H{}V{}", flow.middle(end), end.y);
        assert_eq!(flow.paths.iter().filter(|path| path.ends_with(&into_end)).count(), 2);
    }

    #[test]
    fn nothing_and_too_much_are_not_drawn_and_long_words_are_cut() {
        assert!(Flow::of(&[], Count(0)).is_none());
        assert!(Flow::of(&[line(1, "", "a way of nothing", 0)], Count(0)).is_none());
        let mut wide = vec![line(0, "1", "take the first way that fits", 0)];
        for _ in 0..20 {
            wide.push(line(1, "", "if so", 0));
            wide.push(line(2, "x", "wait", 0));
        }
        assert!(Flow::of(&wide, Count(0)).is_none());
        let lines = broken(&"word ".repeat(40));
        assert_eq!(lines.len(), LINES);
        assert!(lines[1].ends_with('…') && lines.iter().all(|line| line.chars().count() <= LINE));
        assert_eq!(broken(&"x".repeat(100))[0].chars().count(), LINE);
        assert_eq!(broken(""), [""]);
    }
}
