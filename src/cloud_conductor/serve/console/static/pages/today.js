// Today: are we trading normally, does it tie out, what needs a person.

import { Fragment, html, useState } from "../vendor/preact.js";
import { counted, day, hourMinute, minutes, money } from "../lib/format.js";
import { ask, session, topics } from "../lib/net.js";
import { href, place } from "../lib/route.js";
import { Windows } from "../ui/chart.js";
import { Amount, Card, DayState, Empty, Icon, State, Table, Till, Trail, Act, actionHref, oneStore, useAsked, zoneOf } from "../ui/kit.js";

export default function Today() {
  const today = topics.value.today;
  const live = topics.value.live;
  if (!today) return html`<p class="faint">Waiting for the first figures</p>`;
  return html`<${Fragment}>
    <${Demo} />
    <${Figures} today=${today} />
    <${Proof} />
    ${live?.business_date === today.business_date && html`<${Windows} windows=${live.totals} currency=${live.currency} store=${place.value.stores[0]} isOver=${live.is_over} />`}
    <${Needs} items=${today.needs_you} />
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
      <span class="under"><${State} state=${ledger.state} word=${ledger.state === "green" ? (ledger.difference_minor ? "explained" : "ties out") : ledger.state === "breaks" ? counted(ledger.stores_differing, "store differs", "stores differ") : undefined} />
        ${ledger.unexplained_minor ? html`<span>${money(ledger.unexplained_minor, currency)} unexplained</span>` : null}</span></div>
    <div class="figure"><span class="label">Entries in the ledger</span>
      <span class="value"><a class="number" href=${href({ page: "journals" })}>${journals.posted}</a><span class="unit">of ${journals.total}</span></span>
      <span class="under">${journals.waiting ? html`<${State} state="draft" word=${`${journals.waiting} wait`} />` : journals.total ? html`<${State} state="ok" word="none waits" />` : "none drafted yet"}</span></div>
    <div class="figure"><span class="label">Freshest event</span>
      <span class="value">${freshest ? minutes(freshest.age_s) : "\u2013"}<span class="unit">${freshest ? "ago" : ""}</span></span>
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

/** @param {{rows: any[], date: string}} props */
const Stores = ({ rows, date }) => html`<${Card} title="Stores">
  <${Table} caption="Stores today" rows=${rows} id=${(/** @type {any} */ row) => row.store + row.currency}
    empty=${html`<${Empty} title="No store is connected" command="conductor init">Connect a point of sale; its stores come here by themselves.</${Empty}>`} columns=${[
      { title: "Store", head: true, cell: (/** @type {any} */ row) => html`<${Fragment}><a href=${href({ page: "live", stores: [row.store] })}>${row.store}</a>${row.name && row.name !== row.store ? html`<span class="sub">${row.name}</span>` : null}</${Fragment}>` },
      { title: "Net sales", right: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="net_sales" id=${`${row.store}:${date}`}>${money(row.net_minor, row.currency)}</${Trail}>` },
      { title: "Currency", quiet: true, tight: true, cell: (/** @type {any} */ row) => html`<span class="faint tiny">${row.currency}</span>` },
      { title: "Sales", right: true, narrow: true, cell: (/** @type {any} */ row) => row.orders },
      { title: "Units", right: true, narrow: true, cell: (/** @type {any} */ row) => row.units },
      { title: "Last sale", right: true, narrow: true, cell: (/** @type {any} */ row) => hourMinute(row.last_sale_at, zoneOf(row.store)) },
      ...(place.value.date ? [] : [{ title: "Till", cell: (/** @type {any} */ row) => html`<${Till} row=${row} />` }]),
      { title: "Open breaks", right: true, narrow: true, cell: (/** @type {any} */ row) => row.open_breaks || "\u2013" },
      { title: "Day", narrow: true, cell: (/** @type {any} */ row) => html`<${DayState} state=${row.day_state} />` },
    ]} />
</${Card}>`;

/** In the demo: three things to do, the till, and the panel that breaks something. */
function Demo() {
  const { data } = useAsked(session.value.house.is_demo ? "/demo" : null, topics.value.status && JSON.stringify([topics.value.status.badges, topics.value.status.as_of]));
  if (!data) return null;
  return html`<section class="guide" aria-label="Guide">
    <header><h2>${data.guide.every(isDone) ? "All three are done: sell something at the till, or break something" : "Three things to do in this demo"}</h2>${data.till_url && html`<a class="button" href=${data.till_url} target="_blank" rel="noreferrer">Open the till <${Icon} name="out" size=${14} /></a>`}</header>
    <ol>${data.guide.map((/** @type {any} */ step) => html`<${Step} step=${step} />`)}</ol>
    <${Faults} faults=${data.faults ?? []} />
  </section>`;
}

/** A step is done when nothing of its kind waits any more. @param {any} step */
const isDone = (step) => topics.value.status?.badges?.[step.until] === 0;

/** @param {{step: any}} props */
function Step({ step }) {
  const done = isDone(step);
  return html`<li class=${done ? "done" : ""}><span class="n">${done ? html`<${Icon} name="check" size=${14} />` : step.n}</span>
    <span><a class="strong" href=${actionHref(step.ref)}>${step.title}</a>${done && html` <span class="visually-hidden">done</span>`}<br />${step.text}</span></li>`;
}

/** What is broken on purpose now; the simulators say so, whoever switched it. @param {{faults: any[]}} props */
function Faults({ faults }) {
  const [told, setTold] = useState(/** @type {{before: any[], after: any[]} | null} */ (null));
  const shown = told?.before === faults ? told.after : faults;
  const on = shown.filter((fault) => fault.on);
  /** @param {any} fault */
  const turn = (fault) => async () => {
    const answer = await ask("/demo/faults", { method: "POST", body: { name: fault.name, on: !fault.on } });
    setTold({ before: faults, after: answer.faults });
  };
  return shown.length > 0 && html`<section class="faults" aria-label="Break something"><h3>Break something</h3>
    <div class="row">${shown.map((fault) => html`<${Act} key=${fault.name} class=${`button ${fault.on ? "danger" : ""}`} pressed=${fault.on} act=${turn(fault)}
      done=${() => `${fault.title}: ${fault.on ? "off" : "on"}.`}>${fault.on ? html`<${Icon} name="alert" size=${14} />` : null}${fault.title}</${Act}>`)}</div>
    <p class="note">${on.length ? on.map((fault) => html`<span><b>${fault.title} is on.</b> ${fault.text} </span>`) : "Each switch does it to the simulated vendors. The proof line below stays at 0.00, or names the cause."}</p></section>`;
}
