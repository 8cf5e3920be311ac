import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * Validates the resources in a folder with HAPI's validator, without network:
 * Oracle R4|R5 DOCUMENTS [DEFINITIONS]. Prints the name of each file, then its
 * errors, each on a line that starts with a tab.
 */
public final class Oracle {
  public static void main(String[] args) throws IOException {
    FhirContext context = args[0].equals("R5") ? FhirContext.forR5() : FhirContext.forR4();
    FhirValidator validator = validator(context, args.length > 2 ? Path.of(args[2]) : null);
    for (Path file : list(Path.of(args[1]))) {
      System.out.println(file.getFileName());
      try {
        for (SingleValidationMessage m : validator.validateWithResult(Files.readString(file)).getMessages()) {
          if (m.getSeverity().ordinal() >= ca.uhn.fhir.validation.ResultSeverityEnum.ERROR.ordinal()) {
            System.out.println("\t" + (m.getLocationString() + " " + m.getMessage()).replace('\n', ' '));
          }
        }
      } catch (RuntimeException e) {
        System.out.println("\t" + e);
      }
    }
  }

  private static FhirValidator validator(FhirContext context, Path definitions) throws IOException {
    PrePopulatedValidationSupport own = new PrePopulatedValidationSupport(context);
    if (definitions != null) {
      for (Path file : list(definitions)) {
        if (file.getFileName().toString().matches("(StructureDefinition|ValueSet|CodeSystem)-.*[.]json")) {
          own.addResource(context.newJsonParser().parseResource(Files.readString(file)));
        }
      }
    }
    UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    FhirInstanceValidator instances = new FhirInstanceValidator(new ValidationSupportChain(
        own,
        new DefaultProfileValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context),
        unknown,
        new SnapshotGeneratingValidationSupport(context)));
    instances.setAnyExtensionsAllowed(true);
    instances.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    instances.setErrorForUnknownProfiles(true);
    instances.setAssumeValidRestReferences(true);
    return context.newValidator().registerValidatorModule(instances);
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }
}
