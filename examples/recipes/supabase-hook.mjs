// A Supabase Auth hook "password verification", as an HTTP endpoint. It is told neither browser nor device, so that address and user are
// all there is; and it cannot ask for a factor, only refuse: let the application ask with `aal2` where the claim `risk` says so.

import { createHmac, timingSafeEqual } from "node:crypto";
import { decide } from "./askance.mjs";

/** Standard Webhooks; Supabase joins signatures by ", " where the standard has a space. `secret` is `v1,whsec_<base64>`. */
export function isSigned(headers, body, secret, now_s = Date.now() / 1000) {
  const [id, time, given] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => headers[name] ?? "");
  if (Math.abs(now_s - Number(time)) > 300) return false;
  const key = Buffer.from(secret.replace(/^v1,whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${time}.${body}`).digest();
  return given.split(/[ ,]+/).filter((part) => part !== "v1").some((part) => {
    const mac = Buffer.from(part, "base64");
    return mac.length === expected.length && timingSafeEqual(mac, expected);
  });
}

export const toLogin = ({ metadata, user_id }) => ({
  user: { id: user_id },
  ip: metadata.ip_address,
  session_id: metadata.uuid,
});

export async function passwordVerified(event, askance) {
  if (!event.valid) return { decision: "continue" };
  const verdict = await decide(toLogin(event), askance);
  if (verdict.action === "allow") return { decision: "continue" };
  return { decision: "reject", message: "This login needs a second factor.", should_logout_user: false };
}
