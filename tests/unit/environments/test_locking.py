"""What a lock says of its packages."""

from nuages.environments.locking import versions


def test_a_package_from_an_address_is_named_without_the_password_in_it():
    lines = ("django==5.2", "shop-tools @ git+https://ada:hunter2@git.example/tools@v1")
    assert versions(lines) == {"django": "5.2", "shop-tools": "git+https://***@git.example/tools@v1"}
