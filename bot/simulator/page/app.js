// The page of the simulated workspace: who I am, where I am, and everything redrawn from the state when it changes.

import { ChannelView } from "./channel.js";
import { clockWidget } from "./clock.js";
import { h, icon, replaceContent } from "./dom.js";
import { Home } from "./home.js";
import { closeMenu } from "./menu.js";
import { Modals } from "./modal.js";
import { Pane } from "./pane.js";
import { sidebar } from "./sidebar.js";
import { personName, Store } from "./store.js";
import { attempt, showNotices, toast } from "./toasts.js";
import { Unread } from "./unread.js";

class App {
  constructor() {
    this.store = new Store();
    this.unread = new Unread(this.store);
    this.modals = new Modals(this);
    this.pane = new Pane(this, document.getElementById("pane"));
    this.main = document.getElementById("main");
    this.place = { id: null };
    this.drafts = new Map();
    this.dismissed = new Set();
    this.world = this.makeWorld();
  }

  // What the text and block renderers may know.
  makeWorld() {
    const { store } = this;
    return {
      get me() { return store.me; },
      get people() { return store.people; },
      get channels() { return store.channels; },
      get groups() { return store.groups; },
      now: () => store.now(),
      go: (channel, spot) => this.go(channel, spot),
      pickablePeople: () => store.pickablePeople(),
      pickableChannels: () => store.pickableChannels(),
    };
  }

  async start() {
    await this.store.refresh();
    const wish = readAddress();
    this.buildTopbar();
    this.paintSidebar = sidebar(document.getElementById("sidebar"), this);
    this.store.onChange(() => this.paint());
    this.store.onTrouble((failing) => this.showTrouble(failing));
    this.showTrouble(this.store.failing);
    await this.signIn(this.personFor(wish.as), wish);
    addEventListener("popstate", () => this.goBack(readAddress()));
    document.addEventListener("visibilitychange", () => this.paint());
  }

  personFor(wish) {
    const people = this.store.state.people;
    const canSignIn = people.filter((one) => !["bot", "deactivated"].includes(one.kind));
    const wanted = wish?.toLowerCase();
    return (canSignIn.find((one) => [one.id, one.name].some((name) => name.toLowerCase() === wanted)) ?? canSignIn[0])?.id;
  }

  async signIn(me, wish = {}) {
    if (!me) return;
    closeMenu();
    this.pane.shut();
    this.keepDraft();
    this.modals.update([]);
    this.worldSig = null;
    this.silent = true;
    this.store.me = me;
    this.unread.load();
    const before = this.place;
    this.place = { id: null };
    await this.store.signIn(me);
    this.follow({ channel: before.id, ...wish });
  }

  // Navigation

  follow({ channel, ts, thread }) {
    if (channel === "home") return this.goHome();
    const wanted = this.findChannel(channel) ?? this.defaultChannel();
    if (wanted) this.go(wanted.id, { ts, thread });
  }

  goBack(wish) {
    if (wish.as && wish.as !== this.store.me) return this.signIn(this.personFor(wish.as), wish);
    if (!wish.thread) this.pane.shut();
    return this.follow(wish);
  }

