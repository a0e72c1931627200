//! The editor: YAML to a definition and back, what it would do, what is wrong with it and where.

use super::templates::{as_notification, given, reader};
use super::{EngineViews, House, words, yaml};
use crate::pages::PageError;
use crate::pages::build::{Glance, Glanced};
use crate::pages::edit::{Check, Definition, Draft, Inside, Preview, Problem};
use crate::pages::templates::Shows;
use crate::pages::text::{Count, Prose};
use domain::campaign::{PeopleInside, State};
use domain::definition::{Defined, DefinitionError, read_text};
use domain::message::Channel;
use domain::{DefinitionKind, Name};
use engine::Engine;
use engine::define::{DefineError, Wanted};
use engine::report::preview::{Effect, Touches};
use engine::report::words::campaign_words;
use engine::write::Source;
use serde_json::Value;
use store::DefinitionVersion;

const SEGMENT: &str = "segment: lapsed-regulars
title: Regulars who stopped
where:
  all:
    - { did: Order Completed, at_least: 3, within: 365d }
    - { did_not: Order Completed, within: 30d }
";

/// With its template beside it, so that it can be saved as it stands.
const CAMPAIGN: &str = "campaign: thank-you
title: Thank you
enter:
  on: { did: Order Completed }
  again: { after: 90d }
goal: { did: Order Completed, within: 60d, value: properties.revenue }
holdout: 20%
steps:
  - wait: 7d
  - { id: thanks, message: thank-you }
---
template: thank-you
channel: email
subject: \"Thank you, {{ customer.first_name | default: 'dear customer' }}\"
body: |
  Hello {{ customer.first_name | default: 'there' }},

  how do you like it?

  [What you get, and how often]({{ links.preferences }}) · [No more of these]({{ links.unsubscribe }})
";

