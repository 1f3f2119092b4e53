"""Paths of annotations: what they match, and what is not understood."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.coordinator.http.path_template import PathTemplate


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/v1/status", "/v1/status", {}),
        ("/v1/status", "/v1/status/", None),
        ("/v1/status", "/v1", None),
        ("/v1/jobs/{job_id}", "/v1/jobs/a", {"job_id": "a"}),
        ("/v1/jobs/{job_id=*}", "/v1/jobs/a%2Fb%20c", {"job_id": "a/b c"}),
        ("/v1/jobs/{job_id}", "/v1/jobs/a/b", None),
        ("/v1/jobs/{job_id}:watch", "/v1/jobs/a:b:watch", {"job_id": "a:b"}),
        ("/v1/jobs/{job_id}:watch", "/v1/jobs/a", None),
        ("/v1/events:import", "/v1/events:import", {}),
        ("/v1/events:import", "/v1/events", None),
        ("/v1/products/{product.product_id}/performance", "/v1/products/p/performance", {"product.product_id": "p"}),
    ],
)
def test_a_template_matches_its_paths(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert PathTemplate.parse(template).match(path) == expected


@pytest.mark.parametrize("template", ["/v1/{name=products/*}", "/v1/**", "/v1/{name=**}", "/v1/a{b}"])
def test_what_is_not_understood_is_an_error(template: str) -> None:
    with pytest.raises(ValueError, match="is not understood"):
        PathTemplate.parse(template)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_id_comes_through_a_path(name: str) -> None:
    path = f"/v1/jobs/{quote(name, safe='')}:watch"
    assert PathTemplate.parse("/v1/jobs/{job_id}:watch").match(path) == {"job_id": name}
