//! Random lives of a shop, in which random rules mean the same people in SQL as in the words of segments.
//!
//! SQL is written here from the words of the specification, condition by condition, and asked of the tables that
//! every analyst sees: it shares no code with the evaluator.

use crate::Analyst;
use serde_json::{Map, Value, json};
use testkit::agreement::{Act, Case, live};
use testkit::chance::Chance;

/// Rules of one life.
const RULES: u64 = 10;

/// A rule, twice: in the words of segments, and as SQL that selects customers.
struct Rule {
    words: Value,
    sql: String,
}

const SPANS: [(&str, i64); 6] = [
    ("90s", 90_000),
    ("1h", 3_600_000),
    ("6h", 21_600_000),
    ("1d", 86_400_000),
    ("3d", 259_200_000),
    ("10d", 864_000_000),
];

const EVENTS: [(&str, &str); 5] = [
    ("visit", "name = 'visit'"),
    ("order", "name = 'order'"),
    ("visit again", "name = 'visit again'"),
    ("visit*", "name LIKE 'visit%'"),
    ("Page Viewed", "name = 'Page Viewed'"),
];

/// What of an event, a window and tests is left, in words and as a WHERE clause over `events`. Times are milliseconds.
struct Events {
    words: Map<String, Value>,
    sql: String,
}

fn time() -> &'static str {
    "arrow_cast(time, 'Int64')"
}

fn tests(chance: &mut Chance) -> (Value, String) {
    let limit = chance.between(-1, 5) * 5;
    match chance.below(5) {
        0 => (json!({ "n": { "above": limit } }), format!("json_get_decimal(properties, 'n') > {limit}")),
        1 => (json!({ "n": { "at_most": limit } }), format!("json_get_decimal(properties, 'n') <= {limit}")),
        2 => {
            let high = limit + 10;
            (
                json!({ "n": { "between": [limit, high] } }),
                format!("json_get_decimal(properties, 'n') BETWEEN {limit} AND {high}"),
            )
        }
        3 => (json!({ "kind": { "is": "tea" } }), "json_get_str(properties, 'kind') = 'tea'".to_owned()),
        _ => (
            json!({ "kind": { "is_not": "tea" } }),
            "coalesce(json_get_str(properties, 'kind'), '') <> 'tea'".to_owned(),
        ),
    }
}

/// Which event, of those that satisfy some tests, all of them at or before now.
fn events(chance: &mut Chance, now: i64, key: &str) -> Events {
    let (event, name) = chance.pick(&EVENTS);
    let mut words = Map::new();
    words.insert(key.to_owned(), (*event).into());
    let mut sql = format!("{name} AND {} <= {now}", time());
    if chance.happens(50) {
        let (test, clause) = tests(chance);
        words.insert("where".to_owned(), test);
        sql += &format!(" AND {clause}");
    }
    Events { words, sql }
}

fn in_window(chance: &mut Chance, now: i64, events: &mut Events) {
    if chance.happens(70) {
        let (word, length) = chance.pick(&SPANS);
        events.words.insert("within".to_owned(), (*word).into());
        events.sql += &format!(" AND {} > {}", time(), now - length);
    }
    if chance.happens(20) {
        let begin = now - chance.between(0, 20) * 21_600_000;
        events.words.insert("after".to_owned(), domain::Timestamp(begin).to_string().into());
        events.sql += &format!(" AND {} >= {begin}", time());
    }
}

fn comparison(chance: &mut Chance, limit: i64) -> (&'static str, String) {
    let (word, sign) = chance.pick(&[("at_least", ">="), ("at_most", "<="), ("above", ">"), ("below", "<")]);
    (word, format!("{sign} {limit}"))
}

/// Customers by an aggregate over events; where there are none, over nothing.
fn grouped(events: &Events, aggregate: &str, holds: &str) -> String {
    format!(
        "SELECT c.customer FROM customers c LEFT JOIN (SELECT customer, {aggregate} AS a FROM events WHERE {} GROUP BY customer) e
         ON c.customer = e.customer WHERE {holds}",
        events.sql
    )
}

