#!/usr/bin/env python3
"""Print a token for a role, signed with the secret that Vigil verifies it with.

The secret is PGRST_JWT_SECRET (or VIGIL_JWT_SECRET) of the environment, else of
the .env file beside this script or in the working directory. It is used as it is
written. Nothing beyond Python is needed; `vigil token` makes the same token.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import sys

NAMES = ("VIGIL_JWT_SECRET", "PGRST_JWT_SECRET")
LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:]\s*(.*?)\s*$")


def read_dotenv(path):
    """Return the variables of an .env file, none if there is no such file."""
    found = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        match = LINE.match(line)
        if not match:
            continue
        name, value = match.groups()
        quoted = re.match(r"(['\"])(.*)\1\s*(?:#.*)?$", value)
        if quoted:
            value = quoted.group(2)
        else:
            value = re.sub(r"(?:^|\s+)#.*$", "", value)
        found[name] = value
    return found


def find_secret():
    """Return the secret, or end the program where there is none."""
    here = pathlib.Path(__file__).resolve().parent
    for variables in (os.environ, read_dotenv(pathlib.Path(".env")), read_dotenv(here / ".env")):
        for name in NAMES:
            if variables.get(name):
                return variables[name]
    sys.exit("no secret: set PGRST_JWT_SECRET, or copy default.env to .env and fill it in")


def encode(data):
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def make_token(secret, role):
    """Return a JWT (RFC 7519) whose only claim is the role."""
    parts = [
        encode(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"alg": "HS256", "typ": "JWT"}, {"role": role})
    ]
    signed = b".".join(parts)
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + encode(signature)).decode()


def main():
    parser = argparse.ArgumentParser(description="Print a token for a role.")
    parser.add_argument("--role", default="event_logger", help="the role, event_logger unless given")
    secret = find_secret()
    if len(secret) < 32:
        sys.exit("the secret is shorter than 32 characters, which Vigil refuses")
    print(make_token(secret, parser.parse_args().role))


if __name__ == "__main__":
    main()
