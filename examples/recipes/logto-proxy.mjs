// Logto has adaptive MFA of its own, fed by headers of the edge. A proxy that asks askance writes them: whoever is to prove a factor gets
// a bot's score, which is the one of its rules that needs no history of Logto's. Its own copies of these headers are taken away first.

import { decide } from "./askance.mjs";

/** `identify` is the body that Logto's page posts to /api/experience/identification, once the password was verified. */
export const toLogin = (identify, request) => ({
  user: { id: identify.userId },
  ip: request.ip,
  user_agent: request.user_agent,
  session_id: identify.verificationId,
});

export async function edgeHeaders(identify, request, askance) {
  const { action, evidence } = await decide(toLogin(identify, request), askance);
  const location = evidence?.location ?? {};
  return {
    "x-logto-cf-bot-score": action === "allow" ? "99" : "1",
    ...(location.country && { "x-logto-cf-country": location.country }),
  };
}
