// A till in the browser. It knows nothing of the product: it rings up through the seller's own endpoints.

const RECEIPTS = 12;
const GIFT_MINOR = 2500;
const LATE_HOUR = "21:30:00Z";

/** @param {string} id @returns {any} */
const node = (id) => document.getElementById(id);
/** @type {any} */
const till = { token: "", console: "", store: null, stores: [], goods: [], taxes: [], lines: [], cards: [], busy: false };

/** One call of the seller's API. @param {string} method @param {string} path @param {any} [body] @returns {Promise<any>} */
async function square(method, path, body) {
  const headers = { authorization: `Bearer ${till.token}`, "content-type": "application/json" };
  const answer = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.errors?.[0]?.detail ?? `The seller answered ${answer.status}.`);
  return value;
}

/** A write with a key of its own, tried again when the line is bad: the key makes it one. @param {string} path @param {any} body */
async function write(path, body) {
  const keyed = { idempotency_key: crypto.randomUUID(), ...body };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await square("POST", path, keyed);
    } catch (error) {
      if (attempt === 4 || !/answered 5|fetch|planned/i.test(String(error))) throw error;
    }
  }
}

/** @param {{amount?: number, currency?: string} | undefined} money */
function said(money) {
  const minor = money?.amount ?? 0;
  const digits = new Intl.NumberFormat("en", { style: "currency", currency: money?.currency ?? "USD" }).resolvedOptions().maximumFractionDigits ?? 2;
  const text = String(Math.abs(minor)).padStart(digits + 1, "0");
  return `${minor < 0 ? "\u2212" : ""}${text.slice(0, text.length - digits)}${digits ? `.${text.slice(-digits)}` : ""}`;
}

/** @param {string} tag @param {Record<string, any>} given @param {...(Node | string)} inside */
function make(tag, given, ...inside) {
  const made = document.createElement(tag);
  Object.assign(made, given);
  made.append(...inside);
  return made;
}

async function start() {
  const setup = await (await fetch("/sandbox/till/setup.json")).json();
  till.token = setup.token;
  till.console = new URLSearchParams(location.search).get("console") || setup.console;
  if (till.console) {
    node("console").href = till.console;
    node("console").hidden = false;
  }
  till.stores = (await square("GET", "/v2/locations")).locations;
  const listed = (await square("GET", "/v2/catalog/list?types=ITEM,CATEGORY,TAX")).objects ?? [];
  const categories = new Map(listed.filter((one) => one.type === "CATEGORY").map((one) => [one.id, one.category_data.name]));
  till.allTaxes = listed.filter((one) => one.type === "TAX");
  till.goods = listed.filter((one) => one.type === "ITEM").flatMap((item) => (item.item_data.variations ?? [])
    .filter((one) => one.item_variation_data.price_money)
    .map((one) => ({ id: one.id, name: item.item_data.name, price: one.item_variation_data.price_money,
      category: categories.get(item.item_data.reporting_category?.id ?? item.item_data.categories?.[0]?.id) ?? "" })));
  node("store").replaceChildren(...till.stores.map((one) => make("option", { value: one.id }, one.name)));
  node("store").onchange = () => choose(node("store").value);
  const wanted = till.stores.find((one) => one.name === new URLSearchParams(location.search).get("store"));
  await choose((wanted ?? till.stores[0]).id);
}

/** @param {string} id */
async function choose(id) {
  till.store = till.stores.find((one) => one.id === id);
  node("store").value = id;
  await receipts();
  drawGoods();
  draw();
}

/** Orders of this store, newest first; they also tell which tax this store charges. */
async function receipts() {
  const found = await square("POST", "/v2/orders/search", { location_ids: [till.store.id], limit: 60,
    query: { sort: { sort_field: "CREATED_AT", sort_order: "DESC" } } });
  const orders = found.orders ?? [];
  const taxed = orders.find((one) => one.taxes?.some((tax) => tax.catalog_object_id));
  till.taxes = taxed ? taxed.taxes.map((tax) => tax.catalog_object_id).filter(Boolean) : till.allTaxes.slice(0, 1).map((tax) => tax.id);
  await days(orders);
  const back = new Set(orders.flatMap((one) => (one.returns ?? []).map((given) => given.source_order_id)));
  const sold = orders.filter((one) => one.state === "COMPLETED").slice(0, RECEIPTS);
  node("sold").replaceChildren(...sold.map((order) => receipt(order, back)));
}

