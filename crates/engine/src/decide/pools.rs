//! Pools of vouchers: codes that were imported, each of which is given once.
//!
//! A pool into which nothing was ever imported has no end: its codes are made as they are needed.

use crate::state::Engine;
use domain::campaign::{Action, Reward, State};
use domain::message::Because;
use domain::{CustomerId, Name, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;
use store::{VoucherCode, VoucherPool};

/// Most codes that are left in all pools together: about 60 MB.
pub const CODES_LEFT: usize = 1_000_000;
/// Longest code, in characters.
pub const CODE_LENGTH: usize = 100;

/// What is left of each pool, and which codes were ever imported.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    left: BTreeMap<Name, VecDeque<Arc<str>>>,
    /// The codes stand for those of another workspace: what is given is written down nowhere.
    are_lent: bool,
    /// Fingerprints: who knows a code may not have it given twice.
    known: HashSet<u128>,
}

/// What became of codes that were to be imported.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct CodesAdded {
    /// New ones.
    pub added: u64,
    /// Those imported before, into this pool or another, or twice in one go.
    pub duplicates: u64,
    /// Codes that are left in the pool now.
    pub left: u64,
    /// Vouchers that waited for a code and have one now.
    pub made_up_for: u64,
}

impl CodesAdded {
    /// Adds what a later piece of the same import led to.
    pub fn add(&mut self, later: &CodesAdded) {
        self.added += later.added;
        self.duplicates += later.duplicates;
        self.made_up_for += later.made_up_for;
        self.left = later.left;
    }
}

/// Why codes are not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodesRefused {
    /// There would be too many.
    #[error("more than {CODES_LEFT} codes would be left to give; import the rest when some of these are used up")]
    TooMany,
}

/// A code as it may be imported: without the white space around it. The error says what is wrong with it.
pub fn read_code(text: &str) -> Result<&str, &'static str> {
    let code = text.trim();
    if code.is_empty() {
        Err("it is empty")
    } else if code.chars().count() > CODE_LENGTH {
        Err("it has more than 100 characters")
    } else if code.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Err("it holds white space or control characters")
    } else {
        Ok(code)
    }
}

impl Pools {
    /// Those that were recovered.
    pub(crate) fn recovered(pools: BTreeMap<Name, VoucherPool>) -> Pools {
        let mut own = Pools::default();
        for (name, pool) in pools {
            own.known.extend(pool.left.iter().chain(&pool.given).map(|code| fingerprint(code)));
            own.left.insert(name, pool.left.into());
        }
        own
    }

    /// Whether codes were ever imported.
    pub(crate) fn is_finite(&self, pool: &Name) -> bool {
        self.left.contains_key(pool)
    }

    /// Codes that are left.
    pub(crate) fn left(&self, pool: &Name) -> usize {
        self.left.get(pool).map_or(0, VecDeque::len)
    }

    /// The code that comes next; it is gone then.
    pub(crate) fn take(&mut self, pool: &Name) -> Option<Arc<str>> {
        self.left.get_mut(pool)?.pop_front()
    }

    /// Whether codes that are given only stand for codes.
    pub(crate) fn are_lent(&self) -> bool {
        self.are_lent
    }

    /// Each pool with the codes that are left, in words, for tests.
    pub(crate) fn describe(&self) -> impl Iterator<Item = (&Name, String)> {
        self.left.iter().map(|(pool, left)| (pool, format!("{left:?} of {} known", self.known.len())))
    }

    fn left_in_all(&self) -> usize {
        self.left.values().map(VecDeque::len).sum()
    }
}

fn fingerprint(code: &str) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(code.as_bytes());
    hasher.finish128().as_u128()
}

impl Engine {
    /// How many codes are left in each pool that has an end.
    pub fn codes_left(&self) -> BTreeMap<Name, usize> {
        self.pools.left.iter().map(|(pool, left)| (pool.clone(), left.len())).collect()
    }

