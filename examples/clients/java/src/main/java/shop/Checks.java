package shop;

/** What the steps of the journey check. */
final class Checks {

    /** Quintet answered, but not as its contract says. */
    static final class CheckFailed extends RuntimeException {
        private static final long serialVersionUID = 1L;

        CheckFailed(String expectation) {
            super("expected " + expectation);
        }
    }

    private Checks() {}

    /** Stop the journey unless what was expected holds. */
    static void check(boolean holds, String expectation, Object... values) {
        if (!holds) {
            throw new CheckFailed(expectation.formatted(values));
        }
    }
}
