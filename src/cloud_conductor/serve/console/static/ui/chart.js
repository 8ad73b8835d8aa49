// Two charts: five-minute windows as bars (solid when final, hatched in progress), and the day so far on
// the band that its weekday runs in. The library comes only when a chart is shown.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { counted, day, hourMinute, money, quantity, weekday } from "../lib/format.js";
import { Empty, Icon, State, Table, zoneOf } from "./kit.js";

const WINDOW_S = 300;
const HEIGHT_PX = 240;
const TABLE_STEP_S = 1800;

/** @typedef {{start: string, at: number, net_minor: number, orders: number, units: string, is_final: boolean}} Slot */

/** Windows as the charts want them. @param {any[]} windows @returns {Slot[]} */
export const slots = (windows) => windows.map((one) => ({ ...one, at: Date.parse(one.start) / 1000, is_final: one.state === "final" }));

/** @param {number} at seconds since the epoch @param {string | undefined} zone */
const clockOf = (at, zone) => hourMinute(new Date(at * 1000).toISOString(), zone);

/** @param {HTMLElement} node @param {string} name a custom property @returns {string} the colour it is now */
function colour(node, name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  node.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** @param {string} ink @returns {CanvasPattern | string} hatching for what is not final */
function hatch(ink) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (!pen) return ink;
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  for (const x of [-4, 0, 4, 8]) {
    pen.beginPath();
    pen.moveTo(x - 2, 10);
    pen.lineTo(x + 8, 0);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat") ?? ink;
}

/**
 * What both charts have in common.
 * @param {any} uPlot @param {HTMLElement} node @param {{currency: string, zone: string | undefined, read: (at: number | null) => void}} show
 */
function options(uPlot, node, { currency, zone, read }) {
  const [line, ink] = [colour(node, "--line"), colour(node, "--ink-3")];
  const font = `12px Inter, system-ui, sans-serif`;
  return {
    width: node.clientWidth,
    height: HEIGHT_PX,
    padding: [10, 20, 0, 0],
    tzDate: (/** @type {number} */ at) => uPlot.tzDate(new Date(at * 1000), zone || "UTC"),
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [low, high + WINDOW_S] }, y: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(0, low * 1.1), Math.max(high * 1.08, 100)] } },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, size: 30, space: 72, values: "{HH}:{mm}" },
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 64, space: 44,
        values: (/** @type {any} */ _plot, /** @type {number[]} */ marks) => marks.map((mark) => money(Math.round(mark), currency).replace(/\.00?0?$/, "")) },
    ],
    hooks: { setCursor: [(/** @type {any} */ plot) => read(plot.cursor.idx ?? null)] },
  };
}

/** @param {any} uPlot @param {HTMLElement} node */
function bars(uPlot, node) {
  const bar = colour(node, "--bar");
  const paths = uPlot.paths.bars({ size: [0.82, 28, 1], align: 1, radius: 0.12 });
  const drawn = { paths, stroke: bar, points: { show: false } };
  return { series: [{}, { ...drawn, fill: bar, width: 0 }, { ...drawn, fill: () => hatch(bar), width: 1 }] };
}

/** @param {any} _uPlot @param {HTMLElement} node */
function course(_uPlot, node) {
  const [bar, band, ink] = [colour(node, "--bar"), colour(node, "--band"), colour(node, "--ink-3")];
  const quiet = { points: { show: false } };
  return {
    bands: [{ series: [2, 1], fill: band }],
    series: [{}, { ...quiet, stroke: "transparent", width: 0 }, { ...quiet, stroke: "transparent", width: 0 }, { ...quiet, stroke: ink, width: 1.5, dash: [5, 4] }, { ...quiet, stroke: bar, width: 2.5 }],
  };
}

/** A canvas with its words. `dress`: its series; `read`: what the place under the pointer says.
 * @param {{data: any[], dress: (uPlot: any, node: HTMLElement) => any, currency: string, zone: string | undefined, label: string, read: (index: number) => string}} props */
