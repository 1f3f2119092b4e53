package shop;

import io.grpc.StatusException;
import java.util.HashMap;
import java.util.Map;

/**
 * Plays one shopper's journey through Quintet: from registration to erasure, by the public gRPC contract alone. Run it against
 * a coordinator whose catalogue has products:
 *
 * <pre>mvn package && java -jar target/journey.jar --address 127.0.0.1:50050</pre>
 */
final class Main {

    private static final String HELP = """
            Play one shopper's journey through Quintet.

              --address HOST:PORT  gRPC target of the coordinator (default QUINTET_COORDINATOR_ADDRESS or 127.0.0.1:50050)
              --region TEXT        region of the new customer (default "store 367")
              --age YEARS          age of the new customer (default 50)
              --json               print one JSON object a step""";

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = options(arguments);
        if (options.containsKey("--help")) {
            System.out.println(HELP);
            return;
        }
        String environment = variable("QUINTET_COORDINATOR_ADDRESS", "127.0.0.1:50050");
        String address = options.getOrDefault("--address", environment);
        int code;
        try (Connection connection = new Connection(address, variable("QUINTET_TLS_CA", ""), variable("QUINTET_API_KEY", ""))) {
            Journey journey = new Journey(connection.stub(), options.getOrDefault("--region", "store 367"),
                    Integer.parseInt(options.getOrDefault("--age", "50")));
            code = play(journey, new Report(options.containsKey("--json")));
        }
        System.exit(code);
    }

    /** Take the steps in order; return 1 at the first that fails. */
    private static int play(Journey journey, Report report) throws Exception {
        for (Journey.Step step : journey.steps()) {
            try {
                report.done(step.name(), step.action().run());
            } catch (Checks.CheckFailed failure) {
                report.failed(step.name(), failure.getMessage());
                return 1;
            } catch (StatusException error) {
                var status = error.getStatus();
                report.failed(step.name(), status.getCode() + ": " + status.getDescription());
                return 1;
            }
        }
        return 0;
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> found = new HashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            boolean alone = arguments[i].equals("--json") || arguments[i].equals("--help");
            found.put(arguments[i], alone ? "" : arguments[++i]);
        }
        return found;
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
