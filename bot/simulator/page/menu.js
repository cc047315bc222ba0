// Small pop-up menus: one at a time, arrow keys inside, Escape gives the focus back.

import { h } from "./dom.js";

let current = null;

// items: [{label, run(anchor), testid?, hint?, icon?, separated?, danger?}]
export function openMenu(anchor, items, label) {
  const again = current?.anchor === anchor;
  closeMenu();
  if (again) return;
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label }, items.map((item) => menuItem(item, anchor)));
  show(anchor, menu);
  menu.addEventListener("keydown", (event) => steer(event, menu));
  menu.querySelector("[role^=menuitem]")?.focus();
}

// Any content in the same place: member lists, emoji.
export function openPanel(anchor, node, label) {
  const again = current?.anchor === anchor;
  closeMenu();
  if (again) return;
  const panel = h("div", { class: "menu panel", role: "dialog", "aria-label": label, tabIndex: -1 }, node);
  show(anchor, panel);
  panel.addEventListener("keydown", (event) => event.key === "Escape" && leave(event));
  (panel.querySelector("button, a, input") ?? panel).focus();
}

function menuItem(item, anchor) {
  const run = () => {
    closeMenu(true);
    item.run(anchor);
  };
  const text = h("span", { class: "menu-label" }, item.label, item.hint && h("span", { class: "hint" }, item.hint));
  const shape = ["menu-item", item.separated && "separated", item.danger && "danger"].filter(Boolean).join(" ");
  return h("button", { type: "button", role: "menuitem", class: shape, testid: item.testid, on: { click: run } }, item.icon, text);
}

function show(anchor, node) {
  (anchor.closest("dialog") ?? document.body).append(node);
  place(anchor, node);
  anchor.setAttribute("aria-expanded", "true");
  current = { anchor, node };
  setTimeout(() => document.addEventListener("pointerdown", outside), 0);
}

function place(anchor, node) {
  const from = anchor.getBoundingClientRect();
  const size = node.getBoundingClientRect();
  const below = from.bottom + 4 + size.height < window.innerHeight || from.top < size.height;
  const left = Math.max(8, Math.min(from.left, window.innerWidth - size.width - 8));
  const top = below ? Math.min(from.bottom + 4, window.innerHeight - size.height - 8) : from.top - size.height - 4;
  node.style.left = `${left}px`;
  node.style.top = `${Math.max(8, top)}px`;
}

function outside(event) {
  if (current && !current.node.contains(event.target) && !current.anchor.contains(event.target)) closeMenu();
}

export function closeMenu(refocus = false) {
  if (!current) return;
  const { anchor, node } = current;
  current = null;
  document.removeEventListener("pointerdown", outside);
  node.remove();
  anchor.setAttribute("aria-expanded", "false");
  if (refocus && anchor.isConnected) anchor.focus({ preventScroll: true });
}

function leave(event) {
  event.preventDefault();
  event.stopPropagation();
  closeMenu(true);
}

function steer(event, menu) {
  if (event.key === "Escape" || event.key === "Tab") return leave(event);
  const items = [...menu.querySelectorAll("[role^=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  items.at(next % items.length)?.focus();
}
