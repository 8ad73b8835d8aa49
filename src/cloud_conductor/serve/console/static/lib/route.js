// Where one is: page, stores, date and trail live in the address, so every view is a link and Back works.

import { signal } from "../vendor/preact.js";

/**
 * @typedef {{kind: string, id: string}} Stop one step of the trail
 * @typedef {{page: string, stores: string[], date: string, trail: Stop[], filters: Record<string, string>}} Place
 */

export const PAGES = [
  { name: "today", title: "Today", icon: "sun", group: "" },
  { name: "live", title: "Live", icon: "pulse", group: "" },
  { name: "reconcile", title: "Reconcile", icon: "scale", group: "Money" },
  { name: "journals", title: "Journals", icon: "book", group: "Money" },
  { name: "review", title: "Review", icon: "eye", group: "Money" },
  { name: "inventory", title: "Inventory", icon: "box", group: "Stock" },
  { name: "customers", title: "Customers", icon: "person", group: "Customers" },
  { name: "events", title: "Events", icon: "inbox", group: "Data" },
  { name: "pipelines", title: "Pipelines", icon: "flow", group: "Data" },
  { name: "settings", title: "Settings", icon: "gear", group: "" },
];
const NAMES = new Set(PAGES.map((page) => page.name));
const OWN = new Set(["store", "date", "at"]);

/** @param {{pathname: string, search: string}} address @returns {Place} */
function read(address) {
  const query = new URLSearchParams(address.search);
  const page = address.pathname.split("/")[1] || "today";
  const trail = query.getAll("at").map((stop) => {
    const cut = stop.indexOf(":");
    return { kind: stop.slice(0, cut), id: stop.slice(cut + 1) };
  });
  const filters = Object.fromEntries([...query].filter(([name]) => !OWN.has(name)));
  return {
    page: NAMES.has(page) ? page : "today",
    stores: query.getAll("store"),
    date: query.get("date") || "",
    trail: trail.filter((stop) => stop.kind && stop.id),
    filters,
  };
}

export const place = signal(read(location));

/**
 * The address of a place. What is not named stays, but another page forgets trail and filters.
 * @param {Partial<Place>} changes
 */
export function href(changes) {
  const now = place.value;
  const fresh = changes.page !== undefined && changes.page !== now.page;
  const next = { ...now, ...(fresh ? { trail: [], filters: {} } : {}), ...changes };
  const query = new URLSearchParams();
  for (const store of next.stores) query.append("store", store);
  if (next.date) query.set("date", next.date);
  for (const [name, value] of Object.entries(next.filters)) if (value) query.set(name, value);
  for (const stop of next.trail) query.append("at", `${stop.kind}:${stop.id}`);
  const text = query.toString();
  return `/${next.page}${text ? `?${text}` : ""}`;
}

/** @param {Partial<Place>} changes @param {{replace?: boolean}} [options] */
export function go(changes, { replace = false } = {}) {
  goTo(href(changes), { replace });
}

/** @param {string} address an own path @param {{replace?: boolean}} [options] */
export function goTo(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  place.value = read(location);
}

/** @param {string} kind @param {string | number} id @returns {string} address with one more stop on the trail */
export function further(kind, id) {
  const trail = place.value.trail;
  const at = trail.findIndex((stop) => stop.kind === kind && stop.id === String(id));
  const before = at >= 0 ? trail.slice(0, at) : trail;
  return href({ trail: [...before, { kind, id: String(id) }] });
}

/**
 * A question for the API about the stores of the address, and what more it is asked.
 * @param {Record<string, string | number | null | undefined>} [more]
 */
export function scoped(more = {}) {
  const query = new URLSearchParams(place.value.stores.map((store) => ["store", store]));
  for (const [name, value] of Object.entries(more)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** The same about the address's date. @param {Record<string, string | number | null | undefined>} [more] */
export const dated = (more = {}) => scoped({ date: place.value.date, ...more });

/** The same where a span of dates is asked for. @param {Record<string, string | number | null | undefined>} [more] */
export const spanned = (more = {}) => scoped({ from: place.value.date, to: place.value.date, ...more });

addEventListener("popstate", () => {
  place.value = read(location);
});

// Every link is a real link; a plain click on one of ours changes the place without a load.
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin) return;
  if (!NAMES.has(link.pathname.split("/")[1] ?? "") && link.pathname !== "/") return;
  event.preventDefault();
  goTo(link.pathname + link.search);
});
