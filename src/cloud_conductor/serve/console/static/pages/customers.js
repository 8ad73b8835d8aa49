// Customers: find the receipt of the person in front of you by amount, day and the last four digits.

import { Fragment, html, useState } from "../vendor/preact.js";
import { day, exponent, hourMinute, money, sentence, words } from "../lib/format.js";
import { session } from "../lib/net.js";
import { dated, go, place } from "../lib/route.js";
import { Card, Empty, Hidden, More, State, Table, Trail, Trouble, useList, zoneOf } from "../ui/kit.js";

/** Minor units of an amount a person typed, or null. @param {string} text @param {string} currency */
export function minorOf(text, currency) {
  const digits = exponent(currency);
  const found = /^(\d+)(?:[.,](\d*))?$/.exec(text.trim().replaceAll(" ", ""));
  if (!found || (found[2] ?? "").length > digits) return null;
  return Number(found[1] + (found[2] ?? "").padEnd(digits, "0"));
}

export default function Customers() {
  const { filters, date } = place.value;
  const currency = session.value.house.stores[0]?.currency ?? "USD";
  const [form, setForm] = useState({ amount: filters.amount ?? "", last4: filters.last4 ?? "", q: filters.q ?? "" });
  const minor = filters.amount ? minorOf(filters.amount, currency) : undefined;
  const list = useList(`/receipts${dated({ amount_minor: minor ?? undefined, last4: filters.last4, q: filters.q })}`);
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => setForm({ ...form, [name]: event.target.value });
  /** @param {Event} event */
  const look = (event) => {
    event.preventDefault();
    go({ filters: form });
  };
  return html`<${Fragment}>
    <${Card} title="Find a receipt" padded=${true}><form class="row bottom" onSubmit=${look}>
      <label class="labelled">Amount paid, ${currency}<input class="field" inputmode="decimal" placeholder="12.34" value=${form.amount} onInput=${set("amount")} /></label>
      <label class="labelled">Last four of the card<input class="field" inputmode="numeric" maxlength="4" value=${form.last4} onInput=${set("last4")} /></label>
      <label class="labelled">Receipt or item<input class="field" value=${form.q} onInput=${set("q")} /></label>
      <button class="button primary" type="submit">Find</button>
      ${Object.values(filters).some(Boolean) && html`<button class="button quiet" type="button" onClick=${() => { setForm({ amount: "", last4: "", q: "" }); go({ filters: {} }); }}>Clear</button>`}
    </form>${form.amount && minorOf(form.amount, currency) === null ? html`<p class="note">An amount looks like 12.34.</p>` : null}</${Card}>
    <${Card} title=${date ? `Receipts of ${day(date)}` : "Latest receipts"}>
      ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Receipts" rows=${list.items} id=${(/** @type {any} */ row) => row.sale_id}
        empty=${html`<${Empty} title="No receipt fits">Try the amount alone, or another day.</${Empty}>`} columns=${[
          { title: "Receipt", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="sale" id=${row.sale_id}>${day(row.business_date)}, ${hourMinute(row.occurred_at, zoneOf(row.store))}</${Trail}><span class="sub mono">${row.sale_id}</span>` },
          { title: "Store", narrow: true, cell: (/** @type {any} */ row) => row.store },
          { title: "Paid by", cell: (/** @type {any} */ row) => row.tenders.map((/** @type {any} */ one) => html`<div>${sentence(words(one.brand || one.tender_type))} ${one.last4 ? html`<span class="faint">\u2022${one.last4}</span>` : one.masked?.includes("last4") || row.masked?.includes("last4") ? html`<${Hidden} />` : null}</div>`) },
          { title: "Lines", right: true, narrow: true, cell: (/** @type {any} */ row) => row.lines },
          { title: "State", narrow: true, cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />` },
          { title: "Total", right: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="sale" id=${row.sale_id}>${money(row.total_minor, row.currency)}</${Trail}> <span class="faint tiny">${row.currency}</span>` },
        ]} />`}
      <${More} list=${list} />
    </${Card}>
  </${Fragment}>`;
}
