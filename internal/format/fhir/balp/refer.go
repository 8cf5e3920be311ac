package balp

import (
	"slices"
	"strings"

	"vigil/internal/format/fhir"
)

// types are the resource types of R4 (code system resource-types).
var types = strings.Fields(`Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment
AppointmentResponse AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle
CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim
ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage
CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceDefinition
DeviceMetric DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest
DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario
ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse
HealthcareService ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation
ImplementationGuide InsurancePlan Invoice Library Linkage List Location Measure MeasureReport
Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader
MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition
OperationDefinition OperationOutcome Organization OrganizationAffiliation Parameters Patient
PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup
ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment
RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition
StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer
SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification
SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet
VerificationResult VisionPrescription`)

// isType reports whether R4 has the resource type.
func isType(s string) bool {
	_, ok := slices.BinarySearch(types, s)
	return ok
}

// isName reports whether s looks like a resource type; servers have types of
// their own.
func isName(s string) bool {
	return len(s) > 2 && fhir.IsTypeName(s)
}

// split reads Type/id or Type/id/_history/version, at the end of an absolute
// http URL or alone; typ is "" where ref is nothing of the kind.
func split(ref string) (typ, id, version string) {
	rest := ref
	if at := strings.Index(ref, "/_history/"); at >= 0 {
		rest, version = ref[:at], ref[at+len("/_history/"):]
		if !fhir.IsID(version) {
			return "", "", ""
		}
	}
	slash := strings.LastIndexByte(rest, '/')
	if slash < 0 || !fhir.IsID(rest[slash+1:]) {
		return "", "", ""
	}
	id = rest[slash+1:]
	typ = rest[:slash]
	if at := strings.LastIndexByte(typ, '/'); at >= 0 {
		if !isURL(typ[:at]) {
			return "", "", ""
		}
		typ = typ[at+1:]
	}
	if !isName(typ) {
		return "", "", ""
	}
	return typ, id, version
}

// isOf reports whether ref is to a version of what whole refers to, or the same.
func isOf(ref, whole string) bool {
	rest, ok := strings.CutPrefix(ref, whole)
	return ok && (rest == "" || strings.HasPrefix(rest, "/_history/"))
}

// isURL reports whether s is an absolute URL of http without odd characters.
func isURL(s string) bool {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	return ok && rest != "" && rest[0] != '/' && len(s) <= 2048 && isURIText(rest)
}

// isSystem reports whether s can be the system of an identifier: an absolute URI.
func isSystem(s string) bool {
	if isURL(s) {
		return true
	}
	rest, ok := strings.CutPrefix(s, "urn:")
	return ok && len(rest) > 2 && len(s) <= 2048 && isURIText(rest) && strings.Contains(rest, ":") &&
		!strings.HasPrefix(rest, "oid:") && !strings.HasPrefix(rest, "uuid:")
}

func isURIText(s string) bool {
	for i := range len(s) {
		if !uriByte(s[i]) && s[i] != '%' {
			return false
		}
	}
	return true
}

// uriByte reports whether RFC 3986 lets c stand in a URI, % apart.
func uriByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~:/?#[]@!$&'()*+,;=", c) >= 0
}

// uriPart appends s to a URI, with % for what may not stand in one.
func (w *writer) uriPart(s string) {
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(clip(s, maxText)) {
		if uriByte(c) {
			w.b = append(w.b, c)
		} else {
			w.b = append(w.b, '%', hex[c>>4], hex[c&15])
		}
	}
}

// patient appends the Reference of a patient. What is no reference to one is an
// identifier.
func (w *writer) patient(p string) {
	if typ, _, _ := split(p); typ == "Patient" {
		w.raw(`{"reference":`)
		w.text(p)
	} else {
		w.raw(`{"type":"Patient",`)
		w.identifier(p)
	}
	w.b = append(w.b, '}')
}

// identifier appends the member identifier with a value, or a display where
// there is nothing to identify.
func (w *writer) identifier(value string) {
	if blank(value) {
		w.raw(`"display":"unknown"`)
		return
	}
	w.raw(`"identifier":{"value":`)
	w.text(value)
	w.b = append(w.b, '}')
}

// resource appends the Reference of the resource that a is about.
func (w *writer) resource(a *account) {
	typ, key := a.Type, a.Key
	switch {
	case isName(typ) && fhir.IsID(key):
		w.raw(`{"reference":"`)
		w.raw(typ)
		w.b = append(append(w.b, '/'), key...)
		if fhir.IsID(a.Version) {
			w.raw("/_history/")
			w.raw(a.Version)
		}
		w.b = append(w.b, '"')
	case !blank(key):
		w.b = append(w.b, '{')
		w.identifier(strings.TrimPrefix(typ+"/"+key, "/"))
	case !blank(typ) && a.Condition != "":
		w.raw(`{"display":"`)
		w.part(typ)
		w.b = append(w.b, '?')
		w.part(a.Condition)
		w.b = append(w.b, '"')
	default:
		w.raw(`{"display":`)
		w.text(first(typ, a.Path, "unknown"))
	}
	if isType(typ) {
		w.raw(`,"type":"`)
		w.raw(typ)
		w.b = append(w.b, '"')
	}
	w.b = append(w.b, '}')
}

// first returns the first of the texts that says something.
func first(texts ...string) string {
	for _, s := range texts {
		if !blank(s) {
			return s
		}
	}
	return ""
}
