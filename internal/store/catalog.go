package store

import (
	"fmt"
	"regexp"
	"slices"

	"vigil"
	"vigil/internal/query"
)

// Columns of an event table by their place in [EventSchema]. The facts follow
// in the order of the vigil.Fact constants.
const (
	ColID = iota
	ColEvent
	ColIndex
	ColUID
	ColReceived
	ColFormat
	ColSender
	ColSourceID
	ColOccurred
	ColFacts
)

// factColumn says how a fact is named and whether a document may have several.
type factColumn struct {
	name    string
	list    bool
	comment string
}

// factColumns is in the order of the vigil.Fact constants.
var factColumns = [vigil.NumFacts]factColumn{
	vigil.FactSeverity:    {"_severity", false, "Severity that the document gives."},
	vigil.FactType:        {"_type", false, "Type of the event."},
	vigil.FactSubtype:     {"_subtype", false, "Subtype of the event."},
	vigil.FactAction:      {"_action", false, "What was done."},
	vigil.FactOutcome:     {"_outcome", false, "How it ended."},
	vigil.FactAgent:       {"_agent", true, "Who did it."},
	vigil.FactAgentName:   {"_agent_name", true, "Who did it, by name."},
	vigil.FactClient:      {"_client", false, "Program it was done with."},
	vigil.FactIP:          {"_ip", true, "Network address it was done from."},
	vigil.FactPatient:     {"_patient", true, "Whose record it was done to."},
	vigil.FactEntity:      {"_entity", true, "What it was done to."},
	vigil.FactSource:      {"_source", false, "System that reported it."},
	vigil.FactSourceType:  {"_source_type", false, "Kind of system that reported it."},
	vigil.FactCorrelation: {"_correlation", false, "What joins events of one request."},
	vigil.FactPurpose:     {"_purpose", true, "Purpose of use."},
	vigil.FactTenant:      {"_tenant", false, "Tenant it belongs to."},
}

// tableComments says what the built-in tables hold.
var tableComments = map[string]string{
	vigil.TableEvents:      "Events of applications, as JSON documents.",
	vigil.TableAuditEvents: "FHIR AuditEvents.",
	vigil.TableExchanges:   "HTTP transactions that the gateway saw.",
	vigil.TableLogs:        "Log lines of other systems.",
	vigil.TableSystem:      "Vigil's own doings: the log of the log.",
	vigil.TableQuarantine:  "What could not be understood, with the reason.",
}

// EventSchema describes an event table: id and event, then the system columns.
func EventSchema(table string) *query.Schema {
	cols := []query.Column{
		{Name: "id", Type: query.Int8, Insert: true, Comment: "Number of the row: increasing, never reused."},
		{Name: "event", Type: query.JSONB, Insert: true, Required: true, Comment: "The document."},
		{Name: "_index", Type: query.Int8, System: true, Comment: "Place in the store's Merkle log, from 0."},
		{Name: "_uid", Type: query.UUID, System: true, Comment: "Name of the event that other systems may keep."},
		{Name: "_received", Type: query.Timestamptz, System: true, Comment: "When the event was taken."},
		{Name: "_format", Type: query.Text, System: true, Comment: "Vocabulary of the document."},
		{Name: "_sender", Type: query.JSONB, System: true, Comment: "Who handed the event over."},
		{Name: "_source_id", Type: query.Int8, System: true, Comment: "Id where the row was imported from, if it could not be kept."},
		{Name: "_occurred", Type: query.Timestamptz, System: true, Comment: "When it happened, as the document says."},
	}
	for _, f := range factColumns {
		c := query.Column{Name: f.name, Type: query.Text, System: true, Comment: f.comment}
		if f.list {
			c.Type, c.Any = query.TextArray, true
		}
		cols = append(cols, c)
	}
	return &query.Schema{Table: table, Columns: cols, Key: "id", Comment: tableComments[table]}
}

// Table is one event table of a store.
type Table struct {
	Name   string
	Number int // place in [Catalog.Tables]
	Schema *query.Schema
	// Retired says that the store holds rows of a table that the configuration
	// no longer names: they stay in the log, but can be neither asked for nor added to.
	Retired bool
}

// Catalog is what a store holds: its tables and the views over them.
type Catalog struct {
	tables []*Table
	views  []View
	byName map[string]*Table
}

var tableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// NewCatalog checks the tables and views of c and numbers them.
func NewCatalog(c Config) (*Catalog, error) {
	cat := &Catalog{byName: map[string]*Table{}}
	for _, name := range vigil.Tables() {
		cat.add(name, false)
	}
	for _, name := range c.Tables {
		if !tableName.MatchString(name) {
			return nil, fmt.Errorf("table %q: a name is a lower-case letter and at most 62 letters, digits or underscores", name)
		}
		if cat.byName[name] != nil {
			return nil, fmt.Errorf("table %q is named twice or built in", name)
		}
		cat.add(name, false)
	}
	for _, v := range c.Views {
		if !tableName.MatchString(v.Schema.Table) {
			return nil, fmt.Errorf("view %q: a name is a lower-case letter and at most 62 letters, digits or underscores", v.Schema.Table)
		}
		if _, _, err := cat.Lookup(v.Schema.Table); err == nil {
			return nil, fmt.Errorf("view %q has the name of another table or view", v.Schema.Table)
		}
		if cat.byName[v.Base] == nil {
			return nil, fmt.Errorf("view %q is over table %q, which does not exist", v.Schema.Table, v.Base)
		}
		v.Schema.ReadOnly = true
		cat.views = append(cat.views, v)
	}
	return cat, nil
}

func (c *Catalog) add(name string, retired bool) *Table {
	t := &Table{Name: name, Number: len(c.tables), Schema: EventSchema(name), Retired: retired}
	c.tables = append(c.tables, t)
	c.byName[name] = t
	return t
}

// Retain returns the table with this name; one that the configuration does not
// name is added as retired. It is for stores that find such rows when they are
// opened: it is not safe while the catalog is in use.
func (c *Catalog) Retain(name string) *Table {
	if t := c.byName[name]; t != nil {
		return t
	}
	return c.add(name, true)
}

// Tables returns the event tables by number, retired ones included.
func (c *Catalog) Tables() []*Table { return c.tables }

// Views returns the views, in the order of the configuration.
func (c *Catalog) Views() []View { return c.views }

// Named returns the table with this name, retired or not, nil if there is none.
func (c *Catalog) Named(name string) *Table { return c.byName[name] }

// Lookup returns the table or view that a question is asked of: a view comes
// with the table it is over. Any other name is vigil.NotFound, code PGRST205.
func (c *Catalog) Lookup(name string) (*Table, *View, error) {
	if t := c.byName[name]; t != nil && !t.Retired {
		return t, nil, nil
	}
	for i := range c.views {
		if c.views[i].Schema.Table == name {
			return c.byName[c.views[i].Base], &c.views[i], nil
		}
	}
	return nil, nil, &vigil.Error{
		Kind:    vigil.NotFound,
		Code:    "PGRST205",
		Message: fmt.Sprintf("Could not find the table 'api.%s' in the schema cache", name),
	}
}

// Schemas describes tables and views, retired tables left out.
func (c *Catalog) Schemas() []*query.Schema {
	var out []*query.Schema
	for _, t := range c.tables {
		if !t.Retired {
			out = append(out, t.Schema)
		}
	}
	for i := range c.views {
		out = append(out, &c.views[i].Schema)
	}
	return slices.Clip(out)
}
