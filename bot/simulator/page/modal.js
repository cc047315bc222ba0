// The stack of modals. What a person typed survives every refresh; an updated view keeps it where block_id and action_id stay, as Slack does.

import { renderBlocks } from "./blocks.js";
import { h, heldFocus, icon, restoreFocus } from "./dom.js";
import { words } from "./elements.js";
import { pressElement } from "./message.js";
import { attempt, toastsGoHome } from "./toasts.js";

export class Modals {
  constructor(app) {
    this.app = app;
    this.sheets = new Map();
    this.dialog = null;
    this.shown = null;
  }

  update(views) {
    this.forget(views);
    for (const view of views) this.keep(view);
    const top = views.at(-1);
    if (!top) return this.leave();
    this.bring(this.sheets.get(top.id), views.length);
  }

  forget(views) {
    const ids = new Set(views.map((one) => one.id));
    for (const id of this.sheets.keys()) if (!ids.has(id)) this.sheets.delete(id);
  }

  keep(view) {
    const known = this.sheets.get(view.id);
    if (!known) this.sheets.set(view.id, new Sheet(this.app, view));
    else known.take(view);
  }

  bring(sheet, depth) {
    if (!this.dialog) this.open();
    this.dialog.dataset.depth = String(depth);
    this.dialog.dataset.callbackId = sheet.view.callback_id ?? "";
    if (this.dialog.firstElementChild === sheet.node) return;
    const fresh = this.shown !== sheet;
    const held = fresh ? null : heldFocus(this.dialog);
    const toasts = this.dialog.querySelector("#toasts");
    this.dialog.replaceChildren(sheet.node, ...(toasts ? [toasts] : []));
    this.shown = sheet;
    if (fresh) sheet.focusFirst();
    else if (held) restoreFocus(sheet.node, held);
  }

  open() {
    this.before = document.activeElement;
    this.dialog = h("dialog", { class: "dialog modal", testid: "modal", "aria-labelledby": "modal-title" });
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.shown?.close();
    });
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.shown?.close();
    });
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  leave() {
    this.shown = null;
    if (!this.dialog) return;
    toastsGoHome();
    this.dialog.close();
    this.dialog.remove();
    this.dialog = null;
    if (this.before?.isConnected && this.before !== document.body) this.before.focus({ preventScroll: true });
    else this.app.focusComposer();
  }
}

class Sheet {
  constructor(app, view) {
    this.app = app;
    this.draw(view, fromState(view.state?.values));
  }

  take(view) {
    if (view.hash !== this.view.hash) this.draw(view, { ...fromState(view.state?.values), ...this.values() });
    this.showErrors(view.errors ?? {});
  }

  draw(view, values) {
    this.view = view;
    this.controls = new Map();
    const stage = { world: this.app.world, controls: this.controls, act: (...press) => this.press(...press), changed: (blockId) => this.clearError(blockId) };
    const blocks = renderBlocks(view.blocks, stage);
    for (const [key, made] of this.controls) if (key in values) made.write(values[key]);
    this.node = this.form(view, blocks);
    this.showErrors(view.errors ?? {});
  }

  form(view, blocks) {
    const close = () => this.close();
    const cross = h("button", { type: "button", class: "bare", "aria-label": "Close", on: { click: close } }, icon("close"));
    this.trouble = h("p", { class: "form-trouble", role: "alert", hidden: true });
    const dismiss = h("button", { type: "button", class: "button", testid: "modal-close", on: { click: close } }, words(view.close) || "Close");
    this.submitter = view.submit && h("button", { type: "submit", class: "button primary", testid: "modal-submit" }, words(view.submit));
    const head = h("div", { class: "dialog-head" }, h("h2", { class: "dialog-title", id: "modal-title" }, words(view.title)), cross);
    const form = h("form", { class: "sheet", novalidate: true }, head, h("div", { class: "dialog-body" }, blocks), this.trouble, h("div", { class: "dialog-foot" }, dismiss, this.submitter));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    form.addEventListener("input", (event) => this.clearError(event.target.closest("[data-block-id]")?.dataset.blockId));
    return form;
  }

  focusFirst() {
    const all = [...this.controls.values()];
    const wanted = all.find((made) => made.element.focus_on_load) ?? all.find((made) => made.block.type === "input");
    (wanted?.focusable ?? this.submitter ?? this.node.querySelector("button"))?.focus();
  }

  // {"block\naction": value}
  values() {
    return Object.fromEntries([...this.controls].map(([key, made]) => [key, made.read()]));
  }

  // {block_id: {action_id: value}}
  filled() {
    const filled = {};
    for (const made of this.controls.values()) {
      const value = made.read();
      if (value !== undefined && made.block.block_id) (filled[made.block.block_id] ??= {})[made.element.action_id] = value;
    }
    return filled;
  }

  press(element, block, detail) {
    return pressElement(this.app, element, block, detail, { view_id: this.view.id, values: this.filled() });
  }

  async submit() {
    if (!this.submitter || this.submitter.getAttribute("aria-busy") === "true") return;
    this.submitter.setAttribute("aria-busy", "true");
    this.say("");
    const answer = await attempt(() => this.app.store.human("submit", { view_id: this.view.id, values: this.filled() }));
    this.submitter?.removeAttribute("aria-busy");
    if (answer.errors) this.showErrors(answer.errors, true);
    else if (answer.ok === false) this.say(answer.sentence ?? "We had some trouble connecting. Try again.");
  }

  async close() {
    await attempt(() => this.app.store.human("close_view", { view_id: this.view.id }));
  }

  say(words) {
    this.trouble.textContent = words;
    this.trouble.hidden = !words;
  }

  showErrors(errors, local = false) {
    const sig = JSON.stringify(errors);
    if (!local && sig === this.errorSig) return;
    if (!local) this.errorSig = sig;
    let first = null;
    for (const slot of this.node.querySelectorAll("[data-error-for]")) {
      const text = errors[slot.dataset.errorFor] ?? "";
      slot.textContent = text;
      slot.hidden = !text;
      slot.parentElement.classList.toggle("wrong", Boolean(text));
      if (text) first ??= slot.parentElement;
      this.markInvalid(slot.dataset.errorFor, Boolean(text));
    }
    if (first && this.node.isConnected) first.querySelector("input, select, textarea")?.focus();
  }

  clearError(blockId) {
    const slot = blockId && this.node.querySelector(`[data-error-for="${CSS.escape(blockId)}"]`);
    if (!slot || slot.hidden) return;
    slot.hidden = true;
    slot.textContent = "";
    slot.parentElement.classList.remove("wrong");
    this.markInvalid(blockId, false);
  }

  markInvalid(blockId, wrong) {
    for (const made of this.controls.values()) {
      if (made.block.block_id === blockId) (made.focusable ?? made.node).setAttribute("aria-invalid", String(wrong));
    }
  }
}

// Slack's state.values -> the plain values the controls take.
export function fromState(values) {
  const plain = {};
  for (const [block, actions] of Object.entries(values ?? {})) {
    for (const [action, state] of Object.entries(actions)) plain[`${block}\n${action}`] = plainState(state);
  }
  return plain;
}

function plainState(state) {
  const { type: _, ...rest } = state;
  const value = Object.values(rest)[0] ?? null;
  if (Array.isArray(value)) return value.map((one) => one?.value ?? one);
  if (state.type === "datetimepicker" && value) return new Date(value * 1000).toISOString().slice(0, 16);
  return typeof value === "object" && value ? (value.value ?? null) : value;
}
