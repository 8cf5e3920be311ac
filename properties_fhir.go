package vigil

// said4 and said5 are the values that a conversion could put nowhere else in an
// AuditEvent: see [FactDetail]. The versions write the name in different places.
func said4(name string) Source { return said(name, "type") }
func said5(name string) Source { return said(name, "type.text") }

func said(name, has string) Source {
	const details = "entity[].detail[]"
	as := AsText
	if name == "ip" {
		as = AsAddresses
	}
	return Source{As: as, Path: details + ".valueString", Where: Where{At: details, Has: has, Is: factDetail + name}}
}

// application is a place in the agents that are applications: DICOM's 110150.
func application(path string, as Reading) Source {
	return Source{Path: path, As: as, Where: Where{At: "agent[]", Has: "type.coding[].code", Is: "110150"}}
}

// requestID is the X-Request-Id in BALP's entity for it, whose type is at has.
func requestID(has string) Source {
	return Source{Path: "entity[].what.identifier.value", Where: Where{At: "entity[]", Has: has, Is: "XrequestId"}}
}

// extended is the value of an extension.
func extended(at, value string, as Reading, url string) Source {
	return Source{Path: at + "." + value, As: as, Where: Where{At: at, Has: "url", Is: url}}
}

// What one version of FHIR has and the other has not is in extensions there
// (https://hl7.org/fhir/versions.html#extensions).
const (
	fromR4 = "http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent."
	fromR5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AuditEvent."
)

var (
	severityExtension = extended("extension[]", "valueCode", AsSeverity, fromR5+"severity")
	patientExtension  = extended("extension[]", "valueReference", AsPatient, fromR5+"patient")
	agentName         = extended("agent[].extension[]", "valueString", AsText, fromR4+"agent.name")
	agentAltID        = extended("agent[].extension[]", "valueString", AsText, fromR4+"agent.altId")
	entityName        = extended("entity[].extension[]", "valueString", AsText, fromR4+"entity.name")

	observerExtension = extended("source.extension[]", "valueReference.display", AsText, fromR4+"source.observer")
	applicationOfR3   = Where{At: "agent[]", Has: "role[].coding[].code", Is: "110150"}

	// otherID is what BALP calls a user's further identifiers.
	otherID = extended("agent[].extension[]", "valueIdentifier.value", AsText, "https://profiles.ihe.net/ITI/BALP/StructureDefinition/ihe-otherId")
)
