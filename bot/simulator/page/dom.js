// Building and reconciling DOM nodes. Text always goes in as text nodes, so nothing that people type is ever parsed as HTML.

const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "hidden", "htmlFor", "multiple", "open", "tabIndex"]);

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) assign(node, name, value);
  fill(node, children);
  return node;
}

function assign(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === "class") node.className = value;
  else if (name === "testid") node.dataset.testid = value;
  else if (name === "data") Object.assign(node.dataset, value);
  else if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  else if (PROPERTIES.has(name)) node[name] = value;
  else node.setAttribute(name, value === true ? "" : String(value));
}

export function fill(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export function replaceContent(node, ...children) {
  node.replaceChildren();
  return fill(node, children);
}

// items: [{key, sig, build}]. Rows whose signature is unchanged keep their very node, with its focus and its half-typed values.
export function reconcile(parent, items) {
  const old = new Map([...parent.children].map((node) => [node.rowKey, node]));
  const nodes = items.map((item) => rowFor(old, item));
  const kept = new Set(nodes);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let cursor = parent.firstElementChild;
  for (const node of nodes) {
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
  }
}

function rowFor(old, item) {
  const before = old.get(item.key);
  if (before && before.rowSig === item.sig) return before;
  const node = item.build();
  node.rowKey = item.key;
  node.rowSig = item.sig;
  if (before) swap(before, node);
  return node;
}

function swap(before, after) {
  const held = heldFocus(before);
  after.setAttribute("aria-live", "off"); // an edited row is not news to read out again
  before.replaceWith(after);
  restoreFocus(after, held);
}

export function heldFocus(root) {
  const active = document.activeElement;
  if (!active || !root.contains(active)) return null;
  return { testid: active.dataset?.testid, self: active === root, start: active.selectionStart, end: active.selectionEnd };
}

export function restoreFocus(root, held) {
  if (!held) return;
  const target = held.self ? root : [...root.querySelectorAll("[data-testid]")].find((node) => node.dataset.testid === held.testid);
  if (!target) return;
  target.focus({ preventScroll: true });
  if (typeof held.start === "number" && target.setSelectionRange && target.type !== "number") target.setSelectionRange(held.start, held.end);
}

const STROKES = {
  pin: "M9 4h6l-1 6 3 3H7l3-3-1-6zM12 13v7",
  thread: "M5 5h14v10H10l-5 4z",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9 10v.01M15 10v.01M8.5 14.5c2 2 5 2 7 0",
  check: "M5 12.5l4.5 4.5L19 7.5",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  send: "M4 12l16-8-5 16-3-7z",
  close: "M6 6l12 12M18 6L6 18",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-4 2.5-6 6-6s6 2 6 6M16 5a3 3 0 0 1 0 6M17.5 14.5c2.2.6 3.5 2.4 3.5 5.5",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  hash: "M9.5 4l-2 16M16.5 4l-2 16M5 9h15M4 15h15",
  bell: "M12 4a5.5 5.5 0 0 0-5.5 5.5V14L5 17h14l-1.5-3V9.5A5.5 5.5 0 0 0 12 4zM10.5 20h3",
  home: "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
  message: "M4 5h16v11H9l-5 4z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  warning: "M12 4l9 16H3zM12 10v4M12 17v.01",
  skip: "M5 5l8 7-8 7zM17 5v14",
  archive: "M4 5h16v4H4zM6 9v11h12V9M10 13h4",
};

export function icon(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", STROKES[name]);
  svg.append(path);
  return svg;
}
