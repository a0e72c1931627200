//! Definitions with nonsense in them: each gives an error that says where, or a rule that can be asked.

use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};
use testkit::chance::Chance;
use testkit::{Keeps, Post, Shop, random};

use domain::Timestamp;
use domain::definition::read_text;

const CASES: u64 = 10_000;
/// Longest time for one definition, on a busy machine: most take microseconds, a hang takes for ever.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn ten_thousand_definitions_with_nonsense_give_errors_or_rules_and_never_a_panic_or_a_hang() {
    let mut asked = Asked::new();
    let (mut refused, mut taken, mut slowest) = (0, 0, Duration::ZERO);
    for seed in 0..CASES {
        let mut chance = Chance::new(seed);
        let text = nonsense(&mut chance);
        let began = Instant::now();
        let shown: String = text.chars().take(2_000).collect();
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match read_text(&text, "nonsense") {
            Ok(found) if found.len() < 20 && text.contains("segment") => asked.ask(&text),
            Ok(_) => true,
            Err(error) => {
                let words = error.to_string();
                assert!(words.starts_with("nonsense") && words.len() > 15, "says nothing: {words}");
                assert!(words.len() < 3_000, "says too much: {} bytes", words.len());
                false
            }
        }));
        slowest = slowest.max(began.elapsed());
        assert!(began.elapsed() < PATIENCE, "seed {seed} took {:?}: {shown}", began.elapsed());
        match read {
            Ok(true) => taken += 1,
            Ok(false) => refused += 1,
            Err(_) => panic!("seed {seed} panicked: {shown}"),
        }
    }
    println!("{refused} refused, {taken} taken, the slowest took {slowest:?}");
    assert!(refused > CASES / 3 && taken > CASES / 20, "{refused} refused, {taken} taken");
}

#[test]
fn a_misspelt_word_is_named_with_its_place_and_the_nearest_known_one() {
    let mut chance = Chance::new(7);
    let mut named = 0;
    for _ in 0..1_500 {
        let mut rule = random::segments(&mut chance, Timestamp(1_770_000_000_000)).remove(0);
        let words = [
            "within",
            "where",
            "at_least",
            "at_most",
            "exactly",
            "has",
            "among",
            "every",
            "recent",
            "quiet",
            "value",
            "ignore_case",
        ];
        let Some((key, typo)) = misspell(&mut rule, &words) else { continue };
        let error = read_text(&rule.to_string(), "typo").expect_err(&rule.to_string()).to_string();
        let says = error.contains(&format!("`{typo}`")) || error.contains(&format!("`{key}` is missing"))
            // What is left may be no condition at all.
            || error.contains("is missing") || error.contains("needs one of") || error.contains("write either");
        assert!(says && error.contains("where"), "{typo} for {key}: {error}\n{rule}");
        named += u32::from(error.contains(&format!("`{typo}`; did you mean `{key}`?")));
    }
    assert!(named > 100, "only {named} were named with the right word");
}

/// A few customers on whom rules are tried.
struct Asked {
    shop: Shop,
    left: u32,
}

impl Asked {
    fn new() -> Asked {
        let start = Timestamp::parse("2026-03-25T12:00:00Z").expect("an instant");
        let shop = Shop::bare(start, Keeps::Memory, Post::Outbox);
        shop.define("purpose: news");
        let mut chance = Chance::new(4711);
        for _ in 0..12 {
            let mut call = random::call(&mut chance, start);
            call.as_object_mut().expect("a call is a map").shift_remove("messageId");
            shop.send(&call, domain::Trust::Server);
        }
        // Definitions add up: now and then they are forgotten.
        Asked { shop, left: 40 }
    }

    /// Tries what was read on everybody. Returns whether it could be put in force.
    fn ask(&mut self, text: &str) -> bool {
        if self.left == 0 {
            *self = Asked::new();
        }
        self.left -= 1;
        if let Err(error) = self.shop.try_define(text) {
            assert!(!error.to_string().is_empty());
            return false;
        }
        let engine = self.shop.engine();
        let (look, now) = (engine.look(), self.shop.now());
        for segment in engine.definitions().segments.keys() {
            let members = look.members(segment).expect("it was just defined");
            let built = look.members_as_of(segment, now).expect("the store in memory can be read");
            assert_eq!(Some(members), built, "live and built from nothing, of {segment}");
            for id in look.customers() {
                look.why(segment, id).expect("the store in memory can be read");
            }
        }
        true
    }
}