const TEMPLATE: &str = "template: hello
channel: email
subject: \"Hello {{ customer.first_name | default: 'dear customer' }}\"
body: |
  Dear {{ customer.first_name | default: 'customer' }},

  this is **Markdown**; HTML and MJML do as well.

  [Where to go next](https://example.com/)
";

impl<H: House> EngineViews<H> {
    pub(super) fn draft_view(&self, kind: Definition, name: Option<&str>) -> Result<Draft, PageError> {
        let Some(name) = name else {
            let example = match kind {
                Definition::Segment => SEGMENT,
                Definition::Campaign => CAMPAIGN,
                Definition::Template => TEMPLATE,
            };
            return Ok(Draft { name: None, version: None, yaml: example.to_owned() });
        };
        let engine = self.house.read();
        let (version, value) = present(&engine, kind, name)?;
        Ok(Draft { name: Some(name.to_owned()), version: Some(version.version.into()), yaml: yaml::write(value) })
    }

    /// A copy runs like a new one: it has no state yet, and no versions.
    pub(super) fn copy_draft(&self, kind: Definition, name: &str) -> Result<Draft, PageError> {
        let engine = self.house.read();
        let mut copy = present(&engine, kind, name)?.1.clone();
        let is_free = |name: &String| Name::parse(name).is_ok_and(|name| engine.version(stored(kind), &name).is_none());
        let numbered = (2..1_000).map(|number| format!("{name}-copy-{number}"));
        let free = std::iter::once(format!("{name}-copy")).chain(numbered).find(is_free);
        // Of a name so long that nothing can be added the person has to think.
        let free = free.unwrap_or_else(|| "copy".to_owned());
        if let Some(fields) = copy.as_object_mut() {
            fields.insert(kind.word().to_owned(), free.into());
            fields.remove("state");
        }
        Ok(Draft { name: None, version: None, yaml: yaml::write(&copy) })
    }

    pub(super) fn check_draft(&self, kind: Definition, draft: &Draft) -> Result<Check, PageError> {
        let (defined, name) = match read_draft(kind, &draft.yaml) {
            Ok(read) => read,
            Err(problems) => return Ok(Err(problems)),
        };
        let (checked, is_new) = {
            let engine = self.house.read();
            let is_new = engine.version(stored(kind), &name).is_none();
            (engine.draft(&Wanted { put: defined.clone(), delete: Vec::new() }), is_new)
        };
        let checked = match checked {
            Ok(checked) => checked,
            Err(DefineError::Definition(error)) => return Ok(Err(vec![problem(&draft.yaml, &error)])),
            Err(other) => return Ok(Err(vec![whole(other.to_string())])),
        };
        if let Some(template) = defined.iter().find_map(|one| match &one.definition {
            domain::Definition::Template(template) if kind == Definition::Template => Some(template),
            _ => None,
        }) {
            return Ok(Ok(self.preview_of(template, name_warning(kind, draft, &name, is_new).into_iter().collect())));
        }
        let inside = match is_new || kind != Definition::Campaign {
            true => 0,
            false => self.read(|reader| reader.journey_counts(&name))?.1,
        };
        // The walk over the past holds no lock.
        let effect = self.read(|reader| checked.effect(reader, stored(kind), &name))?;
        let engine = self.house.read();
        let part = checked.part(stored(kind), &name);
        let (sentence, mut warnings) =
            part.map(|part| (part.sentence.as_str(), part.warnings.clone())).unwrap_or_default();
        warnings.extend(name_warning(kind, draft, &name, is_new));
        let sample = effect.sample(&engine);
        Ok(Ok(Preview {
            sentence: words::capital(sentence),
            effect: effect_words(&engine, &effect, &defined, &name, is_new),
            sample: sample.iter().map(words::link).collect(),
            inside: (inside > 0).then(|| Inside { people: Count(inside), moves: moves_inside(&defined, &name) }),
            warnings,
            text: None,
            notification: None,
        }))
    }

    /// A template as somebody would read it, with what its author should mend.
    fn preview_of(&self, template: &domain::Template, mut warnings: Vec<String>) -> Preview {
        let engine = self.house.read();
        let overview = engine.template_overview(template);
        warnings.extend(overview.problems);
        let reader = reader(&engine, &Shows::default());
        let shown = engine.show(Source::Template(template, None), reader, given());
        let is_push = template.channel == Channel::Push;
        let (text, subject, notification) = match shown {
            Ok(shown) => {
                let notification = is_push.then(|| as_notification(&shown));
                (shown.text, shown.subject.unwrap_or_default(), notification)
            }
            Err(error) => (error.to_string(), String::new(), None),
        };
        let effect = match overview.campaigns.as_slice() {
            [] => Prose::new().say("No campaign sends it yet."),
            [(name, title)] => Prose::new().say("Sent by ").strong(title.as_deref().unwrap_or(name.as_str())).say("."),
            several => {
                Prose::new().say("Sent by ").strong(Count::from(several.len()).of("campaign", "campaigns")).say(".")
            }
        };
        Preview {
            sentence: if subject.is_empty() { "It is empty.".to_owned() } else { subject },
            effect,
            sample: reader.iter().map(|id| words::link(&engine.who(*id))).collect(),
            inside: None,
            warnings,
            text: Some(text),
            notification,
        }
    }

    /// What a text says, or what is wrong with it. Counts nobody anew; of a campaign O(journeys) for those inside.
    pub(super) fn glance_at(&self, kind: Definition, draft: &Draft) -> Result<Glance, PageError> {
        let (defined, name) = match read_draft(kind, &draft.yaml) {
            Ok(read) => read,
            Err(problems) => return Ok(Err(problems)),
        };
        let engine = self.house.read();
        let mut definitions = engine.definitions().clone();
        for one in defined {
            definitions.put(one.definition);
        }
        if let Err(error) = definitions.check() {
            return Ok(Err(vec![problem(&draft.yaml, &error)]));
        }
        if kind == Definition::Segment {
            let rule = definitions.segments.get(&name);
            let sentence = rule.map(|segment| engine::segment::describe::describe(&segment.rule)).unwrap_or_default();
            return Ok(Ok(Glanced { sentence: words::capital(&sentence), ..Glanced::default() }));
        }
        let Some(campaign) = definitions.campaigns.get(&name) else { return Ok(Ok(Glanced::default())) };
        let sentence = words::capital(&campaign_words(campaign, &definitions));
        let steps = engine.step_lines(campaign).iter().map(super::campaigns::step).collect();
        drop(engine);
        let (entered, _) = self.read(|reader| reader.journey_counts(&name))?;
        Ok(Ok(Glanced { sentence, steps, entered: Count(entered) }))
    }

    pub(super) fn save_draft(
        &self,
        kind: Definition,
        draft: &Draft,
    ) -> Result<Result<String, Vec<Problem>>, PageError> {
        let (defined, name) = match read_draft(kind, &draft.yaml) {
            Ok(read) => read,
            Err(problems) => return Ok(Err(problems)),
        };
        let (edited, seen, own) = (draft.name.clone(), draft.version, name.clone());
        // History is read before the writer is asked, so that events keep flowing meanwhile.
        let backfill = self.house.read().backfill(&defined).ok().flatten();
        let ahead = match backfill {
            Some(backfill) => Some(self.read(|reader| backfill.run(reader))?),
            None => None,
        };
        let saved = self.change(move |engine, now| {
            if let Some(problem) = changed_meanwhile(engine, stored(kind), edited.as_deref(), seen, &own) {
                return Err(vec![problem]);
            }
            engine.define_with(defined, "page", now, ahead).map(|_| ()).map_err(|error| match error {
                DefineError::Definition(error) => vec![problem("", &error)],
                other => vec![whole(other.to_string())],
            })
        })?;
        Ok(match saved {
            Ok(()) => Ok(name.as_str().to_owned()),
            Err(problems) => Err(problems.into_iter().map(|problem| with_line(problem, &draft.yaml)).collect()),
        })
    }
}

fn stored(kind: Definition) -> DefinitionKind {
    match kind {
        Definition::Segment => DefinitionKind::Segment,
        Definition::Campaign => DefinitionKind::Campaign,
        Definition::Template => DefinitionKind::Template,
    }
}

/// The definitions of a text, and the name of the one that the editor is for.
fn read_draft(kind: Definition, text: &str) -> Result<(Vec<Defined>, Name), Vec<Problem>> {
    let defined = read_text(text, "the editor").map_err(|error| vec![problem(text, &error)])?;
    let own = defined.iter().find(|one| one.definition.kind() == stored(kind)).map(|one| one.definition.name());
    match own {
        Some(name) => Ok((defined, name)),
        None => Err(vec![whole(format!("there is no {0} in the text: begin with `{0}: its-name`", kind.word()))]),
    }
}

fn name_warning(kind: Definition, draft: &Draft, name: &Name, is_new: bool) -> Option<String> {
    match draft.name.as_deref() {
        Some(old) if old != name.as_str() => {
            Some(format!("this makes a new {} `{name}`; `{old}` stays as it is", kind.word()))
        }
        None if !is_new => Some(format!("there is a {} `{name}` already: open that to change it", kind.word())),
        _ => None,
    }
}

/// Somebody may have saved another version, or another definition of the name, since the editor was opened.
fn changed_meanwhile(
    engine: &Engine,
    kind: DefinitionKind,
    edited: Option<&str>,
    seen: Option<u64>,
    name: &Name,
) -> Option<Problem> {
    let present = engine.version(kind, name).map(|version| u64::from(version.version));
    let is_edit = edited == Some(name.as_str());
    match (is_edit, present, seen) {
        (true, Some(present), Some(seen)) if present != seen => Some(whole(format!(
            "somebody has saved version {present} meanwhile, you began with version {seen}: open it again, and put in what you changed"
        ))),
        (true, None, Some(_)) => Some(whole(format!("somebody has deleted the {} `{name}` meanwhile", kind.word()))),
        (false, Some(_), _) => {
            Some(whole(format!("there is a {} `{name}` already: take another name, or open that one", kind.word())))
        }
        _ => None,
    }
}

/// The present version of a definition, with what it says. Errors: there is none, or it was deleted.
fn present<'a>(
    engine: &'a Engine,
    kind: Definition,
    name: &str,
) -> Result<(&'a DefinitionVersion, &'a Value), PageError> {
    let version = Name::parse(name).ok().and_then(|name| engine.version(stored(kind), &name));
    let found = version.and_then(|version| Some((version, version.value.as_ref()?)));
    found.ok_or_else(|| PageError::NotFound(format!("{} “{name}”", kind.word())))
}

