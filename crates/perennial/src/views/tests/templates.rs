//! Stories of templates: as a real customer reads them, whom they leave out, and what the law asks of them.

use super::{SHOP, Story};
use crate::link_check::Verdict;
use crate::pages::Views;
use crate::pages::edit::{Definition, Draft};
use crate::pages::templates::Shows;
use crate::pages::text::Count;
use engine::Options;

fn as_whom(name: &str) -> Shows {
    Shows { reader: name.to_owned(), variant: String::new() }
}

#[test]
fn a_template_is_shown_as_a_real_customer_reads_it_and_says_whom_it_leaves_out() {
    let story = Story::open(SHOP);
    story.meets("ana", Some("Ana"), true);
    story.meets("ben", None, true);
    story.meets("cleo", Some(""), true);
    let ana = story.views.template("thanks", &as_whom("ana")).unwrap();
    assert_eq!((ana.subject.as_str(), ana.held.as_deref()), ("Thank you, Ana", None));
    assert!(ana.text.contains("Hello Ana"), "{}", ana.text);
    assert!(story.views.template_body("thanks", &as_whom("ana")).unwrap().contains("Hello Ana"));
    let ben = story.views.template("thanks", &as_whom("ben")).unwrap();
    assert_eq!(ben.held.as_deref(), Some("customer.first_name is missing"));
    let field = &ben.fields[0];
    assert_eq!((field.path.as_str(), field.is_needed), ("customer.first_name", true));
    assert_eq!(field.lack, Some(Count(2)), "nobody's name, and an empty one");
    assert_eq!(ben.campaigns[0].text, "Thank you");
    assert!(story.views.template("no-such", &Shows::default()).is_err());
    let rows = story.views.templates().unwrap().rows;
    assert_eq!((rows.len(), rows[0].template.text.as_str()), (1, "thanks"));
}

#[test]
fn a_value_that_never_comes_is_told_before_the_first_letter() {
    let more = "
- template: viewed
  channel: email
  subject: \"About {{ event.name | default: 'it' }}\"
  body: \"It is {{ event.colour | default: 'nice' }}; your pass {{ record.name | default: '' }}. [See](https://tea.example/a) [it](https://tea.example/a)\"
- campaign: viewed
  enter: { on: { did: Product Viewed } }
  steps: [ { id: tell, message: viewed } ]
";
    let story = Story::open(&format!("{SHOP}{more}"));
    story.meets("ana", Some("Ana"), true);
    story.send(&[serde_json::json!({ "type": "track", "userId": "ana", "event": "Product Viewed", "properties": { "name": "Sencha" } })]);
    let view = story.views.template("viewed", &as_whom("ana")).unwrap();
    let remarks: Vec<(&str, Option<&str>)> =
        view.fields.iter().map(|field| (field.path.as_str(), field.remark.as_deref())).collect();
    assert_eq!(
        remarks,
        [
            ("event.colour", Some("no Product Viewed had it so far")),
            ("event.name", None),
            ("record.name", Some("no record lets anybody into `viewed`: it is always empty there")),
        ]
    );
    assert_eq!(view.links, ["https://tea.example/a"], "each once, and none of ours");
}

#[test]
fn where_mail_really_goes_out_marketing_says_who_writes_and_can_be_ended() {
    let law = Options { keeps_the_law: true, ..Options::default() };
    let story = Story::open_with("purpose: marketing\ndefault: granted\n", law);
    let save = |text: &str| {
        let draft = Draft { name: None, version: None, yaml: text.to_owned() };
        story.views.save(Definition::Campaign, &draft).unwrap()
    };
    let campaign = "campaign: news
enter: { on: { did: Order Completed } }
steps: [ { id: tell, message: news } ]
---
template: news
channel: email
subject: News
body: News.
";
    let problem = |text: &str| save(text).unwrap_err().remove(0).message;
    assert!(problem(campaign).contains("say who writes it and from where"), "{}", problem(campaign));
    let sender = |address: &str| {
        format!(
            "{campaign}---\nworkspace: settings\nsender: {{ name: The Tea House, address: hello@tea.example{address} }}\n"
        )
    };
    assert!(problem(&sender("")).contains("must bear a postal address"), "{}", problem(&sender("")));
    let address = ", postal_address: '1 Leaf Lane, London'";
    let page = sender(address).replace("body: News.", "body: '<html><body>News.</body></html>'");
    assert!(problem(&page).contains("no link to unsubscribe"), "{}", problem(&page));
    // A service may write without: it is about what the customer has.
    save(&sender("").replace("enter:", "purpose: service\nenter:").replace("campaign: news", "campaign: parcel"))
        .unwrap();
    save(&sender(address)).unwrap();
    // What is missing is told where it is not refused, too.
    let open = Story::open(campaign);
    let view = open.views.template("news", &Shows::default()).unwrap();
    assert!(view.problems[0].contains("say who writes it"), "{:?}", view.problems);
}

#[test]
fn the_editor_shows_how_a_template_reads_while_it_is_written() {
    let story = Story::open(SHOP);
    story.meets("ana", Some("Ana"), true);
    let example = story.views.draft(Definition::Template, None).unwrap();
    let preview = story.views.check(Definition::Template, &example).unwrap().unwrap();
    assert_eq!(preview.sentence, "Hello Ana");
    assert!(preview.text.unwrap().contains("Dear Ana"));
    assert_eq!(story.views.save(Definition::Template, &example).unwrap().unwrap(), "hello");
    let broken =
        Draft { yaml: example.yaml.replace("{{ customer.first_name |", "{{ customer.first_name ||"), ..example };
    assert!(story.views.check(Definition::Template, &broken).unwrap().is_err());
}

#[test]
fn links_are_looked_at_only_where_that_is_possible() {
    let story = Story::open(SHOP);
    assert!(story.views.check_links(&["https://tea.example/".to_owned()]).is_err(), "nobody looks here");
    assert_eq!(Verdict::Gone(404).to_string(), "Is gone (404)");
}
