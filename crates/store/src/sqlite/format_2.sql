-- Format 2: the older part of the journal is sealed into files.

CREATE TABLE history (
    -- The first journal row whose calls the file holds. Those rows are no longer in `journal`.
    first_row INTEGER PRIMARY KEY,
    -- The last one.
    last_row INTEGER NOT NULL,
    -- Position of its first call.
    first INTEGER NOT NULL,
    -- Number of its calls; their positions have no gaps.
    count INTEGER NOT NULL,
    -- About as many bytes as its calls have as JSON.
    json_bytes INTEGER NOT NULL,
    -- Earliest instant at which one of its calls happened.
    min_time_ms INTEGER NOT NULL,
    -- Latest instant at which one of its calls happened.
    max_time_ms INTEGER NOT NULL,
    -- Smallest name in it: a userId, or an anonymousId where there is none.
    min_name TEXT NOT NULL,
    -- Largest name in it, by bytes.
    max_name TEXT NOT NULL,
    -- Name of the file in the directory `history`: Parquet, sorted by name, time and position.
    file TEXT NOT NULL UNIQUE,
    -- Bytes of the file.
    size_bytes INTEGER NOT NULL,
    -- CRC-32 (IEEE) of each 16 KB of the file, 4 bytes each, little endian.
    sums BLOB NOT NULL
) STRICT;
