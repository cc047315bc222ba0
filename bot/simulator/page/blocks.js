// Block Kit -> DOM. `stage` says where the blocks are: {world, act(element, block, detail), controls?: Map, inputs?: boolean}.

import { h } from "./dom.js";
import { control, INPUTS, textNodes, words } from "./elements.js";
import { glyph, withEmoji } from "./emoji.js";
import { markdown } from "./markdown.js";
import { channelLink, link, mrkdwn, person } from "./mrkdwn.js";

export function renderBlocks(blocks, stage) {
  return (blocks ?? []).map((block) => renderBlock(block, stage));
}

function renderBlock(block, stage) {
  const draw = DRAWERS[block.type] ?? unknown;
  const node = draw(block, stage);
  if (block.block_id) node.dataset.blockId = block.block_id;
  return node;
}

const DRAWERS = {
  header: (block) => h("h3", { class: "block block-header" }, words(block.text)),
  divider: () => h("hr", { class: "block block-divider" }),
  section, context, actions, image, input, rich_text: richText, table, alert,
  markdown: (block, { world }) => h("div", { class: "block prose" }, markdown(block.text ?? "", world)),
  context_actions: actions,
  video: (block) => placeholder(`Video: ${words(block.title) || block.alt_text}`),
  file: (block) => placeholder(`File: ${block.external_id}`),
};

const unknown = (block) => placeholder(`A block of type "${block.type}", which this page cannot draw.`);
const placeholder = (text) => h("div", { class: "block placeholder" }, text);

function section(block, stage) {
  const body = h("div", { class: "section-body" }, block.text && h("div", { class: "text" }, textNodes(block.text, stage.world)), fields(block, stage));
  const side = block.accessory && h("div", { class: "section-side" }, elementNode(block.accessory, block, stage));
  return h("div", { class: "block block-section" }, body, side);
}

function fields(block, { world }) {
  if (!block.fields?.length) return null;
  return h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "text" }, textNodes(field, world))));
}

function context(block, { world }) {
  return h("div", { class: "block block-context" }, (block.elements ?? []).map((part) => contextPart(part, world)));
}

function contextPart(part, world) {
  return part.type === "image" ? h("span", { class: "tiny-image", role: "img", "aria-label": part.alt_text }, "▣") : h("span", { class: "text" }, textNodes(part, world));
}

function actions(block, stage) {
  return h("div", { class: "block block-actions" }, (block.elements ?? []).map((element) => elementNode(element, block, stage)));
}

function elementNode(element, block, stage) {
  if (element.type === "image") return imageBox(element);
  const made = control(element, { world: stage.world, testid: `action-${element.action_id}`, act: (detail) => stage.act(element, block, detail) });
  if (INPUTS.has(element.type)) stage.controls?.set(`${block.block_id}\n${element.action_id}`, { ...made, block, element });
  return made.node;
}

// Pictures come from elsewhere, and this page loads nothing from outside.
function image(block) {
  return h("figure", { class: "block" }, block.title && h("figcaption", {}, words(block.title)), imageBox(block));
}

const imageBox = (part) => h("div", { class: "picture", role: "img", "aria-label": part.alt_text, title: part.image_url }, part.alt_text || "picture");

function alert(block, { world }) {
  const level = ["info", "warning", "error", "success"].includes(block.level) ? block.level : "info";
  return h("div", { class: `block block-alert ${level}`, role: "note" }, textNodes(block.text, world));
}

// Input blocks, inside modals and the Home tab

let serial = 0;

function input(block, stage) {
  const element = block.element ?? {};
  const id = `input-${(serial += 1)}`;
  const act = (detail) => {
    stage.changed?.(block.block_id);
    if (block.dispatch_action) stage.act(element, block, detail);
  };
  act.isField = true;
  const made = control(element, { world: stage.world, testid: `field-${block.block_id}`, act, clearable: Boolean(block.optional) });
  stage.controls?.set(`${block.block_id}\n${element.action_id}`, { ...made, block, element });
  describe(made, block, id);
  return h("div", { class: "block block-input" }, labelOf(block, made, id), made.node, hintOf(block, id, stage), errorSlot(block, id));
}

function describe(made, block, id) {
  const target = made.focusable && made.node.matches(".boxes") ? made.node : (made.focusable ?? made.node);
  target.id = id;
  target.removeAttribute("aria-label");
  target.setAttribute("aria-labelledby", `${id}-label`);
  target.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  if (!block.optional) target.setAttribute("aria-required", "true");
}

