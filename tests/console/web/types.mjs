// `tsc --checkJs` over the console as it is shipped: the files are laid beside the libraries' types in a folder of their own.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const STATIC = new URL("../../../src/cloud_conductor/serve/console/static/", import.meta.url).pathname;
const room = mkdtempSync(join(tmpdir(), "console-types-"));
try {
  cpSync(STATIC, join(room, "static"), { recursive: true });
  for (const name of ["preact.js", "uplot.js"]) rmSync(join(room, "static/vendor", name));
  cpSync("preact.d.ts", join(room, "static/vendor/preact.d.ts"));
  cpSync("node_modules/uplot/dist/uPlot.d.ts", join(room, "static/vendor/uplot.d.ts"));
  symlinkSync(resolve("node_modules"), join(room, "node_modules"));
  const options = { checkJs: true, allowJs: true, strict: true, noEmit: true, skipLibCheck: true, noUncheckedIndexedAccess: true, noImplicitReturns: false,
    target: "es2022", module: "esnext", moduleResolution: "bundler", lib: ["es2023", "dom", "dom.iterable"], types: [], exactOptionalPropertyTypes: true };
  writeFileSync(join(room, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["static/**/*.js"] }));
  execFileSync(resolve("node_modules/.bin/tsc"), ["-p", room], { stdio: "inherit" });
} catch (refused) {
  process.exitCode = /** @type {any} */ (refused).status ?? 1;
  if (process.exitCode === 1 && !(/** @type {any} */ (refused).status)) throw refused;
} finally {
  rmSync(room, { recursive: true, force: true });
}
