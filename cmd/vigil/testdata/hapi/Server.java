import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.annotation.IdParam;
import ca.uhn.fhir.rest.annotation.Operation;
import ca.uhn.fhir.rest.annotation.Transaction;
import ca.uhn.fhir.rest.annotation.TransactionParam;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.ServerValidationModeEnum;
import ca.uhn.fhir.rest.server.IResourceProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import ca.uhn.fhir.rest.server.provider.HashMapResourceProvider;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Practitioner;
import org.hl7.fhir.r4.model.Resource;

/**
 * A FHIR server in memory, for the gateway's tests: HAPI's own, with one
 * provider a type. It prints its address. Each line of standard input is an
 * address at which HAPI's generic client then does one interaction of each kind.
 */
public class Server extends RestfulServer {
  private final Map<String, Kept<?>> kept = new HashMap<>();

  Server(FhirContext context) {
    super(context);
  }

  /** The resources of one type. */
  static class Kept<T extends IBaseResource> extends HashMapResourceProvider<T> {
    Kept(FhirContext context, Class<T> type) {
      super(context, type);
    }

    MethodOutcome put(Resource r, RequestDetails details) {
      return update(getResourceType().cast(r), null, details);
    }

    MethodOutcome post(Resource r, RequestDetails details) {
      return create(getResourceType().cast(r), details);
    }
  }

  /** Patients have an operation, too. */
  static class Patients extends Kept<Patient> {
    Patients(FhirContext context) {
      super(context, Patient.class);
    }

    @Operation(name = "$everything", idempotent = true)
    public Bundle everything(@IdParam IdType id, RequestDetails details) {
      Bundle all = new Bundle();
      all.setType(Bundle.BundleType.SEARCHSET);
      all.addEntry().setResource(read(id, details));
      return all;
    }
  }

  private <T extends IBaseResource> void keep(Kept<T> k) {
    kept.put(k.getResourceType().getSimpleName(), k);
  }

  @Override
  protected void initialize() {
    keep(new Patients(getFhirContext()));
    keep(new Kept<>(getFhirContext(), Observation.class));
    keep(new Kept<>(getFhirContext(), Practitioner.class));
    setResourceProviders(new ArrayList<IResourceProvider>(kept.values()));
    setPlainProviders(this);
    setDefaultResponseEncoding(EncodingEnum.JSON);
  }

  /** Batches, and transactions that nothing undoes. */
  @Transaction
  public Bundle bundle(@TransactionParam Bundle in, RequestDetails details) {
    boolean whole = in.getType() == Bundle.BundleType.TRANSACTION;
    Bundle out = new Bundle();
    out.setType(whole ? Bundle.BundleType.TRANSACTIONRESPONSE : Bundle.BundleType.BATCHRESPONSE);
    for (Bundle.BundleEntryComponent e : in.getEntry()) {
      Bundle.BundleEntryComponent answer = out.addEntry();
      try {
        entry(e, answer, details);
      } catch (BaseServerResponseException failure) {
        if (whole) {
          throw failure;
        }
        OperationOutcome o = new OperationOutcome();
        o.addIssue().setSeverity(OperationOutcome.IssueSeverity.ERROR).setDiagnostics(failure.getMessage());
        answer.getResponse().setStatus(failure.getStatusCode() + " failed").setOutcome(o);
      }
    }
    return out;
  }

  private void entry(Bundle.BundleEntryComponent e, Bundle.BundleEntryComponent answer, RequestDetails details) {
    String[] parts = e.getRequest().getUrl().split("/");
    Kept<?> k = kept.get(parts[0]);
    if (k == null) {
      throw new InvalidRequestException("no such type: " + parts[0]);
    }
    MethodOutcome done;
    switch (e.getRequest().getMethod()) {
      case POST:
        done = k.post(e.getResource(), details);
        break;
      case PUT:
        e.getResource().setId(parts[0] + "/" + parts[1]);
        done = k.put(e.getResource(), details);
        break;
      case DELETE:
        done = k.delete(new IdType(parts[0], parts[1]), details);
        break;
      case GET:
        answer.setResource((Resource) k.read(new IdType(parts[0], parts[1]), details)).getResponse().setStatus("200 OK");
        return;
      default:
        throw new InvalidRequestException("no such method");
    }
    answer.getResponse().setStatus(Boolean.TRUE.equals(done.getCreated()) ? "201 Created" : "200 OK");
    if (done.getId() != null) {
      answer.getResponse().setLocation(done.getId().getValue());
    }
  }

  /** One interaction of each kind by HAPI's generic client; a line for each that did not go as it should. */
  private static void drive(IGenericClient c) {
    Patient p = new Patient();
    p.addName().setFamily("Synthetic");
    IdType id = (IdType) c.create().resource(p).execute().getId();
    p.setId(id.toUnqualifiedVersionless());
    p.setActive(true);
    c.update().resource(p).execute();
    c.read().resource(Patient.class).withId(id.getIdPart()).execute();
    c.read().resource(Patient.class).withIdAndVersion(id.getIdPart(), "1").execute();
    c.history().onInstance(id.toUnqualifiedVersionless()).returnBundle(Bundle.class).execute();
    Bundle found = c.search().byUrl("Patient?_id=" + id.getIdPart()).returnBundle(Bundle.class).execute();
    if (!found.getLink("self").getUrl().startsWith(c.getServerBase())) {
      System.out.println("client: the self link leads elsewhere: " + found.getLink("self").getUrl());
    }
    c.capabilities().ofType(org.hl7.fhir.r4.model.CapabilityStatement.class).execute();
    Bundle batch = new Bundle();
    batch.setType(Bundle.BundleType.BATCH);
    batch.addEntry().setResource(new Practitioner().setActive(true)).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Practitioner");
    batch.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient/" + id.getIdPart());
    batch.addEntry().getRequest().setMethod(Bundle.HTTPVerb.GET).setUrl("Patient/absent");
    c.transaction().withBundle(batch).execute();
    c.delete().resourceById(id.toUnqualifiedVersionless()).execute();
    try {
      c.read().resource(Patient.class).withId(id.getIdPart()).execute();
      System.out.println("client: what was deleted is still there");
    } catch (BaseServerResponseException gone) {
      System.out.println("client: done with status " + gone.getStatusCode());
    }
  }

  public static void main(String[] args) throws Exception {
    FhirContext context = FhirContext.forR4Cached();
    context.getRestfulClientFactory().setServerValidationMode(ServerValidationModeEnum.NEVER);
    org.eclipse.jetty.server.Server server = new org.eclipse.jetty.server.Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    ServletContextHandler handler = new ServletContextHandler("/");
    ServletHolder holder = new ServletHolder(new Server(context));
    holder.setInitOrder(1);
    handler.addServlet(holder, "/fhir/*");
    server.setHandler(handler);
    server.start();
    System.out.println("http://127.0.0.1:" + connector.getLocalPort() + "/fhir");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String base = in.readLine(); base != null; base = in.readLine()) {
      try {
        drive(context.newRestfulGenericClient(base));
      } catch (RuntimeException failure) {
        System.out.println("client: " + failure);
      }
    }
    server.stop();
  }
}
