package bench

import (
	"net/http"
)

// CreatePoints are the points where creates are compared with plain POSTs.
func CreatePoints() []Point {
	return []Point{
		{Name: "1 connection", Connections: 1},
		{Name: "8 connections", Connections: 8},
		{Name: "64 connections", Connections: 64},
	}
}

// Creators are creates at the FHIR face of a server, which parses, validates
// and stores them, and plain POSTs to its /events: of the same documents, and of
// logserver's small events.
func Creators(t Target) []Contender {
	reads := func(path string, before, after string) func(Point) Load {
		return func(Point) Load {
			g, bodies := NewAuditEvents(42), make([][]byte, 512)
			for i := range bodies {
				bodies[i] = append(g.Read([]byte(before)), after...)
			}
			return posts(t, path, http.StatusCreated, bodies)
		}
	}
	return []Contender{
		{Name: "create", Load: reads("/fhir/AuditEvent", "", "")},
		{Name: "POST of the same", Load: reads("/events", `{"event":`, "}")},
		Writer("POST of 390 bytes", t),
	}
}

// BundlePoints are Bundles of 100 on one connection and on four.
func BundlePoints() []Point {
	return []Point{
		{Name: "Bundles of 100, 1 connection", Connections: 1, Size: 100},
		{Name: "Bundles of 100, 4 connections", Connections: 4, Size: 100},
	}
}

// Bundlers are the kinds of Bundles.
func Bundlers(t Target) []Contender {
	var out []Contender
	for _, kind := range []string{"transaction", "batch"} {
		out = append(out, Contender{Name: kind, Load: func(p Point) Load {
			g, bodies := NewAuditEvents(42), make([][]byte, 16)
			for i := range bodies {
				bodies[i] = g.bundle(nil, kind, p.Size)
			}
			return posts(t, "/fhir", http.StatusOK, bodies)
		}})
	}
	return out
}
