import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.api.SummaryEnum;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.ServerValidationModeEnum;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.gclient.DateClientParam;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.AuthenticationException;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.exceptions.MethodNotAllowedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import ca.uhn.fhir.rest.server.exceptions.UnprocessableEntityException;
import ca.uhn.fhir.rest.server.provider.HashMapResourceProvider;
import ca.uhn.fhir.storage.interceptor.balp.AsyncMemoryQueueBackedFhirClientBalpSink;
import ca.uhn.fhir.storage.interceptor.balp.BalpAuditCaptureInterceptor;
import ca.uhn.fhir.storage.interceptor.balp.FhirClientBalpSink;
import ca.uhn.fhir.storage.interceptor.balp.IBalpAuditContextServices;
import ca.uhn.fhir.storage.interceptor.balp.IBalpAuditEventSink;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.r4.model.AuditEvent;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Reference;

/**
 * Sends audit events to a running Vigil as HAPI FHIR's BALP interceptor does, with its synchronous
 * and its asynchronous sink, and reads them with HAPI's generic client: Senders BASE TOKEN. Prints
 * ok, or fails with what differs.
 */
public final class Senders {
  private static final FhirContext CONTEXT = FhirContext.forR4();

  public static void main(String[] args) throws Exception {
    CONTEXT.getRestfulClientFactory().setServerValidationMode(ServerValidationModeEnum.ONCE);
    CONTEXT.getRestfulClientFactory().setSocketTimeout(30_000);
    List<Object> bearer = List.of(new BearerTokenAuthInterceptor(args[1]));
    IGenericClient client = client(args[0], args[1]);
    AsyncMemoryQueueBackedFhirClientBalpSink async =
        new AsyncMemoryQueueBackedFhirClientBalpSink(CONTEXT, args[0], bearer);
    int sent = audited(new FhirClientBalpSink(CONTEXT, args[0], bearer), 3);
    expect(sent, count(client), "events of the synchronous sink");
    sent += audited(async, 40);
    for (int i = 0; i < 300 && count(client) < sent; i++) {
      Thread.sleep(50);
    }
    async.stop();
    expect(sent, count(client), "events of both sinks");
    pages(client, sent);
    rules(client, args[0]);
    System.out.println("ok");
    System.exit(0);
  }

  private static IGenericClient client(String base, String token) {
    IGenericClient client = CONTEXT.newRestfulGenericClient(base);
    client.registerInterceptor(new BearerTokenAuthInterceptor(token));
    return client;
  }

