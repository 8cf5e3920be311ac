package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Doubts says what in a list of policies does nothing, or hardly what was meant:
// a route that begins with one of the bases, or with a resource type that no
// version of FHIR has; a policy that says nothing, or that later ones take the
// effect of. Nothing of it is an error, and there are servers for which some of it
// is right. The list must be one that [New] takes.
func Doubts(list []Policy, bases ...string) []string {
	ps, err := newPolicies(list, Unset, &Pseudonyms{})
	if err != nil {
		return nil
	}
	var doubts []string
	for i := range ps.all {
		p := &ps.all[i]
		for _, d := range append(p.doubts(bases), ps.overtaken(i)...) {
			doubts = append(doubts, fmt.Sprintf("policy %d (%s): %s", i+1, p.label(), d))
		}
	}
	return doubts
}

// doubts are those about p alone.
func (p *policy) doubts(bases []string) (doubts []string) {
	if p.Level == Unset && p.Mode == nil && len(p.fields) == 0 {
		doubts = append(doubts, "it says nothing: give level, durability, redact or pseudonymize")
	}
	if p.route == nil {
		return doubts
	}
	parts := p.route.parts
	for _, base := range bases {
		if b := segments(base); len(b) > 0 && len(parts) >= len(b) && slices.Equal(parts[:len(b)], b) {
			return append(doubts, fmt.Sprintf("routes are below the base of the server: write /%s, since this one is for paths that begin with /%s/%[2]s",
				strings.Join(parts[len(b):], "/"), strings.Join(b, "/")))
		}
	}
	for _, at := range []int{0, 2} { // Type/id/Type is a compartment
		if at < len(parts) && (at == 0 || isType(parts[0])) {
			doubts = append(doubts, unknownType(parts[at])...)
		}
	}
	if n := len(parts); n > 1 && parts[n-1] == "" {
		doubts = append(doubts, "it is for paths with a slash at the end only: leave that out")
	}
	if p.Level == None && oddPath(parts) {
		doubts = append(doubts, "requests with such a path are never left out, since servers read them in several ways")
	}
	return doubts
}

// unknownType doubts a segment that looks like a resource type and is none.
func unknownType(s string) []string {
	if _, known := slices.BinarySearch(resourceTypes, s); known || strings.Contains(s, "*") {
		return nil
	}
	for _, t := range resourceTypes {
		switch {
		case strings.EqualFold(s, t), strings.EqualFold(s, t+"s"):
			return []string{fmt.Sprintf("FHIR has no resource type %s: %s is meant?", s, t)}
		}
	}
	if isType(s) {
		return []string{fmt.Sprintf("FHIR has no resource type %s", s)}
	}
	return nil
}

// overtaken doubts the policy of that number where whatever it says, later ones
// that are for all of its requests say again.
func (ps *policies) overtaken(i int) []string {
	p := &ps.all[i]
	level, mode := p.Level != Unset, p.Mode != nil
	if !level && !mode || len(p.fields) > 0 {
		return nil
	}
	for j := i + 1; j < len(ps.all); j++ {
		q := &ps.all[j]
		if !q.covers(p) {
			continue
		}
		if q.Level != Unset && (q.Level != None || p.Level == None) { // what None is not for, it leaves to p
			level = false
		}
		if q.Mode != nil {
			mode = false
		}
		if !level && !mode {
			return []string{fmt.Sprintf("it changes nothing, since policy %d (%s) comes later and is for all the same requests", j+1, q.label())}
		}
	}
	return nil
}

// covers reports whether p is for every request that o is for. It may miss that.
func (p *policy) covers(o *policy) bool {
	if len(p.Methods) > 0 && (len(o.Methods) == 0 || slices.ContainsFunc(o.Methods, func(m string) bool { return !slices.Contains(p.Methods, m) })) {
		return false
	}
	switch {
	case p.route == nil:
		return true
	case o.route == nil:
		return len(p.route.parts) == 1 && p.route.parts[0] == "**"
	}
	return p.route.covers(o.route)
}

