//! Makes commits durable on a thread of its own, so that the writer works on the next one meanwhile.
//!
//! At most one commit is under way. Messages leave with it: what must be durable before their bodies is recorded later, upon
//! it. Whoever waits for it is answered after it, and webhooks leave after it, all on a thread beside it: each answer wakes
//! somebody, who would take the processor from the next commit. When it fails, everything that the writer built upon it
//! meanwhile has to fail as well: the writer hears of it before it hands over the next.

use crate::consignment::{Consignment, Footing};
use crate::runtime::{Deliveries, Done, Health, JobError, Outgoing};
use domain::MessageId;
use engine::deliver::webhooks::Errand;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use store::{Commit, Store};

/// A commit, and what leaves with it and after it.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) commit: Commit,
    /// Those who wait for it.
    pub(crate) dones: Vec<Done>,
    /// Messages that leave with it.
    pub(crate) messages: Vec<Consignment>,
    /// What they rest on.
    pub(crate) footing: Footing,
    /// Webhooks that leave once it is durable.
    pub(crate) webhooks: Vec<Errand>,
}

/// The store, and what became of the commit for which it was lent.
struct Returned {
    store: Box<dyn Store>,
    result: Result<(), JobError>,
}

/// What follows a commit.
enum Followed {
    /// It is under way.
    Begun { messages: Vec<Consignment> },
    /// It is over.
    Over { dones: Vec<Done>, webhooks: Vec<Errand>, result: Result<(), JobError> },
}

/// What is lent for a commit.
struct Lent {
    store: Box<dyn Store>,
    commit: Commit,
    dones: Vec<Done>,
    webhooks: Vec<Errand>,
    /// Messages that left with it.
    left: Vec<MessageId>,
    footing: Footing,
}

/// Commits whose followers may wait to be told, before the next one waits as well.
const UNTOLD: usize = 4;

