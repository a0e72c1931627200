//! Variants that are shared by what works, on a campaign's page: what may be said, today's shares, and how they became so.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::text::Count;

/// More changes than this are cut off at the old end: one point per pixel of a phone is as much as an eye can use.
const MOST_CHANGES: usize = 400;
/// Height of the drawing in pixels: all customers.
const PLOT: f64 = 140.0;

/// A step whose variants are shared by what works.
#[derive(Debug, Clone)]
pub struct SharedStep {
    /// The step's id.
    pub step: String,
    /// What may be said of the variants, one sentence without a full stop.
    pub says: String,
    /// Whether one of them is better.
    pub is_decided: bool,
    /// When shares move, one sentence without a full stop.
    pub moves: String,
    /// What a customer of each brings, as the head of a column: "of 100 customers come back".
    pub measure: String,
    /// The variants.
    pub variants: Vec<SharedVariant>,
    /// Of 10,000 customers, how many got each, since when; the latest last.
    pub days: Vec<(Timestamp, Vec<u32>)>,
    /// The right end of the drawing.
    pub now: Timestamp,
}

/// One variant.
#[derive(Debug, Clone)]
pub struct SharedVariant {
    /// Its name.
    pub name: String,
    /// Of 100 customers, how many get it today.
    pub of_hundred: u32,
    /// Customers who have it.
    pub customers: Count,
    /// Of these, those whose time is over.
    pub over: Count,
    /// Of those, those who came back.
    pub came_back: Count,
    /// What each brings had everybody got it, with its range; empty: nothing is known.
    pub estimate: String,
    /// The range alone.
    pub range: String,
}

/// Parts of 10,000 as parts of 100 that add up to 100 as they do: what rounding leaves goes to the largest remainders.
pub fn of_hundred(shares: &[u32]) -> Vec<u32> {
    let mut parts: Vec<u32> = shares.iter().map(|share| share / 100).collect();
    let left = (shares.iter().sum::<u32>() / 100).saturating_sub(parts.iter().sum());
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(shares[*at] % 100));
    for at in order.into_iter().take(left as usize) {
        parts[at] += 1;
    }
    parts
}

impl SharedStep {
    /// "Today 72 of 100 get restock, 28 get plain", the largest first, as name and share.
    pub(super) fn today(&self) -> Vec<(u32, &str)> {
        let mut today: Vec<(u32, &str)> = self.variants.iter().map(|it| (it.of_hundred, it.name.as_str())).collect();
        today.sort_by_key(|(share, _)| std::cmp::Reverse(*share));
        today
    }

    pub(super) fn picture(&self) -> ShareChart {
        ShareChart::new(self)
    }
}

/// How everybody was shared over time: one layer for each variant, all of them together always the whole.
#[derive(Template)]
#[template(path = "chart/shares.html")]
pub(super) struct ShareChart {
    label: String,
    names: Vec<String>,
    layers: Vec<String>,
    from: String,
    to: String,
    /// Day, and of 100 customers how many got each; the latest first.
    rows: Vec<(String, Vec<u32>)>,
}

impl HtmlSafe for ShareChart {}

impl ShareChart {
    fn new(step: &SharedStep) -> ShareChart {
        let days = &step.days[step.days.len().saturating_sub(MOST_CHANGES)..];
        let names: Vec<String> = step.variants.iter().map(|variant| variant.name.clone()).collect();
        let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%-d %b").to_string();
        let Some((first, _)) = days.first() else {
            let label = "How customers were shared: nothing yet".to_owned();
            return ShareChart {
                label,
                names,
                layers: Vec::new(),
                from: String::new(),
                to: String::new(),
                rows: Vec::new(),
            };
        };
        let begin = first.as_millisecond();
        let length = (step.now.as_millisecond() - begin).max(1) as f64;
        let x = |at: Timestamp| ((at.as_millisecond() - begin) as f64 / length * 1_000.0).clamp(0.0, 1_000.0);
        let layers = (0..names.len()).map(|layer| outline(days, layer, &x)).collect();
        let rows = days.iter().rev().map(|(since, shares)| (date(*since), of_hundred(shares)));
        let now: Vec<String> = step.today().into_iter().map(|(share, name)| format!("{name} {share} of 100")).collect();
        ShareChart {
            label: format!("How customers were shared since {}; today {}", date(*first), now.join(", ")),
            rows: rows.collect(),
            names,
            layers,
            from: date(*first),
            to: date(step.now),
        }
    }
}

