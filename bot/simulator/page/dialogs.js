// The confirm dialog that a button may carry.

import { h } from "./dom.js";
import { textNodes, words } from "./elements.js";

export function confirmed(confirm, world) {
  if (!confirm) return Promise.resolve(true);
  return new Promise((resolve) => ask(confirm, world, resolve));
}

function ask(confirm, world, resolve) {
  const before = document.activeElement;
  const dialog = h("dialog", { class: "dialog confirm", "aria-labelledby": "confirm-title", testid: "confirm" });
  const answer = (yes) => {
    dialog.close();
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    resolve(yes);
  };
  const look = confirm.style === "danger" ? "button danger filled" : "button primary";
  const deny = h("button", { type: "button", class: "button", testid: "confirm-cancel", on: { click: () => answer(false) } }, words(confirm.deny) || "Cancel");
  const accept = h("button", { type: "button", class: look, testid: "confirm-ok", on: { click: () => answer(true) } }, words(confirm.confirm) || "Yes");
  dialog.append(
    h("h2", { class: "dialog-title", id: "confirm-title" }, words(confirm.title) || "Are you sure?"),
    h("div", { class: "dialog-body" }, textNodes(confirm.text, world)),
    h("div", { class: "dialog-foot" }, deny, accept),
  );
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    answer(false);
  });
  document.body.append(dialog);
  dialog.showModal();
  accept.focus();
}
