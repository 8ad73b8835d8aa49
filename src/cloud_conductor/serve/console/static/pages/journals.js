// Journals: what will be posted, what was posted, by whom, where. A second person approves.

import { Fragment, html, useState } from "../vendor/preact.js";
import { day, moment, money } from "../lib/format.js";
import { ask, topics } from "../lib/net.js";
import { place, spanned } from "../lib/route.js";
import { Act, Card, Choices, Empty, More, State, StoreDay, Table, Trail, Trouble, Vendor, may, useList, zoneOf } from "../ui/kit.js";
import { PostNow } from "../ui/trail.js";

/** @type {[string, string][]} */
const STATES = [["", "All"], ["draft", "To approve"], ["blocked", "Blocked"], ["approved", "Approved"], ["posted", "Posted"], ["dead", "Failed"]];

/** @type {Record<string, string>} what an empty list says */
const NONE = { "": "No entry has been drafted yet", draft: "Nothing waits for approval", blocked: "No entry is blocked", dead: "Every posting is as the ledger holds it" };

export default function Journals() {
  const counts = topics.value.journals?.by_state ?? {};
  const { filters } = place.value;
  const list = useList(`/journals${spanned({ state: filters.state, kind: filters.kind })}`, topics.value.journals?.seq);
  const [chosen, setChosen] = useState(/** @type {Set<string>} */ (new Set()));
  const ready = list.items.filter((row) => row.can_approve);
  /** @param {string} key */
  const toggle = (key) => setChosen((now) => {
    const next = new Set(now);
    if (!next.delete(key)) next.add(key);
    return next;
  });
  const keys = ready.map((row) => row.key).filter((key) => chosen.has(key));
  const approve = async () => {
    const answer = await ask("/journals/approve", { method: "POST", body: { keys, reason: "checked in the console" } });
    setChosen(new Set());
    list.reload();
    return answer;
  };
  return html`<${Fragment}>
    <div class="row between"><${Choices} name="state" label="State" choices=${STATES.map(([value, title]) => [value, value && counts[value] ? `${title} ${counts[value]}` : title])} />
      <div class="row">${ready.length > 0 && html`<button type="button" class="button quiet" onClick=${() => setChosen(new Set(keys.length === ready.length ? [] : ready.map((row) => row.key)))}>${keys.length === ready.length ? "Choose none" : `Choose all ${ready.length}`}</button>`}
        ${may("journals.approve") && html`<${Act} class="button primary" disabled=${keys.length === 0} act=${approve} done=${(/** @type {any} */ answer) => `Approved ${answer.approved.length}. They are posted with the next run.`}>Approve ${keys.length || ""}</${Act}>`}
        ${may("journals.post") && counts.approved > 0 && html`<${PostNow} />`}</div></div>
    <${Card} title="Entries" foot=${list.items.length ? "Each is one document in the ledger, posted exactly once and read back." : null}>
      ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Entries" rows=${list.items} id=${(/** @type {any} */ row) => row.key} selected=${(/** @type {any} */ row) => place.value.trail.some((stop) => stop.id === row.key)}
        empty=${html`<${Empty} title=${NONE[filters.state ?? ""] ?? "No entry is in this state"} command=${filters.state ? undefined : "conductor run close"}>${filters.state === "draft" ? "What was approved is posted with the next run, and is then found under Posted." : "Entries are drafted when a business day is closed."}</${Empty}>`} columns=${columns(chosen, toggle)} />`}
      <${More} list=${list} />
    </${Card}>
  </${Fragment}>`;
}

/** @param {Set<string>} chosen @param {(key: string) => void} toggle */
const columns = (chosen, toggle) => [
  { title: "Choose", quiet: true, tight: true, cell: (/** @type {any} */ row) => row.can_approve && html`<input type="checkbox" aria-label=${`Choose ${row.kind} ${row.store} ${row.business_date}`} checked=${chosen.has(row.key)} onChange=${() => toggle(row.key)} />` },
  { title: "Entry", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="entry" id=${row.key}>${row.kind}</${Trail}><span class="sub wide-hide">${row.store} \u00b7 ${day(row.business_date)}</span><span class="sub mono narrow-hide">${row.key.slice(0, 12)}</span>` },
  { title: "Store and day", narrow: true, cell: (/** @type {any} */ row) => html`<${StoreDay} store=${row.store} date=${row.business_date} />` },
  { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />${row.error && html`<span class="sub wrap">${row.error}</span>`}` },
  { title: "Total", right: true, cell: (/** @type {any} */ row) => html`${money(row.debit_minor, row.currency)} <span class="faint tiny">${row.currency}</span>` },
  { title: "Approved by", narrow: true, cell: (/** @type {any} */ row) => (row.approved_by || "").replace("user:", "") || html`<span class="faint">\u2013</span>` },
  { title: "Posted", narrow: true, cell: (/** @type {any} */ row) => (row.posted_at ? moment(row.posted_at, zoneOf(row.store)) : html`<span class="faint">\u2013</span>`) },
  { title: "In the ledger", narrow: true, cell: (/** @type {any} */ row) => html`<${Vendor} plain=${true} url=${row.url}>Open</${Vendor}>` },
];
