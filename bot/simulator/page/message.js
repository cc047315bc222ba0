// One message as a row: who, when, what, and what can be done with it.

import { renderAttachments, renderBlocks } from "./blocks.js";
import { confirmed } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { glyph, PALETTE } from "./emoji.js";
import { closeMenu, openMenu, openPanel } from "./menu.js";
import { mrkdwn } from "./mrkdwn.js";
import { personName } from "./store.js";
import { clockTime, fullTime, whenOf } from "./times.js";
import { attempt } from "./toasts.js";

const SYSTEM = new Set([
  "channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name", "channel_archive", "channel_unarchive", "channel_convert_to_private",
  "group_join", "group_leave", "group_topic", "group_purpose", "group_name", "group_archive", "group_unarchive", "pinned_item", "unpinned_item", "bookmark_added", "tombstone",
]);

export const isSystem = (message) => SYSTEM.has(message.subtype);

// where: {channel, inThread, compact}
export function messageRow(message, app, where) {
  const row = h("li", { class: rowClass(message, where), testid: "message", tabIndex: -1, data: { ts: message.ts, user: message.user ?? "", ...marks(message) } });
  row.append(h("div", { class: "gutter" }, where.compact ? timeLink(message, "slim") : avatar(message.user, app)), body(message, app, where));
  if (!message.ephemeral && !isSystem(message)) row.append(toolbar(message, app, where));
  row.addEventListener("focusin", () => reachable(row, 0));
  row.addEventListener("focusout", () => reachable(row, -1));
  return row;
}

const marks = (message) => ({ ...(message.ephemeral && { ephemeral: "true" }), ...(message.pinned && { pinned: "true" }) });

function rowClass(message, { compact }) {
  const pinned = message.pinned && "is-pinned";
  return ["message", compact && "compact", message.ephemeral && "ephemeral", isSystem(message) && "system", pinned].filter(Boolean).join(" ");
}

// The toolbar of a row is in the tab order only while the row holds the focus: one stop a row, not six.
function reachable(row, tabIndex) {
  for (const button of row.querySelectorAll(":scope > .toolbar button")) button.tabIndex = tabIndex;
}

export function avatar(userId, app) {
  const someone = app.store.people.get(userId);
  const node = h("span", { class: `avatar kind-${someone?.kind ?? "unknown"}`, "aria-hidden": "true" }, (personName(someone) ?? "?").slice(0, 1).toUpperCase());
  const colour = someone?.color ? `#${someone.color.replace(/^#/, "")}` : null;
  if (colour && /^#[0-9a-f]{3,8}$/i.test(colour)) node.style.backgroundColor = colour;
  return node;
}

function timeLink(message, shape) {
  const at = whenOf(message);
  return h("time", { class: `when ${shape}`, datetime: at.toISOString(), title: `${fullTime(at)}\nts ${message.ts}` }, clockTime(at));
}

function body(message, app, where) {
  return h(
    "div", { class: "body" },
    message.ephemeral && onlyYou(message, app),
    message.pinned && h("div", { class: "note" }, icon("pin"), "Pinned"),
    message.subtype === "thread_broadcast" && !where.inThread && h("div", { class: "note" }, icon("thread"), "Replied to a thread"),
    !where.compact && heading(message, app),
    content(message, app, where),
    files(message, app), reactions(message, app, where), !where.inThread && replies(message, app, where),
  );
}

function onlyYou(message, app) {
  const dismiss = h("button", { type: "button", class: "bare small", on: { click: () => app.dismiss(message.ts) } }, "Dismiss");
  return h("div", { class: "note only-you" }, icon("lock"), "Only visible to you", dismiss);
}

function heading(message, app) {
  const someone = app.store.people.get(message.user);
  const tag = { bot: "APP", guest: "GUEST", stranger: "EXTERNAL", deactivated: "DEACTIVATED" }[message.bot_id ? "bot" : someone?.kind];
  return h("div", { class: "heading" }, h("strong", { class: "who" }, message.username ?? personName(someone) ?? message.user ?? "Someone"), tag && h("span", { class: "tag" }, tag), timeLink(message, ""));
}

export function stageFor(message, app, where) {
  const act = async (element, block, detail) => {
    if (element.type === "button" && !element.action_id) return;
    await pressElement(app, element, block, detail, { channel: where.channel, ts: message.ts });
  };
  return { world: app.world, act };
}

// A person uses a button or a select: ask where it wants asking, show that it is under way, say so where no answer came.
export async function pressElement(app, element, block, detail, place) {
  const { anchor } = detail;
  if (anchor?.getAttribute("aria-busy") === "true") return;
  if (!(await confirmed(element.confirm, app.world))) return;
  anchor?.setAttribute("aria-busy", "true");
  anchor?.classList.remove("unanswered");
  const { anchor: _, typed: __, ...rest } = detail;
  const answer = await attempt(() => app.store.human("click", { ...place, action_id: element.action_id, block_id: block.block_id, ...rest }));
  anchor?.removeAttribute("aria-busy");
  if (answer.ok === false) anchor?.classList.add("unanswered");
}

function content(message, app, where) {
  const stage = stageFor(message, app, where);
  const edited = message.edited && h("span", { class: "edited" }, "(edited)");
  if (message.blocks?.length) return h("div", { class: "content" }, renderBlocks(message.blocks, stage), renderAttachments(message.attachments, stage), edited);
  return h("div", { class: "content" }, h("div", { class: "text" }, mrkdwn(message.text, app.world), edited && " ", edited), renderAttachments(message.attachments, stage));
}

function files(message, app) {
  return message.files?.length ? h("div", { class: "files" }, message.files.map((file) => fileCard(file, app))) : null;
}

function fileCard(file, app) {
  const open = () => app.openPane({ kind: "file", file });
  const about = [file.filetype, file.size === undefined ? null : sizeWords(file.size)].filter(Boolean).join(" · ");
  const text = h("span", { class: "file-words" }, h("span", { class: "file-title" }, file.title || file.name), h("span", { class: "hint" }, about));
  return h("button", { type: "button", class: "file", testid: `file-${file.name}`, on: { click: open } }, icon("file"), text);
}

const sizeWords = (bytes) => (bytes < 1024 ? `${bytes} bytes` : `${(bytes / 1024).toFixed(1)} kB`);

// Reactions

function reactions(message, app, where) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((reaction) => reactionChip(reaction, message, app, where)));
}

