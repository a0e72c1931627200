-- Format 1 of perennial.sqlite. SQLite keeps these comments: `SELECT sql FROM sqlite_schema` is the data dictionary.
-- Instants are milliseconds since 1970-01-01T00:00:00Z and end in `_ms`. Words are those of the pages and the API.

CREATE TABLE meta (
    -- Always 1: the table has one row.
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Calls committed so far: the place of the last call in the journal.
    position INTEGER NOT NULL,
    -- Number of the last journal row.
    last_row INTEGER NOT NULL,
    -- The instant up to which everything due was done.
    clock_ms INTEGER NOT NULL,
    -- By how much a demo's time runs ahead of real time.
    clock_offset_ms INTEGER NOT NULL,
    -- Secret that signs links in messages, 32 bytes.
    link_key BLOB NOT NULL,
    -- Secret that keys the hash of message ids, 16 bytes.
    dedupe_key BLOB NOT NULL
) STRICT;

CREATE TABLE journal (
    -- From 1, without gaps. A row is a batch of calls.
    row INTEGER PRIMARY KEY,
    -- Position of its first call.
    first INTEGER NOT NULL,
    -- Number of its calls.
    count INTEGER NOT NULL,
    -- Earliest instant at which one of its calls happened.
    min_time_ms INTEGER NOT NULL,
    -- Latest instant at which one of its calls happened.
    max_time_ms INTEGER NOT NULL,
    -- Bytes of the body when decompressed.
    size_bytes INTEGER NOT NULL,
    -- CRC-32 (IEEE) of row, first, count, min_time_ms, max_time_ms, size_bytes (8 bytes each, little endian) and body.
    checksum INTEGER NOT NULL,
    -- The calls as JSON, one after the other, each ended by a line feed; compressed with zstd.
    body BLOB NOT NULL
) STRICT;

CREATE TABLE definitions (
    -- workspace, purpose, segment, template or campaign.
    kind TEXT NOT NULL,
    -- Name of the definition, unique in its kind.
    name TEXT NOT NULL,
    -- From 1, for each kind and name.
    version INTEGER NOT NULL,
    -- When it was saved.
    at_ms INTEGER NOT NULL,
    -- Who saved it: a user, a file, demo.
    by TEXT NOT NULL,
    -- The definition as JSON; null: this version deleted it.
    value TEXT,
    UNIQUE (kind, name, version)
) STRICT;

