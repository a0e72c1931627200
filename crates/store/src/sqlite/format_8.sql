-- Format 8: a mail that may have to go out once more is kept as it went out first.

CREATE TABLE kept_mails (
    -- The message's number.
    message INTEGER PRIMARY KEY REFERENCES messages (number),
    -- Header and body as they were signed and sent, ASCII.
    mail TEXT NOT NULL
) STRICT;
