//! What marketers, customers and attackers see of a written message.

use super::*;
use domain::id::Name;
use domain::message::Channel;
use domain::workspace::{Locale, Parts};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// A letter with the usual around it: Ana, the tea house, a Thursday in January.
struct Desk {
    template: Template,
    variant: Option<&'static str>,
    locale: Option<&'static str>,
    customer: Value,
    event: Value,
    links: Links,
    sender: Option<Sender>,
    footer: Footer,
    zone: Zone,
    counts_clicks: bool,
}

impl Desk {
    fn new(format: Format, body: &str) -> Desk {
        Desk {
            template: Template {
                name: Name::parse("hello").unwrap(),
                channel: Channel::Email,
                subject: "Hello".to_owned(),
                body: body.to_owned(),
                text: None,
                url: None,
                icon: None,
                format: Some(format),
                variants: Vec::new(),
                locales: Vec::new(),
            },
            variant: None,
            locale: None,
            customer: json!({ "first_name": "Ana", "empty": "", "null": null }),
            event: json!({ "items": [{ "name": "Earl Grey", "price": 12.5 }, { "name": "Mug", "price": 8 }] }),
            links: Links {
                unsubscribe: "https://tea.example/u/abc?x=1&y=2".to_owned(),
                preferences: "https://tea.example/p/abc".to_owned(),
                view: "https://tea.example/v/abc".to_owned(),
                confirm: None,
            },
            sender: Some(Sender {
                name: "The Tea House".to_owned(),
                address: "hello@tea.example".to_owned(),
                postal_address: Some("1 Leaf <Lane>, London".to_owned()),
            }),
            footer: Footer::Marketing,
            zone: Zone::find("Europe/London").unwrap(),
            counts_clicks: false,
        }
    }

    fn markdown(body: &str) -> Desk {
        Desk::new(Format::Markdown, body)
    }

    fn html(body: &str) -> Desk {
        Desk::new(Format::Html, body)
    }

    fn subject(mut self, subject: &str) -> Desk {
        self.template.subject = subject.to_owned();
        self
    }

    fn customer(mut self, customer: Value) -> Desk {
        self.customer = customer;
        self
    }

    fn write(&self) -> Result<Rendered, WriteError> {
        let track = |url: &str| format!("https://tea.example/c/{}", escape::url_component(url));
        render(&Letter {
            template: &self.template,
            variant: self.variant,
            locale: self.locale,
            customer: &self.customer,
            event: &self.event,
            record: &Value::Null,
            campaign: &json!({ "name": "win-back" }),
            voucher: &Value::Null,
            links: &self.links,
            sender: self.sender.as_ref(),
            footer: self.footer,
            now: noon(),
            zone: &self.zone,
            currency: Currency::GBP,
            track_clicks: self.counts_clicks.then_some(&track as &dyn Fn(&str) -> String),
            gaps: None,
        })
    }
}

fn noon() -> Timestamp {
    Timestamp::parse("2026-01-15T12:00:00Z").unwrap()
}

fn text_of(source: &str, data: &Value) -> Result<String, WriteError> {
    render_text(source, data, Writing::Text, noon(), &Zone::utc(), Currency::GBP)
}

fn html_of(source: &str, data: &Value) -> Result<String, WriteError> {
    render_text(source, data, Writing::Html, noon(), &Zone::utc(), Currency::GBP)
}

fn missing(path: &str) -> WriteError {
    WriteError::Missing { path: path.to_owned() }
}

// Liquid as marketers write it.

/// Where we differ from liquidjs on purpose: the template, what it gives here, and why.
const DIFFERENT: [(&str, &str, &str); 10] = [
    ("Hi {{ customer.nickname }}!", "HELD: customer.nickname", "a missing value holds the message"),
    ("{{ event.total | currency }}", "£33.25", "liquidjs does not know the filter"),
    ("{{ customer.points | number_with_delimiter }}", "1,234.5", "liquidjs does not know the filter"),
    ("{{ event.ends_at | timezone: 'America/Toronto' | date: '%H:%M' }}", "00:00", "liquidjs does not know the filter"),
    (
        "{{ event.ends_at | time_zone: 'America/Toronto' | date: '%H:%M' }}",
        "00:00",
        "liquidjs does not know the filter",
    ),
    (
        "{{ customer | to_json }}",
        r#"{"first_name":"ada","email":"ada@example.com","points":1234.5,"created_at":1709640000,"tags":["tea","coffee"],"birthday":"1990-12-10","missing":null}"#,
        "liquidjs does not know the filter",
    ),
    (
        "{{content_blocks.${header}}}",
        "BROKEN: line 1: unknown content block `header`: write its text into the template",
        "Braze refuses an unknown block too",
    ),
    ("{{${first_name} | default: 'x'}}", "ada", "Braze's attribute"),
    ("{% abort_message('no items') %}", "ABORTED: no items", "Braze's way out"),
    ("{{ 1 | pluralize: 'item', 'items' }}", "item", "liquidjs does not know the filter"),
];

