-- Format 16: attempts lie in the order of their messages, and decisions about a message are found by its customer. The ids of
-- messages come in no order: each mail changed a page of its own wherever something was sorted by them.

CREATE TABLE attempts_by_number (
    -- The message's number.
    message INTEGER NOT NULL REFERENCES messages (number),
    -- 1 for its first attempt.
    number INTEGER NOT NULL,
    -- When it began.
    started_at_ms INTEGER NOT NULL,
    -- started: nothing has left; data: the body may have gone out; done: the result says how it ended.
    phase TEXT NOT NULL,
    -- When it ended.
    ended_at_ms INTEGER,
    -- sent, put_off, rejected or no_reply.
    result TEXT,
    -- The receiver's words.
    reply TEXT,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
INSERT INTO attempts_by_number (message, number, started_at_ms, phase, ended_at_ms, result, reply)
    SELECT messages.number, attempts.number, started_at_ms, attempts.phase, ended_at_ms, result, reply
    FROM attempts JOIN messages ON messages.id = attempts.message ORDER BY messages.number, attempts.number;
DROP TABLE attempts;
ALTER TABLE attempts_by_number RENAME TO attempts;
DROP INDEX decisions_of_message;
