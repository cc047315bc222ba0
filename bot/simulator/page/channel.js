// One channel: its header, its messages, and the composer.

import { Composer } from "./composer.js";
import { h, icon, reconcile, replaceContent } from "./dom.js";
import { openMenu } from "./menu.js";
import { link, mrkdwn } from "./mrkdwn.js";
import { isSystem } from "./message.js";
import { Timeline } from "./timeline.js";
import { attempt } from "./toasts.js";

export class ChannelView {
  constructor(app, channelId, draft) {
    this.app = app;
    this.id = channelId;
    this.title = h("h1", { testid: "channel-title" });
    this.topic = h("div", { class: "topic", testid: "channel-topic" });
    this.members = headButton("people", "members-open", () => app.openPane({ kind: "members", channel: channelId }));
    this.pins = headButton("pin", "pins-open", () => app.openPane({ kind: "pins", channel: channelId }));
    this.bookmarks = h("ul", { class: "bookmarks", testid: "bookmarks", "aria-label": "Bookmarks" });
    const line = h("div", { class: "head-line" }, this.title, this.topic, h("span", { class: "grow" }), this.pins.button, this.members.button);
    this.timeline = new Timeline(app, { label: "Messages", intro: () => intro(app, this.channel), introSig: () => this.introSig() });
    this.composer = this.makeComposer();
    this.composer.text = draft ?? "";
    this.foot = h("div", { class: "foot" });
    this.node = h("section", { class: "channel" }, h("header", { class: "head" }, line, this.bookmarks), this.timeline.node, this.foot);
    this.newFrom = this.firstUnread();
  }

  get channel() {
    return this.app.store.channels.get(this.id);
  }

  makeComposer() {
    const { app } = this;
    const open = (event) => openMenu(event.currentTarget, globalShortcuts(app), "Shortcuts");
    const extra = h("button", { type: "button", class: "button icon-only", testid: "global-shortcuts", "aria-label": "Shortcuts", title: "Shortcuts", "aria-haspopup": "menu", on: { click: open } }, icon("bolt"));
    const title = app.channelTitle(this.id);
    return new Composer(app, { testid: "composer", sendTestid: "send", label: `Message ${title}`, placeholder: `Message ${title}, or / for a command`, commands: true, extra, send: (text) => this.send(text) });
  }

  send(text) {
    this.timeline.pinned = true;
    this.newFrom = null;
    return attempt(() => this.app.store.human(text.startsWith("/") ? "command" : "message", { channel: this.id, text }));
  }

  topLevel() {
    return this.app.visible(this.id).filter((one) => !one.thread_ts || one.thread_ts === one.ts || one.subtype === "thread_broadcast");
  }

  firstUnread() {
    const since = this.app.unread.lastRead(this.id);
    if (since === "0") return null;
    return this.topLevel().find((one) => one.ts > since && this.app.unread.counts(one))?.ts ?? null;
  }

  introSig() {
    const { channel, app } = this;
    return JSON.stringify([channel.name, channel.purpose, channel.topic, isQuiet(app, channel), app.worldSig, app.store.state.commands.length]);
  }

  update() {
    const { channel } = this;
    if (!channel) return;
    this.paintHead(channel);
    const messages = this.topLevel();
    this.timeline.show(channel, messages, { newFrom: this.newFrom });
    this.paintFoot(channel);
  }

  paintHead(channel) {
    const sig = JSON.stringify([channel.name, channel.topic, channel.is_archived, channel.members.length, channel.pins, channel.bookmarks, this.app.worldSig]);
    if (sig === this.headSig) return;
    this.headSig = sig;
    const face = channel.is_im ? null : icon(channel.is_private ? "lock" : "hash");
    replaceContent(this.title, face, h("span", {}, channel.is_im ? this.app.botName() : channel.name), channel.is_archived && h("span", { class: "tag" }, "archived"));
    replaceContent(this.topic, mrkdwn(channel.topic, this.app.world));
    this.topic.title = this.topic.textContent;
    this.members.set(channel.members.length, `${channel.members.length} members`);
    this.pins.set(channel.pins.length, channel.pins.length === 1 ? "1 pinned message" : `${channel.pins.length} pinned messages`);
    reconcile(this.bookmarks, channel.bookmarks.map((one) => ({ key: one.id, sig: JSON.stringify(one), build: () => h("li", {}, icon("link"), link(one.link, one.title, this.app.world)) })));
    this.bookmarks.hidden = channel.bookmarks.length === 0;
  }

  paintFoot(channel) {
    const open = channel.is_im || (channel.is_member && !channel.is_archived);
    const shape = open ? "open" : channel.is_archived ? "archived" : "foreign";
    if (shape === this.footShape) return;
    this.footShape = shape;
    this.foot.replaceChildren(open ? this.composer.node : this.app.closedNote(channel));
    if (open) this.composer.changed();
  }
}

function headButton(face, testid, run) {
  const count = h("span");
  const button = h("button", { type: "button", class: "button small quiet", testid, on: { click: run } }, icon(face), count);
  const set = (number, label) => {
    count.textContent = String(number);
    button.setAttribute("aria-label", label);
    button.title = label;
  };
  return { button, set };
}

export function globalShortcuts(app) {
  const all = app.store.state.shortcuts.filter((one) => one.type === "global");
  const items = all.map((one) => ({ label: one.name, hint: app.botName(), testid: `shortcut-${one.callback_id}`, run: () => attempt(() => app.store.human("shortcut", { callback_id: one.callback_id })) }));
  return items.length ? items : [{ label: "This app has no global shortcuts", run: () => {} }];
}

// What a newcomer reads first

const isQuiet = (app, channel) => !app.visible(channel.id).some((one) => !isSystem(one));

function intro(app, channel) {
  const name = channel.is_im ? app.botName() : `#${channel.name}`;
  const about = channel.purpose || (channel.is_im ? `Messages between you and the app. You can also mention @${app.botName()} in any channel.` : `This is the beginning of ${name}.`);
  return h("div", { class: "welcome" }, h("h2", {}, name), h("p", {}, mrkdwn(about, app.world)), isQuiet(app, channel) && firstSteps(app, channel));
}

const EXAMPLES = { "/incident": "/incident declare P1 checkout is down", "/runbook": "/runbook list" };

function firstSteps(app, channel) {
  const { commands } = app.store.state;
  if (!commands.length || (!channel.is_member && !channel.is_im) || channel.is_archived) return null;
  const first = commands[0];
  const example = EXAMPLES[first.command] ?? first.command;
  const try_ = (text) => h("button", { type: "button", class: "example", testid: "example", on: { click: () => app.prefill(text) } }, h("code", {}, text));
  return h(
    "div", { class: "first-steps" },
    h("p", {}, "Type ", try_(example), " below and press Enter."),
    h("p", { class: "hint" }, "Then sign in as somebody else in the corner to answer. Time is simulated: jump to the next timer to see what the app does when it is due."),
    h("p", { class: "hint" }, "More to try: ", commands.map((one, index) => [index ? ", " : "", try_(`${one.command} help`)])),
  );
}
