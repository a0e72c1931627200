//! Steps that are no messages: rewards, tasks, traits that are set, webhooks.
//!
//! What is given is an event in the customer's history, in the same commit as the step: never twice, never lost. Who is held
//! out gets none of it but the trait.

use crate::state::Engine;
use crate::write::{WriteError, Writing, render_text};
use domain::call::events;
use domain::campaign::{Action, Campaign, Reward, Task};
use domain::{Call, CallKind, CustomerId, Name, Trust};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Arm, Journey, Webhook};

/// Characters of a voucher's code after the pool's name.
const CODE: usize = 10;
/// Most values that a title lacks and that are named instead.
const LACKING: usize = 20;
/// Longest title of a task.
const TITLE: usize = 300;

impl Engine {
    /// Whether somebody gets what a step gives. The draw takes effect here for both sides.
    fn gets(&mut self, id: &Arc<str>, campaign: &Campaign) -> Option<CustomerId> {
        let person = self.person(self.journeys.get(id)?.customer);
        let draw = self.campaigns.get(&campaign.name).map_or(1, |campaigning| campaigning.facts.draw);
        match self.draw_holdout(campaign, draw, person) {
            None => {
                self.expose_journey(id, Arm::Messaged);
                Some(person)
            }
            Some(because) => {
                if because == domain::message::Because::Holdout {
                    self.expose_journey(id, Arm::HeldOut);
                }
                None
            }
        }
    }

    pub(crate) fn give(&mut self, id: &Arc<str>, campaign: &Campaign, step: &str, reward: &Reward) {
        let Some(person) = self.gets(id, campaign) else { return };
        match reward {
            Reward::Points(points) => {
                let properties = json!({ "points": points, "campaign": campaign.name, "step": step, "journey": id });
                self.happen(person, events::POINTS_EARNED, &properties, &format!("{id}:{step}"));
            }
            Reward::Voucher { pool, expires } => {
                let mut properties = json!({ "pool": pool, "campaign": campaign.name, "step": step, "journey": id });
                let about = format!("{id}:{step}");
                let Some(code) = self.take_code(pool, id, person, campaign, step) else {
                    properties["because"] = "out_of_codes".into();
                    self.happen(person, events::VOUCHER_NOT_ISSUED, &properties, &about);
                    return;
                };
                properties["code"] = code.into();
                if let Some(span) = expires {
                    properties["expires"] = self.clock.plus(*span).to_string().into();
                }
                self.happen(person, events::VOUCHER_ISSUED, &properties, &about);
            }
        }
    }

    /// A code of a pool: the next imported one; where none was ever imported, one made from journey and step. None: the
    /// imported ones are used up.
    fn take_code(
        &mut self,
        pool: &Name,
        journey: &Arc<str>,
        person: CustomerId,
        campaign: &Campaign,
        step: &str,
    ) -> Option<String> {
        if !self.pools.is_finite(pool) {
            let hash = self.seen.id_of(&["voucher", journey, step]).to_ascii_uppercase();
            return Some(format!("{}-{}", pool.as_str().to_ascii_uppercase(), hash.get(..CODE).unwrap_or(&hash)));
        }
        let code = self.pools.take(pool)?;
        if self.pools.are_lent() {
            return Some(code.to_string());
        }
        self.pending.codes_given.push(store::VoucherGiven {
            code: code.clone(),
            customer: person,
            campaign: campaign.name.clone(),
            step: step.to_owned(),
            at: self.clock,
        });
        Some(code.to_string())
    }

