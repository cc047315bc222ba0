// What this person sees, kept fresh: fetched whole from /_sim/state, told to look again by the event stream.

import { get, post } from "./api.js";

export const personName = (someone) => someone?.real_name || someone?.name;

const EMPTY = { team: { name: "Simulated workspace" }, seq: -1, people: [], channels: [], messages: {}, views: [], home: null, commands: [], shortcuts: [], notices: [], clock: null };

export class Store {
  constructor() {
    this.state = EMPTY;
    this.people = new Map();
    this.channels = new Map();
    this.groups = new Map();
    this.me = null;
    this.listeners = [];
    this.troubleListeners = [];
    this.failing = false;
    this.fetching = null;
    this.again = false;
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  onTrouble(listener) {
    this.troubleListeners.push(listener);
  }

  async signIn(me) {
    this.me = me;
    this.state = { ...EMPTY, people: this.state.people, clock: this.state.clock };
    this.stream?.close();
    await this.refresh();
    this.listen();
  }

  listen() {
    this.stream = new EventSource(`/_sim/stream?as=${encodeURIComponent(this.me)}`);
    this.stream.addEventListener("change", () => this.soon());
    this.stream.addEventListener("open", () => this.soon());
    this.stream.addEventListener("error", () => this.trouble(true));
  }

  // Many changes in a burst are one fetch.
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), 40);
  }

  // The caller that awaits this sees a state that was read after the call began.
  refresh() {
    this.again = true;
    this.fetching ??= this.fetchUntilQuiet();
    return this.fetching;
  }

  async fetchUntilQuiet() {
    while (this.again) {
      this.again = false;
      await this.fetchOnce();
    }
    this.fetching = null;
  }

  async fetchOnce() {
    const me = this.me;
    try {
      const state = await get(me ? `/_sim/state?as=${encodeURIComponent(me)}` : "/_sim/state");
      if (me === this.me) this.take(state);
      this.trouble(false);
    } catch {
      this.trouble(true);
    }
  }

  take(state) {
    this.state = { ...EMPTY, ...state };
    this.people = new Map(this.state.people.map((one) => [one.id, one]));
    this.channels = new Map(this.state.channels.map((one) => [one.id, one]));
    this.groups = new Map((this.state.usergroups ?? []).map((one) => [one.id, one.handle ?? one.name]));
    if (this.state.clock) this.takeClock(this.state.clock);
    for (const listener of this.listeners) listener(this);
  }

  trouble(failing) {
    if (failing && !this.failing) this.retry = setInterval(() => this.refresh(), 2000);
    if (!failing && this.failing) clearInterval(this.retry);
    this.failing = failing;
    for (const listener of this.troubleListeners) listener(failing);
  }

  takeClock(clock) {
    this.clock = { at: Date.parse(clock.now), speed: clock.speed ?? 1, next: clock.next_timer ? Date.parse(clock.next_timer) : null, read: performance.now() };
  }

  // The simulated time, run on locally between two readings.
  now() {
    if (!this.clock) return new Date();
    return new Date(this.clock.at + (performance.now() - this.clock.read) * this.clock.speed);
  }

  messagesOf(channelId) {
    return this.state.messages[channelId] ?? [];
  }

  nameOf(userId) {
    return personName(this.people.get(userId)) ?? userId;
  }

  pickablePeople() {
    return this.state.people.filter((one) => one.kind !== "deactivated");
  }

  pickableChannels() {
    return this.state.channels.filter((one) => !one.is_im && !one.is_archived);
  }

  async human(action, body) {
    const answer = await post(`/_sim/${action}`, { user: this.me, ...body });
    await this.refresh();
    return answer;
  }
}
