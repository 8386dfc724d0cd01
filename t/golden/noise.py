# SPDX-License-Identifier: ISC
"""Noise_KK_25519_ChaChaPoly_SHA256 (The Noise Protocol Framework, revision 34), from hashlib and integers alone."""
import hashlib
import hmac
import struct

PROTOCOL = b"Noise_KK_25519_ChaChaPoly_SHA256"

# ------------------------------------------------------------- X25519 (RFC 7748)

P = 2**255 - 19


def x25519(secret, point=b"\x09" + bytes(31)):
    k = int.from_bytes(secret, "little") & ~7 & ~(1 << 255) | 1 << 254
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


# ------------------------------------------- ChaCha20 and Poly1305 (RFC 8439)

MASK = 0xFFFFFFFF


def quarter(s, a, b, c, d):
    for add, xor, to, turn in ((b, a, d, 16), (d, c, b, 12), (b, a, d, 8), (d, c, b, 7)):
        s[xor] = s[xor] + s[add] & MASK
        s[to] ^= s[xor]
        s[to] = (s[to] << turn | s[to] >> 32 - turn) & MASK


def block(key, counter, nonce):
    first = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    s = list(first)
    for _ in range(10):
        for i in range(4):
            quarter(s, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *(x + y & MASK for x, y in zip(s, first)))


def cipher(key, nonce, data):
    out = b""
    for i in range(0, len(data), 64):
        out += bytes(x ^ y for x, y in zip(data[i : i + 64], block(key, 1 + i // 64, nonce)))
    return out


def tag_of(key, nonce, ad, data):
    once = block(key, 0, nonce)
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s, total = int.from_bytes(once[16:32], "little"), 0
    padded = ad + bytes(-len(ad) % 16) + data + bytes(-len(data) % 16) + struct.pack("<QQ", len(ad), len(data))
    for i in range(0, len(padded), 16):
        total = (total + int.from_bytes(padded[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (total + s & (1 << 128) - 1).to_bytes(16, "little")


def encrypt(key, number, ad, data):
    nonce = bytes(4) + struct.pack("<Q", number)
    out = cipher(key, nonce, data)
    return out + tag_of(key, nonce, ad, out)


def decrypt(key, number, ad, data):
    nonce, data, tag = bytes(4) + struct.pack("<Q", number), data[:-16], data[-16:]
    if tag_of(key, nonce, ad, data) != tag:
        raise ValueError("not what was encrypted with this key, number and additional data")
    return cipher(key, nonce, data)


# ---------------------------------------------------------- KK, both sides


class Handshake:
    """initiator, responder: (secret, None) of the side that is played, (None, public) of the other."""

    def __init__(self, prologue, initiator, responder, ephemeral):
        self.leads = initiator[0] is not None
        self.secret, self.peer = (initiator[0], responder[1]) if self.leads else (responder[0], initiator[1])
        self.ephemeral = ephemeral
        self.h = self.ck = PROTOCOL  # 32 bytes: not hashed
        self.mix_hash(prologue)
        for secret, public in (initiator, responder):
            self.mix_hash(public or x25519(secret))
        self.number = 0

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def derive(self, data):
        key = hmac.digest(self.ck, data, "sha256")
        first = hmac.digest(key, b"\1", "sha256")
        return first, hmac.digest(key, first + b"\2", "sha256")

    def mix(self, secret, public):
        self.ck, self.key = self.derive(x25519(secret, public))
        self.number = 0

    def seal(self, payload):
        out = encrypt(self.key, self.number, self.h, payload)
        self.mix_hash(out)
        return out

    def open(self, data):
        out = decrypt(self.key, self.number, self.h, data)
        self.mix_hash(data)
        return out

    def write_1(self, payload=b""):
        """-> e, es, ss"""
        e = x25519(self.ephemeral)
        self.mix_hash(e)
        self.mix(self.ephemeral, self.peer)
        self.mix(self.secret, self.peer)
        return e + self.seal(payload)

    def read_1(self, message):
        self.remote = message[:32]
        self.mix_hash(self.remote)
        self.mix(self.secret, self.remote)
        self.mix(self.secret, self.peer)
        return self.open(message[32:])

    def write_2(self, payload):
        """<- e, ee, se"""
        e = x25519(self.ephemeral)
        self.mix_hash(e)
        self.mix(self.ephemeral, self.remote)
        self.mix(self.ephemeral, self.peer)
        return e + self.seal(payload)

    def read_2(self, message):
        remote = message[:32]
        self.mix_hash(remote)
        self.mix(self.ephemeral, remote)
        self.mix(self.secret, remote)
        return self.open(message[32:])

    def split(self):
        """The keys from initiator to responder, and back."""
        return self.derive(b"")