/// Whether a campaign lets people inside go on with its new steps.
fn moves_inside(defined: &[Defined], name: &Name) -> bool {
    defined.iter().any(|one| match &one.definition {
        domain::Definition::Campaign(campaign) => {
            campaign.name == *name && campaign.people_inside == PeopleInside::Move
        }
        _ => false,
    })
}

fn effect_words(engine: &Engine, effect: &Effect, defined: &[Defined], name: &Name, is_new: bool) -> Prose {
    let people = Count(effect.people);
    let customers = people.of("customer", "customers");
    let state = defined.iter().find_map(|one| match &one.definition {
        domain::Definition::Campaign(campaign) if campaign.name == *name => Some(campaign.state),
        _ => None,
    });
    let stands = match state {
        Some(State::Paused) => " It is paused: nobody enters.",
        Some(State::Stopped) => " It is stopped: nobody enters, and those inside leave.",
        _ => "",
    };
    let prose = Prose::new().strong(customers);
    match effect.touches {
        Touches::Members if is_new => prose.say(format!(" now, of {}.", Count::from(engine.customer_count()))),
        Touches::Members => {
            let (enter, leave) = (Count(effect.enter), Count(effect.leave));
            let moves = format!(": {} and {}.", enter.of("enters", "enter"), leave.of("leaves", "leave"));
            prose.say(" now").say(moves)
        }
        Touches::MayEnter if is_new && stands.is_empty() => {
            prose.say(format!(" {} in the segment now and would enter at once; others as they come.", are(people)))
        }
        Touches::MayEnter => prose.say(format!(
            " {} in the segment now. Who enters it from now on enters the campaign.{stands}",
            are(people)
        )),
        Touches::Nobody if state.is_some() => Prose::new()
            .say("Nobody enters at once: each does when the time comes. ")
            .strong("Try it")
            .say(format!(" on its page shows whom it would have reached in your past.{stands}")),
        Touches::Nobody => prose.say("."),
        Touches::MayLeave => {
            prose.say(format!(" {} in the segment now, and would enter when they leave it.{stands}", are(people)))
        }
        Touches::Did { times } => {
            let often = Count(times).of("time", "times");
            prose.say(format!(" did that in the last 30 days, {often} in all. It counts from the start of the campaign on, not before.{stands}"))
        }
    }
}