// resourceTypes are those of all versions of FHIR from STU 3 to R6, in order.
var resourceTypes = []string{
	"Account", "ActivityDefinition", "ActorDefinition", "AdministrableProductDefinition", "AdverseEvent", "AllergyIntolerance", "Appointment",
	"AppointmentResponse", "ArtifactAssessment", "AuditEvent", "Basic", "Binary", "BiologicallyDerivedProduct", "BiologicallyDerivedProductDispense",
	"BodySite", "BodyStructure", "Bundle", "CapabilityStatement", "CarePlan", "CareTeam", "CatalogEntry", "ChargeItem", "ChargeItemDefinition",
	"Citation", "Claim", "ClaimResponse", "ClinicalImpression", "ClinicalUseDefinition", "CodeSystem", "Communication", "CommunicationRequest",
	"CompartmentDefinition", "Composition", "ConceptMap", "Condition", "ConditionDefinition", "Consent", "Contract", "Coverage",
	"CoverageEligibilityRequest", "CoverageEligibilityResponse", "DataElement", "DetectedIssue", "Device", "DeviceAlert", "DeviceAssociation",
	"DeviceComponent", "DeviceDefinition", "DeviceDispense", "DeviceMetric", "DeviceRequest", "DeviceUsage", "DeviceUseStatement", "DiagnosticReport",
	"DocumentManifest", "DocumentReference", "EffectEvidenceSynthesis", "EligibilityRequest", "EligibilityResponse", "Encounter", "EncounterHistory",
	"Endpoint", "EnrollmentRequest", "EnrollmentResponse", "EpisodeOfCare", "EventDefinition", "Evidence", "EvidenceReport", "EvidenceVariable",
	"ExampleScenario", "ExpansionProfile", "ExplanationOfBenefit", "FamilyMemberHistory", "Flag", "FormularyItem", "GenomicStudy", "Goal",
	"GraphDefinition", "Group", "GuidanceResponse", "HealthcareService", "ImagingManifest", "ImagingSelection", "ImagingStudy", "Immunization",
	"ImmunizationEvaluation", "ImmunizationRecommendation", "ImplementationGuide", "Ingredient", "InsurancePlan", "InsuranceProduct", "InventoryItem",
	"InventoryReport", "Invoice", "Library", "Linkage", "List", "Location", "ManufacturedItemDefinition", "Measure", "MeasureReport", "Media",
	"Medication", "MedicationAdministration", "MedicationDispense", "MedicationKnowledge", "MedicationRequest", "MedicationStatement",
	"MedicinalProduct", "MedicinalProductAuthorization", "MedicinalProductContraindication", "MedicinalProductDefinition", "MedicinalProductIndication",
	"MedicinalProductIngredient", "MedicinalProductInteraction", "MedicinalProductManufactured", "MedicinalProductPackaged",
	"MedicinalProductPharmaceutical", "MedicinalProductUndesirableEffect", "MessageDefinition", "MessageHeader", "MolecularDefinition",
	"MolecularSequence", "NamingSystem", "NutritionIntake", "NutritionOrder", "NutritionProduct", "Observation", "ObservationDefinition",
	"OperationDefinition", "OperationOutcome", "Organization", "OrganizationAffiliation", "PackagedProductDefinition", "Parameters", "Patient",
	"PaymentNotice", "PaymentReconciliation", "Permission", "Person", "PersonalRelationship", "PlanDefinition", "Practitioner", "PractitionerRole",
	"Procedure", "ProcedureRequest", "ProcessRequest", "ProcessResponse", "Provenance", "Questionnaire", "QuestionnaireResponse", "ReferralRequest",
	"RegulatedAuthorization", "RelatedPerson", "RequestGroup", "RequestOrchestration", "Requirements", "ResearchDefinition",
	"ResearchElementDefinition", "ResearchStudy", "ResearchSubject", "RiskAssessment", "RiskEvidenceSynthesis", "Schedule", "SearchParameter",
	"Sequence", "ServiceDefinition", "ServiceRequest", "Slot", "Specimen", "SpecimenDefinition", "StructureDefinition", "StructureMap", "Subscription",
	"SubscriptionStatus", "SubscriptionTopic", "Substance", "SubstanceAmount", "SubstanceDefinition", "SubstanceNucleicAcid", "SubstancePolymer",
	"SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification", "SupplyDelivery", "SupplyRequest", "Task",
	"TerminologyCapabilities", "TestPlan", "TestReport", "TestScript", "Transport", "ValueSet", "VerificationResult", "ViewDefinition",
	"VisionPrescription",
}