/// The store of a writer: here, or lent for the commit that is under way.
pub(crate) struct Committer {
    /// None while a commit is under way.
    store: Option<Box<dyn Store>>,
    /// Why nothing from outside may be appended, as far as known.
    full: Option<String>,
    /// Why the last commit failed, until the writer has heard of it.
    failed: Option<JobError>,
    lend: Option<SyncSender<Lent>>,
    /// To those who follow; none where nothing leaves.
    tell: Option<SyncSender<Followed>>,
    health: Arc<Health>,
    returned: Receiver<Returned>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread. `wake` is called after each commit, since the writer may be asleep.
    pub(crate) fn start(
        store: Box<dyn Store>,
        health: Arc<Health>,
        deliveries: Option<Deliveries>,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Committer> {
        // One place each: a commit is handed over only when the one before is back.
        let (lend, lent) = sync_channel::<Lent>(1);
        let (give_back, returned) = sync_channel(1);
        let (tell, told) = sync_channel::<Followed>(UNTOLD);
        let sends = deliveries.is_some();
        let teller = std::thread::Builder::new()
            .name("teller".to_owned())
            .spawn(move || told.into_iter().for_each(|followed| follow(followed, deliveries.as_ref())))?;
        let (over, own_health) = (tell.clone(), health.clone());
        let work = move || {
            for Lent { mut store, commit, dones, webhooks, left, footing } in lent {
                let result = carry_out(store.as_mut(), &commit, &health);
                if result.is_err() {
                    // Before the writer reads the state again and orders them anew.
                    footing.lose();
                    left.iter().for_each(|message| health.landed(message));
                }
                let followed = Followed::Over { dones, webhooks, result: result.clone() };
                if over.send(followed).is_err() || give_back.send(Returned { store, result }).is_err() {
                    break;
                }
                wake();
            }
            drop(over);
            if teller.join().is_err() {
                tracing::error!("the thread that tells of commits panicked");
            }
        };
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(work)?;
        Ok(Committer {
            store: Some(store),
            full: None,
            failed: None,
            lend: Some(lend),
            tell: sends.then_some(tell),
            health: own_health,
            returned,
            thread: Some(thread),
        })
    }

    /// Whether a commit is under way.
    pub(crate) fn is_under_way(&mut self) -> bool {
        if self.store.is_none()
            && let Ok(returned) = self.returned.try_recv()
        {
            self.take_back(returned);
        }
        self.store.is_none()
    }

    fn take_back(&mut self, returned: Returned) {
        self.store = Some(returned.store);
        self.failed = returned.result.err();
    }

    /// Why nothing from outside may be appended. While a commit is under way: what held before it.
    pub(crate) fn full(&mut self) -> Option<String> {
        if let Some(store) = &self.store {
            self.full = store.may_append().err().map(|error| error.to_string());
        }
        self.full.clone()
    }

    /// Waits for the commit that is under way. Errors: it failed, which is said once; its own waiters were told.
    pub(crate) fn settle(&mut self) -> Result<(), JobError> {
        if self.store.is_none() {
            match self.returned.recv() {
                Ok(returned) => self.take_back(returned),
                Err(_) => return Err(JobError::Stopped),
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Hands over the next commit, once the one before is durable.
    /// Errors: the one before failed; then this one's waiters were told as well, and the live state has to be read anew.
    pub(crate) fn hand_over(&mut self, group: Group) -> Result<(), JobError> {
        if let Err(error) = self.settle() {
            answer(group.dones, &Err(error.clone()));
            return Err(error);
        }
        if group.commit.is_empty() && group.messages.is_empty() && group.webhooks.is_empty() {
            // Nothing to write, and what it rests on is durable.
            answer(group.dones, &Ok(()));
            return Ok(());
        }
        let (Some(store), Some(lend)) = (self.store.take(), &self.lend) else { return Err(JobError::Stopped) };
        let Group { commit, dones, messages, footing, webhooks } = group;
        let left = messages.iter().map(|message| message.message().clone()).collect();
        // Counted as on their way before they can come back, and before the writer asks for free places.
        messages.iter().for_each(|message| message.sets_out(&self.health));
        lend.send(Lent { store, commit, dones, webhooks, left, footing }).map_err(|_| JobError::Stopped)?;
        match &self.tell {
            Some(tell) if !messages.is_empty() => {
                tell.send(Followed::Begun { messages }).map_err(|_| JobError::Stopped)
            }
            _ => Ok(()),
        }
    }

    /// The store itself, for work that commits on its own. None while a commit is under way: settle first.
    pub(crate) fn store(&mut self) -> Option<&mut dyn Store> {
        match &mut self.store {
            Some(store) => Some(store.as_mut()),
            None => None,
        }
    }
}

impl Drop for Committer {
    /// Lets the last commit finish, then closes the store.
    fn drop(&mut self) {
        let _ = self.settle();
        (self.lend, self.tell) = (None, None);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the committer thread panicked");
        }
    }
}

fn carry_out(store: &mut dyn Store, commit: &Commit, health: &Health) -> Result<(), JobError> {
    // A panic in the middle has undone the transaction; what it was about is not stored.
    let committed = std::panic::catch_unwind(AssertUnwindSafe(|| match commit.is_empty() {
        true => Ok(()),
        false => store.commit(commit),
    }));
    let result = match committed {
        Ok(result) => result.map_err(|error| JobError::NotStored(error.to_string())),
        Err(_) => Err(JobError::NotStored("the store panicked; the reason is in the log".to_owned())),
    };
    if let Err(error) = &result {
        tracing::error!("nothing can be stored: {error}");
    }
    match &result {
        Ok(()) => health.committed(),
        Err(error) => health.set_trouble(Some(error.to_string())),
    }
    result
}

/// Lets messages go that leave with a commit; answers those who waited for it, and lets webhooks go.
fn follow(followed: Followed, deliveries: Option<&Deliveries>) {
    let outgoing: Vec<Outgoing> = match followed {
        Followed::Begun { messages } => messages.into_iter().map(Outgoing::Message).collect(),
        Followed::Over { dones, webhooks, result } => {
            answer(dones, &result);
            let may_go = result.is_ok();
            webhooks.into_iter().filter(|_| may_go).map(Outgoing::Webhook).collect()
        }
    };
    if let Some(deliveries) = deliveries {
        outgoing.into_iter().for_each(deliveries);
    }
}

/// Tells everybody who waits.
pub(crate) fn answer(dones: Vec<Done>, result: &Result<(), JobError>) {
    for done in dones {
        done(result.clone());
    }
}
