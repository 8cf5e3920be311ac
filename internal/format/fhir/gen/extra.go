package main

import "strings"

// The data folder has no StructureDefinitions of these types. A line is a type
// and its elements with their types, * for those that repeat; … says that there
// are more elements than listed, which are let pass unchecked: those listed are
// the ones that JSON writes as arrays, numbers or booleans.
const extraTypes = `
HumanName use:code text:string family:string given:string* prefix:string* suffix:string* period:Period
Address use:code type:code text:string line:string* city:string district:string state:string postalCode:string country:string period:Period
ContactPoint system:code value:string use:code rank:positiveInt period:Period
ContactDetail name:string telecom:ContactPoint*
Expression … description:string name:string language:code expression:string reference:uri
UsageContext … code:Coding
Timing … modifierExtension:Extension* event:dateTime*
Dosage … modifierExtension:Extension* sequence:integer additionalInstruction:CodeableConcept* doseAndRate:Anything*
Contributor … type:code name:string contact:ContactDetail*
DataRequirement … type:code profile:canonical* mustSupport:string* codeFilter:Anything* dateFilter:Anything* limit:positiveInt sort:Anything*
ParameterDefinition … min:integer
RelatedArtifact … classifier:CodeableConcept*
TriggerDefinition … data:DataRequirement*
Age value:decimal comparator:code unit:string system:uri code:code
Count value:decimal comparator:code unit:string system:uri code:code
Distance value:decimal comparator:code unit:string system:uri code:code
Duration value:decimal comparator:code unit:string system:uri code:code
Anything …
`

const extraResources = `
Patient … identifier:Identifier* active:boolean name:HumanName* telecom:ContactPoint* deceasedBoolean:boolean address:Address* multipleBirthBoolean:boolean multipleBirthInteger:integer photo:Attachment* contact:Anything* communication:Anything* generalPractitioner:Reference* link:Anything*
Practitioner … identifier:Identifier* active:boolean name:HumanName* telecom:ContactPoint* deceasedBoolean:boolean address:Address* photo:Attachment* qualification:Anything* communication:Anything*
PractitionerRole … identifier:Identifier* active:boolean code:CodeableConcept* specialty:CodeableConcept* location:Reference* healthcareService:Reference* telecom:ContactPoint* contact:Anything* availableTime:Anything* notAvailable:Anything* endpoint:Reference*
RelatedPerson … identifier:Identifier* active:boolean relationship:CodeableConcept* name:HumanName* telecom:ContactPoint* address:Address* photo:Attachment* communication:Anything*
Organization … identifier:Identifier* active:boolean type:CodeableConcept* alias:string* telecom:ContactPoint* contact:Anything* address:Address* qualification:Anything* endpoint:Reference*
Location … identifier:Identifier* alias:string* type:CodeableConcept* telecom:ContactPoint* hoursOfOperation:Anything* contact:Anything* virtualService:Anything* endpoint:Reference*
CareTeam … identifier:Identifier* category:CodeableConcept* participant:Anything* reasonCode:CodeableConcept* reason:Anything* managingOrganization:Reference* telecom:ContactPoint* note:Annotation*
`

const extraR4 = extraTypes + `
SampledData origin:Quantity period:decimal factor:decimal lowerLimit:decimal upperLimit:decimal dimensions:positiveInt data:string
` + extraResources + `
Device … identifier:Identifier* udiCarrier:Anything* statusReason:CodeableConcept* deviceName:Anything* specialization:Anything* version:Anything* property:Anything* contact:ContactPoint* note:Annotation* safety:CodeableConcept*
`

const extraR5 = extraTypes + `
SampledData origin:Quantity interval:decimal intervalUnit:code factor:decimal lowerLimit:decimal upperLimit:decimal dimensions:positiveInt codeMap:canonical offsets:string data:string
CodeableReference concept:CodeableConcept reference:Reference
RatioRange lowNumerator:Quantity highNumerator:Quantity denominator:Quantity
Availability … availableTime:Anything* notAvailableTime:Anything*
ExtendedContactDetail … name:HumanName* telecom:ContactPoint*
MonetaryComponent … factor:decimal
VirtualServiceDetail … additionalInfo:url* maxParticipants:positiveInt
` + extraResources + `
Device … identifier:Identifier* udiCarrier:Anything* name:Anything* type:CodeableConcept* version:Anything* conformsTo:Anything* property:Anything* contact:ContactPoint* endpoint:Reference* gateway:Anything* note:Annotation* safety:CodeableConcept* category:CodeableConcept* additive:Anything*
`

// formats are the primitive types and the constants of their formats.
var formats = map[string]string{
	"base64Binary": "fBase64", "boolean": "fBoolean", "canonical": "fCanonical", "code": "fCode", "date": "fDate", "dateTime": "fDateTime",
	"decimal": "fDecimal", "id": "fID", "instant": "fInstant", "integer": "fInteger", "integer64": "fInteger64", "markdown": "fMarkdown",
	"oid": "fOID", "positiveInt": "fPositiveInt", "string": "fString", "time": "fTime", "unsignedInt": "fUnsignedInt", "uri": "fURI",
	"url": "fURL", "uuid": "fUUID", "xhtml": "fXHTML",
}

// roots are the resources of the tables; the types they use come along.
var roots = []string{"AuditEvent", "Bundle", "OperationOutcome", "Parameters", "CapabilityStatement"}

// parseExtra reads the lines above.
func parseExtra(text string) []*typ {
	var types []*typ
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		t := &typ{name: words[0], resource: strings.Contains(extraResources+extraR4Resources, "\n"+words[0]+" ")}
		for _, w := range words[1:] {
			if w == "…" {
				t.open = true
				continue
			}
			name, code, _ := strings.Cut(w, ":")
			e := elem{name: name, max: 1}
			if c, ok := strings.CutSuffix(code, "*"); ok {
				code, e.max = c, 255
			}
			e.typ = code
			t.elems = append(t.elems, e)
		}
		types = append(types, t)
	}
	return types
}

const extraR4Resources = "\nDevice "