    pub(crate) fn open_task(&mut self, id: &Arc<str>, campaign: &Campaign, step: &str, task: &Task) {
        let Some(person) = self.gets(id, campaign) else { return };
        let title = self.title_of(id, campaign, step, &task.title, person);
        let task_id: Arc<str> = format!("t_{}", self.seen.id_of(&["task", id, step])).into();
        let due = task.due.map(|span| self.clock.plus(span));
        self.pending.tasks.push(store::Task {
            id: task_id.clone(),
            customer: person,
            campaign: campaign.name.clone(),
            step: step.to_owned(),
            title: title.clone(),
            owner: task.owner.clone(),
            due,
            draft: task.draft.clone(),
            opened_at: self.clock,
            completed_at: None,
        });
        let mut properties = json!({ "task": task_id, "title": title, "campaign": campaign.name, "step": step });
        if let Some(owner) = &task.owner {
            properties["for"] = owner.as_str().into();
        }
        if let Some(due) = due {
            properties["due"] = due.to_string().into();
        }
        self.happen(person, events::TASK_OPENED, &properties, &task_id);
    }

    /// A task was done.
    pub(crate) fn note_task(&mut self, call: &Call) {
        if call.event.as_deref() == Some(events::TASK_COMPLETED)
            && call.trust != Trust::Browser
            && let Some(task) = call.body_value().get("task").and_then(Value::as_str)
        {
            self.pending.tasks_done.push((task.into(), call.timestamp));
        }
    }

    /// A title names what is missing instead of being held: a person reads it, and knows what to do without.
    fn title_of(&self, id: &Arc<str>, campaign: &Campaign, step: &str, source: &str, person: CustomerId) -> String {
        let Some(journey) = self.journeys.get(id) else { return source.to_owned() };
        let mut data = json!({
            "customer": self.customers.get(person).map(|customer| customer.traits.all(self.clock).0).unwrap_or_default(),
            "event": self.event_of(journey),
            "record": self.record_of(journey),
            "campaign": { "name": campaign.name, "step": step },
        });
        let (zone, currency) = (self.zone_of(person), self.definitions.settings.currency);
        for _ in 0..LACKING {
            match render_text(source, &data, Writing::Text, self.clock, &zone, currency) {
                Ok(title) => return one_line(&title),
                Err(WriteError::Missing { path }) => name_missing(&mut data, &path),
                Err(_) => break,
            }
        }
        one_line(source)
    }

