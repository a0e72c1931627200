//! The writer: the one thread that changes the live state. It takes the jobs that wait, does what is due, and hands
//! what came of it to the committer, in groups.

use crate::committer::{Committer, Group, answer};
use crate::consignment::{Consignment, Footing};
use crate::runtime::{Appends, Clock, Done, Drive, Driver, Health, IN_FLIGHT, Job, JobError, read, write};
use crate::snapshot::Snapshots;
use domain::message::Channel;
use engine::{Engine, Options};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// Most calls in one commit: about 20 MB of the senders' JSON.
const GROUP_CALLS: usize = 20_000;
/// So many calls are worth a commit of their own: with them in hand nobody waits for more once the committer is free. Were all
/// that wait taken first, all senders would be answered at the same moment, and the cores idle in turn.
const WORTH_A_COMMIT: usize = 1_000;
/// Most things that are due handled before calls that wait have their turn, and in a commit with calls, so that a storm of
/// timers does not hold up the door: a millisecond.
const TURN_DUE: usize = 250;
/// Most of them in a commit without calls: those that come meanwhile wait for it.
const GROUP_DUE: usize = 500;
/// The writer looks at the clock at least so often.
const IDLE: Duration = Duration::from_millis(500);
/// After a failed commit the store is tried again so often.
const RETRY: Duration = Duration::from_secs(1);

/// The writer thread's own.
pub(crate) struct Loop {
    pub(crate) committer: Committer,
    pub(crate) engine: Arc<RwLock<Engine>>,
    pub(crate) queue: Receiver<Job>,
    /// A job that was taken from the queue and has to wait for the commit under way.
    pub(crate) carried: Option<Job>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) health: Arc<Health>,
    pub(crate) options: Options,
    /// Whether messages really go out.
    pub(crate) sends: bool,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) snapshots: Snapshots,
}

/// Jobs that were done together.
#[derive(Default)]
struct Jobs {
    weight: usize,
    /// Things due that were done in turns that left more of them, and whether the last turn did.
    due: usize,
    more_due: bool,
    dones: Vec<Done>,
    drive: Option<Drive>,
}

impl Jobs {
    /// Whether more of what is due may go into the same commit.
    fn has_room_for_due(&self) -> bool {
        self.due < if self.weight > 0 { TURN_DUE } else { GROUP_DUE }
    }
}

/// A job panicked, and left the state in the middle.
struct Panicked;

impl Loop {
    /// Works until it is told to stop and nothing waits; then leaves a snapshot for the next start.
    pub(crate) fn run(mut self) {
        self.work();
        if !self.snapshots.holds(&read(&self.engine)) && self.commit_clock().is_some() {
            self.snapshots.write_last(&read(&self.engine));
        }
        self.snapshots.settle();
    }

