// The one module of libraries that the console's pages import: unmodified packages, put together.
import { h } from "preact";
import htm from "htm";
export { Fragment, createContext, h, render } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, untracked } from "@preact/signals";
export { useComputed, useSignal, useSignalEffect } from "@preact/signals";
export const html = htm.bind(h);
