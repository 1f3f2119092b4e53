"""API keys: their form, what is kept of them, and what none can be made of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api_keys import ApiKey, PresentedKey, Role, check_new_key, digest, generate
from shared.errors import InvalidArgument

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_key_is_taken_apart_as_it_was_made() -> None:
    for role in Role:
        key = generate(role)
        assert PresentedKey.parse(str(key)) == key
        assert str(key).startswith(f"qk_{role.value}_{key.key_id}_")
        assert len(key.secret) == 43


def test_a_key_shows_nothing_of_its_secret() -> None:
    key = generate(Role.ADMIN)
    assert key.secret not in repr(key)
    assert key.secret.encode() not in digest(key.secret)


@given(st.text(max_size=200))
def test_whatever_is_sent_is_a_key_or_none(text: str) -> None:
    parsed = PresentedKey.parse(text)
    assert parsed is None or str(parsed) == text


def test_only_its_own_secret_matches() -> None:
    made, other = generate(Role.BACKEND), generate(Role.BACKEND)
    key = ApiKey(made.key_id, Role.BACKEND, "shop", digest(made.secret), NOW)
    assert key.matches(made.secret)
    assert not key.matches(other.secret)
    assert not key.matches("")


@pytest.mark.parametrize("end", ["expires_at", "revoked_at"])
def test_a_key_lives_until_it_ends(end: str) -> None:
    key = ApiKey("a", Role.BACKEND, "shop", b"", NOW, **{end: NOW + timedelta(seconds=1)})
    assert key.live(NOW)
    assert not key.live(NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", ("", Role.ADMIN, False, (), 1.0)),
        ("name", ("n" * 101, Role.ADMIN, False, (), 1.0)),
        ("rate_factor", ("n", Role.ADMIN, False, (), 0.0)),
        ("origins", ("n", Role.STOREFRONT, True, (), 1.0)),
        ("origins", ("n", Role.STOREFRONT, False, ("https://shop.example",), 1.0)),
        ("origins", ("n", Role.STOREFRONT, True, ("shop.example",), 1.0)),
        ("origins", ("n", Role.STOREFRONT, True, ("https://shop.example/path",), 1.0)),
        ("origins", ("n", Role.STOREFRONT, True, ("https://shop.example",) * 51, 1.0)),
        ("role", ("n", Role.ADMIN, True, ("https://shop.example",), 1.0)),
    ],
)
def test_a_key_that_makes_no_sense_names_the_field(
    field: str, given: tuple[str, Role, bool, tuple[str, ...], float]
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_new_key(*given)
    assert caught.value.violations[0].field == field