    fn work(&mut self) {
        loop {
            self.keep_snapshot();
            let next = match self.carried.take() {
                Some(job) => Ok(job),
                None => self.queue.recv_timeout(self.patience()),
            };
            let first = match next {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if first.is_none() && self.stop.load(Ordering::Acquire) {
                return;
            }
            self.make_ready_for(first.as_ref());
            match first {
                Some(Job::Drive(drive)) => self.drive(drive),
                first => self.work_on(first),
            }
        }
    }

    /// Has a snapshot written beside the work when it is time for one. The work waits for a commit, no longer.
    fn keep_snapshot(&mut self) {
        if !self.snapshots.is_due(read(&self.engine).position()) {
            return;
        }
        self.snapshots.tried();
        let start = Instant::now();
        if let Some(reader) = self.commit_clock() {
            let replica = read(&self.engine).replica(reader);
            let waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(waited_ms, "a snapshot is begun beside the writer, which waited {waited_ms} ms for it");
            self.snapshots.write_beside(replica);
        }
    }

    /// Makes everything durable, the clock too, though that alone is not worth a commit otherwise: a snapshot must not be
    /// ahead of it. Returns a reader of it; none if that cannot be now.
    fn commit_clock(&mut self) -> Option<Box<dyn store::Reader>> {
        if self.committer.settle().is_err() {
            self.reopen();
        }
        if self.health.trouble().is_some() {
            return None;
        }
        let store = self.committer.store()?;
        let mut engine = write(&self.engine);
        if engine.has_pending() {
            return None;
        }
        let done = store.commit(&engine.take_commit()).and_then(|()| store.reader());
        done.map_err(|error| tracing::warn!("no snapshot could be written: {error}")).ok()
    }

    /// Waits for the commit under way if a job asks for history, which only holds what is durable; calls from outside
    /// ask for nothing. If the commit failed, the state is read again before anything is built upon it.
    fn make_ready_for(&mut self, job: Option<&Job>) {
        let may_overlap = matches!(job, None | Some(Job::Change { appends: Appends::Calls, .. }));
        if may_overlap && self.committer.is_under_way() {
            return;
        }
        if self.committer.settle().is_err() {
            self.reopen();
        }
    }

    /// How long the writer may sleep: until the next thing is due.
    fn patience(&self) -> Duration {
        if self.stop.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let engine = read(&self.engine);
        let has_place = |channel: &&Channel| self.places(**channel) > 0;
        let waits_to_go =
            self.channels().filter(has_place).filter_map(|channel| engine.next_attempt_on(*channel)).min();
        let webhook = engine.next_webhook().filter(|_| self.sends && self.health.may_set_out());
        let due = [engine.next_due(), waits_to_go, webhook].into_iter().flatten().min();
        let Some(due) = due else { return IDLE };
        let wait = due.since(self.clock.now()).0.max(0);
        IDLE.min(Duration::from_millis(u64::try_from(wait).unwrap_or_default()))
    }

    /// The channels that messages are really handed to.
    fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.options.real_channels.iter().filter(|_| self.sends)
    }

    /// How many messages may set out on a channel.
    fn places(&self, channel: Channel) -> usize {
        let all = self.options.limits.get(&channel).and_then(|limits| limits.places).unwrap_or(IN_FLIGHT);
        self.health.places(channel, all)
    }

    /// Works on jobs and everything due while the commit before becomes durable, and hands over what came of it.
    fn work_on(&mut self, first: Option<Job>) {
        // Asked before memory runs ahead: a refusal by the commit would cost reading everything again.
        let full = self.committer.full();
        match self.group(first, full.as_ref()) {
            Ok((group, drive)) => {
                match self.committer.hand_over(group) {
                    Ok(()) => self.health.set_trouble(full),
                    Err(_) => self.reopen(),
                }
                if let Some(drive) = drive {
                    self.drive(drive);
                }
            }
            Err(dones) => {
                tracing::error!("a job panicked; the state is read again");
                let _ = self.committer.settle();
                answer(dones, &Err(JobError::Panicked));
                self.reopen();
            }
        }
    }

    /// Does jobs, and what is due. What comes while the commit before is under way goes along. Returns what is to be
    /// committed, and a drive that came up in the queue, to be done after it.
    /// Errors: a job panicked; those who wait for the others.
    fn group(&mut self, first: Option<Job>, full: Option<&String>) -> Result<(Group, Option<Drive>), Vec<Done>> {
        let mut group = Jobs::default();
        let mut next = first;
        loop {
            if self.take_jobs(next, full, &mut group).is_err() {
                return Err(group.dones);
            }
            let is_whole = group.weight >= GROUP_CALLS || group.drive.is_some() || self.carried.is_some();
            if is_whole || !self.committer.is_under_way() {
                break;
            }
            next = match group.more_due && group.has_room_for_due() {
                true => self.queue.try_recv().ok(),
                // The committer wakes us; the state is free for readers meanwhile.
                false => self.queue.recv_timeout(IDLE).ok(),
            };
        }
        let mut engine = write(&self.engine);
        let now = self.clock.now();
        let more = group.more_due || engine.tick_some(now, TURN_DUE);
        let footing = Footing::default();
        let (mut messages, mut webhooks) = (Vec::new(), Vec::new());
        for channel in self.channels().filter(|_| !more) {
            let free = self.places(*channel);
            if free > 0 {
                let orders = engine.order_attempts(*channel, now, free).into_iter();
                messages.extend(orders.map(|order| Consignment::new(order, footing.clone())));
            }
        }
        if self.sends && !more && self.health.may_set_out() {
            webhooks = engine.order_webhooks(now);
        }
        let commit = engine.take_commit();
        Ok((Group { commit, dones: group.dones, messages, webhooks, footing }, group.drive))
    }

