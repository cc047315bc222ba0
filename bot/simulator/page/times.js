// Times as people read them. Everything is UTC, like the simulated workspace itself.

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

const two = (n) => String(n).padStart(2, "0");

export const clockTime = (date) => `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
export const clockSeconds = (date) => `${clockTime(date)}:${two(date.getUTCSeconds())}`;
export const dayKey = (date) => date.toISOString().slice(0, 10);
export const shortDay = (date) => `${DAYS[date.getUTCDay()].slice(0, 3)} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()].slice(0, 3)}`;
export const weekday = (date) => DAYS[date.getUTCDay()].slice(0, 3);
export const longDay = (date) => `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
export const fullTime = (date) => `${longDay(date)} at ${clockSeconds(date)} UTC`;

export function whenOf(message) {
  const at = message.sim_at ? new Date(message.sim_at) : new Date(Number(message.ts) * 1000);
  return Number.isNaN(at.getTime()) ? new Date(Number(message.ts) * 1000) : at;
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

function relativeDay(date, now, otherwise) {
  const days = Math.round((Date.parse(dayKey(date)) - Date.parse(dayKey(now))) / 86400000);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? otherwise;
}

function ago(date, now) {
  const seconds = (now - date) / 1000;
  return seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

// Slack's <!date^epoch^format> tokens.
export function formatDate(epoch, format, now) {
  const date = new Date(epoch * 1000);
  const month = MONTHS[date.getUTCMonth()];
  const numeric = dayKey(date);
  const short = `${month.slice(0, 3)} ${date.getUTCDate()}, ${date.getUTCFullYear()}`;
  const long = `${DAYS[date.getUTCDay()]}, ${month} ${date.getUTCDate()}, ${date.getUTCFullYear()}`;
  const plain = `${month} ${date.getUTCDate()}, ${date.getUTCFullYear()}`;
  const values = {
    date_num: numeric, date_slash: numeric.replaceAll("-", "/"), date: plain, date_short: short, date_long: long, date_long_full: long,
    date_pretty: relativeDay(date, now, plain), date_short_pretty: relativeDay(date, now, short), date_long_pretty: relativeDay(date, now, long),
    time: clockTime(date), time_secs: clockSeconds(date), ago: ago(date, now), day_divider_pretty: relativeDay(date, now, long),
  };
  return format.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
