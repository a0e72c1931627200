-- Format 11: pools of vouchers whose codes were imported.

CREATE TABLE voucher_codes (
    -- Order in which codes were imported, which is the order in which they are given.
    number INTEGER PRIMARY KEY,
    -- What the customer shows. One code stands in one pool, once.
    code TEXT NOT NULL UNIQUE,
    -- The pool's name in campaigns.
    pool TEXT NOT NULL,
    -- When it was imported.
    added_at_ms INTEGER NOT NULL,
    -- When it was given; null: it is left.
    given_at_ms INTEGER,
    -- To whom, by internal id.
    customer INTEGER,
    -- By which campaign.
    campaign TEXT,
    -- At which step of it.
    step TEXT
) STRICT;
CREATE INDEX voucher_codes_by_pool ON voucher_codes (pool, given_at_ms);
