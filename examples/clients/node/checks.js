// What the steps of the journey check.

/** Quintet answered, but not as its contract says. */
export class CheckFailed extends Error {}

/** Stop the journey unless what was expected holds. */
export function check(holds, expectation) {
  if (!holds) throw new CheckFailed(`expected ${expectation}`);
}
