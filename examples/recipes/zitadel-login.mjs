// Zitadel: its session API leaves it to the login page whether a session is enough. So the page asks, once the password check of the
// session passed, and adds the check of a factor before it takes the session on.

import { decide } from "./askance.mjs";

/** `session` is the answer of GET /v2/sessions/{id}; `request` is what the page itself got. */
export const toLogin = (session, request) => ({
  user: { id: session.factors.user.id, enrolled_factors: request.enrolled_factors },
  ip: request.ip,
  user_agent: session.userAgent?.description ?? request.user_agent,
  device_id: session.userAgent?.fingerprintId,
  session_id: session.id,
});

/** The checks that the session still needs. */
export async function checksNeeded(session, request, askance) {
  const { action, mfa } = await decide(toLogin(session, request), askance);
  if (action === "deny") throw new Error("refused");
  return action === "allow" ? [] : (mfa?.factors ?? ["totp"]);
}
