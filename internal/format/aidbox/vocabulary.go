package aidbox

import "strings"

// An Attribute is one member of a line.
type Attribute struct {
	Name, Type string
	Group      string // general, REST, SQL, resources, applications
	Doc        string
	// Of says where Vigil's own lines have it from; empty where only lines that
	// others write have it.
	Of string
}

// An EventType is one value of ev.
type EventType struct {
	Name string
	Doc  string
	Of   string // what Vigil writes it for; empty where only others write it
}

// Attributes returns the members that lines have, those that no documentation
// of Aidbox names included.
func Attributes() []Attribute { return append([]Attribute(nil), attributes...) }

// Events returns the values of ev.
func Events() []EventType { return append([]EventType(nil), events...) }

var attributes = []Attribute{
	{"tn", "string", "general", "Tenant: the box.", "setting aidbox.tenant"},
	{"ev", "string", "general", "What kind of line it is.", "the event"},
	{"lvl", "string", "general", "None for info, else debug, warn, error or panic.", "severity"},
	{"ts", "date string", "general", "When it happened: UTC with milliseconds.", "start; with the duration in w/resp"},
	{"timeUnix", "integer", "general", "The same in milliseconds since 1970.", "where it is asked for"},
	{"d", "integer", "general", "How long it took, in milliseconds.", "duration"},
	{"w", "string", "general", "Worker that wrote it.", "setting aidbox.worker, else the gateway's name"},
	{"msg", "string", "general", "What happened, in words.", "notes of an exchange; messages of Vigil"},
	{"err", "string", "general", "What went wrong.", "why there was no response; wrong_credentials"},
	{"etr", "string", "general", "Stack trace.", ""},
	{"ctx", "string", "general", "What ties lines together: the request.", "id of the exchange, else the event's uid"},
	{"ctx_end", "boolean", "general", "The last line of its ctx.", "w/resp"},
	{"op", "string", "general", "Operation: search, update, GET /x.", "interaction or operation"},
	{"bname", "string", "general", "Name of the box.", "source of a document"},
	{"w_m", "string", "REST", "HTTP method in lower case.", "method"},
	{"w_url", "string", "REST", "Path that was asked for.", "path"},
	{"w_qs", "string", "REST", "Query string; null for none.", "query"},
	{"w_r", "string", "REST", "Method and template of the path: GET /Patient/?.", "route"},
	{"w_st", "integer", "REST", "Status of the response; null where there was none.", "status"},
	{"w_addr", "string", "REST", "Addresses of the client and of what stood between, with commas.", "peer"},
	{"w_ip", "string", "REST", "Address of the client.", "peer"},
	{"w_corr_id", "string", "REST", "X-Correlation-Id of the request.", "correlation"},
	{"w_audit", "object", "REST", "X-Audit of the request.", "audit"},
	{"w_b", "string", "REST", "Body of the request, as JSON in a string.", "requestBody"},
	{"w_uid", "string", "REST", "Who asked.", "user.sub, else user.username"},
	{"w_cid", "string", "REST", "Client that asked.", "user.client"},
	{"w_user_agent", "string", "REST", "User-Agent of the request; null for none.", "userAgent"},
	{"w_referer", "string", "REST", "Referer of the request; null for none.", "headers.Referer"},
	{"w_verified", "boolean", "REST", "False where nobody checked that w_uid is true. Of Vigil.", "user.verified"},
	{"rt", "string", "REST", "Resource type that was asked for.", "type"},
	{"sql", "string", "SQL", "Statement; of Vigil's own reads what was asked.", "query of a read"},
	{"db_prm", "array", "SQL", "Parameters of the statement.", ""},
	{"rtp", "string", "resources", "Resource type.", "type of an exchange or of an entry"},
	{"rid", "string", "resources", "Resource id.", "key of an exchange or of an entry"},
	{"access-policy-id", "string", "resources", "Policy that let a request pass.", ""},
	{"type", "string", "applications", "The application's own kind of line.", "$loggy; format of a document"},
	{"message", "any", "applications", "What the application says.", "$loggy; the document"},
	{"w_app_v", "string", "applications", "Version of the application.", "$loggy"},
	{"w_app_fx", "string", "applications", "Function of the application.", "$loggy"},
	{"app", "any", "applications", "What older applications say.", ""},
	{"db-size", "integer", "SQL", "Bytes of the database.", "db/db-size"},
	{"rel", "string", "SQL", "Table.", "db/rel-size"},
	{"rel-size", "integer", "SQL", "Bytes of the table.", "db/rel-size"},
	{"rpc_m", "string", "applications", "Method of a remote call.", ""},
	{"rpc_p", "object", "applications", "Parameters of a remote call.", ""},
	{"rpc_u", "string", "applications", "User of a remote call.", ""},
	{"ex/type", "string", "general", "Type of the exception.", ""},
	{"st/ns", "string", "general", "Namespace that wrote the line.", ""},
	{"st/fn", "string", "general", "Function that wrote the line.", ""},
	{"st/line", "integer", "general", "Line of the source that wrote the line.", ""},
	{"@timestamp", "date string", "general", "ts, in Elasticsearch.", "the sink"},
	{"lid", "string", "general", "Login of the user.", ""},
	{"luser", "string", "general", "The user.", ""},
}

