// The app's Home tab.

import { renderBlocks } from "./blocks.js";
import { h, heldFocus, restoreFocus } from "./dom.js";
import { pressElement } from "./message.js";
import { fromState } from "./modal.js";

export class Home {
  constructor(app) {
    this.app = app;
    this.body = h("div", { class: "home-body", testid: "home" });
    this.node = h("section", { class: "home", "aria-label": "Home" }, h("header", { class: "head" }, h("div", { class: "head-line" }, h("h1", {}, `${app.botName()} – Home`))), h("div", { class: "scroller" }, this.body));
  }

  show(view) {
    const sig = view ? JSON.stringify([view.id, view.hash, view.blocks, this.app.worldSig]) : "none";
    if (sig === this.sig) return;
    this.sig = sig;
    const held = heldFocus(this.body);
    const values = this.values();
    this.body.replaceChildren(...(view ? this.draw(view, values) : [nothing(this.app)]));
    restoreFocus(this.body, held);
  }

  values() {
    return Object.fromEntries([...(this.controls ?? [])].map(([key, made]) => [key, made.read()]));
  }

  draw(view, typed) {
    this.controls = new Map();
    const act = (element, block, detail) => pressElement(this.app, element, block, detail, { view_id: view.id });
    const nodes = renderBlocks(view.blocks, { world: this.app.world, controls: this.controls, act });
    const values = { ...fromState(view.state?.values), ...typed };
    for (const [key, made] of this.controls) if (key in values) made.write(values[key]);
    return nodes;
  }
}

function nothing(app) {
  return h("p", { class: "empty" }, `${app.botName()} has not published a Home tab for you yet. It usually does so a moment after you open it.`);
}
