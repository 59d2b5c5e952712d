"""Verifies the folder that it lies in: an export of a rollout service's audit. Needs Python 3.9 and nothing else:

    python3 verify.py [FOLDER] [--key HEX]

It checks every file's hash, all signatures (Ed25519, RFC 8032), that each entry follows the one before, the root of all
(RFC 6962), and that the record begins with what the previous export showed (RFC 9162). HEX is the public key that you
were given once, by another way than this folder.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from functools import reduce
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
PLACE = "revision", "note"
D = -121665 * pow(121666, P - 2, P) % P
text_of = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def add(a: Any, b: Any) -> Any:
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(n: int, point: Any) -> Any:
    total = (0, 1, 1, 0)
    while n:
        total, point, n = add(total, point) if n & 1 else total, add(point, point), n >> 1
    return total


def decompress(data: bytes) -> Any:
    sign, y = data[31] >> 7, int.from_bytes(data, "little") & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("not a point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def signed(key: str, message: bytes, signature: str) -> bool:
    public, proof = bytes.fromhex(key), bytes.fromhex(signature)
    s, digest = int.from_bytes(proof[32:], "little"), sha512(proof[:32] + public + message).digest()
    if len(public) != 32 or len(proof) != 64 or s >= Q:
        return False
    left = multiply(s, decompress(bytes.fromhex("58" + "66" * 31)))
    right = add(decompress(proof), multiply(int.from_bytes(digest, "little") % Q, decompress(public)))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root(roots: list[bytes]) -> bytes:
    return reduce(lambda whole, left: node(left, whole), reversed(roots)) if roots else sha256(b"").digest()


def consistent(m: int, old: bytes, n: int, new: bytes, proof: list[bytes]) -> bool:
    path, f, s = ([old, *proof] if m & (m - 1) == 0 else proof), m - 1, n - 1
    if m in (0, n) or not path or m > n:
        return not proof and (m == 0 or (m == n and old == new))
    while f & 1:
        f, s = f >> 1, s >> 1
    was = now = path[0]
    for step in path[1:]:
        if s == 0:
            return False
        if f & 1 or f == s:
            was, now = node(step, was), node(step, now)
            while f and not f & 1:
                f, s = f >> 1, s >> 1
        else:
            now = node(now, step)
        f, s = f >> 1, s >> 1
    return s == 0 and was == old and now == new


def signed_faults(folder: Path, raw: bytes, manifest: Any, anchors: list[Any], key: str) -> Iterator[str]:
    if key not in ("", manifest["key"]):
        yield f"the manifest is signed with another key, {manifest['key']}"
    if not signed(manifest["key"], b"rollout-export:v1\n" + raw, (folder / "manifest.sig").read_text().strip()):
        yield "the manifest is not as it was signed"
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted({*found, *manifest["files"]} - {"manifest.json", "manifest.sig"}):
        if name not in found or sha256(found[name].read_bytes()).hexdigest() != manifest["files"].get(name):
            yield f"{name} is missing, or not what was exported"
    for anchor in anchors:
        message = text_of({name: value for name, value in anchor.items() if name != "signature"}).encode()
        if not signed(manifest["key"], b"rollout-anchor:v1\n" + message, anchor["signature"]):
            yield f"the anchor of {anchor['at']} is not as it was signed"


def entry_faults(lines: list[bytes], manifest: Any, anchors: list[Any]) -> Iterator[str]:
    before, last, old = manifest["before"], manifest["last"], manifest["previous_export"]
    size, place, at, link = before["size"], (before["revision"], before["note"]), before["at"], before["hash"]
    roots, at_size = [bytes.fromhex(one) for one in before["frontier"]], {one["size"]: one for one in anchors}
    if len(roots) != bin(size).count("1") or root(roots).hex() != before["root"]:
        yield "what went before these months is not the tree that the manifest names"
    for line in lines:
        entry = json.loads(line)
        here, name = (entry["revision"], entry.get("note", 0)), ".".join(str(entry[n]) for n in PLACE if n in entry)
        moved = here not in ((place[0] + 1, 0), (place[0], place[1] + 1)) or entry["at"] < at
        if moved or text_of(entry).encode() != line:
            yield f"entry {name} is out of order: before it entries are missing, doubled or moved"
        if entry.get("previous", "") not in ({link or root(roots).hex()} if "previous" in entry or link else {""}):
            yield f"entry {name} does not follow the one before it: one of the two was changed"
        link = sha256(b"rollout-audit:v1\n" + line).hexdigest() if "previous" in entry else ""
        roots.append(sha256(b"\0" + line).digest())
        for _ in range((~size & (size + 1)).bit_length() - 1):
            roots[-2:] = [node(*roots[-2:])]
        size, place, at = size + 1, here, entry["at"]
        anchor = at_size.get(size, {"hash": link, "root": root(roots).hex()})
        if (anchor["hash"], anchor["root"]) != (link, root(roots).hex()):
            yield f"the entries up to {name} are not those that were signed at {anchor['at']}"
    if (size, link, root(roots).hex()) != (last["size"], last["hash"], last["root"]):
        yield "the entries do not end as the manifest says: some were changed, added or cut off"
    proof = [bytes.fromhex(step) for step in manifest["consistency_proof"]]
    if old and not consistent(old["size"], bytes.fromhex(old["root"]), size, root(roots), proof):
        yield "the record does not begin with what the previous export showed"


def verify(folder: Path, key: str = "") -> list[str]:
    manifest = json.loads(raw := (folder / "manifest.json").read_bytes())
    anchors = [json.loads(line) for line in (folder / "anchors.jsonl").read_bytes().splitlines()]
    entries = (folder / "entries.jsonl").read_bytes().split(b"\n")[:-1]
    return [*signed_faults(folder, raw, manifest, anchors, key), *entry_faults(entries, manifest, anchors)]


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Verifies an export of a rollout service's audit.")
    asked.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    asked.add_argument("--key", metavar="HEX", type=str.lower, default="", help="the key that you were given once")
    given = asked.parse_args()
    try:
        faults = verify(given.folder, given.key)
    except (OSError, ValueError, LookupError, TypeError) as error:
        faults = [f"this is not an export: {type(error).__name__}: {error}"]
    print("\n".join(f"NOT AS IT WAS: {it}" for it in faults) or "all holds", "" if given.key else "(key not compared)")
    sys.exit(1 if faults else 0)
