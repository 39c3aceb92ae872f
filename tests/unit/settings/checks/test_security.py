"""Text where a yes or no belongs."""


def test_bool_of_an_environment_variable_is_told_with_its_line(site):
    site.write("shop/settings.py", 'import os\nDEBUG = bool(os.environ.get("DEBUG", False))\n')
    (one,) = site.found("security.N001")
    assert (one.severity, one.where) == ("warning", "shop/settings.py:2")


def test_bool_of_a_variable_whose_presence_is_meant_is_no_finding(site):
    site.write(
        "shop/settings.py",
        'import os\nON_HEROKU = bool(os.environ.get("DYNO"))\nMAIL = bool(os.getenv("EMAIL_HOST"))\n',
    )
    assert not site.found("security.N001")


def test_the_base_of_split_settings_is_read_too(site):
    site.write("shop/settings.py", "from .base import *\n")
    site.write("shop/base.py", 'import os\nDEBUG = bool(os.getenv("DEBUG"))\n')
    (one,) = site.found("security.N001")
    assert one.where == "shop/base.py:2"


def test_a_settings_module_that_is_not_in_force_is_left_alone(site):
    site.write("shop/local.py", 'import os\nDEBUG = bool(os.getenv("DEBUG"))\n')
    assert not site.found("security.N001")


def test_the_text_of_a_variable_as_a_yes_or_no_is_told(site):
    site.write("shop/settings.py", 'import os\nDEBUG = os.environ.get("DEBUG", True)\n')
    (one,) = site.found("security.N002")
    assert "DEBUG" in one.what


def test_a_variable_that_is_compared_is_no_finding(site):
    site.write(
        "shop/settings.py",
        'import os\nDEBUG = os.environ.get("DEBUG", "") == "1"\nNAME = os.getenv("NAME")\n',
    )
    assert not site.found("security.N002")


def test_allowed_hosts_of_everybody_is_only_good_to_know(site):
    site.write("shop/settings.py", 'ALLOWED_HOSTS = ["*"]\n')
    (one,) = site.found("security.N003")
    assert one.severity == "info"


def test_named_hosts_are_no_finding(site):
    site.write("shop/settings.py", 'ALLOWED_HOSTS = ["shop.example"]\n')
    assert not site.found("security.N003")
