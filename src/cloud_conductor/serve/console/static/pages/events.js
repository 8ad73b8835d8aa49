// Events: everything that came in, byte for byte, what became of it; quarantine grouped by reason.

import { Fragment, html } from "../vendor/preact.js";
import { counted, grouped, moment, size } from "../lib/format.js";
import { ask, topics } from "../lib/net.js";
import { go, place } from "../lib/route.js";
import { Act, Card, Choices, Empty, More, State, Table, Trail, Trouble, may, useAsked, useList, zoneOf } from "../ui/kit.js";

export default function Events() {
  const { filters } = place.value;
  return html`<${Fragment}>
    <${Choices} name="show" label="What to show" choices=${[["", "Events"], ["quarantine", `Quarantine ${topics.value.status?.badges?.quarantine || ""}`]]} />
    ${filters.show === "quarantine" ? html`<${Quarantine} />` : html`<${Raw} />`}
  </${Fragment}>`;
}

function Raw() {
  const { filters } = place.value;
  const query = new URLSearchParams(["kind", "state", "channel"].flatMap((name) => (filters[name] ? [[name, filters[name]]] : []))).toString();
  // A list that moves under the eyes helps nobody: newest events come when asked for.
  const list = useList(`/events${query ? `?${query}` : ""}`);
  const newest = topics.value.events?.high_water;
  const behind = newest && list.items[0] ? newest - list.items[0].seq : 0;
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => go({ filters: { ...filters, [name]: event.target.value } });
  return html`<${Fragment}>
    <div class="row bottom">
      <label class="labelled">Kind<input class="field" placeholder="order.*" value=${filters.kind ?? ""} onChange=${set("kind")} /></label>
      <label class="labelled">State<select class="field" value=${filters.state ?? ""} onChange=${set("state")}>${["", "accepted", "pending", "quarantined", "released"].map((state) => html`<option value=${state}>${state || "any"}</option>`)}</select></label>
      <label class="labelled">Came by<select class="field" value=${filters.channel ?? ""} onChange=${set("channel")}>${[["", "any way"], ["webhook", "webhook"], ["api", "asked of the API"], ["file", "file"], ["replay", "replay"]].map(([one, said]) => html`<option value=${one}>${said}</option>`)}</select></label>
      ${behind > 0 && html`<button type="button" class="button" onClick=${list.reload}>${counted(behind, "newer event")}</button>`}
    </div>
    <${Card} title="Events" foot=${newest ? `${grouped(newest)} in the log. Their bytes are never changed.` : null}>
      ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Events, newest first" rows=${list.items} id=${(/** @type {any} */ row) => row.seq} selected=${(/** @type {any} */ row) => place.value.trail.at(-1)?.id === String(row.seq)}
        empty=${html`<${Empty} title="No event fits" command="conductor doctor">Signed webhooks and everything fetched from a vendor land here first.</${Empty}>`} columns=${[
          { title: "Event", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="event" id=${row.seq}>${row.kind}</${Trail}><span class="sub mono">${row.object_id || row.event_id}</span>` },
          { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />` },
          { title: "Source", narrow: true, cell: (/** @type {any} */ row) => html`${row.source} <span class="faint">by ${row.channel}</span>` },
          { title: "Number", right: true, narrow: true, cell: (/** @type {any} */ row) => row.seq },
          { title: "Size", right: true, narrow: true, cell: (/** @type {any} */ row) => size(row.bytes) },
          { title: "Received", right: true, cell: (/** @type {any} */ row) => moment(row.received_at, zoneOf()) },
        ]} />`}
      <${More} list=${list} />
    </${Card}>
  </${Fragment}>`;
}

function Quarantine() {
  const { filters } = place.value;
  const groups = topics.value.quarantine?.items ?? topics.value.quarantine ?? [];
  const rows = Array.isArray(groups) ? groups : [];
  return html`<${Fragment}>
    <${Card} title="By reason" foot="A record waits with its bytes and its reason. Mended once, its like can follow.">
      <${Table} caption="Quarantine by reason" rows=${rows} id=${(/** @type {any} */ row) => row.group} selected=${(/** @type {any} */ row) => filters.group === row.group} empty=${html`<${Empty} title="Nothing is in quarantine">Everything that came in was understood.</${Empty}>`} columns=${[
        { title: "Reason", head: true, cell: (/** @type {any} */ row) => html`<button type="button" class="number" onClick=${() => go({ filters: { ...filters, group: row.group } })}>${row.code} ${row.message}</button><span class="sub mono">${row.pointer}</span>` },
        { title: "Kinds", narrow: true, cell: (/** @type {any} */ row) => row.kinds.join(", ") },
        { title: "Since", narrow: true, cell: (/** @type {any} */ row) => moment(row.oldest_at, zoneOf()) },
        { title: "Records", right: true, cell: (/** @type {any} */ row) => row.count },
        { title: "Act", quiet: true, right: true, cell: (/** @type {any} */ row) => may("quarantine.release") && html`<${Act} act=${() => ask("/quarantine/release", { method: "POST", body: { group: row.group } })} done=${(/** @type {any} */ answer) => `${answer.sent} sent through again.`}>Release ${row.count}</${Act}>` },
      ]} />
    </${Card}>
    <${Records} group=${filters.group ?? ""} again=${JSON.stringify(rows)} />
  </${Fragment}>`;
}

/** @param {{group: string, again: string}} props */
function Records({ group, again }) {
  const list = useList(`/quarantine?state=open${group ? `&group=${encodeURIComponent(group)}` : ""}`, again);
  if (!list.items.length && !list.problem) return null;
  return html`<${Card} title=${group ? "Records with this reason" : "Records"}>
    ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Records in quarantine" rows=${list.items} id=${(/** @type {any} */ row) => row.seq} columns=${[
      { title: "Record", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="quarantine" id=${row.seq}>${row.kind}</${Trail}><span class="sub mono">${row.object_id || row.event_id}</span>` },
      { title: "Finding", cell: (/** @type {any} */ row) => html`${row.message}<span class="sub mono">${row.pointer}</span>` },
      { title: "Waits for", narrow: true, cell: (/** @type {any} */ row) => row.waits_for || "a person" },
      { title: "Tries", right: true, narrow: true, cell: (/** @type {any} */ row) => row.attempts },
      { title: "Received", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.received_at, zoneOf()) },
    ]} />`}
    <${More} list=${list} />
  </${Card}>`;
}
