package config

// Peers says where the settings of other systems' auditing lie, whose outputs
// Vigil writes in their place.
type Peers struct {
	Firely string // directory of Firely Server's settings
	HDR    string // directory of Oracle HDR's settings
	Shape  string // of the AuditEvents of gateways: balp, firely or firely-r5
}

func peerSettings() []setting {
	return []setting{
		{
			section: "Firely Server's and Oracle HDR's settings", name: "firely-settings", def: ".",
			doc: "Directory in which audit.logsettings*.json and appsettings*.json of Firely Server are looked for; where one of the first is, its sinks are written. " +
				"VONK_PATH_TO_SETTINGS counts where this is not set; `off` looks nowhere.",
			kind: text(func(c *Config) *string { return &c.Peers.Firely }),
		},
		{
			name: "hdr-settings", def: ".",
			doc:  "Directory in which hdr_fhir.properties or hdr_fhir.yaml of Oracle HDR is looked for; where one is, its audit file or table is written. `off` looks nowhere.",
			kind: text(func(c *Config) *string { return &c.Peers.HDR }),
		},
		{
			name: "audit-event-shape", def: "balp",
			doc:  "Shape of the AuditEvents that gateways make: `balp`, as IHE's Basic Audit Log Patterns have them; `firely`, as Firely Server writes them of R4; `firely-r5`, as it writes them of R5.",
			kind: parsed("text", func(c *Config) *string { return &c.Peers.Shape }, oneOf("balp", "firely", "firely-r5"), same),
		},
	}
}
