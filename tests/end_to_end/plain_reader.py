"""A DuckDB process that knows nothing of ours: attaches the catalog and asks until all videos have ended."""

import json
import sys
import time

import duckdb

statement, wanted, *extensions = sys.argv[1:]
connection = duckdb.connect()
for file in extensions:
    connection.execute(f"LOAD '{file}'")
end_s = time.monotonic() + 600
while True:
    try:
        connection.execute(statement)
        break
    except duckdb.Error:  # the catalog is only just being made
        if time.monotonic() > end_s:
            raise
        time.sleep(0.5)
seen: list[tuple[int, int, int, int]] = []
ended = 0
while ended < int(wanted):
    row = connection.execute(
        "SELECT (SELECT count(*) FROM vta.videos WHERE status <> 'processing'), (SELECT count(*) FROM vta.clips), "
        "(SELECT count(*) FROM vta.samples), (SELECT coalesce(sum(next_offset), 0) FROM vta.offsets)"
    ).fetchone()
    assert row is not None
    ended = row[0]
    if not seen or seen[-1] != row:
        seen.append(row)
    time.sleep(0.5)
print(json.dumps(seen))
