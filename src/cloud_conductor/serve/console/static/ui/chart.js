// Five-minute windows as bars: solid when final, hatched while in progress. The library comes only when a chart is shown.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact.js";
import { counted, hourMinute, money } from "../lib/format.js";
import { Empty, Icon, Table, zoneOf } from "./kit.js";

const WINDOW_S = 300;
const HEIGHT_PX = 240;

/**
 * Windows added over stores and departments, oldest first.
 * @param {any[]} windows @returns {{start: string, at: number, net_minor: number, orders: number, units: number, is_final: boolean}[]}
 */
export function totals(windows) {
  const sums = new Map();
  for (const one of windows) {
    const sum = sums.get(one.start) ?? { start: one.start, at: Date.parse(one.start) / 1000, net_minor: 0, orders: 0, units: 0, is_final: true };
    sum.net_minor += one.net_minor;
    sum.orders += one.orders;
    sum.units += Number(one.units);
    sum.is_final &&= one.state === "final";
    sums.set(one.start, sum);
  }
  return [...sums.values()].sort((a, b) => a.at - b.at);
}

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
 * @param {any} uPlot @param {HTMLElement} node @param {{currency: string, zone: string | undefined, read: (at: number | null) => void}} show
 */
function options(uPlot, node, { currency, zone, read }) {
  const [bar, line, ink] = [colour(node, "--bar"), colour(node, "--line"), colour(node, "--ink-3")];
  const font = `12px Inter, system-ui, sans-serif`;
  const bars = uPlot.paths.bars({ size: [0.82, 28, 1], align: 1, radius: 0.12 });
  return {
    width: node.clientWidth,
    height: HEIGHT_PX,
    padding: [10, 6, 0, 0],
    tzDate: (/** @type {number} */ at) => uPlot.tzDate(new Date(at * 1000), zone || "UTC"),
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [low, high + WINDOW_S] }, y: { range: (/** @type {any} */ _plot, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(0, low * 1.1), Math.max(high * 1.08, 100)] } },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, size: 30, space: 72, values: "{HH}:{mm}" },
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 64, space: 44,
        values: (/** @type {any} */ _plot, /** @type {number[]} */ marks) => marks.map((mark) => money(Math.round(mark), currency).replace(/\.00?0?$/, "")) },
    ],
    series: [
      {},
      { paths: bars, fill: bar, stroke: bar, width: 0, points: { show: false } },
      { paths: bars, fill: () => hatch(bar), stroke: bar, width: 1, points: { show: false } },
    ],
    hooks: { setCursor: [(/** @type {any} */ plot) => read(plot.cursor.idx ?? null)] },
  };
}

/** @param {{rows: ReturnType<typeof totals>, currency: string, zone: string | undefined, label: string}} props */
function Drawing({ rows, currency, zone, label }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const [at, setAt] = useState(/** @type {number | null} */ (null));
  const [dressed, setDressed] = useState(0);
  const data = useMemo(() => filled(rows), [rows]);
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
      plot.current = new uPlot(/** @type {any} */ (options(uPlot, node, { currency, zone, read: setAt })), latest.current, node);
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
  const start = at === null ? undefined : data[0][at];
  const row = rows.find((one) => one.at === start);
  return html`<div class="stack"><div class="chart" ref=${box} role="img" aria-label=${label}></div>
    <p class="readout" aria-hidden="true">${row ? `${hourMinute(row.start, zone)}\u2009\u2013\u2009${hourMinute(new Date((row.at + WINDOW_S) * 1000).toISOString(), zone)}: ${money(row.net_minor, currency)} ${currency}, ${counted(row.orders, "sale")}, ${row.units} units${row.is_final ? "" : ", in progress"}` : "Point at a bar to read it."}</p></div>`;
}

/** Every window between the first and the last, as uPlot's columns: time, final, provisional. @param {ReturnType<typeof totals>} rows */
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

/** @param {ReturnType<typeof totals>} rows @param {string} currency @param {string | undefined} zone */
export function summary(rows, currency, zone) {
  if (!rows.length) return "No windows yet.";
  const sum = rows.reduce((total, row) => total + row.net_minor, 0);
  const best = rows.reduce((top, row) => (row.net_minor > top.net_minor ? row : top));
  const open = rows.filter((row) => !row.is_final).length;
  return `${money(sum, currency)} ${currency} in ${counted(rows.length, "five-minute window")} from ${hourMinute(rows[0]?.start, zone)} to ${hourMinute(rows.at(-1)?.start, zone)}; `
    + `the strongest at ${hourMinute(best.start, zone)} with ${money(best.net_minor, currency)}; ${open ? `${open} in progress` : "all final"}.`;
}

/** The chart with its text summary and its table. @param {{windows: any[], currency: string, store?: string | undefined, title?: string}} props */
export function Windows({ windows, currency, store, title = "Net sales by five minutes" }) {
  const [asTable, setAsTable] = useState(false);
  const zone = zoneOf(store);
  const rows = useMemo(() => totals(windows), [windows]);
  const said = summary(rows, currency, zone);
  return html`<section class="card">
    <header><h2>${title} <span class="faint small">${currency}</span></h2>
      ${rows.length > 0 && html`<span class="legend"><span><i></i>final</span><span><i class="open"></i>in progress</span></span>
      <button type="button" class="button quiet" aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}><${Icon} name=${asTable ? "chart" : "table"} />${asTable ? "Chart" : "Table"}</button>`}</header>
    ${rows.length === 0
      ? html`<${Empty} title="No sale in these hours" command="conductor status">The first one shows here within a second of the till.</${Empty}>`
      : asTable
        ? html`<${Table} caption=${title} rows=${[...rows].reverse()} id=${(/** @type {any} */ row) => row.at} columns=${[
            { title: "From", head: true, cell: (/** @type {any} */ row) => hourMinute(row.start, zone) },
            { title: "Net sales", right: true, cell: (/** @type {any} */ row) => money(row.net_minor, currency) },
            { title: "Sales", right: true, cell: (/** @type {any} */ row) => row.orders },
            { title: "Units", right: true, cell: (/** @type {any} */ row) => row.units },
            { title: "State", cell: (/** @type {any} */ row) => (row.is_final ? "final" : "in progress") },
          ]} />`
        : html`<div class="pad"><${Drawing} rows=${rows} currency=${currency} zone=${zone} label=${said} /></div>`}
    ${rows.length > 0 && html`<footer>${said}</footer>`}
  </section>`;
}

/** A small line of bars for one department; its words stand beside it. @param {{rows: ReturnType<typeof totals>, from: number, to: number, top: number}} props */
export function Spark({ rows, from, to, top }) {
  const count = Math.max(1, Math.round((to - from) / WINDOW_S) + 1);
  const path = rows.map((row) => {
    const height = Math.max(0, (row.net_minor / (top || 1)) * 40);
    return `M${((row.at - from) / WINDOW_S + 0.5).toFixed(2)} 44v-${height.toFixed(1)}`;
  }).join("");
  return html`<svg viewBox="0 0 ${count} 44" preserveAspectRatio="none" aria-hidden="true"><path d=${path} stroke="currentColor" stroke-width="0.7" fill="none" /></svg>`;
}
