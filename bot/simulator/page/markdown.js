// Ordinary Markdown -> DOM nodes, for files and Slack's markdown blocks. A reader's subset: no HTML, no reference links.

import { h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { link } from "./mrkdwn.js";

const DEEPEST = 12;

export function markdown(source, world, depth = 0) {
  if (depth > DEEPEST) return [String(source)];
  const rows = String(source).replace(/\r\n?/g, "\n").split("\n");
  const nodes = [];
  let at = 0;
  while (at < rows.length) {
    const [node, next] = block(rows, at, world, depth);
    if (node) nodes.push(node);
    at = next;
  }
  return nodes;
}

function block(rows, at, world, depth) {
  const row = rows[at];
  if (!row.trim()) return [null, at + 1];
  if (/^ {0,3}```/.test(row)) return fence(rows, at);
  const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(row);
  if (heading) return [h(`h${Math.min(6, heading[1].length + 1)}`, {}, spans(heading[2], world)), at + 1];
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(row)) return [h("hr"), at + 1];
  if (/^\s*>/.test(row)) return quote(rows, at, world, depth);
  if (/^\s*\|/.test(row) && /^\s*\|?[\s:|-]+$/.test(rows[at + 1] ?? "")) return table(rows, at, world);
  if (ITEM.test(row)) return list(rows, at, world, depth);
  if (/^\s*<!--/.test(row)) return comment(rows, at);
  return paragraph(rows, at, world);
}

const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

function fence(rows, at) {
  let end = at + 1;
  while (end < rows.length && !/^ {0,3}```/.test(rows[end])) end += 1;
  return [h("pre", { class: "code" }, rows.slice(at + 1, end).join("\n")), end + 1];
}

function comment(rows, at) {
  let end = at;
  while (end < rows.length && !rows[end].includes("-->")) end += 1;
  return [null, end + 1];
}

function quote(rows, at, world, depth) {
  let end = at;
  while (end < rows.length && /^\s*>/.test(rows[end])) end += 1;
  return [h("blockquote", {}, markdown(rows.slice(at, end).map((row) => row.replace(/^\s*>\s?/, "")).join("\n"), world, depth + 1)), end];
}

function paragraph(rows, at, world) {
  let end = at + 1;
  while (end < rows.length && rows[end].trim() && !/^(#{1,6}\s|\s*>|\s*\||\s*```)/.test(rows[end]) && !ITEM.test(rows[end])) end += 1;
  const lines = rows.slice(at, end);
  const nodes = lines.flatMap((line, index) => {
    const broken = / {2,}$|\\$/.test(line);
    return [spans(line.trim().replace(/\\$/, ""), world), index === lines.length - 1 ? [] : broken ? h("br") : " "];
  });
  return [h("p", {}, nodes), end];
}

const indentOf = (row) => /^\s*/.exec(row)[0].replaceAll("\t", "    ").length;

function list(rows, at, world, depth) {
  const base = indentOf(rows[at]);
  const ordered = /^\s*\d/.test(rows[at]);
  const items = [];
  let end = at;
  while (end < rows.length && belongs(rows, end, base, at)) {
    const found = ITEM.exec(rows[end]);
    if (found && indentOf(rows[end]) <= base) items.push([found[3]]);
    else items.at(-1).push(rows[end]);
    end += 1;
  }
  return [h(ordered ? "ol" : "ul", {}, items.map((lines) => listItem(lines, world, depth))), end];
}

function belongs(rows, at, base, start) {
  const row = rows[at];
  if (!row.trim()) return at + 1 < rows.length && (indentOf(rows[at + 1]) > base || (ITEM.test(rows[at + 1]) && indentOf(rows[at + 1]) === base));
  return at === start || indentOf(row) > base || (ITEM.test(row) && indentOf(row) === base && /^\s*\d/.test(row) === /^\s*\d/.test(rows[start]));
}

function listItem([first, ...rest], world, depth) {
  const task = /^\[([ xX])\]\s+(.*)$/.exec(first);
  const head = task ? [h("input", { type: "checkbox", checked: task[1] !== " ", disabled: true, "aria-label": "Done" }), " ", spans(task[2], world)] : spans(first, world);
  const indent = Math.min(...rest.filter((row) => row.trim()).map(indentOf));
  const inner = rest.some((row) => row.trim()) ? markdown(rest.map((row) => row.slice(indent)).join("\n"), world, depth + 1) : [];
  return h("li", {}, head, inner);
}

const cells = (row) => row.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

function table(rows, at, world) {
  let end = at + 2;
  while (end < rows.length && rows[end].trim().startsWith("|")) end += 1;
  const titles = cells(rows[at]);
  const head = titles.some(Boolean) && h("tr", {}, titles.map((cell) => h("th", { scope: "col" }, spans(cell, world))));
  const body = rows.slice(at + 2, end).map((row) => h("tr", {}, cells(row).map((cell) => h("td", {}, spans(cell, world)))));
  return [h("div", { class: "scrolls" }, h("table", {}, head && h("thead", {}, head), h("tbody", {}, body))), end];
}

const SPAN = /\\([\\`*_{}[\]()#+.!|<>~-])|`([^`]+)`|\*\*(\S(?:.*?\S)?)\*\*|__(\S(?:.*?\S)?)__|\*(\S(?:[^*]*?\S)?)\*|(?<![\p{L}\p{N}])_(\S(?:[^_]*?\S)?)_(?![\p{L}\p{N}])|~~(.+?)~~|\[([^\]]+)\]\(([^)\s]+)[^)]*\)|<(https?:[^>\s]+)>|(https?:\/\/[^\s<>)\]]*[^\s<>)\].,;:!?])/gu;

// A line longer than any person writes is left as it is: the pattern looks ahead, and would take long over it.
const LONGEST = 5000;

export function spans(text, world) {
  if (text.length > LONGEST) return [text];
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(SPAN)) {
    nodes.push(withEmoji(text.slice(done, found.index)), spanNode(found, world));
    done = found.index + found[0].length;
  }
  return [...nodes, withEmoji(text.slice(done))];
}

function spanNode([, literal, code, bold, bold2, italic, italic2, strike, label, target, auto, bare], world) {
  if (literal !== undefined) return literal;
  if (code !== undefined) return h("code", {}, code);
  if (bold ?? bold2) return h("strong", {}, spans(bold ?? bold2, world));
  if (italic ?? italic2) return h("em", {}, spans(italic ?? italic2, world));
  if (strike !== undefined) return h("s", {}, spans(strike, world));
  return label !== undefined ? link(target, label, world) : link(auto ?? bare, null, world);
}
