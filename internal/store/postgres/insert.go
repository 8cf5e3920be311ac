package postgres

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

var (
	eventColumns = []string{"id", "event", "_index", "_uid", "_received", "_format", "_sender", "_source_id", "_epoch", "_salt", "_canonical", "_raw"}
	factColumns  = append([]string{"id", "_received", "mapping", "_keys", "_occurred"}, factNames[:]...)
)

// chunks are the numbers of rows that statements insert at once: few enough for
// all of them to stay prepared. Groups are mostly as many as clients write.
var chunks = [...]int{32, 16, 8, 7, 6, 5, 4, 3, 2, 1}

// insertSQL returns the statement that inserts n rows. Names are the program's
// and the database's own.
func insertSQL(table pgx.Identifier, columns []string, n int) string {
	var b strings.Builder
	b.WriteString("insert into " + table.Sanitize() + " (" + strings.Join(columns, ", ") + ") values ")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		for k := range columns {
			b.WriteByte(",("[btoi(k == 0)])
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i*len(columns) + k + 1))
		}
		b.WriteByte(')')
	}
	return b.String()
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// inserter keeps the texts of one table's statements.
type inserter struct {
	name    pgx.Identifier
	columns []string
	json    int // column that is jsonb, -1 for none
	sql     [len(chunks)]string
}

// queue adds the insertion of all args, which are those of whole rows.
func (in *inserter) queue(b *pgx.Batch, args []any) {
	each := len(in.columns)
	for k, n := range chunks {
		for len(args) >= n*each {
			if in.sql[k] == "" {
				in.sql[k] = insertSQL(in.name, in.columns, n)
			}
			b.Queue(in.sql[k], args[:n*each]...)
			args = args[n*each:]
		}
	}
}

// table is where the events of a table of the catalog go.
type table struct {
	events, facts       inserter
	eventArgs, factArgs []any // of the group that is being written
}

func newTable(name, facts string) *table {
	return &table{
		events: inserter{name: pgx.Identifier{"api", name}, columns: eventColumns, json: 1},
		facts:  inserter{name: pgx.Identifier{"vigil", facts}, columns: factColumns, json: -1},
	}
}

// appendEvent appends the row of an event.
func appendEvent(args []any, e *vigil.Event, salt []byte, r *row) []any {
	var sender, source any
	if r.sender.body != "" {
		sender = r.sender.id
	}
	if e.SourceID != 0 {
		source = e.SourceID
	}
	return append(args, e.ID, r.event, e.Index, [16]byte(e.UID), e.Received, string(e.Format), sender, source, e.Epoch, salt, e.Canonical, r.raw)
}

// appendFacts appends the row of an event's facts.
func appendFacts(args []any, e *vigil.Event, r *row, mapping int64) []any {
	var occurred any
	if at := r.facts.Occurred; !at.IsZero() {
		occurred = at
	}
	args = append(args, e.ID, e.Received, mapping, r.keys, occurred)
	for f, values := range r.facts.Values {
		switch {
		case len(values) == 0:
			args = append(args, nil)
		case factLists[f]:
			args = append(args, values)
		default:
			args = append(args, values[0])
		}
	}
	return args
}

// flush adds the statements for what was added to a batch, which uses it until
// the table is reset.
func (t *table) flush(b *pgx.Batch) {
	t.events.queue(b, t.eventArgs)
	t.facts.queue(b, t.factArgs)
}

func (t *table) reset() {
	clear(t.eventArgs)
	clear(t.factArgs)
	t.eventArgs, t.factArgs = t.eventArgs[:0], t.factArgs[:0]
}

// save stores a group behind the entries before it, in the transaction of the
// turn. With ahead it takes the turn as well, which fails with [lostTurn] where
// the log in the database is not what it is here.
func (s *Store) save(ctx context.Context, group []*request, before int64, ahead bool) error {
	q, b := &s.seq, &pgx.Batch{}
	if ahead {
		b.Queue("begin")
		s.queueTurn(b, before)
	}
	copied := make(chan error, 1)
	if ahead || s.citus { // where any COPY takes a tenth of a second
		copied <- s.enlist(group, s.tables, nil)
	} else {
		conn := q.conn.PgConn()
		go func() { copied <- s.copyGroup(ctx, conn, group, s.tables) }()
	}
	err := s.queueSenders(b, group)
	if cerr := <-copied; cerr != nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	for _, t := range s.tables {
		t.flush(b)
	}
	var seen []store.Seen
	for _, r := range group {
		if r.p.Batch.Key != nil {
			seen = append(seen, r.p.Seen())
		}
		for _, take := range r.takes {
			take.queue(b)
			q.rows[take.table] -= take.count
		}
	}
	queueKeys(b, seen)
	s.queueTree(b, before)
	return q.conn.SendBatch(ctx, b).Close()
}

