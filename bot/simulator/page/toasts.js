// Short warnings at the edge: what Slack would tell this person in passing.

import { sentenceOf } from "./api.js";
import { h, icon } from "./dom.js";

const LINGER_MS = 9000;
const seen = new Set();
let shown = 0;

export function toast(text) {
  shown += 1;
  const node = h("div", { class: "toast", testid: "toast", role: "alert" }, icon("warning"), h("p", {}, text));
  const leave = () => node.remove();
  let timer = setTimeout(leave, LINGER_MS);
  node.append(h("button", { type: "button", class: "bare", "aria-label": "Dismiss", on: { click: leave } }, icon("close")));
  node.addEventListener("mouseenter", () => clearTimeout(timer));
  node.addEventListener("mouseleave", () => (timer = setTimeout(leave, LINGER_MS)));
  layer().append(node);
}

// Nodes outside an open dialog are inert, so toasts move into it.
function layer() {
  const toasts = document.getElementById("toasts");
  const home = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (toasts.parentNode !== home) home.append(toasts);
  return toasts;
}

export function toastsGoHome() {
  const toasts = document.getElementById("toasts");
  if (toasts.parentNode !== document.body) document.body.append(toasts);
}

// The first reading of a person's notices is history and stays silent.
export function showNotices(notices, silent) {
  for (const notice of notices) {
    const key = `${notice.id} ${notice.at}`; // a reset starts the ids again
    if (!seen.has(key) && !silent) toast(notice.text);
    seen.add(key);
  }
}

// A refused action is said once: by the workspace's own notice if it wrote one, else by the answer's sentence.
export async function attempt(action) {
  const before = shown;
  const answer = await action();
  if (answer.ok === false && shown === before && !answer.errors) toast(sentenceOf(answer));
  return answer;
}
