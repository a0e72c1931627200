//! What a template asks for, who lacks it, and what the law asks of it.

use super::ReportError;
use crate::deliver::letter::LegalGap;
use crate::profile::Customer;
use crate::state::Engine;
use crate::write::{Shown, Source, WriteError, check_template};
use domain::campaign::{Action, Trigger};
use domain::message::Channel;
use domain::segment::EventName;
use domain::value::Path;
use domain::{Campaign, DefinitionKind, Name, Template};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A template in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TemplateOverview {
    /// Its name.
    pub template: Name,
    /// The channel it is written for.
    pub channel: Channel,
    /// Its subject, as written.
    pub subject: String,
    /// Its variants.
    pub variants: Vec<String>,
    /// The languages that it is also written in.
    pub locales: Vec<String>,
    /// What is wrong with it, for its author.
    pub problems: Vec<String>,
    /// Campaigns that send it: name and title.
    pub campaigns: Vec<(Name, Option<String>)>,
}

/// A template, checked beside the customers that there are.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TemplateReport {
    /// What is known without them.
    #[serde(flatten)]
    pub overview: TemplateOverview,
    /// Customers that there are.
    pub customers: u64,
    /// What it reads.
    pub fields: Vec<Field>,
}

/// A value that a template reads.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Field {
    /// Such as `customer.first_name`.
    pub path: String,
    /// Whether it is printed without `default`, so that whoever lacks it is not written to.
    pub is_needed: bool,
    /// How many customers lack it; none where that cannot be said beforehand.
    pub lack: Option<u64>,
    /// What is odd about it: such as an event that never had it.
    pub remark: Option<String>,
}

/// What running over a template once tells.
#[derive(Default)]
struct Examined {
    /// Paths that it reads.
    fields: Vec<String>,
    /// Those that are printed without a default.
    needed: BTreeSet<String>,
    /// For its author.
    problems: Vec<String>,
}

impl Engine {
    /// Checks a template that exists. O(customers × traits that it reads).
    pub fn template_report(&self, name: &Name) -> Result<TemplateReport, ReportError> {
        let unknown = || ReportError::NoDefinition { kind: DefinitionKind::Template.word(), name: name.to_string() };
        let template = self.definitions().templates.get(name).ok_or_else(unknown)?;
        let senders = self.senders_of(template);
        let Examined { fields, needed, problems } = self.examine(template, &senders);
        let field = |path: String| Field {
            is_needed: needed.contains(&path),
            lack: self.lacking(&path),
            remark: self.remark(&path, &senders),
            path,
        };
        Ok(TemplateReport {
            customers: self.customer_count() as u64,
            fields: fields.into_iter().filter(|path| !is_ours(path)).map(field).collect(),
            overview: overview(template, &senders, problems),
        })
    }

    /// What is known of a template without looking at customers.
    pub fn template_overview(&self, template: &Template) -> TemplateOverview {
        let senders = self.senders_of(template);
        let problems = self.examine(template, &senders).problems;
        overview(template, &senders, problems)
    }

    fn examine(&self, template: &Template, senders: &[&Campaign]) -> Examined {
        let facts = match check_template(template) {
            Ok(facts) => facts,
            Err(problem) => return Examined { problems: vec![problem], ..Examined::default() },
        };
        let (needed, mut problems) = self.needed_by(template);
        let is_marketing = |campaign: &&Campaign| campaign.purpose != domain::workspace::service();
        if template.channel == Channel::Email && (senders.is_empty() || senders.iter().any(is_marketing)) {
            let sender = self.definitions().settings.sender.as_ref();
            problems.extend(LegalGap::of_template(sender, &facts).map(|gap| gap.to_string()));
        }
        Examined { fields: facts.fields, needed, problems }
    }

    fn senders_of(&self, template: &Template) -> Vec<&Campaign> {
        self.definitions().campaigns.values().filter(|campaign| sends(campaign, &template.name)).collect()
    }

    /// What it prints without a default, in any of its variants, when nothing is known of a customer; and what is broken.
    fn needed_by(&self, template: &Template) -> (BTreeSet<String>, Vec<String>) {
        let (mut needed, mut problems) = (BTreeSet::new(), Vec::new());
        let variants = template.variants.iter().map(|(name, _)| Some(name.as_str()));
        for variant in std::iter::once(None).chain(variants) {
            match self.show(Source::Template(template, variant), None, Map::new()) {
                Ok(Shown { missing, .. }) => needed.extend(missing),
                // A template may refuse to be written for whom nothing is known.
                Err(WriteError::Aborted { .. } | WriteError::Missing { .. }) => {}
                Err(error) => problems.push(match variant {
                    Some(variant) => format!("variant {variant}: {error}"),
                    None => error.to_string(),
                }),
            }
        }
        (needed, problems)
    }

    /// How many customers lack a trait, or have nothing in it.
    fn lacking(&self, path: &str) -> Option<u64> {
        let path = Path::new(path.strip_prefix("customer.")?);
        let lacks = |customer: &&Customer| match customer.traits.find(&path, self.clock) {
            None | Some(Value::Null) => true,
            Some(value) => value.as_str() == Some(""),
        };
        Some(self.customers.values().filter(lacks).count() as u64)
    }

    fn remark(&self, path: &str, campaigns: &[&Campaign]) -> Option<String> {
        let (root, rest) = path.split_once('.')?;
        let key = rest.split(['.', '[']).next().unwrap_or(rest);
        campaigns.iter().find_map(|campaign| match (root, &campaign.enter.on) {
            ("event", Trigger::Did { event: EventName::Exact(event), .. }) => {
                let known = self.catalogue().properties_of(event);
                let is_known = known.is_empty() || known.iter().any(|(name, _)| *name == key);
                (!is_known).then(|| format!("no {event} had it so far"))
            }
            ("event", Trigger::Did { .. }) => None,
            ("event", _) => Some(format!("no event lets anybody into `{}`: it is always empty there", campaign.name)),
            ("record", Trigger::Record(_)) => None,
            ("record", _) => Some(format!("no record lets anybody into `{}`: it is always empty there", campaign.name)),
            _ => None,
        })
    }
}

fn overview(template: &Template, senders: &[&Campaign], problems: Vec<String>) -> TemplateOverview {
    TemplateOverview {
        template: template.name.clone(),
        channel: template.channel,
        subject: template.subject.clone(),
        variants: template.variants.iter().map(|(name, _)| name.clone()).collect(),
        locales: template.locales.iter().map(|locale| locale.tag.clone()).collect(),
        problems,
        campaigns: senders.iter().map(|campaign| (campaign.name.clone(), campaign.title.clone())).collect(),
    }
}

/// Whether we provide it ourselves.
fn is_ours(path: &str) -> bool {
    matches!(path.split(['.', '[']).next(), Some("links" | "campaign" | "voucher"))
}

fn sends(campaign: &Campaign, template: &Name) -> bool {
    campaign
        .all_steps()
        .iter()
        .any(|step| matches!(&step.action, Action::Message { template: own, .. } if own == template))
}
