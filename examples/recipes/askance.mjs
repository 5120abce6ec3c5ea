// What all recipes in JavaScript share: the one call, and the one rule, that whatever is no 200 in time means challenge.

export async function decide(login, { url, key, deadline_ms = 1000 }) {
  const headers = { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  try {
    const body = JSON.stringify(login);
    const answer = await fetch(`${url}/v1/score`, { method: "POST", headers, body, signal: AbortSignal.timeout(deadline_ms) });
    if (answer.status === 200) return await answer.json();
  } catch {
    // Below.
  }
  return { action: "challenge", reasons: [{ code: "not_available", text: "askance did not answer" }] };
}
