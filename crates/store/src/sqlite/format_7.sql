-- Format 7: webhooks are delivered.

-- Where it stands: waiting, trying, done, gave_up or kept. Those made before could not be delivered, and are not now.
ALTER TABLE webhooks ADD COLUMN state TEXT NOT NULL DEFAULT 'kept';
-- Attempts begun so far.
ALTER TABLE webhooks ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
-- For waiting: when it may be tried.
ALTER TABLE webhooks ADD COLUMN due_ms INTEGER;
-- When the latest attempt began.
ALTER TABLE webhooks ADD COLUMN tried_at_ms INTEGER;
-- When it came to its end.
ALTER TABLE webhooks ADD COLUMN ended_at_ms INTEGER;
-- After this instant it is not tried again.
ALTER TABLE webhooks ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0;
-- What came of the latest attempt, in words.
ALTER TABLE webhooks ADD COLUMN reply TEXT;

CREATE INDEX webhooks_by_state ON webhooks (state);
CREATE INDEX webhooks_by_endpoint ON webhooks (endpoint, state);

CREATE TABLE endpoints_off (
    -- An endpoint that said that it wants to hear nothing any more; a person may turn it on again.
    name TEXT PRIMARY KEY,
    -- Since when.
    at_ms INTEGER NOT NULL,
    -- Its words.
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
