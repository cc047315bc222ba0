// The small set of emoji shortcodes the page knows; any other stays the text it is.

export const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", pushpin: "📌", round_pushpin: "📍", eyes: "👀", "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎",
  rotating_light: "🚨", fire: "🔥", warning: "⚠️", bell: "🔔", no_bell: "🔕", alarm_clock: "⏰", hourglass: "⌛", hourglass_flowing_sand: "⏳", stopwatch: "⏱️",
  red_circle: "🔴", large_orange_circle: "🟠", orange_circle: "🟠", large_yellow_circle: "🟡", yellow_circle: "🟡", large_green_circle: "🟢", green_circle: "🟢",
  large_blue_circle: "🔵", blue_circle: "🔵", purple_circle: "🟣", white_circle: "⚪", black_circle: "⚫", large_red_square: "🟥", large_orange_square: "🟧",
  large_yellow_square: "🟨", large_green_square: "🟩", large_blue_square: "🟦", x: "❌", no_entry: "⛔", no_entry_sign: "🚫", question: "❓", exclamation: "❗",
  information_source: "ℹ️", memo: "📝", pencil: "📝", clipboard: "📋", page_facing_up: "📄", book: "📖", books: "📚", mag: "🔍", link: "🔗", lock: "🔒", unlock: "🔓",
  key: "🔑", wrench: "🔧", hammer_and_wrench: "🛠️", gear: "⚙️", speech_balloon: "💬", mega: "📣", loudspeaker: "📢", telephone_receiver: "📞", pager: "📟", email: "✉️",
  calendar: "📅", spiral_calendar_pad: "🗓️", chart_with_upwards_trend: "📈", chart_with_downwards_trend: "📉", bar_chart: "📊", rocket: "🚀", tada: "🎉",
  wave: "👋", pray: "🙏", raised_hands: "🙌", clap: "👏", point_right: "👉", bust_in_silhouette: "👤", busts_in_silhouette: "👥", fire_engine: "🚒", firefighter: "🧑‍🚒",
  fire_extinguisher: "🧯", helmet_with_white_cross: "⛑️", construction: "🚧", checkered_flag: "🏁", heart: "❤️", smile: "😄", slightly_smiling_face: "🙂", thinking_face: "🤔",
  sob: "😭", robot_face: "🤖", zap: "⚡", bulb: "💡", bug: "🐛", repeat: "🔁", arrows_counterclockwise: "🔄", leftwards_arrow_with_hook: "↩️", arrow_right: "➡️",
  arrow_up: "⬆️", arrow_down: "⬇️", rewind: "⏪", fast_forward: "⏩", double_vertical_bar: "⏸️", stop_button: "⏹️", arrow_forward: "▶️", sos: "🆘", star: "⭐", new: "🆕", ok: "🆗",
};

export const PALETTE = ["white_check_mark", "pushpin", "eyes", "+1", "rotating_light", "fire", "tada", "thinking_face"];

export const glyph = (name) => EMOJI[name.split("::")[0]] ?? `:${name}:`;

export const withEmoji = (text) => text.replace(/:([a-z0-9_+'-]+)(?:::skin-tone-\d)?:/g, (whole, name) => EMOJI[name] ?? whole);