function Drawing({ data, dress, currency, zone, label, read }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const [at, setAt] = useState(/** @type {number | null} */ (null));
  const [dressed, setDressed] = useState(0);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    const again = () => setDressed((turn) => turn + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", again);
    system.addEventListener("change", again);
    return () => {
      removeEventListener("themechange", again);
      system.removeEventListener("change", again);
    };
  }, []);
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    let gone = false;
    const look = new ResizeObserver(() => plot.current?.setSize({ width: node.clientWidth, height: HEIGHT_PX }));
    import("../vendor/uplot.js").then(({ default: uPlot }) => {
      if (gone) return;
      const wanted = { ...options(uPlot, node, { currency, zone, read: setAt }), ...dress(uPlot, node) };
      plot.current = new uPlot(/** @type {any} */ (wanted), latest.current, node);
      look.observe(node);
    });
    return () => {
      gone = true;
      look.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [currency, zone, dressed]);
  useEffect(() => plot.current?.setData(data), [data]);
  return html`<div class="stack"><div class="chart" ref=${box} role="img" aria-label=${label}></div>
    <p class="readout" aria-hidden="true">${(at !== null && read(at)) || "Point at the chart to read it."}</p></div>`;
}

/** Every window between the first and the last, as uPlot's columns: time, final, provisional. @param {Slot[]} rows */
function filled(rows) {
  /** @type {[number[], (number | null)[], (number | null)[]]} */
  const columns = [[], [], []];
  if (!rows.length) return columns;
  const known = new Map(rows.map((row) => [row.at, row]));
  const last = /** @type {any} */ (rows.at(-1)).at;
  for (let at = rows[0]?.at ?? last; at <= last; at += WINDOW_S) {
    const row = known.get(at);
    columns[0].push(at);
    columns[1].push(row?.is_final ? row.net_minor : null);
    columns[2].push(row && !row.is_final ? row.net_minor : null);
  }
  return columns;
}

/** @param {Slot[]} rows @param {string} currency @param {string | undefined} zone */
export function summary(rows, currency, zone) {
  if (!rows.length) return "No windows yet.";
  const sum = rows.reduce((total, row) => total + row.net_minor, 0);
  const best = rows.reduce((top, row) => (row.net_minor > top.net_minor ? row : top));
  const open = rows.filter((row) => !row.is_final).length;
  return `${money(sum, currency)} ${currency} in ${counted(rows.length, "five-minute window")} from ${hourMinute(rows[0]?.start, zone)} to ${hourMinute(rows.at(-1)?.start, zone)}; `
    + `the strongest at ${hourMinute(best.start, zone)} with ${money(best.net_minor, currency)}; ${open ? `${open} in progress` : "all final"}.`;
}

/** A chart's card: legend, chart or table, and the summary in words.
 * @param {{title: string, currency: string, legend: any, said: string, table: any, children?: any}} props */
function Figure({ title, currency, legend, said, table, children }) {
  const [asTable, setAsTable] = useState(false);
  return html`<section class="card">
    <header><h2>${title} <span class="faint small">${currency}</span></h2>
      ${!asTable && html`<span class="legend">${legend}</span>`}
      <button type="button" class="button quiet" aria-label=${`${title} as a ${asTable ? "chart" : "table"}`} onClick=${() => setAsTable(!asTable)}><${Icon} name=${asTable ? "chart" : "table"} />${asTable ? "Chart" : "Table"}</button></header>
    ${asTable ? html`<div class="tall">${table}</div>` : html`<div class="pad">${children}</div>`}
    <footer>${said}</footer>
  </section>`;
}

