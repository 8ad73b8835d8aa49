// Pipelines: what runs when, what is late, how far back it is filled, and how to fill it again.

import { Fragment, html, useState } from "../vendor/preact.js";
import { age, counted, day, minutes, moment, sentence, words } from "../lib/format.js";
import { ask, topics } from "../lib/net.js";
import { spanned } from "../lib/route.js";
import { Act, Card, DayState, Empty, More, State, StoreDay, Table, Trouble, may, tell, useAsked, useList, zoneOf } from "../ui/kit.js";

export default function Pipelines() {
  const again = JSON.stringify((topics.value.runs?.items ?? topics.value.runs ?? [])[0] ?? "");
  return html`<${Fragment}><${Steps} again=${again} /><${Freshness} again=${again} /><${Filled} again=${again} /><${Runs} again=${again} /></${Fragment}>`;
}

/** @param {{again: string}} props */
function Steps({ again }) {
  const { data, problem } = useAsked("/pipelines", again);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  return html`<${Card} title="Steps, in the data's order"><${Table} caption="Pipelines" rows=${data.items} id=${(/** @type {any} */ row) => row.name} columns=${[
    { title: "Step", head: true, cell: (/** @type {any} */ row) => html`${row.title || sentence(row.name)}<span class="sub">${row.reads.join(", ")} \u2192 ${row.writes.join(", ")}</span>` },
    { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />${row.last_error && html`<span class="sub wrap">${row.last_error}</span>`}` },
    { title: "When", narrow: true, cell: (/** @type {any} */ row) => row.schedule },
    { title: "Last ran", right: true, cell: (/** @type {any} */ row) => moment(row.last_run_at, zoneOf()) },
    { title: "Next", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.next_at, zoneOf()) },
    { title: "Act", quiet: true, right: true, narrow: true, cell: (/** @type {any} */ row) => may("runs.start") && ["sweep", "close", "reconcile"].includes(row.name) && html`<${Act} act=${() => ask("/runs", { method: "POST", body: { what: row.name, dates: [] } })} done=${() => `${row.title || row.name} asked for.`}>Run now</${Act}>` },
  ]} /></${Card}>`;
}

/** @param {{again: string}} props */
function Freshness({ again }) {
  const { data } = useAsked("/freshness", again);
  if (!data) return null;
  return html`<${Card} title="Freshness"><${Table} caption="Freshness of each feed against its promise" rows=${data.items} id=${(/** @type {any} */ row) => row.feed} empty=${html`<${Empty} title="No feed has run yet" command="conductor up" />`} columns=${[
    { title: "Feed", head: true, cell: (/** @type {any} */ row) => row.feed },
    { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} word=${row.state === "ok" ? "fresh" : undefined} />${row.last_error && html`<span class="sub wrap">${row.last_error}</span>`}` },
    { title: "Age", right: true, cell: (/** @type {any} */ row) => minutes(row.age_s) },
    { title: "Promise", right: true, cell: (/** @type {any} */ row) => age(row.promise_s) },
    { title: "Next expected", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.next_expected_at, zoneOf()) },
  ]} /></${Card}>`;
}

/** @param {{again: string}} props */
function Filled({ again }) {
  const { data } = useAsked(`/days${spanned()}`, again);
  const [span, setSpan] = useState({ from: "", to: "" });
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => setSpan({ ...span, [name]: event.target.value });
  const preview = async () => {
    const plan = await ask("/backfills?dry_run=true", { method: "POST", body: span });
    tell(`${counted(plan.dates.length, "day")} would be read anew: ${plan.dates.map(day).join(", ")}. What is already here stays as it is.`);
  };
  return html`<${Card} title="Days" aside=${may("runs.start") && html`<div class="row bottom">
      <label class="labelled">From<input class="field" type="date" value=${span.from} onChange=${set("from")} /></label><label class="labelled">To<input class="field" type="date" value=${span.to} onChange=${set("to")} /></label>
      <${Act} disabled=${!span.from || !span.to} act=${preview}>Preview</${Act}>
      <${Act} class="button primary" disabled=${!span.from || !span.to} act=${() => ask("/backfills", { method: "POST", body: span })} done=${() => "Backfill asked for; its days change here."}>Backfill</${Act}></div>`}>
    <${Table} caption="State of each business day" rows=${data?.items ?? []} id=${(/** @type {any} */ row) => row.store + row.business_date} empty=${html`<${Empty} title="No business day yet" command="conductor backfill" />`} columns=${[
      { title: "Store and day", head: true, cell: (/** @type {any} */ row) => html`<${StoreDay} store=${row.store} date=${row.business_date} />` },
      { title: "State", cell: (/** @type {any} */ row) => html`<${DayState} state=${row.state} />${row.note && html`<span class="sub wrap">${row.note}</span>`}` },
      { title: "The source lists", right: true, narrow: true, cell: (/** @type {any} */ row) => row.control_count ?? "\u2013" },
      { title: "We hold", right: true, narrow: true, cell: (/** @type {any} */ row) => row.held_count ?? "\u2013" },
      { title: "Changed", right: true, cell: (/** @type {any} */ row) => moment(row.updated_at, zoneOf(row.store)) },
    ]} /></${Card}>`;
}

/** @param {{again: string}} props */
function Runs({ again }) {
  const list = useList("/runs", again);
  return html`<${Card} title="Runs" foot="A run that is started again continues; done twice, it changes nothing.">
    ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Runs, newest first" rows=${list.items} id=${(/** @type {any} */ row) => row.id} empty=${html`<${Empty} title="Nothing has run yet" command="conductor up" />`} columns=${[
      { title: "Run", head: true, cell: (/** @type {any} */ row) => html`${sentence(words(row.pipeline))}${row.business_date && ` ${day(row.business_date)}`}<span class="sub mono">${row.id}</span>` },
      { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />${row.error && html`<span class="sub wrap">${row.error}</span>`}` },
      { title: "Started", right: true, cell: (/** @type {any} */ row) => moment(row.started_at, zoneOf()) },
      { title: "Took", right: true, narrow: true, cell: (/** @type {any} */ row) => (row.took_ms === null ? "\u2013" : row.took_ms < 1000 ? `${row.took_ms} ms` : age(row.took_ms / 1000)) },
    ]} />`}
    <${More} list=${list} />
  </${Card}>`;
}