var events = []EventType{
	{"w/req", "HTTP request.", "every exchange"},
	{"w/resp", "HTTP response.", "every exchange"},
	{"w/ex", "A request failed with an exception.", ""},
	{"db/q", "Query of the database.", "reads of Vigil's store"},
	{"db/ex", "Statement of the database.", ""},
	{"qb/q", "Query that was built.", ""},
	{"db/db-size", "Size of the database.", "Vigil's store, at intervals"},
	{"db/rel-size", "Size of a table.", "Vigil's tables, at intervals"},
	{"auth/authorized-access-policy", "A policy let a request pass.", ""},
	{"auth/login", "A user logged in.", "a token that was given out"},
	{"auth/authorize-failed", "A request was refused.", "403, and 401 to a request without credentials"},
	{"auth/warn", "A login failed; err has wrong_credentials.", "401 to a request with credentials; 400, 401, 403 where tokens are given out"},
	{"a/warn", "The same under an older name.", ""},
	{"resource/create", "A resource was created.", "create and update with 201, entries too"},
	{"resource/update", "A resource was changed.", "update and patch, entries too"},
	{"resource/delete", "A resource was deleted.", "delete, entries too"},
	{"resource/create-dup", "A create found the resource there.", "create with 200"},
	{"resource/update-dup", "An update changed nothing.", "update and patch with 304"},
	{"op/timeout", "An operation took too long.", ""},
	{"rpc/call", "Remote call.", ""},
	{"gq/resp", "Response of GraphQL.", ""},
	{"jvm", "Memory of the process.", ""},
	{"log", "A message.", "documents of other vocabularies; Vigil's own doings"},
	{"log/ex", "An exception of the logger.", ""},
	{"klog.core/internal-error", "An error of the logger.", ""},
}

// reserved has the names that X-Audit cannot give: the attributes, and what the
// forms of lines and the filters of sinks read.
var reserved = func() map[string]bool {
	names := map[string]bool{}
	for _, a := range attributes {
		names[a.Name] = true
	}
	for _, name := range []string{
		"severity", "level", "levelname", "@l", "@t", "timestamp", "operation", "httpRequest", "tenant", "id", "uid", "table",
	} {
		names[name] = true
	}
	return names
}()

// Reserved reports whether a name has a meaning of its own in lines, so that
// what a caller sends under it in X-Audit stays in w_audit alone.
func Reserved(name string) bool {
	return name == "" || reserved[name] || strings.HasPrefix(name, "w_") || strings.HasPrefix(name, "st/")
}
