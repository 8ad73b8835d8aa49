// Inventory: on hand by SKU, negative stock shown as it is, unknown products waiting for a name.

import { Fragment, html, useState } from "../vendor/preact.js";
import { counted, moment, price, quantity } from "../lib/format.js";
import { ask, topics } from "../lib/net.js";
import { go, place, scoped } from "../lib/route.js";
import { Act, Card, Choices, Empty, Hidden, More, State, Table, Trail, Trouble, may, oneStore, useAsked, useList, zoneOf } from "../ui/kit.js";

export default function Inventory() {
  const { filters } = place.value;
  const again = topics.value.inventory?.seq;
  const list = useList(`/inventory${scoped({ q: filters.q, state: filters.state })}`, again);
  return html`<${Fragment}>
    <div class="row between"><${Choices} name="state" label="Stock" choices=${[["", "All"], ["negative", "Below zero"], ["zero", "None left"]]} />
      <input class="field" type="search" aria-label="SKU or name" placeholder="SKU or name" value=${filters.q ?? ""} onChange=${(/** @type {any} */ event) => go({ filters: { ...filters, q: event.target.value } })} /></div>
    <${Card} title="On hand">
      ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Stock on hand" rows=${list.items} id=${(/** @type {any} */ row) => row.sku} empty=${html`<${Empty} title="No product here" command="conductor run sweep">Products come from the point of sale's catalogue, quantities from its sales, receipts and counts.</${Empty}>`} columns=${[
        { title: "Product", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="sku" id=${row.sku}>${row.name || row.sku}</${Trail}><span class="sub">${row.sku}${row.department ? ` · ${row.department}` : ""}</span>` },
        { title: "By store", narrow: true, cell: (/** @type {any} */ row) => html`<span class="faint">${row.by_store.map((/** @type {any} */ one) => `${one.store} ${quantity(one.on_hand)}`).join(" · ")}</span>` },
        { title: "In transit", right: true, narrow: true, cell: (/** @type {any} */ row) => quantity(row.in_transit) },
        { title: "Price", right: true, narrow: true, cell: (/** @type {any} */ row) => price(row.unit_price, row.currency) },
        { title: "Cost", right: true, narrow: true, cell: (/** @type {any} */ row) => (row.masked?.includes("unit_cost") ? html`<${Hidden} />` : price(row.unit_cost, row.currency)) },
        { title: "On hand", right: true, cell: (/** @type {any} */ row) => html`${String(row.on_hand).startsWith("-") ? html`<${State} state="warning" word="below zero" />` : null}<span class="strong">${quantity(row.on_hand)}</span>` },
        { title: "Last moved", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.last_movement_at, zoneOf()) },
      ]} />`}
      <${More} list=${list} />
    </${Card}>
    <${Unknown} again=${again} />
    ${may("stock.write") && html`<${Adjust} done=${list.reload} />`}
  </${Fragment}>`;
}

/** Sales that named no known product: counted, waiting. @param {{again: any}} props */
function Unknown({ again }) {
  const { data, reload } = useAsked("/inventory/unknown", again);
  const [skus, setSkus] = useState(/** @type {Record<string, string>} */ ({}));
  if (!data?.items?.length) return null;
  /** @param {any} row */
  const map = (row) => async () => {
    const answer = await ask("/inventory/unknown/map", { method: "POST", body: { product_id: row.product_id, source: row.source, sku: skus[row.key] } });
    reload();
    return answer;
  };
  return html`<${Card} title="Sold, but of no known product" foot="The sale is in the books; its quantity waits here until the product has a SKU.">
    <${Table} caption="Unknown products" rows=${data.items} id=${(/** @type {any} */ row) => row.key} columns=${[
      { title: "Product", head: true, cell: (/** @type {any} */ row) => html`${row.name || row.product_id}<span class="sub">${row.source} · ${row.store}</span>` },
      { title: "Quantity", right: true, cell: (/** @type {any} */ row) => quantity(row.quantity) },
      { title: "Sales", right: true, narrow: true, cell: (/** @type {any} */ row) => row.sales },
      { title: "Since", narrow: true, cell: (/** @type {any} */ row) => moment(row.first_at, zoneOf(row.store)) },
      { title: "SKU", cell: (/** @type {any} */ row) => may("stock.write") && html`<div class="row"><input class="field" aria-label=${`SKU of ${row.name || row.product_id}`} value=${skus[row.key] ?? ""} onInput=${(/** @type {any} */ event) => setSkus({ ...skus, [row.key]: event.target.value })} />
        <${Act} disabled=${!skus[row.key]} act=${map(row)} done=${(/** @type {any} */ answer) => `${counted(answer.released, "movement")} taken in.`}>Name it</${Act}></div>` },
    ]} />
  </${Card}>`;
}

/** Receive, count or adjust one SKU in one store. @param {{done: () => void}} props */
function Adjust({ done }) {
  const [form, setForm] = useState({ what: "receipts", sku: "", number: "", why: "" });
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => setForm({ ...form, [name]: event.target.value });
  const store = oneStore();
  const send = async () => {
    const line = { sku: form.sku, [form.what === "counts" ? "counted" : "quantity"]: form.number };
    const about = form.what === "receipts" ? { reference: form.why } : form.what === "adjustments" ? { reason: form.why } : {};
    await ask(`/inventory/${form.what}`, { method: "POST", body: { store, lines: [line], ...about } });
    setForm({ ...form, sku: "", number: "", why: "" });
    done();
  };
  return html`<${Card} title="Book a movement" padded=${true}>
    ${store ? html`<div class="row bottom">
      <label class="labelled">What<select class="field" value=${form.what} onChange=${set("what")}><option value="receipts">Receipt</option><option value="counts">Count</option><option value="adjustments">Adjustment</option></select></label>
      <label class="labelled">SKU<input class="field" value=${form.sku} onInput=${set("sku")} /></label>
      <label class="labelled">${form.what === "counts" ? "Counted" : "Quantity"}<input class="field" inputmode="decimal" value=${form.number} onInput=${set("number")} /></label>
      ${form.what !== "counts" && html`<label class="labelled">${form.what === "receipts" ? "Reference" : "Reason"}<input class="field" value=${form.why} onInput=${set("why")} /></label>`}
      <${Act} class="button primary" disabled=${!form.sku || !form.number} act=${send} done=${() => "Booked. A movement is never changed, only followed by another."}>Book in ${store}</${Act}></div>`
      : html`<p class="note">Choose one store above to receive, count or adjust.</p>`}
  </${Card}>`;
}
