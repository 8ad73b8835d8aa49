// Ctrl-K: jump to any id (sale, entry, event, SKU, vendor document) or page.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { day } from "../lib/format.js";
import { ask } from "../lib/net.js";
import { PAGES, go, href, goTo, place } from "../lib/route.js";

const PAUSE_MS = 120;

/** @param {string} text */
const pages = (text) => PAGES.filter((page) => page.title.toLowerCase().startsWith(text.toLowerCase()))
  .map((page) => ({ kind: "page", id: page.name, label: page.title, detail: "" }))
  .concat(text && "alerts".startsWith(text.toLowerCase()) ? [{ kind: "alerts", id: "open", label: "Alerts", detail: "what is wrong now" }] : []);

/** @param {{onClose: () => void, typed: () => string}} props typed: what was typed before the box was open */
export default function Palette({ onClose, typed }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [text, setText] = useState("");
  const [found, setFound] = useState(/** @type {any[]} */ ([]));
  const [at, setAt] = useState(0);
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    box.current?.showModal();
    setText(typed());
  }, []);
  useEffect(() => {
    const query = text.trim();
    setAt(0);
    if (query.length < 2) {
      setFound([]);
      return;
    }
    const stop = new AbortController();
    setAsking(true);
    const timer = setTimeout(() => {
      ask(`/find?q=${encodeURIComponent(query)}`, { signal: stop.signal })
        .then(({ items }) => setFound(items))
        .catch(() => setFound([]))
        .finally(() => setAsking(false));
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  const items = [...pages(text.trim()), ...found];
  /** @param {any} item */
  const open = (item) => {
    onClose();
    if (item.kind === "page") go({ page: item.id });
    else if (item.kind === "store") go({ page: "live", stores: [item.id] });
    else goTo(href({ trail: [...place.value.trail, { kind: item.kind, id: String(item.id) }] }));
  };
  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setAt((now) => (now + step + items.length) % Math.max(1, items.length));
    } else if (event.key === "Enter" && items[at]) {
      event.preventDefault();
      open(items[at]);
    }
  };
  return html`<dialog class="palette" ref=${box} aria-label="Find" onClose=${onClose} onClick=${(/** @type {any} */ event) => event.target === box.current && onClose()}>
    <input type="text" role="combobox" aria-label="Find any id, product or page" aria-expanded=${items.length > 0} aria-controls="found" aria-autocomplete="list"
      aria-activedescendant=${items[at] ? `found-${at}` : null} autocomplete="off" spellcheck="false" placeholder="Sale, entry, event, SKU, vendor document, page" value=${text}
      onInput=${(/** @type {any} */ event) => setText(event.target.value)} onKeyDown=${keys} />
    <div id="found" role="listbox" aria-label="Found">
      ${items.map((item, index) => html`<div key=${`${item.kind}${item.id}`} id="found-${index}" role="option" aria-selected=${index === at} onClick=${() => open(item)}>
        <span class="kind">${item.kind}</span><span class="wrap">${item.label}${item.detail && html` <span class="faint">${item.detail}</span>`}</span>
        ${item.store && html`<span class="faint tiny">${item.store}${item.business_date && ` · ${day(item.business_date)}`}</span>`}</div>`)}
    </div>
    ${items.length === 0 && html`<p class="empty">${text.trim().length < 2 ? "Two characters are enough: the first of any id will do." : asking ? "Looking" : "Nothing has that id in the stores you may see."}</p>`}
  </dialog>`;
}
