// Talks to a running Vigil with @supabase/postgrest-js. Prints ok, or fails with
// what differs.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [url, token, tools] = process.argv.slice(2);
const { PostgrestClient } = createRequire(tools + "/")("@supabase/postgrest-js");
const client = new PostgrestClient(url, { headers: { Authorization: `Bearer ${token}` } });

let r = await client.from("events").insert([{ event: { n: 1, tags: ["js", "a"], who: "sample" } }, { event: { n: 2, tags: ["js"] } }]).select();
assert.equal(r.error, null);
assert.equal(r.status, 201);
assert.deepEqual(r.data.map((d) => d.event.n), [1, 2]);

r = await client.from("events").select("id,n:event->n", { count: "exact" }).contains("event->tags", '["js"]').order("id", { ascending: false }).limit(1);
assert.equal(r.error, null);
assert.equal(r.count, 2);
assert.equal(r.status, 206);
assert.equal(r.data[0].n, 2);

r = await client.from("events").select("event->>who").or("event->>who.eq.sample,event->>who.eq.nobody").single();
assert.deepEqual(r.data, { who: "sample" });

r = await client.from("events").select("id").eq("event->>who", "nobody").single();
assert.equal(r.status, 406);
assert.equal(r.error.code, "PGRST116");

r = await client.from("events").update({ event: {} }).eq("id", 1);
assert.equal(r.status, 405);

r = await client.from("nothing").select();
assert.equal(r.status, 404);
assert.equal(r.error.code, "PGRST205");
console.log("ok");
