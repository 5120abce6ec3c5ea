"""A web application of before: a few pages, its own accounts and its own login. It knows nothing of second factors, or of askance.

Standard library only. What a proxy needs of it is `/whoami`: whose session this is. Many applications have such a place; an identity
server in front of one, or a login of the proxy's, does as well.
"""

import html
import http.cookies
import http.server
import json
import pathlib
import secrets
import sys
import threading
import urllib.parse

SITE = pathlib.Path(__file__).with_name("site")
ACCOUNTS = {"alice": "alice.doe@example.org", "bob": "bob.roe@example.org"}
PASSWORD = "secret"
COOKIE = "session"
FORM_BYTES_MAX = 65_536
LOGIN = """<main><h1>Log in</h1><form method="post"><input type="hidden" name="next" value="{next}">
<label>Name <input name="user" autocomplete="username" autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Log in</button></form><p>alice or bob; the password is <code>secret</code>.</p></main>"""
FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reading Room</title><link rel="stylesheet" href="/static/style.css">{body}</html>
"""


class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sessions = {}

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/whoami":
            user = self.user()
            if user is None and self.path.endswith("?or=login"):
                # Some proxies hand on what they are answered here, as it is.
                return self.answer(302, "", {"location": f"/login?next={self.headers.get('x-forwarded-uri', '/')}"})
            found = {"Remote-User": user, "Remote-Email": ACCOUNTS[user]} if user else {}
            return self.answer(200 if user else 401, "", found)
        if path == "/login":
            asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            return self.page(LOGIN.format(next=html.escape(asked.get("next", ["/"])[0])))
        if path == "/static/style.css":
            return self.answer(200, (SITE / "style.css").read_text(), {"content-type": "text/css"})
        user = self.user()
        if user is None:
            return self.answer(302, "", {"location": f"/login?next={urllib.parse.quote(self.path)}"})
        page = {"/": "index.html", "/shelf": "shelf.html", "/account": "account.html"}.get(path)
        if page is None:
            return self.answer(404, "<p>There is no such page.</p>")
        body = (SITE / page).read_text().replace("USER", html.escape(user)).replace("EMAIL", html.escape(ACCOUNTS[user]))
        self.page(body)

    def do_POST(self):
        length = min(int(self.headers.get("content-length", 0)), FORM_BYTES_MAX)
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        path = urllib.parse.urlsplit(self.path).path
        if path != "/login" or form.get("user") not in ACCOUNTS or form.get("password") != PASSWORD:
            return self.answer(403, "<p>That is not right. <a href=\"/login\">Again?</a></p>")
        session = secrets.token_urlsafe(32)
        self.sessions[session] = form["user"]
        to = form.get("next", "/")
        to = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
        self.answer(303, "", {"location": to, "set-cookie": f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax"})

    def user(self):
        cookie = http.cookies.SimpleCookie(self.headers.get("cookie", "")).get(COOKIE)
        return self.sessions.get(cookie.value) if cookie else None

    def page(self, body):
        self.answer(200, FRAME.format(body=body), {"content-type": "text/html; charset=utf-8"})

    def answer(self, status, text, headers=None):
        body = text.encode()
        self.send_response(status)
        for name, value in {"content-type": "text/html; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Mailbox(http.server.BaseHTTPRequestHandler):
    """Takes what askance sends, and shows it to whoever looks: everybody's mail, of the example."""

    protocol_version = "HTTP/1.1"
    mail = []

    def do_GET(self):
        if self.path == "/last":
            return self.answer(json.dumps(self.mail[-1] if self.mail else None), "application/json")
        rows = [f"<p>To {html.escape(mail['to'])}: your code is <b>{html.escape(mail['payload']['code'])}</b></p>" for mail in self.mail]
        self.answer(FRAME.format(body=f"<main><h1>Mail</h1>{''.join(reversed(rows)) or 'Nothing yet.'}</main>"), "text/html; charset=utf-8")

    def do_POST(self):
        self.mail.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.answer("", "text/plain")

    def answer(self, text, media_type):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def server(address, handler):
    host, port = address.split(":")
    return http.server.ThreadingHTTPServer((host, int(port)), handler)


if __name__ == "__main__":
    threading.Thread(target=server(sys.argv[2], Mailbox).serve_forever, daemon=True).start()
    server(sys.argv[1], App).serve_forever()
