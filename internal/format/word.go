package format

import (
	"strconv"
	"strings"
)

// severities are the words for each severity of logserver's schema, which counts
// emergency and alert as critical and notice as info: those of syslog, Python,
// Java, JBoss, Serilog and Aidbox, and R5's codes.
var severities = map[string]string{
	"emergency": "critical", "emerg": "critical", "panic": "critical", "alert": "critical", "fatal": "critical",
	"critical": "critical", "crit": "critical",
	"error": "error", "err": "error", "severe": "error", "exception": "error", "failure": "error",
	"warning": "warning", "warn": "warning",
	"notice": "info", "info": "info", "information": "info", "informational": "info", "success": "info", "config": "info",
	"debug": "debug", "trace": "debug", "verbose": "debug", "fine": "debug", "finer": "debug", "finest": "debug", "notset": "debug",
}

// severity returns the severity that a word or, where it is a number, a level of
// syslog (0 to 7) or Python (10 to 50) stands for. An unknown word is kept.
func severity(text []byte, number bool) string {
	if number {
		return severityLevel(string(text))
	}
	word := strings.ToLower(strings.TrimSpace(string(text)))
	if s, ok := severities[word]; ok {
		return s
	}
	return word
}

func severityLevel(text string) string {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 0:
		return ""
	case n <= 2, n >= 50:
		return "critical"
	case n == 3, n >= 40:
		return "error"
	case n == 4, n >= 30:
		return "warning"
	case n <= 6, n >= 20:
		return "info"
	}
	return "debug"
}

// actions are the words for each action of logserver's schema: its own, FHIR's
// codes and interactions, HTTP's methods, DICOM's codes for logins, Aidbox's
// event names, and Keycloak's types.
var actions = map[string]string{
	"c": "create", "create": "create", "created": "create", "post": "create", "insert": "create", "register": "create",
	"resource/create": "create", "resource/create-dup": "create", "user-registration": "create",

	"r": "read", "read": "read", "view": "read", "vread": "read", "get": "read", "head": "read",
	"history": "read", "history-instance": "read", "history-type": "read", "history-system": "read",

	"u": "update", "update": "update", "updated": "update", "put": "update", "patch": "update",
	"resource/update": "update", "resource/update-dup": "update", "update_profile": "update", "update_email": "update",
	"update_password": "update", "update_totp": "update", "update_credential": "update", "reset_password": "update", "remove_totp": "update",

	"d": "delete", "delete": "delete", "deleted": "delete", "resource/delete": "delete", "delete_account": "delete",

	"e": "execute", "execute": "execute", "search": "execute", "search-type": "execute", "search-system": "execute", "search-instance": "execute",
	"query": "execute", "operation": "execute", "transaction": "execute", "batch": "execute", "capabilities": "execute",
	"code_to_token": "execute", "refresh_token": "execute", "token_exchange": "execute", "client_login": "login", "introspect_token": "execute",
	"permission_token": "execute", "user_info_request": "execute",

	"login": "login", "log-in": "login", "signin": "login", "user.login": "login", "auth/login": "login", "110122": "login", "user-login": "login",
	"logout": "logout", "log-out": "logout", "signout": "logout", "user.logout": "logout", "110123": "logout", "user-logout": "logout",
}

// action returns the action that a word stands for. Keycloak's name of a failure
// is that of the action with _ERROR. An unknown word is kept in lower case where
// others are wanted, else it is nothing.
func action(text []byte, others bool) string {
	word := strings.ToLower(strings.TrimSpace(string(text)))
	if a, ok := actions[strings.TrimSuffix(word, "_error")]; ok {
		return a
	}
	if others {
		return word
	}
	return ""
}

// Session returns login or logout where a word stands for one of them, else
// nothing.
func Session(word string) string {
	if a := action([]byte(word), false); a == "login" || a == "logout" {
		return a
	}
	return ""
}

// outcomes are the words for FHIR R4's outcome codes, which R5 spells as issue
// severities.
var outcomes = map[string]string{
	"success": "0", "successful": "0", "ok": "0", "information": "0", "informational": "0",
	"warning": "4", "minor failure": "4",
	"error": "8", "failure": "8", "failed": "8", "serious failure": "8",
	"fatal": "12", "major failure": "12",
}

// Outcome returns FHIR's code for an HTTP status or a word that has one, and
// other text as it is.
func Outcome(text string) string {
	s := strings.TrimSpace(text)
	if len(s) == 3 {
		switch status, err := strconv.Atoi(s); {
		case err != nil || status < 100 || status > 599:
		case status < 400:
			return "0"
		case status < 500:
			return "4"
		default:
			return "8"
		}
	}
	if code, ok := outcomes[strings.ToLower(s)]; ok {
		return code
	}
	return s
}
