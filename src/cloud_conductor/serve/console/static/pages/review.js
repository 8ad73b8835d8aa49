// Review: what waits for a person's judgement, oldest first, with its reasons in words.

import { html } from "../vendor/preact.js";
import { day, moment, money, words } from "../lib/format.js";
import { topics } from "../lib/net.js";
import { scoped } from "../lib/route.js";
import { Card, Empty, More, State, Table, Trail, Trouble, useList, zoneOf } from "../ui/kit.js";

export default function Review() {
  const list = useList(`/review${scoped()}`, `${topics.value.journals?.seq} ${topics.value.reconcile?.seq}`);
  return html`<${Card} title="Waiting, oldest first">
    ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Cases to review" rows=${list.items} id=${(/** @type {any} */ row) => row.id}
      empty=${html`<${Empty} title="Nothing waits for review">Short drawers, blocked entries, negative stock, unknown products and odd clocks come here with their reasons.</${Empty}>`} columns=${[
        { title: "Case", head: true, cell: (/** @type {any} */ row) => html`${row.ref ? html`<${Trail} kind=${row.ref.kind} id=${row.ref.id}>${row.title}</${Trail}>` : row.title}${row.reasons.map((/** @type {string} */ reason) => html`<span class="sub">${reason}</span>`)}` },
        { title: "Kind", cell: (/** @type {any} */ row) => html`<${State} state=${row.severity} word=${words(row.kind)} />` },
        { title: "Store and day", narrow: true, cell: (/** @type {any} */ row) => html`${row.store}${row.business_date && html`<span class="sub">${day(row.business_date)}</span>`}` },
        { title: "Since", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.since, zoneOf(row.store)) },
        { title: "Amount", right: true, cell: (/** @type {any} */ row) => (row.amount_minor === null ? "\u2013" : money(row.amount_minor, row.currency)) },
      ]} />`}
    <${More} list=${list} />
  </${Card}>`;
}
