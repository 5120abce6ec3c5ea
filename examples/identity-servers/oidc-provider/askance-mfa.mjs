// With no factor of its own: askance keeps them, asks and checks, and this server shows the page. What was proved comes signed.

import { createLocalJWKSet, jwtVerify } from "jose";
import { ask as call, codeOf, URL as askance } from "../askance.mjs";
import { serve } from "./provider.mjs";

const SECRET = "12345678901234567890";

// Alice signs up, with an authenticator that has this secret already.
const { mfa_token } = await call("/v1/mfa/onboard", { user: { id: "alice" }, event: "sign_up", verified: {} });
const { enrolment_id } = await call("/v1/mfa/enroll", { mfa_token, factor: "totp", secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" });
const bound = await call("/v1/mfa/enroll/verify", { mfa_token, enrolment_id, code: codeOf(SECRET, Date.now()) });
if (bound?.backup_codes?.length !== 10) throw new Error("alice was not signed up");

serve(process.argv[2] ?? "127.0.0.1:8080", {
  // It knows which factors a user has.
  login: {},
  ask: async ({ decision_id, mfa }) => {
    // Whoever cannot be asked does not come in.
    const begun = mfa && (await call("/v1/mfa/challenge", { mfa_token: mfa.mfa_token }));
    if (!begun) throw new Error("nobody asks");
    return { decision_id, mfa_token: mfa.mfa_token, challenge_id: begun.challenge_id };
  },
  prove: async ({ decision_id, ...asked }, code) => {
    const verified = await call("/v1/mfa/verify", { ...asked, code });
    if (!verified) return null;
    // As any other server would that is handed it: who signed it, for whom, and of which login.
    const keys = createLocalJWKSet(await (await fetch(`${askance}/.well-known/jwks.json`)).json());
    const { payload } = await jwtVerify(verified.assertion, keys, { audience: "local", subject: "alice" });
    return payload.decision_id === decision_id ? payload.amr : null;
  },
});
