//! A message on its way: its order, the step that must be durable before its body, its end.
//!
//! It leaves while the commit that records the attempt is still under way, so that a connection is found and the server is
//! asked meanwhile. Its body goes out only after a second record is durable, which is made upon the first: where the first
//! fails, so does the second, and nothing has left.

use crate::post::later;
use crate::runtime::{Handle, Health, JobError};
use channels::{Phase, PhaseRecorder, Refused, WrittenMail};
use domain::MessageId;
use domain::message::Channel;
use engine::deliver::{End, Order};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether the commit that recorded some attempts has failed. What rests on it then is nothing: the messages are ordered
/// anew, with the same numbers, and those that left must neither go out nor speak for the new ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footing(Arc<AtomicBool>);

impl Footing {
    /// The commit failed. Said before the state is read again.
    pub(crate) fn lose(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_lost(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A message that leaves.
#[derive(Clone, Debug)]
pub struct Consignment {
    order: Box<Order>,
    footing: Footing,
}

impl Consignment {
    /// An order, and the commit that records its attempt.
    pub(crate) fn new(order: Order, footing: Footing) -> Consignment {
        Consignment { order: Box::new(order), footing }
    }

    /// What is to be carried out.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Counts it among those on their way.
    pub(crate) fn sets_out(&self, health: &Health) {
        health.sets_out(&self.order.message, self.order.channel);
    }

    /// The channel it goes by.
    pub(crate) fn channel(&self) -> Channel {
        self.order.channel
    }

    /// Its message.
    pub(crate) fn message(&self) -> &MessageId {
        &self.order.message
    }

    /// Makes the step before its body durable.
    pub fn recorder(&self, handle: &Handle) -> Recorder {
        let Consignment { order, footing } = self;
        let (message, number, footing) = (order.message.clone(), order.number, footing.clone());
        Recorder { handle: handle.clone(), message, number, footing, mail: None }
    }

    /// Ends an attempt that could not even begin.
    pub(crate) async fn put_off(&self, handle: &Handle, why: &str) {
        self.ended(handle, later(why)).await;
    }

    /// An attempt is over: its end is recorded, and its place is free.
    pub async fn ended(&self, handle: &Handle, end: End) {
        self.record_end(handle, end).await;
        // Of one that was never recorded the place is free already, and may be taken by the one that is.
        if !self.footing.is_lost() {
            handle.health().landed(&self.order.message);
        }
    }

    /// Tells the engine how an attempt ended. The mail is out: the record is tried until it is durable or the process stops;
    /// after a stop the attempt's phase says what is known.
    async fn record_end(&self, handle: &Handle, end: End) {
        let (message, number) = (&self.order.message, self.order.number);
        loop {
            let (id, end, footing) = (message.clone(), end.clone(), self.footing.clone());
            let record = move |engine: &mut engine::Engine, now| {
                if !footing.is_lost() {
                    engine.attempt_ended(&id, number, end, now);
                }
            };
            match handle.change_later(1, record).await {
                Ok(()) | Err(JobError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(message.id = %message, "the end of an attempt waits to be recorded: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Makes the step before the body durable before the body goes out.
pub struct Recorder {
    handle: Handle,
    message: MessageId,
    number: u32,
    footing: Footing,
    mail: Option<Arc<str>>,
}

impl Recorder {
    /// Keeps the mail with the step before its body, where it may have to go out once more.
    pub(crate) fn keeping(self, mail: &WrittenMail) -> Recorder {
        Recorder { mail: Some(String::from_utf8_lossy(mail.as_bytes()).into()), ..self }
    }
}

impl PhaseRecorder for Recorder {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        if !phase.must_be_durable() {
            return Ok(());
        }
        let (id, number, mail, footing) = (self.message.clone(), self.number, self.mail.clone(), self.footing.clone());
        let record = move |engine: &mut engine::Engine, now| {
            !footing.is_lost() && engine.attempt_sends_mail(&id, number, mail, now)
        };
        let refuse = |reason: &str| Refused { reason: reason.to_owned() };
        match self.handle.change_later(1, record).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse("this attempt is no longer the present one")),
            Err(error) => Err(refuse(&error.to_string())),
        }
    }
}
