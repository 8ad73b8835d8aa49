// Settings: connections, how roles map to accounts, people and keys, and the record of who did what.

import { Fragment, html, useState } from "../vendor/preact.js";
import { moment, person, sentence, words } from "../lib/format.js";
import { ask } from "../lib/net.js";
import { go, place } from "../lib/route.js";
import { Act, Card, Choices, Empty, More, State, Table, Trail, Trouble, may, tell, useAsked, useList, zoneOf } from "../ui/kit.js";

/** @type {[string, string, string][]} tab, title, permission */
const TABS = [["", "Connections", "settings.read"], ["mapping", "Mapping", "settings.read"], ["people", "People and keys", "users.manage"], ["audit", "Audit", "audit.read"]];

export default function Settings() {
  const tab = place.value.filters.tab ?? "";
  /** @type {Record<string, any>} */
  const bodies = { "": Connections, mapping: Mapping, people: People, audit: Audit };
  const needed = TABS.find(([name]) => name === tab)?.[2] ?? "";
  return html`<${Fragment}><${Choices} name="tab" label="Settings" choices=${TABS.map(([name, title]) => [name, title])} />
    ${may(needed) ? html`<${bodies[tab] ?? Connections} />` : html`<${Card} title="Not for your role"><${Empty} title=${`This needs the permission ${needed}`} command="conductor users grant">An administrator can give it.</${Empty}></${Card}>`}</${Fragment}>`;
}

function Connections() {
  const [all, setAll] = useState(false);
  const { data, problem } = useAsked("/settings");
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  const config = data.config.filter((/** @type {any} */ row) => all || row.origin !== "default");
  return html`<${Fragment}>
    <${Card} title="Connections"><${Table} caption="Connections" rows=${data.connections} id=${(/** @type {any} */ row) => row.kind + row.name} columns=${[
      { title: "Connection", head: true, cell: (/** @type {any} */ row) => html`${sentence(row.vendor)}<span class="sub">${row.kind === "pos" ? "point of sale" : row.kind}, ${row.name}</span>` },
      { title: "State", cell: (/** @type {any} */ row) => html`<${State} state=${row.state} />${row.last_error && html`<span class="sub wrap">${row.last_error}</span>`}` },
      { title: "Address", narrow: true, cell: (/** @type {any} */ row) => html`<span class="wrap">${row.base_url}</span>` },
      { title: "Last answer", right: true, cell: (/** @type {any} */ row) => moment(row.last_success_at, zoneOf()) },
    ]} /></${Card}>
    <${Card} title="Configuration" aside=${html`<button type="button" class="button" aria-pressed=${all} onClick=${() => setAll(!all)}>Show defaults too</button>`} foot=${html`Each value and where it came from, as <code>conductor config show</code> prints it. Secrets are references and are never shown.`}>
      <${Table} caption="Configuration" rows=${config} id=${(/** @type {any} */ row) => row.key} columns=${[
        { title: "Key", head: true, cell: (/** @type {any} */ row) => html`<code>${row.key}</code>` },
        { title: "Value", cell: (/** @type {any} */ row) => html`<span class="wrap">${String(row.value)}</span>` },
        { title: "From", narrow: true, cell: (/** @type {any} */ row) => html`<span class="faint">${row.origin}</span>` },
      ]} /></${Card}>
  </${Fragment}>`;
}

function Mapping() {
  const { data, problem } = useAsked("/settings");
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return null;
  return html`<${Card} title="Mapping" aside=${data.mapping_gaps.length ? html`<${State} state="warning" word=${`${data.mapping_gaps.length} without an account`} />` : html`<${State} state="ok" word="complete" />`}
    foot=${html`The mapping is a section of conductor.toml. A role without an account blocks its entries and says so${data.mapping_gaps.length ? html`: ${data.mapping_gaps.map(words).join(", ")}` : ""}.`}>
    <${Table} caption="Roles and accounts" rows=${data.mapping} id=${(/** @type {any} */ row) => row.role + row.account_code} columns=${[
      { title: "What it is", head: true, cell: (/** @type {any} */ row) => sentence(words(row.role)) },
      { title: "Account", cell: (/** @type {any} */ row) => (row.account_code ? html`<code>${row.account_code}</code> ${row.account_name ?? ""}` : html`<${State} state="warning" word="no account" />`) },
      { title: "Used", narrow: true, cell: (/** @type {any} */ row) => (row.used ? "yes" : "not yet") },
    ]} /></${Card}>`;
}

