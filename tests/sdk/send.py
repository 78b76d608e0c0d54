"""Sends numbered events by Segment's SDK for Python, as it is, and says how far it has come.

usage: python send.py HOST KEY HOW_MANY
"""

import sys
import time

from segment.analytics.client import Client

host, key, many = sys.argv[1:]
client = Client(
    key,
    host=host,
    gzip=True,
    upload_size=5,
    upload_interval=0.05,
    max_retries=100,
    timeout=3,
    on_error=lambda error, items: print("failed", error, file=sys.stderr),
)
for n in range(int(many)):
    client.track(user_id=f"python-{n % 7}", event="Sent By Sdk", properties={"n": n})
    if n % 10 == 9:
        print(n, flush=True)
        time.sleep(0.02)
client.flush()
client.join()
print("done", flush=True)