fn rule(chance: &mut Chance, now: i64, depth: u32) -> Rule {
    if depth < 2 && chance.happens(25) {
        return group(chance, now, depth);
    }
    match chance.below(11) {
        0..3 => count(chance, now),
        3 => {
            let mut events = events(chance, now, "did_not");
            in_window(chance, now, &mut events);
            let sql = format!(
                "SELECT customer FROM customers WHERE customer NOT IN (SELECT customer FROM events WHERE {})",
                events.sql
            );
            Rule { words: events.words.into(), sql }
        }
        4..6 => aggregate(chance, now),
        6 => rhythm(chance, now),
        7 => regularly(chance, now),
        8 => sequence(chance, now),
        9 => of_trait(chance),
        _ => of_records(chance),
    }
}

fn group(chance: &mut Chance, now: i64, depth: u32) -> Rule {
    let (one, other) = (rule(chance, now, depth + 1), rule(chance, now, depth + 1));
    let everybody = "SELECT customer FROM customers";
    match chance.below(4) {
        0 => Rule {
            words: json!({ "all": [one.words, other.words] }),
            sql: format!("({}) INTERSECT ({})", one.sql, other.sql),
        },
        1 => Rule {
            words: json!({ "any": [one.words, other.words] }),
            sql: format!("({}) UNION ({})", one.sql, other.sql),
        },
        2 => Rule { words: json!({ "not": one.words }), sql: format!("{everybody} EXCEPT ({})", one.sql) },
        _ => Rule {
            words: json!({ "none": [one.words, other.words] }),
            sql: format!("{everybody} EXCEPT (({}) UNION ({}))", one.sql, other.sql),
        },
    }
}

fn count(chance: &mut Chance, now: i64) -> Rule {
    let mut events = events(chance, now, "did");
    in_window(chance, now, &mut events);
    let limit = chance.between(0, 3);
    let (word, sign) = *chance.pick(&[
        ("at_least", ">="),
        ("at_most", "<="),
        ("exactly", "="),
        ("more_than", ">"),
        ("fewer_than", "<"),
    ]);
    let limit = if word == "fewer_than" { limit.max(1) } else { limit };
    events.words.insert(word.to_owned(), limit.into());
    let sql = grouped(&events, "count(*)", &format!("coalesce(a, 0) {sign} {limit}"));
    Rule { words: events.words.into(), sql }
}

fn aggregate(chance: &mut Chance, now: i64) -> Rule {
    let mut events = events(chance, now, "did");
    in_window(chance, now, &mut events);
    let limit = chance.between(-1, 5) * 5;
    let (word, holds) = comparison(chance, limit);
    let n = "json_get_decimal(properties, 'n')";
    let (aggregate, sql) = match chance.below(4) {
        0 => ("sum", grouped(&events, &format!("sum({n})"), &format!("coalesce(a, 0) {holds}"))),
        1 => ("largest", grouped(&events, &format!("max({n})"), &format!("a {holds}"))),
        2 => ("smallest", grouped(&events, &format!("min({n})"), &format!("a {holds}"))),
        // Without a division, which would round.
        _ => (
            "average",
            grouped(&events, &format!("sum({n} - {limit})"), &format!("a {} 0", holds.split(' ').next().unwrap())),
        ),
    };
    events.words.insert(aggregate.to_owned(), "n".into());
    events.words.insert(word.to_owned(), limit.into());
    Rule { words: events.words.into(), sql }
}

fn having(events: &Events, condition: &str) -> String {
    format!("SELECT customer FROM events WHERE {} GROUP BY customer HAVING {condition}", events.sql)
}

