// fhir-kit-client through the gateway: node kit.mjs BASE NODE_MODULES
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'

const [base, modules] = process.argv.slice(2)
const { Client } = await import(pathToFileURL(modules + '/fhir-kit-client/dist/index.js'))
const fhir = new Client({ baseUrl: base, customHeaders: { 'X-Request-Id': 'kit-1' } })

const created = await fhir.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: 'Kit' }] } })
assert.ok(created.id)
const read = await fhir.read({ resourceType: 'Patient', id: created.id })
assert.equal(read.name[0].family, 'Kit')
await fhir.update({ resourceType: 'Patient', id: created.id, body: { ...read, active: true } })
const found = await fhir.search({ resourceType: 'Patient', searchParams: { _id: created.id } })
assert.equal(found.entry.length, 1)
assert.ok(found.link.find((l) => l.relation === 'self').url.startsWith(base))
const history = await fhir.resourceHistory({ resourceType: 'Patient', id: created.id })
assert.equal(history.entry.length, 2)
const batch = await fhir.batch({
  body: { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient/' + created.id } }] },
})
assert.equal(batch.entry.length, 1)
await assert.rejects(fhir.read({ resourceType: 'Patient', id: 'absent' }), (e) => e.response.status === 404)
await fhir.delete({ resourceType: 'Patient', id: created.id })
console.log('ok')
