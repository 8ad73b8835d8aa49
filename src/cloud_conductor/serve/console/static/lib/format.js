// How facts are written: money from whole minor units, times in the store's own zone. No float touches money.

const MINUS = "\u2212";
/** @type {Map<string, number>} */
const exponents = new Map();

/** @param {string} currency @returns {number} digits after the point, by ISO 4217 */
export function exponent(currency) {
  let digits = exponents.get(currency);
  if (digits === undefined) {
    try {
      const parts = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
      digits = parts.maximumFractionDigits ?? 2;
    } catch {
      digits = 2;
    }
    exponents.set(currency, digits);
  }
  return digits;
}

/** @param {number} count @returns {string} 12,345 */
export function grouped(count) {
  const text = String(Math.abs(count)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return count < 0 ? MINUS + text : text;
}

/**
 * @param {number | null | undefined} minor whole minor units
 * @param {string | null | undefined} currency
 * @param {{plus?: boolean}} [options]
 * @returns {string} 1,234.56 without its currency; an en dash when there is no figure
 */
export function money(minor, currency, { plus = false } = {}) {
  if (minor === null || minor === undefined) return "\u2013";
  const digits = exponent(currency || "USD");
  const text = String(Math.abs(minor)).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const sign = minor < 0 ? MINUS : plus && minor > 0 ? "+" : "";
  return sign + whole + (digits ? `.${text.slice(-digits)}` : "");
}

/** @param {string | null | undefined} text a decimal text @returns {string} the same with a real minus sign */
export const quantity = (text) =>
  text === null || text === undefined ? "\u2013" : String(text).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "").replace("-", MINUS);

/** A unit price or cost, which may be finer than a minor unit.
 * @param {string | null | undefined} text a decimal text @param {string | null | undefined} currency */
export function price(text, currency) {
  if (text === null || text === undefined || text === "") return "\u2013";
  const [whole = "0", part = ""] = String(text).split(".");
  const digits = exponent(currency || "USD");
  const fine = part.replace(/0+$/, "").padEnd(digits, "0");
  return (fine ? `${whole}.${fine}` : whole).replace("-", MINUS);
}

/** @param {number} number @param {string} noun @param {string} [plural] */
export const counted = (number, noun, plural = `${noun}s`) =>
  `${grouped(number)} ${number === 1 ? noun : plural}`;

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {string | undefined} zone @param {Intl.DateTimeFormatOptions} options */
function formatIn(zone, options) {
  const key = JSON.stringify([zone, options]);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", { timeZone: zone || "UTC", ...options });
    formats.set(key, format);
  }
  return format;
}

/** @param {string | null | undefined} instant @param {string} [zone] @returns {string} 14:05:09 */
export const clock = (instant, zone) =>
  instant
    ? formatIn(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(instant))
    : "\u2013";

/** @param {string | null | undefined} instant @param {string} [zone] @returns {string} 14:05 */
export const hourMinute = (instant, zone) =>
  instant ? formatIn(zone, { hour: "2-digit", minute: "2-digit" }).format(new Date(instant)) : "\u2013";

/** @param {string | null | undefined} instant @param {string} [zone] @returns {string} 21 Nov 14:05 */
export const moment = (instant, zone) =>
  instant
    ? formatIn(zone, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
        .format(new Date(instant))
        .replace(",", "")
    : "\u2013";

/** @param {string | null | undefined} date ISO date @returns {string} Sat 21 Nov */
export const day = (date) =>
  date
    ? formatIn("UTC", { weekday: "short", day: "numeric", month: "short" })
        .format(new Date(`${date}T00:00:00Z`))
        .replace(",", "")
    : "\u2013";

/** @param {string} date ISO date @returns {string} Tuesday */
export const weekday = (date) => formatIn("UTC", { weekday: "long" }).format(new Date(`${date}T00:00:00Z`));

/** @param {number | null | undefined} seconds @returns {string} 2 s, 5 min, 3 h, 2 d */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "\u2013";
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** An age that is told by the minute. @param {number | null | undefined} seconds */
export const minutes = (seconds) => (seconds !== null && seconds !== undefined && seconds < 60 ? "< 1 min" : age(seconds));

/** @param {number} bytes */
export const size = (bytes) => (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} kB`);

/** @param {string | null | undefined} word snake_case, or parts with dots between @returns {string} "negative stock" */
export const words = (word) => (word || "").replace(/\.\*$/, ", any other").replaceAll(".", ", ").replaceAll("_", " ").toLowerCase();

/** @param {string | null | undefined} actor "user:ana" @returns {string} "ana" */
export const person = (actor) => (actor || "").replace(/^(user|service|key):/, "");

/** @param {string} text @returns {string} with a capital first letter */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {string} text @returns {string} indented when it is JSON, itself when not */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