fn rhythm(chance: &mut Chance, now: i64) -> Rule {
    let t = time();
    let some = |from: i64, to: i64| format!("bool_or({t} > {from} AND {t} <= {to})");
    match chance.below(3) {
        0 => {
            let mut events = events(chance, now, "first_time");
            let (word, length) = chance.pick(&SPANS);
            events.words.insert("within".to_owned(), (*word).into());
            let sql = having(&events, &format!("min({t}) > {}", now - length));
            Rule { words: events.words.into(), sql }
        }
        1 => {
            let mut events = events(chance, now, "stopped");
            let (active, quiet) = (chance.between(3, 10), chance.between(1, 2));
            events.words.insert("active".to_owned(), format!("{active}d").into());
            events.words.insert("quiet".to_owned(), format!("{quiet}d").into());
            let (active, quiet) = (now - active * 86_400_000, now - quiet * 86_400_000);
            let sql = having(&events, &format!("{} AND NOT {}", some(active, quiet), some(quiet, now)));
            Rule { words: events.words.into(), sql }
        }
        _ => {
            let mut events = events(chance, now, "restarted");
            let (quiet, recent) = (chance.between(1, 3), chance.between(1, 3));
            events.words.insert("quiet".to_owned(), format!("{quiet}d").into());
            events.words.insert("recent".to_owned(), format!("{recent}d").into());
            let recent_at = now - recent * 86_400_000;
            let quiet_at = recent_at - quiet * 86_400_000;
            let before = format!("bool_or({t} <= {quiet_at})");
            let sql = having(
                &events,
                &format!("{} AND NOT {} AND {before}", some(recent_at, now), some(quiet_at, recent_at)),
            );
            Rule { words: events.words.into(), sql }
        }
    }
}

fn regularly(chance: &mut Chance, now: i64) -> Rule {
    let mut events = events(chance, now, "regularly");
    let (word, every) = *chance.pick(&[("6h", 21_600_000_i64), ("1d", 86_400_000), ("3d", 259_200_000)]);
    let periods = chance.between(2, 4);
    let (in_periods, times) = (chance.between(1, periods), chance.between(1, 2));
    for (key, value) in [("periods", periods), ("at_least_periods", in_periods), ("at_least", times)] {
        events.words.insert(key.to_owned(), value.into());
    }
    events.words.insert("every".to_owned(), word.into());
    let t = time();
    let sql = format!(
        "SELECT customer FROM (SELECT customer, ({now} - {t}) / {every} AS period FROM events
         WHERE {} AND {t} > {} GROUP BY customer, ({now} - {t}) / {every} HAVING count(*) >= {times}) p
         GROUP BY customer HAVING count(*) >= {in_periods}",
        events.sql,
        now - periods * every
    );
    Rule { words: events.words.into(), sql }
}

fn sequence(chance: &mut Chance, now: i64) -> Rule {
    let (first, then) = (events(chance, now, "did"), events(chance, now, "did"));
    let (word, within) =
        *chance.pick(&[("1h", 3_600_000_i64), ("6h", 21_600_000), ("1d", 86_400_000), ("3d", 259_200_000)]);
    let t = time();
    let of =
        |events: &Events| format!("(SELECT customer, message_id AS id, {t} AS t FROM events WHERE {})", events.sql);
    let follows = format!("b.customer = a.customer AND b.id <> a.id AND b.t > a.t AND b.t <= a.t + {within}");
    let (key, sql) = if chance.happens(50) {
        ("then", format!("SELECT DISTINCT a.customer FROM {} a JOIN {} b ON {follows}", of(&first), of(&then)))
    } else {
        let sql = format!(
            "SELECT customer FROM (SELECT a.customer, a.id, count(b.id) AS followed FROM {} a LEFT JOIN {} b ON {follows}
             WHERE a.t <= {} GROUP BY a.customer, a.id) f WHERE followed = 0",
            of(&first),
            of(&then),
            now - within
        );
        ("then_not", format!("SELECT DISTINCT customer FROM ({sql}) s"))
    };
    let words = json!({ "sequence": { "first": first.words, key: then.words, "within": word } });
    Rule { words, sql }
}