CREATE TABLE campaigns (
    -- Name of the campaign.
    name TEXT PRIMARY KEY,
    -- When it was first defined: triggers before do not count.
    started_at_ms INTEGER NOT NULL,
    -- Raised by "start a new comparison".
    draw INTEGER NOT NULL,
    -- Current version of its definition.
    version INTEGER NOT NULL,
    -- Paused since; null: not paused.
    paused_at_ms INTEGER,
    -- Stopped since; null: not stopped.
    stopped_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE journeys (
    -- Order in which journeys were first recorded.
    number INTEGER PRIMARY KEY,
    -- Made from campaign, customer, key and instant of entry.
    id TEXT NOT NULL UNIQUE,
    -- Through which campaign.
    campaign TEXT NOT NULL,
    -- Whose: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- For which key; null: the campaign has none.
    key TEXT,
    -- When it began.
    entered_at_ms INTEGER NOT NULL,
    -- The version of the campaign it follows.
    version INTEGER NOT NULL,
    -- Index of the step it stands at, from 0.
    step INTEGER NOT NULL,
    -- due, waiting or messaging while inside; finished, exited or converted when over.
    stage TEXT NOT NULL,
    -- For waiting: until when.
    until_ms INTEGER,
    -- The message of the step, while one is decided about.
    message TEXT,
    -- Properties of the event that let in, as JSON.
    trigger TEXT,
    -- When it ended.
    ended_at_ms INTEGER
) STRICT;
CREATE INDEX journeys_of_campaign ON journeys (campaign, stage);

CREATE TABLE messages (
    -- Order in which messages were first recorded.
    number INTEGER PRIMARY KEY,
    -- The message's id, m_ and 26 characters; also the left part of its Message-ID.
    id TEXT NOT NULL UNIQUE,
    -- For whom: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- By which campaign.
    campaign TEXT NOT NULL,
    -- At which step.
    step TEXT NOT NULL,
    -- From which template.
    template TEXT NOT NULL,
    -- Which variant of it; null: it has none.
    variant TEXT,
    -- email, sms, webhook, push or in_app.
    channel TEXT NOT NULL,
    -- For which purpose.
    purpose TEXT NOT NULL,
    -- When it was first decided about.
    decided_at_ms INTEGER NOT NULL,
    -- Latest outcome: sent, held, skipped, would_have_sent, failed, uncertain; null: it waits to be sent.
    outcome TEXT,
    -- Why, for all but sent.
    because TEXT,
    -- When the outcome was reached.
    outcome_at_ms INTEGER,
    -- Attempts made so far.
    attempts INTEGER NOT NULL,
    -- Phase of the attempt under way: started, data or done.
    phase TEXT,
    -- When it may be tried (again).
    due_ms INTEGER,
    -- After this instant it is no longer useful.
    expires_ms INTEGER NOT NULL,
    -- The receiver's last words, or the value that is missing.
    detail TEXT,
    -- Place in the list: those that wait to be sent come last in time, then the latest outcome.
    latest_ms INTEGER AS (CASE WHEN outcome IS NULL THEN 9000000000000000 ELSE coalesce(outcome_at_ms, -9000000000000000) END) VIRTUAL
) STRICT;
CREATE INDEX messages_of_customer ON messages (customer, latest_ms);
CREATE INDEX messages_of_campaign ON messages (campaign, latest_ms);
CREATE INDEX messages_latest ON messages (latest_ms);
CREATE INDEX messages_held ON messages (outcome) WHERE outcome = 'held';

CREATE TABLE letters (
    -- The message's number.
    message INTEGER PRIMARY KEY REFERENCES messages (number),
    -- The address on the channel.
    to_address TEXT NOT NULL,
    -- The customer's name for the address line.
    to_name TEXT,
    -- Subject line.
    subject TEXT NOT NULL,
    -- Text part.
    text TEXT NOT NULL,
    -- HTML part; null: none.
    html TEXT,
    -- Where a one-click unsubscribe is posted, as a path below the public address.
    unsubscribe_path TEXT NOT NULL
) STRICT;

CREATE TABLE attempts (
    -- Id of the message.
    message TEXT NOT NULL,
    -- 1 for its first attempt.
    number INTEGER NOT NULL,
    -- When it began.
    started_at_ms INTEGER NOT NULL,
    -- started: nothing has left; data: the body may have gone out; done: the result says how it ended.
    phase TEXT NOT NULL,
    -- When it ended.
    ended_at_ms INTEGER,
    -- sent, put_off, rejected or no_reply.
    result TEXT,
    -- The receiver's words.
    reply TEXT,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
    -- Order in which they were recorded, from 1.
    number INTEGER PRIMARY KEY,
    -- Id of the message.
    message TEXT NOT NULL,
    -- For whom: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- By which campaign.
    campaign TEXT NOT NULL,
    -- At which step.
    step TEXT NOT NULL,
    -- When.
    at_ms INTEGER NOT NULL,
    -- What became of the message: sent, held, skipped, would_have_sent, failed or uncertain.
    outcome TEXT NOT NULL,
    -- Why, for all but sent.
    because TEXT,
    -- More, for people: the missing value, the receiver's words.
    detail TEXT,
    -- For a hold that time lifts: when.
    until_ms INTEGER
) STRICT;
CREATE INDEX decisions_of_message ON decisions (message);
CREATE INDEX decisions_of_customer ON decisions (customer);
CREATE INDEX decisions_of_campaign ON decisions (campaign);

CREATE TABLE transitions (
    -- Order in which they were recorded, from 1.
    number INTEGER PRIMARY KEY,
    -- The segment.
    segment TEXT NOT NULL,
    -- Who: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- When, to the millisecond.
    at_ms INTEGER NOT NULL,
    -- 1: entered; 0: left.
    entered INTEGER NOT NULL
) STRICT;
CREATE INDEX transitions_of_segment ON transitions (segment);
CREATE INDEX transitions_of_customer ON transitions (customer);

CREATE TABLE exposures (
    -- Order in which they were first recorded.
    number INTEGER PRIMARY KEY,
    -- Id of the journey.
    journey TEXT NOT NULL UNIQUE,
    -- Of which campaign.
    campaign TEXT NOT NULL,
    -- Whose: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- messaged or held_out.
    arm TEXT NOT NULL,
    -- When the draw took effect: the message went, or would have gone.
    at_ms INTEGER NOT NULL,
    -- Goal events count up to and with this instant.
    until_ms INTEGER NOT NULL,
    -- When the first goal event happened; null: none yet.
    came_back_at_ms INTEGER,
    -- Goal events in the window.
    goals INTEGER NOT NULL,
    -- Their worth as a JSON list of {"minor", "currency"}: minor units such as pence, one entry per currency.
    worth TEXT NOT NULL
) STRICT;
CREATE INDEX exposures_of_campaign ON exposures (campaign, at_ms);

CREATE TABLE suppressions (
    -- The address, normalised.
    address TEXT PRIMARY KEY,
    -- Since when nothing is sent there.
    at_ms INTEGER NOT NULL,
    -- Why: the receiver's words.
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE refused (
    -- From 1, never used again.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- When it arrived.
    at_ms INTEGER NOT NULL,
    -- From which source.
    source TEXT NOT NULL,
    -- With what trust: browser, server, file or perennial.
    trust TEXT NOT NULL,
    -- A stable word, such as no_customer.
    reason TEXT NOT NULL,
    -- What is wrong, where, and what to do.
    message TEXT NOT NULL,
    -- The beginning of the call as it came.
    raw TEXT NOT NULL
) STRICT;
CREATE INDEX refused_at ON refused (at_ms);

CREATE TABLE keys (
    -- Public part of the key.
    id TEXT PRIMARY KEY,
    -- SHA-256 of the key; the key itself is never stored.
    hash BLOB NOT NULL,
    -- browser or server.
    trust TEXT NOT NULL,
    -- Name of the source.
    source TEXT NOT NULL,
    -- When it was made.
    created_at_ms INTEGER NOT NULL,
    -- When it was revoked; null: it works.
    revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tallies (
    -- Days since 1970-01-01, UTC.
    day INTEGER NOT NULL,
    -- Which source.
    source TEXT NOT NULL,
    -- What became of the calls: accepted, duplicate, duplicate_differs or refused.
    reception TEXT NOT NULL,
    -- For refused ones: why; empty for the others.
    reason TEXT NOT NULL,
    -- How many calls.
    count INTEGER NOT NULL,
    PRIMARY KEY (day, source, reception, reason)
) STRICT, WITHOUT ROWID;
