"""Customer groups and their codes."""

from services.recommendation.models.groups import GroupCodes, labels_of
from shared.db.customers import Groups


def test_unknown_groups_are_left_out() -> None:
    assert labels_of(Groups(1, "25-34", "f", "")) == {"age": "25-34"}


def test_codes_there_and_back() -> None:
    members = [{"region": "South", "age": "25-34"}, {"region": "North"}, {}]
    groups = GroupCodes.of(members)
    assert groups.labels == {"age": ("25-34",), "region": ("North", "South")}
    rows = groups.rows(members)
    assert (rows["region"].tolist(), rows["age"].tolist()) == ([1, 0, -1], [0, -1, -1])
    assert groups.codes({"region": "South", "age": "99"}) == {"region": 1}
    assert groups.describe("region", 1) == "region=South"
    assert groups.describe("age", 0) == "age_group=25-34"


def test_codes_of_nobody() -> None:
    assert GroupCodes().codes({"region": "North"}) == {}
