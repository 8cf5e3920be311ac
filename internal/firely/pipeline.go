package firely

import "strings"

// The classes of Firely Server's auditing.
const (
	classFile              = "AuditConfiguration"
	classFileTransactions  = "AuditTransactionConfiguration"
	classEvents            = "AuditEventConfiguration"
	classEventTransactions = "AuditEventTransactionConfiguration"
	classUserNames         = "UsernameLoggingConfiguration"
)

// pipeline reads from PipelineOptions and Audit what is written of which calls.
// Where no pipeline is configured everything is written.
func (s *Settings) pipeline(r *reader, app *node) {
	branches := app.path("PipelineOptions", "Branches")
	if branches == nil || len(branches.parts) == 0 {
		s.File, s.Events, s.UserNames = All, All, true
	} else {
		has := func(class string) bool {
			for _, b := range branches.parts {
				if included(b, class) {
					return true
				}
			}
			return false
		}
		scope := func(all, transactions string) Scope {
			switch {
			case has(all):
				return All
			case has(transactions):
				return Transactions
			}
			return None
		}
		s.File = scope(classFile, classFileTransactions)
		s.Events = scope(classEvents, classEventTransactions)
		s.UserNames = has(classUserNames)
	}
	audit := app.part("Audit")
	if !r.truth(audit.part("EnableAuditFileLogging"), true) {
		s.File = None
	}
	if !r.truth(audit.part("EnableAuditEventLogging"), true) {
		s.Events = None
	}
}

// included reports whether a branch has a class: an entry of Include is the
// beginning of its full name, and none of Exclude is.
func included(branch *node, class string) bool {
	for _, name := range entries(branch.part("Exclude")) {
		if covers(name, class) {
			return false
		}
	}
	for _, name := range entries(branch.part("Include")) {
		if covers(name, class) {
			return true
		}
	}
	return false
}

func entries(n *node) (out []string) {
	if n == nil {
		return nil
	}
	for _, p := range n.parts {
		if p.value != "" {
			out = append(out, p.value)
		}
	}
	return out
}

// covers reports whether entry is the full name of class or a namespace around it.
// Firely's page spells the plugin both Vonk.Plugin.Audit and Vonk.Plugins.Audit.
func covers(entry, class string) bool {
	for _, namespace := range [...]string{"Vonk.Plugin.Audit.", "Vonk.Plugins.Audit."} {
		if full := namespace + class; strings.EqualFold(entry, full) ||
			len(entry) < len(full) && strings.EqualFold(full[:len(entry)], entry) && full[len(entry)] == '.' {
			return true
		}
	}
	return false
}
