// Alerts in the drawer: what is wrong, since when, where its cause is, and who has taken it on.

import { Fragment, html, useState } from "../vendor/preact.js";
import { counted, moment, person, sentence, words } from "../lib/format.js";
import { ask, topics } from "../lib/net.js";
import { further, href, place } from "../lib/route.js";
import { Act, Empty, State, Table, Trail, Trouble, actionHref, may, useAsked, zoneOf } from "./kit.js";

const NOTE_MAX = 500;

/** The list as it is now: asked for again when the number of open ones changes. */
const useAlerts = () => useAsked(`/alerts${place.value.stores.map((store, index) => `${index ? "&" : "?"}store=${encodeURIComponent(store)}`).join("")}`, topics.value.status?.badges?.alerts);

/** @param {any} alert */
const Standing = ({ alert }) => (alert.state === "open" ? html`<${State} state=${alert.severity} word=${words(alert.kind)} />` : html`<${State} state="acknowledged" word=${`taken on by ${person(alert.acknowledged_by)}`} />`);

/** Where the cause is looked for. @param {any} alert @returns {[string, string]} address, words */
function cause(alert) {
  const stores = alert.store ? [alert.store] : [];
  if (alert.ref?.kind === "break") return [further("break", alert.ref.id), "Open the break"];
  /** @type {Record<string, [string, string]>} */
  const places = {
    schema_drift: [href({ page: "events", trail: [], filters: { show: "quarantine" } }), "See the records in quarantine"],
    dead_till: [href({ page: "live", trail: [], filters: {}, stores }), `See ${alert.store} live`],
    drawer_short: [href({ page: "review", trail: [], filters: {}, stores }), "See the drawer in Review"],
    windows_unlike: [href({ page: "live", trail: [], filters: {}, stores }), "See the live figures"],
    freshness: [href({ page: "pipelines", trail: [], filters: {} }), "See every feed's age"],
    pipeline_failed: [href({ page: "pipelines", trail: [], filters: {} }), "See the run and its error"],
  };
  return places[alert.kind] ?? (alert.ref ? [actionHref(alert.ref), "See the cause"] : ["", ""]);
}

/** Every alert that lasts. */
export function Alerts() {
  const { data, problem } = useAlerts();
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="faint">Looking</p>`;
  return html`<section class="stack">
    <${Table} caption="Alerts" rows=${data.items} id=${(/** @type {any} */ row) => row.id} empty=${html`<${Empty} title="Nothing is wrong">A late feed, a failed run, a changed schema, a large break, a short drawer or a silent till is told here, and wherever the configuration sends alerts.</${Empty}>`} columns=${[
      { title: "Alert", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="alert" id=${row.id}>${sentence(row.title)}</${Trail}><span class="sub">${[row.store, moment(row.first_at, zoneOf(row.store))].filter(Boolean).join(" \u00b7 ")}</span>` },
      { title: "State", cell: (/** @type {any} */ row) => html`<${Standing} alert=${row} />` },
    ]} /></section>`;
}

/** One alert, and the way to its cause. @param {{id: string}} props */
export function Alert({ id }) {
  const { data, problem, reload } = useAlerts();
  const [note, setNote] = useState("");
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="faint">Looking</p>`;
  const alert = data.items.find((/** @type {any} */ one) => one.id === id);
  if (!alert) return html`<${Empty} title="This alert has ended">What it told of is no longer so.</${Empty}>`;
  const [address, said] = cause(alert);
  const take = async () => {
    await ask(`/alerts/${encodeURIComponent(id)}/acknowledge`, { method: "POST", body: { note: note || "taken on in the console" } });
    reload();
  };
  return html`<section class="stack">
    <div class="row"><strong>${sentence(alert.title)}</strong> <${Standing} alert=${alert} /></div>
    <p class="wrap">${sentence(alert.detail)}</p>
    <dl class="facts">
      ${alert.store && html`<dt>Store</dt><dd>${alert.store}</dd>`}
      <dt>Since</dt><dd>${moment(alert.first_at, zoneOf(alert.store))}, seen ${counted(alert.count, "time")}, last ${moment(alert.last_at, zoneOf(alert.store))}</dd>
      <dt>Work of</dt><dd>${alert.roles.join(", ")}${alert.is_mine ? "" : " (not your role)"}</dd>
      ${alert.note && html`<dt>Note</dt><dd>${alert.note}</dd>`}</dl>
    ${address && html`<div class="row"><a class="button primary" href=${address}>${said}</a></div>`}
    ${alert.state === "open" && may("alerts.ack") && html`<${Fragment}><label class="labelled">Note<input class="field" maxlength=${NOTE_MAX} value=${note} onInput=${(/** @type {any} */ event) => setNote(event.target.value)} placeholder="what you do about it" /></label>
      <div class="row"><${Act} act=${take} done=${() => "Taken on. It is not sent again while it lasts."}>Take it on</${Act}></div></${Fragment}>`}
  </section>`;
}
