"""A web application with accounts, sessions and transfers of money, each of which the user confirms with a second factor.

Standard library only. What there is to see is `Shop.confirmed`: a transfer is done when askance takes a proof for it, and the proof is for this
session, this amount and this payee, once. Passwords are left out: whoever says a name is logged in.
"""

import hashlib
import http.client
import http.server
import json
import pathlib
import secrets
import socket
import threading

PAGE = pathlib.Path(__file__).with_name("page.html").read_bytes()
DEADLINE_S = 5
BODY_BYTES_MAX = 65_536


class Refused(Exception):
    """What is told to the browser in place of an answer."""

    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class Askance:
    """Calls askance on its Unix socket."""

    def __init__(self, path):
        self.path = path

    def call(self, path, body):
        connection = http.client.HTTPConnection("localhost", timeout=DEADLINE_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(DEADLINE_S)
        try:
            connection.sock.connect(str(self.path))
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            told = json.loads(answer.read() or b"{}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refused(503, "askance.unavailable") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status, told.get("code", "askance.odd"))
        return told


class Shop:
    """Sessions, by the cookie of the browser, and what was transferred."""

    def __init__(self, askance):
        self.askance = askance
        self.lock = threading.Lock()
        self.sessions = {}
        self.transfers = []

    def sign_up(self, body, ip):
        """A new account, and what it is to be shown of second factors."""
        cookie, session = self.new_session(text(body, "user"))
        told = self.askance.call(
            "/v1/mfa/onboard",
            {"user": {"id": session["user"]}, "event": "sign_up", "session_id": session["id"], "ip": ip},
        )
        session["mfa_token"] = told.get("mfa_token")
        return cookie, {"next": told["next"], "factors": told["factors"]}

    def log_in(self, body, ip):
        """A session of an account. Here a real shop asks for a password, and scores the login (examples/identity-server)."""
        cookie, session = self.new_session(text(body, "user"))
        return cookie, {"user": session["user"]}

    def new_session(self, user):
        cookie = secrets.token_urlsafe(32)
        # The cookie is a secret of the browser and the shop. Whoever reads what askance knows shall not be logged in.
        session = {"user": user, "id": hashlib.sha256(cookie.encode()).hexdigest(), "mfa_token": None}
        with self.lock:
            self.sessions[cookie] = session
        return cookie, session

    def enroll(self, session, body, ip):
        """Begins to bind a factor."""
        return self.askance.call(
            "/v1/mfa/enroll", {"mfa_token": session["mfa_token"], "factor": text(body, "factor"), "label": session["user"]}
        )

    def bind(self, session, body, ip):
        """Ends it."""
        return self.askance.call("/v1/mfa/enroll/verify", {"mfa_token": session["mfa_token"], **answer(body, "enrolment_id")})

    def ask(self, session, body, ip):
        """Asks for a proof of a transfer. What is shown comes from askance, which makes it of the same numbers as the proof."""
        told = self.askance.call(
            "/v1/step-up",
            {"user_id": session["user"], "session_id": session["id"], "action": transfer(body), "ip": ip},
        )
        if told["action"] != "challenge":
            raise Refused(403, "transfer.denied")
        session["mfa_token"] = told["mfa_token"]
        return {"text": told["text"], "factors": told["factors"]}

    def challenge(self, session, body, ip):
        """Begins to ask for one factor."""
        return self.askance.call(
            "/v1/mfa/challenge", {"mfa_token": session["mfa_token"], "factor": text(body, "factor")}
        )

    def prove(self, session, body, ip):
        """Takes the code, or what the passkey says, and gives the proof."""
        told = self.askance.call("/v1/mfa/verify", {"mfa_token": session["mfa_token"], **answer(body, "challenge_id")})
        return {"proof": told["assertion"]}

    def confirmed(self, session, body, ip):
        """Does a transfer, if the proof is one of it, of this session, and was not used."""
        action = transfer(body)
        self.askance.call(
            "/v1/step-up/consume", {"assertion": text(body, "proof"), "session_id": session["id"], "action": action}
        )
        with self.lock:
            self.transfers.append({"from": session["user"], **action["params"]})
            return {"transfers": len(self.transfers)}


def transfer(body):
    """The action, from what the browser sends now, not from what it asked for before."""
    amount = body.get("amount")
    if not isinstance(amount, (int, float)) or isinstance(amount, bool) or not amount > 0:
        raise Refused(422, "transfer.amount")
    return {"name": "transfer", "params": {"amount": amount, "currency": "EUR", "payee": text(body, "payee")}}


def text(body, name):
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(422, f"shop.{name}")
    return value


def answer(body, of):
    """A code, or what a passkey says, with what it answers."""
    given = {name: body[name] for name in ("code", "credential") if name in body}
    return {of: text(body, of), **given}


ARRIVALS = {"/sign-up": Shop.sign_up, "/log-in": Shop.log_in}
CALLS = {
    "/factors": Shop.enroll,
    "/factors/bind": Shop.bind,
    "/transfers/ask": Shop.ask,
    "/transfers/challenge": Shop.challenge,
    "/transfers/prove": Shop.prove,
    "/transfers": Shop.confirmed,
}


def handler(shop):
    """A handler of requests to this shop."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path == "/":
                self.reply(200, PAGE, "text/html; charset=utf-8")
            else:
                self.tell(404, {"code": "shop.not_found"})

        def do_POST(self):
            try:
                body = self.body()
                arrive, call = ARRIVALS.get(self.path), CALLS.get(self.path)
                ip = self.client_address[0]
                if arrive:
                    cookie, told = arrive(shop, body, ip)
                    # Over https, a cookie is __Host- and Secure.
                    self.tell(200, told, f"session={cookie}; Path=/; HttpOnly; SameSite=Strict")
                elif call:
                    self.tell(200, call(shop, self.session(), body, ip))
                else:
                    self.tell(404, {"code": "shop.not_found"})
            except Refused as refused:
                self.tell(refused.status, {"code": refused.code})

        def body(self):
            # A page of another origin cannot send this type without asking first.
            if self.headers.get_content_type() != "application/json":
                raise Refused(415, "shop.content_type")
            try:
                length = int(self.headers.get("content-length", ""))
                if not 0 <= length <= BODY_BYTES_MAX:
                    raise ValueError
                body = json.loads(self.rfile.read(length))
            except ValueError as error:
                self.close_connection = True
                raise Refused(400, "shop.malformed") from error
            if not isinstance(body, dict):
                raise Refused(400, "shop.malformed")
            return body

        def session(self):
            pairs = (pair.strip().partition("=") for pair in self.headers.get("cookie", "").split(";"))
            cookies = {name: value for name, _, value in pairs}
            session = shop.sessions.get(cookies.get("session"))
            if session is None:
                raise Refused(401, "shop.logged_out")
            return session

        def tell(self, status, body, cookie=None):
            self.reply(status, json.dumps(body).encode(), "application/json", cookie)

        def reply(self, status, body, content_type, cookie=None):
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            if cookie:
                self.send_header("set-cookie", cookie)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    return Handler
