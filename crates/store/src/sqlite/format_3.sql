-- Format 3: journeys that begin with a record, a date or a schedule; tasks for people; webhooks to hand over.

-- Kind of the record that let in; null: none did.
ALTER TABLE journeys ADD COLUMN record_kind TEXT;
-- Its recordId.
ALTER TABLE journeys ADD COLUMN record_id TEXT;
-- Which of several occasions let in: a local date, the record's date as written, a local time of a schedule.
ALTER TABLE journeys ADD COLUMN occasion TEXT;
-- For waiting: since when.
ALTER TABLE journeys ADD COLUMN waits_since_ms INTEGER;

CREATE TABLE tasks (
    -- Order in which tasks were opened.
    number INTEGER PRIMARY KEY,
    -- t_ and 26 characters, made from journey and step.
    id TEXT NOT NULL UNIQUE,
    -- About whom: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- By which campaign.
    campaign TEXT NOT NULL,
    -- At which step.
    step TEXT NOT NULL,
    -- What is to be done.
    title TEXT NOT NULL,
    -- Whose it is; null: nobody's in particular.
    owner TEXT,
    -- Until when.
    due_ms INTEGER,
    -- The template that helps to begin.
    draft TEXT,
    -- When it was opened.
    opened_at_ms INTEGER NOT NULL,
    -- When it was done; null: it is open.
    completed_at_ms INTEGER
) STRICT;

CREATE INDEX tasks_open ON tasks (completed_at_ms, number);

CREATE TABLE webhooks (
    -- Order in which they were made.
    number INTEGER PRIMARY KEY,
    -- The webhook-id, the same at every attempt: wh_ and 26 characters, made from journey and step.
    id TEXT NOT NULL UNIQUE,
    -- About whom: the customer's number, without the c.
    customer INTEGER NOT NULL,
    -- By which campaign.
    campaign TEXT NOT NULL,
    -- At which step.
    step TEXT NOT NULL,
    -- The name under which its address is configured.
    endpoint TEXT NOT NULL,
    -- The event's name.
    event TEXT NOT NULL,
    -- What is handed over, as JSON.
    body TEXT NOT NULL,
    -- When it was made.
    made_at_ms INTEGER NOT NULL
) STRICT;
