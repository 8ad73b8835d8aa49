// The trail: any figure, the rows under it, their raw events, the entry they are in, the vendor's own page. And back.

import { Fragment, html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { day, moment, money, person, pretty, quantity, sentence, size, words } from "../lib/format.js";
import { changes, mended } from "../lib/mend.js";
import { ask } from "../lib/net.js";
import { go, href, place } from "../lib/route.js";
import { Alert, Alerts } from "./alerts.js";
import { Act, Amount, Empty, Hidden, Icon, State, Table, Trail, Trouble, Vendor, may, useAsked, zoneOf } from "./kit.js";
import { Match, Proposal } from "./match.js";

const ALIKE_MAX = 200;
/** @type {Record<string, string>} */
const KINDS = { net_sales: "Net sales", sale: "Sale", tender: "Tender", event: "Event", entry: "Entry", line: "Line of the entry", break: "Break", payout: "Payout", sku: "Product",
  quarantine: "Quarantine", run: "Run", customer: "Customer", store: "Store", alerts: "Alerts", alert: "Alert" };
/** What is not a step from a figure to its bytes. */
const ASIDE = new Set(["quarantine", "alerts", "alert", "customer"]);

/** @param {string} id */
const short = (id) => (id.length > 18 ? `${id.slice(0, 8)}\u2026${id.slice(-4)}` : id);

export default function TrailPanel() {
  const stops = place.value.trail;
  const stop = /** @type {import("../lib/route.js").Stop} */ (stops.at(-1));
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  const before = useRef(document.activeElement);
  useLayoutEffect(() => heading.current?.focus(), [stop.kind, stop.id]);
  useEffect(() => () => {
    const back = before.current?.isConnected && before.current !== document.body ? before.current : document.querySelector("h1");
    if (back instanceof HTMLElement) back.focus();
  }, []);
  const close = () => go({ trail: [] });
  useLayoutEffect(() => {
    // From the first moment, wherever the focus is, but for a box that lies above this one.
    const keys = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) close();
    };
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, []);
  const Body = BODIES[stop.kind];
  return html`<aside class="drawer" aria-label="Trail">
    <header>
      <div class="row between"><nav aria-label="The way here"><ol class="crumbs">
        <li><a href=${href({ trail: [] })}>${sentence(place.value.page)}</a></li>
        ${stops.map((one, index) => html`<li>${index === stops.length - 1
          ? html`<span aria-current="true">${KINDS[one.kind] ?? one.kind}</span>`
          : html`<a href=${href({ trail: stops.slice(0, index + 1) })}>${KINDS[one.kind] ?? one.kind} ${one.kind === "alerts" ? "" : short(one.id)}</a>`}</li>`)}
      </ol></nav>
      <button type="button" class="button quiet icon" aria-label="Close the trail" onClick=${close}><${Icon} name="cross" /></button></div>
      <h2 ref=${heading} tabindex="-1">${KINDS[stop.kind] ?? stop.kind} ${stop.kind !== "alerts" && html`<span class="mono faint">${short(stop.id)}</span>`}</h2>
    </header>
    <div class="inside" key=${`${stop.kind}:${stop.id}`}>
      ${Body && html`<${Body} id=${stop.id} />`}
      ${!ASIDE.has(stop.kind) && html`<${Steps} kind=${stop.kind} id=${stop.id} />`}
    </div>
  </aside>`;
}

/** A line of an entry is the entry with the line's number. @param {string} kind @param {string} id */
function trailPath(kind, id) {
  if (kind !== "line") return `/trail/${kind}/${encodeURIComponent(id)}`;
  const cut = id.lastIndexOf(":");
  return `/trail/entry/${encodeURIComponent(id.slice(0, cut))}?line=${id.slice(cut + 1)}`;
}

