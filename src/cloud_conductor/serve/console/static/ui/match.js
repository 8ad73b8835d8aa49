// Find and match: records of the other side that together make up for one; a second person where the rule asks for one.

import { Fragment, html, useState } from "../vendor/preact.js";
import { counted, day, money, person } from "../lib/format.js";
import { ask } from "../lib/net.js";
import { Act, Amount, Empty, State, Table, Trail, Trouble, may, useAsked } from "./kit.js";

/** What is left of a break when the chosen ones are matched with it. @param {any} found @param {any[]} chosen */
const left = (found, chosen) => chosen.reduce((sum, one) => sum + one.amount_minor, found.amount_minor);

/** @param {{found: any, done: () => void}} props */
export function Match({ found, done }) {
  const [isOpen, setOpen] = useState(false);
  if (!found.may_match || !may("breaks.resolve")) return null;
  return isOpen ? html`<${Candidates} found=${found} done=${done} />`
    : html`<div class="row"><button type="button" class="button" onClick=${() => setOpen(true)}>Find and match</button><span class="note">Look for its counterpart on the other side.</span></div>`;
}

/** @param {{found: any, done: () => void}} props */
function Candidates({ found, done }) {
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [reason, setReason] = useState("");
  const [chosen, setChosen] = useState(/** @type {string[] | null} */ (null));
  const { data, problem } = useAsked(`/breaks/${encodeURIComponent(found.id)}/candidates${asked ? `?q=${encodeURIComponent(asked)}` : ""}`);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="faint">Looking</p>`;
  const taken = chosen ?? data.suggested;
  const rows = data.items.map((/** @type {any} */ one) => ({ ...one, ...one.break }));
  const picked = rows.filter((/** @type {any} */ one) => taken.includes(one.id));
  const rest = left(found, picked);
  /** @param {string} id */
  const toggle = (id) => setChosen(taken.includes(id) ? taken.filter((/** @type {string} */ one) => one !== id) : [...taken, id]);
  const match = async () => {
    const answer = await ask(`/breaks/${encodeURIComponent(found.id)}/match`, { method: "POST", body: { with: picked.map((/** @type {any} */ one) => one.id), ...(reason ? { reason } : {}) } });
    done();
    return answer;
  };
  return html`<section class="stack" aria-label="Find and match">
    <h3>Find and match</h3>
    <form class="row bottom" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); setAsked(text.trim()); }}>
      <label class="labelled">Reference, amount or message<input class="field" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>
      <button type="submit" class="button">Find</button></form>
    <${Table} caption="Records of the other side" rows=${rows} id=${(/** @type {any} */ row) => row.id} selected=${(/** @type {any} */ row) => taken.includes(row.id)}
      empty=${html`<${Empty} title="No record of the other side is without a counterpart">Explain this one with a reason instead, or compare again when the other side has come.</${Empty}>`} columns=${[
        { title: "Choose", quiet: true, tight: true, cell: (/** @type {any} */ row) => html`<input type="checkbox" aria-label=${`Match with ${row.message}`} checked=${taken.includes(row.id)} onChange=${() => toggle(row.id)} />` },
        { title: "Record", head: true, cell: (/** @type {any} */ row) => html`${row.message}<span class="sub">${row.store} \u00b7 ${day(row.business_date)}${row.is_exact ? " \u00b7 the exact amount" : ""}</span>` },
        { title: "Amount", right: true, cell: (/** @type {any} */ row) => money(row.amount_minor, row.currency) },
      ]} />
    ${picked.length > 0 && html`<${Fragment}>
      <p>${counted(picked.length, "record")} chosen: ${rest === 0 ? html`<${State} state="ok" word="they make up for it exactly" />` : html`<${State} state="warning" word="not yet" /> <span class="strong"><${Amount} minor=${rest} currency=${found.currency} /></span> is left`}</p>
      <label class="labelled">Why they belong together<input class="field" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} placeholder="kept in the audit record" /></label>
      <div class="row"><${Act} class="button primary" disabled=${rest !== 0 || !reason} act=${match} done=${() => (data.needs_second ? "Matched. A second person approves it." : "Matched.")}>Match</${Act}>
        ${data.needs_second && html`<span class="note">The amount asks for a second person's word.</span>`}</div></${Fragment}>`}
  </section>`;
}

/** What somebody proposed, for a second person. @param {{found: any, done: () => void}} props */
export function Proposal({ found, done }) {
  const [reason, setReason] = useState("");
  if (found.state !== "proposed") return null;
  /** @param {string} what @param {any} body */
  const send = (what, body) => async () => {
    await ask(`/breaks/${encodeURIComponent(found.id)}/${what}`, { method: "POST", body });
    done();
  };
  return html`<section class="stack" aria-label="Proposal">
    <p><${State} state="waiting" word="a second person approves" /> ${person(found.proposed_by)} proposed: ${found.reason || "no reason given"}</p>
    ${found.matched_with?.length > 0 && html`<${Table} caption="Matched with" rows=${found.matched_with} id=${(/** @type {any} */ row) => row.id} columns=${[
      { title: "Matched with", head: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="break" id=${row.id}>${row.code} ${row.title}</${Trail}><span class="sub">${row.message}</span>` },
      { title: "Amount", right: true, cell: (/** @type {any} */ row) => money(row.amount_minor, row.currency) }]} />`}
    ${found.why_not_approve ? html`<p class="note">${found.why_not_approve}</p>` : html`<${Fragment}>
      <label class="labelled">Reason, when it is declined<input class="field" value=${reason} onInput=${(/** @type {any} */ event) => setReason(event.target.value)} /></label>
      <div class="row"><${Act} class="button primary" act=${send("approve", {})} done=${() => "Approved."}>Approve</${Act}>
        <${Act} class="button danger" disabled=${!reason} act=${send("decline", { reason })} done=${() => "Declined; it is open again."}>Decline</${Act}></div></${Fragment}>`}
  </section>`;
}
