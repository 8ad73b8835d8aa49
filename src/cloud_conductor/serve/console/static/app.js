// The shell: who is signed in, where one is, the header, the page. Pages are loaded when they are first opened.

import { html, render, signal, useEffect, useRef, useState } from "./vendor/preact.js";
import { day } from "./lib/format.js";
import { Problem, ask, askSession, line, session, topics, watch } from "./lib/net.js";
import { PAGES, dated, go, href, place } from "./lib/route.js";
import { Icon, Trouble, notices } from "./ui/kit.js";

/** @type {Record<string, string[]>} what each page wants from the stream besides `status` */
const TOPICS = {
  today: ["today", "live"], live: ["live"], reconcile: ["reconcile"], journals: ["journals"], review: ["journals", "reconcile"],
  inventory: ["inventory"], customers: [], events: ["events", "quarantine"], pipelines: ["runs"], settings: [],
};
const loaded = signal(/** @type {Record<string, any>} */ ({}));
const failed = signal("");
const palette = signal(/** @type {any} */ (null));
/** What is typed between Ctrl-K and the box that takes it; null when nobody waits for it. @type {string | null} */
let early = null;
const sheet = signal(false);
const theme = signal(localStorage.getItem("theme") || "");

/** @param {string} chosen "" follows the machine */
function dress(chosen) {
  theme.value = chosen;
  localStorage.setItem("theme", chosen);
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  dispatchEvent(new Event("themechange"));
}

/** @param {string} name */
async function load(name) {
  if (loaded.value[name]) return;
  try {
    const module = await import(name === "trail" || name === "palette" ? `./ui/${name}.js` : `./pages/${name}.js`);
    loaded.value = { ...loaded.value, [name]: module.default };
    failed.value = "";
  } catch {
    failed.value = `The page ${name} could not be loaded. Is the server running?`;
  }
}

/** @param {{page: any}} props */
function PlaceLink({ page }) {
  const key = { events: "quarantine" }[/** @type {string} */ (page.name)] ?? page.name;
  const count = topics.value.status?.badges?.[key] || 0;
  return html`<a class="place" href=${href({ page: page.name, trail: [], filters: {} })} aria-current=${place.value.page === page.name ? "page" : null}>
    <${Icon} name=${page.icon} />${page.title}${count ? html`<span class="count">${count}<span class="visually-hidden"> waiting</span></span>` : null}</a>`;
}

function Nav() {
  const groups = [...new Set(PAGES.map((page) => page.group))].filter(Boolean);
  const plain = PAGES.filter((page) => !page.group);
  return html`<nav class="nav" aria-label="Places">
    <a class="brand" href=${href({ page: "today", trail: [], filters: {} })}><${Icon} name="mark" size=${22} />Cloud Conductor</a>
    ${plain.slice(0, 2).map((page) => html`<${PlaceLink} page=${page} />`)}
    ${groups.map((group) => [html`<h2>${group}</h2>`, PAGES.filter((page) => page.group === group).map((page) => html`<${PlaceLink} page=${page} />`)])}
    <h2>House</h2>
    ${plain.slice(2).map((page) => html`<${PlaceLink} page=${page} />`)}
    <div class="foot"><${Theme} /><span>${session.value.user.name} · <a href="#out" onClick=${signOut}>sign out</a></span></div>
  </nav>`;
}

/** @param {Event} event */
async function signOut(event) {
  event.preventDefault();
  await ask("/session", { method: "DELETE" });
  session.value = null;
}

function Theme() {
  const next = { "": "light", light: "dark", dark: "" }[theme.value] ?? "";
  const word = { "": "as the system", light: "light", dark: "dark" }[theme.value];
  return html`<button type="button" class="button quiet" onClick=${() => dress(next)}><${Icon} name="theme" />Theme: ${word}</button>`;
}

