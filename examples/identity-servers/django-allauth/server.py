"""django-allauth, with an adapter that asks for a code when askance says so."""

import hashlib
import hmac
import json
import os
import struct
import sys
import time
import urllib.error
import urllib.request

import django
from django.conf import settings
from django.core.management import call_command

ASKANCE_URL = os.environ.get("ASKANCE_URL", "http://127.0.0.1:8470")
DEADLINE_S = 1
SECRET = b"12345678901234567890"

if not settings.configured:
    settings.configure(
        SECRET_KEY="of the example only",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="server",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "example.sqlite"}},
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages", "allauth",
            "allauth.account",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
            "OPTIONS": {"context_processors": [
                "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]},
        }],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        ACCOUNT_ADAPTER="server.Adapter",
        ACCOUNT_EMAIL_VERIFICATION="none",
        ACCOUNT_RATE_LIMITS=False,
        LOGIN_REDIRECT_URL="/",
        USE_TZ=True,
    )
    django.setup()

from allauth.account.adapter import DefaultAccountAdapter  # noqa: E402
from django.contrib.auth import get_user_model, login  # noqa: E402
from django.http import HttpResponse, HttpResponseForbidden, HttpResponseRedirect  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import include, path  # noqa: E402


def call(where, body):
    """POSTs JSON; None where there is no answer in time, or it is no success."""
    request = urllib.request.Request(ASKANCE_URL + where, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return json.loads(answer.read() or b"{}")
    except (urllib.error.URLError, TimeoutError, ValueError):
        return None


def is_code(code):
    """Whether this is the authenticator's code of now (RFC 6238), or of the half minute before or behind."""
    step = int(time.time()) // 30

    def at(counter):
        mac = hmac.new(SECRET, struct.pack(">Q", counter), hashlib.sha1).digest()
        number = struct.unpack(">I", mac[mac[19] & 15:][:4])[0] & 0x7FFFFFFF
        return f"{number % 1000000:06}"

    return any([hmac.compare_digest(at(counter), code) for counter in (step, step - 1, step + 1)])


class Adapter(DefaultAccountAdapter):
    """Between the password and the session."""

    def pre_login(self, request, user, **kwargs):
        verdict = call("/v1/score", {
            "user": {"id": user.username, "enrolled_factors": ["totp"]},
            # That of the connection: behind a proxy, let the proxy say it, and believe nobody else.
            "ip": request.META["REMOTE_ADDR"],
            "user_agent": request.META.get("HTTP_USER_AGENT"),
            "device_token": request.COOKIES.get("device"),
        }) or {"action": "challenge"}
        request.device_token = (verdict.get("device") or {}).get("token")
        if verdict["action"] == "allow":
            return super().pre_login(request, user, **kwargs)
        if verdict["action"] == "deny":
            return HttpResponseForbidden("refused")
        request.session["asked"] = {"user": user.pk, "decision": verdict.get("decision_id")}
        return with_device(request, HttpResponseRedirect("/prove"))


def with_device(request, response):
    if getattr(request, "device_token", None):
        response.set_cookie("device", request.device_token, max_age=31536000, httponly=True, samesite="Lax")
    return response


def prove(request):
    asked = request.session.get("asked")
    if not asked:
        return HttpResponseRedirect("/accounts/login/")
    form = (
        f'<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}"><label>Code of your '
        'authenticator <input name="code" inputmode="numeric" autocomplete="one-time-code"></label><button>Go on</button></form>'
    )
    if request.method != "POST":
        return HttpResponse(form)
    if not is_code(request.POST.get("code", "")):
        return HttpResponseForbidden(form)
    del request.session["asked"]
    if asked["decision"]:
        call(f"/v1/decisions/{asked['decision']}/outcome", {"result": "success", "factor": "totp"})
    user = get_user_model().objects.get(pk=asked["user"])
    login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return HttpResponseRedirect("/")


def home(request):
    return HttpResponse(f"Hello {request.user.get_username() or 'nobody'}.")


urlpatterns = [path("", home), path("prove", prove), path("accounts/", include("allauth.account.urls"))]

if __name__ == "__main__":
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from django.core.wsgi import get_wsgi_application

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

        def address_string(self):
            return self.client_address[0]

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user("alice", "alice@example.org", "secret")
    host, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080").split(":")
    make_server(host, int(port), get_wsgi_application(), handler_class=Quiet).serve_forever()
