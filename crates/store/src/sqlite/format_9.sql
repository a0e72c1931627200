-- Format 9: what comes back about mails is kept.

CREATE TABLE reports (
    -- Order in which they came.
    number INTEGER PRIMARY KEY,
    -- Made of its bytes: the same report twice is one.
    id TEXT NOT NULL UNIQUE,
    -- When it came.
    at_ms INTEGER NOT NULL,
    -- hard_bounce, soft_bounce, delayed, delivered, complaint or other.
    kind TEXT NOT NULL,
    -- Id of the message; null: nobody knows of which it is.
    message TEXT,
    -- To whom that went: the customer's number, without the c.
    customer INTEGER,
    -- Of which recipient, as it says itself.
    address TEXT,
    -- Its status, such as 5.1.1.
    status TEXT,
    -- The other server's words.
    words TEXT NOT NULL,
    -- Its beginning, where nobody knows of which message it is.
    raw TEXT NOT NULL
) STRICT;
CREATE INDEX reports_of_message ON reports (message) WHERE message IS NOT NULL;
CREATE INDEX reports_of_customer ON reports (customer) WHERE customer IS NOT NULL;
CREATE INDEX reports_unmatched ON reports (number) WHERE message IS NULL;
