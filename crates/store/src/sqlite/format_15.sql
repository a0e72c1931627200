-- Format 15: entries and exits of a segment in one piece for each commit. One row each, and an index by customer, took more
-- of a busy hour than everything else that is written: of a million customers, nearly every entry or exit changed a page of
-- that index which nothing had changed lately.

CREATE TABLE movements (
    -- Order in which they were recorded.
    number INTEGER PRIMARY KEY,
    -- The segment.
    segment TEXT NOT NULL,
    -- How many entries and exits these are, at least 1.
    count INTEGER NOT NULL,
    -- They, in the order in which they happened, 13 bytes each, the highest byte first: the customer's number (4), the
    -- instant in milliseconds since 1970 (8, in two's complement), and 1 for entered or 0 for left (1).
    body BLOB NOT NULL
) STRICT;
INSERT INTO movements (segment, count, body)
    SELECT segment, count(*),
           unhex(group_concat(printf('%08x%016x%02x', customer, at_ms, entered), '' ORDER BY number))
    FROM transitions GROUP BY segment, number / 4096 ORDER BY number / 4096;
DROP TABLE transitions;
ALTER TABLE movements RENAME TO transitions;
CREATE INDEX transitions_of_segment ON transitions (segment);
