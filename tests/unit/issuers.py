"""Issuers of tokens, made by the test: one in memory, and a server on loopback that misbehaves."""

import base64
import datetime as dt
import functools
import ipaddress
import json
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chalicelib.errors import Unavailable

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ISSUER = "https://issuer.example/pool"
AUDIENCE = "our-client"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"
NOW = 1_767_323_045.678


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make a key, once for each name: it takes a while."""
    assert name
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@functools.cache
def ec_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """Make a key, once for each name."""
    assert name
    return ec.generate_private_key(curve())


def jwk(key: PrivateKey, kid: str | None, /, **members: Any) -> dict[str, Any]:
    """Return the public part of a key as an issuer publishes it."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, "use": "sig", **({"kid": kid} if kid else {}), **members}


def segment(value: object) -> str:
    """Return a part of a token: JSON, or bytes as they are, in base64url."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(key: PrivateKey, header: object, claims: object) -> str:
    """Sign whatever it is, which PyJWT would not."""
    text = f"{segment(header)}.{segment(claims)}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    else:
        numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(32, "big") for number in numbers)
    return f"{text}.{segment(signature)}"


class Issuer:
    """Publishes keys, signs tokens, and counts who asks; `failing` makes it fail."""

    def __init__(self, url: str = ISSUER) -> None:
        self.url = url
        self.keys: dict[str, PrivateKey] = {"one": rsa_key("one"), "two": ec_key("two")}
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.failing = False

    def fetch(self, url: str) -> bytes:
        """Return what a URL holds, as `download` does."""
        self.asked.append(url)
        if self.failing:
            raise Unavailable(service="the identity provider")
        return self.document(url.removeprefix(self.url.rstrip("/")))

    def document(self, path: str) -> bytes:
        """Return a document, or what the test has put in its place."""
        usual = {DISCOVERY: self.discovery, JWKS: self.key_set}
        return self.documents[path] if path in self.documents else usual[path]()

    def discovery(self, **members: Any) -> bytes:
        location = self.url.rstrip("/") + JWKS
        return json.dumps({"issuer": self.url, "jwks_uri": location, **members}).encode()

    def key_set(self) -> bytes:
        return key_set(*(jwk(key, kid) for kid, key in self.keys.items()))

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return the claims of a good token; None takes one away."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "person-1",
            "exp": int(NOW) + 600,
            "iat": int(NOW),
            "preferred_username": "ada",
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "one", **changed: Any) -> str:
        """Return a good token, but for the claims that are changed."""
        return self.signed({"kid": kid}, self.claims(**changed))

    def signed(self, header: Mapping[str, Any], claims: object) -> str:
        """Sign anything with the key that the header names."""
        key = self.keys[header["kid"]]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return sign(key, {"typ": "JWT", "alg": algorithm, **header}, claims)


def key_set(*members: object) -> bytes:
    """Return a set of keys as it is published."""
    return json.dumps({"keys": members}).encode()


def symmetric(secret: bytes, claims: dict[str, Any], kid: str) -> str:
    """Sign with a secret; by hand, as PyJWT refuses the text of a public key as a secret."""
    text = f"{segment({'typ': 'JWT', 'alg': 'HS256', 'kid': kid})}.{segment(claims)}"
    code = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{text}.{segment(code.sign(text.encode(), secret))}"


def certificate() -> bytes:
    """Return a key and a certificate for this machine, signed by itself, in PEM."""
    key, now = ec_key("certificate"), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret + signed.public_bytes(serialization.Encoding.PEM)


class IssuerServer:
    """The same behind HTTP on 127.0.0.1; a path in `faults` is answered by its function."""

    def __init__(self, *, tls: bool = False) -> None:
        self.faults: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.paths: list[str] = []
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile() as file:
                file.write(certificate())
                file.flush()
                context.load_cert_chain(file.name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.issuer = Issuer(f"http://127.0.0.1:{self._server.server_port}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                server.faults.get(self.path, server.serve)(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        answer(request, self.issuer.document(request.path))

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the test is over."""
        self.over.wait(20)

    def drip(self, request: BaseHTTPRequestHandler) -> None:
        """Send a header that never ends, a byte at a time."""
        request.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        while not self.over.wait(0.02):
            try:
                request.wfile.write(b"x")
            except OSError:
                return


def answer(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """Answer a request."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    try:
        request.wfile.write(body)
    except OSError:
        return  # the client has read enough
