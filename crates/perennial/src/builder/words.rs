//! The words of the builder: what a shop owner chooses from, and what it is called in a definition.

/// A word of a definition and how people say it.
pub type Word = (&'static str, &'static str);

/// Units of time.
pub const UNITS: &[Word] = &[("s", "seconds"), ("m", "minutes"), ("h", "hours"), ("d", "days"), ("w", "weeks")];

/// How a group joins what stands in it.
pub const GROUPS: &[Word] = &[
    ("all", "All of these hold"),
    ("any", "At least one of these holds"),
    ("none", "None of these holds"),
    ("not", "This does not hold"),
];

/// Kinds of conditions, by what they are about.
pub const HEADS: &[(&str, &[Word])] = &[
    (
        "What they did",
        &[
            ("did", "did"),
            ("did_not", "did not"),
            ("first_time", "did for the first time"),
            ("last", "the last time they did"),
            ("first", "the first time they did"),
            ("then", "did one thing, then another"),
            ("then_not", "did one thing, but then not another"),
            ("stopped", "stopped doing"),
            ("restarted", "came back to doing"),
            ("regularly", "regularly do"),
        ],
    ),
    ("What they have", &[("record", "has a pass, parcel or other record")]),
    (
        "Who they are",
        &[
            ("trait", "what we know of them"),
            ("known_for", "how long we know them"),
            ("consent", "may we write"),
            ("list", "is on a list"),
            ("segment", "is in another segment"),
            ("score", "a score"),
            ("bucket", "a random share"),
            ("everyone", "everybody"),
        ],
    ),
];

/// How often, or what sum. Empty: at least once.
pub const MEASURES: &[Word] = &[
    ("", "at least once"),
    ("at_least", "at least"),
    ("more_than", "more than"),
    ("exactly", "exactly"),
    ("at_most", "at most"),
    ("fewer_than", "fewer than"),
    ("range", "between"),
    ("sum", "the sum of"),
    ("average", "the average of"),
    ("largest", "the largest"),
    ("smallest", "the smallest"),
    ("distinct", "the number of different"),
];

/// The aggregates among the measures.
pub const AGGREGATES: &[&str] = &["sum", "average", "largest", "smallest", "distinct"];
/// Lower bounds of a count.
pub const LOWER: &[&str] = &["at_least", "more_than", "exactly"];
/// Upper bounds of a count.
pub const UPPER: &[&str] = &["at_most", "fewer_than"];

/// Comparisons of an aggregate.
pub const COMPARISONS: &[Word] =
    &[("at_least", "is at least"), ("above", "is above"), ("at_most", "is at most"), ("below", "is below")];

/// When. Empty: at any time.
pub const WINDOWS: &[Word] = &[
    ("", "at any time"),
    ("within", "in the last"),
    ("within_days", "in the last calendar days"),
    ("after", "since"),
    ("before", "before"),
    ("between", "from … up to"),
];

/// What is asked of records.
pub const RECORD_QUESTIONS: &[Word] = &[
    ("any", "has one that"),
    ("every", "has some, and every one"),
    ("no_one", "has none that"),
    ("count", "has so many"),
];

/// Operators of a test. The first word of `exists:true` is the operator, the second its value.
pub const OPERATORS: &[(&str, &[Word])] = &[
    (
        "Any value",
        &[
            ("is", "is"),
            ("is_not", "is not"),
            ("in", "is one of"),
            ("not_in", "is none of"),
            ("exists:true", "is known"),
            ("exists:false", "is not known"),
        ],
    ),
    (
        "Numbers",
        &[
            ("at_least", "is at least"),
            ("above", "is above"),
            ("at_most", "is at most"),
            ("below", "is below"),
            ("between", "is between"),
        ],
    ),
    (
        "Text",
        &[
            ("contains", "contains"),
            ("not_contains", "does not contain"),
            ("starts_with", "starts with"),
            ("ends_with", "ends with"),
            ("matches", "matches the pattern"),
        ],
    ),
    (
        "Dates and times",
        &[
            ("within_past", "lies in the last"),
            ("within_next", "lies in the next"),
            ("on_day", "is on the day"),
            ("anniversary", "has its anniversary"),
            ("before", "is before"),
            ("after", "is after"),
        ],
    ),
    (
        "Lists",
        &[
            ("includes", "includes"),
            ("not_includes", "does not include"),
            ("any", "has an entry that"),
            ("every", "has only entries that"),
            ("no_one", "has no entry that"),
        ],
    ),
    ("Over time", &[("held_for", "has been, without a break,")]),
];

/// Words that test the entries of a list.
pub const ELEMENTS: &[&str] = &["any", "every", "no_one"];

/// How a block of tests joins what stands in it.
pub const TEST_GROUPS: &[Word] = &[("any", "one of these"), ("all", "all of these"), ("none", "none of these")];

/// States of consent.
pub const CONSENTS: &[Word] = &[
    ("granted", "they said yes"),
    ("withdrawn", "they said no"),
    ("expired", "their yes ran out"),
    ("unknown", "they were never asked"),
    ("pending", "they have not confirmed yet"),
];

/// What lets somebody into a campaign.
pub const TRIGGERS: &[Word] = &[
    ("enters", "somebody comes into the segment"),
    ("leaves", "somebody leaves the segment"),
    ("did", "somebody does"),
    ("date", "a day of theirs comes"),
    ("record", "a date of a pass, parcel or other record comes"),
    ("missing", "something did not come in time"),
    ("every", "a time comes that returns"),
];

/// On which side of a date.
pub const SIDES: &[Word] = &[("before", "before"), ("after", "after"), ("", "on")];

/// How often somebody may enter.
pub const AGAINS: &[Word] = &[("never", "once and never again"), ("after", "again after"), ("always", "every time")];

/// What a step does.
pub const STEPS: &[Word] = &[
    ("message", "Write"),
    ("wait", "Wait"),
    ("branch", "Take the first way that fits"),
    ("reward", "Give"),
    ("task", "Ask a colleague"),
    ("set", "Remember"),
    ("webhook", "Tell another system"),
];

/// Buttons that add a step.
pub const NEW_STEPS: &[Word] = &[
    ("message", "Message"),
    ("wait", "Wait"),
    ("branch", "Ways"),
    ("reward", "Reward"),
    ("task", "Task"),
    ("set", "Note"),
    ("webhook", "Webhook"),
];

/// For how long nothing happens.
pub const WAITS: &[Word] = &[
    ("for", "for"),
    ("until", "until this holds"),
    ("local", "until it is, where they live,"),
    ("best_time", "for the hour at which they are mostly there, at most"),
];

/// What is given.
pub const REWARDS: &[Word] = &[("points", "points"), ("voucher", "a voucher from the pool")];

/// Ways out.
pub const CHANNELS: &[Word] = &[
    ("", "the way of its template"),
    ("email", "e-mail"),
    ("sms", "text message"),
    ("push", "push"),
    ("in_app", "in the app"),
    ("webhook", "webhook"),
];

/// How customers are shared among variants.
pub const ALLOCATIONS: &[Word] = &[("", "by these weights"), ("bandit", "more and more of what works")];

/// Purposes that there are without a definition.
pub const PURPOSES: &[Word] = &[("", "marketing"), ("service", "service, such as a late parcel")];

/// What an edit does with customers inside.
pub const INSIDE: &[Word] = &[("", "finish the steps they began with"), ("move", "go on with the new steps")];

/// Whether a campaign acts.
pub const STATES: &[Word] = &[("", "runs"), ("paused", "is paused"), ("stopped", "is stopped")];
