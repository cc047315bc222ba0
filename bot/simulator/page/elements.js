// Block Kit's interactive elements. Each becomes a control: {node, read(), write(value)}; `act(detail)` is called when a person uses it.

import { h, icon } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { openMenu } from "./menu.js";
import { mrkdwn, plain, unescape } from "./mrkdwn.js";

export const words = (object) => (typeof object === "string" ? object : object?.type === "mrkdwn" ? object.text : unescapeEmoji(object?.text ?? ""));
const unescapeEmoji = (text) => withEmoji(unescape(text));

export function textNodes(object, world) {
  if (!object) return [];
  return object.type === "mrkdwn" ? mrkdwn(object.text, world) : [words(object)];
}

// setting: {world, testid, act(detail), label?, disabled?}
export function control(element, setting) {
  const kind = KINDS[element.type] ?? unknown;
  return kind(element, setting);
}

const KINDS = {
  button, workflow_button: button, overflow, checkboxes, radio_buttons: radios, plain_text_input: textInput, rich_text_input: textInput,
  email_text_input: (e, s) => lineInput(e, s, "email"), url_text_input: (e, s) => lineInput(e, s, "url"), number_input: numberInput,
  datepicker: (e, s) => pickInput(e, s, "date", e.initial_date), timepicker: (e, s) => pickInput(e, s, "time", e.initial_time), datetimepicker,
  static_select: select, users_select: select, conversations_select: select, channels_select: select,
  multi_static_select: chips, multi_users_select: chips, multi_conversations_select: chips, multi_channels_select: chips,
};

export const INPUTS = new Set(Object.keys(KINDS).filter((kind) => !["button", "workflow_button", "overflow"].includes(kind)));

function unknown(element, { testid }) {
  const node = h("span", { class: "unsupported", testid }, `A "${element.type}" cannot be used here yet.`);
  return { node, read: () => undefined, write: () => {} };
}

function button(element, { testid, act, world }) {
  const style = { primary: "button primary", danger: "button danger" }[element.style] ?? "button";
  const press = (event) => {
    if (element.url) openAddress(element.url, world);
    act({ value: element.value, anchor: event.currentTarget });
  };
  const node = h("button", { type: "button", class: style, testid, "aria-label": element.accessibility_label, on: { click: press } }, words(element.text), element.url && icon("link"));
  return { node, read: () => undefined, write: () => {} };
}

