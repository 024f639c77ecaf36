"""Policies, right and wrong: for our parser, and for skopeo's to be compared with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyskopeo.config.policy import Policy

ACCEPT = [{"type": "insecureAcceptAnything"}]
REJECT = [{"type": "reject"}]
SIGNED_BY: dict[str, Any] = {"type": "signedBy", "keyType": "GPGKeys"}
BY_PATH = SIGNED_BY | {"keyPath": "/k"}
SIGSTORE: dict[str, Any] = {"type": "sigstoreSigned"}
FULCIO = {"caPath": "/ca", "oidcIssuer": "https://issuer", "subjectEmail": "a@b"}
PKI = {"caRootsPath": "/ca", "subjectHostname": "host"}
REKOR = {"rekorPublicKeyPath": "/r"}
HEX = "0" * 64


@dataclass(frozen=True)
class Case:
    """``problem`` is part of what we say of a wrong policy, and empty for a right one.

    ``skopeo``: "same" says the same of it; "words" refuses it too, in words of its own; "accepts" and
    "refuses" tell where skopeo and we differ.
    """

    name: str
    document: Any
    problem: str = ""
    skopeo: str = "same"

    @property
    def raw(self) -> bytes:
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


def default(name: str, requirement: object, problem: str = "", skopeo: str = "same") -> Case:
    """A policy of one requirement."""
    return Case(name, {"default": [requirement]}, problem, skopeo)


def identity(name: str, content: object, problem: str = "", skopeo: str = "same") -> Case:
    """A policy of one requirement with a ``signedIdentity``."""
    return default(f"identity {name}", BY_PATH | {"signedIdentity": content}, problem, skopeo)


def scope(transport: str, name: str, problem: str = "", skopeo: str = "same") -> Case:
    """A policy with one scope, and a default that accepts."""
    found = f"Unknown key {json.dumps(name)}" if problem else ""
    document = {"default": ACCEPT, "transports": {transport: {name: REJECT}}}
    return Case(f"scope {transport} {name}", document, f"{found} ({problem}" if problem else "", skopeo)


WHOLE = [
    Case("accept", {"default": ACCEPT}),
    Case("reject", {"default": REJECT}),
    Case("nothing", {}, "Default policy is missing"),
    Case("default empty", {"default": []}, "List of verification policy requirements must not be empty in default"),
    Case("default null", {"default": None}, "List of verification policy requirements must not be empty in default"),
    Case("default no array", {"default": {}}, "array expected in default", "words"),
    Case("default text", {"default": "reject"}, "array expected in default", "words"),
    Case("unknown member", {"default": ACCEPT, "x": 1}, 'Unknown key "x"'),
    Case("other case", {"Default": ACCEPT}, 'Unknown key "Default"'),
    Case("twice", b'{"default":[{"type":"reject"}],"default":[]}', "duplicate name 'default'", "words"),
    Case("twice within", b'{"default":[{"type":"reject","type":"reject"}]}', "duplicate name 'type'", "words"),
    Case(
        "scope twice",
        b'{"default":[{"type":"reject"}],"transports":{"dir":{"":[{"type":"reject"}],"":[{"type":"reject"}]}}}',
        "duplicate name ''",
        "words",
    ),
    Case("empty file", b"", "the file is not valid JSON", "words"),
    Case("blank file", b" \n", "the file is not valid JSON", "words"),
    Case("null", b"null", "the file is not a JSON object", "words"),
    Case("array", b"[]", "the file is not a JSON object", "words"),
    Case("more after it", b'{"default":[{"type":"reject"}]} x', "the file is not valid JSON", "words"),
    Case("comment", b'{"default":[{"type":"reject"}] /* no */}', "the file is not valid JSON", "words"),
    Case("comma too much", b'{"default":[{"type":"reject"}],}', "the file is not valid JSON", "words"),
    Case("NaN", b'{"default":NaN}', "the file is not valid JSON", "words"),
    Case("byte order mark", b'\xef\xbb\xbf{"default":[{"type":"reject"}]}', "the file is not valid JSON", "words"),
    Case("no UTF-8", b'{"default":[{"type":"reject"}],"transports":{"x":{"\xff":[]}}}', "not valid JSON", "words"),
    # Go puts a question mark for it and reads on; a scope that is not what was written protects nothing.
    Case(
        "no UTF-8 in a scope",
        b'{"default":[{"type":"reject"}],"transports":{"x":{"\xff":[{"type":"reject"}]}}}',
        "not valid JSON",
        "accepts",
    ),
    Case("deep", b'{"default":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply", "words"),
    Case("transports null", {"default": ACCEPT, "transports": None}, "JSON object expected in transports", "words"),
    Case("transports array", {"default": ACCEPT, "transports": []}, "JSON object expected in transports", "words"),
    Case("no transports", {"default": ACCEPT, "transports": {}}),
    Case("scopes null", {"default": ACCEPT, "transports": {"dir": None}}, "expected in transports.dir", "words"),
    Case("no scopes", {"default": ACCEPT, "transports": {"dir": {}}}),
    Case("scope empty", {"default": ACCEPT, "transports": {"dir": {"": []}}},
         'List of verification policy requirements must not be empty in transports.dir[""]'),
    Case("scope wrong", {"default": ACCEPT, "transports": {"docker": {"a.b": [{"type": "x"}]}}},
         'Unknown policy requirement type "x" in transports.docker["a.b"][0]'),
    Case("strange transport", {"default": ACCEPT, "transports": {"strange": {"x": REJECT}}}),
    Case("nameless transport", {"default": ACCEPT, "transports": {"": {"x": REJECT}}}),
    Case("wrong in a strange transport", {"default": ACCEPT, "transports": {"strange": {"x": [{}]}}},
         'Unknown policy requirement type ""'),
]  # fmt: skip

REQUIREMENTS = [
    default("no type", {}, 'Unknown policy requirement type "" in default[0]'),
    default("unknown type", {"type": "nope"}, 'Unknown policy requirement type "nope" in default[0]'),
    default("type in another case", {"Type": "reject"}, 'Unknown policy requirement type ""', "words"),
    default("type a number", {"type": 5}, "string expected in default[0].type", "words"),
    default("type null", {"type": None}, 'Unknown policy requirement type ""'),
    default("a number", 5, "JSON object expected in default[0]", "words"),
    default("requirement null", None, 'Unknown policy requirement type ""'),
    default("an array", [], "JSON object expected in default[0]", "words"),
    default("accept and more", {"type": "insecureAcceptAnything", "x": 1}, 'Unknown key "x" in default[0]'),
    default("reject and more", {"type": "reject", "keyPath": "/k"}, 'Unknown key "keyPath" in default[0]'),
    Case("the second wrong", {"default": [*ACCEPT, {"type": "nope"}]}, 'type "nope" in default[1]'),
    Case("several", {"default": [*ACCEPT, *REJECT, BY_PATH]}),
    default("key path", BY_PATH),
    default("key paths", SIGNED_BY | {"keyPaths": ["/a", "/b"]}),
    default("no key paths", SIGNED_BY | {"keyPaths": []}),
    default("key data", SIGNED_BY | {"keyData": "YWJj"}),
    default("key data empty", SIGNED_BY | {"keyData": ""}),
    default("key data in lines", SIGNED_BY | {"keyData": "YW\r\nJj\n"}),
    default("key data not padded", SIGNED_BY | {"keyData": "YQ"}, "illegal base64 data", "words"),
    default("key data padded too much", SIGNED_BY | {"keyData": "YWJj="}, "illegal base64 data", "words"),
    default("key data padded for nothing", SIGNED_BY | {"keyData": "YWJj===="}, "illegal base64 data", "words"),
    default("key data in two", SIGNED_BY | {"keyData": "YQ==YQ=="}, "illegal base64 data", "words"),
    default("key data for URLs", SIGNED_BY | {"keyData": "-_-_"}, "illegal base64 data", "words"),
    default("key data with blanks", SIGNED_BY | {"keyData": "YW Jj"}, "illegal base64 data", "words"),
    default("key data beyond ASCII", SIGNED_BY | {"keyData": "YWJ\u0130"}, "illegal base64 data", "words"),
    default("key data a number", SIGNED_BY | {"keyData": 1}, "string expected in default[0].keyData", "words"),
    default("no key", SIGNED_BY, "Exactly one of keyPath, keyPaths and keyData must be specified"),
    default("key path empty", SIGNED_BY | {"keyPath": ""}, "xactly one of keyPath, keyPaths and keyData", "words"),
    default("key path null", SIGNED_BY | {"keyPath": None}, "xactly one of keyPath, keyPaths and keyData", "words"),
    default("key paths null", SIGNED_BY | {"keyPaths": None}, "xactly one of keyPath, keyPaths and keyData", "words"),
    default("key data null", SIGNED_BY | {"keyData": None}, "xactly one of keyPath, keyPaths and keyData", "words"),
    default("key paths a string", SIGNED_BY | {"keyPaths": "/a"}, "array expected in default[0].keyPaths", "words"),
    default("key path a number", SIGNED_BY | {"keyPaths": [1]}, "string expected in default[0].keyPaths[0]", "words"),
    default("two keys", BY_PATH | {"keyData": "YWJj"}, "Exactly one of keyPath, keyPaths and keyData"),
    default("two keys, one null", BY_PATH | {"keyPaths": None}, "Exactly one of keyPath, keyPaths and keyData"),
    default("no key type", {"type": "signedBy", "keyPath": "/k"}, 'invalid keyType ""'),
    default("key type null", BY_PATH | {"keyType": None}, 'Unrecognized keyType value ""'),
    default("key type unknown", BY_PATH | {"keyType": "PGP"}, 'Unrecognized keyType value "PGP"'),
    *(default(f"key type {kind}", BY_PATH | {"keyType": kind})
      for kind in ("signedByGPGKeys", "X509Certificates", "signedByX509CAs")),
    default("signedBy and more", BY_PATH | {"keyDatas": []}, 'Unknown key "keyDatas"'),
    default("base layer", {"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}),
    default("base layer alone", {"type": "signedBaseLayer"}, 'Key "baseLayerIdentity" missing'),
    default("base layer wrong", {"type": "signedBaseLayer", "baseLayerIdentity": {}}, "reference match type"),
    default("base layer null", {"type": "signedBaseLayer", "baseLayerIdentity": None}, "reference match type"),
    default("base layer and more", {"type": "signedBaseLayer", "x": 1}, 'Unknown key "x"'),
]  # fmt: skip

IDENTITIES = [
    identity("null", None, 'Unknown policy reference match type "" in default[0].signedIdentity'),
    identity("empty", {}, 'Unknown policy reference match type ""'),
    identity("unknown", {"type": "matchAll"}, 'Unknown policy reference match type "matchAll"'),
    identity("text", "matchExact", "JSON object expected in default[0].signedIdentity", "words"),
    identity("array", [], "JSON object expected in default[0].signedIdentity", "words"),
    *(identity(kind, {"type": kind}) for kind in ("matchExact", "matchRepoDigestOrExact", "matchRepository")),
    *(identity(f"{kind} and more", {"type": kind, "x": 1}, 'Unknown key "x"')
      for kind in ("matchExact", "matchRepoDigestOrExact", "matchRepository")),
    identity("reference alone", {"type": "exactReference"}, 'Key "dockerReference" missing'),
    *(identity(f"reference {name[:20]}", {"type": "exactReference", "dockerReference": name})
      for name in ("busybox:1", f"a@sha256:{HEX}", f"a:1@sha256:{HEX}", "quay.io:443/a/b:1")),
    identity("reference without tag", {"type": "exactReference", "dockerReference": "busybox"},
             "contains neither a tag nor digest", "words"),
    identity("reference wrong", {"type": "exactReference", "dockerReference": "UPPER:1"}, "lowercase", "words"),
    identity("reference null", {"type": "exactReference", "dockerReference": None}, "invalid reference", "words"),
    identity("repository alone", {"type": "exactRepository"}, 'Key "dockerRepository" missing'),
    *(identity(f"repository {name[:20]}", {"type": "exactRepository", "dockerRepository": name})
      for name in ("busybox", "busybox:1", f"a@sha256:{HEX}", "index.docker.io/a", "localhost/a")),
    *(identity(f"repository wrong {name[:20]}", {"type": "exactRepository", "dockerRepository": name},
               "in default[0].signedIdentity.dockerRepository", "words")
      for name in ("", HEX, "a//b", "a@md5:" + "0" * 32, "a" * 260)),
    identity("repository and more", {"type": "exactRepository", "dockerReference": "a"}, "Unknown key"),
    *(identity(f"remap {old}", {"type": "remapIdentity", "prefix": old, "signedPrefix": new})
      for old, new in (("a", "b.c"), ("a/b", "b.c:5000/x"), ("A/b", "b"), ("a:123456", "b"), ("a.b/c_d/e--f", "b"))),
    *(identity(f"remap wrong {old!a}", {"type": "remapIdentity", "prefix": old, "signedPrefix": "b"},
               f"prefix {json.dumps(old)} is not valid")
      for old in ("", "a/b:1", "a/", "a_b", "a\n", "a//b", "a/B", "-a", f"a@sha256:{HEX}")),
    identity("remap to wrong", {"type": "remapIdentity", "prefix": "b", "signedPrefix": "a/"}, 'prefix "a/" is not'),
    identity("remap half", {"type": "remapIdentity", "prefix": "a"}, 'Key "signedPrefix" missing'),
    identity("remap and more", {"type": "remapIdentity", "x": "a"}, 'Unknown key "x"'),
    # skopeo takes no IPv6 address here.
    identity("remap address", {"type": "remapIdentity", "prefix": "[::1]:5/a", "signedPrefix": "b"}, "", "refuses"),
]  # fmt: skip


def sigstore(name: str, content: dict[str, Any], problem: str = "", skopeo: str = "same") -> Case:
    """A policy of one ``sigstoreSigned``."""
    return default(f"sigstore {name}", SIGSTORE | content, problem, skopeo)


_ONE_KEY = "exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, and pki must be specified in default[0]"
SIGSTORES = [
    sigstore("path", {"keyPath": "/k"}),
    sigstore("data", {"keyData": "YWJj"}),
    sigstore("identity", {"keyPath": "/k", "signedIdentity": {"type": "matchRepository"}}),
    sigstore("path and null", {"keyPath": "/k", "keyData": None}),
    sigstore("paths", {"keyPaths": ["/a", "/b"]}),
    sigstore("datas", {"keyDatas": ["YWJj", "YQ=="]}),
    sigstore("fulcio", {"fulcio": FULCIO} | REKOR),
    sigstore("fulcio with data", {"fulcio": FULCIO | {"caPath": "", "caData": "YWJj"}, "rekorPublicKeyDatas": ["YQ=="]}),
    # Newer than skopeo 1.22.
    sigstore("fulcio for a build", {"fulcio": FULCIO | {"subjectEmail": "", "buildSignerURI": "https://x"}} | REKOR, "",
             "refuses"),
    sigstore("pki", {"pki": PKI}),
    sigstore("pki with all", {"pki": {"caRootsData": "YWJj", "caIntermediatesPath": "/i", "subjectEmail": "a@b"}}),
    sigstore("rekor", {"keyPath": "/k"} | REKOR),
    sigstore("rekor paths", {"keyPath": "/k", "rekorPublicKeyPaths": ["/r"]}),
    sigstore("rekor data", {"keyPath": "/k", "rekorPublicKeyData": "YQ=="}),
    sigstore("nothing", {}, _ONE_KEY),
    sigstore("two", {"keyPath": "/k", "keyData": "YWJj"}, _ONE_KEY),
    sigstore("path and fulcio", {"keyPath": "/k", "fulcio": FULCIO} | REKOR, _ONE_KEY),
    sigstore("fulcio and pki", {"pki": PKI, "fulcio": FULCIO} | REKOR, _ONE_KEY),
    sigstore("path empty", {"keyPath": ""}, _ONE_KEY),
    sigstore("path null", {"keyPath": None}, _ONE_KEY),
    sigstore("key type", {"keyPath": "/k", "keyType": "GPGKeys"}, 'Unknown key "keyType"'),
    sigstore("paths empty", {"keyPaths": []}, '"keyPaths" contains no entries'),
    sigstore("paths null", {"keyPaths": None}, '"keyPaths" contains no entries'),
    sigstore("datas empty", {"keyDatas": []}, '"keyDatas" contains no entries'),
    sigstore("datas wrong", {"keyDatas": ["YWJj", "?"]}, "illegal base64 data in default[0].keyDatas[1]", "words"),
    sigstore("rekor empty", {"keyPath": "/k", "rekorPublicKeyPaths": []}, '"rekorPublicKeyPaths" contains no entries', "words"),
    sigstore("rekor twice", {"keyPath": "/k", "rekorPublicKeyData": "YQ=="} | REKOR, "at most one of rekorPublicKeyPath",
             "words"),
    sigstore("fulcio alone", {"fulcio": FULCIO}, "must be specified if fulcio is used", "words"),
    sigstore("fulcio null", {"fulcio": None} | REKOR, "JSON object expected in default[0].fulcio", "words"),
    sigstore("fulcio empty", {"fulcio": {}} | REKOR, "At least one of caPath and caData must be specified"),
    sigstore("fulcio with two", {"fulcio": FULCIO | {"caData": "YQ=="}} | REKOR, "caPath and caData cannot be used"),
    sigstore("fulcio, no issuer", {"fulcio": FULCIO | {"oidcIssuer": ""}} | REKOR, "oidcIssuer not specified"),
    sigstore("fulcio for nobody", {"fulcio": FULCIO | {"subjectEmail": ""}} | REKOR, "At least one of subjectEmail, buildSignerURI must",
             "words"),
    sigstore("fulcio and more", {"fulcio": FULCIO | {"x": ""}} | REKOR, 'Unknown key "x" in default[0].fulcio'),
    sigstore("pki null", {"pki": None}, "JSON object expected in default[0].pki", "words"),
    sigstore("pki without roots", {"pki": {"subjectEmail": "a@b"}}, "At least one of caRootsPath and caRootsData"),
    sigstore("pki with two", {"pki": PKI | {"caRootsData": "YQ=="}}, "caRootsPath and caRootsData cannot be used"),
    sigstore("pki with two below", {"pki": PKI | {"caIntermediatesPath": "/a", "caIntermediatesData": "YQ=="}},
             "caIntermediatesPath and caIntermediatesData cannot be used"),
    sigstore("pki for nobody", {"pki": {"caRootsPath": "/ca"}}, "At least one of subjectEmail, subjectHostname must be"),
    sigstore("pki with rekor", {"pki": PKI} | REKOR, "not supported for pki", "words"),
    sigstore("pki and more", {"pki": PKI | {"caPath": ""}}, 'Unknown key "caPath" in default[0].pki'),
]  # fmt: skip

_PATH, _CLEAN = "must be an absolute path", "uses non-canonical path format, perhaps try with path"
SCOPES = [
    *(scope(kind, good) for kind in ("dir", "oci", "oci-archive") for good in ("", "/a", "/a/b.c", "/a:b", "/a b")),
    *(scope(kind, "/", 'use the generic default scope ""') for kind in ("dir", "oci", "oci-archive")),
    *(scope(kind, "a/b", _PATH) for kind in ("dir", "oci", "oci-archive")),
    *(scope("dir", bad, f"{_CLEAN} {good}")
      for bad, good in (("/a/", "/a"), ("//a", "/a"), ("///a", "/a"), ("/a//b", "/a/b"), ("/a/.", "/a"), ("/a/../b", "/b"),
                        ("//", "/"), ("/.", "/"), ("/..", "/"))),
    scope("oci", "/a/", f"{_CLEAN} /a"),
    scope("oci", "a:b", _PATH),
    scope("docker-archive", ""),
    scope("docker-archive", "/a", "docker-archive: does not support any scopes"),
    scope("tarball", ""),
    scope("tarball", "/a", "tarball: does not support any scopes"),
    scope("docker-daemon", ""),
    *(scope("docker-daemon", good) for good in ("a.b", "a.b/c:d", "*.b", f"a@sha256:{HEX}", "sha256:00", f"md5:{HEX[:32]}")),
    scope("docker-daemon", f"sha256:{HEX}", "docker-daemon: images named by their ID"),
    *(scope("docker", good) for good in ("", "a.b", "a.b/c", "a.b/c:d", f"a.b/c@sha256:{HEX}", f"a.b/c:d@sha256:{HEX}",
                                         "*.a.b", "*", "a*.*.b", "///", "UPPER", f"sha256:{HEX}")),
    # What only other programs can read is theirs to check.
    scope("containers-storage", "x", skopeo="refuses"),
    scope("sif", "x", skopeo="refuses"),
    scope("atomic", "a/b/c/d", skopeo="refuses"),
    scope("ostree", "x"),
]  # fmt: skip

CASES = [*WHOLE, *REQUIREMENTS, *IDENTITIES, *SIGSTORES, *SCOPES]


def policy(path: Path, default: object = ACCEPT, **transports: object) -> Path:
    """A policy file; the transports' names have ``_`` for ``-``."""
    scopes = {name.replace("_", "-"): said for name, said in transports.items()}
    path.write_text(json.dumps({"default": default, "transports": scopes}))
    return path


def one(requirement: dict[str, Any]) -> object:
    (found,) = Policy.parse(json.dumps({"default": [requirement]}).encode(), "p").default
    return found
