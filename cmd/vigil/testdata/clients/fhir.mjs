// Talks to the FHIR face of a running Vigil with fhir-kit-client. Prints ok, or
// fails with what differs.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const [url, token, tools] = process.argv.slice(2);
const { Client } = await import(pathToFileURL(tools + "/fhir-kit-client/dist/index.js"));
const client = new Client({ baseUrl: url + "/fhir", bearerToken: token });

const event = (site, recorded) => ({
  resourceType: "AuditEvent",
  type: { system: "http://terminology.hl7.org/CodeSystem/audit-event-type", code: "rest" },
  action: "R",
  recorded,
  outcome: "0",
  agent: [{ who: { reference: "Practitioner/kit" }, requestor: true }],
  source: { site, observer: { display: "fhir-kit-client" } },
  entity: [{ what: { reference: "Patient/kit-1" } }],
});

const statement = await client.capabilityStatement();
assert.equal(statement.resourceType, "CapabilityStatement");
assert.equal(statement.fhirVersion, "4.0.1");

const sent = event("kit", "2026-03-04T05:06:07.120+01:00");
const made = await client.create({ resourceType: "AuditEvent", body: sent });
assert.match(made.id, /^[0-9a-f-]{36}$/);
const { id, meta, ...rest } = made;
assert.deepEqual(rest, sent);
assert.equal(meta.versionId, "1");

const got = await client.read({ resourceType: "AuditEvent", id });
assert.deepEqual(got, made);
assert.deepEqual(await client.vread({ resourceType: "AuditEvent", id, version: "1" }), made);
assert.equal((await client.resourceHistory({ resourceType: "AuditEvent", id })).entry.length, 1);

const batch = await client.batch({
  body: {
    resourceType: "Bundle", type: "batch",
    entry: [1, 2, 3, 4].map((n) => ({ resource: event("kit", `2026-03-0${n}T00:00:00Z`), request: { method: "POST", url: "AuditEvent" } })),
  },
});
assert.deepEqual(batch.entry.map((e) => e.response.status), Array(4).fill("201 Created"));
const transaction = await client.transaction({
  body: { resourceType: "Bundle", type: "transaction", entry: [{ resource: event("kit", "2026-03-05T00:00:00Z"), request: { method: "POST", url: "AuditEvent" } }] },
});
assert.equal(transaction.type, "transaction-response");

let page = await client.search({ resourceType: "AuditEvent", searchParams: { site: "kit", _count: 4, _sort: "date", _total: "accurate" } });
assert.equal(page.total, 6);
const dates = page.entry.map((e) => e.resource.recorded);
const next = await client.nextPage({ bundle: page });
dates.push(...next.entry.map((e) => e.resource.recorded));
assert.equal(dates.length, 6);
assert.deepEqual(dates.map((d) => +new Date(d)), dates.map((d) => +new Date(d)).sort((a, b) => a - b));
assert.equal((await client.prevPage({ bundle: next })).entry.length, 4);
const posted = await client.search({ resourceType: "AuditEvent", searchParams: { patient: "Patient/kit-1" }, options: { postSearch: true } });
assert.equal(posted.entry.length, 6);

const outcome = await client.operation({ name: "validate", resourceType: "AuditEvent", input: sent });
assert.equal(outcome.resourceType, "OperationOutcome");

const refused = async (promise, status) => {
  try {
    await promise;
  } catch (e) {
    assert.equal(e.response.status, status);
    assert.equal(e.response.data.resourceType, "OperationOutcome");
    return;
  }
  assert.fail(`no error ${status}`);
};
await refused(client.update({ resourceType: "AuditEvent", id, body: { ...sent, id } }), 405);
await refused(client.delete({ resourceType: "AuditEvent", id }), 405);
await refused(client.read({ resourceType: "AuditEvent", id: "0198f7a0-0000-7000-8000-000000000000" }), 404);
await refused(client.create({ resourceType: "AuditEvent", body: { resourceType: "AuditEvent" } }), 422);
await refused(new Client({ baseUrl: url + "/fhir" }).read({ resourceType: "AuditEvent", id }), 401);
console.log("ok");
