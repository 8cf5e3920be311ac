"""Talks to the FHIR face of a running Vigil with fhirpy and fhirclient.

Prints ok, or fails with what differs.
"""

import sys

import fhirpy
import fhirpy.base.exceptions as fhirpy_errors
from fhirclient import client as fhirclient
from fhirclient import server as fhirclient_server
from fhirclient.models import auditevent, fhirdate

url, token = sys.argv[1:]
base = url + "/fhir"


def event(who, recorded):
    return {
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "action": "R",
        "recorded": recorded,
        "outcome": "0",
        "agent": [{"who": {"reference": "Practitioner/" + who}, "requestor": True}],
        "source": {"observer": {"display": who}},
    }


# fhirpy
c = fhirpy.SyncFHIRClient(base, authorization="Bearer " + token)
r = c.resource("AuditEvent", **event("fhirpy", "2026-03-04T05:06:07.120Z"))
r.save()
assert len(r.id) == 36, r
got = c.reference("AuditEvent", r.id).to_resource()
assert got["recorded"] == "2026-03-04T05:06:07.120Z", got
for n in range(7):
    c.resource("AuditEvent", **event("fhirpy", f"2026-04-0{n + 1}T00:00:00Z")).save()
found = c.resources("AuditEvent").search(agent="Practitioner/fhirpy").sort("-date").limit(3)
assert len(found.fetch()) == 3
all_ = found.fetch_all()  # page after page
assert len(all_) == 8, len(all_)
assert [x["recorded"] for x in all_] == sorted((x["recorded"] for x in all_), reverse=True)
assert c.resources("AuditEvent").search(agent="Practitioner/fhirpy").count() == 8
assert c.resources("AuditEvent").search(date__ge="2026-04-03", agent="Practitioner/fhirpy").fetch_all().__len__() == 5
try:
    r["outcome"] = "8"
    r.save()
    raise AssertionError("an update was taken")
except fhirpy_errors.OperationOutcome as e:
    assert e.resource["issue"][0]["code"] == "not-supported", e
try:
    c.reference("AuditEvent", "nobody").to_resource()
    raise AssertionError("there is nobody")
except fhirpy_errors.ResourceNotFound:
    pass
made, created = c.resource("AuditEvent", **event("once", "2026-05-01T00:00:00Z")).create(), None
again = c.resources("AuditEvent").search(agent="Practitioner/once").get_or_create(c.resource("AuditEvent", **event("once", "2026-05-01T00:00:00Z")))
assert again[1] is False and again[0].id == made.id, again

# fhirclient
smart = fhirclient.FHIRClient(settings={"app_id": "vigil-test", "api_base": base})
smart.server.session.headers["Authorization"] = "Bearer " + token
smart.prepare()
e = auditevent.AuditEvent(event("fhirclient", "2026-03-04T05:06:07Z"))
res = e.create(smart.server)
assert res["resourceType"] == "AuditEvent" and len(res["id"]) == 36, res
back = auditevent.AuditEvent.read(res["id"], smart.server)
assert back.agent[0].who.reference == "Practitioner/fhirclient"
assert back.as_json()["recorded"] == "2026-03-04T05:06:07Z"
listed = auditevent.AuditEvent.where({"agent": "Practitioner/fhirclient"}).perform_resources(smart.server)
assert [x.id for x in listed] == [res["id"]], listed
try:
    auditevent.AuditEvent.read("nobody", smart.server)
    raise AssertionError("there is nobody")
except fhirclient_server.FHIRNotFoundException:
    pass
print("ok")
