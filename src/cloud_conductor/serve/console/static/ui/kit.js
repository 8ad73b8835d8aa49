// The small parts every page is made of. State is a sign and a word, never a colour alone.

import { Fragment, html, signal, useEffect, useRef, useState } from "../vendor/preact.js";
import { age, day, money, words } from "../lib/format.js";
import { Problem, ask, session } from "../lib/net.js";
import { further, go, href, place } from "../lib/route.js";

/** Outlines on a 24-unit grid. @type {Record<string, string>} */
const ICONS = {
  mark: "M3 17c6 0 5-10 11-10h7M3 7c6 0 5 10 11 10h7",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1M12 20v1M3 12h1M20 12h1M5.6 5.6l.7.7M17.7 17.7l.7.7M5.6 18.4l.7-.7M17.7 6.3l.7-.7",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  scale: "M12 4v16M7 20h10M5 7h14M5 7l-3 7h6zM19 7l-3 7h6z",
  book: "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM9 9h6M9 13h6",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4 21c0-4 4-6 8-6s8 2 8 6",
  inbox: "M4 5h16v14H4zM4 13h5l1 3h4l1-3h5",
  flow: "M4 5h6v5H4zM14 14h6v5h-6zM7 10v6h7",
  gear: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5",
  check: "M5 13l4 4L19 7",
  cross: "M6 6l12 12M18 6L6 18",
  dot: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.5",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4l3 2",
  lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  out: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  arrow: "M5 12h14M13 6l6 6-6 6",
  table: "M4 5h16v14H4zM4 10h16M10 10v9",
  chart: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4zM10 21h4",
  more: "M5 12h.01M12 12h.01M19 12h.01",
};

/** @param {{name: string, size?: number}} props */
export const Icon = ({ name, size = 16 }) => html`<svg width=${size} height=${size} viewBox="0 0 24 24" fill="none" stroke="currentColor"
  stroke-width=${name === "more" ? 3 : 2} stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${ICONS[name] ?? ICONS.dot} /></svg>`;

/** What each state of the house is said with: tone, sign, word. @type {Record<string, [string, string, string?]>} */
const STATES = {
  green: ["good", "check"], ok: ["good", "check"], done: ["good", "check"], posted: ["good", "check"], confirmed: ["good", "check"],
  verified: ["good", "check"], captured: ["good", "check"], resolved: ["good", "check"], running: ["good", "check"], final: ["good", "check"], matched: ["good", "check"],
  accepted: ["good", "check"], reconciled: ["good", "check"], same: ["good", "check"], acknowledged: ["info", "check"],
  approved: ["info", "check"], released: ["info", "check"], replayed: ["info", "check"], closed: ["info", "check"], complete: ["info", "check"], sealed: ["info", "check"],
  auto_explained: ["info", "check", "explained"], explained: ["info", "check"], assigned: ["info", "person"], proposed: ["warn", "person", "second person"],
  draft: ["warn", "clock", "to approve"], pending: ["warn", "clock"], provisional: ["warn", "clock", "in progress"], queued: ["warn", "clock"], late: ["warn", "clock"],
  waiting: ["warn", "clock"], sending: ["warn", "clock"], unknown: ["warn", "alert"], warning: ["warn", "alert"], held: ["warn", "alert"],
  open: ["warn", "alert"], yellow: ["warn", "alert"], amber: ["warn", "alert"], breaks: ["bad", "alert"], quarantined: ["bad", "alert"], blocked: ["bad", "alert"],
  red: ["bad", "cross"], rejected: ["bad", "cross"], failed: ["bad", "cross"], dead: ["bad", "cross"], stopped: ["bad", "cross"], critical: ["bad", "alert"],
  down: ["bad", "cross"], differs: ["bad", "cross"], never: ["", "dot", "never"], not_connected: ["", "dot", "not connected"], ignored: ["", "dot"], info: ["info", "dot"],
};

/** @param {{state: string | null | undefined, word?: string}} props */
export function State({ state, word }) {
  const key = (state || "").toLowerCase();
  const [tone, icon, said] = STATES[key] ?? ["", "dot"];
  return html`<span class="badge ${tone}"><${Icon} name=${icon} size=${12} />${word ?? said ?? words(key)}</span>`;
}

/** A business day that is open is nothing to worry about. @param {{state: string | null | undefined}} props */
export const DayState = ({ state }) => (!state || state.toLowerCase() === "open" ? html`<span class="badge"><${Icon} name="dot" size=${12} />open</span>` : html`<${State} state=${state} />`);

/** A figure that leads somewhere: one more stop on the trail.
 * @param {{kind: string, id: string | number, children?: any, class?: string}} props */
export const Trail = ({ kind, id, children, class: name = "number" }) =>
  html`<a class=${name} href=${further(kind, id)}>${children}</a>`;

