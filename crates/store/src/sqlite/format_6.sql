-- Format 6: a person approves messages of steps that ask for it.

-- When a person approved it; null: nobody did, or nobody is asked.
ALTER TABLE messages ADD COLUMN approved_at_ms INTEGER;
-- Who: as the person or program named itself.
ALTER TABLE messages ADD COLUMN approved_by TEXT;
