package shop;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Prints the outcome of each step: a line and a table for people, or one JSON object a line for programs. */
record Report(boolean asJson) {

    private static final Gson JSON = new GsonBuilder().disableHtmlEscaping().create();

    /** Return facts by name, in the given order: name, value, name, value. */
    static Map<String, Object> fields(Object... namesAndValues) {
        Map<String, Object> found = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            found.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return found;
    }

    /** Print a step whose checks hold. */
    void done(String step, Map<String, Object> facts) {
        if (asJson) {
            Map<String, Object> line = fields("step", step, "ok", true);
            line.putAll(facts);
            System.out.println(JSON.toJson(line));
            return;
        }
        List<String> line = new ArrayList<>();
        List<Card> shown = new ArrayList<>();
        facts.forEach((name, value) -> {
            if (name.equals("recommendations")) {
                ((List<?>) value).forEach(each -> shown.add((Card) each));
            } else {
                line.add(name + "=" + text(value));
            }
        });
        System.out.printf("%-20s %s%n", step, String.join("  ", line));
        for (Card each : shown) {
            System.out.printf("    %-32.32s  %-11.11s  %-16.16s  %-6s  %.70s%n",
                    each.productName(), each.price(), each.algorithm(), each.score(), each.reason());
        }
    }

    /** Print the step that ended the journey, and why. */
    void failed(String step, String error) {
        if (asJson) {
            System.out.println(JSON.toJson(fields("step", step, "ok", false, "error", error)));
        } else {
            System.err.println(step + ": " + error);
        }
    }

    /** Return a value as people read it: lists with commas, objects as their values. */
    private static String text(Object value) {
        if (value instanceof List<?> list) {
            return list.isEmpty() ? "none" : list.stream().map(Report::text).collect(Collectors.joining(", "));
        }
        if (value instanceof Map<?, ?> map) {
            return map.values().stream().map(Report::text).collect(Collectors.joining(" "));
        }
        return String.valueOf(value);
    }
}
