"""Certificates for development and closed networks: a CA, and certificates by it."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

EARLIER = timedelta(minutes=5)
"""By how much a certificate begins before now: clocks differ."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def make_ca(name: str, days: int) -> Issued:
    """Return a CA that signs certificates, and no further CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    usage = x509.KeyUsage(*(each in ("sign", "crl") for each in _USAGES))
    builder = (
        _builder(subject, subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _issued(builder.sign(key, hashes.SHA256()), key)


def issue(ca: Issued, names: Sequence[str], days: int) -> Issued:
    """Return a certificate for `names`, DNS names and IP addresses, that serves and calls; the first is its subject."""
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    signing = serialization.load_pem_private_key(ca.key, None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise ValueError("the key of the CA is none of an elliptic curve")
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_name(names[0]), issuer.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_alternative(each) for each in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    return _issued(builder.sign(signing, hashes.SHA256()), key)


def first_name(certificate: bytes) -> str:
    """Return the first name, DNS or IP address, that a PEM certificate is for; "" when it has none."""
    parsed = x509.load_pem_x509_certificate(certificate)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return found[0] if found else ""


def valid_until(certificate: bytes) -> datetime:
    """Return when a PEM certificate ends."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def days_left(certificate: bytes) -> float:
    """Return for how many days a PEM certificate is valid still; negative after its end."""
    return (valid_until(certificate) - datetime.now(UTC)) / timedelta(days=1)


_USAGES = ("digital", "commitment", "key", "data", "agreement", "sign", "crl", "encipher", "decipher")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), private)
