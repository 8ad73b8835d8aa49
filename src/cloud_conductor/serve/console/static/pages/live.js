// Live: the day on the band of its weekday, five-minute windows, stores by shortfall, departments, tenders; any past day too.

import { Fragment, html } from "../vendor/preact.js";
import { day, hourMinute, money, quantity, sentence, words } from "../lib/format.js";
import { topics } from "../lib/net.js";
import { href, place } from "../lib/route.js";
import { Course, Spark, Windows, slots } from "../ui/chart.js";
import { Card, Empty, State, Table, Till, Trail, zoneOf } from "../ui/kit.js";

export default function Live() {
  const live = topics.value.live;
  if (!live) return html`<p class="faint">Waiting for the first window</p>`;
  return html`<${Fragment}>
    ${live.is_over && html`<p class="note">${day(live.business_date)} is over: its windows are final. <a href=${href({ date: "" })}>What is sold now</a></p>`}
    ${live.course ? html`<${Course} told=${live.course} date=${live.business_date} currency=${live.currency} isOver=${live.is_over} store=${place.value.stores[0]} />`
      : html`<p class="note">These stores begin their days apart or take different money. Choose one above to see its day on the band of its weekday.</p>`}
    <${Windows} windows=${live.totals} currency=${live.currency} store=${place.value.stores[0]} isOver=${live.is_over} />
    <${Stores} rows=${live.stores} date=${live.business_date} isOver=${live.is_over} />
    <${Departments} live=${live} />
    <${Tenders} rows=${live.tenders} currency=${live.currency} />
    ${live.watermark && !live.is_over && html`<p class="note">Windows before ${hourMinute(live.watermark, zoneOf(place.value.stores[0]))} are final. A sale that comes later is taken in, and its window is stated anew.</p>`}
  </${Fragment}>`;
}

/** @param {{rows: any[], date: string, isOver: boolean}} props */
function Stores({ rows, date, isOver }) {
  /** @param {any} row */
  const against = (row) => {
    if (row.expected_minor === null || row.expected_minor === undefined) return html`<span class="faint">no history yet</span>`;
    const low = row.net_minor < row.expected_low_minor;
    const high = row.net_minor > row.expected_high_minor;
    return html`<${State} state=${low ? "warning" : "ok"} word=${low ? "below the usual" : high ? "above the usual" : "as usual"} />`;
  };
  return html`<${Card} title=${isOver ? "Stores, furthest below the usual first" : "Stores, furthest behind first"}>
    <${Table} caption=${isOver ? "Stores against what is usual" : "Stores against what is usual by now"} rows=${rows} id=${(/** @type {any} */ row) => row.store}
      empty=${html`<${Empty} title="No store sells yet" command="conductor status">Live begins with the first signed webhook.</${Empty}>`} columns=${[
        { title: "Store", head: true, cell: (/** @type {any} */ row) => html`<a href=${href({ stores: [row.store] })}>${row.store}</a>` },
        { title: "Net sales", right: true, cell: (/** @type {any} */ row) => html`<${Trail} kind="net_sales" id=${`${row.store}:${date}`}>${money(row.net_minor, row.currency)}</${Trail}> <span class="faint tiny">${row.currency}</span>` },
        { title: isOver ? "Usual" : "Usual by now", right: true, narrow: true, cell: (/** @type {any} */ row) => (row.expected_low_minor === null || row.expected_low_minor === undefined ? "\u2013" : `${money(row.expected_low_minor, row.currency)} to ${money(row.expected_high_minor, row.currency)}`) },
        { title: "Against it", cell: against },
        { title: "Sales", right: true, narrow: true, cell: (/** @type {any} */ row) => row.orders },
        { title: "Last sale", right: true, narrow: true, cell: (/** @type {any} */ row) => hourMinute(row.last_sale_at, zoneOf(row.store)) },
        ...(isOver ? [] : [{ title: "Till", cell: (/** @type {any} */ row) => html`<${Till} row=${row} />` }]),
      ]} />
  </${Card}>`;
}

/** @param {{live: any}} props */
function Departments({ live }) {
  if (!live.departments.length) return null;
  const all = slots(live.totals);
  const [from, to] = [all[0]?.at ?? 0, all.at(-1)?.at ?? 0];
  const lines = live.departments.map((/** @type {any} */ one) => ({ ...one, rows: slots(live.windows.filter((/** @type {any} */ window) => window.department === one.department)) }));
  const top = Math.max(1, ...lines.flatMap((/** @type {any} */ line) => line.rows.map((/** @type {any} */ row) => row.net_minor)));
  return html`<${Card} title="Departments" foot=${`One scale for all; the tallest bar is ${money(top, live.currency)} ${live.currency} in five minutes.`}>
    <div class="multiples">${lines.map((/** @type {any} */ line) => html`<figure key=${line.department}><figcaption><span>${line.department ? sentence(line.department) : "No department"}</span>
      <span class="strong">${money(line.net_minor, live.currency)}</span></figcaption><${Spark} rows=${line.rows} from=${from} to=${to} top=${top} /><p class="tiny faint">${quantity(line.units)} ${line.units === "1" ? "unit" : "units"}</p></figure>`)}</div>
  </${Card}>`;
}

/** @param {{rows: any[], currency: string}} props */
const Tenders = ({ rows, currency }) => rows.length > 0 && html`<${Card} title="Tenders">
  <${Table} caption="Tenders" rows=${rows} id=${(/** @type {any} */ row) => row.tender_type} columns=${[
    { title: "Tender", head: true, cell: (/** @type {any} */ row) => sentence(words(row.tender_type)) },
    { title: "Taken", right: true, cell: (/** @type {any} */ row) => money(row.amount_minor, currency) },
    { title: "Count", right: true, cell: (/** @type {any} */ row) => row.count },
  ]} />
</${Card}>`;
