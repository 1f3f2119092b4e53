// What the journey prints: a line and a table a step for people, or one JSON object a line for programs.

const COLUMNS = { product_name: 32, price: 11, algorithm: 16, score: 6, reason: 70 };

export class Report {
  #asJson;

  constructor(asJson) {
    this.#asJson = asJson;
  }

  /** Print a step whose checks hold. */
  done(step, fields) {
    if (this.#asJson) {
      console.log(JSON.stringify({ step, ok: true, ...fields }));
      return;
    }
    const { recommendations = [], ...facts } = fields;
    const line = Object.entries(facts).map(([name, value]) => `${name}=${text(value)}`);
    console.log(`${step.padEnd(20)} ${line.join('  ')}`);
    for (const row of recommendations) {
      const cells = Object.entries(COLUMNS).map(([name, width]) => text(row[name]).slice(0, width).padEnd(width));
      console.log(`    ${cells.join('  ').trimEnd()}`);
    }
  }

  /** Print the step that ended the journey, and why. */
  failed(step, error) {
    if (this.#asJson) console.log(JSON.stringify({ step, ok: false, error }));
    else console.error(`${step}: ${error}`);
  }
}

/** Return a value as people read it: lists with commas, objects as their values. */
function text(value) {
  if (Array.isArray(value)) return value.map(text).join(', ') || 'none';
  if (typeof value === 'object') return Object.values(value).map(text).join(' ');
  return String(value);
}
