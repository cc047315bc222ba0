// The simulated time in the corner: runs on by itself between two readings, and jumps to the next timer.

import { get, post, sentenceOf } from "./api.js";
import { h, icon } from "./dom.js";
import { clockSeconds, clockTime, dayKey, longDay, shortDay, span, weekday } from "./times.js";
import { toast } from "./toasts.js";

const SPEEDS = [1, 10, 60, 300];

export function clockWidget(store) {
  const day = h("span", { class: "clock-day" });
  const now = h("span", { class: "clock-time", testid: "clock-now" });
  const next = h("span", { class: "clock-next", testid: "clock-next" });
  const speed = h("select", { class: "clock-speed", testid: "clock-speed", "aria-label": "How fast simulated time runs", on: { change: () => setSpeed(store, Number(speed.value)) } });
  const jump = h("button", { type: "button", class: "button clock-jump", testid: "clock-jump", "aria-label": "Jump to the next timer", title: "Move simulated time on to the next timer", on: { click: () => leap(store, jump) } }, icon("skip"), h("span", {}, "Jump", h("span", { class: "wide" }, " to the next timer")));
  const node = h("div", { class: "clock", role: "group", "aria-label": "Simulated time" }, h("div", { class: "clock-face", title: "Simulated time, UTC" }, day, now, speed), next, jump);
  const paint = () => paintClock(store, { day, now, next, speed, jump });
  setInterval(paint, 200);
  setInterval(() => reread(store), 3000);
  store.onChange(paint);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function paintClock(store, { day, now, next, speed, jump }) {
  if (!store.clock) return;
  const time = store.now();
  setText(day, shortDay(time));
  day.title = longDay(time);
  setText(now, `${clockSeconds(time)} UTC`);
  setText(next, nextWords(store, time));
  if (jump.getAttribute("aria-busy") !== "true") jump.disabled = store.clock.next === null;
  offerSpeeds(speed, store.clock.speed);
}

function nextWords(store, time) {
  const { next } = store.clock;
  if (next === null) return "no timer is set";
  const seconds = (next - time) / 1000;
  if (seconds <= 0) return "next timer is due now";
  const at = new Date(next);
  const day = dayKey(at) === dayKey(time) ? "" : `${seconds > 6 * 86400 ? shortDay(at) : weekday(at)} `;
  return `next timer in ${span(seconds)} at ${day}${clockTime(at)}`;
}

function offerSpeeds(select, current) {
  const wanted = [...new Set([...SPEEDS, current])].sort((a, b) => a - b);
  const key = wanted.join();
  if (select.dataset.key !== key) {
    select.replaceChildren(...wanted.map((n) => h("option", { value: n }, `×${n}`)));
    select.dataset.key = key;
  }
  if (document.activeElement !== select) select.value = String(current);
}

async function reread(store) {
  if (store.failing || document.hidden) return;
  try {
    store.takeClock(await get("/_sim/clock"));
  } catch {
    // The next state tells, and says so when it cannot be had.
  }
}

async function setSpeed(store, speed) {
  const answer = await post("/_sim/clock", { speed });
  if (answer.now) store.takeClock(answer);
  else toast(sentenceOf(answer));
  document.activeElement?.blur();
}

async function leap(store, button) {
  button.setAttribute("aria-busy", "true");
  const answer = await post("/_sim/clock", { jump: "next" });
  button.removeAttribute("aria-busy");
  if (answer.now) store.takeClock(answer);
  else toast(sentenceOf(answer));
  await store.refresh();
}