/** Where this comes from and where it goes, as the server knows it. @param {{kind: string, id: string}} props */
function Steps({ kind, id }) {
  const { data, problem } = useAsked(trailPath(kind, id));
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="faint">Following</p>`;
  return html`<${Fragment}>${data.steps.filter((/** @type {any} */ step) => step.count).map((/** @type {any} */ step) => html`<section class="stack">
    <div class="row between"><h3>${step.title} <span class="faint">${step.count}</span></h3>
      ${step.total_minor !== null && html`<span class="strong">${money(step.total_minor, step.currency)} <span class="faint tiny">${step.currency}</span></span>`}</div>
    <${Table} caption=${step.title} rows=${step.items} id=${(/** @type {any} */ ref) => ref.kind + ref.id} columns=${[
      { title: "What", head: true, cell: (/** @type {any} */ ref) => html`<${RefLink} ref_=${ref} outside=${step.step === "vendor"} />` },
      { title: "Details", quiet: true, cell: (/** @type {any} */ ref) => html`<span class="faint wrap">${[ref.at && moment(ref.at, zoneOf()), ref.detail].filter(Boolean).join(", ")}</span>` },
      ...(step.items.some((/** @type {any} */ ref) => ref.amount_minor !== null) ? [{ title: "Amount", right: true, cell: (/** @type {any} */ ref) => (ref.amount_minor === null ? "" : money(ref.amount_minor, ref.currency)) }] : []),
    ]} />
    ${step.more && html`<p class="note">The first ${step.items.length} of ${step.count}.</p>`}
  </section>`)}</${Fragment}>`;
}

/** What a row leads to; `outside`: the vendor's own page. @param {{ref_: any, outside?: boolean}} props */
const RefLink = ({ ref_: ref, outside = false }) => {
  if (ref.url && (outside || !KINDS[ref.kind])) return html`<${Vendor} plain=${true} url=${ref.url}>${ref.label}</${Vendor}>`;
  return KINDS[ref.kind] ? html`<${Trail} kind=${ref.kind} id=${ref.id} class="wrap">${ref.label}</${Trail}>` : html`<span class="wrap">${ref.label}</span>`;
};

/** @param {{id: string}} props */
function Entry({ id }) {
  const { data, problem, reload } = useAsked(`/journals/${encodeURIComponent(id)}`);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  /** @param {any} value */
  const amount = (value) => (value ? money(value, data.currency) : "");
  return html`<section class="stack">
    <div class="row between"><div class="row"><strong>${data.kind}</strong> ${data.store} <span class="faint">${data.business_date}</span> <${State} state=${data.state} /></div>
      <${Vendor} url=${data.url}>Open in the ledger</${Vendor}></div>
    ${data.error && html`<div class="problem"><p>${data.error}</p></div>`}
    <${Table} caption="Lines of the entry" rows=${data.lines} id=${(/** @type {any} */ line) => line.n} columns=${[
      { title: "Account", head: true, cell: (/** @type {any} */ line) => html`<${Fragment}><${Trail} kind="line" id=${`${data.key}:${line.n}`}>${line.account_code}</${Trail}> ${line.account_name ?? ""}<span class="sub">${line.description}</span></${Fragment}>` },
      { title: "Debit", right: true, cell: (/** @type {any} */ line) => amount(line.debit_minor) },
      { title: "Credit", right: true, cell: (/** @type {any} */ line) => amount(line.credit_minor) },
    ]} total=${html`<tr><th scope="row">${data.is_balanced ? "Balanced" : "Not balanced"}</th><td class="right">${money(data.debit_total_minor, data.currency)}</td><td class="right">${money(data.credit_total_minor, data.currency)}</td></tr>`} />
    <${EntryFacts} entry=${data} />
    <${EntryActs} entry=${data} done=${reload} />
  </section>`;
}

/** @param {{entry: any}} props */
const EntryFacts = ({ entry }) => html`<dl class="facts">
  <dt>Prepared by</dt><dd>${entry.created_by} <span class="faint">${moment(entry.created_at, zoneOf(entry.store))}</span></dd>
  ${entry.approved_by && html`<dt>Approved by</dt><dd>${entry.approved_by}</dd>`}
  ${entry.posted_at && html`<dt>Posted</dt><dd>${moment(entry.posted_at, zoneOf(entry.store))} as <code>${entry.external_id}</code>, read back ${entry.readback}</dd>`}
  <dt>Same entry, always</dt><dd><code>${entry.key}</code></dd>
  ${entry.correction && html`<dt>Correction</dt><dd>${entry.correction} of version ${entry.version - 1}</dd>`}
</dl>`;

/** @param {{entry: any, done: () => void}} props */
function EntryActs({ entry, done }) {
  const [reason, setReason] = useState("");
  if (entry.state !== "draft" && !(entry.state === "approved" && may("journals.post"))) return null;
  /** @param {string} what */
  const send = (what) => async () => {
    await ask(`/journals/${what}`, { method: "POST", body: { keys: [entry.key], reason: reason || (what === "approve" ? "checked in the console" : "") } });
    done();
  };
  return html`<div class="stack">
    ${entry.state === "draft" && html`<label class="labelled">Reason<input class="field" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} placeholder="kept in the audit record" /></label>
    <div class="row"><${Act} class="button primary" act=${send("approve")} done=${() => "Approved. It is posted with the next run."} disabled=${!entry.can_approve}>Approve</${Act}>
      <${Act} class="button danger" act=${send("reject")} done=${() => "Held back."} disabled=${!may("journals.approve") || !reason}>Hold back</${Act}></div>
    ${!entry.can_approve && html`<p class="note">${entry.why_not || "Your role does not approve entries."}</p>`}`}
    ${entry.state === "approved" && html`<div class="row"><${PostNow} done=${done} /></div>`}
  </div>`;
}

/** @param {{done?: () => void}} props */
export const PostNow = ({ done = () => undefined }) => html`<${Act} class="button primary" done=${() => "Sent to the scheduler; each entry is posted once."}
  act=${async () => { await ask("/journals/post", { method: "POST", body: {} }); done(); }}>Post approved entries</${Act}>`;

/** @param {{id: string}} props */
function Sale({ id }) {
  const { data, problem } = useAsked(`/sales/${encodeURIComponent(id)}`);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  const { sale } = data;
  const hidden = new Set(data.masked ?? []);
  return html`<section class="stack">
    <div class="row between"><div class="row"><span class="strong"><${Amount} minor=${sale.total_minor} currency=${sale.currency} /></span> <${State} state=${sale.state} /></div><${Vendor} url=${data.url}>Open at the till</${Vendor}></div>
    <dl class="facts"><dt>Store</dt><dd>${sale.store}, ${sale.register || "no register named"}</dd><dt>Rung up</dt><dd title=${sale.occurred_at}>${moment(sale.occurred_at, zoneOf(sale.store))}, business day ${day(sale.business_date)}</dd>
      <dt>Customer</dt><dd>${hidden.has("customer_id") ? html`<${Hidden} />` : sale.customer_id ? html`<${Trail} kind="customer" id=${sale.customer_id}>${sale.customer_id}</${Trail}>` : "not named"}</dd></dl>
    <${Table} caption="Lines of the sale" rows=${data.lines} id=${(/** @type {any} */ line) => line.line_uid + line.event} columns=${[
      { title: "Item", head: true, cell: (/** @type {any} */ line) => html`<${Fragment}>${line.name}<span class="sub">${line.event === "return" ? "return · " : ""}${line.sku ? html`<${Trail} kind="sku" id=${line.sku}>${line.sku}</${Trail}>` : words(line.line_kind)}${line.department ? ` · ${line.department}` : ""}</span></${Fragment}>` },
      { title: "Quantity", right: true, cell: (/** @type {any} */ line) => quantity(line.quantity) },
      { title: "Net", right: true, cell: (/** @type {any} */ line) => money(line.net_minor, sale.currency) },
      { title: "Tax", right: true, cell: (/** @type {any} */ line) => money(line.tax_minor, sale.currency) },
    ]} />
    <${Table} caption="Tenders" rows=${data.tenders} id=${(/** @type {any} */ one) => one.tender_id} columns=${[
      { title: "Tender", head: true, cell: (/** @type {any} */ one) => html`<${Fragment}><${Trail} kind="tender" id=${one.tender_id}>${words(one.tender_type)}${one.brand ? ` ${words(one.brand)}` : ""}</${Trail}></${Fragment}>` },
      { title: "State", cell: (/** @type {any} */ one) => html`<${State} state=${one.state} />` },
      { title: "Amount", right: true, cell: (/** @type {any} */ one) => money(one.amount_minor, sale.currency) },
    ]} />
  </section>`;
}

/** @param {number} seq @returns {Promise<string>} */
const shown = async (seq) => (await ask(`/events/${seq}/reveal`, { method: "POST", body: { reason: "looked at in the console" } })).body;

/** @param {{id: string}} props */
function EventBody({ id }) {
  const { data, problem } = useAsked(`/events/${encodeURIComponent(id)}`);
  const [revealed, setRevealed] = useState("");
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  const reveal = async () => setRevealed(await shown(data.seq));
  return html`<section class="stack">
    <div class="row"><strong>${data.kind}</strong> <${State} state=${data.state} /> <span class="faint">${data.source} by ${data.channel}</span></div>
    <dl class="facts"><dt>Received</dt><dd title=${data.received_at}>${moment(data.received_at, zoneOf())}</dd><dt>Signature</dt><dd>${data.signature}</dd><dt>SHA-256</dt><dd><code>${data.sha256}</code></dd>
      <dt>Event id</dt><dd><code>${data.event_id}</code></dd></dl>
    <h3>What became of it</h3>
    <ol class="steps">${data.deliveries.map((/** @type {any} */ one) => html`<li class=${one.state}><strong>${sentence(words(one.step))}</strong> <${State} state=${one.state} /> <span class="faint">${one.at ? moment(one.at, zoneOf()) : ""}</span>
      <div class="faint">${one.detail} ${one.ref && html`<${RefLink} ref_=${one.ref} />`}</div></li>`)}</ol>
    <div class="row between"><h3>Original bytes <span class="faint">${size(data.bytes)}</span></h3>
      ${data.body_masked && !revealed && (may("events.reveal") ? html`<${Act} act=${reveal} class="button" done=${() => "Revealed, and written to the audit record."}><${Icon} name="lock" />Reveal</${Act}>` : html`<${Hidden} />`)}</div>
    <pre class="body" tabindex="0" aria-label="Body of the event">${pretty(revealed || data.body)}</pre>
    ${may("quarantine.release") && html`<div class="row"><${Act} act=${() => ask("/events/replay", { method: "POST", body: { seqs: [data.seq] } })} done=${() => "Sent through again; the same content changes nothing."}>Send through again</${Act}>
      <button type="button" class="button quiet" onClick=${() => navigator.clipboard?.writeText(data.curl)}>Copy as curl</button></div>`}
  </section>`;
}

/** @param {{id: string}} props */
function Break({ id }) {
  const { data, problem, reload } = useAsked(`/breaks/${encodeURIComponent(id)}`);
  const [reason, setReason] = useState("");
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  const open = ["open", "assigned"].includes(data.state);
  /** @param {string} what @param {any} body */
  const send = (what, body) => async () => {
    await ask(`/breaks/${encodeURIComponent(id)}/${what}`, { method: "POST", body });
    reload();
  };
  return html`<section class="stack">
    <div class="row"><strong>${data.code} ${data.title}</strong> <${State} state=${data.state} /></div>
    <p>${data.message}</p>
    <dl class="facts"><dt>Amount</dt><dd><${Amount} minor=${data.amount_minor} currency=${data.currency} /></dd><dt>Where</dt><dd>${data.store}, ${day(data.business_date)}, level ${data.level}</dd>
      ${data.explain && html`<dt>What it is</dt><dd>${data.explain.what}</dd><dt>Why</dt><dd>${data.explain.why}</dd><dt>Next</dt><dd>${data.explain.next}</dd>`}
      ${data.hint && data.hint !== data.explain?.next && html`<dt>Hint</dt><dd>${data.hint}</dd>`}${data.owner && html`<dt>Owner</dt><dd>${data.owner}</dd>`}${data.reason && html`<dt>Reason</dt><dd>${data.reason}</dd>`}</dl>
    ${data.refs?.length > 0 && html`<${Table} caption="Both sides" rows=${data.refs} id=${(/** @type {any} */ ref) => ref.kind + ref.id} columns=${[
      { title: "Side", head: true, cell: (/** @type {any} */ ref) => html`<${RefLink} ref_=${ref} />` }, { title: "Details", quiet: true, cell: (/** @type {any} */ ref) => ref.detail },
      { title: "Amount", right: true, cell: (/** @type {any} */ ref) => (ref.amount_minor === null ? "" : money(ref.amount_minor, ref.currency)) }]} />`}
    <${Proposal} found=${data} done=${reload} />
    ${open && html`<${Match} found=${data} done=${reload} />`}
    ${data.state !== "proposed" && data.matched_with?.length > 0 && html`<p class="note">Matched with ${data.matched_with.map((/** @type {any} */ one) => html`<${Trail} kind="break" id=${one.id}>${one.message}</${Trail}> `)}</p>`}
    ${open && may("breaks.resolve") && html`<label class="labelled">Reason<input class="field" name="reason" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} placeholder="kept in the audit record" /></label>
    <div class="row"><${Act} class="button primary" disabled=${!reason} act=${send("accept", { reason })} done=${() => (data.needs_second ? "Proposed with its reason; a second person approves it." : "Accepted with its reason.")}>Accept with this reason</${Act}>
      <${Act} act=${send("assign", { owner: "me" })} done=${() => "Assigned to you."}>Assign to me</${Act}></div>`}
    <h3>History</h3>
    <ol class="steps">${(data.history ?? []).map((/** @type {any} */ one) => html`<li class="done">${sentence(words(one.state))} <span class="faint">${[moment(one.at, zoneOf(data.store)), person(one.actor || one.owner), one.reason].filter(Boolean).join(" \u00b7 ")}</span></li>`)}</ol>
  </section>`;
}

/** @param {{id: string}} props */
function Customer({ id }) {
  const { data, problem } = useAsked(`/customers/${encodeURIComponent(id)}`);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  return html`<section class="stack">
    <dl class="facts"><dt>Customer</dt><dd>${data.customer_id ? html`<code>${data.customer_id}</code>` : html`<${Hidden} />`}</dd><dt>First seen</dt><dd>${moment(data.first_sale_at, zoneOf())}</dd><dt>Last seen</dt><dd>${moment(data.last_sale_at, zoneOf())}</dd>
      <dt>Sales</dt><dd>${data.orders}</dd><dt>Net sales</dt><dd><${Amount} minor=${data.net_minor} currency=${data.currency} /></dd></dl>
    <${Table} caption="Latest receipts" rows=${data.sales} id=${(/** @type {any} */ row) => row.sale_id} empty=${html`<${Empty} title="No receipt" />`} columns=${[
      { title: "Receipt", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="sale" id=${row.sale_id}>${moment(row.occurred_at, zoneOf(row.store))}</${Trail}><span class="sub">${row.store}</span>` },
      { title: "Total", right: true, cell: (/** @type {any} */ row) => html`${money(row.total_minor, row.currency)} <span class="faint tiny">${row.currency}</span>` }]} />
  </section>`;
}

/** @param {{id: string}} props */
function Sku({ id }) {
  const { data, problem } = useAsked(`/inventory/${encodeURIComponent(id)}/movements`);
  const about = useAsked(`/inventory/${encodeURIComponent(id)}`);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  return html`<section class="stack">
    ${about.data && html`<div class="row"><strong>${about.data.name}</strong> <span>${quantity(about.data.on_hand)} on hand</span> <span class="faint">${quantity(about.data.in_transit)} in transit</span></div>`}
    <${Table} caption="Movements, newest first" rows=${data.items} id=${(/** @type {any} */ one) => one.movement_id} empty=${html`<${Empty} title="Nothing has moved" />`} columns=${[
      { title: "Movement", head: true, cell: (/** @type {any} */ one) => html`<${Fragment}>${one.ref ? html`<${Trail} kind=${one.ref.kind} id=${one.ref.id}>${words(one.kind)}</${Trail}>` : words(one.kind)}<span class="sub">${one.store} · ${moment(one.occurred_at, zoneOf(one.store))}${one.reason ? ` · ${one.reason}` : ""}</span></${Fragment}>` },
      { title: "Quantity", right: true, cell: (/** @type {any} */ one) => quantity(one.quantity) },
      { title: "Balance", right: true, cell: (/** @type {any} */ one) => quantity(one.balance) },
    ]} />
  </section>`;
}

/** @param {{id: string}} props */
function Quarantined({ id }) {
  const { data, problem, reload } = useAsked(`/quarantine/${encodeURIComponent(id)}`);
  const [whole, setWhole] = useState(/** @type {string | null} */ (null));
  const [body, setBody] = useState(/** @type {string | null} */ (null));
  const [verdict, setVerdict] = useState(/** @type {any} */ (null));
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  const original = whole ?? data.body;
  const hidden = data.body_masked && whole === null;
  const text = body ?? pretty(original);
  const open = data.state === "open" && may("quarantine.release");
  const check = async () => setVerdict(await ask(`/quarantine/${data.seq}/check`, { method: "POST", body: { body: text } }));
  const release = async () => {
    const fixed = body === null ? {} : { body: text };
    const answer = await ask("/quarantine/release", { method: "POST", body: { seqs: [data.seq], ...fixed } });
    reload();
    return answer;
  };
  return html`<section class="stack">
    <div class="row"><strong>${sentence(words(data.code))}</strong> <${State} state=${data.state === "open" ? "quarantined" : data.state} /> <span class="faint">${data.kind} from ${data.source}</span></div>
    <ul class="stack">${data.findings.map((/** @type {any} */ one) => html`<li class="problem"><p><code>${one.pointer}</code> ${one.message}</p></li>`)}</ul>
    ${hidden && open && html`<p class="note">Personal fields are hidden. Mending needs the whole record; looking at it is written to the audit record.</p>
      <div class="row"><${Act} act=${async () => setWhole(await revealed(data.seq))}><${Icon} name="lock" />Reveal to mend</${Act}></div>`}
    <label class="labelled">Body: the original stays as it is, a fix is a new version with your name
      <textarea class="field mono" spellcheck="false" readonly=${hidden || !open} value=${text} onInput=${(/** @type {any} */ event) => { setBody(event.target.value); setVerdict(null); }}></textarea></label>
    ${verdict && (verdict.ok ? html`<p><${State} state="ok" word="the contract holds" /></p>` : html`<ul class="stack">${verdict.findings.map((/** @type {any} */ one) => html`<li class="problem"><code>${one.pointer}</code> ${one.message}</li>`)}</ul>`)}
    ${open && html`<div class="row"><${Act} act=${check} disabled=${hidden}>Check</${Act}>
      <${Act} class=${body === null ? "button" : "button primary"} act=${release} done=${(/** @type {any} */ answer) => `${answer.sent} sent through again.`}>${body === null ? "Release as it is" : "Release this fix"}</${Act}>
      ${body !== null && html`<${Act} act=${async () => { const told = await releaseAlike(data, original, text); reload(); return told; }} done=${(/** @type {string} */ told) => told}>Mend all with this reason</${Act}>`}</div>`}
    <p><${Trail} kind="event" id=${data.seq}>The event as it came</${Trail}></p>
  </section>`;
}

/** The whole body of an event; the server notes who looked. @param {number} seq @returns {Promise<string>} */
const revealed = async (seq) => (await ask(`/events/${seq}/reveal`, { method: "POST", body: { reason: "mending a record in quarantine" } })).body;

/**
 * The same change to every record of the group that has the place, each checked first.
 * @param {any} record @param {string} before @param {string} after @returns {Promise<string>} what was done
 */
async function releaseAlike(record, before, after) {
  const wanted = changes(JSON.parse(before), JSON.parse(after));
  const { items } = await ask(`/quarantine?state=open&limit=${ALIKE_MAX}&group=${encodeURIComponent(record.group)}`);
  let [sent, left] = [0, 0];
  for (const one of items) {
    const shown = one.seq === record.seq ? null : await ask(`/quarantine/${one.seq}`);
    const whole = shown === null ? before : shown.body_masked ? await revealed(one.seq) : shown.body;
    const fixed = mended(JSON.parse(whole), wanted);
    const body = fixed && JSON.stringify(fixed);
    const holds = body && (await ask(`/quarantine/${one.seq}/check`, { method: "POST", body: { body } })).ok;
    if (holds) await ask("/quarantine/release", { method: "POST", body: { seqs: [one.seq], body } });
    if (holds) sent += 1;
    else left += 1;
  }
  return `${sent} mended and sent through again${left ? `; ${left} stay, the fix does not fit them` : ""}.`;
}

/** @type {Record<string, any>} what is shown above the steps */
const BODIES = { entry: Entry, sale: Sale, event: EventBody, break: Break, sku: Sku, quarantine: Quarantined, alerts: Alerts, alert: Alert, customer: Customer };
