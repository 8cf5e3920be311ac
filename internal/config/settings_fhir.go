package config

// FHIR says how the FHIR face behaves.
type FHIR struct {
	// Profiles is what becomes of an AuditEvent that breaks a profile it claims:
	// warn, refuse, quarantine or ignore.
	Profiles      string
	StrictSearch  bool // unknown search parameters are refused
	DateMandatory bool // searches must have date
	Count         int  // entries of a page that names no number
	MaxCount      int  // most entries of a page
}

func fhirSettings() []setting {
	return []setting{
		{
			section: "FHIR", name: "fhir.profiles", def: "warn",
			doc:  "What becomes of an AuditEvent that breaks a profile it claims: `warn` takes it and shows it with a tag, `refuse` answers 422, `quarantine` keeps it in the table quarantine, `ignore` does not look.",
			kind: parsed("text", func(c *Config) *string { return &c.FHIR.Profiles }, oneOf("warn", "refuse", "quarantine", "ignore"), same),
		},
		{
			name: "fhir.strict-search", def: "false",
			doc:  "Refuse searches with parameters that are not known, unless the request has `Prefer: handling=lenient`.",
			kind: boolean(func(c *Config) *bool { return &c.FHIR.StrictSearch }),
		},
		{
			name: "fhir.date-mandatory", def: "false",
			doc:  "Refuse searches without `date`, as IHE's ITI-81 has it.",
			kind: boolean(func(c *Config) *bool { return &c.FHIR.DateMandatory }),
		},
		{
			name: "fhir.count", def: "100",
			doc:  "Entries of a page of a search that has no `_count`.",
			kind: integer(func(c *Config) *int { return &c.FHIR.Count }),
		},
		{
			name: "fhir.max-count", def: "1000",
			doc:  "Most entries of a page of a search.",
			kind: integer(func(c *Config) *int { return &c.FHIR.MaxCount }),
		},
	}
}
