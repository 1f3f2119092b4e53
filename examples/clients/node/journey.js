// One shopper's journey through Quintet: from registration to erasure, by the public gRPC contract alone.
//
// Run it against a coordinator whose catalogue has products:
//
//     npm ci --ignore-scripts && node journey.js --address 127.0.0.1:50050

import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { card, money, rounded } from './card.js';
import { Catalogue } from './catalogue.js';
import { check, CheckFailed } from './checks.js';
import { call, connect, fieldViolations, statusName } from './connection.js';
import { Report } from './report.js';

const LIMIT = 5;
const PLACEMENT = 'home';

/** The steps of one shopper, in order; each returns what it reports. */
class Journey {
  #client;
  #region;
  #age;
  #catalogue;
  #customerId = `example-node-${randomUUID().slice(0, 13)}`;
  #firstHome = [];
  #shown = [];
  #viewed = [];
  #chosen;

  constructor(client, region, age) {
    this.#client = client;
    this.#region = region;
    this.#age = age;
    this.#catalogue = new Catalogue(client);
  }

  steps() {
    return [
      ['register_customer', () => this.register()],
      ['import_products', () => this.#catalogue.importProducts()],
      ['price_change', () => this.#catalogue.changePrice()],
      ['home', () => this.home()],
      ['view_1', () => this.view()],
      ['view_2_click', () => this.click()],
      ['view_3', () => this.view()],
      ['search', () => this.search()],
      ['add_to_cart', () => this.addToCart()],
      ['purchase', () => this.purchase()],
      ['post_purchase', () => this.postPurchase()],
      ['home_after_purchase', () => this.homeAfterPurchase()],
      ['placement', () => this.placement()],
      ['rank', () => this.rank()],
      ['feedback_shown', () => this.feedback('INTERACTION_TYPE_SHOWN')],
      ['feedback_click', () => this.feedback('INTERACTION_TYPE_CLICK')],
      ['duplicate_event', () => this.duplicateEvent()],
      ['bad_request', () => this.badRequest()],
      ['profile', () => this.profile()],
      ['similar_products', () => this.similarProducts()],
      ['delete_products', () => this.#catalogue.deleteProducts()],
      ['delete_customer', () => this.delete()],
      ['profile_gone', () => this.profileGone()],
    ];
  }

  async register() {
    const demographics = { region: this.#region, age: this.#age };
    const customer = { customer_id: this.#customerId, demographics };
    const { customer: stored } = await this.#call('RegisterCustomer', { customer });
    check(stored?.customer_id === this.#customerId, `customer ${this.#customerId}, got ${stored?.customer_id}`);
    return { customer_id: this.#customerId, ...demographics };
  }

  async home() {
    const fields = await this.#recommend('PAGE_TYPE_HOME');
    this.#firstHome = this.#shownIds();
    return fields;
  }

  view() {
    return this.#lookAt(this.#nextPick());
  }

  /** View a product by clicking on its recommendation: with its id the purchase to come is credited to it. */
  click() {
    this.#chosen = this.#nextPick();
    return this.#lookAt(this.#chosen, { recommendation_id: this.#chosen.recommendation_id });
  }

  async search() {
    const words = this.#shown[0].product_name.split(/\s+/);
    const query = words.reduce((longest, word) => (word.length > longest.length ? word : longest));
    return { query, ...(await this.#recordAndShow({ search: { query } })) };
  }

  async addToCart() {
    const { product_id } = this.#chosen;
    const fields = await this.#recordAndShow({ add_to_cart: { items: [{ product_id, quantity: 1 }] } });
    return { product_id, ...fields };
  }

  async purchase() {
    const { product_id, price } = this.#chosen;
    const amount = price ?? { currency_code: 'USD', amount_minor: 499 };
    const purchase = { purchase_id: `order-${randomUUID()}`, items: [{ product_id, quantity: 1, amount }] };
    const answer = await this.#call('RecordEvent', { event: this.#event({ purchase }) });
    check(!answer.duplicate, 'a new purchase');
    return { purchase_id: purchase.purchase_id, product_id, amount: money(amount) };
  }

  async postPurchase() {
    const fields = await this.#recommend('PAGE_TYPE_POST_PURCHASE');
    this.#checkPurchasedIsGone();
    return fields;
  }

  async homeAfterPurchase() {
    const fields = await this.#recommend('PAGE_TYPE_HOME');
    this.#checkPurchasedIsGone();
    const now = this.#shownIds();
    check(`${now}` !== `${this.#firstHome}`, `other recommendations than before the journey, got ${now} again`);
    return fields;
  }

  /** Fill a placement of the page, with a filter that only the product with the new price passes. */
  async placement() {
    const expression = this.#catalogue.affordable;
    const request = { customer_id: this.#customerId, placement_id: PLACEMENT, limit: LIMIT, filter: { expression } };
    const { list } = await this.#call('GetRecommendations', request);
    const found = list.recommendations.map((each) => each.product_id);
    const [wanted] = this.#catalogue.ids;
    check(`${found}` === wanted, `${wanted} alone to pass ${expression}, got [${found}]`);
    return { placement_id: list.placement_id, filter: expression, ...this.#show(list) };
  }

  /** Have a list of the platform's own ordered for the shopper: here new products, then what HOME showed first. */
  async rank() {
    const given = [...this.#catalogue.ids, ...this.#firstHome];
    const answer = await this.#call('RankProducts', { customer_id: this.#customerId, product_ids: given });
    const ranked = answer.products.map((each) => each.product_id);
    check(`${ranked.toSorted()}` === `${given.toSorted()}`, `an order of [${given}], got [${ranked}]`);
    return { strategy: answer.strategy, fallbacks: answer.fallbacks, product_ids: ranked };
  }

  async feedback(interactionType) {
    const { recommendation_id, product_name } = this.#shown[0];
    const feedback = { feedback_id: randomUUID(), recommendation_id, interaction_type: interactionType };
    const answer = await this.#call('RecordFeedback', { feedback });
    check(!answer.duplicate, 'new feedback');
    return { recommendation_id, product_name };
  }

  /** Send one event twice, as a client does that never saw the first answer. */
  async duplicateEvent() {
    const event = this.#event({ home_view: {} });
    const first = await this.#call('RecordEvent', { event });
    const second = await this.#call('RecordEvent', { event });
    const duplicate = [first.duplicate, second.duplicate];
    check(!first.duplicate && second.duplicate, `the second event to be a duplicate of the first, got ${duplicate}`);
    return { event_id: event.event_id, duplicate };
  }

  async badRequest() {
    const view = { product_id: this.#chosen.product_id, duration_seconds: -1 };
    const error = await this.#refusal(this.#record({ product_view: view }));
    const violations = fieldViolations(error);
    check(statusName(error) === 'INVALID_ARGUMENT', `INVALID_ARGUMENT, got ${statusName(error)}`);
    const wrong = violations.map((violation) => violation.field).join();
    const field = 'event.product_view.duration_seconds';
    check(wrong === field, `a violation of ${field}, got [${wrong}]`);
    return { status: statusName(error), violations };
  }

  async profile() {
    const { profile } = await this.#call('GetCustomerProfile', { customer_id: this.#customerId });
    const views = profile.views.map((each) => each.product_id);
    const purchases = profile.purchases.map((each) => each.product_id);
    const { product_id: bought } = this.#chosen;
    check(this.#viewed.every((id) => views.includes(id)), `views of ${this.#viewed} in the profile, got ${views}`);
    check(`${purchases}` === bought, `one purchase of ${bought}, got ${purchases}`);
    const likes = profile.preferences?.categories ?? [];
    return {
      views,
      purchases,
      categories: likes.map((each) => ({ category: each.value, share: rounded(each.share) })),
      segments: profile.segments.map((each) => ({ segment: each.segment_name, confidence: rounded(each.confidence) })),
    };
  }

  async similarProducts() {
    const { product_id } = this.#chosen;
    const { related } = await this.#call('GetSimilarProducts', { product_id, limit: LIMIT });
    const ids = related.map((each) => each.product.product_id);
    check(ids.length > 0 && !ids.includes(product_id), `others than ${product_id}, got [${ids}]`);
    const similar = related.map((each) => ({ product_name: each.product.name, score: rounded(each.score) }));
    return { product_id, similar };
  }

  async delete() {
    const { receipt } = await this.#call('DeleteCustomer', { customer_id: this.#customerId });
    const erased = receipt.erased.map(({ table, rows }) => ({ table, rows }));
    const { receipt_id, models_note } = receipt;
    check(receipt_id && erased.length > 0, `a receipt with rows, got '${receipt_id}' and ${erased.length} tables`);
    return { receipt_id, erased, models_note };
  }

  async profileGone() {
    const error = await this.#refusal(this.#call('GetCustomerProfile', { customer_id: this.#customerId }));
    check(statusName(error) === 'NOT_FOUND', `NOT_FOUND, got ${statusName(error)}`);
    return { status: statusName(error) };
  }

  #call(method, request) {
    return call(this.#client, method, request);
  }

  /** Return an event of the shopper. The id makes it safe to send again. */
  #event(detail) {
    return { event_id: randomUUID(), customer_id: this.#customerId, ...detail };
  }

  /** Record an event and ask for fresh recommendations in the same call. */
  #record(detail) {
    return this.#call('RecordEvent', { event: this.#event(detail), recommend: { limit: LIMIT } });
  }

  async #recordAndShow(detail) {
    const answer = await this.#record(detail);
    check(!answer.duplicate, 'a new event');
    return this.#show(answer.recommendations);
  }

  async #lookAt({ product_id, product_name }, detail = {}) {
    const view = { product_id, duration_seconds: 30, scrolls: 2 };
    const fields = await this.#recordAndShow({ product_view: view, ...detail });
    this.#viewed.push(product_id);
    return { product_id, product_name, ...fields };
  }

  /** Return the best recommendation on screen that the shopper has not looked at. */
  #nextPick() {
    const pick = this.#shown.find((each) => !this.#viewed.includes(each.product_id));
    check(pick, 'a recommendation that was not viewed yet');
    return pick;
  }

  async #recommend(pageType) {
    const request = { customer_id: this.#customerId, context: { page_type: pageType }, limit: LIMIT };
    const { list } = await this.#call('GetRecommendations', request);
    return this.#show(list);
  }

  /** Take the answer as what is on the shopper's screen now. */
  #show(list) {
    check(list?.recommendations.length > 0, 'recommendations, got none');
    this.#shown = list.recommendations;
    return { strategy: list.strategy, fallbacks: list.fallbacks, recommendations: this.#shown.map(card) };
  }

  #shownIds() {
    return this.#shown.map((each) => each.product_id);
  }

  #checkPurchasedIsGone() {
    const { product_id: bought } = this.#chosen;
    check(!this.#shownIds().includes(bought), `purchased product ${bought} not recommended`);
  }

  /** Return the error that a call must end with. */
  async #refusal(promise) {
    const error = await promise.then(() => null, (rejection) => rejection);
    check(error, 'an error, got an answer');
    return error;
  }
}

/** Take the steps in order; return 1 at the first that fails. */
async function run(journey, report) {
  for (const [name, step] of journey.steps()) {
    try {
      report.done(name, await step());
    } catch (error) {
      if (error instanceof CheckFailed) report.failed(name, error.message);
      else if (error.metadata) report.failed(name, `${statusName(error)}: ${error.details}`);
      else throw error; // a mistake in this program
      return 1;
    }
  }
  return 0;
}

const HELP = `Play one shopper's journey through Quintet.

  --address HOST:PORT  gRPC target of the coordinator (default QUINTET_COORDINATOR_ADDRESS or 127.0.0.1:50050)
  --region TEXT        region of the new customer (default "store 367")
  --age YEARS          age of the new customer (default 50)
  --json               print one JSON object a step`;

const { values } = parseArgs({
  options: {
    address: { type: 'string', default: process.env.QUINTET_COORDINATOR_ADDRESS ?? '127.0.0.1:50050' },
    region: { type: 'string', default: 'store 367' },
    age: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  const client = connect(values.address, process.env.QUINTET_TLS_CA, process.env.QUINTET_API_KEY);
  try {
    process.exitCode = await run(new Journey(client, values.region, Number(values.age)), new Report(values.json));
  } finally {
    client.close();
  }
}