fn of_trait(chance: &mut Chance) -> Rule {
    let of = |name: &str, clause: &str| format!("SELECT customer FROM traits WHERE name = '{name}' AND {clause}");
    let number = chance.between(-1, 5) * 5;
    match chance.below(4) {
        0 => Rule { words: json!({ "trait": "plan", "is": "gold" }), sql: of("plan", "value = '\"gold\"'") },
        1 => Rule {
            words: json!({ "trait": "plan", "exists": false }),
            sql: format!(
                "SELECT customer FROM customers EXCEPT ({})",
                of("plan", "value <> '\"\"' AND value <> 'null'")
            ),
        },
        2 => Rule {
            words: json!({ "trait": "score", "at_least": number }),
            sql: of("score", &format!("json_get_decimal(value) >= {number}")),
        },
        _ => Rule {
            words: json!({ "trait": "plan", "is_not": "gold" }),
            sql: format!("SELECT customer FROM customers EXCEPT ({})", of("plan", "value = '\"gold\"'")),
        },
    }
}

fn of_records(chance: &mut Chance) -> Rule {
    let kind = *chance.pick(&["pass", "parcel"]);
    let limit = chance.between(0, 2);
    let (word, sign) = *chance.pick(&[("at_least", ">="), ("at_most", "<="), ("exactly", "=")]);
    let sql = format!(
        "SELECT c.customer FROM customers c LEFT JOIN (SELECT customer, count(*) AS a FROM records WHERE kind = '{kind}' GROUP BY customer) r
         ON c.customer = r.customer WHERE coalesce(a, 0) {sign} {limit}"
    );
    Rule { words: json!({ "record": kind, word: limit }), sql }
}

/// Lives the life of a seed with rules that SQL can say, and asks both. Returns how many people all rules let in, and how
/// many they could have.
fn compare(analyst: &Analyst, seed: u64) -> (u64, u64) {
    let mut case = Case::random(seed);
    case.steps.retain(|step| !matches!(step.act, Act::Define(_)));
    case.definitions.retain(|definition| definition.get("segment").is_none());
    let now = case.steps.last().map_or(case.start, |step| step.at);
    let mut chance = Chance::new(seed ^ 0x5e91);
    let rules: Vec<Rule> = (0..RULES).map(|_| rule(&mut chance, now.0, 0)).collect();
    for (place, rule) in rules.iter().enumerate() {
        case.definitions.push(json!({ "segment": format!("r{place}"), "where": rule.words }));
    }
    case.definitions.push(json!({ "segment": "everybody", "where": { "everyone": true } }));
    let shop = live(&case).unwrap_or_else(|reason| panic!("seed {seed}: {reason}"));
    let all = shop.members("everybody");
    assert_eq!(analyst.ask(&shop, "SELECT customer FROM customers ORDER BY customer"), all, "seed {seed}");
    let (mut inside, mut possible) = (0, 0);
    for (place, Rule { words, sql }) in rules.iter().enumerate() {
        let members = shop.members(&format!("r{place}"));
        let found = analyst.ask(&shop, &format!("SELECT DISTINCT customer FROM ({sql}) q ORDER BY customer"));
        assert_eq!(found, members, "seed {seed}, at {now}: {words}\n{sql}\nleft: SQL; right: the segment");
        inside += members.len() as u64;
        possible += all.len() as u64;
    }
    (inside, possible)
}

#[test]
fn random_rules_mean_the_same_people_in_sql() {
    let analyst = Analyst::new();
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let first: u64 = std::env::var("FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (mut inside, mut possible) = (0, 0);
    for seed in first..first + seeds {
        let (members, people) = compare(&analyst, seed);
        inside += members;
        possible += people;
    }
    // Rules that let nobody in, or everybody, would agree without meaning anything.
    assert!(inside * 10 > possible && inside * 10 < possible * 9, "{inside} of {possible}");
}