/// A definition that was right, and then was not.
fn nonsense(chance: &mut Chance) -> String {
    let now = Timestamp(1_774_440_000_000);
    if chance.happens(8) {
        return noise(chance);
    }
    let mut value = match chance.below(10) {
        0 => Value::Array(random::segments(chance, now)),
        _ => random::segments(chance, now).remove(0),
    };
    for _ in 0..chance.below(4) {
        let size = size(&value);
        let mut place = chance.below(size);
        mutate(chance, &mut value, &mut place);
    }
    let mut text = if chance.happens(50) { value.to_string() } else { block(&value, 0) };
    if chance.happens(35) {
        for _ in 0..1 + chance.below(3) {
            text = scratch(chance, &text);
        }
    }
    text
}

/// Number of values in a value.
fn size(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

fn mutate(chance: &mut Chance, value: &mut Value, place: &mut u64) -> bool {
    if *place == 0 {
        change(chance, value);
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| mutate(chance, item, place)),
        Value::Object(map) => map.values_mut().any(|item| mutate(chance, item, place)),
        _ => false,
    }
}

fn change(chance: &mut Chance, value: &mut Value) {
    match (chance.below(8), &mut *value) {
        (0, Value::Object(map)) => {
            let strangers = [
                "witin", "Where", "", "segment", "any", "all", "did", "trait", "zone", "is", "held_for", "日",
                "a\u{0}b",
            ];
            map.insert((*chance.pick(&strangers)).to_owned(), strange(chance));
        }
        (1, Value::Object(map)) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            if !keys.is_empty() {
                map.shift_remove(chance.pick(&keys));
            }
        }
        (2, Value::Object(map)) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            if !keys.is_empty() {
                let key = chance.pick(&keys).clone();
                let inner = map.shift_remove(&key).unwrap_or_default();
                map.insert(typo(chance, &key), inner);
            }
        }
        (3, Value::Array(items)) => {
            let one = items.first().cloned().unwrap_or_default();
            items.extend(vec![one; usize::try_from(chance.below(1_100)).unwrap_or(0)]);
        }
        (4, _) => {
            let mut deep = std::mem::take(value);
            for _ in 0..1 + chance.below(60) {
                deep = if chance.happens(50) { json!({ "not": deep }) } else { json!({ "all": [deep] }) };
            }
            *value = deep;
        }
        _ => *value = strange(chance),
    }
}

fn typo(chance: &mut Chance, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    if letters.is_empty() {
        return "x".to_owned();
    }
    let at = usize::try_from(chance.below(letters.len() as u64)).unwrap_or(0);
    match chance.below(3) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, 'q'),
        _ => letters[at] = 'ä',
    }
    letters.into_iter().collect()
}

/// Misspells one of some keys, wherever one stands. Returns the key and what became of it.
fn misspell(value: &mut Value, words: &[&str]) -> Option<(String, String)> {
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| misspell(item, words)),
        Value::Object(map) => {
            let Some(key) =
                map.keys().find(|key| words.contains(&key.as_str()) && !map.contains_key("segment")).cloned()
            else {
                return map.values_mut().find_map(|inner| misspell(inner, words));
            };
            let typo = format!("{}q{}", &key[..1], &key[1..]);
            let entries = std::mem::take(map);
            let renamed = |(name, inner): (String, Value)| (if name == key { typo.clone() } else { name }, inner);
            *map = entries.into_iter().map(renamed).collect::<Map<_, _>>();
            Some((key, typo))
        }
        _ => None,
    }
}

/// Values that are wrong almost everywhere.
fn strange(chance: &mut Chance) -> Value {
    let patterns = [
        "(a{1000}){1000}",
        "(a*)*b",
        "[",
        "(?P<x>a",
        "\\p{Greek}+",
        "(x+x+)+y",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "a{99999}",
        "\\pN{1000}",
    ];
    match chance.below(30) {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(1e308),
        3 => json!(u64::MAX),
        4 => json!(0.000_000_1),
        5 => "".into(),
        6 => "x".repeat(100_000).into(),
        7 => "日本語\u{202e}\u{0}".into(),
        8 => json!([]),
        9 => json!({}),
        10 => true.into(),
        11 => "99999999999999999999d".into(),
        12 => "36525d".into(),
        13 => "0s".into(),
        14 => "1e400".into(),
        15 => "now+36500d".into(),
        16 => "9999-12-31T23:59:59+23:59".into(),
        17 => "0000-00-00".into(),
        18 => "+36525d".into(),
        19 => json!({ "matches": chance.pick(&patterns) }),
        20 => json!({ "held_for": { "value": "x", "at_least": "36500d" } }),
        21 => json!({ "anniversary": { "within_next": "36500d" } }),
        22 => json!({ "regularly": "*", "every": "1s", "periods": 1000 }),
        23 => json!({ "regularly": "*", "every": "36500d", "periods": 1000, "at_least": 1_000_000 }),
        24 => {
            json!({ "sequence": { "first": { "did": "*" }, "then_not": { "did": "*" }, "within": "1s", "recent": "36500d" } })
        }
        25 => json!({ "record": "pass", "average": "price", "above": "79228162514264337593543950335" }),
        26 => json!({ "did": "*", "sum": "n", "below": "-1e-28", "within_days": 36_525 }),
        27 => json!({ "segment": "s0" }),
        28 => json!({ "any": [{ "x": { "is": 1 } }] }),
        _ => "a..b[\"".into(),
    }
}

