import org.codelibs.opensearch.runner.OpenSearchRunner;

/** Starts one node of OpenSearch: Start DIRECTORY PORT. It runs until it is killed. */
public class Start {
    public static void main(String[] args) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("http.port", args[1]);
            settings.put("transport.port", "0");
            settings.put("network.host", "127.0.0.1");
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
        runner.build(OpenSearchRunner.newConfigs().basePath(args[0]).clusterName("vigil-test").numOfNode(1).useLogger());
        Thread.currentThread().join();
    }
}
