// One fix for many records: what somebody changed in one JSON body, done to its like.

/** @typedef {{path: (string | number)[], value: any}} Change value undefined: taken away */

/**
 * The places where two JSON values differ, as deep as they can be named.
 * @param {any} before @param {any} after @param {(string | number)[]} [path] @returns {Change[]}
 */
export function changes(before, after, path = []) {
  if (Object.is(before, after)) return [];
  const both = [before, after];
  const alike = both.every((one) => Array.isArray(one)) || both.every((one) => one && typeof one === "object" && !Array.isArray(one));
  if (!alike) return [{ path, value: after }];
  if (Array.isArray(before) && before.length !== after.length) return [{ path, value: after }];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    const step = Array.isArray(before) ? Number(name) : name;
    if (!(name in after)) return [{ path: [...path, step], value: undefined }];
    return changes(before[name], after[name], [...path, step]);
  });
}

/**
 * A body with the changes made, or null where it has no such place.
 * @param {any} body @param {Change[]} wanted @returns {any}
 */
export function mended(body, wanted) {
  const copy = structuredClone(body);
  for (const { path, value } of wanted) {
    const last = path.at(-1);
    if (last === undefined) return null;
    let here = copy;
    for (const step of path.slice(0, -1)) here = here?.[step];
    if (here === null || typeof here !== "object") return null;
    if (value === undefined) delete here[last];
    else here[last] = value;
  }
  return copy;
}
