// The platform's side of the journey: a few products of its own, a new price for one of them, and their removal.

import { randomUUID } from 'node:crypto';
import { check } from './checks.js';
import { call, send } from './connection.js';

const NAMES = ['Example espresso', 'Example filter coffee', 'Example decaf'];
const OLD_PRICE = 899;
const NEW_PRICE = 449;
// Above the new price and below the old one, in whole units of the currency, as filters have it.
const AFFORDABLE = '5.00';

/** Products of a brand that nobody else has, so that a run meets neither the shop's own nor those of another run. */
export class Catalogue {
  #client;
  #brand;
  ids;

  constructor(client) {
    const run = randomUUID().slice(0, 13);
    this.#client = client;
    this.#brand = `Example ${run}`;
    this.ids = NAMES.map((_, number) => `example-node-${run}-${number}`);
  }

  /** A filter expression that holds for the product with the new price alone. */
  get affordable() {
    return `brand = "${this.#brand}" AND price < ${AFFORDABLE}`;
  }

  /** Send the products as a stream, which takes a catalogue of any size; sending it again does no harm. */
  async importProducts() {
    const common = { category: 'Coffee', brand: this.#brand, price: usd(OLD_PRICE) };
    const requests = this.ids.map((product_id, i) => ({ product: { product_id, name: NAMES[i], ...common } }));
    const { created, rejected } = await send(this.#client, 'ImportProducts', requests);
    check(created === this.ids.length, `${this.ids.length} new products, got ${created}`);
    return { product_ids: this.ids, created, rejected };
  }

  /** Change a price alone; what is stored of the product otherwise stays. */
  async changePrice() {
    const [product_id] = this.ids;
    await call(this.#client, 'UpdatePrices', { updates: [{ product_id, price: usd(NEW_PRICE) }] });
    const { product } = await call(this.#client, 'GetProduct', { product_id });
    const { amount_minor } = product.price;
    const holds = product.name === NAMES[0] && amount_minor === NEW_PRICE;
    check(holds, `${NAMES[0]} at ${NEW_PRICE}, got ${product.name} at ${amount_minor}`);
    return { product_id, amount_minor };
  }

  async deleteProducts() {
    const answers = this.ids.map((product_id) => call(this.#client, 'DeleteProduct', { product_id }));
    const deleted = (await Promise.all(answers)).map((answer) => answer.deleted);
    check(deleted.every(Boolean), `each product deleted, got ${deleted}`);
    return { deleted };
  }
}

function usd(amount_minor) {
  return { currency_code: 'USD', amount_minor };
}