function TabBar() {
  const now = place.value.page;
  /** @type {[string, string, string, string[]][]} */
  const tabs = [["today", "Today", "sun", ["today"]], ["live", "Live", "pulse", ["live"]], ["journals", "Money", "book", ["journals", "reconcile", "review"]],
    ["inventory", "Stock", "box", ["inventory"]]];
  return html`<nav class="tabbar" aria-label="Main places">
    ${tabs.map(([page, title, icon, own]) => html`<a href=${href({ page, trail: [], filters: {} })} aria-current=${own.includes(now) ? "page" : null}><${Icon} name=${icon} size=${20} />${title}</a>`)}
    <button type="button" aria-haspopup="dialog" onClick=${() => { sheet.value = true; }}><${Icon} name="more" size=${20} />More</button>
  </nav>`;
}

/** All places, for a phone. */
function Sheet() {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    if (sheet.value) box.current?.showModal();
    else box.current?.close();
  }, [sheet.value]);
  const close = () => { sheet.value = false; };
  return html`<dialog ref=${box} aria-label="All places" onClose=${close} onClick=${close}><div class="sheet">
    ${PAGES.map((page) => html`<a href=${href({ page: page.name, trail: [], filters: {} })}><${Icon} name=${page.icon} size=${20} />${page.title}</a>`)}
    <div class="row between"><${Theme} /><button type="button" class="button" onClick=${close}>Close</button></div>
  </div></dialog>`;
}

function Line() {
  const status = topics.value.status;
  const state = line.value;
  const lag = status?.lag_s;
  const word = state === "live" ? (lag !== null && lag !== undefined && lag >= 1 ? `Live, ${Math.round(lag)} s behind` : "Live") : state === "waiting" ? "Reconnecting" : "Connecting";
  const dates = [...new Set(Object.values(status?.business_dates ?? {}))].sort();
  return html`<span class="live ${state === "live" ? "" : "waiting"}"><span class="dot"></span><span role="status">${word}</span>
    ${dates.length ? html`<span class="faint narrow-hide" title="Business day">${day(/** @type {string} */ (dates[0]))}</span>` : null}</span>`;
}

function Pickers() {
  const stores = session.value.house.stores;
  const now = place.value;
  const chosen = now.stores.length > 1 ? "several" : (now.stores[0] ?? "");
  return html`<div class="pickers">
    ${stores.length > 1 && html`<select class="field" aria-label="Store" value=${chosen} onChange=${(/** @type {any} */ event) => go({ stores: event.target.value ? [event.target.value] : [] })}>
      <option value="">All ${stores.length} stores</option>
      ${now.stores.length > 1 && html`<option value="several">${now.stores.join(", ")}</option>`}
      ${stores.map((/** @type {any} */ one) => html`<option value=${one.store}>${one.store}${one.name && one.name !== one.store ? ` · ${one.name}` : ""}</option>`)}
    </select>`}
    <input class="field" type="date" aria-label="Business date" value=${now.date || topics.value.today?.business_date || Object.values(topics.value.status?.business_dates ?? {}).sort()[0] || ""}
      onChange=${(/** @type {any} */ event) => go({ date: event.target.value })} />
    ${now.date && html`<button type="button" class="button quiet" onClick=${() => go({ date: "" })}>Now</button>`}
  </div>`;
}

async function openPalette() {
  if (palette.value) return;
  early ??= "";
  const back = document.activeElement ?? document.body;
  await load("palette");
  if (loaded.value.palette && early !== null) palette.value = back;
  else early = null;
}

/** The box is open: it gets what was typed ahead, and every key from here on. */
function takeEarly() {
  const typed = early ?? "";
  early = null;
  return typed;
}

