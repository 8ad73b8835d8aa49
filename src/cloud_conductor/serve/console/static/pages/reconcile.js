// Reconcile: six levels, a grid of store and day, and for one day the till beside the ledger.

import { Fragment, html, useState } from "../vendor/preact.js";
import { day, moment, money, sentence, words } from "../lib/format.js";
import { ask, topics } from "../lib/net.js";
import { go, href, place, spanned } from "../lib/route.js";
import { Act, Amount, Card, DayState, Empty, Icon, More, State, StoreDay, Table, Trail, Trouble, may, oneStore, useAsked, useList, zoneOf } from "../ui/kit.js";

/** @type {Record<string, string>} */
const SIGNS = { green: "check", red: "cross", breaks: "alert", not_connected: "dot", never: "dot" };

export default function Reconcile() {
  const { date } = place.value;
  const store = oneStore();
  const again = topics.value.reconcile?.seq;
  return html`<${Fragment}>
    ${store && date ? html`<${StoreDate} store=${store} date=${date} again=${again} />` : html`<${Overview} again=${again} />`}
    <${Breaks} again=${again} />
  </${Fragment}>`;
}

/** @param {{again: any}} props */
function Overview({ again }) {
  const { data, problem } = useAsked(`/reconcile${spanned()}`, again);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="faint">Comparing</p>`;
  if (!data.grid.length) return html`<${Card} title="Levels"><${Empty} title="No day has been closed yet" command="conductor run close">A business day is closed some hours after its end; its six comparisons show here.</${Empty}></${Card}>`;
  const dates = [...new Set(data.grid.map((/** @type {any} */ cell) => cell.business_date))];
  return html`<${Fragment}>
    <${Levels} levels=${data.levels} currency=${data.currency} aside=${html`<${Fragment}><span class="small">unexplained <b><${Amount} minor=${data.unexplained_minor} currency=${data.currency} /></b></span>
      ${may("reconcile.run") && html`<${Act} act=${() => ask("/runs", { method: "POST", body: { what: "reconcile", dates } })} done=${() => "Comparing again; the figures change here."}>Compare again</${Act}>`}</${Fragment}>`}
      foot=${data.compared_at ? `Compared ${moment(data.compared_at, zoneOf())}` : null} />
    <${Grid} grid=${data.grid} currency=${data.currency} />
  </${Fragment}>`;
}

/** @param {{levels: any[], currency: string, aside?: any, foot?: any}} props */
const Levels = ({ levels, currency, aside, foot }) => html`<${Card} title="Six levels" aside=${aside} foot=${foot}>
  <${Table} caption="Levels of reconciliation" rows=${levels} id=${(/** @type {any} */ level) => level.level} columns=${[
    { title: "Level", tight: true, cell: (/** @type {any} */ level) => html`<span class="strong">${level.level}</span>` },
    { title: "This", head: true, cell: (/** @type {any} */ level) => level.title_left },
    { title: "agrees with", narrow: true, cell: (/** @type {any} */ level) => level.title_right },
    { title: "State", cell: (/** @type {any} */ level) => html`<${State} state=${level.state} word=${level.state === "green" ? "agrees" : undefined} />` },
    { title: "Matched", right: true, narrow: true, cell: (/** @type {any} */ level) => level.matched },
    { title: "Explained", right: true, narrow: true, cell: (/** @type {any} */ level) => level.explained },
    { title: "Open", right: true, narrow: true, cell: (/** @type {any} */ level) => level.open },
    { title: "Unexplained", right: true, cell: (/** @type {any} */ level) => money(level.unexplained_minor, currency) },
  ]} />
</${Card}>`;

/** @param {{grid: any[], currency: string}} props */
const Grid = ({ grid, currency }) => html`<${Card} title="Stores and days">
  <${Table} caption="State of each level by store and day" rows=${grid} id=${(/** @type {any} */ row) => row.store + row.business_date} columns=${[
    { title: "Store and day", head: true, cell: (/** @type {any} */ row) => html`<a href=${href({ stores: [row.store], date: row.business_date })}>${row.store}</a><span class="sub">${day(row.business_date)}</span>` },
    { title: "Day", narrow: true, cell: (/** @type {any} */ row) => html`<${DayState} state=${row.day_state} />` },
    ...["L1", "L2", "L3", "L4", "L5", "L6"].map((level) => ({ title: level, narrow: true, tight: true, cell: (/** @type {any} */ row) => html`<${Mark} state=${row.levels[level]} />` })),
    { title: "Difference", right: true, narrow: true, cell: (/** @type {any} */ row) => money(row.amount_minor, row.currency ?? currency) },
    { title: "Open", right: true, cell: (/** @type {any} */ row) => row.open },
    { title: "Unexplained", right: true, cell: (/** @type {any} */ row) => money(row.unexplained_minor, row.currency ?? currency) },
  ]} />
</${Card}>`;

/** @param {{state: string | undefined}} props */
const Mark = ({ state }) => html`<span class="badge ${state === "green" ? "good" : state === "breaks" || state === "red" ? "bad" : ""}"><${Icon} name=${SIGNS[state ?? "never"] ?? "dot"} size=${12} /><span class="visually-hidden">${state ?? "not compared"}</span></span>`;

/** One day of one store: till left, ledger right. @param {{store: string, date: string, again: any}} props */
function StoreDate({ store, date, again }) {
  const { data, problem } = useAsked(`/reconcile/${encodeURIComponent(store)}/${date}`, again);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="faint">Comparing</p>`;
  return html`<${Fragment}>
    <div class="row"><a class="button quiet" href=${href({ stores: [], date: "" })}>All stores and days</a><span class="strong">${store}</span><span>${day(date)}</span><${DayState} state=${data.day?.state} /></div>
    <div class="columns">
      <${Side} side=${data.left} currency=${data.currency} kind="tender" />
      <${Side} side=${data.right} currency=${data.currency} kind="entry" />
    </div>
    ${data.equation && html`<${Equation} equation=${data.equation} currency=${data.currency} />`}
    <${Levels} levels=${data.levels} currency=${data.currency} />
  </${Fragment}>`;
}

