// Where a person types: Enter sends, Shift+Enter breaks the line; `/`, `@` and `#` offer completions.

import { h, icon } from "./dom.js";
import { personName } from "./store.js";

let serial = 0;

export class Composer {
  // options: {testid, sendTestid, label, placeholder, commands, extra?, send(text) -> Promise<answer>}
  constructor(app, options) {
    this.app = app;
    this.options = options;
    this.id = `composer-${(serial += 1)}`;
    this.offers = [];
    this.at = 0;
    this.area = h("textarea", { class: "composer-text", rows: 1, testid: options.testid, "aria-label": options.label, placeholder: options.placeholder, role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${this.id}-list`, spellcheck: "false" });
    this.popup = h("ul", { class: "offers", role: "listbox", id: `${this.id}-list`, "aria-label": "Suggestions", hidden: true });
    this.hint = h("div", { class: "composer-hint", id: `${this.id}-hint` });
    this.button = h("button", { type: "button", class: "button primary send", testid: options.sendTestid, "aria-label": "Send", title: "Send (Enter)", on: { click: () => this.submit() } }, icon("send"));
    this.node = h("div", { class: "composer" }, this.popup, h("div", { class: "composer-box" }, options.extra, this.area, this.button), this.hint);
    this.area.addEventListener("input", () => this.changed());
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("blur", () => setTimeout(() => this.closeOffers(), 150));
    this.changed();
  }

  get text() {
    return this.area.value;
  }

  set text(value) {
    this.area.value = value;
    this.changed();
    this.closeOffers();
  }

  focus() {
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(this.text.length, this.text.length);
  }

  changed() {
    this.area.style.height = "auto";
    this.area.style.height = `${Math.min(this.area.scrollHeight, 200)}px`;
    this.button.disabled = this.text.trim() === "";
    this.offers = this.find();
    this.at = 0;
    this.paintOffers();
    this.paintHint();
  }

  find() {
    const caret = this.area.selectionStart ?? this.text.length;
    const before = this.text.slice(0, caret);
    if (/^\/\S*$/.test(before)) return this.options.commands ? commandOffers(this.app, before) : [];
    const word = /(?:^|\s)([@#])([\w.-]*)$/.exec(before);
    return word ? nameOffers(this.app, word[1], word[2].toLowerCase(), caret) : [];
  }

  paintHint() {
    const name = /^\/\S+/.exec(this.text)?.[0];
    const command = name && this.app.store.state.commands.find((one) => one.command === name);
    let words = "";
    if (name && !this.options.commands) words = `Slash commands do not work in threads. Mention @${this.app.botName()} with the same words instead.`;
    else if (command && this.text.includes(" ")) words = [command.command, command.usage_hint].filter(Boolean).join(" ");
    this.hint.textContent = words;
    this.hint.hidden = !words;
  }

  paintOffers() {
    this.popup.hidden = this.offers.length === 0;
    this.popup.replaceChildren(...this.offers.map((offer, index) => this.offerNode(offer, index)));
    this.area.setAttribute("aria-expanded", String(!this.popup.hidden));
    this.highlight();
  }

  offerNode(offer, index) {
    const choose = (event) => {
      event.preventDefault();
      this.accept(index);
    };
    return h("li", { class: "offer", role: "option", id: `${this.id}-offer-${index}`, testid: `offer-${offer.label}`, on: { mousedown: choose } }, h("strong", {}, offer.label), offer.usage && h("code", {}, offer.usage), h("span", { class: "hint" }, offer.hint));
  }

  highlight() {
    [...this.popup.children].forEach((node, index) => {
      node.setAttribute("aria-selected", String(index === this.at));
      if (index === this.at) node.scrollIntoView({ block: "nearest" });
    });
    if (this.popup.hidden) this.area.removeAttribute("aria-activedescendant");
    else this.area.setAttribute("aria-activedescendant", `${this.id}-offer-${this.at}`);
  }

  closeOffers() {
    this.offers = [];
    this.paintOffers();
  }

  accept(index) {
    const offer = this.offers[index];
    const rest = this.text.slice(offer.to ?? this.area.selectionStart);
    const head = this.text.slice(0, offer.from) + offer.insert;
    this.text = head + rest.replace(/^ /, "");
    this.area.focus();
    this.area.setSelectionRange(head.length, head.length);
  }

  key(event) {
    if (event.isComposing) return;
    if (!this.popup.hidden && this.keyInOffers(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    }
  }

  keyInOffers(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.at = (this.at + step + this.offers.length) % this.offers.length;
      this.highlight();
      return true;
    }
    if (event.key === "Escape") {
      event.stopPropagation();
      this.closeOffers();
      return true;
    }
    const { insert, from } = this.offers[this.at];
    const complete = insert.trim().toLowerCase() === this.text.slice(from, this.area.selectionStart).toLowerCase();
    if (event.key !== "Tab" && (event.key !== "Enter" || event.shiftKey || complete)) return false;
    this.accept(this.at);
    return true;
  }

  // The field is free at once; if the words could not be sent they come back.
  async submit() {
    const text = this.text.trim();
    if (!text || (text.startsWith("/") && !this.options.commands)) return;
    this.text = "";
    const answer = await this.options.send(text);
    if (answer.ok === false && !this.text) this.text = text;
  }
}

function commandOffers(app, typed) {
  return app.store.state.commands
    .filter((one) => one.command.startsWith(typed.toLowerCase()))
    .map((one) => ({ label: one.command, usage: one.usage_hint, hint: one.description, insert: `${one.command} `, from: 0 }));
}

function nameOffers(app, sign, typed, caret) {
  const from = caret - typed.length - 1;
  const fits = (name) => name?.toLowerCase().startsWith(typed);
  const offer = (name, hint) => ({ label: `${sign}${name}`, hint, insert: `${sign}${name} `, from });
  if (sign === "#") return app.store.pickableChannels().filter((one) => fits(one.name)).slice(0, 8).map((one) => offer(one.name, one.topic));
  return app.store.pickablePeople().filter((one) => fits(one.name) || fits(one.real_name)).slice(0, 8).map((one) => offer(one.name, one.kind === "member" ? personName(one) : one.kind));
}
