#!/usr/bin/env python3
"""How an identity server asks askance, between "the password is right" and "here is your session".

    login.py URL USER ADDRESS USER_AGENT DEVICE_ID [KEY]

Standard library only. The one rule: anything but a 200 means challenge.
"""

import json
import sys
import urllib.error
import urllib.request

DEADLINE_S = 0.25


def call(url, path, body, key=None):
    """POSTs JSON; gives the answer, or None when there is none in time or it is not a success."""
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return json.loads(answer.read() or b"{}")
    except (urllib.error.URLError, TimeoutError, ValueError):
        return None


def decide(url, login, key=None):
    """What to do with a login whose first factor has passed."""
    verdict = call(url, "/v1/score", login, key)
    if verdict is None:
        return {"action": "challenge", "reasons": [{"text": "askance did not answer"}]}
    return verdict


def main():
    url, user, address, user_agent, device_id, *rest = sys.argv[1:]
    key = rest[0] if rest else None
    login = {
        "user": {"id": user, "enrolled_factors": ["totp"]},
        "ip": address,
        "user_agent": user_agent,
        "device_id": device_id,
    }
    verdict = decide(url, login, key)
    print(verdict["action"], "-", "; ".join(reason["text"] for reason in verdict["reasons"]))
    if verdict["action"] == "challenge" and "decision_id" in verdict:
        # Here the user types the code. It is right, so the login is complete, and askance may learn from it.
        outcome = {"result": "success", "factor": verdict["mfa"]["factors"][0]}
        told = call(url, f"/v1/decisions/{verdict['decision_id']}/outcome", outcome, key)
        print("outcome", "told" if told is not None else "lost")


if __name__ == "__main__":
    main()
