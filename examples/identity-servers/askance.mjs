// How a server in JavaScript asks askance. The one rule: whatever is no 200 in time means challenge.

import { createHmac, timingSafeEqual } from "node:crypto";

export const URL = process.env.ASKANCE_URL ?? "http://127.0.0.1:8470";
const DEADLINE_MS = 1000;
// A message is sent, or slow hashes are made, before these are answered; nobody's login waits for it unseen.
const FACTOR_DEADLINE_MS = 20_000;

async function call(path, body, deadlineMs = DEADLINE_MS) {
  try {
    const answer = await fetch(URL + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(deadlineMs),
    });
    if (answer.status === 204) return {};
    return answer.status === 200 ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** What to do with a login whose password was right: `action` is "allow", "challenge" or "deny". */
export async function decide(login) {
  return (await call("/v1/score", login)) ?? { action: "challenge" };
}

/** Tells that a factor was passed, so that the login is learnt. */
export async function passed(decisionId, factor) {
  if (decisionId) await call(`/v1/decisions/${decisionId}/outcome`, { result: "success", factor });
}

/** A call about factors; null where it is refused, or not answered in time. */
export const ask = (path, body) => call(path, body, FACTOR_DEADLINE_MS);

/** The authenticator's code of a time (RFC 6238). */
export function codeOf(secret, at_ms) {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(Math.floor(at_ms / 30000)));
  const mac = createHmac("sha1", secret).update(message).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, "0");
}

/** Whether this is the code of now, or of the half minute before or behind. */
export function isCode(secret, code, now_ms = Date.now()) {
  const given = Buffer.from(String(code ?? "").replace(/[^0-9]/g, " ").padEnd(6).slice(0, 6));
  return [0, -30000, 30000].some((off_ms) => timingSafeEqual(Buffer.from(codeOf(secret, now_ms + off_ms)), given));
}

/** A cookie of a request. */
export function cookie(header, name) {
  for (const pair of (header ?? "").split(";")) {
    const [given, ...value] = pair.trim().split("=");
    if (given === name) return value.join("=");
  }
  return undefined;
}
