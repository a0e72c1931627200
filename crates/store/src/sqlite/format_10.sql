-- Format 10: how long a channel has been sending, for the limits of its first days.

CREATE TABLE sending (
    -- email, sms, webhook, push or in_app.
    channel TEXT PRIMARY KEY,
    -- When its first message went.
    first_sent_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sending (channel, first_sent_ms)
    SELECT channel, min(outcome_at_ms) FROM messages WHERE outcome = 'sent' AND outcome_at_ms IS NOT NULL GROUP BY channel;
