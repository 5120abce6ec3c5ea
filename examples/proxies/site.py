"""The site behind the proxy, and the page where somebody proves who they are. The site does not know of askance."""

import html
import http.client
import http.server
import json
import sys
import urllib.parse

# Whoever knows this has the authenticator of the example. A page of yours asks for a factor by its own means.
CODE = "123456"


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hooks = "127.0.0.1:8472"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/prove":
            errand = html.escape(urllib.parse.parse_qs(url.query).get("rd", [""])[0])
            return self.answer(
                200,
                f'<form method="post"><input type="hidden" name="rd" value="{errand}"><label>Code of your authenticator '
                f'<input name="code" autocomplete="one-time-code" inputmode="numeric"></label><button>Go on</button></form>',
            )
        user = self.headers.get("x-askance-user", "nobody")
        self.answer(200, f"<p>Hello {html.escape(user)}, this is {html.escape(url.path)}.</p>")

    def do_POST(self):
        form = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = dict(urllib.parse.parse_qsl(form))
        if urllib.parse.urlsplit(self.path).path != "/prove":
            return self.answer(200, "<p>Done.</p>")
        if form.get("code") != CODE:
            return self.answer(403, "<p>This is not the code.</p>")
        told = json.dumps({"rd": form.get("rd", ""), "factor": "totp"})
        connection = http.client.HTTPConnection(self.hooks, timeout=5)
        connection.request("POST", "/v1/hook/passed", told, {"content-type": "application/json"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            return self.answer(403, f"<p>{html.escape(body['detail'])}</p>")
        self.send_response(303)
        self.send_header("location", body["location"])
        self.send_header("content-length", "0")
        self.end_headers()

    def answer(self, status, text):
        body = f'<!doctype html><meta charset="utf-8"><title>Example</title>{text}\n'.encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Site.hooks = sys.argv[2]
    host, port = sys.argv[1].split(":")
    http.server.ThreadingHTTPServer((host, int(port)), Site).serve_forever()