  findChannel(wish) {
    const name = wish?.replace(/^#/, "");
    return name && this.store.state.channels.find((one) => one.id === name || one.name === name);
  }

  defaultChannel() {
    const mine = this.store.state.channels.filter((one) => one.is_member && !one.is_im && !one.is_archived);
    return mine.find((one) => one.name === "incidents") ?? mine.find((one) => one.name === "general") ?? mine[0] ?? this.store.state.channels[0];
  }

  go(id, { ts, thread } = {}) {
    if (!this.store.channels.has(id)) return;
    if (this.place.id !== id) this.enter(id, new ChannelView(this, id, this.drafts.get(id)));
    if (thread) this.openPane({ kind: "thread", channel: id, ts: thread });
    if (ts) this.view.timeline.reveal(ts);
    this.wrotePlace();
  }

  async goHome() {
    if (this.place.id !== "home") this.enter("home", new Home(this));
    this.wrotePlace();
    await attempt(() => this.store.human("home", {}));
  }

  async goDirect() {
    if (!this.directChannel()) await attempt(() => this.store.human("home", {}));
    if (this.directChannel()) this.go(this.directChannel().id);
  }

  enter(id, view) {
    closeMenu();
    this.keepDraft();
    this.pane.shut();
    this.place = { id };
    this.view = view;
    this.paint(); // before it is attached: a log that is born full is not read out
    this.main.replaceChildren(view.node);
    this.view.timeline?.toBottom();
    this.view.composer?.changed();
    this.focusComposer();
  }

  keepDraft() {
    if (this.view?.composer) this.drafts.set(this.place.id, this.view.composer.text);
  }

  wrotePlace() {
    if (!this.place.id || !this.store.me) return;
    const thread = this.pane.current?.what.kind === "thread" ? this.pane.current.what.ts : null;
    const query = new URLSearchParams({ as: this.store.me, channel: this.place.id, ...(thread && { thread }) });
    if (`?${query}` !== location.search || location.pathname !== "/") history[location.search ? "pushState" : "replaceState"](null, "", `/?${query}`);
  }

  focusComposer() {
    if (document.querySelector("dialog[open]")) return;
    if (this.view?.composer?.node.isConnected) this.view.composer.focus();
  }

  prefill(text) {
    if (!this.view?.composer) return;
    this.view.composer.text = text;
    this.view.composer.focus();
  }

  openPane(what, focusComposer) {
    this.pane.open(what, focusComposer);
    this.wrotePlace();
  }

  // What the views ask

  bot() {
    return this.store.state.people.find((one) => one.kind === "bot");
  }

  botName() {
    return personName(this.bot()) ?? "app";
  }

  directChannel() {
    return this.store.state.channels.find((one) => one.is_im && one.user === this.bot()?.id);
  }

  channelTitle(id) {
    const channel = this.store.channels.get(id);
    return !channel || channel.is_im ? this.botName() : `#${channel.name}`;
  }

  visible(channelId) {
    return this.store.messagesOf(channelId).filter((one) => !this.dismissed.has(one.ts));
  }

  dismiss(ts) {
    this.dismissed.add(ts);
    this.paint();
  }

  closedNote(channel) {
    if (channel.is_archived) return h("div", { class: "closed" }, "This channel is archived. Nothing can be written here.");
    const join = () => attempt(() => this.store.human("join", { channel: channel.id }));
    return h("div", { class: "closed" }, h("span", {}, `You are looking at #${channel.name} from outside.`), h("button", { type: "button", class: "button primary", testid: "join", on: { click: join } }, `Join #${channel.name}`));
  }

  // Drawing

  paint() {
    if (!this.store.me || this.store.state.me !== this.store.me) return;
    this.worldSig = JSON.stringify([this.store.state.people, this.store.state.channels.map((one) => [one.id, one.name])]);
    showNotices(this.store.state.notices, this.silent);
    this.silent = false;
    this.paintPeople();
    if (this.place.id && this.place.id !== "home" && !this.store.channels.has(this.place.id)) this.leaveLostChannel();
    if (this.place.id === "home") this.view.show(this.store.state.home);
    else this.view?.update?.();
    if (this.place.id !== "home" && this.place.id && !document.hidden) this.unread.markRead(this.place.id);
    this.pane.update();
    this.paintSidebar();
    this.modals.update(this.store.state.views);
    this.paintTitle();
  }

  leaveLostChannel() {
    this.place = { id: null };
    this.view = null;
    this.follow({});
  }

  paintTitle() {
    const calls = this.store.state.channels.reduce((sum, one) => sum + (one.id === this.place.id ? 0 : this.unread.of(one).mentions), 0);
    const where = this.place.id === "home" ? "Home" : this.channelTitle(this.place.id);
    document.title = `${calls ? `(${calls}) ` : ""}${where} · ${this.store.state.team.name} workspace`;
  }

  buildTopbar() {
    const name = h("div", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }, icon("bell")), h("span", { class: "brand-name" }, `${this.store.state.team.name} workspace`));
    this.people = h("select", { id: "person", class: "person", testid: "person-select", "aria-label": "Signed in as", on: { change: () => this.signIn(this.people.value) } });
    this.face = h("span", { class: "face" });
    replaceContent(document.getElementById("topbar"), name, clockWidget(this.store), h("div", { class: "who-am-i" }, this.face, h("label", { class: "hint", htmlFor: "person" }, "Signed in as"), this.people));
  }

  paintPeople() {
    const sig = `${this.worldSig}${this.store.me}`;
    if (sig === this.peopleSig) return;
    this.peopleSig = sig;
    const people = this.store.state.people.filter((one) => one.kind !== "bot");
    const label = (one) => personName(one) + ({ guest: " (guest)", stranger: " (other company)", deactivated: " (deactivated)" }[one.kind] ?? "");
    this.people.replaceChildren(...people.map((one) => h("option", { value: one.id, disabled: one.kind === "deactivated" }, label(one))));
    this.people.value = this.store.me;
    const mine = this.store.people.get(this.store.me);
    this.face.textContent = (personName(mine) ?? "?").slice(0, 1);
    if (/^#?[0-9a-f]{6}$/i.test(mine?.color ?? "")) this.face.style.backgroundColor = `#${mine.color.replace("#", "")}`;
  }

  showTrouble(failing) {
    const bar = document.getElementById("trouble");
    bar.hidden = !failing;
    bar.textContent = failing ? "The simulated workspace is not answering. Trying again…" : "";
  }
}

// ?as=U0ADA&channel=C…&thread=…, or a permalink /archives/C…/p…
function readAddress() {
  const query = new URLSearchParams(location.search);
  const inside = /^\/archives\/(\w+)(?:\/p(\d{10})(\d{6}))?/.exec(location.pathname);
  const spot = inside ? { channel: inside[1], ts: inside[2] && `${inside[2]}.${inside[3]}`, thread: query.get("thread_ts") } : {};
  return { as: query.get("as"), channel: query.get("channel"), thread: query.get("thread"), ...spot };
}

addEventListener("unhandledrejection", (event) => toast(`Something went wrong on this page: ${event.reason?.message ?? event.reason}`));

new App().start();
