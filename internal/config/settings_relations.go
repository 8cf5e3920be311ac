package config

// Relations is what is said of the tables in a PostgreSQL store's database that
// Vigil did not make.
type Relations struct {
	Serve       bool     // they are reached through the API
	Connections int      // for them, beside the store's
	SearchPath  []string // schemas searched for types and functions, beside the table's own
}

func relationSettings() []setting {
	return []setting{
		{
			name: "postgres.tables", def: "true",
			doc:  "Whether the API reaches other tables and views in the `schemas` of the database as well, under the database role that a request has. They are outside of the log.",
			kind: boolean(func(c *Config) *bool { return &c.Relations.Serve }),
		},
		{
			name: "postgres.table-connections", def: "10",
			doc:  "Connections for those tables.",
			kind: integer(func(c *Config) *int { return &c.Relations.Connections }),
		},
		{
			name: "postgres.search-path", def: "public",
			doc:  "Schemas that statements over those tables search for types and functions, after the table's own.",
			kind: texts(func(c *Config) *[]string { return &c.Relations.SearchPath }),
		},
	}
}
