-- Format 13: messages whose variants are shared by what works (`allocate: bandit`), and comparisons that begin anew.

-- When the present comparison of a campaign began.
ALTER TABLE campaigns ADD COLUMN compared_since_ms INTEGER NOT NULL DEFAULT 0;
UPDATE campaigns SET compared_since_ms = started_at_ms;

-- How customers are shared among the variants of a step, from an instant on until the next.
CREATE TABLE shares (
    -- Order in which they took effect: several may do so at one instant.
    number INTEGER PRIMARY KEY,
    -- Of which campaign.
    campaign TEXT NOT NULL,
    -- At which step of it.
    step TEXT NOT NULL,
    -- Of which comparison: the number of the campaign's draw.
    draw INTEGER NOT NULL,
    -- From when on.
    since_ms INTEGER NOT NULL,
    -- The variants in order, each with its share of 10,000 and what was known of it, as JSON.
    variants TEXT NOT NULL
) STRICT;

-- Who got which variant, and the shares that held at that draw: what estimates need afterwards.
CREATE TABLE assignments (
    -- Order of assignment.
    number INTEGER PRIMARY KEY,
    -- By which message.
    message TEXT NOT NULL UNIQUE,
    -- In which journey.
    journey TEXT NOT NULL,
    -- Of which campaign.
    campaign TEXT NOT NULL,
    -- At which step of it.
    step TEXT NOT NULL,
    -- Of which comparison.
    draw INTEGER NOT NULL,
    -- Who, by internal id.
    customer INTEGER NOT NULL,
    -- When.
    at_ms INTEGER NOT NULL,
    -- Which variant.
    variant TEXT NOT NULL,
    -- The variants in order, each with its share, as JSON.
    shares TEXT NOT NULL
) STRICT;