fn are(people: Count) -> &'static str {
    if people.0 == 1 { "is" } else { "are" }
}

fn whole(message: String) -> Problem {
    Problem { path: String::new(), line: None, message }
}

fn problem(text: &str, error: &DefinitionError) -> Problem {
    let message = if error.definition.is_empty() {
        error.error.message.clone()
    } else {
        format!("{}: {}", error.definition, error.error.message)
    };
    with_line(Problem { path: error.error.path.clone(), line: None, message }, text)
}

fn with_line(problem: Problem, text: &str) -> Problem {
    let line = problem
        .line
        .or_else(|| line_of_syntax(&problem.message))
        .or_else(|| line_of(text, &problem.path, &problem.message));
    Problem { line, ..problem }
}

/// The line that an error of the YAML itself names.
fn line_of_syntax(message: &str) -> Option<usize> {
    let after = message.split("line ").nth(1)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The line of a path such as `where.all[1].within`: each step is looked for from the line of the one before. Of an
/// unknown key the message tells the name. A guess that may find nothing, for flow maps have no lines.
fn line_of(text: &str, path: &str, message: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    let mut found = None;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (key, index) = match step.split_once('[') {
            Some((key, index)) => (key, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        let Some(offset) = lines.get(at..)?.iter().position(|line| names_key(line, key)) else { continue };
        at += offset;
        found = Some(at);
        if let Some(index) = index {
            let items = lines.iter().enumerate().skip(at + 1).filter(|(_, line)| line.trim_start().starts_with("- "));
            if let Some((item, _)) = items.take(index + 1).nth(index) {
                at = item;
                found = Some(at);
            }
        }
    }
    let quoted = message.split('`').nth(1).filter(|_| message.contains("unknown"));
    let named =
        quoted.and_then(|key| lines.get(at..)?.iter().position(|line| names_key(line, key)).map(|offset| at + offset));
    named.or(found).map(|line| line + 1)
}

fn names_key(line: &str, key: &str) -> bool {
    let key = format!("{key}:");
    line.match_indices(&key).any(|(at, _)| {
        line[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric() && before != '_' && before != '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_line() {
        let text = "segment: a\nwhere:\n  all:\n    - { did: X }\n    - { did: Y, witin: 3d }\n";
        let problems = read_draft(Definition::Segment, text).unwrap_err();
        assert_eq!(problems[0].line, Some(5), "{problems:?}");
        assert_eq!(problems[0].path, "where.all[1]");
        assert!(problems[0].message.contains("did you mean `within`"), "{problems:?}");
        let broken = read_draft(Definition::Segment, "segment: a\nwhere: { did: [\n").unwrap_err();
        assert!(broken[0].line.is_some(), "{broken:?}");
    }

    #[test]
    fn the_editor_of_segments_takes_no_campaign_alone() {
        let problems = read_draft(Definition::Segment, CAMPAIGN).unwrap_err();
        assert!(problems[0].message.contains("begin with `segment:"), "{problems:?}");
        assert!(read_draft(Definition::Campaign, CAMPAIGN).is_ok());
        assert!(read_draft(Definition::Segment, SEGMENT).is_ok());
    }
}
