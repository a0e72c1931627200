"""What reading the columns costs that the hundred segments need, and nothing else: the faster of two good readers, best of three.

    columns.py DATA THREADS
"""
import glob
import json
import os
import sys
import time

data, threads = sys.argv[1], sys.argv[2]
os.environ["POLARS_MAX_THREADS"] = threads

import polars  # noqa: E402  (it reads the number of threads when it is loaded)
import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

COLUMNS = ["customer_id", "ts", "event", "category", "revenue"]
pyarrow.set_cpu_count(int(threads))
files = sorted(glob.glob(f"{data}/events/*.parquet"))


def best(read):
    took = []
    for _ in range(3):
        start = time.perf_counter()
        read()
        took.append(time.perf_counter() - start)
    return min(took)


print(json.dumps({
    "polars": best(lambda: polars.scan_parquet(files).select(COLUMNS).collect()),
    "pyarrow": best(lambda: [pyarrow.parquet.read_table(file, columns=COLUMNS) for file in files]),
}))
