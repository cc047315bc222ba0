// The side pane: a thread, a file, the pins or the members of a channel.

import { getText } from "./api.js";
import { Composer } from "./composer.js";
import { h, icon, reconcile, replaceContent } from "./dom.js";
import { markdown } from "./markdown.js";
import { avatar, messageRow } from "./message.js";
import { personName } from "./store.js";
import { Timeline } from "./timeline.js";
import { attempt } from "./toasts.js";

export class Pane {
  constructor(app, root) {
    this.app = app;
    this.root = root;
    this.current = null;
    this.drafts = new Map();
    root.addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && this.close());
  }

  open(what, focusComposer = false) {
    this.keepDraft();
    this.before = document.activeElement;
    const make = { thread: Thread, file: File, pins: Pins, members: Members }[what.kind];
    this.current = new make(this.app, what);
    this.current.what = what;
    this.root.hidden = false;
    this.root.dataset.testid = `${what.kind}-pane`;
    document.body.classList.add("with-pane");
    this.current.update();
    replaceContent(this.root, this.head(this.current), this.current.node);
    this.current.timeline?.toBottom();
    if (what.kind === "thread") this.current.restore(this.drafts.get(what.ts) ?? "", focusComposer);
    else this.root.querySelector("button")?.focus({ preventScroll: true });
  }

  head(view) {
    const close = h("button", { type: "button", class: "bare", "aria-label": "Close the pane", testid: "pane-close", on: { click: () => this.close() } }, icon("close"));
    return h("header", { class: "head" }, h("div", { class: "head-line" }, h("h2", {}, view.title), view.subtitle && h("span", { class: "hint" }, view.subtitle), h("span", { class: "grow" }), view.tools, close));
  }

  update() {
    if (this.current) this.current.update();
  }

  keepDraft() {
    if (this.current?.what?.kind === "thread") this.drafts.set(this.current.what.ts, this.current.composer.text);
  }

  close() {
    if (!this.current) return;
    this.shut();
    this.app.wrotePlace();
    if (this.before?.isConnected) this.before.focus({ preventScroll: true });
    else this.app.focusComposer();
  }

  shut() {
    if (!this.current) return;
    this.keepDraft();
    this.current = null;
    this.root.hidden = true;
    delete this.root.dataset.testid;
    this.root.replaceChildren();
    document.body.classList.remove("with-pane");
  }
}

class Thread {
  constructor(app, what) {
    this.app = app;
    this.what = what;
    this.title = "Thread";
    this.subtitle = app.channelTitle(what.channel);
    this.timeline = new Timeline(app, { label: "Thread", inThread: true });
    this.composer = new Composer(app, {
      testid: "thread-composer", sendTestid: "thread-send", label: "Reply in the thread", placeholder: "Reply…", commands: false,
      send: (text) => attempt(() => app.store.human("message", { channel: what.channel, text, thread_ts: what.ts })),
    });
    this.foot = h("div", { class: "thread-foot" });
    this.node = h("div", { class: "thread" }, this.timeline.node, this.foot);
  }

  restore(text, focus) {
    this.composer.text = text;
    if (focus) this.composer.focus();
  }

  update() {
    const channel = this.app.store.channels.get(this.what.channel);
    const all = this.app.visible(this.what.channel).filter((one) => one.ts === this.what.ts || one.thread_ts === this.what.ts);
    if (!channel || !all.length) return void this.timeline.show({ id: this.what.channel }, []);
    this.timeline.show(channel, all);
    const open = channel.is_im || (channel.is_member && !channel.is_archived);
    const wanted = open ? this.composer.node : this.app.closedNote(channel);
    if (this.foot.firstElementChild !== wanted && (open || this.noteFor !== channel.is_archived)) this.foot.replaceChildren(wanted);
    this.noteFor = open ? null : channel.is_archived;
  }
}

class File {
  constructor(app, { file }) {
    this.app = app;
    this.file = file;
    this.title = file.title || file.name;
    this.raw = /\.(md|markdown)$/i.test(file.name) || file.filetype === "markdown";
    this.node = h("div", { class: "file-pane scroller", testid: "file-view", tabIndex: 0, role: "document", "aria-label": file.name }, "Opening…");
    this.toggle = this.raw && h("button", { type: "button", class: "button small", testid: "file-source", "aria-pressed": "false", on: { click: () => this.flip() } }, "Source");
    this.tools = [this.toggle, h("a", { class: "button small", href: `/_sim/files/${encodeURIComponent(file.id)}`, target: "_blank", rel: "noopener", download: file.name }, "Download")];
    this.load();
  }

  update() {}

  async load() {
    try {
      this.text = await getText(`/_sim/files/${encodeURIComponent(this.file.id)}`);
      this.paint();
    } catch (problem) {
      replaceContent(this.node, h("p", { class: "empty" }, problem.message));
    }
  }

  flip() {
    this.asSource = !this.asSource;
    this.toggle.setAttribute("aria-pressed", String(this.asSource));
    this.paint();
  }

  paint() {
    const pretty = this.raw && !this.asSource;
    replaceContent(this.node, pretty ? h("article", { class: "prose" }, markdown(this.text, this.app.world)) : h("pre", { class: "source" }, this.text));
  }
}

class Pins {
  constructor(app, { channel }) {
    this.app = app;
    this.channel = channel;
    this.title = "Pinned";
    this.subtitle = app.channelTitle(channel);
    this.list = h("ol", { class: "messages" });
    this.empty = h("p", { class: "empty" }, "Nothing is pinned here. Pin a message from its menu.");
    this.node = h("div", { class: "scroller" }, this.list, this.empty);
  }

  update() {
    const channel = this.app.store.channels.get(this.channel);
    const pinned = this.app.store.messagesOf(this.channel).filter((one) => channel?.pins.includes(one.ts));
    const where = { channel: this.channel, inThread: false, compact: false };
    reconcile(this.list, pinned.map((one) => ({ key: one.ts, sig: JSON.stringify(one), build: () => messageRow(one, this.app, where) })));
    this.empty.hidden = pinned.length > 0;
  }
}

class Members {
  constructor(app, { channel }) {
    this.app = app;
    this.channel = channel;
    this.title = "Members";
    this.subtitle = app.channelTitle(channel);
    this.list = h("ul", { class: "members" });
    this.node = h("div", { class: "scroller" }, this.list);
  }

  update() {
    const members = this.app.store.channels.get(this.channel)?.members ?? [];
    reconcile(this.list, members.map((id) => ({ key: id, sig: id, build: () => this.row(id) })));
  }

  row(id) {
    const someone = this.app.store.people.get(id);
    return h("li", { class: "member" }, avatar(id, this.app), h("span", {}, personName(someone) ?? id), someone && someone.kind !== "member" && h("span", { class: "tag" }, someone.kind));
  }
}
