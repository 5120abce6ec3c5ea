// Better Auth, with a plugin that asks for a code when askance says so.

import "./node18.mjs";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { APIError, createAuthEndpoint, createAuthMiddleware } from "better-auth/api";
import { deleteSessionCookie, setSessionCookie } from "better-auth/cookies";
import { toNodeHandler } from "better-auth/node";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { cookie, decide, isCode, passed } from "../askance.mjs";

const [host, port] = (process.argv[2] ?? "127.0.0.1:8080").split(":");
const SECRET = "12345678901234567890";
// Who is to prove a factor: ten minutes.
const waiting = new Map();

const askance = {
  id: "askance",
  hooks: {
    after: [
      {
        matcher: (context) => context.path === "/sign-in/email",
        handler: createAuthMiddleware(async (ctx) => {
          const made = ctx.context.newSession;
          if (!made) return;
          const headers = ctx.headers;
          const verdict = await decide({
            user: { id: made.user.email, enrolled_factors: ["totp"] },
            ip: headers.get("x-peer"),
            user_agent: headers.get("user-agent") ?? undefined,
            device_token: cookie(headers.get("cookie"), "device"),
          });
          if (verdict.device?.token) {
            ctx.setCookie("device", verdict.device.token, { path: "/", httpOnly: true, sameSite: "lax", maxAge: 31536000 });
          }
          if (verdict.action === "allow") return;
          // The session that the password made is not handed out.
          deleteSessionCookie(ctx);
          await ctx.context.internalAdapter.deleteSession(made.session.token);
          if (verdict.action === "deny") throw new APIError("FORBIDDEN", { message: "refused" });
          const challenge = randomUUID();
          waiting.set(challenge, { user: made.user, decision: verdict.decision_id, until: Date.now() + 600000 });
          return ctx.json({ challenge });
        }),
      },
    ],
  },
  endpoints: {
    prove: createAuthEndpoint("/prove", { method: "POST" }, async (ctx) => {
      const { challenge, code } = ctx.body ?? {};
      const asked = waiting.get(challenge);
      if (!asked || asked.until < Date.now()) throw new APIError("GONE", { message: "this login is over" });
      if (!isCode(SECRET, code)) throw new APIError("FORBIDDEN", { message: "this is not the code" });
      waiting.delete(challenge);
      await passed(asked.decision, "totp");
      const session = await ctx.context.internalAdapter.createSession(asked.user.id, ctx);
      await setSessionCookie(ctx, { session, user: asked.user });
      return ctx.json({ user: asked.user.email });
    }),
  },
};

const auth = betterAuth({
  baseURL: `http://${host}:${port}`,
  secret: "of the example only, and long enough",
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  emailAndPassword: { enabled: true, autoSignIn: false },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [askance],
});
await auth.api.signUpEmail({ body: { name: "Alice", email: "alice@example.org", password: "secret-secret" } });

const handler = toNodeHandler(auth);
createServer((request, response) => {
  // That of the connection: behind a proxy, let the proxy say it, and believe nobody else.
  request.headers["x-peer"] = request.socket.remoteAddress;
  return handler(request, response);
}).listen(Number(port), host);
