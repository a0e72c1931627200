//! The data dictionary: every table and column with what it means. SQL gets its schemas from here and people their
//! reference, so that the two cannot differ.

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// JSON as text, to be read with the functions of JSON.
    Json,
    /// An instant in UTC, to the millisecond.
    Instant,
    /// How many.
    Count,
}

impl Kind {
    /// The word in the dictionary.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Json => "json text",
            Kind::Instant => "timestamp (UTC)",
            Kind::Count => "number",
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What one row of it is.
    pub meaning: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

impl Table {
    /// Its columns as SQL sees them.
    pub fn schema(&self) -> SchemaRef {
        let field = |column: &Column| Field::new(column.name, data_type(column.kind), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text | Kind::Json => DataType::Utf8,
        Kind::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Kind::Count => DataType::Int64,
    }
}

/// Makes a table and the enum of its columns from one list.
macro_rules! table {
    ($table:ident, $columns:ident, $name:literal, $meaning:literal, { $($column:ident $column_name:literal $kind:ident $column_meaning:literal,)+ }) => {
        #[doc = $meaning]
        pub static $table: Table = Table {
            name: $name,
            meaning: $meaning,
            columns: &[$(Column { name: $column_name, kind: Kind::$kind, meaning: $column_meaning },)+],
        };

        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum $columns { $($column,)+ }

        impl $columns {
            /// In the order of the table.
            pub(crate) const ALL: &'static [$columns] = &[$($columns::$column,)+];
        }
    };
}

table!(EVENTS, EventColumn, "events", "Everything that happened, one row each: what customers did, what was said of them, and what Perennial did.", {
    Customer "customer" Text "The person, by today's knowledge of who is who: the userId first seen, else the oldest anonymousId.",
    Time "time" Instant "When it happened. A few lie ahead of now: then it was said in advance, and counts from that instant on.",
    ReceivedAt "received_at" Instant "When it reached Perennial.",
    Type "type" Text "track, page, screen, identify, group, alias or record.",
    Name "name" Text "What happened, such as Order Completed; page and screen calls are Page Viewed and Screen Viewed. Email Opened and Email Link Clicked are people's; what mail programs and scanners do by themselves is Machine Opened Email and Machine Clicked Email Link, with the reason in because. Null for identify, group, alias and record: they say what is, not what was done.",
    Properties "properties" Json "What belongs to it: properties of an event, traits of identify and group, attributes of a record. json_get_str(properties, 'currency') reads one; further names lead inside: json_get_str(properties, 'address', 'city').",
    MessageId "message_id" Text "The sender's id of the call; a call counts once however often it was sent.",
    Source "source" Text "Who sent it: the name of the key's source, of an imported file's mapping, or perennial.",
    UserId "user_id" Text "The userId as it was sent; null if there was none.",
    AnonymousId "anonymous_id" Text "The anonymousId as it was sent; null if there was none.",
    Context "context" Json "The context that SDKs send along, such as the page's address or the campaign of a link; null if there was none.",
    Kind "kind" Text "For record: which kind of thing, such as pass. Null for everything else.",
    Record "record" Text "For record: the thing's id. Null for everything else.",
});

table!(CUSTOMERS, CustomerColumn, "customers", "Every person, visitors without a name included, one row each.", {
    Customer "customer" Text "The person: the userId first seen, else the oldest anonymousId.",
    FirstSeen "first_seen" Instant "Since when they exist: the earlier of their first arrival and the earliest time they were heard of.",
    LastSeen "last_seen" Instant "The last time anything came in about them.",
});

table!(TRAITS, TraitColumn, "traits", "What is known about people now, one row for each person and trait.", {
    Customer "customer" Text "The person.",
    Name "name" Text "The trait, such as email.",
    Value "value" Json "Its value as JSON: text stands in quotes. json_as_text(value) takes them off.",
    Since "since" Instant "Since when it has this value.",
});

table!(RECORDS, RecordColumn, "records", "What people have now, such as passes, subscriptions and shipments: one row for each person and thing. What is over is in events.", {
    Customer "customer" Text "Who has it; a thing may be shared.",
    Kind "kind" Text "Which kind of thing, such as pass.",
    Record "record" Text "Its id, unique together with its kind.",
    Attributes "attributes" Json "What is known of it, one name for each attribute: json_get_str(attributes, 'status').",
    Since "since" Instant "Since when they have had it without a break.",
});

table!(MEMBERSHIPS, MembershipColumn, "memberships", "Who is in which segment now, one row for each.", {
    Segment "segment" Text "The segment's name.",
    Customer "customer" Text "The person.",
    Since "since" Instant "The instant of history at which they came to belong, whenever the segment was defined. Asking for it reads all of history once.",
});

table!(CONSENTS, ConsentColumn, "consents", "What people said about being written to, one row each time. What follows from a purchase or an inquiry is not said: it is in events, and the segment condition consent knows it.", {
    Customer "customer" Text "Who said it.",
    Time "time" Instant "When it was said. A statement dated ahead counts from then on.",
    Purpose "purpose" Text "For which purpose.",
    Channel "channel" Text "On which channel; null: all.",
    Status "status" Text "granted, withdrawn, or pending where the customer is asked to confirm it.",
    Basis "basis" Text "express or implied; null if nobody said.",
    Source "source" Text "Where it was said, such as checkout or preference page.",
    TextVersion "text_version" Text "Which wording the customer saw.",
    Expires "expires" Instant "When a yes runs out by what it says itself; null: it does not.",
});

table!(MESSAGES, MessageColumn, "messages", "Every message that was decided about, whether it went out or not, one row each.", {
    Message "message" Text "The message's id, also the left part of its Message-ID.",
    Customer "customer" Text "For whom.",
    Campaign "campaign" Text "By which campaign.",
    Variant "variant" Text "Which variant of the text; null if there is only one.",
    Channel "channel" Text "email, sms, webhook, push or in_app.",
    DecidedAt "decided_at" Instant "When it was first decided about.",
    Outcome "outcome" Text "What became of it: sent, held, skipped, would_have_sent, failed or uncertain. Null while it is on its way.",
    Because "because" Text "Why it was not simply sent, such as frequency_cap or no_consent; null if it was.",
    OutcomeAt "outcome_at" Instant "When that was reached; null while it is on its way.",
    Step "step" Text "At which step of the campaign.",
    Template "template" Text "From which template.",
    Purpose "purpose" Text "For which purpose, which is what people consent to.",
    Detail "detail" Text "More for people: the receiver's last words, or the value that was missing.",
});

table!(REACTIONS, ReactionColumn, "reactions", "What was done with messages that arrived, opened or clicked, one row for each message, kind and whether it was a person. Joined with messages by the message, it counts for each campaign.", {
    Message "message" Text "The message's id, as in messages.",
    Kind "kind" Text "opened or clicked.",
    DoneBy "done_by" Text "person, or machine for what a mail program or a scanner did by itself; a message may have both.",
    FirstAt "first_at" Instant "When it was first done.",
    LastAt "last_at" Instant "When it was last done.",
    Times "times" Count "How often. Opens of one mail within an hour, and clicks on one link within a minute, are one.",
});

table!(ASSIGNMENTS, AssignmentColumn, "assignments", "Who got which variant at steps that share by what works (allocate: bandit), with the chances at that draw: one row for each message that drew.", {
    Message "message" Text "The message's id, as in messages.",
    Customer "customer" Text "Who drew.",
    Campaign "campaign" Text "Of which campaign.",
    Step "step" Text "At which step of the campaign.",
    Comparison "comparison" Count "In which comparison of the campaign: 1, and one more for each that began anew.",
    Time "time" Instant "When it was drawn.",
    Variant "variant" Text "Which variant it is.",
    Share "share" Count "How many of all got that variant then: share divided by share_of is the chance with which it was drawn.",
    ShareOf "share_of" Count "The sum of the shares of all variants that could be drawn then.",
    Shares "shares" Json "The share of each variant that could be drawn: json_get_int(shares, 'plain').",
});

table!(SHARES, ShareColumn, "shares", "How customers are shared among variants at steps that share by what works (allocate: bandit): one row for each variant and each change.", {
    Campaign "campaign" Text "Of which campaign.",
    Step "step" Text "At which step of the campaign.",
    Comparison "comparison" Count "In which comparison of the campaign: 1, and one more for each that began anew.",
    Since "since" Instant "From when on, until the next change.",
    Variant "variant" Text "Which variant.",
    Share "share" Count "How many of 10,000 customers get it.",
    Customers "customers" Count "From how many customers it was worked out: those with this variant whose time was over.",
    CameBack "came_back" Count "How many of these had reached the goal.",
});

table!(REPORTS, ReportColumn, "reports", "What other mail servers and readers reported of mails: bounces, delays, complaints, one row each.", {
    Report "report" Text "The report's id, made of its bytes: the same report twice is one row.",
    Time "time" Instant "When it came.",
    Kind "kind" Text "hard_bounce: the address takes no mail; soft_bounce: this mail did not arrive; delayed; delivered; complaint: the reader called it spam; other.",
    Message "message" Text "The message's id, as in messages; null: it proves to be about none, and nothing followed from it.",
    Customer "customer" Text "To whom that message went; null where it is not known.",
    Address "address" Text "Of which recipient, as the report says itself.",
    Status "status" Text "The status it gives, such as 5.1.1; null if it gives none.",
    Words "words" Text "The other server's words.",
});

table!(WEBHOOKS, WebhookColumn, "webhooks", "Everything that other systems were to be told by a campaign, one row each.", {
    Webhook "webhook" Text "Its id, the webhook-id of every attempt.",
    Customer "customer" Text "About whom.",
    Campaign "campaign" Text "By which campaign.",
    Step "step" Text "At which step of the campaign.",
    Endpoint "endpoint" Text "Whom: the name of the system in campaigns and configuration.",
    Event "event" Text "What it says happened, such as promo.granted.",
    MadeAt "made_at" Instant "When it was decided.",
    State "state" Text "Where it stands: waiting, trying, done, gave_up, or kept where its system is not configured.",
    Attempts "attempts" Count "How often it was tried.",
    Due "due" Instant "When it is tried next; null if it is not.",
    EndedAt "ended_at" Instant "When it came to its end; null while it may still be told.",
    Reply "reply" Text "What came of the last attempt.",
    Body "body" Json "What is told, the same at every attempt.",
});

table!(TASKS, TaskColumn, "tasks", "Everything that campaigns asked people to do, one row each.", {
    Task "task" Text "The task's id.",
    Customer "customer" Text "About whom.",
    Campaign "campaign" Text "By which campaign.",
    Step "step" Text "At which step of the campaign.",
    Title "title" Text "What is to be done.",
    Owner "owner" Text "Whose it is: what the step says in for; null: nobody's in particular.",
    Due "due" Instant "Until when it is to be done; null: whenever.",
    Draft "draft" Text "The template that helps to begin.",
    OpenedAt "opened_at" Instant "When it was opened.",
    CompletedAt "completed_at" Instant "When it was done; null: it is open.",
});

table!(DICTIONARY, DictionaryColumn, "dictionary", "This reference as a table, one row for each column of each table.", {
    Table "table_name" Text "The table.",
    Column "column_name" Text "The column.",
    Type "type" Text "What it holds.",
    Meaning "meaning" Text "What it means.",
});

/// Every table, in the order in which people meet them.
pub static TABLES: [&Table; 14] = [
    &EVENTS,
    &CUSTOMERS,
    &TRAITS,
    &RECORDS,
    &MEMBERSHIPS,
    &CONSENTS,
    &MESSAGES,
    &REACTIONS,
    &ASSIGNMENTS,
    &SHARES,
    &REPORTS,
    &WEBHOOKS,
    &TASKS,
    &DICTIONARY,
];

/// The table of a name.
pub fn find(name: &str) -> Option<&'static Table> {
    TABLES.into_iter().find(|table| table.name == name)
}

/// Functions beyond those of standard SQL that questions about this data need, each with what it does.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("now()", "The instant the answer is about; in a demo, its own time."),
    (
        "json_get_str(json, 'name', …)",
        "Text inside JSON; null if it is no text. Every further name leads one step inside, a number into a list.",
    ),
    (
        "json_get_decimal(json, 'name', …)",
        "An exact number inside JSON, to 10 digits after the point, as segments read it: a number, or text that is one.",
    ),
    ("json_get_int, json_get_float, json_get_bool", "A whole number, an approximate number, true or false."),
    ("json_get(json, 'name', …), json -> 'name'", "Any value inside JSON."),
    ("json_as_text(json, 'name', …), json ->> 'name'", "Any value inside JSON as text."),
    ("json_contains(json, 'name', …)", "Whether it is there."),
    (
        "json_length(json, …), json_object_keys(json, …)",
        "How many elements a list or object has; the names in an object.",
    ),
    (
        "date_trunc('month', time), date_part('hour', time)",
        "Calendar parts, in UTC; time AT TIME ZONE 'Europe/Berlin' for another zone.",
    ),
];
