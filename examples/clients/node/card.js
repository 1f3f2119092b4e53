// What the journey shows of a recommendation, and how numbers are written.

/** Return what a product card on a page needs. */
export function card(item) {
  return {
    recommendation_id: item.recommendation_id,
    product_id: item.product_id,
    product_name: item.product_name,
    price: item.price ? money(item.price) : '',
    algorithm: item.algorithm,
    score: rounded(item.score),
    reason: item.reason?.text ?? '',
  };
}

/** Return an amount for people. Two decimals suit most currencies; a shop that sells in JPY or KWD asks ISO 4217. */
export function money({ amount_minor, currency_code }) {
  return `${(amount_minor / 100).toFixed(2)} ${currency_code}`;
}

/** Return a share or score with three decimals. */
export function rounded(value) {
  return Number(value.toFixed(3));
}