#[test]
fn liquid_means_what_marketers_know_from_elsewhere() {
    let path = format!("{}/../../../shared/reference/liquid.json", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    let Ok(reference) = std::fs::read_to_string(&path) else {
        println!("skipped: {path} is not here");
        return;
    };
    let reference: Value = serde_json::from_str(&reference).unwrap();
    let mut different = Vec::new();
    for case in reference["cases"].as_array().unwrap() {
        let template = case["template"].as_str().unwrap();
        let expected = case["expected"].as_str().unwrap();
        let found = match text_of(template, &reference["data"]) {
            Ok(text) => text,
            Err(WriteError::Missing { path }) => format!("HELD: {path}"),
            Err(WriteError::Aborted { reason }) => format!("ABORTED: {reason}"),
            Err(WriteError::Broken { message }) => format!("BROKEN: {message}"),
            Err(other) => format!("{other}"),
        };
        // liquidjs refuses with ERR: and its own words.
        let agrees = found == expected || (expected.starts_with("ERR: ENOENT") && found.starts_with("BROKEN: "));
        if !agrees {
            different.push((template.to_owned(), found));
        }
    }
    let expected: Vec<_> =
        DIFFERENT.iter().map(|(template, found, _)| ((*template).to_owned(), (*found).to_owned())).collect();
    assert_eq!(different, expected);
}

#[test]
fn what_is_shown_names_what_is_missing_and_prints_the_rest() {
    let data = json!({ "customer": { "first_name": "Ana", "empty": "" }, "event": { "total": 12.5 } });
    let zone = Zone::utc();
    let setting =
        Setting { now: noon(), zone: &zone, currency: Currency::GBP, sender: None, public_url: "https://tea.example" };
    let shown = |text: &str| show(Source::Liquid(text), data.as_object().unwrap(), setting);
    let found = shown("Hi {{ customer.nickname }}{{ customer.empty | upcase }}! {{ event.total | currency }}").unwrap();
    assert_eq!(found.text, "Hi ! £12.50");
    assert_eq!(found.missing, ["customer.empty", "customer.nickname"]);
    let found = shown("{{ customer.nickname | default: 'you' }}{% if customer.nickname %}!{% endif %}").unwrap();
    assert_eq!((found.text.as_str(), found.missing.len()), ("you", 0));
    assert!(matches!(shown("{% if %}"), Err(WriteError::Broken { .. })));
    assert!(matches!(shown("{% abort_message('no') %}"), Err(WriteError::Aborted { .. })));
    let desk = Desk::new(Format::Markdown, "Hello {{ customer.nickname }}, [no more]({{ links.unsubscribe }})");
    let found = show(Source::Template(&desk.template, None), data.as_object().unwrap(), setting).unwrap();
    assert!(found.text.contains("https://tea.example/u/preview"), "{}", found.text);
    assert_eq!(found.missing, ["customer.nickname"]);
}

#[test]
fn the_idioms_of_a_newsletter_work() {
    let data = json!({
        "customer": { "first_name": "Ana", "tags": ["tea", "mug"], "Order ID": 7, "joined": "2025-06-01T23:30:00Z", "n": "12" },
        "event": { "items": [{ "name": "B", "price": 10 }, { "name": "a", "price": 9.5 }, { "name": "C" }], "at": 1768478400 },
    });
    for (template, expected) in [
        (
            "{{ customer['Order ID'] }} {{ customer.tags[-1] }} {{ customer.tags.last }} {{ customer.tags[0].size }}",
            "7 mug mug 3",
        ),
        ("{%- if true -%}  a  {%- endif -%} b {{- ' c' -}} d", "ab cd"),
        (
            "{% case customer.first_name %}{% when 'Ben', 'Eva' %}no{% when 'Bob' or 'Ana' %}yes{% else %}?{% endcase %}",
            "yes",
        ),
        ("{% for i in (1..3) reversed %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "31"),
        ("{% for i in event.items %}{% if i.price < 10 %}{% break %}{% endif %}{{ i.name }}{% endfor %}", "B"),
        (
            "{% for i in event.items limit: 2 %}{{ i.name }}{% endfor %}|{% for i in event.items offset: continue %}{{ i.name }}{% endfor %}",
            "Ba|C",
        ),
        (
            "{% for a in (1..2) %}{% for b in (1..2) %}{{ forloop.parentloop.index }}{{ b }} {% endfor %}{% endfor %}",
            "11 12 21 22 ",
        ),
        ("{% for t in customer.none %}x{% else %}nothing{% endfor %}", "nothing"),
        ("{% for pair in event.items[0] %}{{ pair[0] }}={{ pair[1] }};{% endfor %}", "name=B;price=10;"),
        ("{% capture x %} {{ customer.first_name }}! {% endcapture %}{{ x | strip }}", "Ana!"),
        ("{% comment %}{{ broken {% endcomment %}{% # don't %}ok", "ok"),
        (
            "{% liquid\n  # don't\n  for t in customer.tags\n    if t contains 'te'\n      echo t | upcase\n    endif\n  endfor\n%}",
            "TEA",
        ),
        ("{% assign s = \"it's }} fine\" %}{{ s }}", "it's }} fine"),
        (
            "{{ event.items | sort: 'name' | map: 'name' | join }} {{ event.items | sort_natural: 'name' | map: 'name' | join }}",
            "B C a a B C",
        ),
        ("{{ event.items | sort: 'price' | map: 'name' | join }}", "a B C"),
        ("{{ event.items | map: 'price' | compact | sum }} {{ event.items | sum: 'price' }}", "19.5 19.5"),
        (
            "{{ event.items | where: 'price' | size }} {{ event.items | reject: 'price' | map: 'name' }} {{ event.items | find: 'name', 'a' | json }}",
            r#"2 C {"name":"a","price":9.5}"#,
        ),
        (
            "{{ 'a,b,,' | split: ',' | size }} {{ 'a  b' | split: ' ' | size }} {{ 'abc' | split: '' | reverse | join: '' }}",
            "2 2 cba",
        ),
        (
            "{{ 10 | divided_by: 4 }} {{ 10 | divided_by: 5 }} {{ '3' | times: 2 }} {{ -7 | modulo: 3 }} {{ 2.5 | round }} {{ 1234.567 | round: 1 }} {{ -1.5 | abs }}",
            "2.5 2 6 -1 3 1234.6 1.5",
        ),
        ("{{ 5 | at_least: 7 }} {{ 5 | at_most: 3 }} {{ customer.n | plus: 1 }} {{ 1 | minus: 3 }}", "7 3 13 -2"),
        (
            "{{ customer.joined | date: '%-d %b %Y' }} {{ event.at | date: '%F' }} {{ 'now' | date: '%Y' }} {{ 'now' | date: '%s' | plus: 86400 | date: '%F' }}",
            "1 Jun 2025 2026-01-15 2026 2026-01-16",
        ),
        (
            "{{ 'a-b_c d' | replace: '-', '+' | remove: '_' | replace_first: ' ', '.' | append: '!' | prepend: '>' }}",
            ">a+bc.d!",
        ),
        (
            "{{ 'hello' | slice: 1, 3 }} {{ 'hello' | slice: -2, 2 }} {{ customer.tags | slice: 0 | first }}",
            "ell lo tea",
        ),
        (
            "{{ customer.tags | array_to_sentence_string }} {{ '1,2,3' | split: ',' | array_to_sentence_string: 'or' }}",
            "tea and mug 1, 2, or 3",
        ),
        (
            "{{ 'a b' | url_encode }} {{ 'a+b%21' | url_decode }} {{ 'tea' | base64_encode | base64_decode }}",
            "a+b a b! tea",
        ),
        (
            "{{ false | default: 'x' }} {{ false | default: 'x', allow_false: true }} {{ '' | default: 'y' }} {{ customer.empty | default }}",
            "x false y ",
        ),
        ("{{ 12 | currency }} {{ 12 | currency: 'EUR' }} {{ 1234 | currency: 'en-us' }}", "£12.00 €12.00 $1,234.00"),
        ("{{ 3 | pluralize: 'cup' }} {{ 0 | pluralize: 'cup', 'cups' }}", "cups cups"),
        (
            "{% if customer.first_name == 'Ana' and customer.tags contains 'tea' %}y{% endif %}{% if not customer.x %}n{% endif %}{{ customer.tags.size > 1 }}",
            "yntrue",
        ),
        (
            "{% assign g = event.items | group_by: 'price' %}{{ g.size }} {{ g[0].name }} {{ g[0].items[0].name }}",
            "3 10 B",
        ),
        (
            "{% tablerow t in customer.tags cols: 1 %}{{ t }}{% endtablerow %}",
            "<tr class=\"row1\"><td class=\"col1\">tea</td></tr><tr class=\"row2\"><td class=\"col1\">mug</td></tr>",
        ),
        ("{% cycle 'g': 1, 2 %}{% cycle 'g': 1, 2 %}{% decrement d %}{% increment i %}{{ i }}", "12-101"),
        (
            "{{ customer.tags | concat: customer.tags | uniq | push: 'x' | unshift: 'y' | shift | pop | join: '-' }}",
            "tea-mug",
        ),
        (
            "{% if '10' > 9 %}a{% endif %}{% if customer.none > 1 %}b{% endif %}{% if customer.none < 1 %}c{% endif %}",
            "a",
        ),
        ("{% raw %}{{ a }}{% {% endraw %}{%- raw -%} b {%- endraw -%} c", "{{ a }}{% bc"),
        ("{{ customer.${first_name} }} {{ custom_attribute.${n} }} {{event_properties.${items}[0].name}}", "Ana 12 B"),
        ("{{ '<b>' | escape }} {{ '&lt;' | escape_once }}", "&lt;b&gt; &lt;"),
        (
            "{{ 'one two three' | truncatewords: 5 }} {{ 'tea' | truncate: 2 }} {{ 'teatea' | truncate: 4, '…' }}",
            "one two three ... tea…",
        ),
    ] {
        assert_eq!(text_of(template, &data).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn a_mistake_in_a_template_is_named_with_its_line() {
    for (template, expected) in [
        ("a\nb {{ x | nope }}", "line 2: unknown filter `nope`"),
        ("{{ x", "line 1: `{{` without `}}`"),
        ("{% if x %}", "line 1: `if` without `endif`"),
        ("\n{% if x %}{% endfor %}", "line 2: `endfor` where `endif` of line 2 was expected"),
        ("{% endif %}", "line 1: `endif` without a beginning"),
        ("{% if x = 1 %}{% endif %}", "line 1: unexpected `=`: comparing is written `==`"),
        ("{% dance %}", "line 1: unknown tag `dance`"),
        ("{{ 'a }}", "line 1: a text without its closing '"),
        ("{{ a b }}", "line 1: unexpected `b`"),
        (
            "{{ a | raw }}",
            "line 1: `raw` would let customers' values become HTML, which is not allowed: write the markup into the template",
        ),
        ("{% for x of y %}{% endfor %}", "line 1: write `for item in items`"),
        ("{% liquid\n  echo 1\n  dance\n%}", "line 3: unknown tag `dance`"),
        ("{% raw %}", "line 1: `raw` without `endraw`"),
        (
            "{% include 'x' %}",
            "line 1: `include` needs another template, and templates cannot include others: write its text here",
        ),
        ("a\n{{ 1 | divided_by: 0 }}", "line 2: `divided_by`: divided by 0"),
        ("{{ 'x' | plus: 1 }}", "line 1: `plus`: expected a number, found a text"),
    ] {
        let broken = WriteError::Broken { message: expected.to_owned() };
        assert_eq!(text_of(template, &json!({})), Err(broken), "{template}");
    }
    let mut template = Desk::markdown("{{ a").template;
    assert_eq!(check_template(&template), Err("body: line 1: `{{` without `}}`".to_owned()));
    template.body = String::new();
    template.variants = vec![("b".to_owned(), Parts { subject: Some("{% x %}".to_owned()), ..Parts::default() })];
    assert_eq!(check_template(&template), Err("variants.b.subject: line 1: unknown tag `x`".to_owned()));
}

#[test]
fn a_template_tells_what_it_reads() {
    let mut template = Desk::markdown(
        "{% assign x = customer.a | append: event.b %}{{ x.y }}{% for i in event.items limit: record.n %}{{ i.name }}{{ forloop.index }}\
         {% endfor %}{% if customer['c d'] > 1 %}{% endif %}{% case customer.k[0] %}{% when event.w %}{% endcase %}",
    )
    .subject("{{ customer.first_name }}")
    .template;
    let facts = check_template(&template).unwrap();
    assert_eq!(
        facts.fields,
        [
            "customer.a",
            "customer.c d",
            "customer.first_name",
            "customer.k[0]",
            "event.b",
            "event.items",
            "event.w",
            "record.n"
        ]
    );
    assert!(!facts.has_unsubscribe && !facts.is_whole_page);
    template.body = "[out]({{ links.unsubscribe }})".to_owned();
    assert!(check_template(&template).unwrap().has_unsubscribe);
    template.variants = vec![("b".to_owned(), Parts { body: Some("no link".to_owned()), ..Parts::default() })];
    assert!(!check_template(&template).unwrap().has_unsubscribe);
    template.variants = Vec::new();
    template.body = "{% unsubscribe_url %}".to_owned();
    assert!(check_template(&template).unwrap().has_unsubscribe);
}

// What is missing.

#[test]
fn a_printed_value_that_is_missing_or_empty_holds_the_message_and_one_only_asked_for_does_not() {
    for (template, path) in [
        ("Hi {{ customer.nickname }},", "customer.nickname"),
        ("Hi {{ customer.empty }},", "customer.empty"),
        ("Hi {{ customer.null }},", "customer.null"),
        ("{{ nobody.at.all }}", "nobody.at.all"),
        ("{{ customer.nickname | capitalize | append: '!' }}", "customer.nickname"),
        ("{{ 'Hi ' | append: customer.nickname }}", "customer.nickname"),
        ("{{ customer.points | plus: 10 }}", "customer.points"),
        ("{{ customer.first_name | remove: 'Ana' }}", "customer.first_name"),
        ("{% assign n = customer.nickname | upcase %}Hi {{ n }}", "customer.nickname"),
        ("{% assign n = customer.spaces | strip %}Hi {{ n }}", "customer.spaces"),
        ("{% for i in event.items %}{{ i.size }}{{ i.colour }}{% endfor %}", "event.items[0].colour"),
        ("{% for t in customer.tags %}{{ t }}{% endfor %}", "customer.tags[1]"),
        ("{{ event.items[9].name }}", "event.items[9].name"),
        ("{{ customer.none | first }}", "customer.none"),
        ("{{ event.none | date: '%Y' }}", "event.none"),
        ("{% capture c %}{{ customer.nickname }}{% endcapture %}", "customer.nickname"),
        ("{{ customer.nickname | default: customer.empty }}", "customer.empty"),
        ("{% assign parts = customer.first_name | split: ' ' %}{{ parts[1] }}", "parts[1]"),
        ("{% cycle customer.nickname %}", "customer.nickname"),
        ("{{ customer.nothing }}", "customer.nothing"),
        ("{{ customer.nothing | join: ', ' }}", "customer.nothing"),
    ] {
        let desk = Desk::markdown(template).customer(json!({
            "first_name": "Ana", "empty": "", "null": null, "spaces": "  ", "tags": ["a", ""], "nothing": [],
        }));
        assert_eq!(desk.write(), Err(missing(path)), "{template}");
    }
    for (template, expected) in [
        ("{{ customer.nickname | default: 'friend' }}", "friend"),
        ("{{ customer.empty | default: 'friend' }}", "friend"),
        ("{{ customer.nickname | default: '' }}", ""),
        ("{{ customer.nickname | upcase | default: 'friend' }}", "friend"),
        ("{% if customer.nickname %}a{% else %}b{% endif %}", "b"),
        ("{% if customer.a.b.c == 'x' or customer.empty == '' %}a{% endif %}", "a"),
        ("{% if customer.nickname contains 'x' %}a{% endif %}{% if customer.nickname == blank %}b{% endif %}", "b"),
        ("{% assign a = '' %}{{ a }}{% capture c %}{% endcapture %}{{ c }}", ""),
        ("{% assign n = customer.nickname %}{% if n %}{{ n }}{% endif %}", ""),
        ("{{ customer.zero }}{{ customer.no }}", "0false"),
    ] {
        let data = json!({ "customer": { "empty": "", "zero": 0, "no": false } });
        assert_eq!(text_of(template, &data).as_deref(), Ok(expected), "{template}");
    }
    let subject = Desk::markdown("x").subject("{{ customer.nickname }}");
    assert_eq!(subject.write(), Err(missing("customer.nickname")));
}

// Attacks.

#[test]
fn a_name_is_text_in_html_and_itself_in_the_subject_and_the_text() {
    let name = "<b onclick=\"x\">Tom & 'Eve'</b>";
    for desk in [Desk::html("<p>Hi {{ customer.first_name }}</p>"), Desk::markdown("Hi {{ customer.first_name }}")] {
        let rendered =
            desk.subject("Hi {{ customer.first_name }}").customer(json!({ "first_name": name })).write().unwrap();
        assert!(
            rendered.html.contains("<p>Hi &lt;b onclick=&quot;x&quot;&gt;Tom &amp; &#39;Eve&#39;&lt;/b&gt;</p>"),
            "{}",
            rendered.html
        );
        assert_eq!(rendered.subject, format!("Hi {name}"));
        assert!(rendered.text.starts_with(&format!("Hi {name}\n")), "{}", rendered.text);
    }
}

#[test]
fn what_the_author_escaped_is_escaped_once_and_what_they_caught_stays_markup() {
    let data = json!({ "customer": { "first_name": "<i>", "address": "1 Lane\nLondon <x>" } });
    for (template, expected) in [
        ("{{ customer.first_name | escape }}", "&lt;i&gt;"),
        ("{{ customer.first_name | escape | append: '!' }}", "&lt;i&gt;!"),
        ("{{ customer.first_name | escape_once }}", "&lt;i&gt;"),
        ("{{ '&lt; <' | escape_once }}", "&lt; &lt;"),
        ("{% assign n = customer.first_name | escape %}{{ n }}", "&lt;i&gt;"),
        ("{{ customer.address | newline_to_br }}", "1 Lane<br />\nLondon &lt;x&gt;"),
        ("{% capture c %} <b>{{ customer.first_name }}</b> {% endcapture %}{{ c | strip }}", "<b>&lt;i&gt;</b>"),
        (
            "{% capture c %}<b>{{ customer.first_name }}</b>{% endcapture %}{{ c | upcase }}",
            "&lt;B&gt;&lt;I&gt;&lt;/B&gt;",
        ),
        ("{{ '<b>' | append: customer.first_name }}", "&lt;b&gt;&lt;i&gt;"),
    ] {
        assert_eq!(html_of(template, &data).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn t29_a_trait_that_looks_like_a_template_is_printed_as_it_is() {
    let evil = "{{ links.unsubscribe }}{% for i in (1..9) %}x{% endfor %}{% abort_message %}";
    let rendered = Desk::markdown("{{ customer.first_name }} {{ customer.first_name | append: '' | strip }}")
        .customer(json!({ "first_name": evil }))
        .write()
        .unwrap();
    assert!(rendered.text.starts_with(&format!("{evil} {evil}")), "{}", rendered.text);
}

#[test]
fn t30_a_template_without_end_ends_in_an_error_at_once() {
    let big = json!({ "customer": { "text": "x".repeat(400_000), "list": vec!["y"; 9_000], "many": vec![1; 20_000] } });
    let doubling = |begin: &str, step: &str| {
        format!("{{% assign x = {begin} %}}{{% for i in (1..9000) %}}{{% assign x = {step} %}}{{% endfor %}}")
    };
    let nested = "{% for a in (1..9000) %}".repeat(20) + &"{% endfor %}".repeat(20);
    for template in [
        "{% for i in (1..30000000) %}{% endfor %}".to_owned(),
        "{% for i in (1..30000000) limit: 3 %}{% endfor %}".to_owned(),
        "{% for i in (-9223372036854775808..9223372036854775807) %}{% endfor %}".to_owned(),
        "{% for i in customer.many %}{% endfor %}".to_owned(),
        nested,
        "{% for a in (1..9000) %}{% for b in (1..9000) %}{% if a == b %}{% endif %}{% endfor %}{% endfor %}".to_owned(),
        "{% for a in (1..9000) %}{{ customer.text }}{% endfor %}".to_owned(),
        "{% for a in (1..9000) %}{% capture c %}{{ customer.text }}{% endcapture %}{% endfor %}".to_owned(),
        "{% for a in (1..9000) %}{% if customer == customer %}{% endif %}{% endfor %}".to_owned(),
        "{% for a in (1..9000) %}{% assign s = customer.list | sort | uniq | reverse %}{% endfor %}".to_owned(),
        "{% for a in (1..9000) %}{% if customer.text contains 'z' %}{% endif %}{% endfor %}".to_owned(),
        doubling("'x'", "x | append: x"),
        doubling("'xx'", "x | replace: 'x', x"),
        doubling("customer.list", "x | concat: x"),
        doubling("customer.list", "x | join: customer.text | split: ''"),
        doubling("'x'", "x | url_encode | prepend: '%' | append: x"),
        doubling("customer.list", "x | json"),
        "{{ customer.text | split: '' }}".to_owned(),
        "{{ customer.text | replace: 'x', customer.text }}".to_owned(),
        "{{ customer.text }}{{ customer.text }}".to_owned(),
        format!("{{{{ 1{} }}}}", " | plus: 1".repeat(20_000)) + &"{% for a in (1..9) %}".repeat(51),
        "{% if a %}".repeat(30_000),
        format!("{{{{ {}1{} }}}}", "a[".repeat(60_000), "]".repeat(60_000)),
        format!("{{% if {}a %}}{{% endif %}}", "not ".repeat(60_000)),
        format!("{{% if {}a %}}{{% endif %}}", "a and ".repeat(40_000)),
        "x".repeat(300_000),
    ] {
        let begun = Instant::now();
        let result = text_of(&template, &big);
        let error = result.expect_err(&template[..template.len().min(200)]);
        assert!(
            matches!(error, WriteError::TooLong { .. } | WriteError::TooSlow | WriteError::Broken { .. }),
            "{error:?}: {template:.200}"
        );
        // Some tens of milliseconds in a release; an unoptimised build on a busy machine has all the patience it needs.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}: {template:.200}", begun.elapsed());
    }
    // As deep as it may be, with room on the stack of a worker thread (2 MB).
    let deep = "{% if true %}".repeat(24)
        + &"{% for a in (1..1) %}".repeat(25)
        + "{% if true and true and true %}.{{ a | plus: 1 }}";
    let deep = deep + "{% endif %}" + &"{% endfor %}".repeat(25) + &"{% endif %}".repeat(24);
    assert!(text_of(&deep, &big).is_err());
    let deep = deep.replacen("{% if true %}", "", 1);
    assert_eq!(text_of(&deep[..deep.len() - "{% endif %}".len()], &big).as_deref(), Ok(".2"));
    let honest = "{% for i in (1..9000) %}{{ i }}, {% endfor %}";
    assert!(text_of(honest, &big).unwrap().ends_with("9000, "));
}

#[test]
fn t31_scripts_in_traits_reach_no_place_where_they_run() {
    let evil = json!({ "first_name": "'\"><script>alert(1)</script>", "url": "javascript:alert(1)" });
    let desk = Desk::html(
        "<p title=\"{{ customer.first_name }}\">{{ customer.first_name }}</p><a href=\"{{ customer.url }}\">a</a>\
         <a href='{{ customer.url | upcase }}'>b</a><img src={{ customer.url }}><!-- {{ customer.first_name }} -->",
    );
    let rendered = desk.customer(evil.clone()).write().unwrap();
    assert!(
        !rendered.html.to_lowercase().contains("<script") && !rendered.html.to_lowercase().contains("javascript:"),
        "{}",
        rendered.html
    );
    assert_eq!(
        rendered.html.matches("\"#\"").count()
            + rendered.html.matches("'#'").count()
            + rendered.html.matches("=#>").count(),
        3
    );
    let script = Desk::html("<script>var n = '{{ customer.first_name }}'</script>").customer(evil).write();
    let message = "body: a value is printed inside <script>, where it cannot be made safe".to_owned();
    assert_eq!(script, Err(WriteError::Broken { message }));
}

#[test]
fn a_value_in_markdown_is_neither_markdown_nor_html() {
    let evil = "[x](http://evil.example) **b** <script>";
    let rendered = Desk::markdown("# Hi {{ customer.first_name }}\n\n- {{ customer.first_name }}\n- [shop](https://tea.example?n={{ customer.first_name | url_encode }})")
        .customer(json!({ "first_name": evil }))
        .write()
        .unwrap();
    assert!(rendered.html.contains("<h1>Hi [x](http://evil.example) **b** &lt;script&gt;</h1>"), "{}", rendered.html);
    assert!(
        rendered.html.contains(
            "<a href=\"https://tea.example?n=%5Bx%5D(http%3A%2F%2Fevil.example)+**b**+%3Cscript%3E\">shop</a>"
        ),
        "{}",
        rendered.html
    );
    assert!(
        rendered.text.starts_with(&format!("Hi {evil}\n\n- {evil}\n- shop (https://tea.example?n=")),
        "{}",
        rendered.text
    );
}

#[test]
fn a_subject_is_one_line_and_not_endless() {
    let desk = |name: &str| {
        Desk::markdown("x").subject("Hi {{ customer.first_name }}\n ").customer(json!({ "first_name": name }))
    };
    let rendered = desk("Ana\r\nBcc: evil@x.example\r\n\r\nbody\0\u{7f}\u{85}\u{2028}\u{202e}!").write().unwrap();
    assert_eq!(rendered.subject, "Hi Ana Bcc: evil@x.example body !");
    assert_eq!(desk(&"ä".repeat(995)).write().unwrap().subject.chars().count(), 998);
    let too_long = WriteError::TooLong { part: "subject".to_owned(), limit: 998 };
    assert_eq!(desk(&"ä".repeat(996)).write(), Err(too_long));
}

#[test]
fn a_part_is_at_most_half_a_megabyte_and_a_template_a_quarter() {
    let quotes = |count: usize| {
        Desk::html("{{ customer.first_name }}").customer(json!({ "first_name": "\"".repeat(count) })).write()
    };
    assert!(quotes(80_000).is_ok());
    assert_eq!(quotes(100_000), Err(WriteError::TooLong { part: "html".to_owned(), limit: OUTPUT_LIMIT }));
    assert_eq!(quotes(600_000), Err(WriteError::TooLong { part: "body".to_owned(), limit: OUTPUT_LIMIT }));
    let mut template = Desk::markdown("").template;
    template.body = "x".repeat(TEMPLATE_LIMIT);
    assert!(check_template(&template).is_ok());
    template.body.push('x');
    assert!(check_template(&template).is_err());
}

// What is sent.

#[test]
fn every_marketing_mail_says_who_writes_and_how_to_end_it_and_service_does_not() {
    let mut desk = Desk::markdown("Hello **{{ customer.first_name }}**, see [the shop](https://tea.example/shop).");
    let rendered = desk.write().unwrap();
    assert!(
        rendered
            .html
            .contains("<p>Hello <strong>Ana</strong>, see <a href=\"https://tea.example/shop\">the shop</a>.</p>")
    );
    assert!(rendered.html.contains(
        "The Tea House<br>\n1 Leaf &lt;Lane&gt;, London<br>\n<a href=\"https://tea.example/u/abc?x=1&amp;y=2\""
    ));
    assert_eq!(
        rendered.text,
        "Hello Ana, see the shop (https://tea.example/shop).\n\n-- \nThe Tea House\n1 Leaf <Lane>, London\n\
         Unsubscribe: https://tea.example/u/abc?x=1&y=2\n"
    );
    desk.locale = Some("de-AT");
    let german = desk.write().unwrap();
    assert!(
        german.text.ends_with("\nAbmelden: https://tea.example/u/abc?x=1&y=2\n")
            && german.html.contains(">Abmelden</a>")
    );
    desk.locale = None;
    desk.sender = None;
    assert!(desk.write().unwrap().text.ends_with("-- \nUnsubscribe: https://tea.example/u/abc?x=1&y=2\n"));
    desk.footer = Footer::Service;
    let service = desk.write().unwrap();
    assert!(
        !service.html.contains("Unsubscribe") && service.text == "Hello Ana, see the shop (https://tea.example/shop)."
    );
}

#[test]
fn a_template_with_its_own_link_gets_no_second_one_and_a_whole_page_stays_as_it_is() {
    let own = Desk::markdown("Bye. [Leave]({{ links.unsubscribe }})").write().unwrap();
    assert_eq!(own.html.matches("/u/abc").count(), 1);
    assert_eq!(
        own.text,
        "Bye. Leave (https://tea.example/u/abc?x=1&y=2)\n\n-- \nThe Tea House\n1 Leaf <Lane>, London\n"
    );
    let page = "<!DOCTYPE html><HTML><body>Hi {{ customer.first_name }}</body></HTML>";
    assert_eq!(Desk::html(page).write().unwrap().html, "<!DOCTYPE html><HTML><body>Hi Ana</body></HTML>");
}

#[test]
fn clicks_are_counted_except_on_our_own_links_and_the_text_leads_straight_there() {
    let mut desk = Desk::markdown(
        "[a](https://x.example/?b=1&c=2) [u]({{ links.unsubscribe }}) [v]({{ links.view }}) [m](mailto:a@x.example)",
    );
    desk.counts_clicks = true;
    let rendered = desk.write().unwrap();
    assert!(
        rendered.html.contains("<a href=\"https://tea.example/c/https%3A%2F%2Fx.example%2F%3Fb%3D1%26c%3D2\">a</a>"),
        "{}",
        rendered.html
    );
    assert!(rendered.html.contains("<a href=\"https://tea.example/u/abc?x=1&amp;y=2\">u</a> <a href=\"https://tea.example/v/abc\">v</a> <a href=\"mailto:a@x.example\">"));
    assert!(
        rendered.text.starts_with("a (https://x.example/?b=1&c=2) u (https://tea.example/u/abc?x=1&y=2)"),
        "{}",
        rendered.text
    );
}

#[test]
fn a_variant_replaces_its_parts_and_the_templates_own_text_goes_with_its_own_body() {
    let mut desk = Desk::markdown("own body");
    desk.footer = Footer::Service;
    desk.template.text = Some("own text\r\n{{ customer.first_name }}\u{7}".to_owned());
    desk.template.variants = vec![(
        "restock".to_owned(),
        Parts {
            subject: Some("Back".to_owned()),
            body: Some("back *again*".to_owned()),
            text: None,
            ..Parts::default()
        },
    )];
    let own = desk.write().unwrap();
    assert_eq!((own.subject.as_str(), own.text.as_str()), ("Hello", "own text\nAna"));
    desk.variant = Some("restock");
    let restock = desk.write().unwrap();
    assert_eq!((restock.subject.as_str(), restock.text.as_str()), ("Back", "back again"));
    assert!(restock.html.contains("<p>back <em>again</em></p>"));
    desk.variant = Some("plain");
    assert_eq!(desk.write().unwrap(), own);
}

/// A template with a French voice, a Brazilian one, and a variant.
fn in_languages() -> Desk {
    let mut desk = Desk::markdown("own body");
    desk.footer = Footer::Service;
    let parts = |subject: &str, body: Option<&str>| Parts {
        subject: Some(subject.to_owned()),
        body: body.map(str::to_owned),
        ..Parts::default()
    };
    desk.template.variants = vec![("restock".to_owned(), parts("Back", None))];
    let locale = |tag: &str, own: Parts, variants| Locale { tag: tag.to_owned(), parts: own, variants };
    desk.template.locales = vec![
        locale("fr", parts("Bonjour", Some("le corps")), vec![("restock".to_owned(), parts("De retour", None))]),
        locale("pt-BR", parts("Olá", None), Vec::new()),
        locale("zh-Hant", parts("你好", None), Vec::new()),
    ];
    desk
}

#[test]
fn everybody_reads_their_own_language_where_the_template_speaks_it() {
    let mut desk = in_languages();
    let mut subject = |locale: Option<&'static str>| {
        desk.locale = locale;
        desk.write().unwrap().subject
    };
    for french in ["fr", "FR", "fr-CA", "fr_CA", "fr_FR.UTF-8", " fr "] {
        assert_eq!(subject(Some(french)), "Bonjour", "{french}");
    }
    assert_eq!(subject(Some("pt_br")), "Olá");
    assert_eq!(subject(Some("zh-Hant-TW")), "你好");
    // Brazil's words are not Portugal's; nor is a language one that begins with the same letters.
    for other in ["pt", "pt-PT", "zh", "frr", "de", "", "-", "fr\u{0}"] {
        assert_eq!(subject(Some(other)), "Hello", "{other:?}");
    }
    assert_eq!(subject(None), "Hello");
}

#[test]
fn a_variant_speaks_after_the_language_and_may_have_words_of_its_own_in_it() {
    let mut desk = in_languages();
    desk.variant = Some("restock");
    desk.locale = Some("pt-BR");
    assert_eq!(desk.write().unwrap().subject, "Back");
    desk.locale = Some("fr");
    let written = desk.write().unwrap();
    assert_eq!((written.subject.as_str(), written.text.trim()), ("De retour", "le corps"));
}

#[test]
fn dates_are_the_customers() {
    let on = |zone: &str| {
        let mut desk = Desk::markdown("{{ event.at | date: '%-d %B, %H:%M' }}");
        desk.event = json!({ "at": "2026-07-01T22:30:00Z" });
        desk.zone = Zone::find(zone).unwrap();
        desk.footer = Footer::Service;
        desk.write().unwrap().text
    };
    assert_eq!(on("Europe/London"), "1 July, 23:30");
    assert_eq!(on("Asia/Tokyo"), "2 July, 07:30");
}

#[test]
fn a_newsletter_in_mjml_is_a_page_with_counted_links_and_a_text_part() {
    let mut desk = Desk::html("");
    desk.template.format = None;
    desk.template.body = "{% assign shop = 'https://tea.example/back' %}<mjml><mj-head><mj-style>a { color: red }</mj-style></mj-head>\
        <mj-body><mj-section><mj-column><mj-text>Hello {{ customer.first_name }}, <a href=\"{{ links.unsubscribe }}\">no more</a></mj-text>\
        <mj-button href=\"{{ shop }}\">To the shop</mj-button></mj-column></mj-section></mj-body></mjml>"
        .to_owned();
    desk.template.format = Some(Format::Mjml);
    desk.counts_clicks = true;
    desk.customer = json!({ "first_name": "<Ana>" });
    let written = desk.write().unwrap();
    assert!(written.html.contains("Hello &lt;Ana&gt;"), "{}", written.html);
    assert!(
        written.html.contains("href=\"https://tea.example/c/https%3A%2F%2Ftea.example%2Fback\""),
        "{}",
        written.html
    );
    assert!(written.html.contains("href=\"https://tea.example/u/abc?x=1&amp;y=2\""), "{}", written.html);
    assert!(written.text.contains("Hello <Ana>,"), "{}", written.text);
    assert!(written.text.contains("To the shop (https://tea.example/back)"), "{}", written.text);
    let mut template = desk.template.clone();
    assert!(check_template(&template).unwrap().has_unsubscribe);
    template.body = "<mjml>\n<mj-body>\n<mj-sektion></mj-sektion></mj-body></mjml>".to_owned();
    let error = check_template(&template).unwrap_err();
    assert!(error.starts_with("body: line 3: unknown MJML element `mj-sektion`; did you mean `mj-section`"), "{error}");
}

#[test]
fn the_same_letter_is_written_the_same_twice() {
    let data = json!({ "customer": { "id": 1, "list": ["a", "b", "c"] } });
    let template = "{{ customer.list | random }}{{ 100 | random }}";
    assert_eq!(text_of(template, &data), text_of(template, &data));
}

// Whatever comes.

/// Texts that attackers send, and any other.
fn evil_text() -> impl Strategy<Value = String> {
    let fragments = prop::sample::select(vec![
        "<",
        ">",
        "\"",
        "'",
        "&",
        "<script>",
        "</p>",
        "-->",
        "{{",
        "}}",
        "{%",
        "%}",
        "](",
        "[",
        "*",
        "_",
        "`",
        "#",
        "\n",
        "\n\n",
        "- ",
        "javascript:",
        "http://",
        "\\",
        "&lt;",
        "&#60;",
        "]]>",
        "qvalue1z",
        "=",
        "/",
        " ",
        "|",
        "\0",
        "\u{202e}",
        "é",
        "a",
        "1",
    ]);
    prop_oneof![prop::collection::vec(fragments, 1..12).prop_map(|parts| parts.concat()), "\\PC{1,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_value_never_changes_the_structure_of_a_page(name in evil_text()) {
        let bodies = [
            Desk::html("<p class=\"{{ customer.first_name }}\">{{ customer.first_name }}</p><a href=\"{{ customer.first_name }}\" title='{{ customer.first_name }}' \
                        data-x={{ customer.first_name }}>x</a><style>p{color:{{ customer.first_name }}}</style><!-- {{ customer.first_name }} --><title>{{ customer.first_name }}</title>"),
            Desk::markdown("# {{ customer.first_name }}\n\n**{{ customer.first_name }}** [a]({{ customer.first_name }}) `{{ customer.first_name }}`\n\n{{ customer.first_name }}\n\n\
                            | a | b |\n|---|---|\n| {{ customer.first_name }} | x |\n\n    {{ customer.first_name }}\n\n<b title=\"{{ customer.first_name }}\">x</b>"),
        ];
        for desk in bodies {
            let shape = |name: &str| {
                let html = render_with(&desk, name);
                (html.matches('<').count(), html.matches('>').count(), html.matches('"').count(), html.matches('\'').count())
            };
            prop_assert_eq!(shape(&name), shape("Ana"));
            prop_assert!(!render_with(&desk, &name).contains("href=\"javascript:"));
        }
    }

    #[test]
    fn no_template_and_no_value_makes_the_writer_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{{", "}}", "{%", "%}", "{{-", "-%}", " if ", " else ", " endif ", " for x in ", " endfor ", " assign x = ", " capture c ", " endcapture ",
            " case x ", " when ", " endcase ", "customer.a", "customer.list", "customer", "x", "'t'", "\"", "'", "(1..3)", "(", "..", ")", "[", "]", "0", "-1", "1.5",
            "9223372036854775807", "-9223372036854775808", "99999999999999999999", " | ", "plus: ", "times: ", "minus: ", "divided_by: ", "modulo: ", "abs", "round: ",
            "date: '%c %-40Y %:'", "slice: ", "truncate: ", "split: ", "join: ", "sort", "sum", "map: 'a'", "replace: ", "default: ", ", ", "size", "first", "timezone: 'Asia/Tokyo'",
            "currency", "number_with_delimiter", "json", "newline_to_br", "escape", "${", "}", ".", ":", "==", ">", " and ", " contains ", " limit: ", " reversed ", "\n", "é", "<", "<a href=", "raw", "endraw",
            " liquid ", " cycle ", " increment ", " tablerow x in ", " cols: ", " comment ", " break ", "url_decode", "base64_decode", "random", "ceil", "capitalize",
        ]), 0..24),
        value in evil_text(),
        number in any::<i64>(),
        float in any::<f64>(),
    ) {
        let source = parts.concat();
        let data = json!({ "customer": { "a": value, "list": [number, float, value, null, { "a": number }], "n": number, "f": float } });
        let _ = text_of(&source, &data);
        let _ = html_of(&source, &data);
        let _ = Desk::markdown(&source).subject(&source).customer(data["customer"].clone()).write();
        let _ = check_template(&Desk::html(&source).template);
        // And a chain that is sure to run.
        let chain = format!("{{{{ {} }}}}", parts.concat().replace(['{', '}', '%'], ""));
        let _ = text_of(&chain, &data);
    }

    #[test]
    fn arithmetic_and_dates_take_every_number(a in any::<i64>(), b in any::<i64>(), f in any::<f64>(), filter in prop::sample::select(vec![
        "plus", "minus", "times", "divided_by", "modulo", "at_least", "at_most", "round", "slice", "truncate", "truncatewords",
    ])) {
        let data = json!({ "a": a, "b": b, "f": f, "l": [a, b, f] });
        for (left, right) in [("a", "b"), ("a", "f"), ("f", "a"), ("f", "f"), ("l", "a"), ("a", "0"), ("b", "-1")] {
            let _ = text_of(&format!("{{{{ {left} | {filter}: {right} }}}}"), &data);
        }
        for one in ["abs", "ceil", "floor", "round", "currency", "number_with_delimiter", "date: '%c %s %j %U %V'", "timezone: 'Asia/Tokyo'", "random", "json"] {
            let _ = text_of(&format!("{{{{ a | {one} }}}}"), &data);
            let _ = text_of(&format!("{{{{ f | {one} }}}}"), &data);
        }
    }
}

// Notifications.

/// A notification of Ana's, that leads somewhere and has a picture.
fn notification(url: &str, icon: &str) -> Desk {
    let mut desk = Desk::markdown("It is **back**");
    desk.template.channel = Channel::Push;
    desk.footer = Footer::Service;
    desk.template.url = Some(url.to_owned());
    desk.template.icon = Some(icon.to_owned());
    desk
}

#[test]
fn a_notification_leads_where_its_template_says_and_the_click_is_counted() {
    let mut desk =
        notification("https://tea.example/back?who={{ customer.first_name }}", "https://tea.example/leaf.png");
    let plain = desk.write().unwrap();
    assert_eq!(plain.url.as_deref(), Some("https://tea.example/back?who=Ana"));
    assert_eq!((plain.icon.as_deref(), plain.text.trim()), (Some("https://tea.example/leaf.png"), "It is back"));
    desk.counts_clicks = true;
    let counted = desk.write().unwrap();
    assert_eq!(counted.url.as_deref(), Some("https://tea.example/c/https%3A%2F%2Ftea.example%2Fback%3Fwho%3DAna"));
    assert_eq!(counted.icon, plain.icon, "a picture is no click");
    desk.template.url = Some("{{ links.unsubscribe }}".to_owned());
    assert_eq!(desk.write().unwrap().url, Some(desk.links.unsubscribe.clone()), "our own links are not counted");
    desk.template.variants =
        vec![("b".to_owned(), Parts { url: Some("https://tea.example/b".to_owned()), ..Parts::default() })];
    desk.variant = Some("b");
    desk.counts_clicks = false;
    assert_eq!(desk.write().unwrap().url.as_deref(), Some("https://tea.example/b"));
    assert_eq!(desk.write().unwrap().icon, plain.icon);
}

#[test]
fn a_notification_never_leads_to_anything_but_the_web() {
    let write = |url: &str, name: &str| {
        let desk = notification(url, "").customer(json!({ "first_name": name, "page": name }));
        desk.write().map(|written| written.url)
    };
    let address = |name: &str| write("https://tea.example/{{ customer.first_name }}", name).unwrap().unwrap();
    assert_eq!(
        address("Zoë & <b>"),
        "https://tea.example/Zo%C3%AB%20&%20%3Cb%3E",
        "a name is no reason to send nothing"
    );
    assert_eq!(
        write("{{ customer.page }}", "https://tea.example/x").unwrap().as_deref(),
        Some("https://tea.example/x")
    );
    assert_eq!(write("{% if false %}x{% endif %}", "Ana").unwrap(), None, "empty leads nowhere");
    for (url, name) in [
        ("{{ customer.page }}", "javascript:alert(1)"),
        ("javascript:alert(1)", "Ana"),
        ("tea.example/x", "Ana"),
        ("https://tea.example/a b", "Ana"),
    ] {
        let error = write(url, name).unwrap_err();
        assert!(
            matches!(&error, WriteError::Broken { message } if message.starts_with("url: ")),
            "{url} {name}: {error}"
        );
    }
    assert_eq!(
        write("https://tea.example/{{ customer.first_name }}", &"x".repeat(1_000)),
        Err(WriteError::TooLong { part: "url".to_owned(), limit: 1_000 })
    );
    assert_eq!(write("https://tea.example/{{ customer.none }}", "Ana"), Err(missing("customer.none")));
    let mut broken = notification("https://tea.example/{% if %}", "").template;
    assert!(check_template(&broken).unwrap_err().starts_with("url: "));
    broken.url = Some("https://tea.example/{{ customer.city }}".to_owned());
    assert_eq!(check_template(&broken).unwrap().fields, ["customer.city"], "what it asks for is told");
}

fn render_with(desk: &Desk, name: &str) -> String {
    let customer = json!({ "first_name": name });
    let letter = Letter {
        template: &desk.template,
        variant: None,
        locale: None,
        customer: &customer,
        event: &Value::Null,
        record: &Value::Null,
        campaign: &Value::Null,
        voucher: &Value::Null,
        links: &desk.links,
        sender: None,
        footer: Footer::Service,
        now: noon(),
        zone: &desk.zone,
        currency: Currency::GBP,
        track_clicks: None,
        gaps: None,
    };
    render(&letter).unwrap().html
}
