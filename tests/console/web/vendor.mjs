// Puts the libraries into the package: `npm ci && npm run vendor`. Writes versions.json with what came from where.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const OUT = new URL("../../../src/cloud_conductor/serve/console/static/vendor/", import.meta.url).pathname;
const common = { bundle: true, format: "esm", minify: true, legalComments: "none", target: "es2022", logLevel: "error" };
await build({ ...common, entryPoints: ["entry.js"], outfile: `${OUT}preact.js` });
await build({ ...common, entryPoints: ["node_modules/uplot/dist/uPlot.esm.js"], outfile: `${OUT}uplot.js` });
copyFileSync("node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2", `${OUT}inter-latin.woff2`);

const sha = (/** @type {string} */ name) => createHash("sha256").update(readFileSync(OUT + name)).digest("hex");
const lock = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
const made = { "preact.js": ["preact", "htm", "@preact/signals", "@preact/signals-core"], "uplot.js": ["uplot"], "inter-latin.woff2": ["@fontsource-variable/inter"] };
const files = Object.fromEntries(Object.entries(made).map(([name, packages]) => [name, {
  sha256: sha(name),
  packages: packages.map((one) => {
    const { version, integrity, license } = lock[`node_modules/${one}`];
    return { name: one, version, license, integrity };
  }),
}]));
writeFileSync(`${OUT}versions.json`, `${JSON.stringify({ made_by: `esbuild ${lock["node_modules/esbuild"].version}`, files }, null, 2)}\n`);