/** @param {{side: any, currency: string, kind: string}} props */
const Side = ({ side, currency, kind }) => html`<${Card} title=${side.title}>
  <${Table} caption=${side.title} rows=${side.rows} id=${(/** @type {any} */ row) => row.label + (row.id ?? "")} empty=${html`<${Empty} title="Nothing on this side" />`} columns=${[
    { title: kind === "entry" ? "Entry" : "Tender", head: true, cell: (/** @type {any} */ row) => (row.id && row.kind !== "total" ? html`<${Trail} kind=${row.kind} id=${row.id} class="number wrap">${row.label}</${Trail}>` : html`<span class=${row.kind === "total" ? "strong" : ""}>${sentence(words(row.label))}</span>`) },
    { title: "State", quiet: true, cell: (/** @type {any} */ row) => row.state && html`<${State} state=${row.state} />` },
    { title: "Amount", right: true, cell: (/** @type {any} */ row) => html`<span class=${row.kind === "total" ? "strong" : ""}>${money(row.amount_minor, currency)}</span>` },
  ]} />
</${Card}>`;

/** @param {{equation: any, currency: string}} props */
const Equation = ({ equation, currency }) => html`<${Card} title="The difference, named">
  <${Table} caption="From till to ledger" id=${(/** @type {any} */ row) => row.text} rows=${[
      { text: "Till", effect_minor: equation.pos_minor }, ...equation.coded.map((/** @type {any} */ one) => ({ ...one, text: `${one.code} ${one.text}` })),
      { text: "Unexplained", effect_minor: equation.unexplained_minor }]}
    columns=${[{ title: "What", quiet: true, head: true, cell: (/** @type {any} */ row) => row.text }, { title: "Amount", right: true, cell: (/** @type {any} */ row) => money(row.effect_minor, currency) }]}
    total=${html`<tr><th scope="row">Ledger</th><td class="right">${money(equation.ledger_minor, currency)}</td></tr>`} />
</${Card}>`;

/** @param {{again: any}} props */
function Breaks({ again }) {
  const [all, setAll] = useState(false);
  const { date } = place.value;
  const question = spanned();
  const list = useList(`/breaks${question}${all ? "" : `${question ? "&" : "?"}state=open&state=assigned&state=proposed`}`, again);
  return html`<${Card} title="Breaks" aside=${html`<div class="row" role="group" aria-label="Which breaks"><button type="button" class="button" aria-pressed=${!all} onClick=${() => setAll(false)}>Open</button><button type="button" class="button" aria-pressed=${all} onClick=${() => setAll(true)}>All</button></div>`}>
    ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Breaks" rows=${list.items} id=${(/** @type {any} */ row) => row.id} selected=${(/** @type {any} */ row) => place.value.trail.at(-1)?.id === row.id}
      empty=${html`<${Empty} title=${all ? "No break was ever found" : "No break is open"}>Each difference gets a code, both sides and an amount.</${Empty}>`} columns=${[
        { title: "Break", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="break" id=${row.id}>${row.code} ${row.title}</${Trail}><span class="sub">${row.message}</span>` },
        { title: "Store and day", narrow: true, cell: (/** @type {any} */ row) => html`<${StoreDay} store=${row.store} date=${row.business_date} />` },
        { title: "Level", narrow: true, cell: (/** @type {any} */ row) => row.level },
        { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />` },
        { title: "Amount", right: true, cell: (/** @type {any} */ row) => html`<${Fragment}>${money(row.amount_minor, row.currency)} <span class="faint tiny">${row.currency}</span></${Fragment}>` },
      ]} />`}
    <${More} list=${list} />
    ${date && html`<footer><button type="button" class="button quiet" onClick=${() => go({ date: "" })}>Breaks of every day</button></footer>`}
  </${Card}>`;
}
