"""A signed package is believed only as a whole, and read without writing anything."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from iris_ct.adapters.signing import (
    ARCHIVE,
    PUBLIC_KEY,
    SIGNATURE,
    read_public_key,
    read_signed_package,
    sign_package,
)
from iris_ct.core.errors import PackageRefusedError

PEM = serialization.Encoding.PEM
CONTENT = b"an archive" * 100


def pems(bits: int = 2048) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


@pytest.fixture(scope="module")
def jane() -> tuple[bytes, bytes]:
    return pems()


@pytest.fixture(scope="module")
def otto() -> tuple[bytes, bytes]:
    return pems()


def packed(members: dict[str, bytes]) -> bytes:
    """Write a package by hand."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


def test_what_was_signed_is_read_back(jane: tuple[bytes, bytes]) -> None:
    signed = read_signed_package(sign_package(CONTENT, *jane))
    assert signed.archive == CONTENT
    assert signed.public_key.encode() == jane[1]
    signed.verify()


def test_one_changed_byte_is_noticed(jane: tuple[bytes, bytes]) -> None:
    signed = read_signed_package(sign_package(CONTENT, *jane))
    for place in (0, len(CONTENT) // 2, len(CONTENT) - 1):
        changed = bytearray(CONTENT)
        changed[place] ^= 1
        with pytest.raises(PackageRefusedError, match="changed after it was signed"):
            replace(signed, archive=bytes(changed)).verify()


def test_a_signature_of_someone_else_does_not_fit(
    jane: tuple[bytes, bytes], otto: tuple[bytes, bytes]
) -> None:
    signed = read_signed_package(sign_package(CONTENT, *jane))
    with pytest.raises(PackageRefusedError, match="does not fit"):
        replace(signed, public_key=otto[1].decode()).verify()
    with pytest.raises(PackageRefusedError, match="do not belong together"):
        sign_package(CONTENT, jane[0], otto[1])


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "lacks mxe-author.pub, mxe-image-id.sig, mxe-model.zip"),
        ({ARCHIVE: b"x", PUBLIC_KEY: b"k"}, "lacks mxe-image-id.sig"),
        ({"mxe-image.tar": b"x"}, "holds a container image"),
        ({ARCHIVE: b"x", "../evil": b"x"}, "something unexpected"),
        ({PUBLIC_KEY: b"k" * 100_000}, "larger than"),
    ],
)
def test_what_is_no_signed_package_is_refused(members: dict[str, bytes], words: str) -> None:
    with pytest.raises(PackageRefusedError, match=words):
        read_signed_package(packed(members))


def test_damaged_packages_are_refused(jane: tuple[bytes, bytes]) -> None:
    whole = sign_package(CONTENT, *jane)
    for broken in (b"", b"plain", whole[:40], whole[: len(whole) // 2]):
        with pytest.raises(PackageRefusedError):
            read_signed_package(broken)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE])
def test_a_small_package_cannot_fill_the_memory(kind: bytes) -> None:
    """Headers are read whole before they are looked at; this one unpacks to 200 MB."""
    size = 200 << 20
    member = tarfile.TarInfo(ARCHIVE)
    member.size, member.type = size, kind
    written = io.BytesIO()
    with gzip.GzipFile(fileobj=written, mode="w", compresslevel=1) as file:
        file.write(member.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(200):
            file.write(bytes(1 << 20))
    bomb = written.getvalue()
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(PackageRefusedError, match=r"many times larger"):
            read_signed_package(bomb)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_a_link_in_place_of_a_file_is_refused() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        link = tarfile.TarInfo(SIGNATURE)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(PackageRefusedError, match="is no file"):
        read_signed_package(written.getvalue())


def test_weak_and_foreign_keys_are_refused() -> None:
    with pytest.raises(PackageRefusedError, match="1024 bits; expected 2048"):
        read_public_key(pems(1024)[1].decode())
    other = ed25519.Ed25519PrivateKey.generate().public_key()
    text = other.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(PackageRefusedError, match="expected an RSA key"):
        read_public_key(text)
    with pytest.raises(PackageRefusedError, match="cannot be read"):
        read_public_key("no key")
