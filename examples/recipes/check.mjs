// Runs every recipe on what its server sends, as recorded in fixtures/, against a running askance:
//     node check.mjs http://127.0.0.1:8470
// The usual login is one of a user who was here yesterday; the unusual one comes from an address that is none.

import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { decide } from "./askance.mjs";
import * as logto from "./logto-proxy.mjs";
import * as supabase from "./supabase-hook.mjs";
import * as zitadel from "./zitadel-login.mjs";

const url = process.argv[2];
const read = (name) => JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url)));
const text = readFileSync(new URL("auth0-action.js", import.meta.url), "utf8");
const auth0 = { exports: {} };
new Function("exports", "module", "require", text)(auth0.exports, auth0, createRequire(import.meta.url));

async function post(path, body, type) {
  return fetch(url + path, { method: "POST", headers: { "content-type": type }, body });
}

/** Makes the user of a login known, from where it comes from. */
async function remember({ user, ip, user_agent, device_id }) {
  const time = new Date(Date.now() - 86400000).toISOString();
  const past = { user: { id: user.id }, ip, user_agent, device_id, time, result: "success" };
  const answer = await post("/v1/import", JSON.stringify(past), "application/x-ndjson");
  if ((await answer.json()).recorded !== 1) throw new Error(`not imported: ${JSON.stringify(past)}`);
}

let isGood = true;
function say(name, usual, unusual) {
  isGood &&= usual === "in" && unusual === "asked";
  console.log(`${usual === "in" && unusual === "asked" ? "ok " : "NO "} ${name}: ${usual}, ${unusual}`);
}

async function of(name, event, unusual, toLogin, ask) {
  await remember(toLogin(event));
  say(name, await ask(event), await ask(unusual));
}

const NOWHERE = "unknown";
{
  const event = { ...read("auth0"), secrets: { ASKANCE_URL: url } };
  const ask = async (event) => {
    const called = [];
    await auth0.exports.onExecutePostLogin(event, {
      access: { deny: () => called.push("denied") },
      multifactor: { enable: (_, { allowRememberBrowser }) => called.push(allowRememberBrowser ? "remembered" : "asked") },
    });
    return called.join() || "in";
  };
  const other = { ...event, session: { id: "other" }, request: { ...event.request, ip: NOWHERE } };
  await of("Auth0 Actions", event, other, auth0.exports.toLogin, ask);
}
{
  const event = read("supabase");
  const ask = async (event) => ((await supabase.passwordVerified(event, { url })).decision === "continue" ? "in" : "asked");
  const other = { ...event, metadata: { ...event.metadata, uuid: "other", ip_address: NOWHERE } };
  await of("Supabase", event, other, supabase.toLogin, ask);
  const [secret, body, time] = ["v1,whsec_MDEyMzQ1Njc4OWFiY2RlZg==", JSON.stringify(event), String(Math.floor(Date.now() / 1000))];
  const mac = createHmac("sha256", "0123456789abcdef").update(`m1.${time}.${body}`).digest("base64");
  const headers = { "webhook-id": "m1", "webhook-timestamp": time, "webhook-signature": `v1,AAAA, v1,${mac}` };
  const signed = [supabase.isSigned(headers, body, secret), supabase.isSigned(headers, `${body} `, secret)];
  say("Supabase's signature", signed[0] ? "in" : "refused", signed[1] ? "in" : "asked");
}
{
  const { session, request } = read("zitadel");
  const ask = async ({ session, request }) => ((await zitadel.checksNeeded(session, request, { url })).length ? "asked" : "in");
  const other = { session: { ...session, id: "other" }, request: { ...request, ip: NOWHERE } };
  await of("Zitadel", { session, request }, other, (event) => zitadel.toLogin(event.session, event.request), ask);
}
{
  const { identify, request } = read("logto");
  const ask = async ({ identify, request }) =>
    (await logto.edgeHeaders(identify, request, { url }))["x-logto-cf-bot-score"] === "99" ? "in" : "asked";
  const other = { identify: { ...identify, verificationId: "other" }, request: { ...request, ip: NOWHERE } };
  await of("Logto", { identify, request }, other, (event) => logto.toLogin(event.identify, event.request), ask);
}
{
  const login = (change) => {
    const context = JSON.stringify({ ...read("kratos"), ...change });
    const recipe = new URL("kratos.jsonnet", import.meta.url).pathname;
    return JSON.parse(execFileSync("jsonnet", ["--tla-code", `ctx=${context}`, recipe], { encoding: "utf8" }));
  };
  const ask = async (login) => ((await decide(login, { url })).action === "allow" ? "in" : "asked");
  const other = login({ flow: { id: "other" }, request_headers: { "True-Client-Ip": [NOWHERE] } });
  await of("Ory Kratos", login({}), other, (login) => login, ask);
}
{
  // Compiled beside stand-ins, and run as Keycloak runs it; what is sent is what was recorded.
  const { user, credentials, remote_addr, user_agent, session, body } = read("keycloak");
  const source = new URL("keycloak/", import.meta.url).pathname;
  const directory = mkdtempSync(join(tmpdir(), "askance-keycloak-"));
  try {
    const sections = readFileSync(join(source, "check/stand-ins.txt"), "utf8").split(/^== /m).slice(1);
    const standIns = sections.map((section) => {
      const end = section.indexOf("\n");
      const path = join(directory, section.slice(0, end));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, section.slice(end + 1));
      return path;
    });
    const recipe = ["Askance", "AskanceCondition", "AskancePassed"].map((name) => join(source, `src/main/java/askance/${name}.java`));
    const options = ["-Xlint:all", "-Werror", "--release", "17", "-d", directory];
    execFileSync("javac", [...options, ...standIns, ...recipe, join(source, "check/Check.java")], { stdio: "inherit" });
    const path = [directory, join(source, "src/main/resources")].join(":");
    const ask = async ({ ip, session }) => {
      const told = [user, credentials.join(), ip, user_agent, session];
      const env = { ...process.env, ASKANCE_URL: url };
      const [sent, became] = execFileSync("java", ["-cp", path, "askance.Check", ...told], { encoding: "utf8", env }).trim().split("\n");
      const expected = JSON.stringify({ ...body, ip, session_id: session });
      return sent === expected ? became : `sent ${sent}`;
    };
    await of("Keycloak", { ip: remote_addr, session }, { ip: NOWHERE, session: "other" }, () => body, ask);
    // What was asked and passed was told, so that it is learnt.
    const listed = await (await fetch(`${url}/v1/decisions?user=${user}`)).json();
    const outcome = listed.decisions.find(({ action }) => action === "challenge")?.outcome;
    say("Keycloak's outcome", outcome === "success" ? "in" : String(outcome), "asked");
  } finally {
    rmSync(directory, { recursive: true });
  }
}
process.exit(isGood ? 0 : 1);
