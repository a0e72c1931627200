use super::*;

fn error_of(text: &str) -> String {
    read_text(text, "shop.yaml").expect_err(text).to_string()
}

#[test]
fn the_example_of_the_spec_is_understood() {
    let text = r#"
segment: lapsed-regulars
title: Regulars who stopped
where:
  all:
    - { did: Order Completed, at_least: 3, within: 365d }
    - { did_not: Order Completed, within: 30d }
---
campaign: win-back
purpose: marketing
enter:
  on: { enters: lapsed-regulars }
  again: { after: 90d }
goal: { did: Order Completed, within: 14d, value: properties.revenue }
exit_if: { did: Order Completed }
holdout: 20%
steps:
  - id: first
    message: hello-again
    channel: email
  - wait: 3d
---
template: hello-again
channel: email
subject: "{{ customer.first_name | default: 'Hello' }}, we restocked it"
body: |
  Hello
---
workspace: settings
zone: Europe/London
currency: GBP
caps: [ { purpose: marketing, channel: email, at_most: 2, per: 7d }, { purpose: marketing, at_most: 1, per_days: 1 } ]
quiet_hours: { from: "21:00", to: 08:00, purposes: [marketing] }
global_holdout: { percent: 5, seed: g-2026 }
sender: { name: The Tea House, address: hello@tea.example, postal_address: "1 Leaf Lane, London" }
"#;
    let found = read_text(text, "shop.yaml").unwrap();
    assert_eq!(found.len(), 4);
    let mut all = Definitions::new();
    for defined in found {
        all.put(defined.definition);
    }
    all.check().unwrap();
    assert_eq!(all.campaigns[&Name::parse("win-back").unwrap()].holdout.buckets(), 2_000);
    assert_eq!(all.settings.caps.len(), 2);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    let text = "segment: a\nwhere: { all: [ { did: Order, witin: 3d } ] }";
    assert_eq!(
        error_of(text),
        "shop.yaml:2: segment `a`: at `where.all[0]`: unknown key `witin`; did you mean `within`?"
    );
    assert!(error_of("segment: a\nwhere: { dit: Order }").contains("did you mean `did`"));
    assert!(error_of("segment: a\nwhere: { trait: x, abov: 3 }").contains("did you mean `above`"));
    assert!(error_of("segmant: a\nwhere: { everyone: true }").contains("did you mean `segment`"));
}

#[test]
fn what_is_duplicate_empty_too_deep_or_too_long_is_refused() {
    assert_eq!(
        error_of("segment: a\nwhere: { everyone: true }\nsegment: b"),
        "shop.yaml: `segment` stands twice, in line 1 and in line 3; keep one"
    );
    assert_eq!(
        error_of(
            "- segment: a\n  where:\n    all:\n      - list: vip\n      - { did: A, where: { x: { is: 1 } },\n          did: B }"
        ),
        "shop.yaml: at `[0].where.all[1]`: `did` stands twice, in line 5 and in line 6; keep one"
    );
    assert!(error_of("segment: a\nwhere: { trait: x, is: .nan }").contains("line 2 column 24: `.nan` is no number"));
    assert!(error_of("segment: a\nwhere: { all: [] }").contains("the list is empty"));
    assert!(error_of("segment: A b\nwhere: { everyone: true }").contains("is no name"));
    let deep = format!("segment: a\nwhere: {}{{ everyone: true }}{}", "{ not: ".repeat(40), " }".repeat(40));
    assert!(error_of(&deep).contains("deeper than 32"));
    let wide = format!("segment: a\nwhere: {{ any: [ {} ] }}", "{ list: vip }, ".repeat(300));
    assert!(error_of(&wide).contains("more than 200"));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]";
    let _ = error_of(bomb);
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_would_be_right() {
    let cases = [
        ("{ stopped: Visit, active: 7d, quiet: 7d }", "`active` (7d) reaches further back than `quiet` (7d)"),
        ("{ sequence: { first: { did: A }, within: 2h } }", "write either `then` or `then_not`"),
        ("{ sequence: { first: { did: A }, then: { did: B } } }", "`within` is missing"),
        ("{ first_time: A }", "`within` is missing"),
        ("{ last: A, among: { x: { is: 1 } } }", "`has` is missing"),
        ("{ regularly: A, every: 1d, periods: 3, at_least_periods: 4 }", "from 1 to the 3 periods"),
        ("{ record: pass, any: { x: { is: 1 } }, every: { y: { is: 1 } } }", "one of `any`, `every` and `no_one`"),
        ("{ record: pass, within: 3d }", "unknown key `within`"),
        ("{ score: buys_in_30d, above: 0.5 }", "did you mean `buys_within_30d`?"),
        (
            "{ did: A, where: { plan: { held_for: { value: x, at_least: 1d } } } }",
            "of traits and of attributes of records",
        ),
        ("{ trait: plan, held_for: { at_least: 7d } }", "`value` is missing"),
        ("{ trait: birthday, anniversary: { within_next: 36h } }", "whole days"),
        ("{ trait: name, contains: '' }", "the text is empty"),
        ("{ did: A, sum: x, between: [ 1, 5 ] }", "this is a window of time"),
        ("{ did: A, between: [ now-3days, now ] }", "`3days` is no duration"),
        ("{ trait: birthday, anniversary: tomorrow }", "`tomorrow` is no anniversary"),
        ("{ last: A, first: B, has: { x: { is: 1 } } }", "one group or one condition"),
    ];
    for (rule, message) in cases {
        let error = error_of(&format!("segment: a\nwhere: {rule}"));
        assert!(error.contains(message), "{rule}: {error}");
    }
}

#[test]
fn circles_and_unknown_targets_are_named() {
    let mut all = Definitions::new();
    for defined in
        read_text("[{segment: a, where: {segment: b}}, {segment: b, where: {not: {segment: a}}}]", "x").unwrap()
    {
        all.put(defined.definition);
    }
    assert!(all.check().unwrap_err().to_string().contains("`a` → `b` → `a`"));
    let mut all = Definitions::new();
    for defined in read_text("[{segment: regulars, where: {segment: regular}}]", "x").unwrap() {
        all.put(defined.definition);
    }
    assert!(all.check().unwrap_err().to_string().contains("there is no segment `regular`; did you mean `regulars`?"));
}

#[test]
fn yaml_is_the_core_schema_of_1_2() {
    let values =
        read_yaml("{ on: yes, at: 21:00, day: 2026-01-01, no: off, n: 10, size: 1_000, f: 1.50, t: true, z: ~ }")
            .unwrap();
    let expected = serde_json::json!({"on": "yes", "at": "21:00", "day": "2026-01-01", "no": "off", "n": 10, "size": "1_000", "f": 1.5, "t": true, "z": null});
    assert_eq!(values[0], expected);
}
