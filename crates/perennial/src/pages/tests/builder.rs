//! Stories of the builder, the gallery and "why" as pages, with and without JavaScript.

use super::super::fixtures::Invented;
use super::super::links::encoded;
use super::{Answer, Browser};
use axum::http::StatusCode;

/// The fields of the builder on a page, as a browser would send them.
fn fields(page: &str) -> Vec<(String, String)> {
    let text = |text: &str| {
        text.replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&")
    };
    let attribute = |tag: &str, name: &str| {
        let after = tag.split_once(&format!(" {name}=\""))?.1;
        Some(text(&after[..after.find('"')?]))
    };
    let mut found = Vec::new();
    for piece in page.split('<') {
        let Some(tag) = piece.split_once('>').map(|(tag, _)| tag) else { continue };
        if tag.starts_with("input ")
            && let (Some(name), value) = (attribute(tag, "name"), attribute(tag, "value"))
        {
            found.push((name, value.unwrap_or_default()));
        }
    }
    for piece in page.split("<select ").skip(1) {
        let Some(name) = attribute(&format!(" {piece}"), "name") else { continue };
        let options = &piece[..piece.find("</select>").unwrap()];
        let chosen = options.split("<option ").find(|option| option.split('>').next().unwrap().ends_with(" selected"));
        let value = chosen.and_then(|option| attribute(&format!(" {option}"), "value"));
        found.push((name, value.expect("something is chosen")));
    }
    for piece in page.split("<textarea ").skip(1) {
        let name = attribute(&format!(" {piece}"), "name").unwrap();
        let inner = &piece[piece.find('>').unwrap() + 1..piece.find("</textarea>").unwrap()];
        found.push((name, text(inner.strip_prefix('\n').unwrap_or(inner))));
    }
    found
}

async fn press(
    browser: &Browser,
    page: &Answer,
    address: &str,
    button: (&str, &str),
    changed: &[(&str, &str)],
) -> Answer {
    let mut sent = fields(&page.body);
    for (name, value) in changed {
        sent.iter_mut().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no field {name}")).1 =
            (*value).to_owned();
    }
    sent.push((button.0.to_owned(), button.1.to_owned()));
    let body: Vec<String> = sent.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    browser.post(address, &body.join("&")).await
}

fn count(page: &Answer, words: &str) -> usize {
    page.body.matches(words).count()
}

#[tokio::test]
async fn without_javascript_a_condition_is_added_changed_and_saved_with_buttons() {
    let browser = Browser::inside(Invented::Busy).await;
    let page = browser.get("/edit/segment?name=lapsed-regulars").await;
    assert_eq!(page.status, StatusCode::OK);
    let before = count(&page, "class=\"node\"");
    assert_eq!(before, 2, "{}", page.body);
    let added = press(&browser, &page, "/edit/segment", ("do", "add.1"), &[]).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.body);
    assert_eq!(count(&added, "class=\"node\""), 3);
    assert!(added.body.contains("</html>"), "a whole page");
    let text = fields(&added.body).into_iter().find(|(name, _)| name == "yaml").unwrap().1;
    assert!(text.matches("Order Completed").count() == 3, "the text follows: {text}");
    let changed = press(&browser, &added, "/edit/segment", ("do", "form"), &[("h.5", "stopped")]).await;
    let text = fields(&changed.body).into_iter().find(|(name, _)| name == "yaml").unwrap().1;
    assert!(text.contains("stopped: Order Completed, active: 90d, quiet: 30d"), "{text}");
    let saved = press(&browser, &changed, "/edit/segment", ("then", "save"), &[]).await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, "/segments/lapsed-regulars"));
}

#[tokio::test]
async fn with_javascript_only_what_changes_comes_back() {
    let browser = Browser::inside(Invented::Busy).await;
    let page = browser.get("/edit/segment?name=lapsed-regulars").await;
    let typed = press(&browser, &page, "/edit/build", ("part", "fields"), &[("T.3.did", "Product <b>")]).await;
    assert_eq!((typed.status, typed.header("hx-trigger")), (StatusCode::OK, "built"));
    assert!(!typed.body.contains("</html>") && !typed.body.contains("id=\"f-T.3.did\""), "{}", typed.body);
    assert!(typed.body.contains("Product &#60;b&#62;") && typed.body.contains("id=\"bad-n3\""), "{}", typed.body);
    let shaped = press(&browser, &page, "/edit/build", ("part", "shape"), &[("h.3", "first_time")]).await;
    assert!(shaped.body.contains("T.3.first_time") && !shaped.body.contains("</html>"), "{}", shaped.body);
    let text = fields(&page.body).into_iter().find(|(name, _)| name == "yaml").unwrap().1;
    let written = text.replace("365d", "400d");
    let read = press(&browser, &page, "/edit/build", ("part", "text"), &[("yaml", &written)]).await;
    assert!(read.body.contains("value=\"400\"") && !read.body.contains("<textarea class=\"code\""), "{}", read.body);
    let preview = press(&browser, &page, "/edit/build/effect", ("do", "go"), &[]).await;
    assert!(preview.body.contains("30 enter and 4 leave"), "{}", preview.body);
    assert_eq!(browser.orders(), []);
}