function labelOf(block, made, id) {
  const mark = block.optional ? h("span", { class: "optional" }, " (optional)") : h("span", { class: "required", title: "Required", "aria-hidden": "true" }, " *");
  const grouped = made.node.matches(".boxes");
  return h(grouped ? "div" : "label", { class: "label", id: `${id}-label`, htmlFor: grouped ? undefined : id }, words(block.label), mark);
}

const hintOf = (block, id, { world }) => block.hint && h("div", { class: "hint", id: `${id}-hint` }, textNodes(block.hint, world));

const errorSlot = (block, id) => h("div", { class: "field-error", id: `${id}-error`, testid: `field-error-${block.block_id}`, role: "alert", hidden: true, data: { errorFor: block.block_id } });

// Rich text

function richText(block, { world }) {
  return h("div", { class: "block rich" }, (block.elements ?? []).map((part) => richPart(part, world)));
}

function richPart(part, world) {
  const inner = () => (part.elements ?? []).map((leaf) => richLeaf(leaf, world));
  if (part.type === "rich_text_preformatted") return h("pre", { class: "code" }, inner());
  if (part.type === "rich_text_quote") return h("blockquote", {}, inner());
  if (part.type === "rich_text_list") return richList(part, world);
  return h("div", { class: "text" }, inner());
}

function richList(part, world) {
  const items = (part.elements ?? []).map((item) => h("li", {}, richPart(item, world)));
  const node = h(part.style === "ordered" ? "ol" : "ul", { start: part.offset ? part.offset + 1 : undefined }, items);
  node.classList.add(`indent-${Math.min(part.indent ?? 0, 4)}`);
  return node;
}

function richLeaf(leaf, world) {
  const node = richCore(leaf, world);
  const style = leaf.style ?? {};
  const wraps = [["bold", "strong"], ["italic", "em"], ["strike", "s"], ["code", "code"], ["underline", "u"]].filter(([name]) => style[name]);
  return wraps.reduce((inner, [, tag]) => h(tag, {}, inner), node);
}

function richCore(leaf, world) {
  if (leaf.type === "user") return person(leaf.user_id, null, world);
  if (leaf.type === "channel") return channelLink(leaf.channel_id, null, world);
  if (leaf.type === "link") return link(leaf.url, leaf.text ?? null, world);
  if (leaf.type === "emoji") return glyph(leaf.name);
  if (leaf.type === "date") return mrkdwn(`<!date^${leaf.timestamp}^${leaf.format}|${leaf.fallback ?? ""}>`, world);
  if (leaf.type === "broadcast") return h("span", { class: "mention mention-all" }, `@${leaf.range}`);
  if (leaf.type === "usergroup") return h("span", { class: "mention" }, `@${world.groups?.get(leaf.usergroup_id) ?? leaf.usergroup_id}`);
  return withEmoji(leaf.text ?? "");
}

function table(block, { world }) {
  const rows = (block.rows ?? []).map((row, index) => h("tr", {}, row.map((cell) => h(index ? "td" : "th", index ? {} : { scope: "col" }, tableCell(cell, world)))));
  return h("div", { class: "block scrolls prose" }, h("table", {}, h("tbody", {}, rows)));
}

const tableCell = (cell, world) => (cell.type === "rich_text" ? cell.elements.map((part) => richPart(part, world)) : words(cell));

// Legacy attachments: the only way to a coloured bar.
export function renderAttachments(attachments, stage) {
  return (attachments ?? []).map((one) => attachment(one, stage));
}

function attachment(one, stage) {
  const node = h("div", { class: "attachment" }, one.blocks ? renderBlocks(one.blocks, stage) : classic(one, stage));
  const colour = { good: "#1f7a4d", warning: "#b7791f", danger: "#b42318" }[one.color] ?? `#${String(one.color ?? "").replace(/^#/, "")}`;
  if (/^#[0-9a-f]{3,8}$/i.test(colour)) node.style.borderLeftColor = colour;
  return node;
}

function classic(one, { world }) {
  const title = one.title && h("div", { class: "attachment-title" }, one.title_link ? link(one.title_link, one.title, world) : one.title);
  const pairs = (one.fields ?? []).map((field) => h("div", { class: "text" }, h("strong", {}, field.title), h("br"), mrkdwn(field.value, world)));
  return [
    one.pretext && h("div", { class: "text" }, mrkdwn(one.pretext, world)), title,
    h("div", { class: "text" }, mrkdwn(one.text ?? (title ? "" : one.fallback) ?? "", world)),
    pairs.length > 0 && h("div", { class: "fields" }, pairs), one.footer && h("div", { class: "block-context" }, one.footer),
  ];
}
