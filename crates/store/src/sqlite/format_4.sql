-- Format 4: what a journey has done, so that an edit that moves somebody back repeats nothing.

-- Ids of the steps that did something, as JSON; null: none yet.
ALTER TABLE journeys ADD COLUMN done TEXT;
