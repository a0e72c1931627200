-- Format 5: people can be erased.

CREATE TABLE erased (
    -- Number of a name that was erased. It is never given again, so that the numbers of others stay theirs.
    number INTEGER PRIMARY KEY,
    -- When.
    at_ms INTEGER NOT NULL,
    -- The name, only where somebody else bears it too, such as a device that two people used; else null.
    shared_name TEXT,
    -- From which position it stood for the one who is erased.
    shared_from INTEGER
) STRICT;

CREATE TABLE erasures (
    -- Always 1: the table has one row.
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- How often somebody was erased: what was read before the last time must not be written back.
    count INTEGER NOT NULL,
    -- 1: bytes of somebody who was erased may still be in the log; they go when it is emptied.
    unscrubbed INTEGER NOT NULL
) STRICT;
INSERT INTO erasures (one, count, unscrubbed) VALUES (1, 0, 0);
