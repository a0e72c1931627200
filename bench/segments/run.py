#!/usr/bin/env python3
"""Segments beside DuckDB, Polars, chDB and DataFusion on the same machine, in one run: see README.md.

    run.py [--size 1.0] [--work DIR] [--shared DIR] [--live 200000] [--rivals duckdb,polars,chdb,datafusion] [--timers 1000000] [--storms 8]
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
HOUSE = HERE.parent.parent
RIVALS = ["duckdb==2.0.0", "polars", "datafusion==55.0.0", "chdb", "pyarrow", "numpy"]


def said(command, **more):
    """What a command prints, as JSON; its last line, since some print words before."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--size", type=float, default=1.0, help="1.0: 20 million events of a million customers")
    asked.add_argument("--work", type=pathlib.Path, default=HOUSE / "target" / "bench-segments")
    asked.add_argument("--shared", type=pathlib.Path, default=HOUSE.parent / "shared" / "bench")
    asked.add_argument("--live", type=int, default=200_000, help="events that arrive while all segments are live; 0: none")
    asked.add_argument("--rivals", default="duckdb,polars,chdb,datafusion")
    asked.add_argument("--timers", type=int, default=1_000_000)
    asked.add_argument("--storms", type=int, default=8)
    asked.add_argument("--threads", type=int, default=2)
    asked = asked.parse_args()
    if not (asked.shared / "gen.py").exists():
        sys.exit(f"the events come from {asked.shared}/gen.py, which is not there; say where with --shared")
    work = asked.work.resolve() / f"{asked.size:g}"
    work.mkdir(parents=True, exist_ok=True)
    cores = set(range(asked.threads))
    os.sched_setaffinity(0, cores)

    python = asked.work.resolve() / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *RIVALS], check=True)
    data, store, live = work / "data", work / "store", work / "live"
    if not (data / "meta.json").exists():
        size = {"EVENTS": str(int(20_000_000 * asked.size)), "CUSTOMERS": str(int(1_000_000 * asked.size))}
        subprocess.run([python, asked.shared / "gen.py", data], check=True, env={**os.environ, **size})
    subprocess.run(["cargo", "build", "--release", "-p", "testkit", "--example", "segment_speed"], cwd=HOUSE, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HOUSE / "target"))
    own = target / "release" / "examples" / "segment_speed"
    segments = asked.shared / "segs.json"

    if not (work / "load.json").exists():
        none = work / "none.json"
        none.write_text("[]")
        (work / "load.json").write_text(json.dumps(said([own, "load", data, store, none, 0])))
        (work / "seal.json").write_text(json.dumps(said([own, "seal", store])))
    loaded, sealed = (json.loads((work / name).read_text()) for name in ["load.json", "seal.json"])
    first = said([own, "first", store, segments])
    rivals = {}
    for rival in filter(None, asked.rivals.split(",")):
        environment = {**os.environ, "BENCH_DATA": str(data)}
        rivals[rival] = said([python, asked.shared / "one.py", rival, "vii_100", asked.threads, 1], env=environment)
    columns = min(said([python, HERE / "columns.py", data, asked.threads]).values())
    counts = said([python, HERE / "compare.py", asked.shared, data, asked.threads])
    differ = [number for number, pair in enumerate(zip(first["counts"], counts)) if pair[0] != pair[1]]
    timers = said([own, "timers", asked.timers, asked.storms]) if asked.timers else None
    lived = None
    if asked.live:
        if not live.exists():
            shutil.copytree(store, live)
        lived = said([own, "live", live, data, segments, asked.live])

    ours = min(first["first_seconds"][1:] or first["first_seconds"])
    fastest = min((rival["min"] for rival in rivals.values() if "min" in rival), default=float("nan"))
    print(f"{loaded['load']['events']:,} events, {first['customers']:,} customers, {asked.threads} threads, load {os.getloadavg()[0]:.1f}\n")
    effort = min(first["first_processor_seconds"][1:] or first["first_processor_seconds"])
    print("| first evaluation of 100 segments | seconds | times ours | seconds of a processor | times ours |\n|---|---|---|---|---|")
    print(f"| Perennial | {ours:.3f} (first time {first['first_seconds'][0]:.3f}) | 1.0 | {effort:.2f} | 1.0 |")
    print(f"| reading the needed columns alone | {columns:.3f} | {columns / ours:.2f} | | |")
    for rival, said_of in rivals.items():
        took = f"{said_of['min']:.3f}" if "min" in said_of else said_of.get("err", "")[:60]
        spent = said_of.get("cpu_min", float("nan"))
        print(f"| {rival} | {took} | {said_of.get('min', float('nan')) / ours:.1f} | {spent:.2f} | {spent / effort:.1f} |")
    print(f"\nfastest rival / Perennial: {fastest / ours:.1f} (wanted: 8)")
    print(f"counts that differ from DuckDB's: {differ or 'none of 100'}")
    slowest = max(preview["seconds"] for preview in first["previews"])
    print(f"preview of one segment: at most {slowest * 1000:.0f} ms (wanted: 200)")
    print(f"start: {first['open']['seconds']:.1f} s {first['open']['from']} (wanted: 5); snapshot {sealed['snapshot']['bytes'] / 1e6:.0f} MB")
    print(f"lanes: {sealed['bytes'] / max(1, sealed['calls']):.1f} bytes an event on disk, made at {sealed['calls'] / max(1e-9, sealed['processor_seconds']):,.0f} events/s of a processor")
    if timers:
        print(f"{timers['customers']:,} people leave within one second by time alone, {timers['rounds']} times: {timers['left']:,} exits, at most {timers['seconds']:.2f} s ({timers['processor_seconds']:.2f} of the writer's processor) each, longest turn of the writer {timers['longest_turn_seconds'] * 1000:.0f} ms")
        calm, storm = timers["calm"], timers["storm"]
        print(f"20,000 calls a second, until durable: p99 {calm['p99_ms']:.1f} ms before, {storm['p99_ms']:.1f} ms while they leave, {timers['p99_ratio']:.2f} times (wanted: below 2); p50 {calm['p50_ms']:.1f} and {storm['p50_ms']:.1f} ms")
    print(f"applied without segments: {loaded['load']['events_per_second']:,.0f} events/s, {loaded['load']['events_per_processor_second']:,.0f} for each second of the writer's processor")
    if lived:
        grown = lived["memory_bytes"]["with_segments"] - lived["memory_bytes"]["without_segments"]
        print(f"applied with 100 segments live: {lived['live']['events_per_second']:,.0f} events/s, {lived['live']['events_per_processor_second']:,.0f} for each second of the writer's processor, {lived['live']['transitions'] / max(1, lived['live']['events']):.2f} entries and exits an event")
        kept = f"{lived['entries_kept'] / lived['customers']:.1f} entries of {lived['streams']} streams a customer"
        if lived["define"]["is_new"]:
            print(f"until all are live: {lived['define']['seconds']:.1f} s, {lived['define']['processor_seconds']:.0f} of a processor; {kept}; {grown / lived['customers']:.0f} bytes a customer, {grown / max(1, lived['entries_kept']):.0f} an entry")
        else:
            print(f"all were live before; {kept}; start with them {lived['open']['seconds']:.1f} s {lived['open']['from']}")
    (work / "answers.json").write_text(json.dumps({"load": loaded, "seal": sealed, "first": first, "rivals": rivals, "columns": columns, "timers": timers, "live": lived}))


if __name__ == "__main__":
    main()
