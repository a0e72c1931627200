//! Charts as SVG made on the server: size over time, bars, sparklines. Shapes stretch with the page, words do not;
//! zero is always shown, and a table with the same numbers stands behind each chart.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::civil::Date;

use super::text::{Count, Share, Tone};

/// More days than this are cut off at the old end: one point per pixel of a phone is as much as an eye can use.
const MOST_POINTS: usize = 400;
/// Height of the drawing area in pixels; a viewBox of this height is stretched in width only.
const PLOT: f64 = 140.0;

/// How many customers were in a segment at the end of a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizePoint {
    /// The local day.
    pub day: Date,
    /// Members at its end (for today: now).
    pub members: Count,
}

/// A line of size over time with its area down to zero.
#[derive(Template)]
#[template(path = "chart/size.html")]
pub struct SizeChart {
    label: String,
    line: String,
    area: String,
    top: Count,
    middle: Count,
    days: Vec<PlottedDay>,
}

impl HtmlSafe for SizeChart {}

/// A day with its place in the drawing.
struct PlottedDay {
    point: SizePoint,
    /// Left edge of the column that reacts to the pointer, percent of the width.
    left: f64,
    width: f64,
    /// The point itself: percent of the width, pixels from the top.
    x: f64,
    y: f64,
    shows_date: bool,
    anchor: &'static str,
}

impl PlottedDay {
    fn date(&self) -> String {
        short(self.point.day)
    }
}

impl SizeChart {
    /// Draws the points, oldest first. `what` names them for those who hear the page: "Members of Regulars".
    pub fn new(what: &str, points: &[SizePoint]) -> SizeChart {
        let points = &points[points.len().saturating_sub(MOST_POINTS)..];
        let largest = points.iter().map(|point| point.members.0).max().unwrap_or(0);
        let top = round_top(largest);
        let days = plot(points, top);
        let line: Vec<String> = days.iter().map(|day| format!("{:.2} {:.2}", day.x * 10.0, day.y)).collect();
        let line = line.join(" L");
        let area = match (days.first(), days.last()) {
            (Some(first), Some(last)) => {
                format!("M{:.2} {PLOT} L{line} L{:.2} {PLOT} Z", first.x * 10.0, last.x * 10.0)
            }
            _ => String::new(),
        };
        let label = match (points.first(), points.last()) {
            (Some(first), Some(last)) => format!(
                "{what}: {} on {}, {} on {}, most {}",
                first.members,
                short(first.day),
                last.members,
                short(last.day),
                Count(largest)
            ),
            _ => format!("{what}: nothing counted yet"),
        };
        let line = if line.is_empty() { line } else { format!("M{line}") };
        SizeChart { label, line, area, top: Count(top), middle: Count(top / 2), days }
    }

    fn last(&self) -> Option<&PlottedDay> {
        self.days.last()
    }

    /// Newest first, as one reads a table.
    fn rows(&self) -> impl Iterator<Item = &PlottedDay> {
        self.days.iter().rev()
    }
}

fn plot(points: &[SizePoint], top: u64) -> Vec<PlottedDay> {
    let gaps = points.len().saturating_sub(1).max(1) as f64;
    // About four dates fit under a chart on a phone.
    let every = points.len().div_ceil(4).max(1);
    let last = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .map(|(place, &point)| {
            let x = place as f64 / gaps * 100.0;
            let width = 100.0 / gaps;
            let near_end = last - place < every.div_ceil(2);
            PlottedDay {
                point,
                left: (x - width / 2.0).max(0.0),
                width: if place == 0 || place == last { width / 2.0 } else { width },
                x,
                y: PLOT - point.members.0 as f64 / top as f64 * PLOT,
                shows_date: place == last || (place % every == 0 && !near_end),
                anchor: if place == last && last > 0 {
                    "end"
                } else if place == 0 {
                    "start"
                } else {
                    "middle"
                },
            }
        })
        .collect()
}

/// The next round number (1, 2, 4, 5 or 10 times a power of ten) at or above, at least 2, so that half of it is whole.
fn round_top(largest: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 4, 5] {
            let top = power.saturating_mul(step);
            if top >= largest.max(2) && top % 2 == 0 {
                return top;
            }
        }
        let Some(next) = power.checked_mul(10) else {
            return u64::MAX;
        };
        power = next;
    }
}

fn short(day: Date) -> String {
    day.strftime("%-d %b").to_string()
}

/// A small line without words, for a row of a list.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = r#"<svg class="spark" width="96" height="24" viewBox="0 0 96 24" aria-hidden="true"><path class="axis" d="M0 23.5H96"/>{% if !line.is_empty() %}<path class="curve" d="M{{ line }}"/>{% endif %}</svg>"#
)]
pub struct Sparkline {
    line: String,
}

impl HtmlSafe for Sparkline {}

impl Sparkline {
    /// Draws the counts, oldest first, over zero.
    pub fn new(counts: &[Count]) -> Sparkline {
        let counts = &counts[counts.len().saturating_sub(MOST_POINTS)..];
        let top = counts.iter().map(|count| count.0).max().unwrap_or(0).max(1) as f64;
        let gaps = counts.len().saturating_sub(1).max(1) as f64;
        let line: Vec<String> = counts
            .iter()
            .enumerate()
            .map(|(place, count)| {
                let (x, y) = (place as f64 / gaps * 96.0, 22.0 - count.0 as f64 / top * 20.0);
                format!("{x:.1} {y:.1}")
            })
            .collect();
        Sparkline { line: line.join(" L") }
    }
}

