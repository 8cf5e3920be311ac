package fhir

// An invariant is a constraint of the StructureDefinitions. The constants are
// named after its keys; the tables say on which elements it holds, ele-1 holds
// on all of them.
type invariant uint8

const (
	ele1 invariant = iota
	att1
	cod1
	dom2
	dom3
	dom4
	dom5
	dom6
	ext1
	ident1
	per1
	qty3
	rat1
	ref1
	ref2
	rng2
	sev1
	txt1
	txt2
	valAuditSource
	numInvariants
)
