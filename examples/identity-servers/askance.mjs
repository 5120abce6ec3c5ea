// How a server in JavaScript asks askance. The one rule: whatever is no 200 in time means challenge.

import { createHmac, timingSafeEqual } from "node:crypto";

const URL = process.env.ASKANCE_URL ?? "http://127.0.0.1:8470";
const DEADLINE_MS = 1000;

async function call(path, body) {
  try {
    const answer = await fetch(URL + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
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

/** Whether this is the authenticator's code of now (RFC 6238), or of the half minute before or behind. */
export function isCode(secret, code, now = Date.now()) {
  const step = Math.floor(now / 30000);
  return [step, step - 1, step + 1].some((counter) => {
    const message = Buffer.alloc(8);
    message.writeBigUInt64BE(BigInt(counter));
    const mac = createHmac("sha1", secret).update(message).digest();
    const at = mac[19] & 15;
    const expected = String((mac.readUInt32BE(at) & 0x7fffffff) % 1000000).padStart(6, "0");
    const given = String(code ?? "").padEnd(6).slice(0, 6);
    return timingSafeEqual(Buffer.from(expected), Buffer.from(given.replace(/[^0-9]/g, " ")));
  });
}

/** A cookie of a request. */
export function cookie(header, name) {
  for (const pair of (header ?? "").split(";")) {
    const [given, ...value] = pair.trim().split("=");
    if (given === name) return value.join("=");
  }
  return undefined;
}
