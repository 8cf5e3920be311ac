#!/usr/bin/env python3
"""Verify a Vigil log without Vigil: standard library only, written from the
published formats (docs/trust.md), sharing no code with the Go verifier.

usage: verify.py ENTRIES CHECKPOINT VERIFIER-KEY

ENTRIES is the answer of /log/entries (one JSON object on each line, from
index 0), CHECKPOINT that of /log/checkpoint, VERIFIER-KEY the text of /log/key
as it was noted down when the log was new. Exit code 0: the entries are the ones
that the key signed; 1: they are not; 2: wrong usage.
"""
import base64
import hashlib
import json
import sys

# Ed25519 (RFC 8032, section 5.1): just enough to check a signature.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    """The x of a point of the curve with this y, RFC 8032, section 5.1.3."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def add(p, q):
    """Adds two points in extended coordinates."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def signed_by(key, message, signature):
    base_y = 4 * pow(5, P - 2, P) % P
    base_x = recover_x(base_y, 0)
    public, r = point(key), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if public is None or r is None or len(signature) != 64 or s >= ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left = multiply(s, (base_x, base_y, 1, base_x * base_y % P))
    right = add(r, multiply(h, public))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


def open_checkpoint(text, vkey):
    """Returns origin, size and root of a checkpoint that the key has signed."""
    name, key_id, encoded = vkey.strip().split("+", 2)
    key = base64.b64decode(encoded)
    digest = hashlib.sha256(name.encode() + b"\n" + key).digest()
    if key[0] != 1 or len(key) != 33 or digest[:4].hex() != key_id:
        sys.exit("the verifier key is malformed")
    body, signatures = text.rsplit("\n\n", 1)
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        raw = base64.b64decode(signature)
        if dash == "\u2014" and signer == name and raw[:4] == digest[:4]:
            if not signed_by(key[1:], (body + "\n").encode(), raw[4:]):
                sys.exit("the checkpoint's signature is wrong")
            origin, size, root = body.split("\n")[:3]
            return origin, int(size), base64.b64decode(root)
    sys.exit("the checkpoint has no signature by the key")


def leaf_hash(e):
    """RFC 6962 leaf hash of an entry's leaf record."""
    if "erased" in e:  # the document is gone, and its commitment is what is left
        commitment = base64.b64decode(e["erased"])
    else:
        salt, sender, doc = (base64.b64decode(e[k]) for k in ("salt", "sender", "doc"))
        commitment = hashlib.sha256(b"\x01" + salt + len(sender).to_bytes(4, "big") + sender + doc).digest()
    record = "vigil-leaf/v1\n%d\n%s %d\n%s\n%s\n%s\n%s\n" % (
        e["epoch"], e["table"], e["id"], e["uid"], e["received"], e["form"],
        base64.b64encode(commitment).decode(),
    )
    return hashlib.sha256(b"\x00" + record.encode()).digest()


def tree_hash(lines, size):
    """Root over the first size entries, and how many of them were erased. Keeps one
    hash for each bit of size."""
    stack, erased = [], 0  # (height, hash), heights falling
    for index in range(size):
        line = lines.readline()
        if not line:
            sys.exit("entry %d is missing: the log was cut short" % index)
        e = json.loads(line)
        if e["index"] != index:
            sys.exit("entry %d is missing: entry %d is in its place" % (index, e["index"]))
        erased += "erased" in e
        height, node = 0, leaf_hash(e)
        while stack and stack[-1][0] == height:
            node = hashlib.sha256(b"\x01" + stack.pop()[1] + node).digest()
            height += 1
        stack.append((height, node))
    if not stack:
        return hashlib.sha256(b"").digest(), 0
    root = stack.pop()[1]
    while stack:
        root = hashlib.sha256(b"\x01" + stack.pop()[1] + root).digest()
    return root, erased


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[2], encoding="utf-8") as f:
        checkpoint = f.read()
    with open(sys.argv[3], encoding="utf-8") as f:
        origin, size, root = open_checkpoint(checkpoint, f.read())
    with open(sys.argv[1], encoding="utf-8") as lines:
        made, erased = tree_hash(lines, size)
    if made != root:
        sys.exit("the entries do not make the root that was signed: they were changed")
    print("%s: %d entries are the ones that were signed" % (origin, size))
    if erased:
        print("the documents of %d were removed: what they said is not known any more" % erased)
    return 0


if __name__ == "__main__":
    sys.exit(main())