/// Horizontal bars with their words beside them; the longest fills the width. One row of a funnel or a comparison each.
#[derive(Template)]
#[template(path = "chart/bars.html")]
pub struct Bars {
    rows: Vec<Bar>,
    whole: u64,
}

impl HtmlSafe for Bars {}

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it counts.
    pub label: String,
    /// How many; decides the length.
    pub count: Count,
    /// What stands at its end: the count, or a share of it.
    pub value: String,
    /// Its colour; plain is the quiet one.
    pub tone: Tone,
    /// Where one can see the people behind the number.
    pub opens: Option<String>,
    /// Small words below: reasons with their counts.
    pub parts: Vec<BarPart>,
}

/// A part of a bar in words.
#[derive(Debug, Clone)]
pub struct BarPart {
    /// The words, such as "quiet hours".
    pub words: String,
    /// How many.
    pub count: Count,
    /// The address that lists them; empty: there is none.
    pub opens: String,
}

impl Bars {
    /// Bars against `whole`; rows larger than it fill the width.
    pub fn new(rows: Vec<Bar>, whole: &Count) -> Bars {
        Bars { rows, whole: whole.0 }
    }

    fn width(&self, row: &Bar) -> String {
        Share { part: row.count.0, whole: self.whole }.width()
    }
}

/// Two bars: of every so many customers, how many came back, with the message and in the comparison group.
#[derive(Template)]
#[template(path = "chart/pair.html")]
pub struct Pair {
    heading: String,
    label: String,
    rows: [PairRow; 2],
}

impl HtmlSafe for Pair {}

struct PairRow {
    label: &'static str,
    value: String,
    width: String,
    tone: &'static str,
}

impl Pair {
    /// Compares the shares of both arms on one scale that starts at zero.
    pub fn new(messaged: Share, held_out: Share) -> Pair {
        // "Of 1,000" of a group of 80 would claim digits that nobody knows.
        let every = if messaged.whole.min(held_out.whole) >= 1_000 { 1_000 } else { 100 };
        let scale = messaged.per_mille().max(held_out.per_mille()).max(1);
        let row = |label, share: Share, tone| PairRow {
            label,
            value: share.of_every(every),
            // The longer bar leaves room for its number.
            width: Share { part: share.per_mille() * 3, whole: scale * 4 }.width(),
            tone,
        };
        let rows = [row("With the message", messaged, "leaf"), row("Comparison group", held_out, "rest")];
        Pair {
            heading: format!("Of every {} customers, so many came back", Count(every)),
            label: format!(
                "Came back, of every {}: {} with the message, {} in the comparison group",
                Count(every),
                rows[0].value,
                rows[1].value
            ),
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(members: &[u64]) -> Vec<SizePoint> {
        let first = Date::constant(2026, 11, 1);
        let day = |place: usize| first.saturating_add(jiff::Span::new().days(i64::try_from(place).unwrap()));
        members.iter().enumerate().map(|(place, &count)| SizePoint { day: day(place), members: Count(count) }).collect()
    }

    #[test]
    fn the_scale_begins_at_zero_and_ends_at_a_round_number_with_a_whole_half() {
        for (largest, top) in [(0, 2), (1, 2), (3, 4), (5, 10), (11, 20), (412, 500), (4_001, 5_000)] {
            assert_eq!(round_top(largest), top, "{largest}");
        }
        assert!(round_top(u64::MAX) >= u64::MAX / 2);
    }

    #[test]
    fn the_table_behind_a_chart_has_the_numbers_that_were_drawn() {
        let members = [0, 5, 412, 1_399, 7];
        let html = SizeChart::new("Members", &points(&members)).to_string();
        let cells: Vec<&str> =
            html.split("<td class=\"num\">").skip(1).map(|rest| &rest[..rest.find('<').unwrap()]).collect();
        assert_eq!(cells, ["7", "1,399", "412", "5", "0"]);
        assert!(html.contains("Members: 0 on 1 Nov, 7 on 5 Nov, most 1,399"));
    }

    #[test]
    fn a_chart_of_nothing_one_point_or_enormous_numbers_is_still_a_chart() {
        for members in [&[][..], &[0], &[7], &[u64::MAX, 0, u64::MAX]] {
            let html = SizeChart::new("Members", &points(members)).to_string();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{members:?}");
            assert_eq!(html.matches("<td class=\"num\">").count(), members.len());
        }
        assert!(!Sparkline::new(&[]).to_string().contains("NaN"));
    }

    #[test]
    fn the_longer_of_two_shares_leaves_room_for_its_number_and_both_start_at_zero() {
        let pair = Pair::new(Share { part: 200, whole: 1000 }, Share { part: 50, whole: 500 });
        assert_eq!(pair.rows.each_ref().map(|row| row.width.as_str()), ["75.0%", "37.5%"]);
        let nobody = Pair::new(Share { part: 0, whole: 0 }, Share { part: 0, whole: 0 });
        assert_eq!(nobody.rows.each_ref().map(|row| row.width.as_str()), ["0.0%", "0.0%"]);
    }
}