/** Five-minute windows. @param {{windows: any[], currency: string, store?: string | undefined, isOver?: boolean}} props */
export function Windows({ windows, currency, store, isOver = false }) {
  const zone = zoneOf(store);
  const rows = useMemo(() => slots(windows), [windows]);
  const data = useMemo(() => filled(rows), [rows]);
  const said = summary(rows, currency, zone);
  const title = "Net sales by five minutes";
  if (!rows.length) return html`<section class="card"><header><h2>${title} <span class="faint small">${currency}</span></h2></header>
    <${Empty} title=${isOver ? "Nothing was sold on this day" : "No sale in the last hours"}>${isOver ? "Choose another day above." : "The first one shows here within a second of the till."}</${Empty}></section>`;
  const read = (/** @type {number} */ index) => {
    const row = rows.find((one) => one.at === data[0][index]);
    return row ? `${clockOf(row.at, zone)}\u2009\u2013\u2009${clockOf(row.at + WINDOW_S, zone)}: ${money(row.net_minor, currency)} ${currency}, ${counted(row.orders, "sale")}, ${quantity(row.units)} units${row.is_final ? "" : ", in progress"}` : "";
  };
  return html`<${Figure} title=${title} currency=${currency} said=${said}
    legend=${[html`<span><i></i>final</span>`, !isOver && html`<span><i class="open"></i>in progress</span>`]}
    table=${html`<${Table} caption=${title} rows=${[...rows].reverse()} id=${(/** @type {any} */ row) => row.at} columns=${[
      { title: "From", head: true, cell: (/** @type {any} */ row) => hourMinute(row.start, zone) },
      { title: "Net sales", right: true, cell: (/** @type {any} */ row) => money(row.net_minor, currency) },
      { title: "Sales", right: true, cell: (/** @type {any} */ row) => row.orders },
      { title: "Units", right: true, cell: (/** @type {any} */ row) => quantity(row.units) },
      { title: "State", narrow: true, cell: (/** @type {any} */ row) => (row.is_final ? "final" : "in progress") },
    ]} />`}><${Drawing} data=${data} dress=${bars} currency=${currency} zone=${zone} label=${said} read=${read} /></${Figure}>`;
}

/** @typedef {{offset: number, low: number | null, mid: number | null, high: number | null, net: number | null}} Step */

/** The day in five-minute steps: the band of its weekday, and its own sales as far as it has come.
 * @param {any} told @param {boolean} isOver @returns {Step[]} */
export function steps(told, isOver) {
  const { actual, expected, until_s: until } = told;
  const ends = [...actual, ...expected].map((one) => one.offset_s);
  if (!ends.length) return [];
  const first = Math.min(...ends) - WINDOW_S;
  const last = Math.max(...ends, isOver ? 0 : until);
  /** @type {Step[]} */
  const found = [];
  let [sold, usual, a, e] = [0, { low_minor: 0, mid_minor: 0, high_minor: 0 }, 0, 0];
  for (let offset = first; offset <= last; offset += WINDOW_S) {
    while (a < actual.length && actual[a].offset_s <= offset) sold = actual[a++].net_minor;
    while (e < expected.length && expected[e].offset_s <= offset) usual = expected[e++];
    const has = expected.length > 0;
    const is_reached = offset < until + WINDOW_S;
    found.push({ offset, low: has ? usual.low_minor : null, mid: has ? usual.mid_minor : null, high: has ? usual.high_minor : null, net: is_reached ? sold : null });
  }
  return found;
}

/** @param {Step} step */
function against({ net, low, high }) {
  if (net === null || low === null || high === null) return "";
  return net < low ? "below the usual" : net > high ? "above the usual" : "as usual";
}

/** @param {Step[]} rows @param {any} told @param {string} date @param {string} currency @param {string | undefined} zone @param {boolean} isOver */
function courseSummary(rows, told, date, currency, zone, isOver) {
  const now = rows.findLast((row) => row.net !== null);
  const days = told.expected[0]?.days ?? 0;
  if (!now) return `Nothing is sold yet; ${counted(days, weekday(date))} before ended between ${money(rows.at(-1)?.low, currency)} and ${money(rows.at(-1)?.high, currency)} ${currency}.`;
  const when = isOver ? "The whole day" : `By ${clockOf(Date.parse(told.start) / 1000 + now.offset, zone)}`;
  const sold = `${when}: ${money(now.net, currency)} ${currency}`;
  if (!days) return `${sold}. What is usual shows when two earlier ${weekday(date)}s are known.`;
  return `${sold}, ${against(now)}: ${counted(days, weekday(date))} before had sold ${money(now.low, currency)} to ${money(now.high, currency)}${isOver ? ", " : " "}${isOver ? "" : "by then, "}in the middle ${money(now.mid, currency)}.`;
}