function reactionChip({ name, users = [], count }, message, app, where) {
  const mine = users.includes(app.store.me);
  const who = users.map((id) => app.store.nameOf(id)).join(", ");
  const press = () => react(app, where.channel, message.ts, name, mine);
  const label = `${name.replaceAll("_", " ")}, ${count ?? users.length}, ${who}`;
  return h("button", { type: "button", class: mine ? "reaction mine" : "reaction", testid: `reaction-${name}`, "aria-pressed": mine ? "true" : "false", "aria-label": label, title: who, on: { click: press } }, glyph(name), h("span", {}, String(count ?? users.length)));
}

function react(app, channel, ts, name, remove) {
  return attempt(() => app.store.human("reaction", { channel, ts, name, ...(remove && { remove: true }) }));
}

const hasMine = (message, name, app) => Boolean(message.reactions?.find((one) => one.name === name)?.users?.includes(app.store.me));

function replies(message, app, where) {
  if (!message.reply_count) return null;
  const words = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  const last = app.store.messagesOf(where.channel).findLast((one) => one.thread_ts === message.ts && one.ts !== message.ts && !one.ephemeral);
  const hint = last && h("span", { class: "hint" }, `last ${clockTime(whenOf(last))} by ${app.store.nameOf(last.user)}`);
  const open = () => app.openPane({ kind: "thread", channel: where.channel, ts: message.ts });
  return h("button", { type: "button", class: "replies", testid: "thread-open", on: { click: open } }, icon("thread"), h("span", {}, words), hint);
}

// What can be done with a message

function toolbar(message, app, where) {
  const quick = ["white_check_mark", "pushpin"].map((name) => {
    const mine = hasMine(message, name, app);
    return tool(glyph(name), `React with ${name.replaceAll("_", " ")}`, `react-${name}`, () => react(app, where.channel, message.ts, name, mine));
  });
  const more = tool(icon("smile"), "More reactions", "react-more", (anchor) => openPanel(anchor, palette(message, app, where), "Reactions"));
  const thread = !where.inThread && tool(icon("thread"), "Reply in thread", message.reply_count ? undefined : "thread-open", () => app.openPane({ kind: "thread", channel: where.channel, ts: threadOf(message) }, true));
  const menu = tool(icon("more"), "More actions", "message-menu", (anchor) => openMenu(anchor, menuItems(message, app, where), "Message actions"));
  menu.setAttribute("aria-haspopup", "menu");
  return h("div", { class: "toolbar", role: "group", "aria-label": "Message actions" }, quick, more, thread, menu);
}

const threadOf = (message) => message.thread_ts ?? message.ts;

function tool(face, label, testid, run) {
  return h("button", { type: "button", class: "tool", "aria-label": label, title: label, testid, tabIndex: -1, on: { click: (event) => run(event.currentTarget) } }, face);
}

function palette(message, app, where) {
  const choose = (name) => {
    closeMenu(true);
    react(app, where.channel, message.ts, name, hasMine(message, name, app));
  };
  return h("div", { class: "palette" }, PALETTE.map((name) => h("button", { type: "button", class: "tool", title: name, "aria-label": name.replaceAll("_", " "), on: { click: () => choose(name) } }, glyph(name))));
}

function menuItems(message, app, where) {
  const place = { channel: where.channel, ts: message.ts };
  const pinned = message.pinned;
  const pin = () => attempt(() => app.store.human("pin", { ...place, ...(pinned && { remove: true }) }));
  const own = app.store.state.shortcuts.filter((one) => one.type === "message");
  return [
    !where.inThread && { label: "Reply in thread", testid: "menu-reply", run: () => app.openPane({ kind: "thread", channel: where.channel, ts: threadOf(message) }, true) },
    { label: pinned ? "Unpin from the channel" : "Pin to the channel", testid: pinned ? "menu-unpin" : "menu-pin", run: pin },
    ...own.map((one, index) => ({ label: one.name, hint: app.botName(), testid: `shortcut-${one.callback_id}`, separated: index === 0, run: () => attempt(() => app.store.human("shortcut", { callback_id: one.callback_id, ...place })) })),
  ].filter(Boolean);
}