#[tokio::test]
async fn what_was_written_by_hand_and_cannot_be_read_is_kept_with_what_is_wrong() {
    let browser = Browser::inside(Invented::Busy).await;
    let page = browser.get("/edit/segment?name=lapsed-regulars").await;
    let broken =
        press(&browser, &page, "/edit/segment", ("do", "text"), &[("yaml", "segment: x\nwhere: { did: [\n")]).await;
    assert!(broken.body.contains("where: { did: ["), "{}", broken.body);
    assert!(broken.body.contains("thing to mend"), "{}", broken.body);
    assert_eq!(count(&broken, "class=\"node\""), 2, "the form is as it was");
    let saved = press(&browser, &broken, "/edit/segment", ("then", "save"), &[]).await;
    assert_ne!(saved.status, StatusCode::SEE_OTHER, "nothing is saved that was not meant");
}

#[tokio::test]
async fn a_ready_segment_opens_in_the_builder_with_the_numbers_that_were_chosen() {
    let browser = Browser::inside(Invented::Busy).await;
    let gallery = browser.get("/gallery").await;
    assert!(gallery.body.contains("/gallery/counts") && gallery.body.contains("name=\"quiet\""), "{}", gallery.body);
    assert!(browser.get("/gallery?count=yes").await.body.contains("412"));
    let counts = browser.get("/gallery/counts").await;
    assert!(counts.body.contains("id=\"count-at-risk\"") && !counts.body.contains("</html>"));
    let opened = browser.get("/edit/segment?from=at-risk&quiet=61&orders=2&active=200").await;
    assert!(opened.body.contains("quiet: 61d") && opened.body.contains("active: 200d"), "{}", opened.body);
    assert!(opened.body.contains("name=\"name\" value=\"\""), "it is a new one");
    let taken = browser.get("/edit/segment?from=regulars").await;
    assert!(taken.body.contains("value=\"regulars-2\""), "a name that no segment has yet: {}", taken.body);
    assert_eq!(browser.get("/edit/segment?from=no-such").await.status, StatusCode::NOT_FOUND);
    let empty = Browser::inside(Invented::Empty).await;
    assert!(empty.get("/gallery").await.body.contains("which has not come in"));
}

#[tokio::test]
async fn why_in_and_why_not_is_a_tree_with_what_stands_behind_each_condition() {
    let browser = Browser::inside(Invented::Busy).await;
    let all = browser.get("/customers/c1/why").await;
    assert_eq!(all.status, StatusCode::OK);
    assert!(count(&all, "class=\"tree\"") > 3 && count(&all, "class=\"because\"") > 3, "{}", all.body);
    let one = browser.get("/customers/c1/why?segment=lapsed-regulars").await;
    assert_eq!(count(&one, "class=\"verdict\""), 1);
    assert!(browser.get("/customers/c1").await.body.contains("/customers/c1/why"));
    assert!(browser.get("/segments/lapsed-regulars").await.body.contains("/why?segment=lapsed-regulars"));
}

#[tokio::test]
async fn a_campaign_is_an_ordered_list_of_steps_with_the_way_drawn_beside_it() {
    let browser = Browser::inside(Invented::Busy).await;
    let page = browser.get("/edit/campaign?name=win-back").await;
    for words in ["What happens, step by step", "class=\"flow", "The same as text", "+ Message", "+ Ways"] {
        assert!(page.body.contains(words), "{words}");
    }
    let drawn = &page.body[page.body.find("class=\"flow").unwrap()..];
    let first = drawn.split_once("<a href=\"#").expect("a box leads to its step").1.split_once('"').unwrap().0;
    assert!(page.body.contains(&format!("id=\"{first}\"")), "{first}");
    // Without JavaScript a button brings the whole page back, changed and not saved.
    let more = page.body.split("value=\"more.").nth(1).unwrap().split_once('.').unwrap().0;
    let added = press(&browser, &page, "/edit/campaign", ("do", &format!("more.{more}.task")), &[]).await;
    assert!(added.status == StatusCode::OK && added.body.contains("Ask a colleague"), "{}", added.body);
    assert!(added.body.contains("task: ") && browser.orders().is_empty(), "the text follows");
    // With it only the parts come back.
    let part = press(&browser, &page, "/edit/build", ("do", &format!("more.{more}.wait")), &[]).await;
    assert!(!part.body.contains("<html") && part.body.contains("id=\"drawn\"") && part.body.contains("id=\"yaml\""));
    let saved = press(&browser, &page, "/edit/campaign", ("then", "save"), &[]).await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, "/campaigns/win-back"));
}

#[tokio::test]
async fn whoever_edits_says_with_a_button_what_becomes_of_those_inside() {
    let browser = Browser::inside(Invented::Busy).await;
    let page = browser.get("/edit/campaign?name=win-back").await;
    let asked = press(&browser, &page, "/edit/build/effect", ("do", "go"), &[]).await.body;
    let button = asked.split("value=\"inside.").nth(2).unwrap().split_once('"').unwrap().0;
    assert!(button.ends_with(".move") && asked.contains("inside now"), "{asked}");
    let moving = press(&browser, &page, "/edit/campaign", ("do", &format!("inside.{button}")), &[]).await;
    assert!(moving.body.contains("people_inside: move"), "{}", moving.body);
    assert!(moving.body.contains("name=\"version\" value=\"3\""), "the version it started from comes back");
}