/** The day so far on the band of its weekday. @param {{told: any, date: string, currency: string, isOver: boolean, store?: string | undefined}} props */
export function Course({ told, date, currency, isOver, store }) {
  const zone = zoneOf(store);
  const rows = useMemo(() => steps(told, isOver), [told, isOver]);
  const start = Date.parse(told.start) / 1000;
  const data = useMemo(() => [rows.map((row) => start + row.offset), ...["low", "high", "mid", "net"].map((name) => rows.map((row) => /** @type {any} */ (row)[name]))], [rows, start]);
  if (!rows.length) return null;
  const has = told.expected.length > 0;
  const said = courseSummary(rows, told, date, currency, zone, isOver);
  const title = isOver ? `Net sales through ${day(date)}` : "Net sales so far";
  const read = (/** @type {number} */ index) => {
    const row = rows[index];
    if (!row) return "";
    const own = row.net === null ? "" : `${money(row.net, currency)} ${currency}`;
    const usual = row.low === null ? "" : `usual ${money(row.low, currency)} to ${money(row.high, currency)}`;
    return `By ${clockOf(start + row.offset, zone)}: ${[own, usual].filter(Boolean).join(", ")}`;
  };
  const last = rows.findLast((row) => row.net !== null)?.offset;
  return html`<${Figure} title=${title} currency=${currency} said=${said}
    legend=${[html`<span><i class="line"></i>this day</span>`, has && html`<span><i class="band"></i>usual on a ${weekday(date)}</span>`, has && html`<span><i class="mid"></i>the middle</span>`]}
    table=${html`<${Table} caption=${title} rows=${rows.filter((row) => row.offset % TABLE_STEP_S === 0 || row.offset === last)} id=${(/** @type {Step} */ row) => row.offset} columns=${[
      { title: "By", head: true, cell: (/** @type {Step} */ row) => clockOf(start + row.offset, zone) },
      { title: "Net sales", right: true, cell: (/** @type {Step} */ row) => money(row.net, currency) },
      { title: "Usual, low", right: true, cell: (/** @type {Step} */ row) => money(row.low, currency) },
      { title: "Middle", right: true, narrow: true, cell: (/** @type {Step} */ row) => money(row.mid, currency) },
      { title: "High", right: true, cell: (/** @type {Step} */ row) => money(row.high, currency) },
      { title: "Against it", narrow: true, cell: (/** @type {Step} */ row) => against(row) && html`<${State} state=${against(row).startsWith("below") ? "warning" : "ok"} word=${against(row)} />` },
    ]} />`}><${Drawing} data=${data} dress=${course} currency=${currency} zone=${zone} label=${said} read=${read} /></${Figure}>`;
}

/** A small line of bars for one department; its words stand beside it. @param {{rows: Slot[], from: number, to: number, top: number}} props */
export function Spark({ rows, from, to, top }) {
  const count = Math.max(1, Math.round((to - from) / WINDOW_S) + 1);
  const path = rows.map((row) => {
    const height = Math.max(0, (row.net_minor / (top || 1)) * 40);
    return `M${((row.at - from) / WINDOW_S + 0.5).toFixed(2)} 44v-${height.toFixed(1)}`;
  }).join("");
  return html`<svg viewBox="0 0 ${count} 44" preserveAspectRatio="none" aria-hidden="true"><path d=${path} stroke="currentColor" stroke-width="0.7" fill="none" /></svg>`;
}
