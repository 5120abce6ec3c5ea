// oidc-provider with a login of its own, which asks askance behind the password, and for a factor when askance says so. What the factor
// is, and who checks it, is told by whoever calls `serve`.

import Provider from "oidc-provider";
import { createServer } from "node:http";
import { cookie, decide } from "../askance.mjs";

const users = { alice: { password: "secret" } };
// Who is to prove a factor, by interaction.
const waiting = new Map();

const page = (text) => `<!doctype html><meta charset="utf-8"><title>Log in</title><form method="post">${text}<button>Go on</button></form>`;
const LOGIN = page('<label>User <input name="user"></label><label>Password <input name="password" type="password"></label>');
const CODE = page('<label>Code of your authenticator <input name="code" inputmode="numeric" autocomplete="one-time-code"></label>');

function show(response, status, text, headers = {}) {
  response.writeHead(status, { "content-type": "text/html; charset=utf-8", ...headers }).end(text);
}

async function form(request) {
  let text = "";
  for await (const piece of request) {
    text += piece;
    if (text.length > 4096) break;
  }
  return Object.fromEntries(new URLSearchParams(text));
}

/**
 * Listens at `address`. `factor.login` are members of the login that is scored; `factor.ask(verdict)` begins to ask, and gives what
 * `factor.prove(asked, code)` needs, which gives what was proved (`amr`), or null.
 */
export function serve(address, factor) {
  const [host, port] = address.split(":");
  const provider = new Provider(`http://${host}:${port}`, {
    clients: [{ client_id: "app", client_secret: "app-secret", redirect_uris: ["http://127.0.0.1/callback"] }],
    pkce: { required: () => false },
    features: { devInteractions: { enabled: false } },
    cookies: { keys: ["of the example only"] },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    // The one application is ours: nobody is asked to consent.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: "app", accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope("openid");
      await grant.save();
      return grant;
    },
  });

  async function finish(request, response, accountId, amr) {
    await provider.interactionFinished(request, response, { login: { accountId, amr } }, { mergeWithLastSubmission: false });
  }

  async function interact(request, response, uid) {
    await provider.interactionDetails(request, response);
    if (request.method === "GET") return show(response, 200, LOGIN);
    const given = await form(request);
    const waits = waiting.get(uid);
    if (waits && given.code !== undefined) {
      const amr = await factor.prove(waits.asked, given.code);
      if (!amr) return show(response, 403, CODE);
      waiting.delete(uid);
      return finish(request, response, waits.user, ["pwd", ...amr]);
    }
    const { user, password } = given;
    if (!Object.hasOwn(users, user ?? "") || users[user].password !== password) return show(response, 403, LOGIN);
    // The password is right. The address is that of the connection: behind a proxy, let the proxy say it, and believe nobody else.
    const verdict = await decide({
      user: { id: user, ...factor.login },
      ip: request.socket.remoteAddress,
      user_agent: request.headers["user-agent"],
      device_token: cookie(request.headers.cookie, "device"),
      session_id: uid,
    });
    if (verdict.device?.token) {
      response.setHeader("set-cookie", `device=${verdict.device.token}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax`);
    }
    if (verdict.action === "deny") return show(response, 403, "refused");
    if (verdict.action === "allow") return finish(request, response, user, ["pwd"]);
    waiting.set(uid, { user, asked: await factor.ask(verdict) });
    show(response, 200, CODE);
  }

  const callback = provider.callback();
  const server = createServer((request, response) => {
    const uid = /^\/interaction\/([^/?]+)$/.exec(request.url)?.[1];
    if (!uid) return callback(request, response);
    interact(request, response, uid).catch(() => show(response, 400, "this login is over"));
  });
  server.listen(Number(port), host);
}
