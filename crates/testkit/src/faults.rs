//! What goes wrong in a simulation, and how often.

use crate::chance::Chance;
use crate::memory_store::{Fault, MemoryDisk};
use domain::Span;

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The process dies where it stands.
    Crash,
    /// The next commit meets a fault.
    AtCommit(Fault),
    /// The process dies at the commit after so many more crash points: before it is durable, or before it is told.
    CrashIn(u64),
    /// The disk is full until further notice.
    DiskFills,
    /// Somebody frees the disk.
    DiskFreed,
}

impl Trouble {
    /// Something of all that can go wrong.
    pub fn random(chance: &mut Chance) -> Trouble {
        match chance.below(100) {
            0..30 => Trouble::Crash,
            30..45 => Trouble::AtCommit(Fault::CommitFails),
            45..60 => Trouble::AtCommit(Fault::CommitUnacknowledged),
            60..70 => Trouble::AtCommit(Fault::CommitLost),
            70..88 => Trouble::CrashIn(1 + chance.below(3)),
            88..92 => Trouble::DiskFills,
            _ => Trouble::DiskFreed,
        }
    }

    /// Prepares the disk for it. A crash is the caller's matter.
    pub fn prepare(self, disk: &MemoryDisk) {
        match self {
            Trouble::Crash => {}
            Trouble::AtCommit(fault) => disk.fail_next(fault),
            Trouble::CrashIn(points) => disk.crash_at(disk.crash_points() + points),
            Trouble::DiskFills => disk.set_full(true),
            Trouble::DiskFreed => disk.set_full(false),
        }
    }
}

/// What a mail server does with one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerDoes {
    /// Cannot be reached, or hangs before the body.
    NotReached,
    /// Answers 4xx to the recipient.
    PutsOffRecipient,
    /// Answers 5xx to the recipient.
    RefusesRecipient,
    /// Answers 5xx for its policy, after the body.
    RefusesPolicy,
    /// Answers 4xx after the body.
    PutsOffBody,
    /// Answers 250 after the body.
    Accepts,
    /// Takes the body; the reply is lost.
    AcceptsInSilence,
    /// The connection breaks in the body; nobody can tell from outside.
    LosesBody,
}

impl ServerDoes {
    /// One of all that servers do, mostly good.
    pub fn random(chance: &mut Chance) -> ServerDoes {
        match chance.below(100) {
            0..8 => ServerDoes::NotReached,
            8..16 => ServerDoes::PutsOffRecipient,
            16..19 => ServerDoes::RefusesRecipient,
            19..21 => ServerDoes::RefusesPolicy,
            21..26 => ServerDoes::PutsOffBody,
            26..36 => ServerDoes::AcceptsInSilence,
            36..42 => ServerDoes::LosesBody,
            _ => ServerDoes::Accepts,
        }
    }

    /// Whether it goes as far as the body.
    pub fn reaches_body(self) -> bool {
        !matches!(self, ServerDoes::NotReached | ServerDoes::PutsOffRecipient | ServerDoes::RefusesRecipient)
    }

    /// Whether the message arrives.
    pub fn takes_body(self) -> bool {
        matches!(self, ServerDoes::Accepts | ServerDoes::AcceptsInSilence)
    }
}

/// How far time moves at once: mostly little, sometimes over a night or a week, now and then backward.
pub fn passing_time(chance: &mut Chance) -> Span {
    match chance.below(100) {
        0..40 => Span(chance.between(1, 30) * 1_000),
        40..60 => Span::minutes(chance.between(1, 59)),
        60..80 => Span::hours(chance.between(1, 20)),
        80..90 => Span::days(chance.between(1, 6)),
        90..95 => Span(0),
        _ => Span(-chance.between(1, 3_600) * 1_000),
    }
}