/** A key that comes before the box is open. @param {KeyboardEvent} event */
function keep(event) {
  if (early === null || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") early = null;
  else if (event.key === "Backspace") early = early.slice(0, -1);
  else if (event.key.length === 1) early += event.key;
  else if (event.key !== "Enter") return;
  event.preventDefault();
  event.stopPropagation();
}

/** Find is fetched before anybody asks for it, once the page has its figures and the browser has time. */
function fetchAhead() {
  const act = () => { load("palette"); };
  if (window.requestIdleCallback) window.requestIdleCallback(act, { timeout: 2000 });
  else setTimeout(act, 200);
}

/** The alerts that are open; they come as a stop of the trail. */
function Bell() {
  const open = topics.value.status?.badges?.alerts ?? 0;
  return html`<a class="button icon bell" href=${href({ trail: [{ kind: "alerts", id: "open" }] })}><${Icon} name="bell" /><span class="visually-hidden">Alerts</span>${open ? html`<span class="count">${open}<span class="visually-hidden"> open</span></span>` : null}</a>`;
}

/** What the house runs with is not what its file says. */
function Outdated() {
  const roles = topics.value.status?.outdated_roles ?? [];
  return roles.length > 0 && html`<div class="problem warn" role="alert"><p><b>conductor.toml was changed after ${roles.join(", ")} started.</b> What you see still follows the former file: stop <code>conductor up</code> and start it again.</p></div>`;
}

function SignIn() {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const expired = new URLSearchParams(location.search).get("signin") === "expired";
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    try {
      session.value = await ask("/session", { method: "POST", body: { key: key.trim() } });
    } catch (refused) {
      if (!(refused instanceof Problem)) throw refused;
      setProblem(refused);
    }
  };
  return html`<main class="login"><form class="card" onSubmit=${send}>
    <span class="brand"><${Icon} name="mark" size=${22} />Cloud Conductor</span>
    <h1>Sign in</h1>
    <p class="note">${expired ? "That link was used or has expired. " : ""}Ask for a one-time link, or paste an API key. On the machine itself:</p>
    <p><code class="command">conductor users link NAME</code></p>
    <label class="labelled">API key<input class="field" type="password" autocomplete="current-password" required value=${key} onInput=${(/** @type {any} */ event) => setKey(event.target.value)} /></label>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <button class="button primary" type="submit">Sign in</button>
  </form></main>`;
}

function Page() {
  const name = place.value.page;
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  const first = useRef(true);
  const title = PAGES.find((page) => page.name === name)?.title ?? "";
  useEffect(() => {
    load(name);
    document.title = `${title} · Cloud Conductor`;
    if (!first.current) heading.current?.focus();
    first.current = false;
  }, [name]);
  const query = dated();
  const has = Boolean(topics.value.status);
  useEffect(() => {
    if (has) fetchAhead();
  }, [has]);
  useEffect(() => watch(["status", ...(TOPICS[name] ?? [])], query), [name, query]);
  const Body = loaded.value[name];
  return html`<div class="main">
    <header class="topbar"><h1 ref=${heading} tabindex="-1">${title}</h1><${Line} /><${Pickers} />
      <${Bell} />
      <button type="button" class="button search" aria-haspopup="dialog" aria-keyshortcuts="Control+K" onClick=${openPalette}><${Icon} name="search" /><span class="narrow-hide">Find any id</span><kbd class="narrow-hide">Ctrl K</kbd><span class="visually-hidden">Find</span></button>
    </header>
    <main class="content" id="content" tabindex="-1">
      ${failed.value && html`<div class="problem" role="alert">${failed.value}</div>`}
      <${Outdated} />
      ${Body ? html`<${Body} />` : null}
    </main>
  </div>`;
}

function App() {
  const stops = place.value.trail;
  useEffect(() => {
    if (stops.length) load("trail");
  }, [stops.length]);
  if (session.value === undefined) return null;
  if (session.value === null) return html`<${SignIn} />`;
  const TrailPanel = loaded.value.trail;
  const Palette = loaded.value.palette;
  return html`<a class="skip" href="#content" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>Skip to the page</a>
    <div class="shell"><${Nav} /><${Page} /></div><${TabBar} /><${Sheet} />
    ${stops.length && TrailPanel ? html`<${TrailPanel} />` : null}
    ${palette.value && Palette ? html`<${Palette} typed=${takeEarly} onClose=${() => { const back = palette.value; palette.value = null; back?.focus?.(); }} />` : null}
    <div class="notices" role="status">${notices.value.map((one) => html`<div key=${one.n} class="notice ${one.bad ? "bad" : ""}">${one.text}</div>`)}</div>`;
}

addEventListener("keydown", keep, { capture: true });
addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]");
  const wanted = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
  if (!wanted || !session.value) return;
  event.preventDefault();
  openPalette();
});

if (theme.value) document.documentElement.dataset.theme = theme.value;
load(place.value.page);
await askSession();
render(html`<${App} />`, /** @type {Element} */ (document.getElementById("app")));