    /// Properties of the event that let in, as `event` in templates.
    pub(crate) fn event_of(&self, journey: &Journey) -> Value {
        journey.trigger.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}))
    }

    /// The latest voucher of a journey, as `voucher` in templates; empty where there is none.
    pub(crate) fn voucher_of(&self, journey: &Journey) -> Value {
        let person = self.person(journey.customer);
        let given = self.customers.get(person).and_then(|customer| customer.rewards.as_ref()?.voucher_of(&journey.id));
        given.map_or_else(
            || self.voucher_withheld(journey, person),
            |voucher| {
                let mut value = json!({ "code": *voucher.code, "pool": *voucher.pool });
                if let Some(expires) = voucher.expires {
                    value["expires"] = expires.to_string().into();
                }
                value
            },
        )
    }

    /// What stands for the voucher of somebody who is held out and got none: the gate asks them as it asks the others, whose
    /// message can be written. Nobody ever sees it.
    fn voucher_withheld(&self, journey: &Journey, person: CustomerId) -> Value {
        let Some(campaigning) = self.campaigns.get(&journey.campaign) else { return json!({}) };
        let prepared = campaigning.version(journey.version);
        let before = prepared.program.places.iter().take(journey.step as usize);
        let last = before.rev().find_map(|place| match &place.action {
            Action::Reward(Reward::Voucher { pool, expires }) => Some((pool, *expires)),
            _ => None,
        });
        let Some((pool, expires)) = last else { return json!({}) };
        if self.draw_holdout(&prepared.campaign, campaigning.facts.draw, person).is_none() {
            return json!({});
        }
        // The others wait for codes, and so do they.
        if self.pools.is_finite(pool) && self.pools.left(pool) == 0 {
            return json!({});
        }
        let mut value = json!({ "code": format!("{}-WITHHELD", pool.as_str().to_ascii_uppercase()), "pool": pool });
        if let Some(span) = expires {
            value["expires"] = self.clock.plus(span).to_string().into();
        }
        value
    }

    /// Attributes of the record that let in as they are now, and its id, as `record` in templates.
    pub(crate) fn record_of(&self, journey: &Journey) -> Value {
        let person = self.person(journey.customer);
        let found = journey.record.as_ref().and_then(|key| {
            let record = self.customers.get(person)?.records.find(&key.kind, &key.id)?;
            let mut attributes = record.attributes(self.clock).0;
            attributes.insert("id".to_owned(), key.id.to_string().into());
            Some(attributes)
        });
        Value::Object(found.unwrap_or_default())
    }

    /// A trait is set by a call of Perennial's own, as an `identify` from the shop would.
    pub(crate) fn set_trait(&mut self, id: &Arc<str>, campaign: &Campaign, step: &str, key: &str, value: &Value) {
        let Some(journey) = self.journeys.get(id) else { return };
        let person = self.person(journey.customer);
        let context = json!({ "campaign": campaign.name, "step": step });
        self.set_own_trait(person, key, value, &format!("{id}:{step}"), &context);
    }

    /// A trait of a customer is set by a call of Perennial's own. `about`: what made it so.
    pub(crate) fn set_own_trait(&mut self, person: CustomerId, key: &str, value: &Value, about: &str, context: &Value) {
        if !self.people.is_somebody(person) {
            return;
        }
        let name = self.people.name_of(person);
        let known = self.people.is_known(person);
        let position = self.position.0.to_string();
        let message_id = format!("perennial:{}", self.seen.id_of(&["set", about, key, &position]));
        let traits = Map::from_iter([(key.to_owned(), value.clone())]);
        self.append(Call {
            kind: CallKind::Identify,
            message_id: message_id.into(),
            user_id: known.then(|| name.clone()),
            anonymous_id: (!known).then(|| name.clone()),
            other_id: None,
            event: None,
            timestamp: self.clock,
            received_at: self.clock,
            source: "perennial".into(),
            trust: Trust::Perennial,
            record: None,
            body: crate::profile::joining::raw(Value::Object(traits).to_string()),
            context: Some(crate::profile::joining::raw(context.to_string())),
        });
    }

    /// Puts a webhook into its outbox. The body has the shape of Standard Webhooks and never changes.
    pub(crate) fn tell(&mut self, id: &Arc<str>, campaign: &Campaign, step: &str, endpoint: &Name, event: &str) {
        let Some(person) = self.gets(id, campaign) else { return };
        let Some(journey) = self.journeys.get(id) else { return };
        let traits = self.customers.get(person).map(|customer| customer.traits.all(self.clock).0).unwrap_or_default();
        let body = json!({
            "type": event,
            "timestamp": self.clock.to_string(),
            "data": {
                "customer": { "id": self.people.name_of(person), "traits": traits },
                "campaign": campaign.name,
                "step": step,
                "event": self.event_of(journey),
                "record": self.record_of(journey),
            },
        });
        self.post_webhook(Webhook {
            id: format!("wh_{}", self.seen.id_of(&["webhook", id, step])).into(),
            customer: person,
            campaign: campaign.name.clone(),
            step: step.to_owned(),
            endpoint: endpoint.clone(),
            event: event.to_owned(),
            body: body.to_string(),
            made_at: self.clock,
            progress: self.kept_webhook(),
        });
    }
}

/// Puts words for a value that is missing where a title looks for it.
fn name_missing(data: &mut Value, path: &str) {
    let keys: Vec<&str> = path.split('.').collect();
    let words = format!("({} missing)", keys.last().unwrap_or(&"value").replace('_', " "));
    let mut place = data;
    for key in keys {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = words.into();
}

fn one_line(text: &str) -> String {
    let line: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    line.join(" ").chars().take(TITLE).collect()
}
