// What entry.js exports, for the type check only.
import { Signal as BaseSignal } from "@preact/signals";
export { Fragment, createContext, h, render } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { batch, computed, effect, signal, untracked } from "@preact/signals";
export { useComputed, useSignal, useSignalEffect } from "@preact/signals";
export type Signal<T> = BaseSignal<T>;
export function html(strings: TemplateStringsArray, ...values: any[]): any;
