// An Auth0 Action for the trigger "Login / Post Login", with the secrets ASKANCE_URL and ASKANCE_KEY.

exports.toLogin = (event) => ({
  user: {
    id: event.user.user_id,
    email: event.user.email,
    email_verified: event.user.email_verified,
    created_at: event.user.created_at,
    enrolled_factors: (event.user.enrolledFactors ?? []).map(({ type }) => FACTORS[type]).filter(Boolean),
  },
  ip: event.request.ip,
  user_agent: event.request.user_agent,
  client_id: event.client.client_id,
  session_id: event.session?.id,
});

const FACTORS = { otp: "totp", phone: "sms", email: "email", "webauthn-roaming": "webauthn", "webauthn-platform": "webauthn", "recovery-code": "backup_code" };

exports.onExecutePostLogin = async (event, api) => {
  const { ASKANCE_URL, ASKANCE_KEY } = event.secrets;
  let verdict = { action: "challenge" };
  try {
    const answer = await fetch(`${ASKANCE_URL}/v1/score`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(ASKANCE_KEY && { authorization: `Bearer ${ASKANCE_KEY}` }) },
      body: JSON.stringify(exports.toLogin(event)),
      signal: AbortSignal.timeout(1000),
    });
    if (answer.status === 200) verdict = await answer.json();
  } catch {
    // No answer means challenge.
  }
  if (verdict.action === "deny") return api.access.deny("This login is refused.");
  if (verdict.action === "allow") return;
  // Never the remembered browser: that is what is doubted.
  api.multifactor.enable("any", { allowRememberBrowser: false });
};
