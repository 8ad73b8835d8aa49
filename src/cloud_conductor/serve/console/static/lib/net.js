// The two ways to the server: ask (one answer) and the stream (snapshots as they change). Same origin only.

import { batch, signal } from "../vendor/preact.js";

const API = "/api/v1";
const RETRY_MS = [1000, 1000, 2000, 5000];

/** What the server refused, in its own words (RFC 9457). */
export class Problem extends Error {
  /** @param {any} body @param {number} status */
  constructor(body, status) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    /** @type {string} */
    this.code = body.code || "";
    /** @type {string} */
    this.fix = body.fix || "";
    /** @type {{pointer: string, message: string}[]} */
    this.errors = body.errors || [];
  }
}

/** undefined: not asked yet; null: signed out. @type {import("../vendor/preact.js").Signal<any>} */
export const session = signal(undefined);

/**
 * @param {string} path below /api/v1
 * @param {{method?: string, body?: any, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function ask(path, { method = "GET", body, signal: abort } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    headers["idempotency-key"] = crypto.randomUUID();
  } else if (method !== "GET") {
    headers["idempotency-key"] = crypto.randomUUID();
  }
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(API + path, {
      method,
      headers,
      signal: abort ?? null,
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new Problem({ detail: "The server did not answer.", fix: "conductor status" }, 0);
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (answer.ok) return value;
  if (answer.status === 401 && path !== "/session") session.value = null;
  throw new Problem(value ?? {}, answer.status);
}

/** Asks who is signed in. */
export async function askSession() {
  try {
    session.value = await ask("/session");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401 || session.value === undefined) session.value = null;
  }
}

/** "connecting" | "live" | "waiting" (lost, tries again) */
export const line = signal("connecting");
/** The last snapshot of each topic. @type {import("../vendor/preact.js").Signal<Record<string, any>>} */
export const topics = signal({});

/** @type {EventSource | null} */
let source = null;
let address = "";
let lost = 0;
let timer = 0;

/**
 * One stream for the page: opens it anew when the topics or the question change.
 * @param {string[]} names
 * @param {string} query `?store=..&date=..` or empty
 */
export function watch(names, query) {
  const wanted = `${API}/stream?topics=${names.join(",")}${query ? `&${query.slice(1)}` : ""}`;
  if (wanted === address) return;
  const same = address.split("?")[1]?.replace(/topics=[^&]*/, "") === wanted.split("?")[1]?.replace(/topics=[^&]*/, "");
  address = wanted;
  if (!same) topics.value = topics.value.status ? { status: topics.value.status } : {};
  open(names);
}

/** @param {string[]} names */
function open(names) {
  source?.close();
  clearTimeout(timer);
  const opened = new EventSource(address);
  source = opened;
  opened.onopen = () => {
    lost = 0;
    line.value = "live";
  };
  opened.onerror = () => {
    line.value = "waiting";
    if (opened.readyState === EventSource.CLOSED && source === opened) again(names);
  };
  for (const name of names) {
    opened.addEventListener(name, (event) => {
      const data = JSON.parse(/** @type {MessageEvent} */ (event).data);
      batch(() => {
        line.value = "live";
        topics.value = { ...topics.value, [name]: data };
      });
    });
  }
  opened.addEventListener("bye", (event) => {
    const { reason } = JSON.parse(/** @type {MessageEvent} */ (event).data);
    opened.close();
    if (reason === "expired") session.value = null;
    else {
      line.value = "waiting";
      again(names);
    }
  });
}

/** The browser gave up (the server answered with an error): try again, and see whether one is still signed in. @param {string[]} names */
function again(names) {
  const wait = RETRY_MS[Math.min(lost, RETRY_MS.length - 1)];
  lost += 1;
  clearTimeout(timer);
  timer = window.setTimeout(async () => {
    await askSession();
    if (session.value) open(names);
  }, wait);
}

// A hidden tab holds no connection (browsers allow six to a host); it resumes when it is seen again.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    clearTimeout(timer);
  } else if (address && session.value) {
    open((new URL(address, location.origin).searchParams.get("topics") ?? "").split(","));
  }
});