    /// Does what is due, and jobs in their order, as long as some wait. Where so much is due that it takes several turns,
    /// jobs do not wait for all of it: they are done at the instant up to which it is done. Errors: one panicked.
    fn take_jobs(&mut self, first: Option<Job>, full: Option<&String>, group: &mut Jobs) -> Result<(), Panicked> {
        let mut next = first;
        let mut engine = write(&self.engine);
        let mut now = self.clock.now();
        if group.has_room_for_due() {
            group.more_due = engine.tick_some(now, TURN_DUE);
            group.due += if group.more_due { TURN_DUE } else { 0 };
        }
        if group.more_due {
            now = engine.clock();
        }
        while let Some(job) = next {
            match job {
                Job::Change { appends: Appends::Calls, change, .. } if full.is_some() => {
                    let reason = full.cloned().unwrap_or_default();
                    change(None)(Err(JobError::NotStored(reason)));
                }
                Job::Change { appends: Appends::Nothing, .. } if self.committer.is_under_way() => {
                    self.carried = Some(job);
                    return Ok(());
                }
                Job::Change { weight, change, .. } => {
                    group.weight += weight.max(1);
                    let work = std::panic::AssertUnwindSafe(|| change(Some((&mut engine, now))));
                    group.dones.push(std::panic::catch_unwind(work).map_err(|_| Panicked)?);
                }
                Job::Drive(found) => {
                    group.drive = Some(found);
                    return Ok(());
                }
            }
            let is_enough =
                group.weight >= GROUP_CALLS || (group.weight >= WORTH_A_COMMIT && !self.committer.is_under_way());
            next = if is_enough { None } else { self.queue.try_recv().ok() };
        }
        Ok(())
    }

    /// Reads the state again, from what is durable. The store is here: the commit before is settled.
    fn reopen(&mut self) {
        loop {
            let _ = self.committer.settle();
            let Some(store) = self.committer.store() else { return };
            match self.snapshots.file().open_engine(store, self.options.clone()) {
                Ok(mut fresh) => {
                    // Attempts that were recorded and whose orders were lost with the failed answer are taken up again.
                    fresh.resume_deliveries_except(&self.health.under_way());
                    *write(&self.engine) = fresh;
                    return;
                }
                Err(error) => {
                    tracing::error!("the data cannot be read: {error}");
                    if self.stop.load(Ordering::Acquire) {
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }

    fn drive(&mut self, drive: Drive) {
        if self.committer.settle().is_err() {
            self.reopen();
        }
        let Some(store) = self.committer.store() else { return };
        let mut driver = Driver { engine: &self.engine, store, clock: &self.clock, must_reopen: false };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drive(&mut driver))) {
            Ok(done) => {
                if driver.must_reopen {
                    self.reopen();
                }
                let commit = write(&self.engine).take_commit();
                let group = Group { commit, dones: vec![done], ..Group::default() };
                if self.committer.hand_over(group).is_err() {
                    self.reopen();
                }
            }
            Err(_) => {
                tracing::error!("a long job panicked; the state is read again");
                self.reopen();
            }
        }
    }
}
