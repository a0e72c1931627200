-- Format 14: where a click on a notification leads, and the picture beside it.

ALTER TABLE letters ADD COLUMN
    -- Of a notification: where a click leads; null: nowhere.
    url TEXT;
ALTER TABLE letters ADD COLUMN
    -- Of a notification: the address of the picture beside it; null: none.
    icon TEXT;
