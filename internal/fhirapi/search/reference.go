package search

import (
	"slices"
	"strings"

	"vigil/internal/format/fhir"
)

// link is a reference taken apart. One that names no Type/id is all raw.
type link struct {
	raw     string
	base    string // of an absolute one, with the slash at its end
	kind    string // type of the resource
	id      string
	version string
}

func parseLink(s string) link {
	l := link{raw: s}
	rest := s
	version := ""
	if i := strings.Index(rest, "/_history/"); i > 0 {
		rest, version = rest[:i], rest[i+len("/_history/"):]
	}
	slash := strings.LastIndexByte(rest, '/')
	if slash < 0 || !fhir.IsID(rest[slash+1:]) {
		return l
	}
	start := strings.LastIndexByte(rest[:slash], '/') + 1
	kind := rest[start:slash]
	if !fhir.IsTypeName(kind) {
		return l
	}
	l.base, l.kind, l.id, l.version = rest[:start], kind, rest[slash+1:], version
	return l
}

// wanted is one value of a parameter of type reference.
type wanted struct {
	link
	alone bool     // the value is an id without a type
	kinds []string // types that it may be of; nil is any
	local bool     // the base is ours: the same as none
}

// parseWanted reads a value. Kind is the type that a modifier names, targets are
// those that the parameter may refer to, base is our own address.
func parseWanted(s, kind string, targets []string, base string) wanted {
	w := wanted{link: parseLink(s)}
	switch {
	case w.kind != "":
		w.local = w.base != "" && base != "" && w.base == strings.TrimSuffix(base, "/")+"/"
		if kind != "" {
			w.kinds = []string{kind}
		}
	case fhir.IsID(s):
		w.alone, w.id = true, s
		if w.kinds = targets; kind != "" {
			w.kinds = []string{kind}
		}
	}
	return w
}

// matches reports whether a Reference refers to what is wanted. A value without a
// server means that resource on whichever server: what the events refer to is
// elsewhere, and nobody can tell where a relative reference came from.
func (w *wanted) matches(ref *fhir.Node) bool {
	text := ref.Child("reference").Text()
	if text == "" {
		return false
	}
	if text == w.raw {
		return w.kind == "" || w.ofKind(w.kind)
	}
	if w.id == "" {
		return false
	}
	l := parseLink(text)
	if l.id != w.id || l.kind == "" {
		return false
	}
	if w.alone {
		return w.kinds == nil || slices.Contains(w.kinds, l.kind)
	}
	switch {
	case l.kind != w.kind, !w.ofKind(l.kind):
		return false
	case w.version != "" && l.version != w.version:
		return false
	case w.base == "", l.base == w.base:
		return true
	}
	return w.local && l.base == ""
}

func (w *wanted) ofKind(kind string) bool {
	return w.alone || w.kinds == nil || slices.Contains(w.kinds, kind)
}

// isPatient reports whether a Reference says that it is of a patient.
func isPatient(ref *fhir.Node) bool {
	return kindOf(ref) == "Patient"
}

// kindOf returns the type of what a Reference refers to, as far as it says so.
func kindOf(ref *fhir.Node) string {
	if l := parseLink(ref.Child("reference").Text()); l.kind != "" {
		return l.kind
	}
	kind := ref.Child("type").Text()
	return kind[strings.LastIndexByte(kind, '/')+1:]
}
