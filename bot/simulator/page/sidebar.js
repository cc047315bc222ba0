// The column of places: channels I am in, channels to join, and the app's Home and messages.

import { h, icon, reconcile } from "./dom.js";

export function sidebar(root, app) {
  const lists = { channels: listOf("Channels"), browse: listOf("Not joined"), apps: listOf("App") };
  root.append(...Object.values(lists).map((one) => one.section));
  return () => paint(lists, app);
}

function listOf(title) {
  const list = h("ul", { class: "places" });
  const section = h("section", { "aria-label": title }, h("h2", {}, title), list);
  return { section, list };
}

function paint(lists, app) {
  const channels = app.store.state.channels.filter((one) => !one.is_im).sort(byName);
  const mine = channels.filter((one) => one.is_member && !one.is_archived);
  const others = channels.filter((one) => !mine.includes(one));
  reconcile(lists.channels.list, mine.map((one) => channelItem(one, app)));
  reconcile(lists.browse.list, others.map((one) => channelItem(one, app)));
  lists.browse.section.hidden = others.length === 0;
  reconcile(lists.apps.list, appItems(app));
}

const byName = (a, b) => a.name.localeCompare(b.name);

function channelItem(channel, app) {
  const face = icon(channel.is_archived ? "archive" : channel.is_private ? "lock" : "hash");
  const about = channel.is_archived ? "archived" : channel.is_private ? "private" : "";
  return place(app, { key: channel.id, name: channel.name, testid: `channel-${channel.name}`, face, about, channel, run: () => app.go(channel.id) });
}

function appItems(app) {
  const direct = app.directChannel();
  const home = place(app, { key: "home", name: "Home", testid: "home-tab", face: icon("home"), run: () => app.goHome() });
  const messages = place(app, { key: direct?.id ?? "direct", name: "Messages", testid: `channel-${app.botName()}`, face: icon("message"), channel: direct, run: () => app.goDirect() });
  return [home, messages];
}

function place(app, { key, name, testid, face, about = "", channel, run }) {
  const here = app.place.id === key;
  const { count, mentions } = channel && !here ? app.unread.of(channel) : { count: 0, mentions: 0 };
  const shape = ["place", here && "here", count > 0 && "unread", channel && !channel.is_im && !channel.is_member && "foreign"].filter(Boolean).join(" ");
  const badge = mentions > 0 && h("span", { class: "badge", "aria-hidden": "true" }, String(mentions));
  const spoken = [name, about, count > 0 && `${count} unread`].filter(Boolean).join(", ");
  const build = () => h("li", {}, h("button", { type: "button", class: shape, testid, title: name, "aria-label": spoken, "aria-current": here ? "page" : null, data: { unread: String(count) }, on: { click: run } }, face, h("span", { class: "place-name" }, name), badge));
  return { key, sig: [name, testid, shape, count, mentions, about].join("|"), build };
}
