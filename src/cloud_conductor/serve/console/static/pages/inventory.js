// Inventory: on hand by SKU, negative stock shown as it is, what is on the way, unknown products waiting for a name.

import { Fragment, html, useState } from "../vendor/preact.js";
import { counted, moment, person, price, quantity } from "../lib/format.js";
import { ask, session, topics } from "../lib/net.js";
import { go, place, scoped } from "../lib/route.js";
import { Act, Card, Choices, Empty, Hidden, Icon, More, State, Table, Trail, Trouble, may, oneStore, useAsked, useList, zoneOf } from "../ui/kit.js";

export default function Inventory() {
  const { filters } = place.value;
  const again = topics.value.inventory?.seq;
  const [turn, setTurn] = useState(0);
  const list = useList(`/inventory${scoped({ q: filters.q, state: filters.state })}`, again);
  const moved = () => {
    setTurn(turn + 1);
    list.reload();
  };
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
    <${OnTheWay} again=${`${again} ${turn}`} done=${moved} />
    <${Unknown} again=${again} />
    ${may("stock.write") && html`<${Book} items=${list.items} done=${moved} />`}
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

/** Goods that left one store and have not come to the other. @param {{again: any, done: () => void}} props */
function OnTheWay({ again, done }) {
  const { data, problem, reload } = useAsked("/inventory/transfers?state=open", again);
  const { stores } = place.value;
  if (problem) return html`<${Trouble} problem=${problem} />`;
  const rows = (data?.items ?? []).filter((/** @type {any} */ one) => !stores.length || stores.includes(one.from) || stores.includes(one.to));
  if (!rows.length) return null;
  const taken = () => {
    reload();
    done();
  };
  return html`<${Card} title="On the way" foot="What was sent is in transit: it is in neither store until it is received, and what does not arrive stays here.">
    ${rows.map((/** @type {any} */ row) => html`<${Transfer} key=${row.transfer_id} row=${row} done=${taken} />`)}
  </${Card}>`;
}

/** One transfer: its lines, and how much of each has come. @param {{row: any, done: () => void}} props */
function Transfer({ row, done }) {
  const [came, setCame] = useState(/** @type {Record<string, string>} */ ({}));
  const open = row.lines.filter((/** @type {any} */ line) => line.sent !== line.received);
  const some = open.filter((/** @type {any} */ line) => came[line.sku]);
  const receive = async () => {
    const lines = some.map((/** @type {any} */ line) => ({ sku: line.sku, quantity: came[line.sku] }));
    await ask(`/inventory/transfers/${encodeURIComponent(row.transfer_id)}/receive`, { method: "POST", body: lines.length ? { lines } : {} });
    setCame({});
    done();
  };
  return html`<section class="transfer" aria-label=${`Transfer from ${row.from} to ${row.to}`}>
    <div class="row between"><h3>${row.from} <${Icon} name="arrow" size=${14} /><span class="visually-hidden"> to </span> ${row.to} <span class="faint tiny">${moment(row.created_at, zoneOf(row.from))} by ${person(row.author)}</span></h3>
      ${may("stock.write") && html`<${Act} act=${receive} done=${() => (some.length ? "What came is booked." : `All of it is in ${row.to}.`)}>${some.length ? `Receive ${counted(some.length, "line")}` : "Receive all"}</${Act}>`}</div>
    <${Table} caption=${`Lines of the transfer from ${row.from} to ${row.to}`} rows=${row.lines} id=${(/** @type {any} */ line) => line.sku} columns=${[
      { title: "SKU", head: true, cell: (/** @type {any} */ line) => html`<${Trail} kind="sku" id=${line.sku}>${line.sku}</${Trail}>` },
      { title: "Sent", right: true, cell: (/** @type {any} */ line) => quantity(line.sent) },
      { title: "Came", right: true, cell: (/** @type {any} */ line) => quantity(line.received) },
      { title: "Comes now", right: true, cell: (/** @type {any} */ line) => (line.sent === line.received ? html`<${State} state="ok" word="complete" />` : may("stock.write") && html`<input class="field short" inputmode="decimal" aria-label=${`${line.sku} that comes now`} placeholder="all" value=${came[line.sku] ?? ""} onInput=${(/** @type {any} */ event) => setCame({ ...came, [line.sku]: event.target.value })} />`) },
    ]} /></section>`;
}

/** What a person may book. @type {Record<string, {title: string, number: string, why?: string, done: string}>} */
const BOOKINGS = {
  receipts: { title: "Receipt", number: "Quantity", why: "Reference", done: "Received." },
  counts: { title: "Count", number: "Counted", done: "Counted; the difference is booked as a movement." },
  adjustments: { title: "Adjustment", number: "Quantity, minus takes away", why: "Reason", done: "Adjusted." },
  transfers: { title: "Transfer", number: "Quantity", done: "Sent. It is in transit until the other store receives it." },
};
const LINE = { sku: "", number: "" };

/** Receive, count, adjust, or send to another store: one paper with as many lines as it has. @param {{items: any[], done: () => void}} props */
function Book({ items, done }) {
  const [what, setWhat] = useState("receipts");
  const [why, setWhy] = useState("");
  const [to, setTo] = useState("");
  const [lines, setLines] = useState([LINE]);
  const known = session.value.house.stores.map((/** @type {any} */ one) => one.store);
  const store = oneStore();
  const booking = /** @type {any} */ (BOOKINGS[what]);
  const others = known.filter((/** @type {string} */ one) => one !== store);
  const target = to || others[0];
  /** @param {number} index @param {string} name */
  const set = (index, name) => (/** @type {any} */ event) => setLines(lines.map((line, at) => (at === index ? { ...line, [name]: event.target.value } : line)));
  const send = async () => {
    const about = { receipts: { store, reference: why }, counts: { store }, adjustments: { store, reason: why }, transfers: { from: store, to: target } }[what];
    const number = what === "counts" ? "counted" : "quantity";
    await ask(`/inventory/${what}`, { method: "POST", body: { ...about, lines: lines.map((line) => ({ sku: line.sku.trim(), [number]: line.number.trim() })) } });
    setLines([LINE]);
    setWhy("");
    done();
  };
  const ready = lines.every((line) => line.sku && line.number) && (what !== "adjustments" || why);
  if (!store) return html`<${Card} title="Book a movement" padded=${true}><p class="note">Choose one store above to receive, count, adjust, or send to another store.</p></${Card}>`;
  return html`<${Card} title="Book a movement" padded=${true} foot="A movement is never changed, only followed by another.">
    <datalist id="skus">${items.map((one) => html`<option value=${one.sku}>${one.name}</option>`)}</datalist>
    <div class="stack">
      <div class="row bottom">
        <label class="labelled">What<select class="field" value=${what} onChange=${(/** @type {any} */ event) => setWhat(event.target.value)}>
          ${Object.entries(BOOKINGS).filter(([name]) => name !== "transfers" || others.length > 0).map(([name, one]) => html`<option value=${name}>${one.title}</option>`)}</select></label>
        ${what === "transfers" && html`<label class="labelled">To<select class="field" value=${target} onChange=${(/** @type {any} */ event) => setTo(event.target.value)}>${others.map((/** @type {string} */ one) => html`<option>${one}</option>`)}</select></label>`}
        ${booking.why && html`<label class="labelled">${booking.why}<input class="field" value=${why} onInput=${(/** @type {any} */ event) => setWhy(event.target.value)} /></label>`}</div>
      ${lines.map((line, index) => html`<div class="row bottom" key=${index}>
        <label class="labelled">SKU<input class="field" list="skus" value=${line.sku} onInput=${set(index, "sku")} /></label>
        <label class="labelled">${booking.number}<input class="field" inputmode="decimal" value=${line.number} onInput=${set(index, "number")} /></label>
        ${lines.length > 1 && html`<button type="button" class="button quiet" onClick=${() => setLines(lines.filter((_, at) => at !== index))}>Take out</button>`}</div>`)}
      <div class="row"><button type="button" class="button quiet" onClick=${() => setLines([...lines, LINE])}>Another line</button>
        <${Act} class="button primary" disabled=${!ready} act=${send} done=${() => booking.done}>${what === "transfers" ? `Send from ${store} to ${target}` : `Book in ${store}`}</${Act}></div>
    </div>
  </${Card}>`;
}
