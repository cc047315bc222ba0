// What this person has not read yet, kept in this browser.

import { isSystem } from "./message.js";

const keyOf = (me) => `sim-read-${me}`;

export class Unread {
  constructor(store) {
    this.store = store;
    this.reads = {};
  }

  load() {
    try {
      this.reads = JSON.parse(localStorage.getItem(keyOf(this.store.me)) ?? "{}");
    } catch {
      this.reads = {};
    }
  }

  lastRead(channelId) {
    return this.reads[channelId] ?? "0";
  }

  markRead(channelId) {
    const newest = this.store.messagesOf(channelId).at(-1)?.ts;
    if (!newest || newest <= this.lastRead(channelId)) return;
    this.reads[channelId] = newest;
    localStorage.setItem(keyOf(this.store.me), JSON.stringify(this.reads));
  }

  // {count, mentions} of a channel this person is in.
  of(channel) {
    if (!channel.is_im && !channel.is_member) return { count: 0, mentions: 0 };
    const since = this.lastRead(channel.id);
    const fresh = this.store.messagesOf(channel.id).filter((one) => one.ts > since && this.counts(one));
    const calls = fresh.filter((one) => channel.is_im || one.ephemeral || this.calls(one));
    return { count: fresh.length, mentions: calls.length };
  }

  counts(message) {
    const isReply = message.thread_ts && message.thread_ts !== message.ts && message.subtype !== "thread_broadcast";
    return message.user !== this.store.me && !isSystem(message) && (!isReply || message.ephemeral);
  }

  calls(message) {
    return `${message.text}${JSON.stringify(message.blocks ?? "")}`.includes(`<@${this.store.me}>`);
  }
}
