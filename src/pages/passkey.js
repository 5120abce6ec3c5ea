// Passkeys: the browser's part, which no page can do without a script. The form says what is to be done, and takes what comes of it.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  const button = form.querySelector("button");
  const notice = form.querySelector(".notice");
  const { passkey: job, options, failed, unsupported } = form.dataset;

  const say = (text) => { notice.textContent = text; notice.hidden = !text; };

  const decode = (text) => {
    const bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(bytes, (byte) => byte.charCodeAt(0));
  };
  const encode = (buffer) => {
    const bytes = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  // For browsers that do not read JSON by themselves.
  const read = (json) => {
    const credential = (one) => ({ ...one, id: decode(one.id) });
    const read = { ...json, challenge: decode(json.challenge) };
    if (json.user) read.user = credential(json.user);
    for (const list of ["allowCredentials", "excludeCredentials"]) if (json[list]) read[list] = json[list].map(credential);
    return read;
  };
  const written = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = encode(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return { id: credential.id, rawId: encode(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
  };

  const run = async () => {
    const json = JSON.parse(options);
    const parse = job === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
    const publicKey = PublicKeyCredential[parse] ? PublicKeyCredential[parse](json) : read(json);
    const credential = await navigator.credentials[job]({ publicKey });
    form.elements.credential.value = JSON.stringify(credential.toJSON ? credential.toJSON() : written(credential));
    form.submit();
  };

  if (!window.PublicKeyCredential) return say(unsupported);
  button.hidden = false;
  button.focus();
  button.addEventListener("click", async () => {
    button.disabled = true;
    say("");
    try { await run(); } catch { say(failed); button.disabled = false; button.focus(); }
  });
})();
