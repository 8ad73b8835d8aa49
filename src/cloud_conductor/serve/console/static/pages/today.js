// Today: are we trading normally, does it tie out, what needs a person.

import { Fragment, html, useState } from "../vendor/preact.js";
import { age, counted, day, hourMinute, moment, money, words } from "../lib/format.js";
import { ask, session, topics } from "../lib/net.js";
import { href, place } from "../lib/route.js";
import { Windows } from "../ui/chart.js";
import { Amount, Card, DayState, Empty, Icon, State, Table, Trail, Act, actionHref, may, oneStore, useAsked, zoneOf } from "../ui/kit.js";

export default function Today() {
  const today = topics.value.today;
  const live = topics.value.live;
  if (!today) return html`<p class="faint">Waiting for the first figures</p>`;
  return html`<${Fragment}>
    <${Demo} />
    <${Figures} today=${today} />
    <${Proof} />
    ${live?.business_date === today.business_date && html`<${Windows} windows=${live.windows} currency=${live.currency} store=${place.value.stores[0]} />`}
    <${Needs} items=${today.needs_you} />
    <${Alerts} rows=${topics.value.alerts?.items ?? []} />
    <${Stores} rows=${today.stores} date=${today.business_date} />
  </${Fragment}>`;
}

/** @param {{today: any}} props */
function Figures({ today }) {
  const { sales, ledger, journals, freshest, currency } = today;
  const only = oneStore() || "*";
  return html`<section class="figures" aria-label="Today's figures">
    <div class="figure"><span class="label">Net sales, ${day(today.business_date)}</span>
      <span class="value">${today.mixed_currencies ? "by store" : html`<${Trail} kind="net_sales" id=${`${only}:${today.business_date}`}>${money(sales.net_minor, currency)}</${Trail}><span class="unit">${currency}</span>`}</span>
      <span class="under"><${Expected} sales=${sales} currency=${currency} /></span></div>
    <div class="figure"><span class="label">Till against ledger${ledger.business_date ? `, ${day(ledger.business_date)}` : ""}</span>
      <span class="value">${ledger.difference_minor === null || ledger.difference_minor === undefined ? "\u2013" : html`<a class="number" href=${href({ page: "reconcile", date: "" })}>${money(ledger.difference_minor, currency)}</a><span class="unit">${currency}</span>`}</span>
      <span class="under"><${State} state=${ledger.state} word=${ledger.state === "green" ? "ties out" : ledger.state === "breaks" ? counted(ledger.stores_differing, "store differs", "stores differ") : undefined} />
        ${ledger.unexplained_minor ? html`<span>${money(ledger.unexplained_minor, currency)} unexplained</span>` : null}</span></div>
    <div class="figure"><span class="label">Entries in the ledger</span>
      <span class="value"><a class="number" href=${href({ page: "journals" })}>${journals.posted}</a><span class="unit">of ${journals.total}</span></span>
      <span class="under">${journals.waiting ? html`<${State} state="draft" word=${`${journals.waiting} wait`} />` : journals.total ? html`<${State} state="ok" word="none waits" />` : "none drafted yet"}</span></div>
    <div class="figure"><span class="label">Freshest event</span>
      <span class="value">${freshest ? age(freshest.age_s) : "\u2013"}<span class="unit">${freshest ? "ago" : ""}</span></span>
      <span class="under">${freshest ? `${freshest.source}, ${hourMinute(freshest.at, zoneOf())}` : "nothing came in yet"}</span></div>
  </section>`;
}

/** @param {{sales: any, currency: string}} props */
function Expected({ sales, currency }) {
  const parts = [counted(sales.orders, "sale")];
  if (sales.aov_minor) parts.push(`${money(sales.aov_minor, currency)} each`);
  if (sales.expected_low_minor !== null && sales.expected_low_minor !== undefined) {
    const low = sales.net_minor < sales.expected_low_minor;
    const high = sales.net_minor > sales.expected_high_minor;
    return html`<${Fragment}><span>${parts.join(", ")}</span><${State} state=${low ? "warning" : "ok"} word=${low ? "below the usual" : high ? "above the usual" : "as usual"} /></${Fragment}>`;
  }
  return html`<span>${parts.join(", ")}</span>`;
}

/** The proof line: what is unexplained between till and books. */
function Proof() {
  const proof = topics.value.status?.proof;
  if (!proof || proof.state === "never") return null;
  return html`<p class="proof" data-proof=${proof.unexplained_minor}><span class="strong">Proof</span>
    <span>unexplained <b><${Amount} minor=${proof.unexplained_minor} currency=${proof.currency} /></b></span>
    <span>difference <b>${money(proof.difference_minor, proof.currency)}</b>${proof.codes?.length ? html`, named ${proof.codes.join(", ")}` : ""}</span>
    ${proof.business_dates?.length ? html`<span>${day(proof.business_dates[0])} to ${day(proof.business_dates[1])}</span>` : null}
    <a href=${href({ page: "reconcile" })}>Six levels</a></p>`;
}

/** @param {{items: any[]}} props */
const Needs = ({ items }) => html`<${Card} title="Needs you">
  ${items.length ? html`<ul class="needs">${items.map((one) => html`<li key=${one.id}><${State} state=${one.severity} word=${one.kind} /><span class="text">${one.text}</span>
    <a class="button" href=${actionHref(one.action)}>${one.action.label}</a></li>`)}</ul>` : html`<${Empty} title="Nothing waits for you">New breaks, entries to approve and records in quarantine come here.</${Empty}>`}
</${Card}>`;