/// The outline of a layer: along its upper edge in steps, back along its lower one.
fn outline(days: &[(Timestamp, Vec<u32>)], layer: usize, x: &dyn Fn(Timestamp) -> f64) -> String {
    let height = |shares: &[u32], layers: usize| {
        let below: u32 = shares.iter().take(layers).sum();
        PLOT - f64::from(below) / 10_000.0 * PLOT
    };
    let mut there = String::new();
    let mut back = String::new();
    for (place, (since, shares)) in days.iter().enumerate() {
        let (upper, lower) = (height(shares, layer + 1), height(shares, layer));
        let left = x(*since);
        let right = days.get(place + 1).map_or(1_000.0, |(next, _)| x(*next));
        let move_to = if place == 0 { "M" } else { "L" };
        there.push_str(&format!("{move_to}{left:.1} {upper:.1}H{right:.1}"));
        back = format!("L{right:.1} {lower:.1}H{left:.1}{back}");
    }
    format!("{there}{back}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn step() -> SharedStep {
        let variant = |name: &str, share| SharedVariant {
            name: name.to_owned(),
            of_hundred: share,
            customers: Count(10),
            over: Count(8),
            came_back: Count(2),
            estimate: String::new(),
            range: String::new(),
        };
        SharedStep {
            step: "first".to_owned(),
            says: String::new(),
            is_decided: false,
            moves: String::new(),
            measure: String::new(),
            variants: vec![variant("plain", 28), variant("restock", 72)],
            days: vec![
                (at("2026-03-01T00:00:00Z"), vec![5_000, 5_000]),
                (at("2026-03-03T00:00:00Z"), vec![2_750, 7_250]),
            ],
            now: at("2026-03-05T00:00:00Z"),
        }
    }

    #[test]
    fn layers_stand_on_each_other_and_fill_the_whole() {
        let chart = step().picture();
        assert_eq!(
            chart.layers,
            [
                "M0.0 70.0H500.0L500.0 101.5H1000.0L1000.0 140.0H500.0L500.0 140.0H0.0Z",
                "M0.0 0.0H500.0L500.0 0.0H1000.0L1000.0 101.5H500.0L500.0 70.0H0.0Z",
            ]
        );
        assert_eq!(chart.label, "How customers were shared since 1 Mar; today restock 72 of 100, plain 28 of 100");
        assert_eq!(chart.rows[0], ("3 Mar".to_owned(), vec![28, 72]));
    }

    #[test]
    fn parts_of_a_hundred_add_up() {
        assert_eq!(of_hundred(&[2_750, 7_250]), [28, 72]);
        assert_eq!(of_hundred(&[3_333, 3_333, 3_334]), [33, 33, 34]);
        assert_eq!(of_hundred(&[1_049, 1_049, 7_902]), [11, 10, 79]);
        assert_eq!(of_hundred(&[]), [0; 0]);
    }

    #[test]
    fn nothing_to_draw_is_drawn_as_nothing() {
        let empty = SharedStep { days: Vec::new(), variants: Vec::new(), ..step() }.picture();
        assert!(empty.layers.is_empty() && empty.rows.is_empty());
        let now = SharedStep { now: at("2026-03-01T00:00:00Z"), ..step() }.picture();
        assert!(now.layers.iter().all(|layer| !layer.contains("NaN") && !layer.contains("inf")), "{:?}", now.layers);
    }
}