// queueTurn adds the question for the turn, before the log here has the group.
func (s *Store) queueTurn(b *pgx.Batch, before int64) {
	q := &s.seq
	_, root := s.tree.Head()
	b.Queue(turnSQL, before, root[:], q.stored, q.knownMapping())
}

// queueSenders gives the leaves of the group to the log, and adds the senders that
// are not stored yet.
func (s *Store) queueSenders(b *pgx.Batch, group []*request) error {
	senders, bodies, err := s.enter(group)
	if err == nil && len(senders) > 0 {
		b.Queue("insert into vigil.senders (id, body) select * from unnest($1::uuid[], $2::text[]) on conflict do nothing", senders, bodies)
	}
	return err
}

// enlist gives the rows of a group that has its places to tables, for those that
// have been copied not.
func (s *Store) enlist(group []*request, tables []*table, copied []bool) error {
	for _, t := range tables {
		t.reset()
	}
	var sr store.Row
	for _, r := range group {
		for i := range r.p.Items {
			it := &r.p.Items[i]
			if copied != nil && copied[it.Table.Number] {
				continue
			}
			row, err := r.rows.at(i)
			if err != nil {
				return err
			}
			r.p.Row(i, &sr)
			t := tables[it.Table.Number]
			t.eventArgs = appendEvent(t.eventArgs, &sr.Stored, it.Salt[:], row)
			t.factArgs = appendFacts(t.factArgs, &sr.Stored, row, s.mapping)
		}
	}
	return nil
}

// enter gives the leaves of the group to the log, and returns the senders that are
// not stored yet.
func (s *Store) enter(group []*request) (senders []pgtype.UUID, bodies []string, err error) {
	q := &s.seq
	q.hashes, s.tiles.written = q.hashes[:0], nil
	clear(q.fresh)
	for _, r := range group {
		for i := range r.p.Items {
			row, err := r.rows.at(i)
			if err != nil {
				return nil, nil, err
			}
			q.leaf = r.p.Leaf(i).AppendText(q.leaf[:0])
			h := ledger.HashLeaf(q.leaf)
			s.tree.Append(h)
			q.hashes = append(q.hashes, h[:]...)
			q.rows[r.p.Items[i].Table.Number]++
			if id := row.sender.id; row.sender.body != "" && !q.known[id] && !q.fresh[id] {
				q.fresh[id] = true
				senders, bodies = append(senders, pgtype.UUID{Bytes: id, Valid: true}), append(bodies, row.sender.body)
			}
		}
	}
	return senders, bodies, nil
}

func queueKeys(b *pgx.Batch, seen []store.Seen) {
	for _, k := range seen {
		b.Queue(`insert into vigil.keys (id, body, first, count, at) values ($1, $2, $3, $4, $5)
			on conflict (id) do update set body = excluded.body, first = excluded.first, count = excluded.count, at = excluded.at`,
			[16]byte(k.ID), k.Body[:], k.First, k.Count, timeOf(k.At))
	}
}

// queueTree adds what the log becomes, and the commit.
func (s *Store) queueTree(b *pgx.Batch, before int64) {
	q := &s.seq
	_ = s.tree.Flush() // WriteTile does not fail
	for _, t := range s.tiles.written {
		b.Queue("insert into vigil.tiles (level, n, hashes) values ($1, $2, $3)", t.level, t.n, t.data)
	}
	floor := q.Next &^ (tileWidth - 1)
	if floor > before {
		b.Queue("delete from vigil.leaves where first < $1", floor)
	}
	if from := max(before, floor); from < q.Next {
		b.Queue("insert into vigil.leaves (first, hashes) values ($1, $2)", from, q.hashes[(from-before)*ledger.HashSize:])
	}
	_, root := s.tree.Head()
	b.Queue("update vigil.tree set epoch = $1, size = $2, root = $3, mapping = $4, tables = $5",
		q.Epoch, q.Next, root[:], s.mappingAfter(before), s.tableStates())
	if q.telling = time.Since(q.told) >= tellEvery; q.telling {
		b.Queue(tellSQL)
	}
	b.Queue("commit")
}

// mappingAfter returns the mapping that all facts are by once the group is
// stored, nil for several.
func (s *Store) mappingAfter(before int64) any {
	if before > 0 && (!s.seq.uniform || s.seq.mapping != s.mapping) {
		return nil
	}
	return s.mapping
}

// tableState is what vigil.tree knows of a table.
type tableState struct {
	Last int64 `json:"last"`
	Rows int64 `json:"rows"`
}

func (s *Store) tableStates() []byte {
	states := make(map[string]tableState, len(s.tables))
	for i, t := range s.Catalog.Tables() {
		states[t.Name] = tableState{Last: s.seq.Last[i], Rows: s.seq.rows[i]}
	}
	b, _ := json.Marshal(states) // a map of integers cannot fail
	return b
}
