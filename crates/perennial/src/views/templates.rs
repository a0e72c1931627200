//! Templates as real customers would read them.

use super::{EngineViews, House, broken, told, words};
use crate::link_check::Verdict;
use crate::pages::PageError;
use crate::pages::links::{Link, Place};
use crate::pages::notification::NotificationView;
use crate::pages::templates::{FieldRow, LinkRow, Shows, TemplateRow, TemplateView, TemplatesView};
use crate::pages::text::{Count, Tag, Tone};
use domain::message::Channel;
use domain::{CustomerId, Name};
use engine::Engine;
use engine::report::templates::TemplateReport;
use engine::write::{Shown, Source, WriteError};
use serde_json::{Map, Value, json};

impl<H: House> EngineViews<H> {
    pub(super) fn templates_view(&self) -> Result<TemplatesView, PageError> {
        let engine = self.house.read();
        let row = |template: &domain::Template| {
            let overview = engine.template_overview(template);
            TemplateRow {
                template: Link::new(template.name.as_str(), Place::Template(template.name.to_string())),
                subject: template.subject.clone(),
                channel: template.channel.to_string(),
                campaigns: campaigns(&overview.campaigns),
                problems: overview.problems.len().into(),
            }
        };
        Ok(TemplatesView { rows: engine.definitions().templates.values().map(row).collect() })
    }

    pub(super) fn template_view(&self, name: &str, shows: &Shows) -> Result<TemplateView, PageError> {
        let engine = self.house.read();
        let template = find(&engine, name)?;
        let report: TemplateReport = engine.template_report(&template.name).map_err(told)?;
        let reader = reader(&engine, shows);
        let (shown, held) = match engine.show(source(template, shows), reader, given()) {
            Ok(shown) => {
                let held = shown.missing.iter().find(|path| path.starts_with("customer."));
                let held = held.map(|path| format!("{path} is missing"));
                (shown, held)
            }
            Err(error @ WriteError::Aborted { .. }) => (Shown::default(), Some(error.to_string())),
            Err(error) => (Shown { text: error.to_string(), ..Shown::default() }, None),
        };
        let is_push = template.channel == Channel::Push;
        Ok(TemplateView {
            notification: is_push.then(|| as_notification(&shown)),
            name: template.name.to_string(),
            channel: report.overview.channel.to_string(),
            campaigns: campaigns(&report.overview.campaigns),
            variants: report.overview.variants,
            locales: report.overview.locales,
            reader: reader.map(|id| words::link(&engine.who(id))),
            subject: shown.subject.unwrap_or_default(),
            text: shown.text,
            held,
            customers: Count(report.customers),
            fields: report
                .fields
                .into_iter()
                .map(|field| FieldRow {
                    path: field.path,
                    is_needed: field.is_needed,
                    lack: field.lack.map(Count),
                    remark: field.remark,
                })
                .collect(),
            problems: report.overview.problems,
            links: shown.links,
        })
    }

    pub(super) fn template_body_view(&self, name: &str, shows: &Shows) -> Result<String, PageError> {
        let engine = self.house.read();
        let template = find(&engine, name)?;
        let shown = engine.show(source(template, shows), reader(&engine, shows), given());
        let shown = shown.map_err(|error| PageError::Refused(error.to_string()))?;
        Ok(shown.html.unwrap_or_default())
    }

    pub(super) fn look_at_links(&self, urls: &[String]) -> Result<Vec<LinkRow>, PageError> {
        let Some(check) = &self.link_check else {
            return Err(PageError::Refused("links cannot be looked at here".to_owned()));
        };
        let verdicts = check.look(urls).map_err(broken)?;
        let row = |(url, verdict): (String, Verdict)| LinkRow {
            verdict: Tag::new(
                verdict.to_string(),
                match verdict {
                    Verdict::Answers => Tone::Leaf,
                    Verdict::Moved(_) | Verdict::NotAsked(_) => Tone::Plain,
                    Verdict::Refuses(_) => Tone::Sun,
                    Verdict::Gone(_) | Verdict::Silent(_) => Tone::Rose,
                },
            ),
            url,
        };
        Ok(verdicts.into_iter().map(row).collect())
    }
}

/// As a browser would show it.
pub(super) fn as_notification(shown: &Shown) -> NotificationView {
    NotificationView {
        title: shown.subject.clone().unwrap_or_default(),
        body: shown.text.trim().to_owned(),
        leads_to: shown.url.clone(),
        icon: shown.icon.clone(),
    }
}

fn find<'a>(engine: &'a Engine, name: &str) -> Result<&'a domain::Template, PageError> {
    let found = Name::parse(name).ok().and_then(|name| engine.definitions().templates.get(&name));
    found.ok_or_else(|| PageError::NotFound(format!("template “{}”", name.chars().take(100).collect::<String>())))
}

fn source<'a>(template: &'a domain::Template, shows: &'a Shows) -> Source<'a> {
    Source::Template(template, Some(shows.variant.as_str()).filter(|variant| !variant.is_empty()))
}

/// Who reads it: whoever is called so, or the first who is found by it.
pub(super) fn reader(engine: &Engine, shows: &Shows) -> Option<CustomerId> {
    let text = shows.reader.trim();
    let by_id = || engine.look_up_id(text).ok();
    let found = || engine.find_customers(text, 0, 1, engine.clock()).customers.first().map(|found| found.who.id);
    if text.is_empty() { found() } else { by_id().or_else(found) }
}

/// What a campaign would have given on the way, as an example.
pub(super) fn given() -> Map<String, Value> {
    Map::from_iter([(
        "voucher".to_owned(),
        json!({ "code": "EXAMPLE-CODE", "pool": "example", "expires": "2030-12-31" }),
    )])
}

fn campaigns(found: &[(Name, Option<String>)]) -> Vec<Link> {
    found.iter().map(|(name, title)| Link::campaign(name.as_str(), title.as_deref().unwrap_or(name.as_str()))).collect()
}