/** @param {{minor: number | null | undefined, currency: string | null | undefined}} props */
export const Amount = ({ minor, currency }) => html`<${Fragment}>${money(minor, currency)} <span class="unit">${currency}</span></${Fragment}>`;

/** What a role may not see. */
export const Hidden = () => html`<span class="badge"><${Icon} name="lock" size=${12} />hidden</span>`;

/** @param {{title: string, children?: any, command?: string}} props */
export const Empty = ({ title, children, command }) => html`<div class="empty"><h3>${title}</h3>
  ${children && html`<p>${children}</p>`}${command && html`<p><code>${command}</code></p>`}</div>`;

/** @param {{problem: any}} props */
export const Trouble = ({ problem }) => html`<div class="problem" role="alert">
  <p class="strong">${problem.message}</p>
  ${problem.errors?.map((/** @type {any} */ one) => html`<p><code>${one.pointer}</code> ${one.message}</p>`)}
  ${(problem.fix || problem.code) && html`<p>${problem.fix && html`<code>${problem.fix}</code> `}<span class="faint">${problem.code}</span></p>`}
</div>`;

/** @param {{title: any, aside?: any, children?: any, foot?: any, padded?: boolean, id?: string}} props */
export const Card = ({ title, aside, children, foot, padded = false, id }) => html`<section class="card" aria-labelledby=${id ?? null}>
  <header><h2 id=${id ?? null}>${title}</h2>${aside}</header>
  ${padded ? html`<div class="pad">${children}</div>` : children}
  ${foot && html`<footer>${foot}</footer>`}
</section>`;

/**
 * @typedef {{title: string, cell: (row: any, index: number) => any, right?: boolean, narrow?: boolean, head?: boolean, id?: boolean, tight?: boolean, quiet?: boolean}} Column
 * narrow: left out on a phone. head: names the row. quiet: its title is only for those who hear the page.
 * @param {{columns: Column[], rows: any[], caption: string, id: (row: any) => string | number, empty?: any, total?: any, selected?: (row: any) => boolean}} props
 */
export function Table({ columns, rows, caption, id, empty, total, selected }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const look = new ResizeObserver(() => setWide(node.scrollWidth > node.clientWidth + 1));
    look.observe(node);
    return () => look.disconnect();
  }, [rows.length > 0]);
  if (!rows.length && empty) return empty;
  /** @param {Column} column */
  const name = (column) => `${column.right ? "right " : ""}${column.narrow ? "narrow-hide " : ""}${column.id ? "id " : ""}${column.tight ? "tight" : ""}`;
  return html`<div class="scroll" ref=${box} tabindex=${wide ? 0 : null} role=${wide ? "region" : null} aria-label=${wide ? caption : null}>
    <table>
      <caption class="visually-hidden">${caption}</caption>
      <thead><tr>${columns.map((column) => html`<th scope="col" class=${name(column)}>${column.quiet ? html`<span class="visually-hidden">${column.title}</span>` : column.title}</th>`)}</tr></thead>
      <tbody>${rows.map((row, index) => html`<tr key=${id(row)} aria-selected=${selected?.(row) ? "true" : null}>
        ${columns.map((column) => column.head
          ? html`<th scope="row" class=${name(column)}>${column.cell(row, index)}</th>`
          : html`<td class=${name(column)}>${column.cell(row, index)}</td>`)}
      </tr>`)}</tbody>
      ${total && html`<tfoot>${total}</tfoot>`}
    </table>
  </div>`;
}

/**
 * Ask once, and again whenever the path or `again` changes. The last answer stays while the next is on its way.
 * @param {string | null} path @param {any} [again]
 * @returns {{data: any, problem: any, reload: () => void}}
 */
export function useAsked(path, again) {
  const [state, setState] = useState(/** @type {{data: any, problem: any, path: string | null}} */ ({ data: undefined, problem: null, path: null }));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    ask(path, { signal: stop.signal }).then(
      (data) => setState({ data, problem: null, path }),
      (problem) => {
        if (!stop.signal.aborted) setState({ data: undefined, problem, path });
      },
    );
    return () => stop.abort();
  }, [path, again, turn]);
  const ours = state.path !== null && path !== null && state.path.split("?")[0] === path.split("?")[0];
  return { data: ours ? state.data : undefined, problem: ours ? state.problem : null, reload: () => setTurn((now) => now + 1) };
}

/** A list with "more": pages are added until the question changes.
 * @param {string} path with its question @param {any} [again] */