/// YAML in blocks. Keys and texts are written as JSON, which YAML reads.
fn block(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, inner)| match inner {
                Value::Object(_) | Value::Array(_) if size(inner) > 1 => {
                    format!("{indent}{}:\n{}", json!(key), block(inner, depth + 1))
                }
                _ => format!("{indent}{}: {inner}\n", json!(key)),
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| format!("{indent}-\n{}", block(item, depth + 1))).collect()
        }
        plain => format!("{indent}{plain}\n"),
    }
}

/// Changes the text itself, as editors, copies and bad networks do.
fn scratch(chance: &mut Chance, text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let spot = |chance: &mut Chance| usize::try_from(chance.below(letters.len() as u64 + 1)).unwrap_or(0);
    let at = spot(chance);
    let (before, after): (String, String) = (letters[..at].iter().collect(), letters[at..].iter().collect());
    let signs = [
        "&", "*", "!", "|", ">", "%", "@", ":", "{", "}", "[", "]", ",", "#", "?", "- ", "\"", "'", "\n", "\t",
        "\u{feff}", "\u{0}", "~", "\\", "🍵",
    ];
    let pieces = [
        "&a [*a, *a]",
        "<<: *a",
        "!!binary |",
        "!!python/object:os.system",
        "---\n",
        "...\n",
        "? {a: b}\n: c",
        "1e999999",
        "0x7fffffffffffffff",
        ".inf",
        ".nan",
        "2026-02-30",
        "'",
        "segment: again\n",
        "\"where\": {\"everyone\": true},",
        "*unknown",
    ];
    match chance.below(8) {
        0 => before,
        1 => after,
        2 => before + chance.pick::<&str>(&signs) + &after,
        3 => before + chance.pick::<&str>(&pieces) + &after,
        4 => before + after.strip_prefix(|_: char| true).unwrap_or(""),
        5 => {
            let (sign, other) = (*chance.pick::<&str>(&signs), *chance.pick::<&str>(&signs));
            text.replacen(sign, other, 1)
        }
        6 if text.lines().next().is_none() => before,
        6 => {
            let lines: Vec<&str> = text.lines().collect();
            format!("{text}{}\n", chance.pick(&lines))
        }
        _ => before.clone() + &before + &after,
    }
}

/// What never was a definition.
fn noise(chance: &mut Chance) -> String {
    let deep = 2_000;
    match chance.below(10) {
        0 => "[".repeat(deep),
        1 => "{\"not\":".repeat(deep),
        2 => "- ".repeat(deep),
        3 => format!("segment: a\nwhere: {}everyone: true{}", "{ not: ".repeat(deep), " }".repeat(deep)),
        4 => {
            let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
            let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
            for pair in letters.windows(2) {
                let inner = vec![format!("*{}", pair[0]); 9].join(", ");
                text.push_str(&format!("{}: &{} [{inner}]\n", pair[1], pair[1]));
            }
            text
        }
        5 => format!("segment: {}\nwhere: {{ everyone: true }}", "a".repeat(50_000)),
        6 => format!("segment: a\nwhere: {{ did: \"{}\" }}", "日".repeat(5_000)),
        7 => "segment: a\n".repeat(1_000),
        8 => (0..chance.below(400))
            .map(|_| char::from_u32(u32::try_from(chance.below(0x3000)).unwrap_or(32)).unwrap_or(' '))
            .collect(),
        _ => (0..chance.below(200))
            .map(|_| {
                *chance.pick(&[": ", "- ", "{", "}", "[", "]", "\n", "  ", "a", "&x ", "*x", "|", ">", "'", "\"", ","])
            })
            .collect(),
    }
}
