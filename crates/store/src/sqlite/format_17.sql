-- Format 17: that the body of a message has begun to go out is said by its attempt alone. A version that does not know this would
-- take such a message for one of which nothing has left, and send it twice.

UPDATE messages SET phase = 'started'
    WHERE phase = 'data' AND EXISTS (SELECT 1 FROM attempts
        WHERE attempts.message = messages.number AND attempts.number = messages.attempts AND attempts.phase = 'data');
