"""How arms are written in the tables of metrics."""

from shared.experiments.arm_names import LONGEST, arms_of_list, arms_of_session


def test_the_arms_of_a_list_are_in_the_order_of_the_experiments() -> None:
    assert arms_of_list({"price": "b", "home": "a"}) == "home:a,price:b"
    assert arms_of_list({}) == ""


def test_a_session_has_the_arms_of_all_its_lists() -> None:
    assert arms_of_session(["", "home:a,price:b", "cart:a,home:a"]) == "cart:a,home:a,price:b"
    assert arms_of_session([""]) == ""


def test_arms_that_do_not_fit_are_left_out_whole() -> None:
    names = {"a" * 63: "x" * 63, "b" * 63: "y" * 63, "c": "z"}
    text = arms_of_list(names)
    assert text == f"{'a' * 63}:{'x' * 63},c:z"
    assert len(text) <= LONGEST
