"""What is permitted follows from what was said, and where nothing was, from the default."""

import pytest
from pydantic import ValidationError
from quintet.type.v1 import consent_pb2 as pb

from shared.config import Settings
from shared.consent import ALL_PERMITTED, Consent, Permissions
from shared.consent_messages import from_consent, to_consent
from shared.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Permissions(False, False, False)),
        ("personalise, train", Permissions(True, False, True)),
        ("personalise,measure,train", ALL_PERMITTED),
    ],
)
def test_the_default_names_purposes(text: str, expected: Permissions) -> None:
    assert Settings(_env_file=None, default_consent=text).permissions == expected


@pytest.mark.parametrize("text", ["", "all", "none,train", "train,train2"])
def test_another_default_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, default_consent=text)


def test_what_was_said_goes_before_the_default() -> None:
    said = Consent(personalise=True, train=False)
    assert said.permissions(Permissions.parse("none")) == Permissions(True, False, False)
    assert said.permissions() == Permissions(True, True, False)


@pytest.mark.parametrize(
    ("stored", "called", "expected"),
    [(None, None, None), (None, True, True), (None, False, False), (True, False, False), (False, True, False)],
)
def test_a_call_may_deny_but_not_grant_what_is_denied(
    stored: bool | None, called: bool | None, expected: bool | None
) -> None:
    assert Consent(measure=stored).narrowed_by(Consent(measure=called)).measure is expected


def test_messages_say_the_same() -> None:
    said = Consent(personalise=True, measure=False)
    message = from_consent(said, None)
    assert message is not None
    assert to_consent(message, "consent") == said
    assert from_consent(Consent(), None) is None
    with pytest.raises(InvalidArgument) as caught:
        to_consent(pb.Consent(train=7), "event.consent")  # type: ignore[arg-type]
    assert caught.value.violations[0].field == "event.consent.train"
