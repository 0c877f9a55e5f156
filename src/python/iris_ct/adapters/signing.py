"""Signed packages: an archive, an RSA signature over its digest, and the author's public key.

A signed package is a gzipped tar with the members `ARCHIVE`, `SIGNATURE` and `PUBLIC_KEY`. It is
read in memory and member by member; nothing of it is written before the signature is found right.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from dataclasses import dataclass
from typing import IO

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from iris_ct.core.errors import PackageRefusedError

ARCHIVE = "mxe-model.zip"
SIGNATURE = "mxe-image-id.sig"
PUBLIC_KEY = "mxe-author.pub"
# What other tools put there: a container image.
_IMAGE = "mxe-image.tar"

MOST_BYTES = 1 << 30
"""Largest archive in a package."""
# Bytes of an unpacked package: at all, and of each that came. An archive is packed already.
_MOST_FREE, _MOST_EACH = 8 << 20, 16
_MOST_SMALL = 64 * 1024
_PIECE = 1 << 16
# As the reference's example; shorter keys count as broken.
_FEWEST_BITS = 2048


@dataclass(frozen=True)
class SignedPackage:
    """What a signed package holds; nothing of it has been believed yet."""

    archive: bytes
    signature: bytes
    public_key: str

    def verify(self) -> None:
        """Check the signature against the package's own key, which says nothing about whose it is.

        Raises
        ------
        PackageRefusedError
            If the signature is not the key's over this archive.
        """
        key = read_public_key(self.public_key)
        try:
            key.verify(self.signature, image_id(self.archive), PKCS1v15(), SHA256())
        except InvalidSignature:
            raise PackageRefusedError(
                "The signature of the package does not fit its content: it was changed after it "
                "was signed, or signed with another key. Package it again."
            ) from None


def image_id(archive: bytes) -> bytes:
    """Give what is signed: ``sha256:<digest of the archive>``."""
    return f"sha256:{hashlib.sha256(archive).hexdigest()}".encode()


def sign_package(archive: bytes, private_pem: bytes, public_pem: bytes) -> bytes:
    """Give a signed package.

    Raises
    ------
    PackageRefusedError
        If a key cannot be used, or the two are no pair.
    """
    private = _private_key(private_pem)
    public = public_pem.decode("ascii", "replace")
    if read_public_key(public).public_numbers() != private.public_key().public_numbers():
        raise PackageRefusedError("The private key and the public key do not belong together.")
    signature = private.sign(image_id(archive), PKCS1v15(), SHA256())
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, content in (
            (PUBLIC_KEY, public_pem),
            (SIGNATURE, signature),
            (ARCHIVE, archive),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


def read_signed_package(content: bytes) -> SignedPackage:
    """Read the members of a signed package, in memory.

    Raises
    ------
    PackageRefusedError
        If it is no gzipped tar, or has not exactly the members of a signed package.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=_Bounded(content), mode="r|") as tar:
            for member in tar:
                if member.name == _IMAGE:
                    raise PackageRefusedError(
                        f"The package holds a container image ({_IMAGE}), which cannot be served "
                        "here. Package the model's source with 'ct model package'."
                    )
                _take(tar, member, found)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise PackageRefusedError(
            f"The package is no gzipped tar, or damaged ({type(error).__name__}). Package it again."
        ) from error
    missing = [name for name in (PUBLIC_KEY, SIGNATURE, ARCHIVE) if name not in found]
    if missing:
        raise PackageRefusedError(
            f"The package is not signed, or incomplete: it lacks {', '.join(missing)}. Make it "
            "with 'ct model package'."
        )
    return SignedPackage(
        found[ARCHIVE], found[SIGNATURE], found[PUBLIC_KEY].decode("ascii", "replace")
    )


def read_public_key(text: str) -> RSAPublicKey:
    """Read a public RSA key as PEM text.

    Raises
    ------
    PackageRefusedError
        If it is none, or a short one.
    """
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PackageRefusedError(
            "The public key cannot be read; expected an RSA key as PEM text."
        ) from error
    if not isinstance(key, RSAPublicKey):
        raise PackageRefusedError(
            f"The public key is of kind {type(key).__name__}; expected an RSA key."
        )
    _check_bits(key.key_size)
    return key


def _private_key(pem: bytes) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PackageRefusedError(
            "The private key cannot be read; expected an RSA key as PEM text without a password."
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise PackageRefusedError(
            f"The private key is of kind {type(key).__name__}; expected an RSA key."
        )
    _check_bits(key.key_size)
    return key


def _check_bits(bits: int) -> None:
    if bits < _FEWEST_BITS:
        raise PackageRefusedError(f"The key has {bits} bits; expected {_FEWEST_BITS} or more.")


class _Bounded(io.RawIOBase):
    """Unpacks what was compressed, and no more of it than a package can hold.

    Headers of a tar have no size of their own: a few kilobytes could fill the memory with one.
    """

    def __init__(self, content: bytes) -> None:
        self._file = gzip.GzipFile(fileobj=io.BytesIO(content))
        self._left = min(MOST_BYTES, _MOST_FREE + _MOST_EACH * len(content))

    def read(self, size: int = -1) -> bytes:
        """Read on.

        Raises
        ------
        PackageRefusedError
            If there is more than there may be.
        """
        found = self._file.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise PackageRefusedError(
                "The package is many times larger than what was sent of it, as no archive is. "
                "Package it again."
            )
        return found


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, found: dict[str, bytes]) -> None:
    """Take one member; refuse strange ones, and a second one of a name."""
    if member.name not in {ARCHIVE, SIGNATURE, PUBLIC_KEY} or member.name in found:
        raise PackageRefusedError(
            f"The package holds something unexpected: {member.name[:80]!r}. Expected exactly "
            f"{ARCHIVE}, {SIGNATURE} and {PUBLIC_KEY}."
        )
    most = MOST_BYTES if member.name == ARCHIVE else _MOST_SMALL
    file: IO[bytes] | None = tar.extractfile(member) if member.isfile() else None
    if file is None or member.size > most:
        raise PackageRefusedError(
            f"{member.name} in the package is no file, or larger than {most:,} bytes."
        )
    # In pieces: a read of all makes room for what is said to be there.
    found[member.name] = b"".join(iter(lambda: file.read(_PIECE), b""))
