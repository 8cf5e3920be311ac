package query

import "strings"

// String returns the name that PostgreSQL prints for the type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

var typeNames = [...]string{
	Unknown: "unknown", Bool: "boolean", Int4: "integer", Int8: "bigint", Float8: "double precision", Numeric: "numeric", Text: "text",
	Date: "date", Timestamp: "timestamp without time zone", Timestamptz: "timestamp with time zone", UUID: "uuid", JSON: "json", JSONB: "jsonb",
	TextArray: "text[]",
}

// castNames are the types that a select may cast to, under all their names.
var castNames = map[string]Type{
	"bool": Bool, "boolean": Bool, "int": Int4, "int4": Int4, "integer": Int4, "int8": Int8, "bigint": Int8,
	"float8": Float8, "double precision": Float8, "float": Float8, "numeric": Numeric, "decimal": Numeric,
	"text": Text, "varchar": Text, "character varying": Text, "date": Date,
	"timestamp": Timestamp, "timestamp without time zone": Timestamp, "timestamptz": Timestamptz, "timestamp with time zone": Timestamptz,
	"uuid": UUID, "json": JSON, "jsonb": JSONB, "text[]": TextArray, "_text": TextArray,
}

// foreignTypes are types of PostgreSQL that nothing here knows how to cast to.
var foreignTypes = map[string]bool{
	"smallint": true, "int2": true, "real": true, "float4": true, "char": true, "character": true, "bpchar": true, "bytea": true, "interval": true,
	"time": true, "timetz": true, "inet": true, "cidr": true, "macaddr": true, "money": true, "name": true, "oid": true, "xml": true, "bit": true,
	"varbit": true, "point": true, "tsvector": true, "tsquery": true, "int4range": true, "int8range": true, "tstzrange": true, "regclass": true,
	"jsonpath": true, "int[]": true, "integer[]": true, "bigint[]": true, "uuid[]": true, "jsonb[]": true,
}

// castType returns the type that a cast names.
func castType(name string) (Type, error) {
	n := strings.ToLower(strings.Join(strings.Fields(name), " "))
	if t, ok := castNames[n]; ok {
		return t, nil
	}
	if foreignTypes[n] {
		return Unknown, errorf(codeUnsupported, "casts to type %s are not supported by this store", n)
	}
	return Unknown, errorf(codeNoType, "type \"%s\" does not exist", cut(name))
}
