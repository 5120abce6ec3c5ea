// The body of Ory Kratos' web_hook behind a login, for POST /v1/score. The hook can refuse, and cannot ask for a second factor: its
// `response.parse` is off, and the login page asks askance with the same session_id, gets the same decision, and goes on to
// /self-service/login/browser?aal=aal2 unless it is "allow".
function(ctx) {
  local header(name) = std.get(ctx.request_headers, name, [null])[0],
  user: { id: ctx.identity.id },
  ip: header('True-Client-Ip'),
  user_agent: header('User-Agent'),
  session_id: ctx.flow.id,
}
