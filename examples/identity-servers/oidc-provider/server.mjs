// With a factor of its own: askance says when, and this server asks and checks.

import { isCode, passed } from "../askance.mjs";
import { serve } from "./provider.mjs";

const SECRET = "12345678901234567890";

serve(process.argv[2] ?? "127.0.0.1:8080", {
  login: { enrolled_factors: ["totp"] },
  ask: async (verdict) => verdict.decision_id,
  prove: async (decision, code) => {
    if (!isCode(SECRET, code)) return null;
    await passed(decision, "totp");
    return ["otp"];
  },
});
