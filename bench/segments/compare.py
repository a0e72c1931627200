"""Asks DuckDB how many people each of the hundred segments has: the questions of the shared bench, except the twenty that
Perennial's language words otherwise, which are asked as worded there. Prints a JSON list of a hundred counts.

    compare.py SHARED_BENCH DATA THREADS
"""
import json
import sys

import duckdb

shared, data, threads = sys.argv[1:4]
sys.path.insert(0, shared)
import queries  # noqa: E402  (it lies in the shared bench)

connection = duckdb.connect(":memory:")
connection.execute(f"SET threads={threads}")
connection.execute(f"CREATE VIEW e AS SELECT * FROM read_parquet('{data}/events/*.parquet')")
connection.execute(f"CREATE VIEW l AS SELECT * FROM read_parquet('{data}/lines/*.parquet')")
counts = [int(count) for count in connection.execute(queries.q(queries.D("duck", "e", "l"))["vii_100"]).fetchone()]

# Perennial keeps milliseconds. Asked one millisecond before the end of the data, its windows (now - d, now] hold just
# what `ts >= now - d` holds.
MS, DAY, HOURS = "epoch_ms(ts)", 86_400_000, 2 * 3_600_000
now = connection.execute("SELECT epoch_ms(TIMESTAMP '2026-11-01 00:00:00')").fetchone()[0] - 1
connection.execute(f"CREATE TABLE o AS SELECT customer_id, {MS} AS moment FROM e WHERE event = 'order_completed'")
connection.execute(
    f"""CREATE TABLE v AS SELECT v.customer_id, v.category, v.moment, min(o.moment) AS next FROM
        (SELECT customer_id, category, {MS} AS moment FROM e WHERE event = 'product_viewed' AND {MS} > {now - 31 * DAY}) v
        LEFT JOIN o ON o.customer_id = v.customer_id AND o.moment > v.moment AND o.moment <= v.moment + {HOURS}
        GROUP BY ALL"""
)
for number, segment in enumerate(queries.segs()):
    if segment["t"] == "C":
        counts[number] = connection.execute(
            f"""SELECT count(DISTINCT customer_id) FROM v WHERE category = '{segment["c"]}'
                AND moment > {now - segment["d"] * DAY} AND moment + {HOURS} <= {now} AND next IS NULL"""
        ).fetchone()[0]
print(json.dumps(counts))
