"""Signed manifests: they hold, they break when anything is changed, and none is lost without a word."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image

from stages.lib.label import TRAINED_ALGORITHMIC_MEDIA
from stages.marks import MarkError, Signer, inspect_bytes, inspect_file, make_signer, mark_picture
from stages.marks.credentials import has_manifest, read_signature
from stages.marks.signing import PURPOSES
from tests.stubs.certificates import Chain, make_chain

pytest.importorskip("c2pa")


@pytest.fixture(scope="module")
def chain() -> Chain:
    return make_chain()


@pytest.fixture(scope="module")
def signer(chain: Chain) -> Signer:
    return make_signer(chain.cert, chain.key)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    here, looked_up = threading.get_ident(), socket.getaddrinfo

    def refuse(*args: Any, **options: Any) -> Any:
        if threading.get_ident() == here:
            raise AssertionError("something was looked up on the network")
        return looked_up(*args, **options)  # a client that an earlier test left to its reaper

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def picture(form: str = "PNG") -> bytes:
    out = BytesIO()
    Image.effect_noise((96, 64), 60).convert("RGB").save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_signed_picture_says_who_and_what(form: str, signer: Signer, chain: Chain) -> None:
    signed = mark_picture(picture(form), visible=False, signer=signer, description="A portrait")
    found = inspect_bytes(signed, trust=chain.root.decode()).c2pa
    assert (found.state, found.signer, found.issuer) == ("trusted", "Test signer", "Test studio")
    assert found.source_type == TRAINED_ALGORITHMIC_MEDIA
    assert found.generator == "sdwebui-client"
    assert found.problems == ()
    unknown = inspect_bytes(signed).c2pa
    assert (unknown.state, unknown.problems) == ("untrusted", ())
    assert inspect_bytes(signed, trust=make_chain().root.decode()).c2pa.state == "untrusted"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_pixels_stay_and_no_copy_of_them_is_in_the_manifest(form: str, signer: Signer) -> None:
    plain = picture(form)
    signed = mark_picture(plain, visible=False, signer=signer)
    assert Image.open(BytesIO(signed)).tobytes() == Image.open(BytesIO(plain)).tobytes()
    assert b"thumbnail" not in signed
    assert len(signed) - len(plain) < 20_000


def test_signing_twice_is_signing_once(signer: Signer) -> None:
    once = mark_picture(picture(), visible=True, language="ko", signer=signer)
    assert mark_picture(once, visible=True, language="ko", signer=signer) == once
    assert mark_picture(once, visible=False, signer=None) == once


def _changed_png(data: bytes, kind: bytes) -> bytes:
    """One bit of one chunk turned over, its checksum made right again."""
    at = data.index(kind)
    length = struct.unpack(">I", data[at - 4 : at])[0]
    body = bytearray(data[at : at + 4 + length])
    body[4 + length // 2] ^= 1
    return data[:at] + bytes(body) + struct.pack(">I", zlib.crc32(body)) + data[at + 8 + length :]


@pytest.mark.parametrize("kind", [b"IDAT", b"iTXt", b"tEXt"])
def test_any_change_of_a_png_is_noticed(kind: bytes, signer: Signer, chain: Chain) -> None:
    out = BytesIO()
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", "a portrait, Steps: 20")
    Image.effect_noise((64, 64), 60).convert("RGB").save(out, "PNG", pnginfo=texts)
    signed = mark_picture(out.getvalue(), visible=False, signer=signer, description="a description")
    broken = inspect_bytes(_changed_png(signed, kind), trust=chain.root.decode())
    assert broken.c2pa.state == "invalid"
    assert "assertion.dataHash.mismatch" in broken.c2pa.problems
    assert not broken.c2pa.generated


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_changed_manifest_is_noticed(form: str, signer: Signer, chain: Chain) -> None:
    signed = mark_picture(picture(form), visible=False, signer=signer, description="A portrait")
    forged = signed.replace(b"c2pa.created", b"c2pa.drawing")
    assert forged != signed
    if form == "PNG":
        at = forged.index(b"caBX")
        length = struct.unpack(">I", forged[at - 4 : at])[0]
        crc = struct.pack(">I", zlib.crc32(forged[at : at + 4 + length]))
        forged = forged[: at + 4 + length] + crc + forged[at + 8 + length :]
    assert read_signature(forged, form, trust=chain.root.decode()).state in ("invalid", "unreadable")


def test_a_cut_off_manifest_is_no_good_one(signer: Signer) -> None:
    signed = mark_picture(picture("JPEG"), visible=False, signer=signer)
    assert read_signature(signed[: len(signed) // 3], "JPEG").state in ("invalid", "unreadable", "absent")


def test_a_change_without_a_certificate_is_refused_not_stripped(signer: Signer) -> None:
    signed = mark_picture(picture(), visible=False, signer=signer)
    with pytest.raises(MarkError) as caught:
        mark_picture(signed, visible=True, language="ko")
    assert caught.value.code == "signed-already"
    assert caught.value.hint


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_change_with_a_certificate_keeps_the_old_manifest_inside(
    form: str, signer: Signer, chain: Chain
) -> None:
    signed = mark_picture(picture(form), visible=False, signer=signer)
    changed = mark_picture(signed, visible=True, language="ko", signer=signer)
    found = inspect_bytes(changed, trust=chain.root.decode())
    assert (found.c2pa.state, found.visible_mark) == ("trusted", "ko")
    assert found.c2pa.source_type == TRAINED_ALGORITHMIC_MEDIA
    import c2pa

    with c2pa.Reader(f"image/{form.lower()}", BytesIO(changed)) as reader:
        store = json.loads(reader.json())
    assert len(store["manifests"]) == 2
    ingredients = store["manifests"][store["active_manifest"]]["ingredients"]
    assert [entry["relationship"] for entry in ingredients] == ["parentOf"]


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "es256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
        (ed25519.Ed25519PrivateKey.generate, "ed25519"),
        (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_the_key_decides_the_algorithm(make: object, algorithm: str) -> None:
    chain = make_chain(key=make())  # type: ignore[operator]
    signer = make_signer(chain.cert, chain.key)
    assert signer.algorithm == algorithm
    assert "PRIVATE" not in repr(signer)
    signed = mark_picture(picture(), visible=False, signer=signer)
    assert read_signature(signed, "PNG", trust=chain.root.decode()).state == "trusted"


@pytest.mark.parametrize("oid", PURPOSES.values(), ids=list(PURPOSES))
def test_every_allowed_purpose_signs(oid: str) -> None:
    chain = make_chain(usage=ObjectIdentifier(oid))
    signed = mark_picture(picture(), visible=False, signer=make_signer(chain.cert, chain.key))
    assert read_signature(signed, "PNG", trust=chain.root.decode()).state == "trusted"


def test_certificates_that_cannot_sign_are_refused_at_once(chain: Chain, tmp_path: Path) -> None:
    other = make_chain()
    expired = make_chain(valid=(-30, -1))
    purpose = make_chain(usage=None)
    server = make_chain(usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for cert, key, words in (
        (chain.cert, other.key, "does not belong"),
        (b"no certificate", chain.key, "cannot be read"),
        (chain.cert, b"no key", "cannot be read"),
        (expired.cert, expired.key, "valid from"),
        (purpose.cert, purpose.key, "could not be signed"),
        (server.cert, server.key, "could not be signed"),
        (tmp_path / "missing.pem", chain.key, "missing.pem"),
    ):
        with pytest.raises(MarkError, match=words) as caught:
            make_signer(cert, key)
        assert "PRIVATE" not in str(caught.value)


def test_files_are_read_like_bytes(chain: Chain, tmp_path: Path) -> None:
    for name, content in (("cert.pem", chain.cert), ("key.pem", chain.key), ("root.pem", chain.root)):
        (tmp_path / name).write_bytes(content)
    signer = make_signer(tmp_path / "cert.pem", tmp_path / "key.pem")
    (tmp_path / "a.png").write_bytes(mark_picture(picture(), visible=False, signer=signer))
    assert inspect_file(tmp_path / "a.png", trust=tmp_path / "root.pem").c2pa.state == "trusted"
    (tmp_path / "root.pem").write_text("nothing")
    with pytest.raises(MarkError, match="no certificate"):
        inspect_file(tmp_path / "a.png", trust=tmp_path / "root.pem")


def test_without_the_extra_a_manifest_is_seen_but_not_judged(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = {form: mark_picture(picture(form), visible=False, signer=signer) for form in ("PNG", "JPEG")}
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    for form, data in signed.items():
        assert has_manifest(data)
        assert read_signature(data, form).state == "not-checked"
        assert read_signature(picture(form), form).state == "absent"
    with pytest.raises(MarkError, match="c2pa-python"):
        mark_picture(picture(), visible=False, signer=signer)