/** What is wrong now; who takes it on says so, and it is not sent again. @param {{rows: any[]}} props */
const Alerts = ({ rows }) => rows.length > 0 && html`<${Card} title="Alerts">
  <${Table} caption="Open alerts" rows=${rows} id=${(/** @type {any} */ row) => row.id} columns=${[
    { title: "Alert", head: true, cell: (/** @type {any} */ row) => html`${row.ref ? html`<a href=${actionHref(row.ref)}>${row.title}</a>` : row.title}<span class="sub wrap">${row.detail}</span>` },
    { title: "Kind", cell: (/** @type {any} */ row) => html`<${State} state=${row.severity} word=${words(row.kind)} />` },
    { title: "Store", narrow: true, cell: (/** @type {any} */ row) => row.store ?? "\u2013" },
    { title: "Since", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.first_at, zoneOf(row.store)) },
    { title: "Act", quiet: true, right: true, cell: (/** @type {any} */ row) => row.state !== "open" ? html`<${State} state="acknowledged" word=${row.acknowledged_by || "taken on"} />` : may("alerts.ack") && html`<${Act} done=${() => "Taken on. It is not sent again."}
      act=${() => ask(`/alerts/${encodeURIComponent(row.id)}/acknowledge`, { method: "POST", body: { note: "taken on in the console" } })}>Take it on</${Act}>` },
  ]} />
</${Card}>`;

/** @param {{rows: any[], date: string}} props */
const Stores = ({ rows, date }) => html`<${Card} title="Stores">
  <${Table} caption="Stores today" rows=${rows} id=${(/** @type {any} */ row) => row.store + row.currency}
    empty=${html`<${Empty} title="No store is connected" command="conductor init">Connect a point of sale; its stores come here by themselves.</${Empty}>`} columns=${[
      { title: "Store", head: true, cell: (/** @type {any} */ row) => html`<${Fragment}><a href=${href({ page: "live", stores: [row.store] })}>${row.store}</a>${row.name && row.name !== row.store ? html`<span class="sub">${row.name}</span>` : null}</${Fragment}>` },
      { title: "Net sales", right: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="net_sales" id=${`${row.store}:${date}`}>${money(row.net_minor, row.currency)}</${Trail}>` },
      { title: "Currency", quiet: true, tight: true, cell: (/** @type {any} */ row) => html`<span class="faint tiny">${row.currency}</span>` },
      { title: "Sales", right: true, cell: (/** @type {any} */ row) => row.orders },
      { title: "Units", right: true, narrow: true, cell: (/** @type {any} */ row) => row.units },
      { title: "Last sale", right: true, narrow: true, cell: (/** @type {any} */ row) => hourMinute(row.last_sale_at, zoneOf(row.store)) },
      ...(place.value.date ? [] : [{ title: "Till", cell: (/** @type {any} */ row) => (row.is_dead_till ? html`<${State} state="critical" word=${`no sale ${age(row.silent_min * 60)}`} />` : row.last_sale_at ? html`<${State} state="ok" word="selling" />` : html`<${State} state="never" word="no sale yet" />`) }]),
      { title: "Open breaks", right: true, narrow: true, cell: (/** @type {any} */ row) => row.open_breaks || "\u2013" },
      { title: "Day", narrow: true, cell: (/** @type {any} */ row) => html`<${DayState} state=${row.day_state} />` },
    ]} />
</${Card}>`;

/** In the demo: three things to do, the till, and the panel that breaks something. */
function Demo() {
  const is_rehearsal = session.value.house.is_rehearsal;
  const { data } = useAsked(is_rehearsal ? "/demo" : null, topics.value.status?.badges && JSON.stringify(topics.value.status.badges));
  if (!data) return null;
  return html`<section class="guide" aria-label="Guide">
    <header><h2>Three things to do in this demo</h2>${data.till_url && html`<a class="button" href=${data.till_url} target="_blank" rel="noreferrer">Open the till <${Icon} name="out" size=${14} /></a>`}</header>
    <ol>${data.guide.map((/** @type {any} */ step) => html`<${Step} step=${step} />`)}</ol>
    <${Faults} faults=${data.faults ?? []} />
  </section>`;
}

/** A step is done when nothing of its kind waits any more. @param {{step: any}} props */
function Step({ step }) {
  const done = topics.value.status?.badges?.[step.until] === 0;
  return html`<li class=${done ? "done" : ""}><span class="n">${done ? html`<${Icon} name="check" size=${14} />` : step.n}</span>
    <span><a class="strong" href=${actionHref(step.ref)}>${step.title}</a>${done && html` <span class="visually-hidden">done</span>`}<br />${step.text}</span></li>`;
}

/** @param {{faults: any[]}} props */
function Faults({ faults }) {
  const [told, setTold] = useState(/** @type {any[] | null} */ (null));
  const shown = told ?? faults;
  /** @param {any} fault */
  const turn = (fault) => async () => setTold((await ask("/demo/faults", { method: "POST", body: { name: fault.name, on: !fault.on } })).faults);
  return shown.length > 0 && html`<div class="faults"><h3>Break something</h3>
    <div class="row">${shown.map((fault) => html`<${Act} class=${`button ${fault.on ? "danger" : ""}`} title=${fault.text} act=${turn(fault)}
      done=${() => (fault.on ? `${fault.title}: off.` : `${fault.title}: on. ${fault.text}`)}>${fault.on ? html`<${Icon} name="alert" size=${14} />` : null}${fault.title}${fault.on ? ": on" : ""}</${Act}>`)}</div></div>`;
}
