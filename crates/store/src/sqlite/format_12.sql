-- Format 12: what was done with mails that arrived, by people and by machines; and receiving domains that are let rest.

CREATE TABLE reactions (
    -- Order in which it was first done.
    number INTEGER PRIMARY KEY,
    -- The message's number.
    message INTEGER NOT NULL REFERENCES messages (number),
    -- opened, clicked, machine_opened or machine_clicked.
    kind TEXT NOT NULL,
    -- When it was first done.
    first_at_ms INTEGER NOT NULL,
    -- When it was last done.
    last_at_ms INTEGER NOT NULL,
    -- How often.
    times INTEGER NOT NULL,
    UNIQUE (message, kind)
) STRICT;

CREATE TABLE resting (
    -- email, sms, webhook, push or in_app.
    channel TEXT NOT NULL,
    -- The receiving domain; empty on channels that have none.
    domain TEXT NOT NULL,
    -- Rests in a row, none taken in between; 0: it asked not to be tried, and did not fail.
    in_a_row INTEGER NOT NULL,
    -- Until when it is not tried.
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (channel, domain)
) STRICT, WITHOUT ROWID;
