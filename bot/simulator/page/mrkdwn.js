// Slack's mrkdwn -> DOM nodes. Nothing is ever set as HTML; links leave only for http, https and mailto.

import { h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { formatDate, fullTime } from "./times.js";

export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const STYLES = { "*": "strong", _: "em", "~": "s" };
const NEXT = /<([^<>\n]+)>|`([^`\n]+)`|(https?:\/\/[^\s<>|]*[^\s<>|.,;:!?)\]}'"*_~])|([*_~])/g;

export function mrkdwn(text, world) {
  return fences(String(text ?? "")).flatMap((body, index) =>
    index % 2 ? [h("pre", { class: "code" }, unescape(body.replace(/^\n|\n$/g, "")))] : lines(body.replace(index ? /^\n/ : "", ""), world),
  );
}

// Text and code by turns. An unclosed ``` stays text.
function fences(text) {
  const parts = text.split("```");
  if (parts.length % 2 === 1) return parts;
  const last = parts.pop();
  return [...parts.slice(0, -1), `${parts.at(-1)}\`\`\`${last}`];
}

function lines(body, world) {
  const nodes = [];
  let quote = [];
  const flush = () => {
    if (quote.length) nodes.push(h("blockquote", {}, withBreaks(quote, world)));
    quote = [];
  };
  const rows = body.split("\n");
  rows.forEach((row, index) => {
    const quoted = /^(?:&gt;|>)\s?(.*)$/.exec(row);
    if (quoted) return void quote.push(quoted[1]);
    const afterQuote = quote.length > 0;
    flush();
    if (index > 0 && !afterQuote) nodes.push(h("br"));
    nodes.push(...inline(row, world));
  });
  flush();
  return nodes;
}

function withBreaks(rows, world) {
  return rows.flatMap((row, index) => (index ? [h("br"), ...inline(row, world)] : inline(row, world)));
}

// One walk from left to right, however long the line: a mark that finds no end is not looked up again.
function inline(text, world, open = "") {
  const nodes = [];
  const marks = { covered: coveredBy(text), dead: new Set(open) };
  let done = 0;
  const leaf = (end) => end > done && nodes.push(withEmoji(unescape(text.slice(done, end))));
  for (let found = nextFrom(text, 0); found; found = nextFrom(text, Math.max(done, found.index + 1))) {
    const end = found[4] ? closing(text, found.index, found[4], marks) : found.index + found[0].length;
    if (end === -1) continue;
    leaf(found.index);
    nodes.push(found[4] ? styled(text.slice(found.index + 1, end - 1), found[4], world, open) : tokenNode(found, world));
    done = end;
  }
  leaf(text.length);
  return nodes;
}

function nextFrom(text, at) {
  NEXT.lastIndex = at;
  return NEXT.exec(text);
}

const styled = (inner, mark, world, open) => h(STYLES[mark], {}, inline(inner, world, open + mark));

// Which characters are inside <…> or `…`, where *, _ and ~ mean nothing.
function coveredBy(text) {
  const covered = new Uint8Array(text.length);
  for (const found of text.matchAll(/<[^<>\n]+>|`[^`\n]+`/g)) covered.fill(1, found.index, found.index + found[0].length);
  return covered;
}

// *bold*, _italic_ and ~strike~ open after a boundary and close before one, as Slack has it. Answers where the styled piece ends, or -1.
function closing(text, start, mark, { covered, dead }) {
  const before = text[start - 1] ?? " ";
  const after = text[start + 1] ?? " ";
  if (dead.has(mark) || !/[\s([{"'>,.;:!?*_~\-–·/]/.test(before) || after === mark || /\s/.test(after)) return -1;
  for (let at = text.indexOf(mark, start + 2); at !== -1; at = text.indexOf(mark, at + 1)) {
    if (!covered[at] && !/\s/.test(text[at - 1]) && text[at - 1] !== mark && !/[\p{L}\p{N}]/u.test(text[at + 1] ?? " ")) return at + 1;
  }
  dead.add(mark);
  return -1;
}

function tokenNode(token, world) {
  if (token[2] !== undefined) return h("code", {}, unescape(token[2]));
  if (token[3] !== undefined) return link(unescape(token[3]), null, world);
  return angle(token[1], world);
}

function angle(body, world) {
  const [target, ...rest] = body.split("|");
  const label = rest.length ? rest.join("|") : null;
  if (/^@[UWB]\w+$/.test(target)) return person(target.slice(1), label, world);
  if (/^#[CGD]\w+$/.test(target)) return channelLink(target.slice(1), label, world);
  if (target.startsWith("!")) return special(target.slice(1), label, world);
  return link(unescape(target), label === null ? null : withEmoji(unescape(label)), world);
}

export function person(id, label, world) {
  const known = world.people.get(id);
  const name = known?.real_name || known?.name || label || id;
  return h("span", { class: id === world.me ? "mention mention-me" : "mention", title: known && `@${known.name}` }, `@${name}`);
}

export function channelLink(id, label, world) {
  const known = world.channels.get(id);
  const name = known?.name ?? label;
  if (!known) return h("span", { class: "mention" }, name ? `#${name}` : "#private channel");
  return h("a", { class: "mention", href: `#${id}`, on: { click: (event) => follow(event, () => world.go(id)) } }, `#${name}`);
}

function follow(event, action) {
  event.preventDefault();
  action();
}

function special(body, label, world) {
  if (/^(here|channel|everyone)$/.test(body)) return h("span", { class: "mention mention-all" }, `@${body}`);
  if (body.startsWith("subteam^")) return h("span", { class: "mention" }, label ?? `@${world.groups?.get(body.slice(8)) ?? body.slice(8)}`);
  const date = /^date\^(\d+)\^([^^]*)(?:\^(.*))?$/.exec(body);
  if (date) return dateNode(Number(date[1]), unescape(date[2]), date[3], world);
  return h("span", {}, label ?? `<${body}>`);
}

function dateNode(epoch, format, target, world) {
  const text = formatDate(epoch, format, world.now());
  const time = h("time", { title: fullTime(new Date(epoch * 1000)) }, text);
  return target ? link(unescape(target), text, world) : time;
}

const PERMALINK = /\/archives\/([CDG]\w+)(?:\/p(\d{10})(\d{6}))?/;

export function link(url, label, world) {
  if (!/^(https?:\/\/|mailto:)/i.test(url)) return document.createTextNode(label ?? url);
  const inside = PERMALINK.exec(url);
  const channel = inside && world.channels.get(inside[1]);
  const text = label ?? (channel ? `#${channel.name ?? "direct message"}` : url.replace(/^mailto:/, ""));
  if (channel) return insideLink(url, inside, text, world);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text);
}

function insideLink(url, inside, text, world) {
  const ts = inside[2] ? `${inside[2]}.${inside[3]}` : null;
  const thread = /[?&]thread_ts=(\d{10}\.\d{6})/.exec(url)?.[1];
  return h("a", { href: url, on: { click: (event) => follow(event, () => world.go(inside[1], { ts, thread })) } }, text);
}

// For announcements, titles and menus: what the text says without its marks.
export function plain(text, world) {
  const holder = document.createElement("div");
  holder.append(...mrkdwn(text, world));
  return holder.textContent;
}