/** Days that may be sold on: today, and earlier ones, whose books are closed. @param {any[]} orders */
async function days(orders) {
  const local = new Intl.DateTimeFormat("en-CA", { timeZone: till.store.timezone });
  const today = local.format(new Date((await square("GET", "/sandbox/clock")).now));
  const known = [...new Set(orders.map((order) => local.format(new Date(order.created_at))))].filter((day) => day < today).sort().reverse();
  const chosen = node("day").value;
  node("day").replaceChildren(make("option", { value: "" }, "Today"), ...known.slice(0, 5).map((day) => make("option", { value: day }, `${day}, closed`)));
  node("day").value = known.includes(chosen) ? chosen : "";
}

/** Do it with the seller's clock on the chosen day, and set the clock back. @param {() => Promise<string>} deed */
async function onDay(deed) {
  const day = node("day").value;
  if (!day) return deed();
  const began = Date.now();
  const { now } = await square("GET", "/sandbox/clock");
  await square("POST", "/sandbox/clock", { now: `${day}T${LATE_HOUR}`, scale: 1 });
  try {
    return await deed();
  } finally {
    await square("POST", "/sandbox/clock", { now: new Date(Date.parse(now) + Date.now() - began).toISOString(), scale: 1 });
  }
}

/** @param {any} order @param {Set<string>} back orders of which something came back */
function receipt(order, back) {
  const at = new Intl.DateTimeFormat("en-GB", { timeZone: till.store.timezone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(new Date(order.created_at));
  const names = (order.line_items ?? []).map((line) => line.name).join(", ") || "Return";
  const total = make("strong", {}, said(order.net_amounts?.total_money ?? order.total_money));
  const can = order.line_items?.length && !order.returns && order.tenders?.length === 1 && !back.has(order.id) && order.line_items.every((line) => line.item_type !== "GIFT_CARD");
  const about = make("div", {}, names, make("small", {}, `${at} \u00b7 `, till.console
    ? make("a", { href: `${till.console.replace(/\/$/, "")}/today?at=sale:${order.id}`, target: "conductor" }, "follow") : order.id));
  const button = make("button", { type: "button", onclick: () => act(() => onDay(() => refund(order))) }, "Refund");
  return make("li", {}, about, total, ...(can ? [button] : []));
}

function drawGoods() {
  const groups = [...new Set(till.goods.map((one) => one.category))];
  const tiles = groups.flatMap((group) => [make("h3", {}, group || "Goods"), ...till.goods.filter((one) => one.category === group)
    .map((good) => make("button", { type: "button", className: "good", onclick: () => add(good) }, make("strong", {}, good.name), make("span", {}, said(good.price))))]);
  const currency = till.store.currency ?? "USD";
  const gift = { id: "", name: "Gift card", price: { amount: GIFT_MINOR, currency }, gift: true };
  node("goods").replaceChildren(...tiles, make("h3", {}, "Cards"), make("button", { type: "button", className: "good", onclick: () => add(gift) }, make("strong", {}, "Sell a gift card"), make("span", {}, said(gift.price))));
}

/** @param {any} good */
function add(good) {
  const known = till.lines.find((line) => line.good.id === good.id && !good.gift);
  if (known) known.units += 1;
  else till.lines.push({ good, units: 1 });
  draw();
}

/** The order as the seller is asked for it. */
const wanted = () => ({
  location_id: till.store.id,
  line_items: till.lines.map(({ good, units }, index) => good.gift
    ? { uid: `l${index}`, name: good.name, quantity: "1", item_type: "GIFT_CARD", base_price_money: good.price }
    : { uid: `l${index}`, catalog_object_id: good.id, quantity: String(units) }),
  taxes: till.taxes.map((id, index) => ({ uid: `t${index}`, catalog_object_id: id, scope: "ORDER" })),
});

async function draw() {
  node("lines").replaceChildren(...till.lines.map((line, index) => make("li", {}, make("span", {}, `${line.units} \u00d7 ${line.good.name}`),
    make("span", {}, said({ ...line.good.price, amount: line.good.price.amount * line.units })),
    make("button", { type: "button", className: "quiet", ariaLabel: `Remove ${line.good.name}`, onclick: () => { till.lines.splice(index, 1); draw(); } }, "\u00d7"))));
  node("nothing").hidden = till.lines.length > 0;
  for (const button of document.querySelectorAll("#pay button")) /** @type {any} */ (button).disabled = till.busy || till.lines.length === 0 || (/** @type {any} */ (button).dataset.pay === "gift" && till.cards.length === 0);
  if (till.lines.length === 0) return node("sums").replaceChildren();
  const { order } = await square("POST", "/v2/orders/calculate", { order: wanted() });
  node("sums").replaceChildren(make("dt", {}, "Tax"), make("dd", {}, said(order.total_tax_money)),
    make("dt", { className: "total" }, `To pay, ${order.total_money.currency}`), make("dd", { className: "total" }, said(order.total_money)));
}

/** Do one thing at a time and say how it went. @param {() => Promise<string>} deed */
async function act(deed) {
  if (till.busy) return;
  till.busy = true;
  node("said").className = "";
  node("said").textContent = "One moment";
  try {
    node("said").textContent = await deed();
  } catch (error) {
    node("said").className = "bad";
    node("said").textContent = String(/** @type {any} */ (error).message ?? error);
  }
  till.busy = false;
  await receipts();
  draw();
}

/** @param {string} by card, cash or gift */
async function pay(by) {
  const lines = till.lines;
  const { order } = await write("/v2/orders", { order: wanted() });
  const due = order.total_money;
  const body = { order_id: order.id, location_id: till.store.id };
  if (by === "gift") await payByGift(body, due);
  else if (by === "cash") await write("/v2/payments", { ...body, source_id: "CASH", amount_money: due, cash_details: { buyer_supplied_money: { ...due, amount: Math.ceil(due.amount / 500) * 500 } } });
  else await write("/v2/payments", { ...body, source_id: "cnon:card-nonce-ok", amount_money: due });
  for (const [index, line] of lines.entries()) if (line.good.gift) await activate(order.id, `l${index}`);
  till.lines = [];
  return `Sold for ${said(due)} ${due.currency}, paid by ${by === "gift" ? "gift card" : by}. Order ${order.id}`;
}

/** What the card holds, and a bank card for the rest. @param {any} body @param {any} due */
async function payByGift(body, due) {
  const card = till.cards.at(-1);
  const { gift_card: held } = await square("GET", `/v2/gift-cards/${card}`);
  const part = { ...due, amount: Math.min(due.amount, held.balance_money.amount) };
  if (part.amount > 0) await write("/v2/payments", { ...body, source_id: card, amount_money: part });
  if (part.amount < due.amount) await write("/v2/payments", { ...body, source_id: "cnon:card-nonce-ok", amount_money: { ...due, amount: due.amount - part.amount } });
  if (part.amount >= held.balance_money.amount) till.cards.pop();
}

/** @param {string} order @param {string} line */
async function activate(order, line) {
  const { gift_card: card } = await write("/v2/gift-cards", { location_id: till.store.id, gift_card: { type: "DIGITAL" } });
  await write("/v2/gift-cards/activities", { gift_card_activity: { type: "ACTIVATE", location_id: till.store.id, gift_card_id: card.id,
    activate_activity_details: { order_id: order, line_item_uid: line } } });
  till.cards.push(card.id);
}

/** All goods back, the money the way it came. @param {any} order */
async function refund(order) {
  const lines = order.line_items.map((line) => ({ source_line_item_uid: line.uid, quantity: line.quantity }));
  await write("/v2/orders", { order: { location_id: order.location_id, returns: [{ source_order_id: order.id, return_line_items: lines }] } });
  const tender = order.tenders[0];
  await write("/v2/refunds", { payment_id: tender.payment_id ?? tender.id, amount_money: tender.amount_money, reason: "Returned goods" });
  return `Refunded ${said(tender.amount_money)} ${tender.amount_money.currency} of order ${order.id}`;
}

for (const button of document.querySelectorAll("#pay button")) {
  const by = /** @type {any} */ (button).dataset.pay;
  /** @type {any} */ (button).onclick = () => (by === "clear" ? ((till.lines = []), draw()) : act(() => onDay(() => pay(by))));
}
start().catch((error) => {
  node("said").className = "bad";
  node("said").textContent = `The till could not start: ${error.message}`;
});