  /** Runs a FHIR server whose interactions a sink is told of, uses it, and returns how many there were. */
  private static int audited(IBalpAuditEventSink sink, int patients) throws Exception {
    int[] told = new int[1];
    IBalpAuditEventSink counting =
        event -> {
          synchronized (told) {
            told[0]++;
          }
          sink.recordAuditEvent(event);
        };
    RestfulServer rest = new RestfulServer(CONTEXT);
    rest.setResourceProviders(new HashMapResourceProvider<>(CONTEXT, Patient.class));
    rest.getInterceptorService().registerInterceptor(new BalpAuditCaptureInterceptor(counting, new Who()));
    Server server = new Server(0);
    ServletContextHandler handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(rest), "/*");
    server.setHandler(handler);
    server.start();
    try {
      String base = "http://localhost:" + ((ServerConnector) server.getConnectors()[0]).getLocalPort();
      IGenericClient use = CONTEXT.newRestfulGenericClient(base);
      for (int i = 0; i < patients; i++) {
        Patient patient = new Patient();
        patient.addName().setFamily("Synthetic" + i);
        IdType id = (IdType) use.create().resource(patient).execute().getId();
        use.read().resource(Patient.class).withId(id.getIdPart()).execute();
        patient.setId(id.toUnqualifiedVersionless());
        use.update().resource(patient).execute();
        use.delete().resourceById(id.toUnqualifiedVersionless()).execute();
      }
      use.search().forResource(Patient.class).returnBundle(Bundle.class).execute();
    } finally {
      server.stop();
    }
    if (told[0] < patients * 4) {
      throw new AssertionError("the interceptor told of " + told[0] + " interactions only");
    }
    return told[0];
  }

  private static int count(IGenericClient client) {
    return client.search().forResource(AuditEvent.class).summaryMode(SummaryEnum.COUNT).returnBundle(Bundle.class).execute().getTotal();
  }

  /** Reads all events page after page, in both notations. */
  private static void pages(IGenericClient client, int total) {
    for (EncodingEnum encoding : new EncodingEnum[] {EncodingEnum.JSON, EncodingEnum.XML}) {
      client.setEncoding(encoding);
      Set<String> ids = new HashSet<>();
      Bundle page = client.search().forResource(AuditEvent.class).where(new DateClientParam("date").afterOrEquals().day("2020-01-01"))
          .sort().descending("date").count(7).returnBundle(Bundle.class).execute();
      for (; page != null; page = page.getLink("next") == null ? null : client.loadPage().next(page).execute()) {
        page.getEntry().forEach(e -> ids.add(((AuditEvent) e.getResource()).getIdElement().getIdPart()));
      }
      expect(total, ids.size(), "events on all pages as " + encoding);
    }
    client.setEncoding(null);
  }

  /** Checks what a client sees of the single interactions. */
  private static void rules(IGenericClient client, String base) {
    CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
    expect("AuditEvent", statement.getRestFirstRep().getResourceFirstRep().getType(), "type served");
    AuditEvent event = (AuditEvent) client.search().forResource(AuditEvent.class).count(1).returnBundle(Bundle.class).execute().getEntryFirstRep().getResource();
    event.setId((String) null);
    event.getMeta().setTag(null).setVersionId(null).setLastUpdated(null);
    for (EncodingEnum encoding : new EncodingEnum[] {EncodingEnum.JSON, EncodingEnum.XML}) {
      MethodOutcome made = client.create().resource(event).prefer(PreferReturnEnum.REPRESENTATION).encoded(encoding).execute();
      expect(true, made.getCreated(), "created");
      expect("1", made.getId().getVersionIdPart(), "version");
      AuditEvent back = client.read().resource(AuditEvent.class).withIdAndVersion(made.getId().getIdPart(), "1").execute();
      expect(true, back.equalsDeep((AuditEvent) made.getResource()), "what was created is what is read");
      expect(event.getRecordedElement().getValueAsString(), back.getRecordedElement().getValueAsString(), "recorded");
      back.setId((String) null);
      back.setMeta(event.getMeta());
      expect(true, back.equalsDeep(event), "what was sent is what is read");
      expect(1, client.history().onInstance(made.getId().toUnqualifiedVersionless()).returnBundle(Bundle.class).execute().getEntry().size(), "versions");
      refused(MethodNotAllowedException.class, () -> client.delete().resourceById(made.getId().toUnqualifiedVersionless()).execute());
    }
    MethodOutcome outcome = client.create().resource(event).conditionalByUrl("AuditEvent?_id=0198f7a0-0000-7000-8000-000000000000").prefer(PreferReturnEnum.OPERATION_OUTCOME).execute();
    expect(OperationOutcome.class, outcome.getOperationOutcome().getClass(), "Prefer: return=OperationOutcome");
    MethodOutcome validated = client.validate().resource(event).execute();
    expect(OperationOutcome.class, validated.getOperationOutcome().getClass(), "$validate");
    refused(ResourceNotFoundException.class, () -> client.read().resource(AuditEvent.class).withId("nobody").execute());
    refused(UnprocessableEntityException.class, () -> client.create().resource(new AuditEvent()).execute());
    refused(ResourceNotFoundException.class, () -> client.read().resource(Patient.class).withId("1").execute());
    refused(AuthenticationException.class, () -> CONTEXT.newRestfulGenericClient(base).read().resource(AuditEvent.class).withId("x").execute());
  }

  private static void refused(Class<? extends BaseServerResponseException> want, Runnable call) {
    try {
      call.run();
    } catch (BaseServerResponseException e) {
      expect(want, e.getClass(), "refusal");
      expect(true, e.getOperationOutcome() != null, "OperationOutcome of " + want.getSimpleName());
      return;
    }
    throw new AssertionError("no " + want.getSimpleName());
  }

  private static void expect(Object want, Object got, String what) {
    if (!want.equals(got)) {
      throw new AssertionError(what + ": " + got + ", want " + want);
    }
  }

  /** Says who uses the audited server. */
  private static final class Who implements IBalpAuditContextServices {
    @Override
    public Reference getAgentClientWho(RequestDetails request) {
      return new Reference().setDisplay("synthetic client");
    }

    @Override
    public Reference getAgentUserWho(RequestDetails request) {
      return new Reference("Practitioner/synthetic");
    }
  }
}
