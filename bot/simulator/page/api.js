// The simulator's own JSON protocol. Every answer is an object with `ok`; a broken connection becomes one too.

export async function get(path) {
  const response = await fetch(path, { headers: { accept: "application/json" }, cache: "no-store" });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

export async function getText(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(`The file could not be read (${response.status}).`);
  return response.text();
}

export async function post(path, body) {
  try {
    const response = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return read(await response.text(), response);
  } catch {
    return { ok: false, error: "unreachable", sentence: "The simulated workspace is not answering. Is it still running?" };
  }
}

function read(text, response) {
  try {
    return { ok: response.ok, ...JSON.parse(text) };
  } catch {
    return { ok: false, error: `http_${response.status}`, sentence: `The simulated workspace could not do that (${response.status}). Its log says why.` };
  }
}

export function sentenceOf(answer) {
  if (answer.sentence) return answer.sentence;
  return answer.error ? `That did not work: ${String(answer.error).replaceAll("_", " ")}.` : "That did not work.";
}