function openAddress(url, world) {
  const inside = /\/archives\/([CDG]\w+)/.exec(url);
  if (inside && world.channels.has(inside[1])) world.go(inside[1]);
  else if (/^https?:\/\//i.test(url)) window.open(url, "_blank", "noopener,noreferrer");
}

function overflow(element, { testid, act }) {
  const choose = (option, anchor) => act({ selected: option.value, value: option.value, anchor });
  const items = (element.options ?? []).map((option) => ({ label: words(option.text), testid: `option-${option.value}`, run: (anchor) => choose(option, anchor) }));
  const open = (event) => openMenu(event.currentTarget, items, "More actions");
  const node = h("button", { type: "button", class: "button icon-only", testid, "aria-label": "More actions", "aria-haspopup": "menu", on: { click: open } }, icon("more"));
  return { node, read: () => undefined, write: () => {} };
}

// Selects

function choices(element, world) {
  if (element.type.includes("users")) return world.pickablePeople().map((person) => [person.id, person.real_name || person.name]);
  if (element.type.includes("conversations") || element.type.includes("channels")) return world.pickableChannels().map((channel) => [channel.id, `#${channel.name}`]);
  return (element.options ?? []).map(optionPair);
}

const optionPair = (option) => [option.value, words(option.text) + (option.description ? ` – ${words(option.description)}` : "")];

function initialOf(element) {
  return element.initial_option?.value ?? element.initial_user ?? element.initial_conversation ?? element.initial_channel ?? "";
}

function initialsOf(element) {
  return element.initial_options?.map((o) => o.value) ?? element.initial_users ?? element.initial_conversations ?? element.initial_channels ?? [];
}

function optionNodes(element, world) {
  if (!element.option_groups) return choices(element, world).map(optionNode);
  return element.option_groups.map((group) => h("optgroup", { label: words(group.label) }, group.options.map(optionPair).map(optionNode)));
}

const optionNode = ([value, label]) => h("option", { value }, label);

function select(element, { testid, act, world, label, clearable }) {
  const placeholder = h("option", { value: "", disabled: !clearable && !act.isField }, words(element.placeholder) || "Choose…");
  const node = h("select", { class: "select", testid, "aria-label": label ?? (words(element.placeholder) || "Choose") }, placeholder, optionNodes(element, world));
  const write = (value) => {
    node.value = value ?? "";
    if (node.selectedIndex === -1) node.value = "";
  };
  write(initialOf(element));
  node.addEventListener("change", () => act({ selected: node.value || null, value: node.value, anchor: node }));
  return { node, focusable: node, read: () => node.value || null, write };
}

// A multi-select is a row of chips and a select that adds one: no modifier keys to know, and every chip is a button.
function chips(element, { testid, act, world, label }) {
  let chosen = [];
  const names = new Map(element.option_groups ? element.option_groups.flatMap((g) => g.options.map(optionPair)) : choices(element, world));
  const row = h("ul", { class: "chips", "aria-label": "Chosen" });
  const adder = h("select", { class: "select", testid, "aria-label": label ?? (words(element.placeholder) || "Add") }, h("option", { value: "" }, words(element.placeholder) || "Add…"), optionNodes(element, world));
  const tell = () => act({ selected: [...chosen], anchor: adder });
  const write = (values) => {
    chosen = (values ?? []).filter((value) => names.has(value));
    row.replaceChildren(...chosen.map((value) => chip(value, names.get(value), remove)));
    for (const option of adder.querySelectorAll("option")) option.disabled = chosen.includes(option.value);
    adder.value = "";
  };
  const remove = (value) => {
    write(chosen.filter((one) => one !== value));
    adder.focus();
    tell();
  };
  adder.addEventListener("change", () => {
    const full = element.max_selected_items && chosen.length >= element.max_selected_items;
    write(adder.value && !full ? [...chosen, adder.value] : chosen);
    tell();
  });
  write(initialsOf(element));
  return { node: h("div", { class: "multi" }, row, adder), focusable: adder, read: () => [...chosen], write };
}

function chip(value, name, remove) {
  return h("li", { class: "chip", data: { value } }, name, h("button", { type: "button", "aria-label": `Remove ${name}`, on: { click: () => remove(value) } }, icon("close")));
}

// Boxes and radios

function boxes(element, { testid, act, world, label }, type, read, initial) {
  const name = `group-${(boxes.count = (boxes.count ?? 0) + 1)}`;
  const inputs = (element.options ?? []).map((option) => h("input", { type, name, value: option.value }));
  const rows = (element.options ?? []).map((option, index) => boxRow(option, inputs[index], world));
  const node = h("div", { class: "boxes", role: type === "radio" ? "radiogroup" : "group", testid, "aria-label": label, tabIndex: -1 }, rows);
  const write = (value) => inputs.forEach((input) => (input.checked = [value].flat().includes(input.value)));
  write(initial);
  node.addEventListener("change", () => act({ selected: read(inputs), anchor: node }));
  return { node, focusable: inputs[0], read: () => read(inputs), write };
}

function boxRow(option, input, world) {
  const about = option.description && h("span", { class: "about" }, textNodes(option.description, world));
  return h("label", { class: "box" }, input, h("span", {}, textNodes(option.text, world), about));
}

function checkboxes(element, setting) {
  const read = (inputs) => inputs.filter((input) => input.checked).map((input) => input.value);
  return boxes(element, setting, "checkbox", read, initialsOf(element));
}

function radios(element, setting) {
  const read = (inputs) => inputs.find((input) => input.checked)?.value ?? null;
  return boxes(element, setting, "radio", read, initialOf(element));
}

// Texts, numbers, dates

function textInput(element, setting) {
  if (!element.multiline && element.type !== "rich_text_input") return lineInput(element, setting, "text");
  return typed(h("textarea", { class: "input", rows: 4, ...textAttributes(element, setting) }), element, setting, element.initial_value);
}

function lineInput(element, setting, type) {
  return typed(h("input", { class: "input", type, autocomplete: "off", ...textAttributes(element, setting) }), element, setting, element.initial_value);
}

function numberInput(element, setting) {
  const limits = { min: element.min_value, max: element.max_value, step: element.is_decimal_allowed ? "any" : 1 };
  return typed(h("input", { class: "input", type: "number", ...limits, ...textAttributes(element, setting) }), element, setting, element.initial_value);
}

function pickInput(element, setting, type, initial) {
  return typed(h("input", { class: "input", type, ...textAttributes(element, setting) }), element, setting, initial, "change");
}

function datetimepicker(element, setting) {
  const initial = element.initial_date_time ? new Date(element.initial_date_time * 1000).toISOString().slice(0, 16) : "";
  const inner = typed(h("input", { class: "input", type: "datetime-local", ...textAttributes(element, setting) }), element, setting, initial, "change");
  const read = () => (inner.node.value ? Math.round(Date.parse(`${inner.node.value}:00Z`.replace(/(:\d\d:\d\d):00Z$/, "$1Z")) / 1000) : null);
  return { ...inner, read };
}

function textAttributes(element, { testid, label }) {
  return { testid, "aria-label": label, placeholder: words(element.placeholder) || undefined, maxlength: element.max_length, minlength: element.min_length };
}

function typed(node, element, { act }, initial, event = "change") {
  node.value = initial ?? "";
  const tell = () => act({ selected: node.value, value: node.value, anchor: node, typed: true });
  node.addEventListener(event, tell);
  return { node, focusable: node, read: () => node.value || null, write: (value) => (node.value = value ?? "") };
}

export const plainWords = (object, world) => (object?.type === "mrkdwn" ? plain(object.text, world) : words(object));