function People() {
  const users = useAsked("/users");
  const [made, setMade] = useState({ name: "", url: "" });
  const keys = useAsked("/keys");
  const link = async (/** @type {string} */ name) => {
    const answer = await ask(`/users/${encodeURIComponent(name)}/link`, { method: "POST", body: {} });
    setMade({ name, url: answer.url });
  };
  if (users.problem) return html`<${Trouble} problem=${users.problem} />`;
  const people = users.data?.items ?? users.data ?? [];
  const held = keys.data?.items ?? keys.data ?? [];
  return html`<${Fragment}>
    <${Card} title="People">${made.url && html`<p class="pad note" role="status">One-time link for ${made.name}, shown this once: <code class="wrap">${made.url}</code></p>`}<${Table} caption="People" rows=${people} id=${(/** @type {any} */ row) => row.name} empty=${html`<${Empty} title="Nobody but you" command="conductor users add NAME --role finance" />`} columns=${[
      { title: "Name", head: true, cell: (/** @type {any} */ row) => row.name },
      { title: "Roles", cell: (/** @type {any} */ row) => row.roles.join(", ") },
      { title: "Stores", narrow: true, cell: (/** @type {any} */ row) => (row.stores.includes("*") ? "all" : row.stores.join(", ")) },
      { title: "Last seen", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.last_seen_at, zoneOf()) },
      { title: "State", narrow: true, cell: (/** @type {any} */ row) => html`<${State} state=${row.is_active ? "ok" : "stopped"} word=${row.is_active ? "active" : "closed"} />` },
      { title: "Act", quiet: true, right: true, cell: (/** @type {any} */ row) => row.is_active && html`<${Act} act=${() => link(row.name)}>One-time link</${Act}>` },
    ]} /></${Card}>
    <${Card} title="API keys" aside=${html`<${NewKey} done=${keys.reload} />`}><${Table} caption="API keys" rows=${held} id=${(/** @type {any} */ row) => row.id} empty=${html`<${Empty} title="No key yet">A key lets a till, a web shop or a script ask the same API with its own role.</${Empty}>`} columns=${[
      { title: "Key", head: true, cell: (/** @type {any} */ row) => html`${row.name}<span class="sub mono">${row.id}</span>` },
      { title: "Roles", cell: (/** @type {any} */ row) => row.roles.join(", ") },
      { title: "Last used", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.last_used_at, zoneOf()) },
      { title: "Expires", right: true, narrow: true, cell: (/** @type {any} */ row) => moment(row.expires_at, zoneOf()) },
      { title: "Act", quiet: true, right: true, cell: (/** @type {any} */ row) => (row.revoked_at ? html`<${State} state="stopped" word="revoked" />` : html`<${Act} class="button danger" act=${async () => { await ask(`/keys/${row.id}`, { method: "DELETE" }); keys.reload(); }} done=${() => "Revoked."}>Revoke</${Act}>`) },
    ]} /></${Card}>
  </${Fragment}>`;
}

/** @param {{done: () => void}} props */
function NewKey({ done }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const [made, setMade] = useState("");
  const make = async () => {
    const answer = await ask("/keys", { method: "POST", body: { name, roles: [role], stores: ["*"], days: 90 } });
    setMade(answer.key);
    setName("");
    done();
  };
  return html`<div class="row bottom">
    ${made && html`<p class="note">Shown this once: <code class="wrap">${made}</code></p>`}
    <label class="labelled">Name<input class="field" value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} /></label>
    <label class="labelled">Role<select class="field" value=${role} onChange=${(/** @type {any} */ event) => setRole(event.target.value)}>${["viewer", "operator", "finance", "approver", "data", "admin"].map((one) => html`<option>${one}</option>`)}</select></label>
    <${Act} disabled=${!name} act=${make}>Make a key</${Act}></div>`;
}

function Audit() {
  const { filters } = place.value;
  const asked = ["actor", "act", "subject"].flatMap((name) => (filters[name] ? [[name, filters[name]]] : []));
  const query = new URLSearchParams(/** @type {string[][]} */ (asked)).toString();
  const list = useList(`/audit${query ? `?${query}` : ""}`);
  /** @param {string} name */
  const set = (name) => (/** @type {any} */ event) => go({ filters: { ...filters, [name]: event.target.value.trim() } });
  const verify = async () => {
    const answer = await ask("/audit/verify");
    tell(answer.ok ? `The chain of ${answer.records} records is whole.` : `The chain is broken: ${answer.flaw}`, !answer.ok);
  };
  return html`<div class="row bottom">
      <label class="labelled">Who<input class="field" placeholder="user:owner" value=${filters.actor ?? ""} onChange=${set("actor")} /></label>
      <label class="labelled">Act<input class="field" placeholder="entry.approved" value=${filters.act ?? ""} onChange=${set("act")} /></label>
      <label class="labelled">About<input class="field" placeholder="an entry, a user, a break" value=${filters.subject ?? ""} onChange=${set("subject")} /></label></div>
    <${Card} title="Audit record" aside=${html`<${Act} act=${verify}>Verify the chain</${Act}>`} foot="Each record holds the hash of the one before it.">
    ${list.problem ? html`<${Trouble} problem=${list.problem} />` : html`<${Table} caption="Audit record, newest first" rows=${list.items} id=${(/** @type {any} */ row) => row.seq} empty=${html`<${Empty} title=${query ? "No record fits" : "Nobody has done anything yet"} />`} columns=${[
      { title: "Act", head: true, cell: (/** @type {any} */ row) => html`${sentence(words(row.act).replaceAll(",", ""))}<span class="sub">${row.act.startsWith("entry.") ? html`<${Trail} kind="entry" id=${row.subject}>${row.subject}</${Trail}>` : row.subject}</span>` },
      { title: "By", cell: (/** @type {any} */ row) => person(row.actor) },
      { title: "Reason", narrow: true, cell: (/** @type {any} */ row) => html`<span class="wrap">${row.reason || "\u2013"}</span>` },
      { title: "When", right: true, cell: (/** @type {any} */ row) => moment(row.at, zoneOf()) },
      { title: "Hash", narrow: true, cell: (/** @type {any} */ row) => html`<code class="faint">${String(row.hash).slice(0, 12)}</code>` },
    ]} />`}
    <${More} list=${list} />
  </${Card}>`;
}
