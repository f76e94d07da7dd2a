"""Settings: nothing unknown, nothing secret shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from veilocity import settings
from veilocity.errors import SettingsError

CANARY = "c4nary-4539148803436467"


def variable(name: str) -> str:
    return f"{settings.PREFIX}{name.upper()}"


def test_defaults_need_no_environment() -> None:
    assert settings.load({}).privacy_k == settings.Settings.model_fields["privacy_k"].default


def test_variables_of_other_programs_are_left_alone() -> None:
    assert settings.load({"PATH": "/bin", "veilocity_privacy_k": "7"}).privacy_k == settings.load({}).privacy_k


@pytest.mark.parametrize("name", ["VEILOCITY_SPEED_LIMT", "VEILOCITY_", "VEILOCITY_PRIVACY_K_FILE"])
def test_an_unknown_variable_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings.load({name: "1"})


def test_an_unknown_override_is_refused() -> None:
    with pytest.raises(SettingsError, match="PRIVACY_KK"):
        settings.load({}, privacy_kk=3)


@pytest.mark.parametrize("name", sorted(set(settings.Settings.model_fields) - set(settings.SECRETS)))
def test_a_wrong_value_is_named_but_never_shown(name: str) -> None:
    try:
        loaded = settings.load({variable(name): CANARY})
    except SettingsError as error:
        assert variable(name) in str(error)
        assert CANARY not in str(error)
        assert error.__cause__ is None
    else:
        assert str(getattr(loaded, name)) == CANARY  # text is text


@pytest.mark.parametrize("name", settings.SECRETS)
def test_a_secret_comes_from_environment_or_file_and_is_never_shown(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CANARY}\n", encoding="utf-8")
    for environment in ({variable(name): CANARY}, {f"{variable(name)}_FILE": str(file)}):
        loaded = settings.load(environment)
        assert getattr(loaded, name).get_secret_value() == CANARY
        assert CANARY not in repr(loaded) + str(loaded) + loaded.model_dump_json()


@pytest.mark.parametrize("name", settings.SECRETS)
def test_a_secret_in_the_settings_file_is_refused_without_showing_it(name: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'{name} = "{CANARY}"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=variable(name)) as refusal:
        settings.load({"VEILOCITY_SETTINGS_FILE": str(file)})
    assert CANARY not in str(refusal.value)


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both set"):
        settings.load({"VEILOCITY_INGEST_TOKEN": CANARY, "VEILOCITY_INGEST_TOKEN_FILE": str(tmp_path / "any")})


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_secret_file_that_cannot_be_read_is_told_without_its_path(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / CANARY
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match="VEILOCITY_INGEST_TOKEN_FILE") as refusal:
        settings.load({"VEILOCITY_INGEST_TOKEN_FILE": str(file)})
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize("text", ["privacy_kk = 3", "privacy_k = ", "\x00"])
def test_a_wrong_settings_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="settings file"):
        settings.load({"VEILOCITY_SETTINGS_FILE": str(file)})


def test_environment_wins_over_the_file_and_an_option_over_both(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("privacy_k = 6\nprivacy_sample_size = 10\n", encoding="utf-8")
    environment = {"VEILOCITY_SETTINGS_FILE": str(file), "VEILOCITY_PRIVACY_K": "7"}
    assert settings.load(environment).privacy_k == 7
    assert settings.load(environment).privacy_sample_size == 10
    assert settings.load(environment, privacy_k=8).privacy_k == 8


def test_every_setting_is_described_and_its_default_is_allowed() -> None:
    for name, info in settings.Settings.model_fields.items():
        assert info.description and info.description.endswith("."), name
    settings.Settings.model_validate(settings.load({}).model_dump())