export function useList(path, again) {
  const first = useAsked(path, again);
  const [more, setMore] = useState(/** @type {{path: string, items: any[], next: string | null}} */ ({ path: "", items: [], next: null }));
  useEffect(() => setMore({ path, items: [], next: null }), [path, first.data]);
  const mine = more.path === path ? more : { items: [], next: null };
  const items = [...(first.data?.items ?? []), ...mine.items];
  const next = mine.items.length ? mine.next : (first.data?.next ?? null);
  const load = async () => {
    const page = await ask(`${path}${path.includes("?") ? "&" : "?"}after=${encodeURIComponent(next ?? "")}`);
    setMore({ path, items: [...mine.items, ...page.items], next: page.next });
  };
  return { ...first, items, next, more: load };
}

/** @param {{list: {next: string | null, more: () => void}}} props */
export const More = ({ list }) =>
  list.next && html`<footer><button class="button quiet" onClick=${list.more}>Show more</button></footer>`;

/** What the page says for a moment, also to a screen reader. @type {import("../vendor/preact.js").Signal<{text: string, bad: boolean, n: number}[]>} */
export const notices = signal([]);
let told = 0;
/** @param {string} text @param {boolean} [bad] */
export function tell(text, bad = false) {
  const n = ++told;
  notices.value = [...notices.value, { text, bad, n }];
  setTimeout(() => {
    notices.value = notices.value.filter((one) => one.n !== n);
  }, bad ? 9000 : 5000);
}

/** Do something a person asked for: the button waits, the outcome is said.
 * @param {{act: () => Promise<any>, done?: (answer: any) => string, children?: any, class?: string, disabled?: boolean, title?: string, pressed?: boolean}} props */
export function Act({ act, done, children, class: name = "button", disabled = false, title, pressed }) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    setBusy(true);
    try {
      const answer = await act();
      if (done) tell(done(answer));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      tell([problem.message, problem.fix].filter(Boolean).join(" "), true);
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" class=${name} title=${title} aria-pressed=${pressed ?? null} aria-disabled=${busy || disabled} disabled=${disabled} onClick=${busy ? null : press}>${children}</button>`;
}

/** @param {string} permission */
export const may = (permission) => Boolean(session.value?.permissions?.includes(permission));

/** @param {string} store @returns {any} what the house says of a store */
export const storeOf = (store) => session.value?.house?.stores?.find((/** @type {any} */ one) => one.store === store);
/** The store that is chosen, or the only one; empty when there are several. */
export function oneStore() {
  const known = session.value?.house?.stores ?? [];
  const chosen = place.value.stores.length ? place.value.stores : known.map((/** @type {any} */ one) => one.store);
  return chosen.length === 1 ? chosen[0] : "";
}
/** @param {string} [store] the zone of a store, or of the first */
export const zoneOf = (store) => (storeOf(store ?? "") ?? session.value?.house?.stores?.[0])?.time_zone;

/** Chips that set one filter of the address. @param {{name: string, choices: [string, string][], label: string}} props */
export const Choices = ({ name, choices, label }) => html`<div class="row" role="group" aria-label=${label}>
  ${choices.map(([value, title]) => html`<button type="button" class="button" aria-pressed=${(place.value.filters[name] || "") === value}
    onClick=${() => go({ filters: { ...place.value.filters, [name]: value } })}>${title}</button>`)}
</div>`;

/** Whether a store's till sells. @param {{row: any}} props */
export const Till = ({ row }) => (row.is_dead_till ? html`<${State} state="critical" word=${`no sale ${age(row.silent_min * 60)}`} />`
  : row.last_sale_at ? html`<${State} state="ok" word="selling" />` : html`<${State} state="never" word="no sale yet" />`);

/** @param {{store: string, date?: string}} props */
export const StoreDay = ({ store, date }) => html`<${Fragment}>${store || "all stores"}${date && html`<span class="sub">${day(date)}</span>`}</${Fragment}>`;

/** The vendor's own page, on another host: a new tab. @param {{url: string | null | undefined, children?: any, plain?: boolean}} props */
export const Vendor = ({ url, children, plain = false }) => (url ? html`<a class=${plain ? "out" : "button"} href=${url} target="_blank" rel="noreferrer">${children}<${Icon} name="out" size=${14} /></a>` : null);

/** Where an action of the server leads. @param {any} action */
export function actionHref(action) {
  const page = { break: "reconcile", entry: "journals", journals: "journals", quarantine: "events", event: "events", sku: "inventory", stock: "inventory",
    inventory: "inventory", mapping: "settings", settings: "settings", store: "live", run: "pipelines", runs: "pipelines", pipeline: "pipelines" }[/** @type {string} */ (action?.kind)];
  const filters = Object.fromEntries(Object.entries(action?.query ?? {}).map(([name, value]) => [name, String(value)]));
  if (action?.kind === "quarantine") filters.show = "quarantine";
  const trail = action?.id && ["break", "entry", "event", "sku", "sale", "alert"].includes(action.kind) ? [{ kind: action.kind, id: String(action.id) }] : [];
  return href({ page: page ?? (trail.length ? place.value.page : "today"), filters, trail });
}
