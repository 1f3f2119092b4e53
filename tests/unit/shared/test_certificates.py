"""Certificates are for the names they were made for, by their CA, for as long as said."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from shared.certificates import days_left, first_name, issue, make_ca

CA = make_ca("test", 10)


def test_a_certificate_is_signed_by_its_ca_for_its_names() -> None:
    made = issue(CA, ["customer", "127.0.0.1"], 5)
    certificate = x509.load_pem_x509_certificate(made.certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(CA.certificate))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["customer"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    assert first_name(made.certificate) == "customer"
    assert days_left(made.certificate) == pytest.approx(5, abs=0.01)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_ca_signs_and_does_nothing_else() -> None:
    certificate = x509.load_pem_x509_certificate(CA.certificate)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert usage.crl_sign
    assert not usage.digital_signature
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert first_name(CA.certificate) == ""
