package auth

import (
	"fmt"
	"slices"
	"strings"

	"vigil"
)

// Action is a set of things that may be done with a table.
type Action uint8

// The actions. Read and Search are what a SMART scope can allow apart from each
// other on the FHIR face; everywhere else, and in every role, they go together.
const (
	Read   Action = 1 << iota // one document, by its id
	Search                    // those that there are, or that meet a condition
	Insert
	Select = Read | Search
	All    = Select | Insert
)

// ParseAction reads names such as "select", "insert" or "select, insert"; "all" is both.
func ParseAction(s string) (Action, error) {
	var a Action
	for name := range strings.SplitSeq(s, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "select":
			a |= Select
		case "insert":
			a |= Insert
		case "all":
			a |= All
		default:
			return 0, fmt.Errorf("grant %q: want select, insert or all", s)
		}
	}
	return a, nil
}

// String returns what [ParseAction] reads; a half of select, which no role has,
// is read or search.
func (a Action) String() string {
	var names []string
	switch a & Select {
	case Select:
		names = append(names, "select")
	case Read:
		names = append(names, "read")
	case Search:
		names = append(names, "search")
	}
	if a&Insert != 0 {
		names = append(names, "insert")
	}
	return strings.Join(names, ", ")
}

// Grant lets a role do something with a table; the table "*" is every table. A
// grant of nothing (Action 0) makes the role known.
type Grant struct {
	Role   string
	Table  string
	Action Action
}

// anyTable stands for every table.
const anyTable = "*"

// viewEvents is the view over [vigil.TableEvents] that logserver has.
const viewEvents = "events_view"

// DefaultGrants returns the built-in roles: logserver's two, and those that an
// audit record repository needs beside them.
func DefaultGrants() []Grant {
	return []Grant{
		{"web_anon", vigil.TableEvents, Select},
		{"web_anon", viewEvents, Select},
		{"event_logger", vigil.TableEvents, All},
		{"event_logger", viewEvents, Select},
		{"event_writer", vigil.TableEvents, Insert},
		{"audit_writer", vigil.TableAuditEvents, Insert},
		{"log_writer", vigil.TableLogs, Insert},
		{"gateway", vigil.TableExchanges, Insert},
		{"gateway", vigil.TableAuditEvents, Insert},
		{"gateway", vigil.TableSystem, Insert},
		{"gateway", vigil.TableQuarantine, Insert},
		{"auditor", anyTable, Select},
		{"admin", anyTable, All},
	}
}

// Grants says what each role may do. It is fixed once made.
type Grants struct {
	roles map[string]map[string]Action
}

// NewGrants returns the [DefaultGrants] and more.
func NewGrants(more ...Grant) (*Grants, error) {
	g := &Grants{roles: make(map[string]map[string]Action)}
	for _, x := range slices.Concat(DefaultGrants(), more) {
		if x.Role == "" || x.Table == "" && x.Action != 0 {
			return nil, fmt.Errorf("grant of %q on table %q to role %q: role and table must be named", x.Action, x.Table, x.Role)
		}
		if g.roles[x.Role] == nil {
			g.roles[x.Role] = make(map[string]Action)
		}
		g.roles[x.Role][x.Table] |= x.Action
	}
	return g, nil
}

// Known reports whether there is such a role.
func (g *Grants) Known(role string) bool { return g.roles[role] != nil }

// Allowed returns what p may do with table. To Vigil's own tables only who is
// granted it by name may add, as a gateway is: a grant on every table is none.
func (g *Grants) Allowed(p *Principal, table string) Action {
	tables := g.roles[p.Role]
	every := tables[anyTable]
	if table == vigil.TableSystem || table == vigil.TableQuarantine {
		every &^= Insert
	}
	a := tables[table] | every
	if table == vigil.TableAuditEvents {
		a |= p.scoped
	}
	return a
}

// Check returns nil where p may do a with table, and otherwise PostgreSQL's
// 42501: Unauthenticated for the anonymous role, which may come back with a
// token, Forbidden for any other.
func (g *Grants) Check(p *Principal, table string, a Action) error {
	if a != 0 && g.Allowed(p, table)&a == a {
		return nil
	}
	kind, what := vigil.Forbidden, "table"
	if p.Anonymous {
		kind = vigil.Unauthenticated
	}
	if table == viewEvents {
		what = "view"
	}
	return &vigil.Error{Kind: kind, Code: "42501", Message: "permission denied for " + what + " " + table}
}
