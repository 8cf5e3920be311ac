"""Talks to a running Vigil as logserver's Python clients do: PyJWT makes the
token, requests posts, postgrest-py asks. Prints ok, or fails with what differs."""

import sys

import jwt
import requests
from postgrest import SyncPostgrestClient

url, secret = sys.argv[1], sys.argv[2]
token = jwt.encode({"role": "event_logger"}, secret, algorithm="HS256")
auth = {"Authorization": f"Bearer {token}"}

# One synchronous POST an event, as the logging handler of those clients sends it.
for n in range(3):
    reply = requests.post(
        f"{url}/events",
        json={"event": {"asctime": f"2026-11-22 04:14:3{n},590", "name": "sample_event_logger", "levelname": "INFO",
                        "message": "synthetic", "tags": ["testing", "py"], "n": n, "subject": f"Patient/{n}"}},
        headers=auth, timeout=10)
    reply.raise_for_status()
    assert reply.status_code == 201 and reply.content == b"", (reply.status_code, reply.content)

# A URL that ends in a slash gives two of them.
assert requests.post(f"{url}//events", json={"event": {"n": 3, "tags": ["py"]}}, headers=auth, timeout=10).status_code == 201

# A token by another secret is refused, and says so.
wrong = jwt.encode({"role": "event_logger"}, "x" * 32, algorithm="HS256")
reply = requests.post(f"{url}/events", json={"event": {}}, headers={"Authorization": f"Bearer {wrong}"}, timeout=10)
assert reply.status_code == 401 and reply.json()["code"] == "PGRST301", reply.text

client = SyncPostgrestClient(url, schema="api", headers=auth)
rows = client.from_("events").select("id,event").filter("event->tags", "cs", '["py"]').order("id").execute().data
assert [r["event"]["n"] for r in rows] == [0, 1, 2, 3], rows
rows = client.from_("events").select("event->>subject").eq("event->>subject", "Patient/1").execute().data
assert rows == [{"subject": "Patient/1"}], rows
answer = client.from_("events").select("id", count="exact").in_("event->>subject", ["Patient/0", "Patient/2"]).limit(1).execute()
assert answer.count == 2 and len(answer.data) == 1, answer
made = client.from_("events").insert([{"event": {"n": 10, "from": "postgrest-py"}}, {"event": {"n": 11}}]).execute().data
assert [r["event"]["n"] for r in made] == [10, 11] and made[0]["id"] < made[1]["id"], made
one = client.from_("events").select("id").eq("id", made[0]["id"]).single().execute().data
assert one == {"id": made[0]["id"]}, one
try:
    client.from_("events").delete().eq("id", 1).execute()
except Exception as e:  # the client wraps the error object
    assert e.code == "PGRST117", e
else:
    raise AssertionError("DELETE was taken")
print("ok")
