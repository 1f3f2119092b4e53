"""The files of the contract say where generated code of other languages belongs, and each by the same rule."""

from typing import Any

import pytest
from google.protobuf import descriptor_pool

from scripts.generate_stubs import contract_files
from tests.unit.docs.test_api import MODULES

GO, JAVA = "github.com/quintet-recommendations/quintet/gen/go", "com.quintetrecommendations"
assert MODULES, "with the stubs of the services all files of the contract are in the pool"


@pytest.mark.parametrize("name", contract_files())
def test_a_file_names_its_packages_for_go_and_java(name: str) -> None:
    file: Any = descriptor_pool.Default().FindFileByName(name)
    options, folder = file.GetOptions(), name.rpartition("/")[0]
    assert folder == file.package.replace(".", "/")
    *_, domain, version = folder.split("/")
    assert options.go_package == f"{GO}/{folder};{domain}{version}"
    assert options.java_package == f"{JAVA}.{file.package}"
    assert options.java_multiple_files
    assert options.java_outer_classname