    /// Has so many codes in pools, as they are left in the workspace whose past is lived through again. Only for an engine that
    /// has no pools of its own; the codes stand for real ones, which nobody may see twice. O(codes).
    pub fn lend_codes(&mut self, left: &BTreeMap<Name, usize>) {
        debug_assert!(self.pools.left.is_empty(), "codes are lent to an engine that has none");
        self.pools.are_lent = true;
        for (pool, count) in left {
            let code: Arc<str> = format!("{}-LEFT", pool.as_str().to_ascii_uppercase()).into();
            self.pools.left.insert(pool.clone(), std::iter::repeat_n(code, *count).collect());
        }
    }

    /// Imports codes into a pool, in the order in which they are to be given; whoever waited for one gets it, the longest
    /// wait first. Each code must have passed `read_code`. O(codes + customers).
    pub fn add_codes(&mut self, pool: &Name, codes: &[String], now: Timestamp) -> Result<CodesAdded, CodesRefused> {
        self.reach(now);
        if self.pools.left_in_all() + codes.len() > CODES_LEFT {
            return Err(CodesRefused::TooMany);
        }
        let mut added = CodesAdded::default();
        for code in codes {
            if !self.pools.known.insert(fingerprint(code)) {
                added.duplicates += 1;
                continue;
            }
            let code: Arc<str> = code.as_str().into();
            self.pools.left.entry(pool.clone()).or_default().push_back(code.clone());
            self.pending.codes.push(VoucherCode { code, pool: pool.clone(), added_at: self.clock });
            added.added += 1;
        }
        if added.added > 0 {
            added.made_up_for = self.make_up_for(pool);
            self.settle();
        }
        added.left = self.pools.left(pool) as u64;
        Ok(added)
    }

    /// Gives vouchers to those inside who were to get one when there was none; messages that wait for one are asked again.
    fn make_up_for(&mut self, pool: &Name) -> u64 {
        let mut waiting: Vec<(crate::profile::customer::Order, CustomerId, Arc<str>, Arc<str>)> = Vec::new();
        for (id, customer) in self.customers.iter() {
            let owed = customer.rewards.iter().flat_map(|rewards| rewards.owed());
            let here = owed.filter(|owed| *owed.pool == *pool.as_str());
            waiting.extend(here.map(|owed| (owed.order, id, owed.journey.clone(), owed.step.clone())));
        }
        waiting.sort();
        let mut made_up_for = 0;
        for (_, _, id, step) in waiting {
            if self.pools.left(pool) == 0 {
                break;
            }
            let Some(journey) = self.journeys.get(&id).filter(|journey| journey.stage.is_inside()) else { continue };
            let Some(campaigning) = self.campaigns.get(&journey.campaign) else { continue };
            let prepared = campaigning.version(journey.version).clone();
            let action = prepared.program.find(&step).map(|place| &place.action);
            if let Some(Action::Reward(reward @ Reward::Voucher { pool: named, .. })) = action
                && named == pool
            {
                self.give(&id, &prepared.campaign, &step, reward);
                made_up_for += 1;
            }
        }
        let cannot_be_written = self.messages.values().filter(|it| it.because == Some(Because::MissingValue));
        self.work.gate.extend(cannot_be_written.map(|message| message.id.clone()).collect::<BTreeSet<_>>());
        made_up_for
    }

    /// Pools that hold codes, or that campaigns name which are not stopped.
    pub fn pool_names(&self) -> BTreeSet<Name> {
        self.pools.left.keys().cloned().chain(self.pools_in_use()).collect()
    }

    /// Pools that campaigns name which are not stopped.
    pub(crate) fn pools_in_use(&self) -> BTreeSet<Name> {
        let mut named = BTreeSet::new();
        let running = self.definitions.campaigns.values().filter(|campaign| campaign.state != State::Stopped);
        for step in running.flat_map(|campaign| &campaign.steps) {
            step.walk("", &mut |_, step| {
                if let Action::Reward(Reward::Voucher { pool, .. }) = &step.action {
                    named.insert(pool.clone());
                }
            });
        }
        named
    }

    /// The pool for whose codes a journey waits.
    pub(crate) fn waits_for_codes(&self, journey: &str, customer: CustomerId) -> Option<&str> {
        let rewards = self.customers.get(customer)?.rewards.as_ref()?;
        let owed = rewards.owed_in(journey)?;
        rewards.voucher_of(journey).is_none().then_some(owed.pool.as_ref())
    }
}
