// A column of messages: keyed rows, day lines, the line of what is new; it stays at the bottom when it was there.

import { h, reconcile } from "./dom.js";
import { isSystem, messageRow } from "./message.js";
import { dayKey, longDay, shortDay, whenOf } from "./times.js";

const STEP = 150;
const NEAR_PX = 48;
const COMPACT_MS = 5 * 60 * 1000;

export class Timeline {
  // options: {label, inThread, intro(): node|null, introSig(): string}
  constructor(app, options) {
    this.app = app;
    this.options = options;
    this.limit = STEP;
    this.list = h("ol", { class: "messages", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": options.label });
    this.scroller = h("div", { class: "scroller", tabIndex: -1 }, h("div", { class: "spring" }), this.list);
    this.pill = h("button", { type: "button", class: "pill", hidden: true, on: { click: () => this.toBottom() } }, "New messages below");
    this.node = h("div", { class: "timeline" }, this.scroller, this.pill);
    this.list.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.pinned && this.toBottom()).observe(this.scroller);
    this.scroller.addEventListener("scroll", () => this.look());
    this.pinned = true;
    this.top = 0;
  }

  // Where did the person leave it? Only a scroll of theirs unpins it, not a row or a composer that grew.
  look() {
    if (Math.abs(this.scroller.scrollTop - this.top) > 1) this.pinned = this.atBottom();
    this.top = this.scroller.scrollTop;
    if (this.pinned) this.pill.hidden = true;
  }

  atBottom() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_PX;
  }

  toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.top = this.scroller.scrollTop;
    this.pinned = true;
    this.pill.hidden = true;
  }

  show(channel, messages, { newFrom } = {}) {
    this.look();
    const stay = this.pinned;
    const newest = messages.at(-1)?.ts;
    reconcile(this.list, this.items(channel, messages, newFrom));
    this.rove();
    if (stay) this.toBottom();
    else if (newest && this.newest && newest > this.newest) this.pill.hidden = false;
    this.newest = newest;
  }

  items(channel, messages, newFrom) {
    const hidden = Math.max(0, messages.length - this.limit);
    const items = [hidden ? this.earlier(channel, messages, newFrom, hidden) : this.intro()].filter(Boolean);
    let before = null;
    for (const message of messages.slice(hidden)) {
      const day = dayKey(whenOf(message));
      if (!this.options.inThread && (!before || day !== dayKey(whenOf(before)))) items.push(dayLine(whenOf(message), this.app));
      if (newFrom === message.ts) items.push({ key: "new", sig: "new", build: () => h("li", { class: "new-line", role: "separator" }, h("span", {}, "New")) });
      items.push(this.row(channel, message, before));
      before = message;
    }
    return items;
  }

  earlier(channel, messages, newFrom, hidden) {
    const more = () => {
      this.limit += STEP;
      this.show(channel, messages, { newFrom });
    };
    return { key: "earlier", sig: String(hidden), build: () => h("li", { class: "earlier" }, h("button", { type: "button", class: "button", on: { click: more } }, `Show earlier messages (${hidden})`)) };
  }

  intro() {
    const node = this.options.intro?.();
    return node && { key: "intro", sig: this.options.introSig(), build: () => h("li", { class: "intro" }, node) };
  }

  row(channel, message, before) {
    const compact = isSystem(message) || joins(before, message);
    const where = { channel: channel.id, inThread: Boolean(this.options.inThread), compact };
    const sig = JSON.stringify([message, compact, this.app.store.me, this.app.worldSig]);
    return { key: message.ts, sig, build: () => messageRow(message, this.app, where) };
  }

  // One row is in the tab order; the arrow keys walk the others.
  rove() {
    const rows = this.rows();
    const held = rows.find((row) => row.contains(document.activeElement));
    rows.forEach((row) => (row.tabIndex = -1));
    const stop = held ?? rows.at(-1);
    if (stop) stop.tabIndex = 0;
  }

  rows() {
    return [...this.list.children].filter((row) => row.classList.contains("message"));
  }

  walk(event) {
    const rows = this.rows();
    const at = rows.indexOf(event.target);
    const next = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at === -1 || next === undefined || !rows[next]) return;
    event.preventDefault();
    rows[next].focus();
    this.rove();
  }

  reveal(ts) {
    const row = this.rows().find((one) => one.dataset.ts === ts);
    if (!row) return;
    this.pinned = false;
    row.scrollIntoView({ block: "center" });
    row.classList.add("flash");
    setTimeout(() => row.classList.remove("flash"), 1600);
  }
}

function dayLine(date, app) {
  const today = dayKey(date) === dayKey(app.store.now());
  const words = today ? `Today, ${shortDay(date)}` : longDay(date);
  return { key: `day-${dayKey(date)}`, sig: words, build: () => h("li", { class: "day-line", role: "separator" }, h("span", {}, words)) };
}

// Plain words by the same person, close together, share one heading.
function joins(before, message) {
  if (!before || before.user !== message.user || isSystem(before)) return false;
  if (message.ephemeral || before.ephemeral || message.blocks?.length || message.pinned || message.subtype === "thread_broadcast") return false;
  const gap = whenOf(message) - whenOf(before);
  return gap >= 0 && gap < COMPACT_MS && dayKey(whenOf(before)) === dayKey(whenOf(message));
}
